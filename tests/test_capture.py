# Captures: what a call leaves in one, what of it is read again however it was cut, and that it gives the same updates.

from __future__ import annotations

import json
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from asrwire import (
    ASRWireError,
    Client,
    ConfigError,
    DecodeError,
    Final,
    Incomplete,
    ResultStream,
    Truncated,
    capture,
)
from asrwire.capture import Capture, End, Ledger, Read, Recorder, Request, Response
from asrwire.emulator import Emulator
from tests.matrix import listen, short, then
from tests.servers import CHUNKED, END, GOOD, HEAD, KEY, MODEL, ONE, OPEN, TWO, URL, Colour, Peer, Server, chunk, sized

SAMPLES = Path(__file__).parent / "samples"
BODIES = sorted(path.name for path in SAMPLES.iterdir() if "request" not in path.name)
DOCUMENT = (Path(__file__).parent.parent / "docs" / "asrcap.md").read_text(encoding="utf-8")
SECRET = "Signature=s3cr3t"
SYSTEMS = ["qwen3-asr-flash", "fun-asr-flash-2026-06-15", "fun-asr-realtime", "qwen-audio-3.0-asr-flash"]

EXAMPLE = Capture(
    reads=(
        Read(
            412.08,
            b'data:{"output":{"sentence":{"sentence_id":1,"sentence_end":false,"begin_time":0,"text":"'
            b'\xe4\xbd\xa0\xe5\xa5\xbd"}}}\n\n',
        ),
        Read(
            655.9,
            b'data:{"output":{"sentence":{"sentence_id":1,"sentence_end":true,"begin_time":0,"end_time":900,"text":"'
            b"\xe4\xbd\xa0\xe5\xa5",
        ),
        Read(655.97, b'\xbd"}}}\n\n'),
    ),
    request=Request(
        "POST",
        "https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
        ("Host", "User-Agent", "Authorization", "Content-Type"),
        183,
        "fun-asr-realtime",
    ),
    response=Response(305.114, 200, (("Content-Type", "text/event-stream"), ("Set-Cookie", "***")), 120.5),
    end=End(656.02),
    recorded="2026-11-20T08:12:33.512+00:00",
)  # fmt: skip


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def played(it: Any) -> tuple[list[Any], tuple[str, str] | None, Any]:
    """The updates of a replay, the kind and text of what it raised, and its transcript."""
    updates: list[Any] = []
    error = None
    try:
        for update in it:
            updates.append(update)
    except ASRWireError as failed:
        error = failed
    if error is None:
        return updates, None, it.transcript
    assert error.partial == it.transcript
    return updates, (error.kind, str(error)), it.transcript


# == the file ==========================================================================================================


def example() -> bytes:
    (block,) = re.findall(r"^```json\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return block.encode()


def test_the_documented_example() -> None:
    loaded = Capture.parse(example())
    assert loaded == EXAMPLE
    updates, error, transcript = played(loaded.replay())
    assert [type(update).__name__ for update in updates] == ["Partial", "Final"]
    assert (error, transcript.text, transcript.complete) == (None, "你好", True)
    assert repr(loaded) == "<Capture of 3 reads, 214 bytes; eof>"


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.asrcap"
    EXAMPLE.save(path)
    assert path.read_bytes() == example()
    ended = Capture(EXAMPLE.reads, EXAMPLE.request, EXAMPLE.response, End(700.0, "timeout", "idle", True), attempts=3)
    for one in (Capture(), Capture(EXAMPLE.reads), ended, EXAMPLE):
        one.save(path)
        assert Capture.load(path) == one
        assert pickle.loads(pickle.dumps(one)) == one


def test_cut_anywhere_after_its_first_line_it_is_what_there_is() -> None:
    data = example()
    starts = [0] + [at + 1 for at, byte in enumerate(data) if byte == 10]
    for at in range(starts[1], len(data) + 1):
        whole = sum(start <= at for start in starts) - 1  # lines that are complete, but perhaps for their line end
        whole += data[at : at + 1] == b"\n"
        cut = Capture.parse(data[:at])
        assert (cut.recorded, cut.attempts) == (EXAMPLE.recorded, 1)
        assert cut.request == (EXAMPLE.request if whole >= 2 else None)
        assert cut.response == (EXAMPLE.response if whole >= 3 else None)
        assert cut.reads == EXAMPLE.reads[: max(0, whole - 3)]
        assert cut.end == (EXAMPLE.end if whole >= 7 else None)


def test_a_recording_that_was_cut_off_ends_in_truncated_after_all_it_has() -> None:
    lines = example().splitlines(keepends=True)
    updates, error, transcript = played(Capture.parse(b"".join(lines[:4])).replay())
    assert [type(update) for update in updates[1:]] == [Incomplete]
    assert error == ("truncated", "the capture ends here: its recording was cut off")
    assert (transcript.text, transcript.complete) == ("你好", False)
    assert played(Capture.parse(b"".join(lines[:1])).replay())[:2] == ([], error)


WRONG: list[tuple[int, bytes, str, str | None]] = [
    (0, b'{"asrcap":', "not JSON", None),
    (0, b'{"asrcap":2}', "the format has version 2, and this is asrwire for version 1", "asrcap"),
    (0, b'{"asrcap":"1"}', "asrcap is missing or of a wrong type", "asrcap"),
    (0, b'{"asrcap":true}', "asrcap is missing or of a wrong type", "asrcap"),
    (0, b'{"asrcap":1,"recorded":5}', "recorded is missing or of a wrong type", "recorded"),
    (1, b"[1]", "a line is a JSON object", None),
    (1, b'{"request":', "not JSON", None),
    (1, b'{"request":1}', "request is missing or of a wrong type", "request"),
    (1, b'{"request":{"method":"POST"}}', "url is missing or of a wrong type", "url"),
    (1, b'{"request":{"method":"POST","url":"","headers":[1]}}', "headers are names", "headers"),
    (2, b'{"response":{"status":200}}', "ms is missing or of a wrong type", "ms"),
    (2, b'{"ms":-1,"response":{"status":200}}', "ms goes back", "ms"),
    (2, b'{"ms":1,"response":{}}', "status is missing or of a wrong type", "status"),
    (2, b'{"ms":1,"response":{"status":200,"headers":[["a"]]}}', "headers are pairs of name and value", "headers"),
    (3, b'{"text":"a"}', "ms is missing or of a wrong type", "ms"),
    (3, b'{"ms":"1","text":"a"}', "ms is missing or of a wrong type", "ms"),
    (3, b'{"ms":1,"text":5}', "text is missing or of a wrong type", "text"),
    (3, b'{"ms":1,"base64":"a"}', "base64 is not base64", "base64"),
    (3, b'{"ms":1,"base64":"YQ==!"}', "base64 is not base64", "base64"),
    (4, b'{"ms":412.07,"text":"a"}', "ms goes back", "ms"),
    (6, b'{"ms":655,"end":"eof"}', "ms goes back", "ms"),
    (6, b'{"ms":700,"end":"eof","unframed":1}', "unframed is missing or of a wrong type", "unframed"),
]


@pytest.mark.parametrize(("number", "line", "says", "path"), WRONG)
def test_what_is_wrong_with_a_line_is_said(number: int, line: bytes, says: str, path: str | None) -> None:
    lines = example().splitlines()
    lines[number] = line
    with pytest.raises(DecodeError) as caught:
        Capture.parse(b"\n".join(lines) + b"\n")
    assert str(caught.value).startswith(f"line {number + 1} of the capture: {says}")
    assert caught.value.offset == len(b"\n".join(lines[:number])) + (number > 0)
    assert caught.value.path == path


def test_what_is_not_known_is_passed_over() -> None:
    lines = example().splitlines()
    lines.insert(3, b'{"note":"the train went by here"}')
    lines[1] = lines[1].replace(b'"size"', b'"newer":[1],"size"')
    assert Capture.parse(b"\n".join(lines)) == EXAMPLE


def test_of_several_attempts_the_last_counts() -> None:
    first = b'{"ms":5,"response":{"status":429}}\n{"ms":6,"text":"{}"}\n{"ms":7,"end":"eof"}\n'
    lines = example().splitlines(keepends=True)
    loaded = Capture.parse(b"".join([lines[0], lines[1], first, lines[1], first, *lines[1:]]))
    assert loaded.attempts == 3
    assert (loaded.reads, loaded.response, loaded.end) == (EXAMPLE.reads, EXAMPLE.response, EXAMPLE.end)
    assert Capture.parse(b"".join([lines[0], lines[1], first, lines[1]])).response is None


def test_files_that_cannot_be(tmp_path: Path) -> None:
    for path in (tmp_path / "none.asrcap", tmp_path, Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot read"):
            Capture.load(path)
    for path in (tmp_path / "none" / "a.asrcap", tmp_path, Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot write"):
            EXAMPLE.save(path)
        with pytest.raises(ConfigError, match="cannot write"):
            Recorder(path)


# == playing ===========================================================================================================


@pytest.mark.parametrize("name", BODIES)
def test_a_bare_body_gives_the_same_updates_for_every_seed(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    loaded = Capture.load(SAMPLES / name)
    assert loaded == Capture(reads=(Read(0.0, data),), end=End(0.0))
    whole = played(loaded.replay())
    for seed in range(25):
        assert played(loaded.replay(seed=seed)) == whole
    stream = ResultStream()
    try:
        expected = stream.receive_data(data) + stream.receive_eof()
    except ASRWireError as error:
        expected = (error.output or []) + stream.receive_eof(error)
    assert whole[0] == expected


def test_seeds_split_anew_and_lose_nothing() -> None:
    data = bytes(range(256)) * 100
    reads = tuple(Read(float(i), data[i * 1000 : (i + 1) * 1000]) for i in range(26))
    sizes = set()
    for seed in range(40):
        pieces = list(capture._split(reads, seed))
        assert b"".join(piece.data for piece in pieces) == data
        assert pieces == list(capture._split(reads, seed))
        sizes.add(max(len(piece.data) for piece in pieces))
        at = 0
        for piece in pieces:
            at += len(piece.data)
            assert piece.ms == (at - 1) // 1000  # the read that its last byte came with
    assert min(sizes) == 1
    assert max(sizes) == len(data)


def test_speed_sleeps_until_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    monkeypatch.setattr(capture.time, "sleep", sleep)
    monkeypatch.setattr(capture.time, "monotonic", lambda: now[0])
    replay = EXAMPLE.replay(speed=2)
    next(replay)
    assert (slept, replay.ms) == ([0.20604], 412.08)
    now[0] += 1.0  # a slow consumer: what is late is not waited for
    list(replay)
    assert (slept, replay.ms) == ([0.20604, 0.0, 0.0, 0.0], 656.02)
    slept.clear()
    list(EXAMPLE.replay(speed=1, seed=0))
    assert round(sum(slept), 6) == 0.65602
    slept.clear()
    list(EXAMPLE.replay())
    assert slept == []


def test_without_partials() -> None:
    (update,) = EXAMPLE.replay(partials=False)
    assert isinstance(update, Final)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"speed": 0}, ConfigError),
        ({"speed": -1.0}, ConfigError),
        ({"speed": float("nan")}, ConfigError),
        ({"speed": float("inf")}, ConfigError),
        ({"speed": "1"}, TypeError),
        ({"speed": True}, TypeError),
        ({"seed": "1"}, TypeError),
        ({"seed": 1.0}, TypeError),
    ],
)
def test_arguments_that_are_wrong(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        EXAMPLE.replay(**arguments)


def test_what_incremental_output_asked_for_counts() -> None:
    def frame(text: str) -> bytes:
        return b"data:" + orjson.dumps({"output": {"choices": [{"message": {"content": text}}]}}) + b"\n\n"

    reads = (Read(1.0, frame("go")), Read(2.0, frame("go on")))
    request = Request("POST", "https://a.example/", incremental=True)
    texts = [Capture(reads, one, end=End(3.0)).replay() for one in (None, request)]
    assert [played(it)[2].text for it in texts] == ["go on", "gogo on"]


# == recording =========================================================================================================


@pytest.mark.transport
@pytest.mark.parametrize("model", SYSTEMS)
def test_what_was_recorded_gives_the_updates_of_the_call(colour: Colour, model: str, tmp_path: Path) -> None:
    path = tmp_path / "a.asrcap"
    recorder = Recorder(path)
    with Emulator(envelope="workspace") as emulator:
        updates, error, stream = listen(colour, emulator, options={"model": model, "capture": recorder})
        assert error is None
    loaded = Capture.load(path)
    replay = loaded.replay()
    assert list(replay) == updates
    assert replay.transcript == stream.transcript
    assert recorder.ledger == replay.ledger == loaded.ledger()
    assert recorder.ledger.events > len(updates) / 2
    for seed in range(12):
        assert list(loaded.replay(seed=seed)) == updates
    assert loaded.request is not None
    assert (loaded.request.method, loaded.request.model, loaded.attempts) == ("POST", model, 1)
    assert loaded.request.url.startswith("http://127.0.0.1:")
    assert {"Host", "Authorization", "Content-Length"} < set(loaded.request.headers)
    assert loaded.response is not None
    assert (loaded.response.status, loaded.response.content_type) == (200, "text/event-stream;charset=UTF-8")
    assert loaded.response.sending is not None
    assert loaded.end is not None
    assert 0 <= loaded.response.ms <= loaded.reads[0].ms <= loaded.reads[-1].ms <= loaded.end.ms
    assert (recorder.error, recorder.ledger.end) == (None, "eof")


ENDINGS: dict[str, tuple[Any, str]] = {
    "close-delimited": (then(HEAD + b"\r\n" + ONE + TWO), "eof"),
    "close-delimited, open": (then(HEAD + b"\r\n" + ONE + OPEN), "eof"),
    "chunked": (GOOD, "eof"),
    "chunked, open": (CHUNKED + chunk(ONE + OPEN) + END, "eof"),
    "cut": (then(CHUNKED + chunk(ONE + OPEN)), "truncated"),
    "cut inside a chunk": (then(CHUNKED + chunk(ONE + OPEN)[:-40]), "truncated"),
    "reset": (then(CHUNKED + chunk(ONE + OPEN), last="reset"), "truncated"),
    "stalled": (then(CHUNKED + chunk(ONE + OPEN), last="wait"), "timeout"),
    "bad chunk": (CHUNKED + chunk(ONE + OPEN) + b"zz\r\n", "protocol"),
    "not JSON": (CHUNKED + chunk(ONE + b"data:{\n\n" + TWO) + END, "decode"),
    "an error event": (CHUNKED + chunk(ONE + b'event:error\ndata:{"code":"X","message":"m"}\n\n') + END, "service"),
    "JSON": (sized(b'{"output":{"sentence":{"sentence_id":1,"end_time":5,"text":"a"}}}'), "eof"),
    "JSON cut": (then(sized(b'{"output":{"sentence":{}}}')[:-3]), "truncated"),
    "JSON of something else": (sized(b'{"a":1}'), "eof"),
    "nothing": (CHUNKED + END, "eof"),
    "status": (sized(b'{"code":"InvalidApiKey","message":"no"}', b"401 X"), "eof"),
    "status without body": (sized(b"", b"500 X"), "eof"),
    "redirect": (sized(b"", b"307 X", more=b"Location: https://e.example/?a=b\r\n"), "http_status"),
    "no head": (then(), "protocol"),
}


@pytest.mark.transport
@pytest.mark.parametrize("name", ENDINGS)
def test_what_went_wrong_goes_wrong_again(colour: Colour, name: str, tmp_path: Path) -> None:
    answer, end = ENDINGS[name]
    recorder = Recorder(tmp_path / "a.asrcap")
    with Server(answer) as server:
        options = {"capture": recorder, "timeouts": short(idle=0.3)}
        updates, error, stream = listen(colour, server, options=options)
    loaded = Capture.load(tmp_path / "a.asrcap")
    assert loaded.end is not None
    assert loaded.end.kind == recorder.ledger.end == end
    assert loaded.attempts == 1
    for seed in (None, 1, 2, 3):
        again, raised, transcript = played(loaded.replay(seed=seed))
        assert again == updates
        assert (raised and raised[0]) == (error and error.kind)
        assert transcript.sentences == stream.transcript.sentences
        assert transcript.complete == stream.transcript.complete
        assert transcript.issues == stream.transcript.issues
    if error is not None:
        with pytest.raises(type(error)) as replayed:
            list(loaded.replay())
        assert replayed.value.http_status == error.http_status
    if name != "redirect":  # which is refused for its status, and no body is read
        assert loaded.ledger() == recorder.ledger


@pytest.mark.transport
def test_a_request_sent_again_begins_anew(colour: Colour, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.asrcap")
    busy = sized(b'{"code":"Throttling","message":"slow"}', b"429 X", more=b"Retry-After: 0\r\n")
    with Server(busy, GOOD) as server:
        updates, error, _ = listen(colour, server, options={"capture": recorder})
    loaded = Capture.load(tmp_path / "a.asrcap")
    assert (error, loaded.attempts, len(updates)) == (None, 2, 2)
    assert list(loaded.replay()) == updates
    assert recorder.ledger == loaded.ledger()
    lines = [json.loads(line) for line in (tmp_path / "a.asrcap").read_bytes().splitlines()]
    assert [line["response"]["status"] for line in lines if "response" in line] == [429, 200]


@pytest.mark.transport
def test_who_leaves_early_keeps_what_came(colour: Colour, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            stream = client.stream(URL, model=MODEL, capture=recorder)
            async with stream:
                async for _ in stream:
                    break

    recorder = Recorder(tmp_path / "a.asrcap")
    with Server(then(CHUNKED + chunk(ONE + OPEN), last="wait")) as server:
        colour.run(scenario)
    loaded = Capture.load(tmp_path / "a.asrcap")
    updates, raised, _ = played(loaded.replay())
    assert [type(update).__name__ for update in updates] == ["Final", "Partial", "Incomplete"]
    assert raised == ("closed", "the stream was closed")
    assert recorder.ledger == loaded.ledger()


@pytest.mark.transport
def test_a_file_that_cannot_be_written_any_more_disturbs_no_call(colour: Colour, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    recorder = Recorder(tmp_path / "gone" / "a.asrcap")
    (tmp_path / "gone" / "a.asrcap").unlink()
    (tmp_path / "gone").rmdir()
    with Server(GOOD) as server:
        updates, error, _ = listen(colour, server, options={"capture": recorder})
    assert (error, len(updates)) == (None, 2)
    assert isinstance(recorder.error, FileNotFoundError)
    assert (recorder.ledger.updates, recorder.ledger.end) == (2, "eof")


@pytest.mark.transport
def test_a_ledger_needs_no_file(colour: Colour) -> None:
    recorder = Recorder()
    assert recorder.ledger == Ledger()
    with Server(GOOD) as server:
        listen(colour, server, options={"capture": recorder})
    assert (recorder.ledger.bytes, recorder.ledger.events) == (len(ONE + TWO), 2)


def test_an_old_capture_stays_until_there_is_something_new(tmp_path: Path) -> None:
    path = tmp_path / "a.asrcap"
    EXAMPLE.save(path)
    recorder = Recorder(path)
    recorder.interrupted()
    assert Capture.load(path) == EXAMPLE
    with Client(KEY) as client, pytest.raises(TypeError, match=r"capture must be an asrwire\.capture\.Recorder"):
        client.stream(URL, model=MODEL, capture=path)  # type: ignore[arg-type]


# == secrets ===========================================================================================================


def echoing(go_on: threading.Event) -> Any:
    """An answer that repeats the key, cut in the middle over two reads, tokens, cookies and signed URLs."""
    text = b'data:{"output":{"sentence":{"sentence_id":9,"sentence_end":true,"text":"key %b, token %b, %b"}},' % (
        KEY.encode(), b"tok-9876543210 of c00kie", b"https://oss.example/r.json?Expires=1&" + SECRET.encode(),
    )  # fmt: skip
    text += b'"file_url":"https:\\/\\/oss.example\\/b?OSSAccessKeyId=x&%b"}\n\n' % SECRET.encode()
    cut = text.index(KEY.encode()) + 9
    more = b"X-Request-Id: %b\r\nSet-Cookie: sid=c00kie\r\nX-DashScope-Token: tok-1\r\n" % KEY.encode()
    more += b"Link: <https://oss.example/?%b>\r\n" % SECRET.encode()

    def answer(peer: Peer) -> None:
        peer.send(HEAD + more + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(ONE + text[:cut]))
        assert go_on.wait(8)
        later = text.index(SECRET.encode()) + 4
        peer.send(chunk(text[cut:later]) + chunk(text[later:]) + chunk(TWO) + END)

    return answer


@pytest.mark.transport
def test_no_secret_is_in_a_capture(colour: Colour, tmp_path: Path) -> None:
    async def scenario() -> list[Any]:
        headers = {"X-Auth-Token": "Token tok-9876543210", "Cookie": "lang=en; sid=c00kie"}
        async with colour.client(server, headers=headers, workspace="ws-1") as client:
            stream = client.stream(f"https://oss.example/a.wav?{SECRET}", model=MODEL, capture=recorder)
            async with stream:
                updates = []
                async for update in stream:
                    updates.append(update)
                    go_on.set()
                return updates

    go_on = threading.Event()
    recorder = Recorder(tmp_path / "a.asrcap")
    with Server(echoing(go_on)) as server:
        live = colour.run(scenario)
    assert KEY in live[1].sentence.text  # what the service says is the caller's, all of it
    loaded = Capture.load(tmp_path / "a.asrcap")
    kept = (tmp_path / "a.asrcap").read_bytes() + b"".join(read.data for read in loaded.reads) + pickle.dumps(loaded)
    for secret in (KEY, "tok-", "c00kie", "s3cr3t", SECRET, "OSSAccessKeyId", "Expires="):
        assert secret.encode() not in kept
    texts = [update.sentence.text for update in loaded.replay() if isinstance(update, Final)]
    assert texts == ["one", "key ***, token *** of ***, https://oss.example/r.json", "two"]
    assert len(loaded.reads) >= 2
    assert loaded.response is not None
    assert dict(loaded.response.headers) == {
        "Content-Type": "text/event-stream",
        "X-Request-Id": "***",
        "Set-Cookie": "***",
        "X-DashScope-Token": "***",
        "Link": "<https://oss.example/>",
        "Transfer-Encoding": "chunked",
    }


@pytest.mark.transport
@pytest.mark.parametrize("status", [b"200 OK", b"401 X"])
def test_nor_is_one_in_what_is_said_of_an_error(colour: Colour, status: bytes, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.asrcap")
    told = b'{"code":"InvalidApiKey","message":"bad key %b for %b"}' % (KEY.encode(), f"{URL}?{SECRET}".encode())
    body = b"event:error\ndata:" + told + b"\n\n" if status == b"200 OK" else told
    with Server(sized(body, status, b"text/event-stream")) as server:
        _, error, _ = listen(colour, server, options={"capture": recorder})
    assert error is not None
    kept = (tmp_path / "a.asrcap").read_bytes()
    assert KEY.encode() not in kept
    assert b"s3cr3t" not in kept
    (kind, message) = played(Capture.parse(kept).replay())[1] or ("", "")
    assert kind == error.kind
    assert "bad key *** for https://example.com/audio.wav" in message


def test_a_replay_that_is_cut_says_so_once() -> None:
    replay = Capture(EXAMPLE.reads).replay()
    with pytest.raises(Truncated):
        list(replay)
    assert list(replay) == []
