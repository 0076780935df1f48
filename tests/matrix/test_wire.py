# One faulty answer, then a good one, over one client: what is raised, what was handed out before, what became of the
# connection, and that nothing was asked twice. Literal bytes from real sockets, in three colours.

from __future__ import annotations

import email.utils
import gzip
import socket
import ssl
import threading
import time
import types
from typing import Any, NamedTuple

import anyio.to_thread
import httpcore
import pytest
import trustme

from asrwire import (
    ASRWireError,
    Client,
    ConnectFailed,
    ContentTypeError,
    HTTPStatusError,
    LimitExceeded,
    ProtocolError,
    ServiceError,
    Timeout,
    TLSFailed,
    Truncated,
)
from tests.matrix import MIB, endlessly, finals, full, heard, listen, short, then
from tests.servers import (
    CHUNKED,
    END,
    GOOD,
    HANG,
    HEAD,
    KEY,
    MODEL,
    ONE,
    OPEN,
    TWO,
    URL,
    Colour,
    Peer,
    Server,
    chunk,
    event,
    sized,
)

pytestmark = pytest.mark.transport

KEPT, GONE = 1, 2  # connections that two calls take, where the first leaves its own usable, and where not


class Row(NamedTuple):
    name: str
    wire: bytes
    last: str  # what the server does next: "keep" reading, "close", "reset"
    kind: type[ASRWireError] | None
    connections: int
    finals: tuple[str, ...] = ()
    tls: bool = False


HEADS = [
    Row("status 099", b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", "keep", ProtocolError, GONE),
    Row("no status", b"HTTP/1.1 \r\n\r\n", "keep", ProtocolError, GONE),
    Row("TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", "close", ProtocolError, GONE),
    Row("bare CR in a value", b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "keep", ProtocolError, GONE),
    Row("length -5", HEAD + b"Content-Length: -5\r\n\r\n", "keep", ProtocolError, GONE),
    Row("length of 30 digits", HEAD + b"Content-Length: " + b"1" * 30 + b"\r\n\r\n", "keep", ProtocolError, GONE),
    Row("length 0x5", HEAD + b"Content-Length: 0x5\r\n\r\n", "keep", ProtocolError, GONE),
    Row("lengths 5, 6", HEAD + b"Content-Length: 5, 6\r\n\r\n", "keep", ProtocolError, GONE),
    Row("chunked twice", HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END, "keep", ProtocolError, GONE),
    Row("two codings", HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "keep", ProtocolError,
        GONE),
    Row("space before the colon", HEAD + b"A : b\r\nContent-Length: 0\r\n\r\n", "keep", ProtocolError, GONE),
    Row("a name with a space", HEAD + b"A b: c\r\nContent-Length: 0\r\n\r\n", "keep", ProtocolError, GONE),
]  # fmt: skip

ZIP = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
TRAILERS = b"0\r\nX-Request-Id: forged\r\nContent-Length: 99\r\nTransfer-Encoding: x\r\nAuthorization: y\r\n\r\n"
BODIES = [
    Row("extensions, zeros, upper case", CHUNKED + b'00%X;a="b;c";d\r\n%b\r\n000;e=f\r\n\r\n' % (len(ONE), ONE), "keep",
        None, KEPT, ("one",)),
    Row("space around an extension", CHUNKED + b"%x ; a = b \r\n%b\r\n" % (len(ONE), ONE) + END, "keep", None, KEPT,
        ("one",)),
    Row("trailers", CHUNKED + chunk(ONE) + TRAILERS, "keep", None, KEPT, ("one",)),
    Row("bare LF after a size", CHUNKED + chunk(ONE) + b"5\nhello\r\n", "keep", ProtocolError, GONE, ("one",)),
    Row("a chunk of 2**53 + 1", CHUNKED + chunk(ONE) + b"20000000000001\r\n", "keep", ProtocolError, GONE, ("one",)),
    Row("a chunk of 20 F", CHUNKED + chunk(ONE) + b"F" * 20 + b"\r\n", "keep", ProtocolError, GONE, ("one",)),
    Row("LF in an extension", CHUNKED + chunk(ONE) + b"5;a\nb\r\n", "keep", ProtocolError, GONE, ("one",)),
    Row("reset after the final chunk", GOOD, "reset", None, GONE, ("one", "two")),
    Row("retry: in a cut stream", CHUNKED + chunk(b"retry: 1\n" + ONE), "close", Truncated, GONE, ("one",)),
    Row("sentence open at the end", CHUNKED + chunk(ONE + OPEN) + END, "keep", Truncated, KEPT, ("one",)),
    Row("no event at all", CHUNKED + END, "keep", Truncated, KEPT),
    Row("204", b"HTTP/1.1 204 No Content\r\n\r\n", "keep", Truncated, KEPT),
    Row("HTML", sized(b"<html>login</html>", kind=b"text/html"), "keep", ContentTypeError, KEPT),
    Row("an error in a 200", sized(b'{"code":"InternalError","message":"no"}'), "keep", ServiceError, KEPT),
    Row("gzip cut in whole chunks", ZIP + chunk(gzip.compress(ONE + TWO)[:-6]) + END, "keep", Truncated, KEPT,
        ("one", "two")),
    Row("br", HEAD + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", "keep", ProtocolError, GONE),
    Row("20 codings", HEAD + b"Content-Encoding: " + b", ".join([b"gzip"] * 20) + b"\r\nContent-Length: 3\r\n\r\nabc",
        "keep", ProtocolError, GONE),
    Row("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%b"
        % (len(ONE), ONE), "keep", None, GONE, ("one",)),
    Row("HTTP/1.0 with keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
        % (len(ONE), ONE), "keep", None, GONE, ("one",)),
    Row("TLS cut, an event open", HEAD + b"\r\n" + ONE + TWO[:-9], "close", Truncated, GONE, ("one",), True),
    Row("TLS cut, a sentence open", HEAD + b"\r\n" + ONE + OPEN, "close", Truncated, GONE, ("one",), True),
    Row("TLS cut, nothing open", HEAD + b"\r\n" + ONE + TWO, "close", None, GONE, ("one", "two"), True),
    Row("TLS cut in a chunk", CHUNKED + chunk(ONE) + b"99\r\nda", "close", Truncated, GONE, ("one",), True),
    Row("no content type", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(ONE) + END, "keep", None,
        KEPT, ("one",)),
    Row("content type in odd case, GBK",
        b"HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; Charset=GBK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(event("你好。")) + END, "keep", None, KEPT, ("你好。",)),
]  # fmt: skip


@pytest.mark.parametrize("row", HEADS + BODIES, ids=[row.name for row in HEADS + BODIES])
def test_a_faulty_answer_and_the_call_after_it(colour: Colour, row: Row) -> None:
    over = threading.Event()  # until then a second request could be on its way to who closes

    def once(peer: Peer) -> None:
        then(row.wire, last=row.last)(peer)
        peer.sock.close()
        over.set()

    async def scenario() -> tuple[Any, Any]:
        async with colour.client(server) as client:
            first = await heard(client)
            assert row.last == "keep" or over.wait(HANG)
            return first, await heard(client)

    first = row.wire if row.last == "keep" else once
    with Server(first, GOOD, tls=row.tls) as server:
        (updates, error, stream), (after, trouble, _) = colour.run(scenario)
        assert len(server.requests) == 2
        assert server.connections == row.connections
    assert (tuple(finals(updates)), finals(after), trouble) == (row.finals, ["one", "two"], None)
    if row.kind is None:
        assert error is None
        assert stream.transcript.complete
        assert stream.request_id == "body-id"
        assert not [name for name, _ in stream.headers if name.lower() in ("x-request-id", "authorization")]
    else:
        assert type(error) is row.kind
        assert (error.kind, error.sent, error.retry_safe) == (row.kind.kind, "complete", False)
        assert error.phase == ("head" if row in HEADS or "coding" in str(error) else "body")
        assert error.partial == stream.transcript
        assert not stream.transcript.complete
        assert (error.__cause__, error.__context__, error.output) == (None, None, None)


# == statuses =========================================================================================================


def refusal(code: bytes) -> bytes:
    return b'{"code":"%b","message":"said so","request_id":"r-1"}' % code


class Status(NamedTuple):
    name: str
    wire: bytes
    sent: int  # how many times the request goes out, where the same answer comes each time
    said: str
    after: float | None = None
    safe: bool = False


REDIRECT = b"Location: %b\r\nSet-Cookie: a=b\r\n"
STATUSES = [
    Status("400", sized(refusal(b"InvalidParameter"), b"400 X"), 1, "InvalidParameter: said so"),
    Status("401", sized(refusal(b"InvalidApiKey"), b"401 X"), 1, "check the key"),
    Status("403", sized(refusal(b"AccessDenied"), b"403 X"), 1, "AccessDenied"),
    Status("404", sized(refusal(b"ModelNotFound"), b"404 X"), 1, "check the model"),
    Status("500", sized(b"", b"500 X"), 1, "HTTP status 500"),
    Status("502 HTML", sized(b"<html>" + b"x" * 9000, b"502 X", b"text/html"), 1, "HTTP status 502: <html>"),
    Status("503", sized(b"", b"503 X"), 1, "HTTP status 503"),
    Status("503, Retry-After", sized(b"", b"503 X", more=b"Retry-After: 0\r\n"), 3, "HTTP status 503", 0.0, True),
    Status("504", sized(b"", b"504 X"), 1, "HTTP status 504"),
    Status("408", sized(b"", b"408 X"), 3, "HTTP status 408", None, True),
    Status("429", sized(refusal(b"Throttling.RateQuota"), b"429 X"), 3, "too many requests", None, True),
    Status("429, NaN", sized(refusal(b"Throttling"), b"429 X", more=b"Retry-After: NaN\r\n"), 3, "Throttling", None,
           True),
    Status("429, -5", sized(refusal(b"Throttling"), b"429 X", more=b"Retry-After: -5\r\n"), 3, "Throttling", None,
           True),
    Status("429, past date", sized(refusal(b"Throttling"), b"429 X",
           more=b"Retry-After: Tue, 14 Nov 2023 22:13:20 GMT\r\n"), 3, "Throttling", None, True),
    Status("429, 1e308", sized(refusal(b"Throttling"), b"429 X", more=b"Retry-After: 1e308\r\n"), 1, "Throttling",
           1e308, True),
    Status("429, a day", sized(refusal(b"Throttling"), b"429 X", more=b"Retry-After: 86400\r\n"), 1, "Throttling",
           86400.0, True),
    Status("429, no money", sized(refusal(b"PrepaidBillOverdue"), b"429 X", more=b"Retry-After: 0\r\n"), 1, "settle",
           0.0),
    Status("999", sized(b"", b"999 X"), 1, "HTTP status 999"),
    Status("302 without Location", sized(b"", b"302 X"), 1, "a redirect is not followed"),
    Status("302 to itself", sized(b"", b"302 X", more=REDIRECT % b"/api/v1"), 1, "not followed"),
    Status("302 to a file", sized(b"", b"302 X", more=REDIRECT % b"file:///etc/passwd"), 1, "not followed"),
    Status("307 elsewhere", sized(b"", b"307 X", more=REDIRECT % b"https://elsewhere.example/?Signature=s3cret"), 1,
           "redirect to elsewhere.example is not followed"),
    Status("308 elsewhere", sized(b"", b"308 X", more=REDIRECT % b"//elsewhere.example:8/s3cret"), 1,
           "redirect to elsewhere.example is not followed"),
]  # fmt: skip


@pytest.mark.parametrize("row", STATUSES, ids=[row.name for row in STATUSES])
def test_a_status_and_the_call_after_it(colour: Colour, row: Status) -> None:
    async def scenario() -> tuple[Any, Any]:
        async with colour.client(server) as client:
            return await heard(client), await heard(client)

    with Server(*[row.wire] * row.sent, GOOD) as server:
        (updates, error, stream), (after, trouble, _) = colour.run(scenario)
        assert len(server.requests) == row.sent + 1
        assert server.connections == 1
        assert {request.split(b" ")[0] for request in server.requests} == {b"POST"}
    assert (updates, finals(after), trouble) == ([], ["one", "two"], None)
    assert type(error) is HTTPStatusError
    assert (error.http_status, error.phase, error.sent) == (stream.http_status, "head", "complete")
    assert (error.retry_after, error.retry_safe) == (row.after, row.safe)
    assert row.said in str(error)
    assert len(str(error)) < 2200
    assert "s3cret" not in str(error)
    assert "passwd" not in str(error)
    assert error.partial == stream.transcript


def test_a_day_written_as_a_date(colour: Colour) -> None:
    date = email.utils.formatdate(time.time() + 86400, usegmt=True).encode()
    with Server(sized(refusal(b"Throttling"), b"429 X", more=b"Retry-After: %b\r\n" % date)) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 1
    assert 86000 < error.retry_after <= 86400


# == heads at every boundary ==========================================================================================

FOLDED = HEAD + b"X-Folded: a\r\n b\r\n\tc\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(ONE) + END
LINE_FEEDS = HEAD.replace(b"\r\n", b"\n") + b"Transfer-Encoding: chunked\n\n" + chunk(ONE) + END
SPACED = HEAD + b"X-Spaced : a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(ONE) + END


@pytest.mark.parametrize(
    ("wire", "meant"),
    [(FOLDED, ["one"]), (LINE_FEEDS, ["one"]), (SPACED, ProtocolError)],
    ids=["folding", "bare LF", "space before the colon"],
)
def test_a_doubtful_head_means_the_same_however_it_is_cut(wire: bytes, meant: Any) -> None:
    def outcome(pieces: list[bytes]) -> tuple[Any, ...]:
        http = types.SimpleNamespace(**{**vars(httpcore), "SyncBackend": lambda: httpcore.MockBackend(pieces)})
        with Client(KEY, base_url="http://127.0.0.1/api/v1", http=http, timeouts=short()) as client:
            try:
                with client.stream(URL, model=MODEL) as stream:
                    return finals(list(stream)), stream.headers
            except ASRWireError as error:
                return type(error), error.phase, error.sent

    assert outcome([wire])[0] == meant
    outcomes = {repr(outcome([wire[:i], wire[i:]])) for i in range(1, wire.index(ONE) + 1)}
    outcomes.add(repr(outcome([wire[i : i + 1] for i in range(len(wire))])))
    assert outcomes == {repr(outcome([wire]))}


# == connecting =======================================================================================================


def test_a_peer_that_never_accepts(colour: Colour) -> None:
    with full() as url:
        _, error, _ = listen(colour, None, base_url=url, timeouts=short(connect=0.05))
    assert (type(error), error.phase, error.sent, error.retry_safe) == (Timeout, "connect", "none", True)


def test_the_certificate_of_another_host(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    monkeypatch.setattr("tests.servers.contexts", lambda: (theirs, ours))
    with Server(GOOD, tls=True) as server:
        _, error, _ = listen(colour, server)
        assert (server.connections, server.requests) == (1, [])
    assert (type(error), error.phase, error.sent) == (TLSFailed, "tls", "none")


def test_no_variable_turns_verification_off(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHTTPSVERIFY", "SSL_VERIFY", "NODE_TLS_REJECT_UNAUTHORIZED"):
        monkeypatch.setenv(name, "0")
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    with Server(GOOD, tls=True) as server:
        _, error, _ = listen(colour, server, ssl_context=None, trust_env=True)
        assert (server.connections, server.requests) == (1, [])
    assert type(error) is TLSFailed


def test_dead_peers_are_probed(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    inherited = socket.socket.setsockopt

    def setsockopt(self: socket.socket, *option: Any) -> None:
        asked.append(option[:3])
        inherited(self, *option)

    monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
    with Server(GOOD) as server:
        listen(colour, server)
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in asked


# == stalls ===========================================================================================================


@pytest.mark.parametrize(
    "rest", [b"", chunk(b"data:{"), b"999\r\nda"], ids=["between events", "in an event", "in a chunk"]
)
def test_a_stall_in_the_body(colour: Colour, rest: bytes) -> None:
    with Server(then(CHUNKED + chunk(ONE) + rest, last="wait")) as server:
        updates, error, _ = listen(colour, server, timeouts=short(idle=0.1))
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1
    assert finals(updates) == ["one"]
    assert (type(error), error.phase, error.sent, error.retry_safe) == (Timeout, "idle", "complete", False)


@pytest.mark.parametrize(
    ("start", "drops"),
    [
        (CHUNKED, chunk(b":\n\n")),
        (HEAD + b"\r\ndata:{", b" "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (CHUNKED + b"1;", b"a"),
    ],
    ids=["keep-alives", "an event", "JSON", "white space", "a chunk extension"],
)
def test_what_drips_before_the_first_event_is_the_heads_time(colour: Colour, start: bytes, drops: bytes) -> None:
    def answer(peer: Peer) -> None:
        peer.send(start)
        peer.drip(drops)

    with Server(answer) as server:
        updates, error, _ = listen(colour, server, timeouts=short(head=0.1))
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1
    assert (updates, type(error), error.phase, error.sent) == ([], Timeout, "head", "complete")


def test_the_consumers_time_does_not_count(colour: Colour) -> None:
    late = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        peer.sock.settimeout(0.3)  # longer than the idle timer
        with pytest.raises(TimeoutError):
            peer.sock.recv(1)
        late.set()
        peer.send(chunk(TWO) + END)

    async def scenario() -> list[str]:
        settings = {"timeouts": short(idle=0.2)}
        async with colour.client(server, **settings) as client, client.stream(URL, model=MODEL) as stream:
            first = await stream.__anext__()
            if colour.name == "sync":
                assert late.wait(HANG)
            else:
                assert await anyio.to_thread.run_sync(late.wait, HANG)
            return [first.sentence.text] + [update.sentence.text async for update in stream]

    with Server(answer) as server:
        assert colour.run(scenario) == ["one", "two"]


def test_an_early_refusal_of_an_upload(colour: Colour) -> None:
    big = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(6 * MIB)

    def answer(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(sized(refusal(b"BadRequest.TooLarge"), b"413 X"))
        peer.server.saw_close.wait(HANG)

    async def scenario() -> Any:
        async with colour.client(server, timeouts=short(write=0.2)) as client:
            outcome = await heard(client, audio=big)
            server.saw_close.set()
            return outcome

    with Server(answer, raw=True) as server:
        _, error, _ = colour.run(scenario)
        assert server.connections == 1
    assert (type(error), error.http_status, error.sent, error.retry_safe) == (HTTPStatusError, 413, "partial", True)


def test_a_connection_that_breaks_before_each_upload_ends(colour: Colour) -> None:
    with Server(lambda peer: (peer.sock.recv(10), peer.reset())[0], raw=True) as server:  # type: ignore[func-returns-value]
        _, error, _ = listen(colour, server, options={"audio": b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(6 * MIB)})
        assert server.connections == 3
    assert (type(error), error.sent, error.retry_safe) == (ConnectFailed, "partial", True)


def test_an_endless_head_is_cut_off(colour: Colour) -> None:
    for block in (b"A: b\r\n" * 100, b"x" * 4096, b"HTTP/1.1 100 Continue\r\n\r\n"):
        start = b"" if block.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nA: "
        with Server(endlessly(start, block)) as server:
            updates, error, _ = listen(colour, server)
            assert server.saw_close.wait(HANG)
        assert (updates, type(error), error.phase) == ([], LimitExceeded, "head")
