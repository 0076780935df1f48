# `asrwire --help`: what it imports, that it fits; and every example of every help, run in a shell beside an emulator.

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asrwire import Client, __version__
from asrwire.cli import _commands, main
from asrwire.emulator import Emulator, Script
from tests.servers import KEY
from tests.test_cli_demo import Terminal, environment

SAMPLES = Path(__file__).parent / "samples"
HELP = "import sys; from asrwire.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
HELPS = {
    name: text for name, text in vars(_commands).items() if re.fullmatch("_[A-Z]+", name) and isinstance(text, str)
}


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", HELP, *arguments], env=environment(), capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_imports_nothing_that_commands_need() -> None:
    loaded = imported("--help")
    assert {name for name in loaded if name.startswith("asrwire")} == {
        "asrwire", "asrwire._errors", "asrwire.cli", "asrwire.cli._commands",
    }  # fmt: skip
    for name in (
        "orjson",
        "httpcore",
        "h11",
        "anyio",
        "ssl",
        "socket",
        "asyncio",
        "pathlib",
        "dataclasses",
        "inspect",
        "rich",
    ):
        assert name not in loaded


def test_help_of_a_command_imports_no_transport() -> None:
    loaded = imported("transcribe", "--help")
    for name in ("httpcore", "h11", "anyio", "ssl", "asyncio", "asrwire._client", "asrwire.cli._transcribe"):
        assert name not in loaded


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"asrwire {__version__}\n", "")


ALL_HELP = """
from asrwire.cli import _commands, main
actions = ("submit", "get", "wait", "cancel", "list", "results")
for named in [(), *((name,) for name in _commands._COMMANDS), *(("tasks", action) for action in actions)]:
    assert main([*named, "--help"]) == 0
"""


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_fits_in_a_terminal(columns: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, columns, run=[sys.executable, "-c", ALL_HELP], everything=True)
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    lines = terminal.written.decode().split("\r\n")
    assert [line for line in lines if len(line) >= columns] == []
    assert lines[0] == "usage: asrwire [-h] [-V] COMMAND ..."
    listed = [re.match("    ([a-z]+) ", line) for line in lines[: lines.index("options:")]]
    assert [line[1] for line in listed if line] == list(_commands._COMMANDS)
    assert lines.count("examples:") == 1 + len(_commands._COMMANDS) + 6
    assert any("ap-southeast-1" in line for line in lines)
    (line,) = [line for line in lines if line.startswith("exit codes: ")]
    assert columns - 14 < len(line) <= columns - 2  # prose goes as far as there is room


# == examples ==========================================================================================================


def examples() -> list[str]:
    found = []
    for name, text in HELPS.items():
        shown, _, _ = text.partition("\n\n")
        lines = shown.replace("\\\n", "").split("\n")[1:]
        if name == "_MAIN":
            lines = [re.sub("  .*", "", line.strip()) for line in lines]
        found += [line.strip() for line in lines if "asrwire" in line and "emulate" not in line]
    return [line for line in dict.fromkeys(found) if line != "asrwire demo"]  # that one is test_cli_demo's, and faster


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A folder with what the examples are about, and with stand-ins for programs they pipe from and to."""
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(1000)
    for name in ("a.wav", "talk.wav", "a.mp3"):
        (tmp_path / name).write_bytes(sound)
    shutil.copy(SAMPLES / "funasr_result.json", tmp_path / "result.json")
    shutil.copy(SAMPLES / "funasr_result.json", tmp_path / "a.json")
    shutil.copy(SAMPLES / "funasr_realtime_http_stream_two_sentences.sse", tmp_path / "body.sse")
    shutil.copy(SAMPLES / "funasr_realtime_http_stream_two_sentences.sse", tmp_path / "talk.asrcap")
    shutil.copy(SAMPLES / "funasr_realtime_http_stream_two_sentences.sse", tmp_path / "a.asrcap")
    programs = {
        "asrwire": f'exec {shlex.quote(sys.executable)} -W error -m asrwire "$@"', "ffmpeg": "exec cat talk.wav",
        "curl": "exec cat result.json", "jq": "exec cat",
    }  # fmt: skip
    (tmp_path / "bin").mkdir()
    for name, line in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "urls.txt").write_text("https://example.com/a.mp3\nhttps://example.com/b.mp3\n")
    return tmp_path


def test_there_are_examples_of_everything() -> None:
    assert {line.split("asrwire ")[1].split()[0] for line in examples()} == {*_commands._COMMANDS} - {"emulate"}


@pytest.mark.transport
@pytest.mark.parametrize("example", examples())
def test_every_example_runs(example: str, shell: Path) -> None:
    wait = 60 if "cancel" in example else 0
    with Emulator(Script.from_texts(["One.", "Two."]), queue_time=wait, run_time=0) as emulator:
        variables = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": emulator.base_url, "TRANSCRIPTION_URL": "x"}
        variables["PATH"] = os.pathsep.join([str(shell / "bin"), os.environ["PATH"]])
        if "TASK_ID" in example:
            with Client(KEY, base_url=emulator.base_url) as client:
                task = client.tasks.submit("https://example.com/a.mp3", model="fun-asr")
                if "tasks results" in example or "tasks get" in example:
                    client.tasks.wait(task)
            example = example.replace("TASK_ID", task.task_id)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", example], cwd=shell, env=environment(**variables), capture_output=True,
            text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout or ">" in example or "tasks list" in example
