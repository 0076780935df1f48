# `asrwire transcribe` against the emulator and servers of literal bytes: on pipes, in terminals, interrupted, cut off.

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asrwire.cli import main
from asrwire.emulator import Emulator, Script
from tests.servers import CHUNKED, END, GOOD, HANG, KEY, ONE, OPEN, TWO, URL, Peer, Server, chunk, event, sized
from tests.test_cli_capture import REALTIME, command
from tests.test_cli_demo import Terminal, environment

pytestmark = pytest.mark.transport

TEXTS = ["欢迎使用阿里云。", "Hello world, this is a test."]
WHOLE = "欢迎使用阿里云。Hello world, this is a test.\n"
SRT = """\
1
00:00:00,000 --> 00:00:00,500
one

2
00:00:01,000 --> 00:00:01,500
two
"""
SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(1000)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("DASHSCOPE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.wav").write_bytes(SOUND)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Script.from_texts(TEXTS), queue_time=0, run_time=0) as running:
        yield running


Printed = pytest.CaptureFixture[str]


def transcribe(url: str, *arguments: str, model: str = REALTIME) -> int:
    return main(["transcribe", *arguments, "-m", model, "--base-url", url])


def captions(printed: str) -> list[str]:
    return [line.split("  ")[-1].strip() for line in printed.splitlines()]


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


# == results ===========================================================================================================


@pytest.mark.parametrize("model", [REALTIME, "fun-asr-flash-2026-06-15", "qwen3-asr-flash", "qwen-audio-3.0-asr-flash"])
def test_text_goes_to_stdout_and_captions_to_stderr(emulator: Emulator, model: str, capsys: Printed) -> None:
    assert transcribe(emulator.base_url, "talk.wav", model=model) == 0
    printed = capsys.readouterr()
    assert printed.out == WHOLE
    assert "".join(captions(printed.err)).replace("...", "") == WHOLE.strip()
    assert emulator.requests[-1].json["model"] == model


@pytest.mark.filterwarnings("default:the audio has")
def test_a_warning_is_a_line_like_any_other(emulator: Emulator, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "long.wav").write_bytes(SOUND + bytes(11_000_000))
    assert transcribe(emulator.base_url, "long.wav", "-q") == 0
    printed = capsys.readouterr()
    assert printed.out == WHOLE
    assert printed.err == (
        "asrwire: the audio has 11,001,020 bytes; the documented limit of a synchronous call is 10 MB\n"
    )


def test_quiet(emulator: Emulator, capsys: Printed) -> None:
    assert transcribe(emulator.base_url, URL, "-q") == 0
    assert capsys.readouterr() == (WHOLE, "")
    assert transcribe(emulator.base_url, URL, "--quiet", model="fun-asr") == 0
    assert capsys.readouterr() == (WHOLE, "")


def test_options_travel(emulator: Emulator, capsys: Printed) -> None:
    options = ["--option", 'language_hints=["zh"]', "--option", "vad_enabled=true"]
    assert transcribe(emulator.base_url, URL, "-q", *options) == 0
    parameters = emulator.requests[-1].json["parameters"]
    assert (parameters["language_hints"], parameters["vad_enabled"]) == (["zh"], True)
    capsys.readouterr()


@pytest.mark.parametrize(("format", "expected"), [
    ("txt", "one two\n"), ("srt", SRT), ("tsv", "start\tend\tspeaker\ttext\n0\t500\t\tone\n1000\t1500\t\ttwo\n"),
    ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\none\n\n00:00:01.000 --> 00:00:01.500\ntwo\n"),
])  # fmt: skip
def test_formats_on_stdout_and_in_files(format: str, expected: str, tmp_path: Path, capsys: Printed) -> None:
    with Server(GOOD, GOOD) as server:
        assert transcribe(server.base_url, URL, "--format", format) == 0
        assert capsys.readouterr().out == expected
        assert transcribe(server.base_url, URL, "-o", f"made.{format}") == 0
    assert capsys.readouterr().out == f"made.{format}\n"
    assert (tmp_path / f"made.{format}").read_text() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"made.{format}", "talk.wav"]


def test_all_formats_beside_the_file(tmp_path: Path, capsys: Printed) -> None:
    with Server(GOOD) as server:
        assert transcribe(server.base_url, "talk.wav", "-f", "all") == 0
    names = [f"talk.{format}" for format in ("txt", "srt", "vtt", "ass", "tsv", "json", "ndjson")]
    assert capsys.readouterr().out.splitlines() == names
    assert (tmp_path / "talk.srt").read_text() == SRT
    data = json.loads((tmp_path / "talk.json").read_bytes())
    assert (data["complete"], data["request_id"], data["text"]) == (True, "body-id", "one two")
    assert texts(tmp_path / "talk.ndjson") == ["one", "two"]


def test_files_are_called_after_the_url(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "out").mkdir()
    with Server(GOOD, GOOD) as server:
        assert transcribe(server.base_url, "https://example.com/a%20b.mp3?Signature=x", "-f", "vtt", "-o", "out") == 0
        assert transcribe(server.base_url, "data:audio/wav;base64,UklGRg==", "-f", "vtt", "-o", "out") == 0
    assert capsys.readouterr().out == "out/a_b.vtt\nout/audio.vtt\n"


def test_from_stdin(emulator: Emulator) -> None:
    arguments = ["transcribe", "-", "-m", REALTIME, "--base-url", emulator.base_url, "-q"]
    done = subprocess.run(
        command(*arguments), input=SOUND, env=environment(DASHSCOPE_API_KEY=KEY), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, WHOLE, b"")


def test_json(capsys: Printed) -> None:
    with Server(CHUNKED + chunk(event("o", end=False) + ONE + TWO) + END) as server:
        assert transcribe(server.base_url, URL, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["update"], line["final"], line["text"]) for line in lines] == [
        ("partial", False, "o"), ("final", True, "one"), ("final", True, "two"),
    ]  # fmt: skip
    times = [line["ms"] for line in lines]
    assert times == sorted(times)
    assert times[0] > 0


def test_json_beside_files_says_nothing_else(tmp_path: Path, capsys: Printed) -> None:
    with Server(GOOD) as server:
        assert transcribe(server.base_url, URL, "--json", "-o", "a.srt", "-q") == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["text"] for line in printed.out.splitlines()] == ["one", "two"]
    assert printed.err == ""
    assert (tmp_path / "a.srt").read_text() == SRT


def test_silence_is_said(capsys: Printed) -> None:
    body = b'{"output":{"sentence":{"sentence_id":0,"sentence_end":false,"text":""}},"usage":{"duration":1}}'
    with Server(sized(body)) as server:
        assert transcribe(server.base_url, URL) == 0
    assert capsys.readouterr() == ("\n", "asrwire: nobody speaks there\n")


# == while it runs =====================================================================================================


def test_files_grow_with_the_stream(tmp_path: Path) -> None:
    seen = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE + event("tw", number=2, end=False, begin=1000)))
        seen.wait(HANG)
        peer.send(chunk(TWO) + END)

    with Server(answer) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "-o", "a.srt", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("tw")
        assert (tmp_path / "a.srt").read_text() == SRT.partition("\n\n")[0] + "\n"
        seen.set()
        assert terminal.end() == 0
    assert (tmp_path / "a.srt").read_text() == SRT


@pytest.mark.parametrize("columns", [60, 120])
def test_captions_in_a_terminal_are_the_text(emulator: Emulator, tmp_path: Path, columns: int) -> None:
    arguments = ["transcribe", URL, "-m", REALTIME, "--base-url", emulator.base_url]
    terminal = Terminal(tmp_path, columns, run=command(*arguments), everything=True, DASHSCOPE_API_KEY=KEY)
    assert terminal.end() == 0
    assert [line.split("  ")[-1] for line in terminal.screen] == [*TEXTS, ""]
    written = terminal.written.decode()
    assert written.startswith(f"\r\x1b[2masking {REALTIME} ...\x1b[0m\x1b[K\r")
    assert "\x1b[1m" in written


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("columns", [60, 120])
def test_without_colour_it_is_plain(emulator: Emulator, tmp_path: Path, columns: int, changes: dict[str, str]) -> None:
    arguments = ["transcribe", URL, "-m", REALTIME, "--base-url", emulator.base_url]
    terminal = Terminal(tmp_path, columns, run=command(*arguments), DASHSCOPE_API_KEY=KEY, **changes)
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert [line.split("  ")[-1] for line in terminal.screen] == [*TEXTS, ""]
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == WHOLE


def test_a_format_asked_for_is_printed_in_a_terminal_too(tmp_path: Path) -> None:
    with Server(GOOD) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "-f", "srt", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), everything=True, DASHSCOPE_API_KEY=KEY)
        assert terminal.end() == 0
    assert terminal.screen == ["0:00.0–0:00.5  one", "0:01.0–0:01.5  two", *SRT.split("\n")]


def test_json_in_a_terminal_has_no_captions_between(tmp_path: Path) -> None:
    with Server(GOOD) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "--json", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 1000, run=command(*arguments), everything=True, DASHSCOPE_API_KEY=KEY)
        assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert [json.loads(line)["text"] for line in terminal.screen[:-1]] == ["one", "two"]


# == ended early =======================================================================================================


def holding(peer: Peer) -> None:
    peer.send(CHUNKED + chunk(ONE + OPEN))
    peer.wait_closed()


@pytest.mark.parametrize(("target", "kept"), [
    (["-o", "a.txt"], "one thr [interrupted]\n"),
    (["-o", "a.tsv"], "start\tend\tspeaker\ttext\n0\t500\t\tone\n"),
])  # fmt: skip
def test_ctrl_c_keeps_and_marks_what_was_received(target: list[str], kept: str, tmp_path: Path) -> None:
    with Server(holding) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, *target, "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("thr")
        terminal.interrupt()
        assert terminal.end() == 130
    lines = [line for line in terminal.screen if "no end time" not in line]
    assert lines == ["0:00.0–0:00.5  one", "0:02.0–        thr [interrupted]", "asrwire: incomplete: interrupted", ""]
    assert (tmp_path / "stdout").read_text() == target[1] + "\n"
    assert (tmp_path / target[1]).read_text() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [target[1], "stdout", "talk.wav"]


def test_ctrl_c_with_json(tmp_path: Path) -> None:
    with Server(holding) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "--json", "-o", "a.json", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("thr")
        terminal.interrupt()
        assert terminal.end() == 130
    lines = [json.loads(line) for line in (tmp_path / "stdout").read_text().splitlines()]
    assert [(line["update"], line["text"], line.get("reason")) for line in lines[-1:]] == [
        ("incomplete", "thr", "interrupted")
    ]
    data = json.loads((tmp_path / "a.json").read_bytes())
    assert (data["complete"], [(said["text"], said["final"]) for said in data["sentences"]]) == (
        False, [("one", True), ("thr", False)],
    )  # fmt: skip


def test_ctrl_c_in_a_subtitle_whose_words_have_times(tmp_path: Path) -> None:
    open_sentence = (
        b'data:{"output":{"sentence":{"sentence_id":3,"sentence_end":false,"begin_time":2000,"text":"three fo",'
        b'"words":[{"begin_time":2000,"end_time":2300,"text":"three ","punctuation":""},'
        b'{"begin_time":2300,"end_time":2400,"text":"fo","punctuation":""}]}}}\n\n'
    )

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE + open_sentence))
        peer.wait_closed()

    with Server(answer) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "-f", "srt", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("fo")
        terminal.interrupt()
        assert terminal.end() == 130
    second = "\n2\n00:00:02,000 --> 00:00:02,400\nthree fo [interrupted]\n"
    assert (tmp_path / "stdout").read_text() == SRT.partition("\n\n")[0] + "\n" + second


def test_ctrl_c_before_the_answer(tmp_path: Path) -> None:
    with Server(lambda peer: peer.wait_closed()) as server:
        arguments = ["transcribe", URL, "-m", REALTIME, "-o", "a.srt", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        while not server.requests:
            pass
        terminal.interrupt()
        assert terminal.end() == 130
    assert terminal.screen == [f"asking {REALTIME} ...", "asrwire: incomplete: interrupted", ""]
    assert (tmp_path / "stdout").read_text() == ""
    assert not (tmp_path / "a.srt").exists()


def test_a_cut_keeps_what_came(tmp_path: Path, capsys: Printed) -> None:
    with Server(CHUNKED + chunk(ONE + OPEN) + END) as server:
        assert transcribe(server.base_url, URL, "-f", "txt") == 2
        printed = capsys.readouterr()
        assert printed.out == "one thr [open_sentence]\n"
        assert printed.err.splitlines()[-1].startswith("asrwire: ")
        (tmp_path / "a.txt").write_text("what was here before")
        assert transcribe(server.base_url, URL, "-o", "a.txt") == 2
    assert (tmp_path / "a.txt").read_text() == "one thr [open_sentence]\n"


REFUSED = [
    (sized(b'{"code":"InvalidApiKey","message":"no"}', b"401 X"), 3, "asrwire: HTTP status 401: InvalidApiKey: no"),
    (sized(b'{"code":"AccessDenied","message":"no"}', b"403 X"), 3, "asrwire: HTTP status 403"),
    (sized(b'{"code":"Throttling","message":"no"}', b"429 X", more=b"Retry-After: 900\r\n"), 4, "asrwire: HTTP status"),
    (sized(b'{"code":"InvalidParameter","message":"no"}', b"400 X"), 2, "asrwire: HTTP status 400"),
]


@pytest.mark.parametrize(("answer", "code", "says"), REFUSED)
def test_exit_codes(answer: bytes, code: int, says: str, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "a.srt").write_text("what was here before")
    with Server(answer) as server:
        assert transcribe(server.base_url, URL, "-o", "a.srt") == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(says)
    assert printed.err.count("\n") == 1
    assert (tmp_path / "a.srt").read_text() == "what was here before"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([URL, "-m", "no-such-model"], "model"),
        ([URL, "-m", REALTIME, "--option", "nothing=1"], "there is no option 'nothing'"),
        ([URL, "-m", REALTIME, "--option", "language=zh"], "has no option 'language'"),
        ([URL, "-m", REALTIME, "--base-url", "ftp://x"], "base_url"),
        ([URL, "-m", REALTIME, "-o", "a.mp3"], "there is no format 'mp3'"),
        ([URL, "-m", REALTIME, "-o", "none/"], "what to write to 'none'? It is no folder"),
        ([URL, "-m", REALTIME, "-o", "none/a.srt"], "No such file or directory"),
        ([URL, "-m", REALTIME, "-f", "all"], "it needs -o DIR"),
        ([URL, "-m", REALTIME, "--json", "-f", "srt"], "--format srt goes with -o there"),
        ([URL, "-m", REALTIME, "--max-chars", "0"], "max_chars is 0"),
        (["talk.wav", "-m", REALTIME, "-o", "talk.wav"], "talk.wav would be written over"),
        (["none.wav", "-m", REALTIME], "cannot read the audio file 'none.wav'"),
        (["talk.wav", "-m", "fun-asr"], "'fun-asr' is a file-task model: it takes a URL"),
        ([URL, "-m", "fun-asr", "--protocol", "openai"], "--protocol dashscope only"),
        ([URL, "-m", "qwen3-asr-flash", "-f", "srt"], "qwen3-asr-flash sends text without times"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(arguments: list[str], says: str, capsys: Printed) -> None:
    with Server(GOOD) as server:
        assert main(["transcribe", "--base-url", server.base_url, *arguments]) == 2
        assert server.requests == []
    printed = capsys.readouterr()
    assert says in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_all_formats_of_a_model_without_times(emulator: Emulator, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "out").mkdir()
    arguments = ["talk.wav", "-f", "all", "-o", "out", "-q"]
    assert transcribe(emulator.base_url, *arguments, model="qwen3-asr-flash") == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["out/talk.txt", "out/talk.json", "out/talk.ndjson"]
    says = "no srt, vtt, ass, tsv: qwen3-asr-flash sends text without times, and subtitles need them"
    assert printed.err == f"asrwire: {says}\n"


def test_times_that_are_missing_after_all(tmp_path: Path, capsys: Printed) -> None:
    with Server(CHUNKED + chunk(b'data:{"output":{"sentence":{"sentence_end":true,"text":"a"}}}\n\n') + END) as server:
        assert transcribe(server.base_url, URL, "-o", "a.srt") == 2
        assert capsys.readouterr().err.endswith("asrwire: sentence 0 has no begin time, and subtitles need one\n")
        assert transcribe(server.base_url, "talk.wav", "-f", "all", "-q") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("asrwire: talk.srt: sentence 0 has no begin time")
    assert (tmp_path / "talk.txt").read_text() == "a\n"


def test_a_reader_that_is_gone(emulator: Emulator) -> None:
    arguments = ["transcribe", URL, "-m", REALTIME, "--base-url", emulator.base_url, "-q"]
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run(
        command(*arguments), env=environment(DASHSCOPE_API_KEY=KEY), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (child.returncode, child.stderr) == (0, b"")


# == file tasks ========================================================================================================


def test_a_file_task(emulator: Emulator, tmp_path: Path, capsys: Printed) -> None:
    assert transcribe(emulator.base_url, URL, model="fun-asr") == 0
    printed = capsys.readouterr()
    assert printed.out == WHOLE
    assert printed.err.splitlines()[-1].startswith("SUCCEEDED: 1/1 files done, 0 failed, ")
    assert transcribe(emulator.base_url, URL, "-o", "a.ndjson", "-q", model="fun-asr") == 0
    assert capsys.readouterr() == ("a.ndjson\n", "")
    assert texts(tmp_path / "a.ndjson") == TEXTS


def test_a_file_task_as_json(emulator: Emulator, capsys: Printed) -> None:
    assert transcribe(emulator.base_url, URL, "--json", "-q", model="qwen3-asr-flash-filetrans") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["ms"], line["update"], line["final"], line["text"]) for line in lines] == [
        (None, "final", True, text) for text in TEXTS
    ]


def test_a_file_task_that_fails(capsys: Printed) -> None:
    with Emulator(queue_time=0, run_time=0, files={URL: "FILE_404_NOT_FOUND"}) as emulator:
        assert transcribe(emulator.base_url, URL, "-q", model="fun-asr") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "FILE_404_NOT_FOUND" in printed.err


@pytest.mark.parametrize("columns", [60, 120])
def test_ctrl_c_leaves_a_file_task_to_be_gone_on_with(tmp_path: Path, columns: int) -> None:
    with Emulator(queue_time=600) as emulator:
        arguments = ["transcribe", URL, "-m", "fun-asr", "--base-url", emulator.base_url]
        terminal = Terminal(tmp_path, columns, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("PENDING")
        terminal.interrupt()
        assert terminal.end() == 130
        (task,) = emulator.tasks
        written = terminal.written.decode()
        assert f"asrwire: to go on: asrwire tasks wait {task.id} && asrwire tasks results {task.id}\r\n" in written
    assert (tmp_path / "stdout").read_text() == ""
