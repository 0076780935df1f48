# `asrwire tasks` against the emulator: what each action prints, on which stream, and its exit code.

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asrwire import (
    ASRWireError,
    ConfigError,
    ConnectFailed,
    HTTPStatusError,
    PoolTimeout,
    ResultExpired,
    ServiceError,
    TaskFailed,
    Timeout,
)
from asrwire.cli import exit_code, main
from asrwire.emulator import Emulator, Script

pytestmark = pytest.mark.transport

SECRET = "Signature=not-to-be-seen"
ONE, TWO, THREE = (f"https://example.com/audio/{name}.wav?{SECRET}" for name in ("one", "two", "three"))
KEY = "sk-0123456789abcdef"
FILES: dict[str, Script | str] = {
    ONE: Script.from_texts(["This is one.", "It has two."]),
    TWO: "FILE_404_NOT_FOUND",
    THREE: Script.from_texts(["第三个文件。"]),
}
TWO_FAILED = (
    "asrwire: https://example.com/audio/two.wav: the task T1 has a file that has failed: FILE_404_NOT_FOUND "
    "(there is no file at that URL)\n"
)
SRT = """\
1
00:00:00,200 --> 00:00:01,130
This is one.

2
00:00:01,730 --> 00:00:02,610
It has two.
"""
VTT = "WEBVTT\n\n00:00:00.200 --> 00:00:01.130\nThis is one.\n\n00:00:01.730 --> 00:00:02.610\nIt has two.\n"
SUBMITTED = (
    '{"task_id":"T1","status":"PENDING","submit_time":null,"scheduled_time":null,"end_time":null,"metrics":{},'
    '"subtasks":[{"file_url":"https://example.com/audio/one.wav","status":"PENDING","code":null,"message":null},'
    '{"file_url":"https://example.com/audio/two.wav","status":"PENDING","code":null,"message":null}],'
    '"usage":null,"code":null,"message":null,"request_id":"UUID","model":"fun-asr","region":"cn-beijing"}\n'
)
DONE = (
    '{"task_id":"T1","status":"SUCCEEDED","submit_time":"TIME","scheduled_time":"TIME","end_time":"TIME",'
    '"metrics":{"TOTAL":2,"SUCCEEDED":1,"FAILED":1},'
    '"subtasks":[{"file_url":"https://example.com/audio/one.wav","status":"SUCCEEDED","code":null,"message":null},'
    '{"file_url":"https://example.com/audio/two.wav","status":"FAILED","code":"FILE_404_NOT_FOUND",'
    '"message":"FILE_404_NOT_FOUND"}],'
    '"usage":{"seconds":2,"input_tokens":null,"audio_tokens":null,"output_tokens":null,"total_tokens":null},'
    '"code":null,"message":null,"request_id":"UUID","model":null,"region":"cn-beijing"}\n'
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("DASHSCOPE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(clock="virtual", queue_time=2, run_time=3, files=FILES) as running:
        yield running


Tasks = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tasks(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> Tasks:
    """Run an action: the exit code, stdout and stderr, both without what no test can foresee, and without secrets."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        ids = {f"T{number}": task.id for number, task in enumerate(emulator.tasks, 1)}
        code = main(["tasks", *(ids.get(one, one) for one in arguments), "--base-url", emulator.base_url])
        printed = capsys.readouterr()
        return code, masked(emulator, printed.out), masked(emulator, printed.err)

    return run


def masked(emulator: Emulator, text: str) -> str:
    for secret in (SECRET, KEY, "signature", "Expires", emulator.result_origin):
        assert secret not in text
    for number, task in enumerate(emulator.tasks, 1):
        text = text.replace(task.id, f"T{number}")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d\d\d)?", "TIME", text)
    return re.sub(r", \d+ s(?!\w)", ", N s", re.sub(r"\b1\d{12}\b", '"MS"', text))


# == submit ============================================================================================================


def test_submit_prints_the_id(tasks: Tasks, emulator: Emulator) -> None:
    options = ["--option", 'language_hints=["zh"]', "--option", "diarization_enabled=true"]
    more = ["--option", "vocabulary_id=vocab-1", "--option", 'extra={"newer": 0.5}']
    code = tasks("submit", ONE, TWO, "--model", "paraformer-v2", *options, *more[:2])
    assert code == (0, "T1\n", "")
    assert tasks("submit", ONE, "--model", "fun-asr", *more[2:])[0] == 2  # the emulator knows no such parameter
    assert [request.json for request in emulator.requests] == [
        {
            "model": "paraformer-v2",
            "input": {"file_urls": [ONE, TWO]},
            "parameters": {"language_hints": ["zh"], "diarization_enabled": True, "vocabulary_id": "vocab-1"},
        },
        {"model": "fun-asr", "input": {"file_urls": [ONE]}, "parameters": {"newer": 0.5}},
    ]


def test_submit_with_json(tasks: Tasks) -> None:
    assert tasks("submit", ONE, TWO, "--model", "fun-asr", "--json") == (0, SUBMITTED, "")


def test_submit_makes_as_many_tasks_as_the_model_needs(tasks: Tasks, emulator: Emulator) -> None:
    assert tasks("submit", ONE, TWO, THREE, "--model", "qwen3-asr-flash-filetrans") == (0, "T1\nT2\nT3\n", "")
    assert [task.urls for task in emulator.tasks] == [(ONE,), (TWO,), (THREE,)]


def test_submit_checks_everything_before_anything_is_sent(tasks: Tasks, emulator: Emulator) -> None:
    model = ["--model", "qwen3-asr-flash-filetrans"]
    files = "asrwire: urls[1] must begin with http://, https:// or oss://: file-task models take neither local files"
    code, out, err = tasks("submit", ONE, "two.wav", *model)
    assert (code, out) == (2, "")
    assert err.startswith(files)
    assert tasks("submit", ONE, *model, "--option", "x") == (
        2, "", "asrwire: --option is NAME=VALUE, such as language_hints='[\"zh\"]'\n",
    )  # fmt: skip
    for name in ("model", "timeouts", "resend", "lang"):
        assert tasks("submit", ONE, *model, "--option", f"{name}=1")[2].startswith(
            f"asrwire: --option: there is no option '{name}'"
        )
    assert tasks("submit", ONE, "--model", "fun-asr-realtime")[0] == 2
    assert tasks("submit", ONE, *model, "--option", "language=1") == (
        2, "", "asrwire: TypeError: language must be a str, not int\n",
    )  # fmt: skip
    assert emulator.requests == []


def test_submit_says_what_has_no_id(tasks: Tasks, emulator: Emulator) -> None:
    emulator.lose_reply("rst")
    code, out, err = tasks("submit", ONE, "--model", "fun-asr")
    assert (code, out) == (2, "")
    assert "a task may have been made" in err
    assert len(emulator.tasks) == 1


def test_submit_names_the_files_left(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["FILE_404_NOT_FOUND"])
    model = ["--model", "qwen3-asr-flash-filetrans"]
    with Emulator(files=lambda url: next(answers)) as failing:  # no answer for the second: 500
        assert main(["tasks", "submit", ONE, TWO, THREE, *model, "--base-url", failing.base_url]) == 2
        printed = capsys.readouterr()
        assert masked(failing, printed.out) == "T1\n"
    first, second, third = printed.err.splitlines()
    assert first == "asrwire: without a task id: https://example.com/audio/two.wav"
    assert second == "asrwire: without a task id: https://example.com/audio/three.wav"
    assert third.startswith("asrwire: HTTP status 500: InternalError: ")


# == get, cancel, list =================================================================================================


def test_get(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", ONE, TWO, "--model", "fun-asr")
    assert tasks("get", "T1") == (0, "task       T1\nstatus     PENDING\n", "")
    emulator.advance(5)
    assert tasks("get", "T1") == (
        0,
        "task       T1\n"
        "status     SUCCEEDED\n"
        "submitted  TIME\n"
        "begun      TIME\n"
        "ended      TIME\n"
        "files      2, 1 failed\n"
        "  SUCCEEDED  https://example.com/audio/one.wav\n"
        "  FAILED     https://example.com/audio/two.wav  FILE_404_NOT_FOUND\n",
        "",
    )
    assert tasks("get", "T1", "--json") == (0, DONE, "")


def test_get_says_why_a_task_failed_and_knows_unknown_ones(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", TWO, "--model", "qwen3-asr-flash-filetrans")
    emulator.advance(5)
    code, out, _ = tasks("get", "T1")
    assert (code, out.splitlines()[-1]) == (0, "error      FILE_404_NOT_FOUND")
    assert tasks("get", "nonsense") == (0, "task       nonsense\nstatus     UNKNOWN\n", "")
    assert tasks("get", "../tokens") == (2, "", "asrwire: a task id is 1 to 128 letters, digits, _ and -\n")


def test_cancel(tasks: Tasks, emulator: Emulator) -> None:
    for _ in range(3):
        tasks("submit", ONE, "--model", "fun-asr")
    assert tasks("cancel", "T1") == (0, "T1  CANCELED\n", "")
    assert tasks("cancel", "T2", "--json") == (0, '{"task_id":"T2","status":"CANCELED"}\n', "")
    emulator.advance(5)
    assert tasks("cancel", "T3") == (
        2,
        "",
        "asrwire: HTTP status 400: UnsupportedOperation: Failed to cancel the task, please confirm if the task is in "
        "PENDING status. (only a PENDING task can be canceled; one that runs, or is over, cannot)\n",
    )
    assert [task.status for task in emulator.tasks] == ["CANCELED", "CANCELED", "SUCCEEDED"]


def test_list(tasks: Tasks, emulator: Emulator) -> None:
    assert tasks("list") == (0, "", "")
    tasks("submit", ONE, "--model", "fun-asr")
    emulator.advance(2)
    tasks("submit", ONE, "--model", "paraformer-v2")
    first, second, third = (
        f"{name:<36}  {status:<9}  {time:<19}  {model}\n"
        for name, status, time, model in (
            ("task", "status", "submitted", "model"),
            ("T2" + " " * 34, "PENDING", "TIME" + " " * 15, "paraformer-v2"),
            ("T1" + " " * 34, "RUNNING", "TIME" + " " * 15, "fun-asr"),
        )
    )
    shown = tuple(re.sub(r"(T\d|TIME) +", r"\1  ", line) for line in (second, third))
    assert tasks("list") == (0, first + shown[0] + shown[1], "")
    assert tasks("list", "--status", "RUNNING") == (0, first + shown[1], "")
    assert tasks("list", "--model", "paraformer-v2") == (0, first + shown[0], "")
    assert tasks("list", "--limit", "1", "--since", "2h") == (0, first + shown[0], "")
    assert emulator.requests[-2].path == "/api/v1/tasks/?model_name=paraformer-v2&page_no=1&page_size=100"
    assert re.fullmatch(r"/api/v1/tasks/\?start_time=\d{14}&page_no=1&page_size=1", emulator.requests[-1].path)
    assert tasks("list", "--json", "--status", "RUNNING") == (
        0,
        '{"task_id":"T1","status":"RUNNING","submit_time":"MS","scheduled_time":"MS","end_time":null,"metrics":{},'
        '"subtasks":[],"usage":null,"code":null,"message":null,"request_id":"UUID","model":"fun-asr",'
        '"region":"cn-beijing"}\n',
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "25h"], "--since is a number of s, m or h, such as 90s, 30m or 2h, and at most 24h"),
        (["--since", "0m"], "--since is a number of s, m or h, such as 90s, 30m or 2h, and at most 24h"),
        (["--since", "2"], "--since is a number of s, m or h, such as 90s, 30m or 2h, and at most 24h"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--status", "a b"], "status is 1 to 256 printable ASCII characters without spaces"),
    ],
)
def test_list_refuses(tasks: Tasks, arguments: list[str], message: str) -> None:
    assert tasks("list", *arguments) == (2, "", f"asrwire: {message}\n")


# == wait ==============================================================================================================


def test_wait_on_a_pipe_prints_a_line_per_change(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", ONE, TWO, "--model", "fun-asr")
    timer = threading.Timer(0.3, emulator.advance, [5.0])
    timer.start()
    assert tasks("wait", "T1") == (
        0,
        "T1  SUCCEEDED, 1 of 2 files failed\n",
        "PENDING: 0/1 files done, 0 failed, N s\nSUCCEEDED: 2/2 files done, 1 failed, N s\n",
    )
    timer.join()


def test_wait_for_several_tells_of_those_that_failed(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", ONE, TWO, "--model", "qwen3-asr-flash-filetrans")
    tasks("submit", ONE, "--model", "fun-asr")
    tasks("cancel", "T3")
    emulator.advance(5)
    code, out, err = tasks("wait", "T1", "T2", "T3", "T1", "nonsense")
    assert code == 1
    assert sorted(out.splitlines()) == ["T1  SUCCEEDED", "T2  FAILED", "T3  CANCELED", "nonsense  UNKNOWN"]
    told = err.splitlines()
    assert sorted(line for line in told if line.startswith("asrwire")) == [
        "asrwire: the task T2 has failed: FILE_404_NOT_FOUND (there is no file at that URL)",
        "asrwire: the task T3 was canceled: submit it again",
        "asrwire: the task nonsense is unknown or expired: the service keeps tasks 24 h, and each region and account "
        "knows only its own",
    ]
    [progress] = [line for line in told if not line.startswith("asrwire")]
    assert progress.endswith(": 4/4 files done, 3 failed, N s")


def test_wait_with_json(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", ONE, TWO, "--model", "fun-asr")
    emulator.advance(5)
    assert tasks("wait", "T1", "--json")[:2] == (0, DONE)
    code, out, _ = tasks("wait", "nonsense", "--json")
    assert code == 1
    assert (json.loads(out)["task_id"], json.loads(out)["status"]) == ("nonsense", "UNKNOWN")


def test_wait_ends_after_its_timeout_with_what_to_go_on_with(tasks: Tasks) -> None:
    tasks("submit", ONE, "--model", "fun-asr")
    tasks("submit", ONE, "--model", "fun-asr")
    tasks("cancel", "T1")
    code, out, err = tasks("wait", "T1", "T2", "--timeout", "0")
    assert (code, out) == (4, "T1  CANCELED\n")
    assert err.splitlines()[-1] == "asrwire: to go on: asrwire tasks wait T2"
    assert "asrwire: the task T2 is PENDING: the time for waiting is over" in err.splitlines()
    assert tasks("wait", "T2", "--timeout", "-1")[0] == 2
    assert tasks("wait", "T2", "no id") == (2, "", "asrwire: a task id is 1 to 128 letters, digits, _ and -\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("no_color", "shown"),
    [
        ("", "\rSUCCEEDED: 1/1 files done, 0 failed, N s\x1b[K\r\x1b[KT1  SUCCEEDED\n"
             "\rSUCCEEDED: 1/1 files done, 0 failed, N s\x1b[K\n"),
        ("1", "SUCCEEDED: 1/1 files done, 0 failed, N s\nT1  SUCCEEDED\n"),
    ],
)  # fmt: skip
def test_wait_on_a_terminal_redraws_one_line(
    tasks: Tasks, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, no_color: str, shown: str
) -> None:
    tasks("submit", ONE, "--model", "fun-asr")
    emulator.advance(5)
    terminal = Terminal()
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["tasks", "wait", emulator.tasks[0].id, "--base-url", emulator.base_url]) == 0
    assert masked(emulator, terminal.getvalue()) == shown


COMMAND = [sys.executable, "-W", "error", "-m", "asrwire"]


def test_ctrl_c_prints_the_ids_to_go_on_with(tasks: Tasks, emulator: Emulator) -> None:
    tasks("submit", ONE, TWO, "--model", "qwen3-asr-flash-filetrans")
    one, two = (task.id for task in emulator.tasks)
    environ = {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "DASHSCOPE_BASE_URL": emulator.base_url
    }  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, "tasks", "wait", one, two],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert re.fullmatch(r"2 PENDING: 0/2 files done, 0 failed, \d s\n", process.stderr.readline())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (130, "", f"asrwire: to go on: asrwire tasks wait {one} {two}\n")


# == results ===========================================================================================================


@pytest.fixture
def done(tasks: Tasks, emulator: Emulator) -> Tasks:
    """T1: three files, one of them failed. T2: one file. T3: failed."""
    tasks("submit", ONE, TWO, THREE, "--model", "fun-asr")
    tasks("submit", ONE, "--model", "fun-asr")
    tasks("submit", TWO, "--model", "qwen3-asr-flash-filetrans")
    emulator.advance(5)
    return tasks


def test_results_as_text(done: Tasks) -> None:
    assert done("results", "T1") == (
        1,
        "==> https://example.com/audio/one.wav <==\nThis is one. It has two.\n\n"
        "==> https://example.com/audio/three.wav <==\n第三个文件。\n\n",
        TWO_FAILED,
    )
    assert done("results", "T2") == (0, "This is one. It has two.\n", "")
    assert done("results", "T3") == (
        1, "", "asrwire: the task T3 has failed: FILE_404_NOT_FOUND (there is no file at that URL)\n",
    )  # fmt: skip


def test_results_as_subtitles(done: Tasks) -> None:
    assert done("results", "T2", "--format", "srt") == (0, SRT, "")
    assert done("results", "T2", "--format", "vtt") == (0, VTT, "")
    rows = done("results", "T2", "--format", "tsv")[1].splitlines()
    assert rows == ["start\tend\tspeaker\ttext", "200\t1130\t\tThis is one.", "1730\t2610\t\tIt has two."]
    assert done("results", "T1", "--format", "srt") == (
        2, "", "asrwire: the task has 3 files, and subtitles of several do not go together: give -o DIR\n",
    )  # fmt: skip


def test_results_as_json(done: Tasks) -> None:
    code, out, err = done("results", "T1", "--json")
    assert (code, err) == (1, TWO_FAILED)
    first, second, third = map(json.loads, out.splitlines())
    [transcript] = first.pop("transcripts")
    assert first == {
        "task_id": "T1", "file_url": "https://example.com/audio/one.wav", "audio_format": "pcm_s16le",
        "sample_rate": 16000, "duration": 2610, "channels": [0],
    }  # fmt: skip
    assert (transcript["version"], transcript["text"]) == (1, "This is one. It has two.")
    assert [sentence["end_time"] for sentence in transcript["sentences"]] == [1130, 2610]
    assert second == {
        "task_id": "T1",
        "file_url": "https://example.com/audio/two.wav",
        "code": "FILE_404_NOT_FOUND",
        "message": "FILE_404_NOT_FOUND",
        "error": "the task T1 has a file that has failed: FILE_404_NOT_FOUND (there is no file at that URL)",
    }
    assert third["transcripts"][0]["text"] == "第三个文件。"
    assert done("results", "T2", "--format", "json") == done("results", "T2", "--json")
    assert done("results", "T2", "--format", "srt", "--json") == (
        2, "", "asrwire: --json prints JSON: --format srt goes with -o DIR there\n",
    )  # fmt: skip


def test_results_into_files(done: Tasks, tmp_path: Path) -> None:
    out = tmp_path / "some" / "texts"
    assert done("results", "T1", "-o", str(out)) == (1, f"{out}/one.txt\n{out}/three.txt\n", TWO_FAILED)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "one.txt": b"This is one. It has two.\n",
        "three.txt": "第三个文件。\n".encode(),
    }
    assert done("results", "T2", "-o", str(tmp_path), "--format", "srt", "--json") == (
        0, f'{{"file_url":"https://example.com/audio/one.wav","path":"{tmp_path}/one.srt"}}\n', "",
    )  # fmt: skip
    assert (tmp_path / "one.srt").read_text() == SRT
    assert done("results", "T2", "-o", str(tmp_path), "--format", "json")[1] == f"{tmp_path}/one.json\n"
    assert json.loads((tmp_path / "one.json").read_bytes())["transcripts"][0]["text"] == "This is one. It has two."


def test_names_of_files_are_safe_and_each_is_used_once(tasks: Tasks, emulator: Emulator, tmp_path: Path) -> None:
    urls = ["http://e.com/a/one.wav", "http://e.com/b/One.mp3", "http://e.com/", "http://e.com/%2e%2e%2fx%20y%00.wav"]
    tasks("submit", *urls, "--model", "fun-asr")
    emulator.advance(5)
    code, out, err = tasks("results", "T1", "-o", str(tmp_path))
    assert (code, err) == (0, "")
    names = ["one.txt", "One-2.txt", "file-3.txt", "x_y.txt"]
    assert out.splitlines() == [f"{tmp_path}/{name}" for name in names]


def test_results_of_a_task_that_runs_or_is_over_for_a_day(done: Tasks, emulator: Emulator) -> None:
    done("submit", ONE, "--model", "fun-asr")
    assert done("results", "T4") == (4, "", "asrwire: the task T4 is PENDING: wait for it first\n")
    emulator.advance(24 * 3600)
    assert done("results", "T1")[:2] == (1, "")


def test_results_whose_files_have_no_times(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    untimed = b'{"transcripts": [{"channel_id": 0, "sentences": [{"text": "Hi."}]}]}'
    with Emulator(queue_time=0, run_time=0, files={"*": untimed}) as emulator:
        end = ["--base-url", emulator.base_url]
        assert main(["tasks", "submit", ONE, "--model", "fun-asr", *end]) == 0
        task_id = capsys.readouterr().out.strip()
        assert main(["tasks", "results", task_id, "--format", "srt", "-o", str(tmp_path), *end]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("asrwire: https://example.com/audio/one.wav: ")
    assert "subtitles need" in printed.err
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_steers_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = b'{"transcripts": [{"channel_id": 0, "text": "a\\u001b[2Jb\\u009b2Jc\\rd", "sentences": []}]}'
    with Emulator(queue_time=0, run_time=0, files={"*": said}) as emulator:
        end = ["--base-url", emulator.base_url]
        assert main(["tasks", "submit", ONE, "--model", "fun-asr", *end]) == 0
        results = ["tasks", "results", capsys.readouterr().out.strip(), *end]
        assert main(results) == 0
        assert capsys.readouterr().out == "a\x1b[2Jb\x9b2Jc\rd\n"
        monkeypatch.setattr(sys, "stdout", Terminal())
        assert main(results) == 0
        assert isinstance(sys.stdout, Terminal)
        assert sys.stdout.getvalue() == "a\ufffd[2Jb\ufffd2Jc\ufffdd\n"


def test_a_reader_that_has_gone_is_no_error(done: Tasks, emulator: Emulator) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as gone:
        finished = subprocess.run(
            [*COMMAND, "tasks", "results", emulator.tasks[0].id, "--base-url", emulator.base_url],
            env=environ, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")


# == exit codes, arguments =============================================================================================


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["get", "x"],
        ["wait", "x", "y"],
        ["results", "x"],
        ["cancel", "x"],
        ["submit", ONE, "--model", "fun-asr"],
    ],
)
def test_a_refused_key_is_3(tasks: Tasks, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "st-0123456789")
    assert tasks(*arguments) == (
        3,
        "",
        "asrwire: HTTP status 401: InvalidApiKey: Invalid API-key provided. (check the key: keys belong to one region "
        "(and one plan), so key, region and base_url must go together)\n",
    )


def test_no_key_is_2(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    no_key = "asrwire: no API key: give api_key=, or set DASHSCOPE_API_KEY"
    for arguments in (["list"], ["wait", "T1", "T2"]):
        code, out, err = tasks(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith(no_key)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TaskFailed("x", http_status=200), 1),
        (ResultExpired("x", http_status=403), 1),
        (HTTPStatusError("x", http_status=401), 3),
        (HTTPStatusError("x", http_status=403), 3),
        (ServiceError("x", http_status=429), 4),
        (HTTPStatusError("x", http_status=429), 4),
        (Timeout("x", phase="wait"), 4),
        (PoolTimeout("x"), 4),
        (HTTPStatusError("x", http_status=500), 2),
        (ConnectFailed("x"), 2),
        (ConfigError("x"), 2),
    ],
)
def test_exit_codes(error: ASRWireError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["submit", ONE], ["submit", "--model", "fun-asr"], ["get"], ["wait"],
        ["wait", "x", "--timeout", "y"], ["results", "x", "--format", "docx"], ["list", "--limit", "x"],
        ["get", "x", "--api-key", "k"],
    ],
)  # fmt: skip
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", *arguments]) == 2
    assert "usage: asrwire" in capsys.readouterr().err


@pytest.mark.parametrize("action", [[], ["submit"], ["get"], ["wait"], ["cancel"], ["list"], ["results"]])
def test_help_has_an_example_and_fits_80_columns(
    action: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["tasks", *action, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "\nexamples:\n  asrwire tasks " in printed
    assert max(map(len, printed.split("\n"))) < 80


@pytest.mark.parametrize(
    ("arguments", "host"),
    [
        (["--region", "nowhere"], "region"),
        (["--base-url", "http://example.com/api/v1"], "http"),
        (["--workspace", "a/b"], "workspace"),
    ],
)
def test_endpoints_are_given_to_the_client(arguments: list[str], host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list", *arguments]) == 2
    assert host in capsys.readouterr().err
