# `asrwire record`, `replay` and `inspect`: on pipes and in pseudo-terminals, interrupted, cut off, refused.

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asrwire import Amended, Final, Incomplete, Partial, Sentence, TextDelta
from asrwire._transcript import FORMATS
from asrwire.capture import Capture, End, Read, Request, Response
from asrwire.cli import _plot, main
from asrwire.emulator import Emulator, Script
from tests.servers import CHUNKED, KEY, ONE, OPEN, URL, Server, chunk, sized
from tests.test_cli_demo import Terminal, environment, screen
from tests.test_ledger import TALK

SAMPLES = Path(__file__).parent / "samples"
REALTIME = "fun-asr-realtime"
TEXTS = ["欢迎使用阿里云。", "Hello world, this is a test."]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-m", "asrwire", *arguments]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DASHSCOPE_REGION", "DASHSCOPE_WORKSPACE", "DASHSCOPE_BASE_URL", "DASHSCOPE_COMPATIBLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Script.from_texts(TEXTS)) as running:
        yield running


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A capture of a call that was cut, with times known to the ms."""
    path = tmp_path / "talk.asrcap"
    request = Request("POST", "https://a.example/x", ("Host",), 9, REALTIME)
    response = Response(305.0, 200, (("Content-Type", "text/event-stream"),), 120.5)
    end = End(5000.0, "truncated", "the connection was closed inside a chunked body")
    Capture(TALK.reads, request, response, end, "2026-11-20T08:12:33.512+00:00").save(path)
    return path


# == record ============================================================================================================


@pytest.mark.transport
def test_record_then_replay(emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.asrcap"
    options = ["--option", 'language_hints=["zh"]', "--option", "vad_enabled=true"]
    assert main(["record", URL, "--model", REALTIME, "-o", str(path), "--base-url", emulator.base_url, *options]) == 0
    printed = capsys.readouterr()
    loaded = Capture.load(path)
    size = sum(len(read.data) for read in loaded.reads)
    captions, said = printed.err.rstrip("\n").rsplit("\n", 1)
    assert [line.split("  ")[-1].strip() for line in captions.split("\n")] == TEXTS
    assert said == f"asrwire: recorded {len(loaded.reads)} reads, {size} bytes"
    assert printed.out == f"{path}\n"
    assert main(["replay", str(path), "--seed", "3"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "".join(TEXTS) + "\n"
    assert printed.err == captions + "\n"
    assert emulator.requests[-1].json["parameters"]["language_hints"] == ["zh"]


@pytest.mark.transport
def test_record_a_file(emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF0000WAVEfmt ")
    path = tmp_path / "a.asrcap"
    arguments = ["--model", "qwen3-asr-flash", "--protocol", "dashscope", "--base-url", emulator.base_url]
    assert main(["record", str(tmp_path / "a.wav"), *arguments, "-o", str(path)]) == 0
    assert Capture.load(path).end is not None
    assert b"UklGRj" not in path.read_bytes()
    capsys.readouterr()


REFUSED: list[tuple[bytes, int, str]] = [
    (sized(b'{"code":"InvalidApiKey","message":"no"}', b"401 X"), 3, "asrwire: HTTP status 401: InvalidApiKey: no"),
    (
        sized(b'{"code":"Throttling","message":"no"}', b"429 X", more=b"Retry-After: 900\r\n"),
        4,
        "asrwire: HTTP status 429",
    ),
    (CHUNKED + chunk(ONE) + b"zz\r\n", 2, "asrwire: "),
]


@pytest.mark.transport
@pytest.mark.parametrize(("answer", "code", "says"), REFUSED)
def test_record_keeps_what_was_refused(
    answer: bytes, code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.asrcap"
    with Server(answer) as server:
        arguments = ["record", URL, "--model", REALTIME, "-o", str(path), "--base-url", server.base_url]
        assert main(arguments) == code
    *_, recorded, said, nothing = capsys.readouterr().err.split("\n")
    assert recorded.startswith("asrwire: recorded 1 reads, ")
    assert said.startswith(says)
    assert nothing == ""
    assert main(["replay", str(path)]) == code
    assert capsys.readouterr().err.split("\n")[-2].startswith(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "no-such-model"], "model"),
        (["--model", REALTIME, "--option", "nothing=1"], "there is no option 'nothing'"),
        (["--model", REALTIME, "--option", "language"], "--option is NAME=VALUE"),
        (["--model", "fun-asr"], "file-task model"),
        (["--model", REALTIME, "--base-url", "ftp://x"], "base_url"),
    ],
)
def test_what_is_wrong_is_said_before_there_is_a_file(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", URL, *arguments, "-o", str(tmp_path / "a.asrcap")]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nor_is_anything_sent_where_there_can_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none" / "a.asrcap"
    assert main(["record", URL, "--model", REALTIME, "-o", str(path)]) == 2
    assert capsys.readouterr().err == f"asrwire: cannot write '{path}': No such file or directory\n"


@pytest.mark.transport
def test_ctrl_c_keeps_and_marks_what_was_received(tmp_path: Path) -> None:
    with Server(lambda peer: (peer.send(CHUNKED + chunk(ONE + OPEN)), peer.wait_closed())) as server:  # type: ignore[arg-type,return-value]
        arguments = ["record", URL, "--model", REALTIME, "-o", "a.asrcap", "--base-url", server.base_url]
        terminal = Terminal(tmp_path, 100, run=command(*arguments), DASHSCOPE_API_KEY=KEY)
        terminal.read_until("thr")
        terminal.interrupt()
        assert terminal.end() == 130
    size = len(ONE + OPEN)
    assert terminal.screen == [
        "0:00.0–0:00.5  one",
        "0:02.0–        thr [interrupted]",
        f"asrwire: recorded 1 reads, {size} bytes, interrupted",
        "",
    ]
    assert (tmp_path / "stdout").read_text() == "a.asrcap\n"
    loaded = Capture.load(tmp_path / "a.asrcap")
    assert loaded.end is not None
    assert (loaded.end.kind, loaded.end.message) == ("closed", "interrupted")
    assert loaded.reads[0].data == ONE + OPEN


@pytest.mark.transport
def test_ctrl_c_before_the_answer(tmp_path: Path) -> None:
    with Server(lambda peer: peer.wait_closed()) as server:
        arguments = ["record", URL, "--model", REALTIME, "-o", "a.asrcap", "--base-url", server.base_url]
        child = subprocess.Popen(
            command(*arguments), cwd=tmp_path, env=environment(DASHSCOPE_API_KEY=KEY), stderr=subprocess.PIPE, text=True
        )
        while not server.requests:
            pass
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert (child.returncode, said) == (130, "asrwire: recorded 0 reads, 0 bytes, interrupted\n")
    end = Capture.load(tmp_path / "a.asrcap").end
    assert end is not None
    assert (end.kind, end.message) == ("closed", "interrupted")


@pytest.mark.transport
def test_record_from_stdin(emulator: Emulator, tmp_path: Path) -> None:
    arguments = ["record", "-", "--model", REALTIME, "-o", "a.asrcap", "--base-url", emulator.base_url]
    sound = b"RIFF0000WAVEfmt "
    variables = environment(DASHSCOPE_API_KEY=KEY)
    done = subprocess.run(command(*arguments), cwd=tmp_path, input=sound, env=variables, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"a.asrcap\n")
    assert base64.b64encode(sound).decode() in str(emulator.requests[-1].json)


@pytest.mark.transport
@pytest.mark.parametrize(("name", "to"), [("record", "a.asrcap"), ("transcribe", "a.json")])
def test_a_call_that_is_paid_for_goes_on_where_nobody_looks(
    emulator: Emulator, name: str, to: str, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [name, URL, "--model", REALTIME, "-o", to, "--base-url", emulator.base_url]
    variables = environment(DASHSCOPE_API_KEY=KEY)
    done = subprocess.run(command(*arguments), cwd=tmp_path, env=variables, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, f"{to}\n".encode())
    assert TEXTS[1].encode() in (tmp_path / to).read_bytes()
    if name == "record":
        assert (end := Capture.load(tmp_path / to).end) is not None
        assert end.kind == "eof"


# == replay ============================================================================================================


def test_replay_in_a_terminal_draws_captions_and_says_it_once(talk: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 100, run=command("replay", str(talk), "--speed", "20"), everything=True)
    assert terminal.end() == 2
    assert terminal.screen == [
        "0:00.0–0:00.9  Good morning, I hear.",
        "0:05.0–0:05.6  Bye",
        "0:06.0–        And [cut]",
        "asrwire: the connection was closed inside a chunked body",
        "",
    ]
    written = terminal.written.decode()
    assert "\x1b[1mGood \x1b[0m\x1b[2mmourning\x1b[0m\x1b[K" in written or "mourning\x1b[0m\x1b[K" in written
    assert "mourning" not in "".join(terminal.screen)


@pytest.mark.parametrize("columns", [60, 120])
def test_replay_without_colour_is_plain(talk: Path, tmp_path: Path, columns: int) -> None:
    terminal = Terminal(tmp_path, columns, run=command("replay", str(talk), "--speed", "50"), NO_COLOR="1")
    assert terminal.end() == 2
    assert b"\x1b" not in terminal.written
    assert (tmp_path / "stdout").read_text() == "Good morning, I hear. Bye And [cut]\n"


def test_replay_on_pipes(talk: Path, tmp_path: Path) -> None:
    done = subprocess.run(command("replay", str(talk)), env=environment(), capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert done.stdout == "Good morning, I hear. Bye And [cut]\n"
    assert done.stderr.split("\n")[-2] == "asrwire: the connection was closed inside a chunked body"
    assert "mourning" not in done.stderr


def test_replay_from_stdin_of_a_bare_body() -> None:
    body = (SAMPLES / "funasr_realtime_http_stream_two_sentences.sse").read_bytes()
    done = subprocess.run(command("replay", "-", "--seed", "5"), input=body, env=environment(), capture_output=True)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    empty = subprocess.run(command("replay", "-"), input=b"", env=environment(), capture_output=True)
    assert (empty.returncode, empty.stdout) == (2, b"")
    assert empty.stderr == b"asrwire: the response holds no result\n"


def test_replay_as_json(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(talk), "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.err == "asrwire: the connection was closed inside a chunked body\n"
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [(line["ms"], line["update"], line["text"]) for line in lines[:3]] == [
        (412.0, "partial", "Good"),
        (530.0, "partial", "Good mourning"),
        (655.5, "partial", "Good morning, I"),
    ]
    finals = [line["text"] for line in lines if line["final"]]
    assert finals == ["Good morning, I hear.", "Bye"]
    assert lines[-1] == {
        "ms": 5000.0, "update": "incomplete", "kept": 3, "reason": "cut", "index": 2, "sentence_id": 3, "channel_id": 0,
        "begin_time": 6000, "end_time": None, "text": "And", "words": [], "language": None, "emotion": None,
        "speaker_id": None, "final": False, "finality": None, "revision": 0,
    }  # fmt: skip
    assert main(["replay", str(SAMPLES / "qwen_asr_openai_stream.sse"), "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {"ms": 0.0, "update": "textdelta", "text": first["text"], "offset": 0}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("speed", [[], ["--speed", "1000"]])
def test_replay_writes_what_the_call_would_have(
    emulator: Emulator, format: str, speed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = tmp_path / "a.asrcap", tmp_path / f"a.{format}"
    arguments = ["--model", REALTIME, "--base-url", emulator.base_url]
    assert main(["record", URL, *arguments, "-o", str(path)]) == 0
    expected = Capture.load(path).replay()
    list(expected)
    capsys.readouterr()
    for command in (["replay", "-q", *speed], ["convert"]):
        assert main([*command, str(path), "--format", format, "-o", "-"]) == 0
        assert capsys.readouterr() == (expected.transcript.to_format(format), "")
        assert main([*command, str(path), "-o", str(to)]) == 0
        assert capsys.readouterr().out == f"{to}\n"
        assert to.read_text(encoding="utf-8") == expected.transcript.to_format(format)


def test_what_was_cut_is_marked_in_every_format(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "the connection was closed inside a chunked body"
    for command, code, says in ((["replay", "-q"], 2, said), (["convert"], 1, f"{talk} is incomplete: cut")):
        assert main([*command, str(talk), "--format", "tsv", "--max-duration", "0"]) == code
        printed = capsys.readouterr()
        rows = [row.split("\t") for row in printed.out.splitlines()[1:]]
        assert [row[3] for row in rows] == ["Good morning, I hear.", "Bye"]
        assert f"asrwire: {says}\n" in printed.err
        assert main([*command, str(talk), "--format", "ndjson"]) == code
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(line["text"], line["final"]) for line in lines][-1] == ("And", False)
    assert main(["replay", str(talk), "-q", "--format", "all", "-o", str(tmp_path)]) == 2
    assert (tmp_path / "talk.txt").read_text() == "Good morning, I hear. Bye And [cut]\n"
    capsys.readouterr()


def test_a_replay_of_nothing_leaves_stdout_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Capture((), None, Response(1.0, 401), End(2.0)).save(tmp_path / "a.asrcap")
    assert main(["replay", str(tmp_path / "a.asrcap"), "--format", "vtt"]) == 3
    assert capsys.readouterr().out == ""


def test_a_capture_is_never_written_over(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(talk), "-o", str(talk)]) == 2
    assert capsys.readouterr() == ("", f"asrwire: {talk} would be written over\n")
    assert main(["replay", str(talk), "--json", "--format", "srt"]) == 2
    assert capsys.readouterr().err == "asrwire: --json prints JSON: --format srt goes with -o there\n"


def test_a_text_without_times_is_no_subtitles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for speed in ([], ["--speed", "1000"]):
        to = ["--format", "all", "-o", str(tmp_path)]
        assert main(["replay", str(SAMPLES / "qwen_asr_openai_stream.sse"), "-q", *to, *speed]) == 1
        assert capsys.readouterr().err.count("asrwire: ") == 4
        assert (tmp_path / "qwen_asr_openai_stream.txt").read_text(encoding="utf-8") == "欢迎使用阿里云。\n"


def test_ctrl_c_ends_a_replay(tmp_path: Path) -> None:
    Capture(TALK.reads[:2], end=End(10.0**8, "truncated", "cut")).save(tmp_path / "talk.asrcap")
    terminal = Terminal(tmp_path, 100, run=command("replay", "talk.asrcap", "--speed", "1"))
    terminal.read_until("Good")
    terminal.interrupt()
    assert terminal.end() == 130
    assert terminal.screen == ["0:00.0–        Good [interrupted]", "asrwire: incomplete: interrupted", ""]
    assert (tmp_path / "stdout").read_text() == "Good [interrupted]\n"


@pytest.mark.parametrize("action", ["replay", "inspect"])
def test_files_that_are_none(action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([action, str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"asrwire: cannot read '{tmp_path / 'none'}': No such file or directory\n"
    (tmp_path / "bad").write_bytes(b'{"asrcap":1}\nno\n')
    assert main([action, str(tmp_path / "bad")]) == 2
    assert capsys.readouterr().err.startswith("asrwire: line 2 of the capture: not JSON: ")


def test_what_a_capture_says_of_its_end_does_not_steer_a_terminal(tmp_path: Path) -> None:
    Capture(end=End(1.0, "odd", "a\x1b[2Jb")).save(tmp_path / "a.asrcap")
    terminal = Terminal(tmp_path, 60, run=command("replay", "a.asrcap"))
    assert terminal.end() == 2
    assert terminal.screen == ["asrwire: a\ufffd[2Jb", ""]


def test_the_exit_code_stands_where_nobody_reads_why(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command("replay", "none"), cwd=tmp_path, env=environment(), stderr=writer)
    os.close(writer)
    assert done.returncode == 2


def test_a_stdin_that_is_closed(tmp_path: Path) -> None:
    shell = ["sh", "-c", 'exec "$@" <&-', "sh"]
    for action in ("replay", "inspect", "convert"):
        done = subprocess.run([*shell, *command(action, "-")], env=environment(), capture_output=True)
        assert (done.returncode, done.stderr) == (2, b"asrwire: stdin is closed\n")


def test_a_speed_that_is_none(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(talk), "--speed", "0"]) == 2
    assert capsys.readouterr().err == "asrwire: speed must be positive and finite, or None for no waiting at all\n"


# == inspect ===========================================================================================================

REPORT = """\
Exchange
  recorded                2026-11-20T08:12:33.512+00:00
  model                   fun-asr-realtime
  request                 POST https://a.example/x
  response                200 text/event-stream
  result                  incomplete: cut
  error                   truncated: the connection was closed inside a chunked body

Latency
  connecting, sending     120 ms, before 0
  response head           305 ms
  first byte              400 ms
  first partial           412 ms
  end                     5000 ms
  finalisation lag        median 215 ms, longest 430 ms

Received
  reads                   11
  bytes                   1369
  events                  11
  stalls                  1000 ms from 2300 ms on; 1500 ms from 3500 ms on

Text
  sentences               2 final
  words                   0
  revisions               3 of 10 updates
  flicker                 25.0%, 9 of 36 characters shown
  billed                  -

Anomalies
  repeated_final          1

Sentences
  audio          shown  final  lag  behind  rev  text
  0:00.0–0:00.9    412   1300  430     400    3  Good morning, I hear.
  0:05.0–0:05.6   3400   3400    0   -2200    0  Bye
  0:06.0–         3500      -    -       -    0  And [incomplete]

  Times are ms since the request had left.
  lag: from when a sentence's words last changed to when it was final.
  behind: from its end in the audio, had that begun with the request, to when it was final.
  rev: updates that took back characters shown. flicker: the share of the characters shown that were changed.
"""


def test_inspect_says_all_of_it(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(talk)]) == 0
    assert capsys.readouterr() == (REPORT, "")


def test_inspect_in_a_terminal_of_60_columns(talk: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 60, run=command("inspect", str(talk)), everything=True)
    assert terminal.end() == 0
    lines = screen(terminal.written.decode(), 60)
    assert "  0:00.0–0:00.9    412   1300  430     400    3" in lines
    assert lines[lines.index("  0:00.0–0:00.9    412   1300  430     400    3") + 1] == "    Good morning, I hear."


def test_inspect_as_json(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(talk), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    ledger = told.pop("ledger")
    assert (ledger["first_partial"], ledger["flicker"], len(ledger["sentences"])) == (412.0, 0.25, 3)
    message = "the connection was closed inside a chunked body"
    assert told == {
        "version": 1,
        "recorded": "2026-11-20T08:12:33.512+00:00",
        "attempts": 1,
        "request": {
            "method": "POST", "url": "https://a.example/x", "headers": ["Host"], "size": 9, "model": REALTIME,
            "incremental": None,
        },
        "response": {"ms": 305.0, "status": 200, "headers": [["Content-Type", "text/event-stream"]], "sending": 120.5},
        "end": {"ms": 5000.0, "kind": "truncated", "message": message, "unframed": False},
        "complete": False,
        "incomplete_reason": "cut",
        "error": {"kind": "truncated", "code": None, "message": message},
    }  # fmt: skip


def test_inspect_a_bare_body(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(SAMPLES / "error_midstream_429.sse")]) == 0
    said = capsys.readouterr().out.split("\n")
    assert said[2] == "  result                  incomplete: error"
    assert said[3].startswith("  error                   service: event ")


# == the plot ==========================================================================================================


def test_plots(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")):
        assert main(["inspect", str(talk), "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert capsys.readouterr().err == ""
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("Good", "mourning", "morning,", "hear.", "Bye", "And", "taken back", "nothing came", "flicker 25.0%"):
        assert f">{word}<" in drawn or word in drawn
    before = (tmp_path / "a.svg").read_bytes()
    assert main(["inspect", str(talk), "--plot", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_bytes() == before


def test_a_plot_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Capture().save(tmp_path / "a.asrcap")
    assert main(["inspect", str(tmp_path / "a.asrcap"), "--plot", str(tmp_path / "a.svg")]) == 0
    assert "Recognition stream" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    capsys.readouterr()


def test_a_plot_of_more_words_than_have_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(f"w{n}" for n in range(400))
    body = b'data:{"choices":[{"delta":{"content":"%b"},"finish_reason":"stop"}]}\n\ndata:[DONE]\n\n' % said.encode()
    Capture((Read(1.0, body),), end=End(2.0)).save(tmp_path / "a.asrcap")
    assert main(["inspect", str(tmp_path / "a.asrcap"), "--plot", str(tmp_path / "a.svg")]) == 0
    assert "w399" not in (tmp_path / "a.svg").read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.jpg", "--plot draws .svg, .png and .pdf, not .jpg"),
        ("a", "--plot draws .svg, .png and .pdf, not a file without a suffix"),
        ("none/a.svg", "cannot write 'none/a.svg': No such file or directory"),
    ],
)
def test_plots_that_cannot_be(name: str, says: str, talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(talk), "--plot", name]) == 2
    assert capsys.readouterr() == ("", f"asrwire: {says}\n")


def test_without_matplotlib(talk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["inspect", str(talk), "--plot", "a.svg"]) == 2
    assert capsys.readouterr() == ("", "asrwire: --plot needs matplotlib: pip install 'asrwire[plot]'\n")


def runs(*updates: tuple[float, Any]) -> list[list[tuple[Any, ...]]]:
    trail = _plot.Trail()
    for ms, update in updates:
        trail.take(update, ms)
    return [[(run.text, run.shown, run.settled, run.final, run.changed) for run in lane.runs] for lane in trail.lanes]


def test_what_becomes_of_words() -> None:
    def partial(text: str, stable: int = 0) -> Partial:
        return Partial(Sentence(0, text=text), stable)

    assert runs(
        (1.0, partial("Good")),
        (2.0, partial("Good mourning", 4)),
        (3.0, partial("Good morning, I", 4)),
        (4.0, partial("Good morning, I hea", 15)),
        (5.0, Final(Sentence(0, text="Good morning, I hear.", final=True))),
        (6.0, Partial(Sentence(1, text="大家好"))),
        (7.0, Partial(Sentence(1, text="大家早上"))),
        (8.0, Incomplete(Sentence(1, text="大家早上"), "cut")),
    ) == [
        [
            ("Good ", 1.0, 2.0, 5.0, None),
            ("mourning", 2.0, None, None, 3.0),
            ("morning, ", 3.0, 4.0, 5.0, None),
            ("I ", 3.0, 4.0, 5.0, None),
            ("hear.", 4.0, None, 5.0, None),
        ],
        [("大家", 6.0, None, None, None), ("大家好", 6.0, None, None, 7.0), ("早上", 7.0, None, None, None)],
    ]


def test_what_becomes_of_text_and_of_what_is_amended() -> None:
    assert runs(
        (1.0, TextDelta("One ")), (2.0, TextDelta("two", 4)), (3.0, TextDelta("too", 4)), (4.0, TextDelta(" ", 7))
    ) == [[("One ", 1.0, None, None, None), ("two", 2.0, None, None, 3.0), ("too ", 3.0, None, None, None)]]
    first, second = Sentence(0, text="One.", final=True), Sentence(1, text="Two.", final=True)
    amended = Amended(Sentence(0, text="One or two.", final=True), (first, second))
    assert runs((1.0, Final(first)), (2.0, Final(second)), (3.0, amended)) == [
        [
            ("One ", 1.0, None, 1.0, None),
            ("Two.", 2.0, None, 2.0, 3.0),
            ("or ", 3.0, None, 3.0, None),
            ("two.", 3.0, None, 3.0, None),
        ]
    ]
