# The `asrwire` command as a process (emulate) and as a function (dispatch, errors, exit codes).

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest

from asrwire import ConfigError
from asrwire.cli import main
from asrwire.emulator import CATALOGUE

SAMPLES = Path(__file__).parent / "samples"
COMMAND = [sys.executable, "-c", "import sys; from asrwire.cli import main; sys.exit(main())"]


@contextmanager
def emulate(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The running command and what it printed to export."""
    with subprocess.Popen(
        [*COMMAND, "emulate", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            exports = {}
            for line in process.stderr:
                if "=" in line:
                    name, _, value = line.strip().removeprefix("export ").partition("=")
                    exports[name] = value
                elif exports:  # the blank line after the exports
                    break
            yield process, exports
        finally:
            process.kill()


def transcribe(base_url: str, audio: str | None = None, **options: Any) -> httpcore.Response:
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    body = json.loads((SAMPLES / "qwen_asr_dashscope_request.json").read_bytes())
    if audio is not None:
        body["input"]["messages"][1]["content"][0]["audio"] = audio
    with httpcore.ConnectionPool(**options) as pool:
        return pool.request(
            "POST",
            base_url + "/services/aigc/multimodal-generation/generation",
            headers=headers,
            content=json.dumps(body).encode(),
        )


def test_emulate_until_interrupted() -> None:
    with emulate() as (process, exports):
        assert exports["DASHSCOPE_BASE_URL"].startswith("http://127.0.0.1:")
        assert exports["DASHSCOPE_BASE_URL"].endswith("/api/v1")
        assert exports.keys() == {"DASHSCOPE_BASE_URL", "DASHSCOPE_API_KEY"}
        assert transcribe(exports["DASHSCOPE_BASE_URL"]).status == 200
        process.send_signal(signal.SIGINT)
        output, log = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "")
    [line] = log.splitlines()
    path = "/api/v1/services/aigc/multimodal-generation/generation"
    assert line[8:] == f" POST {path} 200 qwen3-asr-flash, 1 event"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_emulate_keeps_no_audio() -> None:
    def resident(process: subprocess.Popen[str]) -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])  # kB

    with emulate() as (process, exports):
        audio = "data:audio/wav;base64," + "AAAA" * 2**20
        transcribe(exports["DASHSCOPE_BASE_URL"], audio)
        before = resident(process)
        for _ in range(30):
            assert transcribe(exports["DASHSCOPE_BASE_URL"], audio).status == 200
        assert resident(process) - before < 60_000


def test_emulate_file_tasks() -> None:
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json", "X-DashScope-Async": "enable"}
    body = (SAMPLES / "funasr_submit_request.json").read_bytes()
    with emulate() as (_, exports), httpcore.ConnectionPool() as pool:
        base_url = exports["DASHSCOPE_BASE_URL"]
        reply = pool.request("POST", base_url + "/services/audio/asr/transcription", headers=headers, content=body)
        task_id = json.loads(reply.content)["output"]["task_id"]
        deadline = time.monotonic() + 30
        output: dict[str, Any] = {}
        while output.get("task_status") != "SUCCEEDED":
            assert time.monotonic() < deadline
            time.sleep(0.1)  # between polls, as a client does: the log of each goes to a pipe that nobody reads
            output = json.loads(pool.request("GET", f"{base_url}/tasks/{task_id}", headers=headers).content)["output"]
        result = pool.request("GET", output["results"][0]["transcription_url"])
        assert json.loads(result.content)["file_url"] == output["results"][0]["file_url"]


def test_emulate_a_sample_over_tls() -> None:
    sample = SAMPLES / "error_no_words_http400.json"
    with emulate("--tls", "--sample", str(sample), "--envelope", "public", "--speed", "4") as (process, exports):
        assert exports["DASHSCOPE_BASE_URL"].startswith("https://")
        certificate = Path(exports["SSL_CERT_FILE"])
        context = ssl.create_default_context(cafile=certificate)
        response = transcribe(exports["DASHSCOPE_BASE_URL"], ssl_context=context)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert (response.status, response.content) == (400, sample.read_bytes())
    assert process.returncode == 0
    assert not certificate.exists()


def test_emulate_with_faults() -> None:
    with emulate("--fault", "429:retry_after=2,times=1", "--fault", "500:p=0.5,nth=2,times=9", "--seed", "5") as (
        process,
        exports,
    ):
        first, *others = [transcribe(exports["DASHSCOPE_BASE_URL"]) for _ in range(10)]
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert (first.status, dict(first.headers)[b"Retry-After"]) == (429, b"2")
    assert {other.status for other in others} == {200, 500}
    assert log.splitlines()[0].endswith(" 429 refused, 1 event, status:code=429,retry_after=2,times=1")


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "--list-faults"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = [line.split("\t") for line in printed.out.splitlines()]
    assert [line[0] for line in lines] == list(CATALOGUE)
    assert {len(line) for line in lines} == {4}
    assert [
        "stall", "at=64 events= part=body|head seconds=", "F007 F013 F015 F038 F057 F116 F120 F127",
        "silence from a byte on; without seconds, for ever",
    ] in lines  # fmt: skip


def test_the_list_of_faults_on_a_terminal_and_into_a_pipe_that_closes() -> None:
    import pty

    leader, follower = pty.openpty()
    with subprocess.Popen([*COMMAND, "emulate", "--list-faults"], stdout=follower, stderr=subprocess.PIPE) as process:
        os.close(follower)
        printed = b""
        try:
            while part := os.read(leader, 65536):
                printed += part
        except OSError:  # Linux: the terminal is gone
            pass
        assert process.wait(30) == 0
    os.close(leader)
    text = printed.decode().replace("\r\n", "\n")
    assert "\ncut\n    the connection is closed at a byte; bare: without close_notify\n    at=64 events=" in text
    assert max(map(len, text.split("\n"))) < 80
    gone, end = os.pipe()
    os.close(gone)
    done = subprocess.run([*COMMAND, "emulate", "--list-faults"], stdout=end, stderr=subprocess.PIPE, timeout=60)
    os.close(end)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["emulate", "--sample", "no.sse"], "asrwire: cannot read the sample no.sse: No such file or directory"),
        (["emulate", "--sample", "a.wav"], "asrwire: a sample is a .sse or a .json file, not a.wav"),
        (["emulate", "--speed", "-1"], "asrwire: speed must be positive and finite, or None for at once"),
        (["emulate", "--port", "70000"], "asrwire: port must be 0 to 65535, not 70000"),
        (
            ["emulate", "--fault", "cutt"],
            "asrwire: there is no fault 'cutt': asrwire emulate --list-faults names them",
        ),
        (["emulate", "--fault", "cut:after=3"],
         "asrwire: cut has no parameter 'after'; it has at, events, part, how, on, nth, times, p"),
    ],
)  # fmt: skip
def test_errors_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr() == ("", message + "\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["nonsense"], 2), (["emulate", "--port", "x"], 2), (["emulate", "--envelope", "x"], 2), (["--help"], 0)],
)
def test_usage(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert "usage: asrwire" in (printed.err if code else printed.out)


@pytest.mark.parametrize("command", [[], ["demo"], ["emulate"]])
def test_help_has_an_example_and_fits_80_columns(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "\nexamples:\n  asrwire " in printed
    assert max(map(len, printed.split("\n"))) < 80


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("asrwire.cli._demo")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_demo_is_given_its_arguments(demo: types.ModuleType) -> None:
    given: list[argparse.Namespace] = []
    demo.run = lambda arguments: given.append(arguments) or 7  # type: ignore[attr-defined]
    assert main(["demo"]) == 7
    assert main(["demo", "--fast", "--out", "some/dir"]) == 7
    assert [(one.fast, one.out) for one in given] == [(False, Path()), (True, Path("some/dir"))]


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (ConfigError("two\nlines"), 2, "asrwire: two lines\n"),
        (PermissionError(13, "Permission denied", "d"), 2, "asrwire: d: Permission denied\n"),
        (ZeroDivisionError("oops"), 2, "asrwire: ZeroDivisionError: oops\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_whatever_a_command_raises(
    demo: types.ModuleType, error: BaseException, code: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    demo.run = run  # type: ignore[attr-defined]
    assert main(["demo"]) == code
    assert capsys.readouterr().err == printed


def test_a_command_is_imported_when_it_runs() -> None:
    code = "import sys, asrwire.cli; print(*{'asrwire.cli._emulate', 'asrwire.emulator', 'h11'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "\n"
