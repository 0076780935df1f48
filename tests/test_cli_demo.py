# The demo as a person meets it: on pipes, in real pseudo-terminals of two widths, interrupted, cut off, refused.

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import unicodedata
import wave
from pathlib import Path

import pytest

from asrwire import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Transcript, Usage, Word
from asrwire.cli import _demo

# Faster than the demo's own speed, and with a script that pauses for hours where Ctrl-C is to come.
CHILD = """
import sys
from asrwire import Sentence, Word
from asrwire.cli import _demo, main
from asrwire.emulator import Script
_demo.SPEED = 100.0
def sentence(n, begin, end, words):
    times = [begin, begin + 100, end]
    words = tuple(Word(a, b, w) for a, b, w in zip(times, times[1:], words))
    return Sentence(n, n + 1, 0, begin, end, "".join(w.text for w in words), words, speaker_id=n, emotion="sad")
pausing = Script((sentence(0, 0, 900, ["One", " sentence."]), sentence(1, 1000, 10**9, ["Half a", " one."])))
"""
MAIN = "sys.exit(main())"

HEADER = [
    "fun-asr-realtime, emulated at http://127.0.0.1:PORT/api/v1",
    "no key, no network, no bill; 100 times as fast as real time",
    "",
]
CAPTIONS = [
    "0:00.2–0:03.2  S0  neutral    大家早上好，今天的周会现在开始。",
    "0:03.8–0:06.4  S1  happy      Good morning, I can hear you well.",
    "0:07.0–0:11.0  S0  neutral    先看上周的转写数据，准确率提高了百分之三。",
    "0:11.6–0:15.9  S1  surprised  Three percent is more than we expected, how did that happen?",
    "0:16.5–0:19.7  S0  happy      主要是新的热词表，还有更好的断句。",
    "0:20.3–0:23.5  S1  neutral    Then let us ship it to everyone on Thursday.",
    "0:24.1–0:26.3  S0  neutral    好的，我来更新发布说明。",
    "0:26.9–0:29.5  S1  happy      Thank you all, see you next week!",
]
NARROW_CAPTIONS = [
    "0:00.2–0:03.2  S0  neutral",
    "  大家早上好，今天的周会现在开始。",
    "0:03.8–0:06.4  S1  happy",
    "  Good morning, I can hear you well.",
    "0:07.0–0:11.0  S0  neutral",
    "  先看上周的转写数据，准确率提高了百分之三。",
    "0:11.6–0:15.9  S1  surprised",
    "  Three percent is more than we expected, how did that",
    "  happen?",
    "0:16.5–0:19.7  S0  happy",
    "  主要是新的热词表，还有更好的断句。",
    "0:20.3–0:23.5  S1  neutral",
    "  Then let us ship it to everyone on Thursday.",
    "0:24.1–0:26.3  S0  neutral",
    "  好的，我来更新发布说明。",
    "0:26.9–0:29.5  S1  happy",
    "  Thank you all, see you next week!",
]
TABLE = [
    "Sentences",
    "  time           speaker  emotion    text",
    "  0:00.2–0:03.2  S0       neutral    大家早上好，今天的周会现在开始。",
    "  0:03.8–0:06.4  S1       happy      Good morning, I can hear you well.",
    "  0:07.0–0:11.0  S0       neutral    先看上周的转写数据，准确率提高了百分之三。",
    "  0:11.6–0:15.9  S1       surprised  Three percent is more than we expected, how did that happen?",
    "  0:16.5–0:19.7  S0       happy      主要是新的热词表，还有更好的断句。",
    "  0:20.3–0:23.5  S1       neutral    Then let us ship it to everyone on Thursday.",
    "  0:24.1–0:26.3  S0       neutral    好的，我来更新发布说明。",
    "  0:26.9–0:29.5  S1       happy      Thank you all, see you next week!",
]
SUMMARY = [
    "Summary",
    "  events                          73  65 partial, 8 final",
    "  sentences                        8",
    "  words                           65",
    "  time to first partial           N",
    "  median finalisation lag         N",
    "  billed                        30 s",
    "  First partial: from the request to the first words.",
    "  Lag: from a sentence's end in the audio, which starts with the request and plays 100 times as fast, to the "
    "arrival of its final result.",
    "  Billed: as the service counts; the emulator bills nobody.",
]
EMOTIONAL = ["qwen3-asr-flash, in one piece, without times", "  en, happy: That was quick, thank you!"]
FILES = ["Files", "  demo.srt", "  demo.vtt", "  demo.json"]


def command(*args: str, before: str = "") -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-c", CHILD + before + "\n" + MAIN, "demo", *args]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "PYTHONIOENCODING")}
    path = os.pathsep.join(filter(None, sys.path))
    return {**kept, "PYTHONPATH": path, "PYTHONUTF8": "1", "TERM": "xterm-256color", **changes}


def run(directory: Path, *args: str, before: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args, before=before), cwd=directory, env=environment(**changes), capture_output=True, encoding="utf-8"
    )


class Terminal:
    """A child whose stderr, and stdout where wanted, is a pseudo-terminal of this many columns."""

    def __init__(
        self, directory: Path, columns: int, *, everything: bool = False, before: str = "",
        run: list[str] | None = None, **changes: str,
    ) -> None:  # fmt: skip
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        with open(directory / "stdout", "wb") as file:
            self._process = subprocess.Popen(
                command(before=before) if run is None else run,
                cwd=directory,
                env=environment(**changes),
                stdin=slave,
                stdout=slave if everything else file,
                stderr=slave,
            )
        os.close(slave)
        self.columns = columns
        self.written = b""

    def read_until(self, text: str | None) -> None:
        """Read until the text has come, or to the end."""
        while text is None or text.encode() not in self.written:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux: EIO when the child is gone
                data = b""
            if not data:
                assert text is None, f"{text!r} did not come: {self.written!r}"
                break
            self.written += data

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        self.read_until(None)
        os.close(self._master)
        return self._process.wait(60)

    @property
    def screen(self) -> list[str]:
        return screen(self.written.decode(), self.columns)


def screen(written: str, width: int) -> list[str]:
    """What a terminal of this width shows, however long. Control codes other than CR, LF, EL and SGR are errors."""
    lines: list[list[str]] = [[]]
    column = 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.", written, re.DOTALL):
        if token == "\r":
            column = 0
        elif token == "\n":
            lines.append([])
        elif token == "\x1b[K":
            del lines[-1][column:]
        elif re.fullmatch(r"\x1b\[[0-9]m", token) or re.fullmatch(r"\x1b\[3[0-9]m", token):
            pass
        else:
            assert unicodedata.category(token) != "Cc", f"unexpected control code {token!r}"
            cells = [token, ""] if unicodedata.east_asian_width(token) in "WF" else [token]
            assert column + len(cells) < width, f"a line reaches the last column: {''.join(lines[-1])!r}"
            lines[-1] += [" "] * (column - len(lines[-1]))
            lines[-1][column : column + len(cells)] = cells
            column += len(cells)
    return ["".join(line).rstrip() for line in lines]


def settled(lines: list[str]) -> list[str]:
    """The lines without what differs from run to run: the port, and measured times."""
    text = "\n".join(lines)
    text = re.sub(r"127\.0\.0\.1:\d+/", "127.0.0.1:PORT/", text)
    text = re.sub(r"(time to first partial|median finalisation lag) +\d+ ms", lambda m: f"{m[1]:<32}N", text)
    return re.sub(r"(throughput) +\d+\.\d MB/s", lambda m: f"{m[1]:<32}N", text).split("\n")


# == on pipes ==========================================================================================================


def test_on_pipes_results_are_plain_and_apart_from_captions(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert settled(done.stderr.split("\n")) == [*HEADER, *CAPTIONS, "", ""]
    assert settled(done.stdout.split("\n")) == [*TABLE, "", *SUMMARY, "", *EMOTIONAL, "", *FILES, ""]


def test_fast_is_plain_and_says_its_throughput(tmp_path: Path) -> None:
    done = run(tmp_path, "--fast", "--out", "made/here")
    assert done.returncode == 0
    header = [HEADER[0], "no key, no network, no bill; at full speed", ""]
    assert settled(done.stderr.split("\n")) == [*header, *CAPTIONS, "", ""]
    summary = [
        *SUMMARY[:5],
        "  median finalisation lag          -",
        SUMMARY[6],
        "  throughput                      N  of JSON",
        "  First partial: from the request to the first words.",
        "  Lag: not measured where everything is sent at once.",
        "  Throughput: the emulator's, which writes event by event.",
        "  Billed: as the service counts; the emulator bills nobody.",
    ]
    files = ["Files", "  made/here/demo.srt", "  made/here/demo.vtt", "  made/here/demo.json"]
    assert settled(done.stdout.split("\n")) == [*TABLE, "", *summary, "", *EMOTIONAL, "", *files, ""]
    assert sorted(path.name for path in (tmp_path / "made/here").iterdir()) == ["demo.json", "demo.srt", "demo.vtt"]


def test_the_files_hold_the_transcript(tmp_path: Path) -> None:
    assert run(tmp_path, "--fast").returncode == 0
    srt = (tmp_path / "demo.srt").read_text(encoding="utf-8")
    assert srt.startswith("1\n00:00:00,200 --> 00:00:03,200\n大家早上好，今天的周会现在开始。\n\n2\n")
    vtt = (tmp_path / "demo.vtt").read_text(encoding="utf-8")
    assert vtt.startswith("WEBVTT\n\n00:00:00.200 --> 00:00:03.200\n<v Speaker 0>大家早上好，今天的周会现在开始。\n\n")
    data = json.loads((tmp_path / "demo.json").read_bytes())
    assert data["complete"] is True
    assert [sentence["text"] for sentence in data["sentences"]] == [caption[30:] for caption in CAPTIONS]
    assert srt.count(" --> ") == vtt.count(" --> ") == len(data["sentences"]) == 8


def test_the_callers_environment_does_not_matter(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "--fast",
        DASHSCOPE_API_KEY="not for\nheaders",
        DASHSCOPE_REGION="No Such Region",
        DASHSCOPE_WORKSPACE="not a workspace",
        DASHSCOPE_BASE_URL="ftp://nowhere",
        DASHSCOPE_COMPATIBLE_BASE_URL="ftp://nowhere",
        HTTP_PROXY="http://127.0.0.1:1",
        ALL_PROXY="http://127.0.0.1:1",
    )
    assert (done.returncode, done.stdout.count("S1")) == (0, 4)


def test_a_pipe_without_chinese_gets_question_marks(tmp_path: Path) -> None:
    done = run(tmp_path, "--fast", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "  0:24.1?0:26.3  S0       neutral    ????????????" in done.stdout.split("\n")
    assert "0:24.1?0:26.3  S0  neutral    ????????????" in done.stderr.split("\n")


# == in terminals ======================================================================================================


@pytest.mark.parametrize(("columns", "captions"), [(120, CAPTIONS), (60, NARROW_CAPTIONS)])
def test_live_captions_redraw_one_line(tmp_path: Path, columns: int, captions: list[str]) -> None:
    terminal = Terminal(tmp_path, columns)
    assert terminal.end() == 0
    assert settled(terminal.screen) == [*HEADER, *captions, "", ""]
    written = terminal.written.decode()
    assert written.count("\r\x1b[2m") + written.count("\r  \x1b[") + written.count("\r\x1b[1m") >= 65
    for seen in ("\x1b[2m大家\x1b[0m\x1b[K", "\x1b[1m大家早上\x1b[0m\x1b[2m好，\x1b[0m\x1b[K"):
        assert seen in written
    assert settled((tmp_path / "stdout").read_text(encoding="utf-8").split("\n"))[: len(TABLE)] == TABLE


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize(("columns", "captions"), [(120, CAPTIONS), (60, NARROW_CAPTIONS)])
def test_without_colour_a_terminal_gets_plain_lines(
    tmp_path: Path, columns: int, captions: list[str], changes: dict[str, str]
) -> None:
    terminal = Terminal(tmp_path, columns, **changes)
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert settled(terminal.screen) == [*HEADER, *captions, "", ""]


def test_all_of_it_in_a_terminal_of_60_columns(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 60, everything=True)
    assert terminal.end() == 0
    narrow = settled(terminal.screen)
    assert narrow[: len(HEADER) + len(NARROW_CAPTIONS)] == [*HEADER, *NARROW_CAPTIONS]
    assert narrow[len(HEADER) + len(NARROW_CAPTIONS) :] == [
        "",
        "Sentences",
        "  time           speaker  emotion",
        "    text",
        "  0:00.2–0:03.2  S0       neutral",
        "    大家早上好，今天的周会现在开始。",
        "  0:03.8–0:06.4  S1       happy",
        "    Good morning, I can hear you well.",
        "  0:07.0–0:11.0  S0       neutral",
        "    先看上周的转写数据，准确率提高了百分之三。",
        "  0:11.6–0:15.9  S1       surprised",
        "    Three percent is more than we expected, how did that",
        "    happen?",
        "  0:16.5–0:19.7  S0       happy",
        "    主要是新的热词表，还有更好的断句。",
        "  0:20.3–0:23.5  S1       neutral",
        "    Then let us ship it to everyone on Thursday.",
        "  0:24.1–0:26.3  S0       neutral",
        "    好的，我来更新发布说明。",
        "  0:26.9–0:29.5  S1       happy",
        "    Thank you all, see you next week!",
        "",
        *SUMMARY[:8],
        "  Lag: from a sentence's end in the audio, which starts",
        "  with the request and plays 100 times as fast, to the",
        "  arrival of its final result.",
        SUMMARY[9],
        "",
        *EMOTIONAL,
        "",
        *FILES,
        "",
    ]


def test_ctrl_c_keeps_and_marks_what_was_received(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, 120, everything=True, before="_demo.SCRIPT = pausing")
    terminal.read_until("Half a")
    terminal.interrupt()
    assert terminal.end() == 130
    assert settled(terminal.screen) == [
        *HEADER,
        "0:00.0–0:00.9  S0  sad        One sentence.",
        "0:01.0–        S1  sad        Half a [interrupted]",
        "",
        "Sentences, interrupted",
        "  time           speaker  emotion  text",
        "  0:00.0–0:00.9  S0       sad      One sentence.",
        "  0:01.0–        S1       sad      Half a [interrupted]",
        "",
        "Summary, interrupted",
        "  events                           5  4 partial, 1 final",
        "  sentences                        1",
        "  words                            3",
        *SUMMARY[4:6],
        "  billed                         1 s",
        "  First partial: from the request to the first words.",
        SUMMARY[8].removesuffix(" its final result."),
        "  its final result.",
        "  Billed: as the service counts; the emulator bills nobody.",
        "",
        *FILES,
        "",
    ]
    assert (tmp_path / "demo.srt").read_text() == "1\n00:00:00,000 --> 00:00:00,900\nOne sentence.\n"
    data = json.loads((tmp_path / "demo.json").read_bytes())
    assert (data["complete"], data["incomplete_reason"]) == (False, "closed")
    assert [(sentence["text"], sentence["final"]) for sentence in data["sentences"]] == [
        ("One sentence.", True),
        ("Half a", False),
    ]


# == trouble ===========================================================================================================


@pytest.mark.parametrize("broken", ["stdout", "stderr"])
def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path, broken: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, broken: writer}
    child = subprocess.Popen(command("--fast"), cwd=tmp_path, env=environment(), encoding="utf-8", **streams)  # type: ignore[call-overload]
    os.close(writer)
    stdout, stderr = child.communicate()
    assert child.returncode == 0
    assert stdout is None or stdout == ""
    assert stderr is None or settled(stderr.split("\n"))[3:] == [*CAPTIONS, "", ""]


def test_a_directory_that_cannot_be_is_said_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(tmp_path, "--out", "file")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "asrwire: file: File exists\n"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a directory that takes no files, even from root")
def test_nor_is_anything_played_for_a_directory_that_takes_no_files(tmp_path: Path) -> None:
    done = run(tmp_path, "--out", "/proc/self")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("asrwire: /proc/self/")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_closed_before_the_start(tmp_path: Path, closed: int) -> None:
    child = subprocess.run(
        command("--fast"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        preexec_fn=lambda: os.close(closed),
    )
    assert child.returncode == 0
    assert (child.stdout == "", child.stderr == "") == (closed == 1, closed == 2)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_error_of_the_library_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--fast", before="_demo.MODEL = 'fun-asr'")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.split("\n")[3:] == [
        "asrwire: 'fun-asr' is a file-task model: it takes URLs through client.tasks",
        "",
    ]


# == parts =============================================================================================================


def test_the_audio_is_a_second_of_silence() -> None:
    with wave.open(io.BytesIO(_demo.silence())) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 8000)
        assert set(file.readframes(8000)) == {0x80}


def test_what_is_measured() -> None:
    seen = _demo.Run(speed=4.0)
    first = Sentence(0, begin_time=0, text="", raw=b"12")
    seen.take(Partial(first), 10.0)
    assert seen.first_partial is None
    seen.take(Partial(Sentence(0, text="a", raw=b"345")), 20.0)
    seen.take(Final(Sentence(0, end_time=1000, text="a", final=True, raw=b"6789")), 255.0)
    seen.take(Final(Sentence(1, text="b", final=True)), 300.0)
    seen.take(Amended(Sentence(0, end_time=1200, text="c", final=True), ()), 400.0)
    seen.take(Incomplete(Sentence(2, text="d"), "cut"), 500.0)
    seen.take(TextDelta("e"), 600.0)
    assert seen == _demo.Run(4.0, partials=2, finals=3, payload=9, first_partial=20.0, lags=[5.0])


def test_a_report_of_nothing() -> None:
    assert _demo.report(_demo.Run(4.0, interrupted=True), None)[:10] == [
        "Sentences, interrupted",
        "  time  speaker  emotion  text",
        "",
        "Summary, interrupted",
        "  events                           0  0 partial, 0 final",
        "  sentences                        0",
        "  words                            0",
        "  time to first partial            -",
        "  median finalisation lag          -",
        "  billed                           -",
    ]


def test_a_report_shows_speaker_and_emotion_only_where_sent() -> None:
    word = Word(0, 900, "One.")
    sentences = [Sentence(0, begin_time=0, end_time=900, text="One.", words=(word,), final=True), Sentence(1, text="")]
    transcript = Transcript(sentences=sentences, usage=Usage(1.5))
    seen = _demo.Run(None, 1, 1, 4_200_000, 20.4, [], 1000.0, True, transcript)
    lines = _demo.report(seen, None)
    assert lines[:4] == [
        "Sentences, interrupted",
        "  time           speaker  emotion  text",
        "  0:00.0–0:00.9                    One.",
        "                                   [interrupted]",
    ]
    assert lines[6:13] == [
        "  events                           2  1 partial, 1 final",
        "  sentences                        1",
        "  words                            1",
        "  time to first partial        20 ms",
        "  median finalisation lag          -",
        "  billed                       1.5 s",
        "  throughput                4.2 MB/s  of JSON",
    ]
