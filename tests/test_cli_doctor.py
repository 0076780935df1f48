# `asrwire doctor`: what it says of this machine and of an answer, that no secret is in it, its exit codes.

from __future__ import annotations

import array
import io
import itertools
import os
import re
import wave
from pathlib import Path

import pytest

from asrwire.capture import Capture, End, Read, Request, Response
from asrwire.cli import _doctor, main
from asrwire.cli._answer import Row, answer
from asrwire.emulator import Emulator, Script
from tests.servers import CHUNKED, KEY, ONE, TWO, Server, chunk, sized
from tests.test_cli_capture import command
from tests.test_cli_demo import Terminal

SAMPLES = Path(__file__).parent / "samples"
PASSWORD = "not-to-be-seen"
NAMES = [
    "python", "extensions", "asrwire", "httpcore", "h11", "anyio", "certifi", "orjson", "optional", "clock", "key",
    "service", "compatible", "region", "proxies", "TLS",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("DASHSCOPE_", "SSL_CERT")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


Printed = pytest.CaptureFixture[str]


def rows(printed: str) -> dict[str, str]:
    return {found[1]: found[2] for found in re.finditer(r"^  (\S+(?: \S+)*)  +(.*)$", printed, re.MULTILINE)}


# == here ==============================================================================================================


def test_all_is_well(capsys: Printed) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.split("\n")
    assert (lines[0], lines[-3:]) == ("Here", ["", "Everything is here that a call needs", ""])
    found = rows(printed.out)
    assert list(found) == NAMES
    assert re.fullmatch(r"CPython 3\.\d+\.\d+\S*, \S+", found["python"])
    assert re.fullmatch(r"(note: )?8 compiled, SIMD: (AVX2|SSE2|none)", found["extensions"])
    assert re.fullmatch(r"1\.\d+\.\d+", found["httpcore"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["orjson"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, monotonic in steps of \d+ ns", found["clock"])
    assert found["key"] == "from DASHSCOPE_API_KEY"
    assert found["service"] == "https://dashscope.aliyuncs.com/api/v1"
    assert found["compatible"] == "https://dashscope.aliyuncs.com/compatible-mode/v1"
    assert (found["region"], found["proxies"]) == ("cn-beijing", "none")
    assert re.fullmatch(r"\w+SSL .*, TLSv1\.\d at least, [1-9]\d* authorities", found["TLS"])


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Printed) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@proxy.example:3128")
    monkeypatch.setenv("no_proxy", PASSWORD)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / PASSWORD))
    assert main(["doctor", "--workspace", "ws-1", "--region", "ap-southeast-1"]) == 0
    printed = capsys.readouterr().out
    assert KEY not in printed
    assert PASSWORD not in printed
    found = rows(printed)
    assert found["proxies"].startswith("note: HTTPS_PROXY, no_proxy: set, but not used here")
    assert found["service"] == "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1"
    assert found["TLS"].endswith(", SSL_CERT_FILE is set")


def test_a_key_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Printed) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "key"))
    assert main(["doctor"]) == 0
    assert rows(capsys.readouterr().out)["key"] == "from the file of DASHSCOPE_API_KEY_FILE_PATH"


def test_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://dashscope.example")
    assert main(["doctor", "--live"]) == 1
    printed = capsys.readouterr()
    found = rows(printed.out)
    assert found["key"].startswith("wrong: no API key: ")
    assert found["service"] == "wrong: DASHSCOPE_BASE_URL must end in /api/v1"
    assert printed.out.endswith("\n\nWrong: key, service\n")
    assert printed.err == ""
    assert not Path("doctor.asrcap").exists()


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setattr(_doctor, "_NEEDED", ("httpcore", "no-such-package"))
    monkeypatch.setattr(_doctor, "_OPTIONAL", ("no-such-package",))
    assert main(["doctor"]) == 1
    found = rows(capsys.readouterr().out)
    assert (found["no-such-package"], found["optional"]) == ("wrong: not installed", "none")


def test_a_context_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    def fail() -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("httpcore.default_ssl_context", fail)
    assert main(["doctor"]) == 1
    assert rows(capsys.readouterr().out)["TLS"].startswith("wrong: no context can be made: [Errno 2] No such file")


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("changes", [{}, {"NO_COLOR": "1"}])
def test_in_terminals(columns: int, changes: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, columns, run=command("doctor"), everything=True, HTTP_PROXY="x", **changes)
    assert terminal.end() == 0
    lines = terminal.screen  # which fails for a line that reaches the last column
    assert [line.split()[0] for line in lines[1:] if re.match("  [a-zA-Z]", line)][: len(NAMES)] == NAMES
    written = terminal.written.decode()
    assert ("\x1b[33mproxies     \x1b[0m" in written, "\x1b[32mkey" in written) == (not changes, not changes)
    assert "note: HTTP_PROXY: set, but not used here" in written


# == there =============================================================================================================


@pytest.mark.transport
def test_one_call(tmp_path: Path, capsys: Printed) -> None:
    with Emulator(Script.from_texts(["One.", "Two."])) as emulator:
        assert main(["doctor", "--live", "-o", "a.asrcap", "--base-url", emulator.base_url]) == 0
        (request,) = emulator.requests
    assert request.json["model"] == "fun-asr-realtime"
    printed = capsys.readouterr()
    assert printed.err == "asrwire: one call to fun-asr-realtime, with a second of sound\n"
    here, _, there = printed.out.partition("\nThere\n")
    assert here.startswith("Here\n")
    found = rows(there)
    assert list(found) == [
        "request", "status", "type", "framing", "headers", "head after", "clocks", "body", "layout", "line ends",
        "lines", "ids", "envelope", "end", "result", "billed", "request id",
    ]  # fmt: skip
    assert found["status"] == "200"
    assert found["framing"] == "chunked"
    assert found["clocks"] == "this one and the service's agree"
    assert re.fullmatch(r"\d+ LF", found["line ends"])
    assert re.fullmatch(r"\d+ x id: event: :HTTP_STATUS/ data:; no space after the colon", found["lines"])
    assert re.fullmatch(r"1 to \d+, one by one", found["ids"])
    assert found["envelope"].startswith("{output{sentence{sentence_id, sentence_end, ")
    assert found["result"] == "2 sentences"
    assert there.endswith("\n\na.asrcap has all of it, without secrets: please share it\n")
    assert KEY not in Path("a.asrcap").read_text() + printed.out
    assert Capture.load("a.asrcap").end is not None


@pytest.mark.transport
@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (sized(b'{"code":"InvalidApiKey","message":"no"}', b"401 X"), 3, "asrwire: HTTP status 401: InvalidApiKey: no"),
        (sized(b'{"code":"Throttling","message":"no"}', b"429 X", more=b"Retry-After: 900\r\n"), 4, "asrwire: HTTP"),
        (CHUNKED + chunk(ONE) + b"zz\r\n", 2, "asrwire: "),
    ],
)
def test_a_call_that_goes_wrong_is_told_of_and_kept(answer: bytes, code: int, says: str, capsys: Printed) -> None:
    with Server(answer) as server:
        assert main(["doctor", "--live", "--base-url", server.base_url]) == code
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith(says)
    assert "\nThere\n" in printed.out
    assert Capture.load("doctor.asrcap").response is not None


@pytest.mark.transport
def test_ctrl_c(tmp_path: Path) -> None:
    with Server(lambda peer: peer.wait_closed()) as server:
        run = command("doctor", "--live", "--base-url", server.base_url)
        terminal = Terminal(tmp_path, 100, run=run, DASHSCOPE_API_KEY=KEY)
        while not server.requests:
            pass
        terminal.interrupt()
        assert terminal.end() == 130
    assert Capture.load(tmp_path / "doctor.asrcap").end is not None


def test_a_model_that_is_none(capsys: Printed) -> None:
    assert main(["doctor", "--live", "--model", "fun-asr"]) == 2
    assert "'fun-asr' is a file-task model" in capsys.readouterr().err
    assert not Path("doctor.asrcap").exists()


def test_the_sound_is_a_second_of_a_tone() -> None:
    with wave.open(io.BytesIO(_doctor.tone())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
            1,
            2,
            16000,
            16000,
        )
        samples = array.array("h", file.readframes(16000))
    assert (max(samples), min(samples)) == (6000, -6000)
    rising = sum(before < 0 <= after for before, after in itertools.pairwise(samples))
    assert rising in (439, 440)


# == answers ===========================================================================================================


def told(body: bytes, *headers: tuple[str, str], recorded: str | None = None, end: End | None = None) -> dict[str, Row]:
    response = Response(12.3, 200, (("Content-Type", "text/event-stream"), *headers))
    request = Request("POST", "https://a.example/x", (), 9, "m")
    reads = (Read(1.0, body),) if body else ()
    return {row.name: row for row in answer(Capture(reads, request, response, end or End(2.0), recorded))}


@pytest.mark.parametrize(
    ("body", "ends", "lines", "ids"),
    [
        (ONE + TWO, "10 LF", "2 x id: event: :HTTP_STATUS/ data:; no space after the colon", "1 to 2, one by one"),
        (ONE.replace(b"\n", b"\r\n"), "5 CRLF", "1 x id: event: :HTTP_STATUS/ data:; no space after the colon",
         "1 to 1, one by one"),
        (ONE.replace(b"\n", b"\r") + TWO, "5 CR, 5 LF",
         "2 x id: event: :HTTP_STATUS/ data:; no space after the colon", "1 to 2, one by one"),
        (b"data: {}\n\ndata: [DONE]\n\n", "4 LF", "2 x data:; a space after the colon", "none"),
        (b"id:7\ndata: {}\n\nid:7\ndata: {}\n\nid:x\ndata:{}\n\n", "9 LF", "3 x id: data:; both after the colon",
         "7 repeated, x"),
        (b": ping\n\nid:1\ndata:{}\n\n", "5 LF", "1 x :; 1 x id: data:; no space after the colon",
         "1 to 1, one by one"),
    ],
)  # fmt: skip
def test_layouts_of_event_streams(body: bytes, ends: str, lines: str, ids: str) -> None:
    found = told(body)
    assert (found["line ends"].value, found["lines"].value, found["ids"].value) == (ends, lines, ids)


def test_names_of_members_are_shown_and_no_values() -> None:
    found = told(b'data:{"a":{"b":"secret"},"c":[{"d":1},{"e":[1]}]}\n\ndata:{"a":{"f":null}}\n\ndata:no\n\n')
    assert found["envelope"].value == "{a{b, f}, c[{d, e[]}]}, and 1 that are not JSON"
    deep = told(b"data:" + b'{"a":' * 20 + b"1" + b"}" * 20 + b"\n\n")
    assert deep["envelope"].value == "{a" * 8 + "}" * 8


def test_json_in_answer_to_a_stream() -> None:
    found = told((SAMPLES / "funasr_flash_response.json").read_bytes())
    assert found["layout"].value == "JSON in one piece, no event stream"
    assert found["envelope"].value.startswith("{")
    assert found["result"].value == "1 sentence"


def test_heads() -> None:
    found = told(ONE, ("Content-Length", "9"), ("Content-Encoding", "gzip"), ("Set-Cookie", "***"))
    assert found["framing"].value == "9 bytes, gzip"
    assert found["headers"].value == "Content-Type, Content-Length, Content-Encoding, Set-Cookie"
    assert told(ONE)["framing"].value == "until the connection ends"


@pytest.mark.parametrize(
    ("date", "recorded", "says"),
    [
        ("Fri, 20 Nov 2026 08:12:33 GMT", "2026-11-20T08:13:33+00:00", "ok this one and the service's agree"),
        ("Fri, 20 Nov 2026 08:12:33 GMT", "2026-11-20T08:13:34+00:00", "note this one is 61 s ahead of the service's"),
        ("Fri, 20 Nov 2026 08:12:33 GMT", "2026-11-20T07:12:33+00:00", "note this one is 3600 s behind the service's"),
        ("Fri, 20 Nov 2026 08:12:33 GMT", None, None),
        ("no date", "2026-11-20T08:13:33+00:00", None),
    ],
)
def test_clocks(date: str, recorded: str | None, says: str | None) -> None:
    row = told(ONE, ("Date", date), recorded=recorded).get("clocks")
    assert (None if row is None else f"{row.state} {row.value}") == says


def test_ends() -> None:
    assert told(ONE)["end"] == Row("end", "by itself after 2 ms")
    assert told(ONE, end=End(2.0, unframed=True))["end"].value == "by itself after 2 ms, with the connection"
    assert told(b"data: [DONE]\n\n")["end"].value == "by itself after 2 ms, after [DONE]"
    assert told(ONE, end=End(2.0, "truncated", "cut"))["end"] == Row("end", "truncated: cut", "note")
    assert answer(Capture())[-2] == Row("end", "the recording was cut off", "note")
    nothing = told(b"")
    assert (nothing["body"].value, nothing["result"].value) == ("0 bytes in 0 reads", "incomplete: empty")
    assert "layout" not in nothing


def test_a_stream_that_is_wrong_is_told_of_as_far_as_it_goes() -> None:
    found = told(ONE + TWO + TWO)
    assert found["unusual"] == Row("unusual", "1 repeated_final", "note")
