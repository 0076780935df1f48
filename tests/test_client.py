# What a caller sees of one call, in three colours, against literal bytes: updates, order on trouble, errors, closing.

from __future__ import annotations

import gc
import gzip
import logging
import threading
import types
import zlib
from contextlib import suppress
from itertools import product
from typing import Any

import httpcore
import pytest

from asrwire import (
    ASRWireError,
    Closed,
    ConfigError,
    ConnectFailed,
    ContentTypeError,
    DecodeError,
    Final,
    HTTPStatusError,
    Incomplete,
    LimitExceeded,
    Limits,
    Partial,
    ProtocolError,
    ServiceError,
    TextDelta,
    Timeout,
    Timeouts,
    Truncated,
)
from asrwire._net import _exchange
from tests.servers import (
    CHUNKED,
    DONE,
    END,
    GOOD,
    HANG,
    HEAD,
    KEY,
    LOOPS,
    MODEL,
    ONE,
    OPEN,
    OPENAI_DELTA,
    OPENAI_STOP,
    TWO,
    URL,
    Colour,
    Peer,
    Server,
    chunk,
    event,
    replayed,
    sized,
)

pytestmark = pytest.mark.transport


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


def short(**timers: float) -> Timeouts:
    return Timeouts(**{"connect": HANG, "write": HANG, "head": HANG, "idle": HANG, "pool": HANG, **timers})


def listen(colour: Colour, server: Server, model: str = MODEL, **settings: Any) -> tuple[list[Any], Any, Any]:
    """One stream to its end: updates, what it raised or None, and the stream."""
    options = {name: settings.pop(name) for name in ("timeouts", "resend", "partials") if name in settings}

    async def scenario() -> tuple[list[Any], Any, Any]:
        updates: list[Any] = []
        error = None
        async with colour.client(server, **settings) as client:
            stream = client.stream(URL, model=model, **options)
            try:
                async with stream:
                    async for update in stream:
                        updates.append(update)
            except ASRWireError as failed:
                error = failed
        return updates, error, stream

    updates, error, stream = colour.run(scenario)
    return updates, error, stream


async def read_all(stream: Any) -> None:
    async with stream:
        async for _ in stream:
            pass


def shown(updates: list[Any]) -> list[tuple[str, str]]:
    return [(type(update).__name__, getattr(update, "text", None) or update.sentence.text) for update in updates]


def then(*pieces: bytes, last: str = "close") -> Any:
    """Send the pieces; then close, reset, or wait for the client to close."""

    def answer(peer: Peer) -> None:
        for piece in pieces:
            peer.send(piece)
        if last == "reset":
            peer.reset()
        elif last == "wait":
            peer.wait_closed()

    return answer


# == what goes well ===================================================================================================


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_stream_of_sentences(colour: Colour, tls: bool) -> None:
    with Server(CHUNKED + chunk(event("on", end=False)) + chunk(ONE) + chunk(TWO) + END, tls=tls) as server:
        updates, error, stream = listen(colour, server)
    assert shown(updates) == [("Partial", "on"), ("Final", "one"), ("Final", "two")]
    assert error is None
    assert stream.transcript.complete
    assert (stream.http_status, stream.request_id) == (200, "body-id")
    assert stream.headers == [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]


def test_the_request_on_the_wire(colour: Colour) -> None:
    with Server(GOOD) as server:
        updates, _, _ = listen(colour, server, headers={"X-Mine": "1", "User-Agent": "me/2"})
        assert len(updates) == 2
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /api/v1/services/aigc/multimodal-generation/generation HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: me/2",
        b"Authorization: Bearer " + KEY.encode(),
        b"Content-Type: application/json",
        b"Accept: text/event-stream",
        b"Accept-Encoding: identity",
        b"X-DashScope-SSE: enable",
        b"Content-Length: %d" % len(body),
        b"X-Mine: 1",
    ]


def test_three_calls_use_one_connection(colour: Colour) -> None:
    answers = [GOOD, GOOD[: len(CHUNKED)] + b"".join(chunk(ONE[i : i + 1]) for i in range(len(ONE))) + END]
    answers.append(sized(b'{"output":{"text":"hi"},"request_id":"r"}'))

    async def scenario() -> list[Any]:
        seen = []
        async with colour.client(server) as client:
            for _ in range(2):
                async with client.stream(URL, model=MODEL) as stream:
                    seen.append([update.sentence.text async for update in stream])
            seen.append((await client.transcribe(URL, model=MODEL)).text)
        return seen

    with Server(*answers) as server:
        assert colour.run(scenario) == [["one", "two"], ["one"], "hi"]
        assert server.connections == 1
        assert len(server.requests) == 3


def test_transcribe_asks_for_one_answer(colour: Colour) -> None:
    body = b'{"choices":[{"message":{"content":"hello","role":"assistant"},"finish_reason":"stop"}],"id":"x"}'

    async def scenario() -> Any:
        async with colour.client(server) as client:
            return await client.transcribe(URL, model="qwen3-asr-flash")

    with Server(sized(body)) as server:
        transcript = colour.run(scenario)
    assert (transcript.text, transcript.complete) == ("hello", True)
    assert b'"stream":false' in server.requests[0]


def test_sentences_called_first_turns_partials_off(colour: Colour) -> None:
    async def scenario() -> Any:
        async with colour.client(server) as client, client.stream(URL, model=MODEL) as stream:
            texts = [sentence.text async for sentence in stream.sentences()]
            with pytest.raises(Closed):
                stream.__aiter__()
            with pytest.raises(Closed):
                stream.sentences()
            return texts

    with Server(CHUNKED + chunk(event("on", end=False) + ONE + TWO) + END) as server:
        assert colour.run(scenario) == ["one", "two"]


def test_sentences_called_later_filters_what_is_left(colour: Colour) -> None:
    async def scenario() -> Any:
        async with colour.client(server) as client, client.stream(URL, model=MODEL) as stream:
            async for update in stream:
                assert isinstance(update, Partial)
                break
            return [sentence.text async for sentence in stream.sentences()]

    with Server(CHUNKED + chunk(event("o", end=False) + event("on", end=False) + ONE + TWO) + END) as server:
        assert colour.run(scenario) == ["one", "two"]


def test_reading_stops_at_the_terminal_event(colour: Colour) -> None:
    with Server(then(CHUNKED + chunk(OPENAI_DELTA + OPENAI_STOP + DONE), last="wait")) as server:
        updates, error, stream = listen(colour, server, model="qwen3-asr-flash")
        assert server.saw_close.wait(HANG)
    assert [type(update) for update in updates] == [TextDelta, Final]
    assert error is None
    assert stream.transcript.text == "hello"


def test_json_in_answer_to_a_stream(colour: Colour) -> None:
    body = b'{"output":{"sentence":{"sentence_id":1,"sentence_end":true,"begin_time":0,"end_time":9,"text":"hi"}}}'
    with Server(sized(body)) as server:
        updates, error, _ = listen(colour, server)
    assert shown(updates) == [("Final", "hi")]
    assert error is None


def test_a_body_that_only_the_connection_ends(colour: Colour) -> None:
    with Server(then(HEAD + b"\r\n" + ONE + TWO)) as server:
        updates, error, stream = listen(colour, server)
    assert shown(updates) == [("Final", "one"), ("Final", "two")]
    assert error is None
    assert stream.transcript.issues["unframed_end"] == 1


@pytest.mark.parametrize("coding", [b"gzip", b"x-GZIP"])
def test_gzip_unasked(colour: Colour, coding: bytes) -> None:
    data = gzip.compress(ONE) + gzip.compress(TWO)
    head = HEAD + b"Content-Encoding: " + coding + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server(head + b"".join(chunk(data[i : i + 7]) for i in range(0, len(data), 7)) + END) as server:
        updates, error, _ = listen(colour, server)
    assert shown(updates) == [("Final", "one"), ("Final", "two")]
    assert error is None


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 16]
)
def test_informational_responses(colour: Colour, first: bytes) -> None:
    with Server(first + GOOD) as server:
        updates, error, _ = listen(colour, server)
    assert len(updates) == 2
    assert error is None


@pytest.mark.parametrize(
    "body", [b'{"code":"ASR_RESPONSE_HAVE_NO_WORDS"}', b'{"message":"ASR_RESPONSE_HAVE_NO_WORDS"}']
)
def test_no_speech_is_a_result(colour: Colour, body: bytes) -> None:
    with Server(sized(body, b"400 Bad Request")) as server:
        updates, error, stream = listen(colour, server)
    assert (updates, error) == ([], None)
    assert (stream.transcript.complete, stream.transcript.no_speech, stream.http_status) == (True, True, 400)


def test_the_key_is_asked_before_each_request(colour: Colour) -> None:
    keys = iter(["first", "second"])

    async def scenario() -> None:
        async with colour.client(server, api_key=lambda: next(keys)) as client:
            for _ in range(2):
                async with client.stream(URL, model=MODEL) as stream:
                    async for _ in stream:
                        pass

    with Server(GOOD) as server:
        colour.run(scenario)
    assert [b"Bearer first" in server.requests[0], b"Bearer second" in server.requests[1]] == [True, True]


# == the body breaks ==================================================================================================

CUT = [
    ("chunked, inside a chunk", CHUNKED + chunk(ONE) + b"40\r\nid:2", "close", Truncated),
    ("chunked, between chunks", CHUNKED + chunk(ONE), "close", Truncated),
    ("chunked, inside the last", CHUNKED + chunk(ONE) + b"0\r\n", "close", Truncated),
    ("chunked, reset", CHUNKED + chunk(ONE) + b"40\r\nid:2", "reset", Truncated),
    ("length", HEAD + b"Content-Length: 9999\r\n\r\n" + ONE, "close", Truncated),
    ("close-delimited, inside an event", HEAD + b"\r\n" + ONE + TWO[:-30], "close", Truncated),
    ("close-delimited, sentence open", HEAD + b"\r\n" + ONE + OPEN, "close", Truncated),
    ("complete, sentence open", CHUNKED + chunk(ONE + OPEN) + END, "wait", Truncated),
    ("bad chunk size", CHUNKED + chunk(ONE) + b"xyz\r\n", "wait", ProtocolError),
    ("bad chunk size in the same bytes as data", CHUNKED + chunk(ONE) + b"-5\r\n", "wait", ProtocolError),
    ("no CRLF after a chunk", CHUNKED + chunk(ONE)[:-2] + b"XX", "wait", ProtocolError),
    ("a chunk of 2**64", CHUNKED + chunk(ONE) + b"10000000000000000\r\n", "wait", ProtocolError),
    ("an endless extension", CHUNKED + chunk(ONE) + b"1;a=" + b"x" * 5000, "wait", LimitExceeded),
    ("endless trailers", CHUNKED + chunk(ONE) + b"0\r\n" + b"a: b\r\n" * 4000, "wait", LimitExceeded),
    ("an error event", CHUNKED + chunk(ONE + b'event:error\ndata:{"code":"X"}\n\n') + END, "wait", ServiceError),
    ("not JSON", CHUNKED + chunk(ONE + b"data:{nope}\n\n") + END, "wait", DecodeError),
]


@pytest.mark.parametrize(("wire", "last", "kind"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_what_came_before_the_trouble_is_handed_out_first(
    colour: Colour, wire: bytes, last: str, kind: type[ASRWireError]
) -> None:
    with Server(then(wire, last=last)) as server:
        updates, error, stream = listen(colour, server)
        assert len(server.requests) == 1
    finals = [update for update in updates if isinstance(update, Final)]
    assert [update.sentence.text for update in finals] == ["one"]
    assert type(error) is kind
    assert (error.sent, error.retry_safe, error.phase) == ("complete", False, "body")
    assert (error.request_id, error.http_status) == ("body-id", 200)
    assert [sentence.text for sentence in error.partial.sentences][:1] == ["one"]
    assert error.partial == stream.transcript
    assert not stream.transcript.complete
    assert error.__cause__ is None


def test_an_open_sentence_is_incomplete(colour: Colour) -> None:
    with Server(then(CHUNKED + chunk(ONE + OPEN))) as server:
        updates, error, _ = listen(colour, server)
    assert shown(updates) == [("Final", "one"), ("Partial", "thr"), ("Incomplete", "thr")]
    assert isinstance(updates[-1], Incomplete)
    assert updates[-1].reason == "cut"
    assert type(error) is Truncated


EMPTY = [
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", Truncated),
    ("no event", CHUNKED + END, Truncated),
    ("HTML", sized(b"<html>", kind=b"text/html"), ContentTypeError),
    ("an error in a 200", sized(b'{"code":"InvalidApiKey","message":"no"}'), ServiceError),
]


@pytest.mark.parametrize(("wire", "kind"), [row[1:] for row in EMPTY], ids=[row[0] for row in EMPTY])
def test_no_result_is_never_success(colour: Colour, wire: bytes, kind: type[ASRWireError]) -> None:
    with Server(wire) as server:
        updates, error, stream = listen(colour, server)
    assert updates == []
    assert type(error) is kind
    assert not stream.transcript.complete


def test_gzip_that_turns_to_garbage_loses_nothing(colour: Colour) -> None:
    packer = zlib.compressobj(wbits=31)
    good = packer.compress(ONE + TWO) + packer.flush(zlib.Z_SYNC_FLUSH)
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server(head + chunk(good) + chunk(b"\xff" * 40) + END) as server:
        updates, error, _ = listen(colour, server)
    assert shown(updates) == [("Final", "one"), ("Final", "two")]
    assert isinstance(error, ProtocolError)


GZIP_HEAD = HEAD + b"Content-Encoding: gzip\r\n"
CODINGS = [
    ("cut", GZIP_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(gzip.compress(ONE)[:-9]) + END, Truncated),
    ("not gzip", GZIP_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(ONE) + END, ProtocolError),
    ("unknown", HEAD + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", ProtocolError),
    ("chain", HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: 3\r\n\r\nabc", ProtocolError),
    (
        "bomb",
        GZIP_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(gzip.compress(b":" + b"x" * 2**23 + b"\n")) + END,
        LimitExceeded,
    ),
]


@pytest.mark.parametrize(("wire", "kind"), [row[1:] for row in CODINGS], ids=[row[0] for row in CODINGS])
def test_content_codings(colour: Colour, wire: bytes, kind: type[ASRWireError]) -> None:
    with Server(then(wire, last="wait")) as server:
        _, error, _ = listen(colour, server)
    assert type(error) is kind
    assert (error.sent, error.retry_safe) == ("complete", False)


# == the head breaks ==================================================================================================

HEADS = [
    ("closed without a word", b"", "close", ProtocolError),
    ("reset without a word", b"", "reset", ConnectFailed),
    ("closed inside the head", HEAD, "close", ProtocolError),
    ("garbage", b"hello\r\n\r\n", "wait", ProtocolError),
    ("status 999.", b"HTTP/1.1 9999 OK\r\n\r\n", "wait", ProtocolError),
    ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "wait", ProtocolError),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", "wait", ProtocolError),
    ("two lengths", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "wait", ProtocolError),
    ("length +5", HEAD + b"Content-Length: +5\r\n\r\n", "wait", ProtocolError),
    (
        "length and chunked",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        "wait",
        ProtocolError,
    ),
    ("unknown transfer coding", HEAD + b"Transfer-Encoding: zip\r\n\r\n", "wait", ProtocolError),
    ("an endless line", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000, "wait", LimitExceeded),
    ("101 fields", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n", "wait", LimitExceeded),
    ("17 times 100", b"HTTP/1.1 100 Continue\r\n\r\n" * 17, "wait", LimitExceeded),
]


@pytest.mark.parametrize(("wire", "last", "kind"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS])
def test_a_head_that_breaks(colour: Colour, wire: bytes, last: str, kind: type[ASRWireError]) -> None:
    with Server(then(wire, last=last)) as server:
        updates, error, _ = listen(colour, server)
        assert len(server.requests) == 1
    assert updates == []
    assert type(error) is kind
    assert (error.sent, error.retry_safe, error.phase) == ("complete", False, "head")


def test_an_unanswered_request_is_sent_again_on_request_only(colour: Colour) -> None:
    with Server(then(b""), then(b""), GOOD) as server:
        updates, error, _ = listen(colour, server, resend=True)
        assert len(server.requests) == 3
    assert (len(updates), error) == (2, None)


# == statuses =========================================================================================================


def test_an_error_status(colour: Colour) -> None:
    body = b'{"code":"InvalidParameter","message":"bad","request_id":"r-1"}'
    with Server(sized(body, b"400 Bad Request"), GOOD) as server:

        async def scenario() -> None:
            async with colour.client(server) as client:
                with pytest.raises(HTTPStatusError, match="InvalidParameter: bad") as caught:
                    async with client.stream(URL, model=MODEL):
                        pass
                error = caught.value
                assert (error.code, error.http_status, error.request_id) == ("InvalidParameter", 400, "r-1")
                assert (error.phase, error.sent, error.retry_safe, error.retry_after) == (
                    "head",
                    "complete",
                    False,
                    None,
                )
                assert error.partial is not None
                async with client.stream(URL, model=MODEL) as stream:
                    assert [update.sentence.text async for update in stream] == ["one", "two"]

        colour.run(scenario)
        assert server.connections == 1


def test_an_error_status_with_an_event_stream(colour: Colour) -> None:
    body = b'id:1\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"Arrearage","message":"pay"}\n\n'
    with Server(sized(body, b"400 Bad Request", b"text/event-stream", b"X-Request-Id: h-1\r\n")) as server:
        _, error, _ = listen(colour, server)
    assert (type(error), error.code, error.request_id) == (HTTPStatusError, "Arrearage", "h-1")


STATUS_BODIES = [
    ("cut", b"Content-Length: 99\r\n\r\noops", "close"),
    ("stalled", b"Content-Length: 99\r\n\r\noops", "wait"),
    ("endless", b"\r\n" + b"x" * 100_000, "wait"),
    ("bad chunks", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "wait"),
    ("unknown coding", b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", "wait"),
    ("bad UTF-8", b"Content-Length: 2\r\n\r\n\xff\xfe", "wait"),
    ("deep", b"Content-Length: 20000\r\n\r\n" + b"[" * 20000, "wait"),
    ("empty", b"Content-Length: 0\r\n\r\n", "wait"),
]


@pytest.mark.parametrize(("rest", "last"), [row[1:] for row in STATUS_BODIES], ids=[row[0] for row in STATUS_BODIES])
def test_no_trouble_with_a_body_hides_the_status(
    colour: Colour, rest: bytes, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_exchange, "ERROR_BODY_SECONDS", 0.2)
    with Server(then(b"HTTP/1.1 502 Bad Gateway\r\n" + rest, last=last)) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 1
    assert (type(error), error.http_status, error.retry_safe) == (HTTPStatusError, 502, False)
    assert len(str(error)) < 2200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(colour: Colour, status: int) -> None:
    more = b"Location: https://elsewhere.example:8/x?Signature=secret\r\n"
    with Server(sized(b"https://elsewhere.example/?Signature=secret", b"%d Moved" % status, more=more)) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 1
    assert (type(error), error.http_status) == (HTTPStatusError, status)
    assert "elsewhere.example" in str(error)
    assert "secret" not in str(error)


def throttled(more: bytes = b"", code: bytes = b"Throttling.RateQuota", status: bytes = b"429 Too Many") -> bytes:
    return sized(b'{"code":"%b","message":"slow"}' % code, status, more=more)


@pytest.mark.parametrize(
    "answer", [throttled(b"Retry-After: 0\r\n"), throttled(), sized(b"", b"503 Busy", more=b"Retry-After: 0\r\n")]
)
def test_a_request_that_was_not_taken_is_sent_again(colour: Colour, answer: bytes) -> None:
    with Server(answer, GOOD) as server:
        updates, error, _ = listen(colour, server)
        assert len(server.requests) == 2
    assert (len(updates), error) == (2, None)


NOT_AGAIN = [
    throttled(b"Retry-After: 86400\r\n"),
    throttled(code=b"Throttling.AllocationQuota"),
    throttled(code=b"PrepaidBillOverdue"),
    sized(b"", b"503 Busy"),
    sized(b"", b"500 Oops"),
    sized(b"", b"504 Late"),
]


@pytest.mark.parametrize("answer", NOT_AGAIN)
def test_what_is_not_sent_again(colour: Colour, answer: bytes) -> None:
    with Server(answer) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 1
    assert type(error) is HTTPStatusError


def test_three_times_and_no_more(colour: Colour) -> None:
    with Server(throttled(b"Retry-After: 0\r\n")) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 3
    assert (error.code, error.retry_safe, error.retry_after) == ("Throttling.RateQuota", True, 0.0)


def test_no_wait_beyond_the_whole_call(colour: Colour) -> None:
    with Server(throttled(b"Retry-After: 30\r\n")) as server:
        _, error, _ = listen(colour, server, timeouts=short(total=10.0))
        assert len(server.requests) == 1
    assert error.retry_after == 30.0


def test_nothing_listens(colour: Colour) -> None:
    with Server(GOOD) as server:
        url = server.base_url
    _, error, stream = listen(colour, None, base_url=url)  # type: ignore[arg-type]
    assert type(error) is ConnectFailed
    assert (error.sent, error.retry_safe, error.phase) == ("none", True, "connect")
    assert stream._attempt == 3


# == timers ===========================================================================================================

TIMERS = [
    ("never answered", [], "wait", {"head": 0.1}, "head"),
    ("half a head", [HEAD], "wait", {"head": 0.1}, "head"),
    ("a head drips", [HEAD + b"A: "], "drip", {"head": 0.1}, "head"),
    ("no event", [CHUNKED], "wait", {"head": 0.1}, "head"),
    ("a JSON body stalls", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], "wait", {"head": 0.1}, "head"),
    ("a stall between events", [CHUNKED + chunk(ONE)], "wait", {"idle": 0.1}, "idle"),
    ("an event drips", [HEAD + b"\r\n" + ONE + b"data:"], "drip", {"idle": 0.1}, "idle"),
    ("keep-alives for ever", [HEAD + b"\r\n" + ONE], "comments", {"idle": 0.1}, "idle"),
    ("the whole call", [HEAD + b"\r\n" + ONE], "drip", {"total": 0.3}, "total"),
    ("the whole call, before the head", [], "wait", {"total": 0.2}, "total"),
]


@pytest.mark.parametrize(
    ("pieces", "last", "timers", "phase"), [row[1:] for row in TIMERS], ids=[row[0] for row in TIMERS]
)
def test_timers(colour: Colour, pieces: list[bytes], last: str, timers: dict[str, float], phase: str) -> None:
    def answer(peer: Peer) -> None:
        for piece in pieces:
            peer.send(piece)
        if last == "wait":
            peer.wait_closed()
        else:
            peer.drip(b":\n" if last == "comments" else b"x")

    with Server(answer) as server:
        updates, error, _ = listen(colour, server, timeouts=short(**timers))
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1
    assert type(error) is Timeout
    assert (error.phase, error.sent, error.retry_safe) == (phase, "complete", False)
    assert [update.sentence.text for update in updates] == (["one"] if any(ONE in piece for piece in pieces) else [])


def test_each_event_starts_the_idle_timer_again(colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        peer.send(CHUNKED)
        peer.sock.settimeout(0.2)  # apart from one another, but less than idle; altogether more
        for number in range(1, 6):
            peer.send(chunk(event("x", number=number, begin=number * 1000)))
            with pytest.raises(TimeoutError):
                peer.sock.recv(1)
        peer.send(END)

    with Server(answer) as server:
        updates, error, _ = listen(colour, server, timeouts=short(idle=0.8))
    assert (len(updates), error) == (5, None)


def test_the_service_does_not_read_the_upload(colour: Colour) -> None:
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(9 * 2**20)

    async def scenario() -> Any:
        async with colour.client(server, timeouts=short(write=0.1, total=5.0)) as client:
            with pytest.raises(Timeout) as caught:
                async with client.stream(big, model=MODEL):
                    pass
        return caught.value

    def answer(peer: Peer) -> None:
        server.saw_close.wait(HANG)

    with Server(answer, raw=True) as server:
        error = colour.run(scenario)
        server.saw_close.set()
    assert (error.phase, error.sent, error.retry_safe) == ("write", "partial", True)


def test_reset_during_the_upload(colour: Colour) -> None:
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(9 * 2**20)

    async def scenario() -> Any:
        async with colour.client(server) as client:
            with pytest.raises(ConnectFailed) as caught:
                async with client.stream(big, model=MODEL):
                    pass
        return caught.value

    def answer(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.reset()

    with Server(answer, raw=True) as server:
        error = colour.run(scenario)
        assert server.connections == 3
    assert (error.sent, error.retry_safe) == ("partial", True)


# Not over TLS on trio: its TLS layer reads no more after a write that failed.
@pytest.mark.parametrize(("name", "tls"), [*product(["sync", *LOOPS], [False, True]), ("trio", False)])
def test_an_answer_before_the_upload_ended(name: str, tls: bool) -> None:
    # What was not read of the upload makes the server's close a reset, on whose heels nothing more is sent.
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(9 * 2**20)
    colour = Colour(name)

    def answer(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(sized(b'{"code":"BadRequest.TooLarge"}', b"413 Content Too Large"))

    async def scenario() -> Any:
        async with colour.client(server, timeouts=short()) as client:
            with pytest.raises(HTTPStatusError) as caught:
                await client.transcribe(big, model=MODEL)
        return caught.value

    with Server(answer, raw=True, tls=tls) as server:
        error = colour.run(scenario)
        assert server.connections == 1
    assert (error.http_status, error.code, error.sent, error.retry_safe) == (
        413,
        "BadRequest.TooLarge",
        "partial",
        True,
    )


def test_an_answer_to_an_upload_that_is_read_no_further(colour: Colour) -> None:
    # Not over TLS on trio: a TLS layer there whose write was cancelled can be read no more.
    for tls in (False,) if colour.name == "trio" else (False, True):
        check_an_answer_to_an_upload(colour, tls)


def check_an_answer_to_an_upload(colour: Colour, tls: bool) -> None:
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(9 * 2**20)

    def answer(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(sized(b'{"code":"InvalidApiKey"}', b"401 Unauthorized"))
        server.saw_close.wait(HANG)

    async def scenario() -> Any:
        async with colour.client(server, timeouts=short(write=0.3)) as client:
            with pytest.raises(HTTPStatusError) as caught:
                await client.transcribe(big, model=MODEL)
            server.saw_close.set()
            return caught.value

    with Server(answer, raw=True, tls=tls) as server:
        error = colour.run(scenario)
        assert server.connections == 1
    assert (error.http_status, error.code, error.sent, error.retry_safe) == (401, "InvalidApiKey", "partial", True)
    assert "keys belong to one region" in str(error)


def test_a_stream_keeps_neither_audio_nor_request(colour: Colour) -> None:
    size = 2**20

    def largest(start: Any) -> int:
        seen: set[int] = set()
        found, queue = 0, [start]
        while queue:
            it = queue.pop()
            if id(it) not in seen and not isinstance(it, type | types.ModuleType | types.FunctionType):
                seen.add(id(it))
                found = max(found, len(it) if isinstance(it, bytes | str) else 0)
                queue += gc.get_referents(it)
        return found

    async def scenario() -> None:
        async with colour.client(server) as client:
            stream = client.stream(b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(size), model=MODEL)
            assert largest(stream) > size
            async with stream:
                assert largest(stream) < size

    with Server(then(CHUNKED, last="wait")) as server:
        colour.run(scenario)
        server.requests.clear()


def test_a_large_upload_arrives_whole(colour: Colour) -> None:
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(range(256)) * 4096 * 4

    async def scenario() -> str:
        async with colour.client(server) as client:
            text: str = (await client.transcribe(big, model=MODEL)).text
            return text

    with Server(sized(b'{"output":{"text":"hi"}}'), tls=True) as server:
        assert colour.run(scenario) == "hi"
    assert len(server.requests[0]) > len(big) * 4 // 3


# == connections ======================================================================================================


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("apart", [False, True], ids=["one segment", "two segments"])
@pytest.mark.parametrize(
    "first", [GOOD, sized(ONE + TWO, kind=b"text/event-stream"), b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"]
)
def test_bytes_after_a_response_answer_nobody(colour: Colour, tls: bool, apart: bool, first: bytes) -> None:
    forged = sized(b'{"output":{"text":"FORGED"}}')
    sent = threading.Event()

    def answer(peer: Peer) -> None:
        if apart:
            peer.send(first)
            peer.send(forged)
        else:
            peer.send(first + forged)
        sent.set()
        peer.request()
        peer.wait_closed()

    async def scenario() -> str:
        async with colour.client(server) as client:
            try:
                async with client.stream(URL, model=MODEL) as stream:
                    async for _ in stream:
                        pass
            except HTTPStatusError:
                pass
            assert sent.wait(HANG)
            text: str = (await client.transcribe(URL, model=MODEL)).text
            return text

    with Server(answer, sized(b'{"output":{"text":"true"}}'), tls=tls) as server:
        assert colour.run(scenario) == "true"
        assert server.connections == 2


def test_an_idle_connection_that_the_server_closed(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            for turn in range(2):
                async with client.stream(URL, model=MODEL) as stream:
                    assert [update.sentence.text async for update in stream] == ["one", "two"]
                if turn == 0:
                    assert closed.wait(HANG)

    closed = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(GOOD)
        peer.sock.close()
        closed.set()

    with Server(answer, GOOD) as server:
        colour.run(scenario)
        assert (server.connections, len(server.requests)) == (2, 2)


def test_connection_close_is_obeyed(colour: Colour) -> None:
    wire = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(ONE) + END

    async def scenario() -> None:
        async with colour.client(server) as client:
            for _ in range(2):
                async with client.stream(URL, model=MODEL) as stream:
                    assert [update.sentence.text async for update in stream] == ["one"]

    with Server(wire) as server:
        colour.run(scenario)
        assert server.connections == 2


def test_leaving_early_closes_at_once(colour: Colour) -> None:
    async def scenario() -> Any:
        async with colour.client(server) as client:
            async with client.stream(URL, model=MODEL) as stream:
                async for update in stream:
                    assert update.sentence.text == "one"
                    break
            assert server.saw_close.wait(HANG)
            with pytest.raises(Closed):
                await stream.__anext__()
            async with client.stream(URL, model=MODEL) as second:
                assert [update.sentence.text async for update in second] == ["one", "two"]
            return stream

    with Server(then(CHUNKED + chunk(ONE + OPEN), last="wait"), GOOD) as server:
        stream = colour.run(scenario)
        assert server.connections == 2
    assert (stream.transcript.complete, stream.transcript.incomplete_reason) == (False, "closed")
    assert [sentence.text for sentence in stream.transcript.sentences] == ["one", "thr"]


def test_one_pass(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            stream = client.stream(URL, model=MODEL)
            with pytest.raises(Closed, match="enter it first"):
                stream.__aiter__()
            async with stream:
                assert len([update async for update in stream]) == 2
                with pytest.raises(Closed):
                    stream.__aiter__()
                with pytest.raises(StopAsyncIteration):
                    await stream.__anext__()
            with pytest.raises(Closed):
                await stream.__anext__()
            with pytest.raises(Closed):
                await stream.__aenter__()
            await stream.aclose()
        with pytest.raises(Closed):
            await client.transcribe(URL, model=MODEL)

    with Server(GOOD) as server:
        colour.run(scenario)


def test_after_an_error_the_stream_is_closed(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client, client.stream(URL, model=MODEL) as stream:
            with pytest.raises(Truncated):
                async for _ in stream:
                    pass
            with pytest.raises(Closed):
                await stream.__anext__()

    with Server(then(CHUNKED + chunk(ONE))) as server:
        colour.run(scenario)


def test_closing_the_client_closes_its_streams(colour: Colour) -> None:
    async def scenario() -> None:
        client = colour.client(server)
        async with client.stream(URL, model=MODEL) as stream:
            await client.aclose()
            with pytest.raises(Closed) as caught:
                async for _ in stream:
                    pass
        assert caught.value.partial is not None
        assert server.saw_close.wait(HANG)

    with Server(then(CHUNKED, last="wait")) as server:
        colour.run(scenario)


# == secrets and bad arguments ========================================================================================


def test_the_key_is_never_shown(colour: Colour) -> None:
    echo = b'{"code":"%b","message":"bad key %b","request_id":"r"}' % (KEY.encode(), KEY.encode())
    in_stream = CHUNKED + chunk(ONE + b"event:error\ndata:" + echo + b"\n\n") + END

    async def scenario() -> list[str]:
        texts = []
        async with colour.client(server) as client:
            for _ in range(2):
                stream = client.stream(URL, model=MODEL)
                with pytest.raises(ASRWireError) as caught:
                    await read_all(stream)
                error = caught.value
                texts += [str(error), repr(error), repr(error.code), repr(stream), repr(stream.transcript)]
            texts.append(repr(client))
        return texts

    with Server(sized(echo, b"401 Unauthorized"), in_stream) as server:
        texts = colour.run(scenario)
    assert "bad key ***" in texts[0]
    assert not any(KEY in text for text in texts)


@pytest.mark.parametrize("field", [b"X Echo: " + KEY.encode(), b"X-Echo: " + KEY.encode()])
def test_no_log_shows_a_key_that_a_head_echoes(
    colour: Colour, field: bytes, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with colour.client(server) as client:
            with suppress(ASRWireError):
                async with client.stream(URL, model=MODEL) as stream:
                    await read_all(stream)

    with Server(CHUNKED.replace(b"\r\n", b"\r\n" + field + b"\r\n", 1) + chunk(ONE) + END) as server:
        colour.run(scenario)
    assert "receive_response_headers" in caplog.text
    assert KEY not in caplog.text


def test_no_frame_or_context_of_an_error_holds_the_key(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    names = dict(vars(httpcore))

    class Sync(httpcore.MockStream):
        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            raise httpcore.WriteTimeout(buffer)

    class Async(httpcore.AsyncMockStream):
        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            raise httpcore.WriteTimeout(buffer)

    class Backend(httpcore.MockBackend):
        def connect_tcp(self, *arguments: Any, **options: Any) -> Any:
            return Sync([])

    class AsyncBackend(httpcore.AsyncMockBackend):
        async def connect_tcp(self, *arguments: Any, **options: Any) -> Any:
            return Async([])

    names["SyncBackend"] = lambda: Backend([])
    names["TrioBackend"] = lambda: AsyncBackend([])
    monkeypatch.setattr("asrwire._net._backend.connect", replayed(write_error=TimeoutError))

    async def scenario() -> ASRWireError:
        settings = {"base_url": "http://127.0.0.1/api/v1", "http": types.SimpleNamespace(**names)}
        async with colour.client(timeouts=short(total=0.1), **settings) as client:
            with pytest.raises(Timeout) as caught:
                await client.transcribe(URL, model=MODEL)
            return caught.value

    error = colour.run(scenario)
    assert error.__context__ is None
    trace = error.__traceback__
    while trace is not None:
        if "asrwire" in trace.tb_frame.f_code.co_filename:
            assert KEY not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


def test_cut_context_is_warned_of_once(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            with pytest.warns(UserWarning, match="cuts it after 400") as caught:
                await client.transcribe(URL, model="fun-asr-flash-2026-06-15", context=[("user", "x" * 401)])
            assert len(caught) == 1

    with Server(sized(b'{"output":{"text":"hi"}}')) as server:
        colour.run(scenario)


BAD_HEADERS = [
    {"Authorization": "x"},
    {"content-length": "1"},
    {"Host": "x"},
    {"Transfer-Encoding": "chunked"},
    {"X-DashScope-SSE": "disable"},
    {"Accept-Encoding": "gzip"},
    {"X-A": "a\r\nb: c"},
    {"X-A": "a\x00"},
    {"X-A": "語"},
    {"X A": "a"},
    {"": "a"},
]


@pytest.mark.parametrize("headers", BAD_HEADERS)
def test_headers_that_are_refused(colour: Colour, headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        colour.client(headers=headers)
    assert "\r\nb: c" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://h:1", "h:1", "http://", "http://h:99999", "http://h\r\n:1", ""])
def test_proxies_that_are_refused(colour: Colour, proxy: str) -> None:
    with pytest.raises(ConfigError):
        colour.client(proxy=proxy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeouts": 5},
        {"limits": 5},
        {"ssl_context": 5},
        {"proxy": 5},
        {"http": 5},
        {"api_key": 5},
        {"headers": {1: "x"}},
    ],
)
def test_wrong_types(colour: Colour, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        colour.client(**wrong)


def test_unknown_options_are_refused_before_any_io(colour: Colour) -> None:
    with Server(GOOD) as server:
        client = colour.client(server)
        with pytest.raises(ConfigError):
            client.stream(URL, model=MODEL, nonsense=1)
        with pytest.raises(ConfigError):
            client.stream(URL, model="unheard-of")
        with pytest.raises(TypeError):
            client.stream(URL, model=MODEL, timeouts=5)

        async def close() -> None:
            await client.aclose()

        colour.run(close)
        assert server.connections == 0


def test_limits_bind_the_body(colour: Colour) -> None:
    with Server(CHUNKED + chunk(ONE + b"data:" + b"x" * 5000)) as server:
        updates, error, _ = listen(colour, server, limits=Limits(event_size=4096))
    assert shown(updates) == [("Final", "one")]
    assert type(error) is LimitExceeded
