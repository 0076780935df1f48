# The transport from inside and under stress: the exchange on a clock of its own, bodies at every split, slots, literal
# bytes through a mock backend, closing from elsewhere, cancellation, proxies.

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import httpcore
import pytest
import trio
from anyio import to_thread

from asrwire import (
    ASRWireError,
    AsyncClient,
    Client,
    Closed,
    ConfigError,
    ConnectFailed,
    DecodeError,
    LimitExceeded,
    Limits,
    PoolTimeout,
    ProtocolError,
    ServiceError,
    Timeout,
    Timeouts,
    TLSFailed,
    Truncated,
)
from asrwire._net._asyncio import _Layer
from asrwire._net._backend import AsyncTap, Tap
from asrwire._net._body import Body, field
from asrwire._net._colour import drive_async
from asrwire._net._exchange import LONGEST, WRITE_SIZE, Exchange
from asrwire._net._proxy import make_proxy, proxy_of_environment
from asrwire._net._slots import Slot, Slots, Waiter
from asrwire._net._transport import Channel
from tests import bytecodes
from tests.servers import (
    CHUNKED,
    END,
    GOOD,
    HANG,
    KEY,
    LOOPS,
    MODEL,
    ONE,
    OPEN,
    TWO,
    URL,
    Colour,
    Peer,
    Server,
    chunk,
    contexts,
    replayed,
    sized,
)

pytestmark = pytest.mark.transport

LONG = Timeouts(connect=HANG, write=HANG, head=HANG, idle=HANG, pool=HANG)


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


# == the exchange =====================================================================================================


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def exchange(clock: Clock, *, body_size: int = 0, deadline: float | None = None, **more: Any) -> Exchange:
    timeouts = more.pop("timeouts", Timeouts(connect=5, write=30, head=310, idle=60))
    return Exchange(httpcore, timeouts, Limits(**more), body_size=body_size, deadline=deadline, clock=clock)


def send(it: Exchange, buffer: bytes) -> None:
    for _ in it.outgoing(buffer):
        pass


def drip(it: Exchange, wire: bytes) -> None:
    for i in range(len(wire)):
        it.head_bytes(wire[i : i + 1])


def test_each_timer_in_its_turn() -> None:
    clock = Clock()
    it = exchange(clock, body_size=4)
    it.connecting()
    assert it.left() == 5
    clock.now += 2
    it.securing()
    assert it.left() == 3
    (_, seconds), *_ = it.outgoing(b"head")
    assert seconds == 30
    send(it, b"body")
    it.reading()
    assert it.left() == 310
    clock.now += 300
    it.reading()
    it.head_bytes(b"HTTP/1.1 200 OK\r\n")
    assert it.left() == 10
    it.head_bytes(b"\r\n")
    it.head_read()
    it.waiting(0)
    assert it.left() == 310
    clock.now += 309
    it.waiting(0)
    assert it.left() == 1
    it.waiting(1)
    assert it.left() == 60
    clock.now += 60
    it.waiting(1)
    with pytest.raises(Timeout) as caught:
        it.left()
    assert (caught.value.phase, caught.value.sent, caught.value.retry_safe) == ("idle", "complete", False)


def test_the_whole_call_clips_every_timer() -> None:
    clock = Clock()
    it = exchange(clock, deadline=1003.0, timeouts=Timeouts(connect=5, head=None, total=3))
    it.connecting()
    assert it.left() == 3
    clock.now += 1
    send(it, b"POST / HTTP/1.1\r\n\r\n")
    it.reading()
    assert it.left() == 2
    clock.now += 2
    with pytest.raises(Timeout, match=r"total timer ran out \(3 s\)"):
        it.left()


def test_no_timers_at_all() -> None:
    it = exchange(Clock(), timeouts=Timeouts(connect=None, write=None, head=None, idle=None))
    it.connecting()
    assert it.left() is None
    assert [seconds for _, seconds in it.outgoing(b"x")] == [None]
    it.reading()
    assert it.left() is None


def test_a_timer_of_years_fits_into_one_wait() -> None:
    it = exchange(Clock(), timeouts=Timeouts(connect=1e300, head=4294967.4))
    it.connecting()
    assert it.left() == LONGEST
    assert LONGEST * 1000 < 2**31


def test_sent_is_counted_from_the_bytes() -> None:
    size = 2 * WRITE_SIZE + 1
    it = exchange(Clock(), body_size=size)
    it.connecting()
    assert it.sent == "none"
    send(it, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert it.sent == "partial"
    pieces = it.outgoing(bytes(size))
    assert [len(next(pieces)[0]), it.sent] == [WRITE_SIZE, "partial"]
    assert [len(next(pieces)[0]), it.sent] == [WRITE_SIZE, "partial"]
    assert [len(next(pieces)[0]), it.sent] == [1, "partial"]
    assert next(pieces, None) is None
    assert it.sent == "complete"


HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def test_in_http2_a_body_s_worth_of_bytes_may_be_the_whole_request() -> None:
    clock = Clock()
    it = exchange(clock, body_size=100)
    it.connecting()
    send(it, HTTP2)
    assert (it.http2, it.sent) == (True, "partial")
    it.reading()  # for the peer's flow control
    assert it.left() == 30
    send(it, bytes(50))
    assert it.sent == "partial"
    send(it, bytes(26))
    assert it.sent == "complete"
    it.reading()
    assert (it.phase, it.left()) == ("head", 310)
    clock.now += 300
    send(it, b"acknowledged")  # of what was read: no timer starts again
    assert (it.phase, it.left()) == ("head", 10)
    wire = b"x" * 100_000
    assert it.head_bytes(wire) is wire
    it.head_read()
    it.waiting(1)
    send(it, b"window")
    it.reading()
    assert (it.phase, it.left()) == ("body", 60)
    assert type(it.fault(httpcore.LocalProtocolError())) is Truncated


def test_heads_of_http2_have_limits_too() -> None:
    it = exchange(Clock(), head_size=20, head_fields=2)
    it.check_head([(b"a", b"b"), (b"a", b"b")])
    with pytest.raises(LimitExceeded, match="head_size"):
        it.check_head([(b"a", b"x" * 20)])
    with pytest.raises(LimitExceeded, match="head_fields"):
        it.check_head([(b"", b"")] * 3)


def test_a_tunnel_is_not_the_request() -> None:
    it = exchange(Clock(), body_size=0)
    it.connecting()
    send(it, b"CONNECT x:443 HTTP/1.1\r\n\r\n")
    it.reading()
    assert (it.sent, it.phase) == ("none", "connect")
    it.head_bytes(b"HTTP/1.1 200 OK\r\n\r\n")
    assert not it.head_done
    with pytest.raises(ProtocolError):
        it.head_bytes(b"HTTP/1.1 200 OK\r\n\r\nmore")
    send(it, b"POST / HTTP/1.1\r\n\r\n")
    assert it.sent == "complete"


def test_a_refused_tunnel_may_have_a_body() -> None:
    it = exchange(Clock())
    it.connecting()
    send(it, b"CONNECT x:443 HTTP/1.1\r\n\r\n")
    head = b"HTTP/1.1 407 No\r\nContent-Length: 4\r\n\r\n"
    assert it.head_bytes(head + b"body") == head


def test_nothing_is_safe_to_repeat_once_the_body_has_begun() -> None:
    it = exchange(Clock(), body_size=1)
    it.connecting()
    send(it, b"POST / HTTP/1.1\r\n\r\n")
    assert it.fault(httpcore.ReadError()).retry_safe
    it.head_read()
    assert (it.sent, it.fault(httpcore.ReadError()).retry_safe) == ("partial", False)


HEAD_AND_MORE = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nBODY"


@pytest.mark.parametrize("wire", [HEAD_AND_MORE, HEAD_AND_MORE.replace(b"\r\n", b"\n")])
def test_the_head_ends_at_the_same_byte_however_it_is_cut(wire: bytes) -> None:
    stop = wire.index(b"BODY")
    for cut in range(len(wire) + 1):
        it = exchange(Clock())
        shown = it.head_bytes(wire[:cut]) if cut else b""
        if not it.head_done:
            shown += it.head_bytes(wire[cut:])
            assert it.held == b"BODY"
        else:
            assert it.held == wire[stop:cut]
        assert (shown, it.head_done) == (wire[:stop], True)


@pytest.mark.parametrize(
    ("wire", "limits", "name"),
    [
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100, {"head_size": 64}, "head_size"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100 + b"\r\n\r\n", {"head_size": 64}, "head_size"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", {"head_fields": 2}, "head_fields"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, {"informational": 2}, "informational"),
    ],
)
def test_head_limits(wire: bytes, limits: dict[str, int], name: str) -> None:
    with pytest.raises(LimitExceeded, match=name):
        exchange(Clock(), **limits).head_bytes(wire)
    it = exchange(Clock(), **limits)
    with pytest.raises(LimitExceeded, match=name):
        drip(it, wire)


def test_heads_within_their_limits() -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\n\r\n"
    it = exchange(Clock(), head_size=31, head_fields=2, informational=2)
    assert it.head_bytes(wire) == wire


FAULTS = [
    ("connect", httpcore.ConnectError("secret"), "none", ConnectFailed, True),
    ("connect", httpcore.ConnectTimeout(), "none", Timeout, True),
    ("connect", httpcore.ProxyError("407 secret"), "none", ConnectFailed, True),
    ("connect", UnicodeError("secret"), "none", ConnectFailed, True),
    ("tls", httpcore.ConnectError("secret"), "none", TLSFailed, True),
    ("tls", ssl.SSLError("secret"), "none", TLSFailed, True),
    ("write", httpcore.WriteTimeout(), "partial", Timeout, True),
    ("write", httpcore.ReadError("secret"), "partial", ConnectFailed, True),
    ("head", httpcore.ReadTimeout(), "complete", Timeout, False),
    ("head", httpcore.ReadError("secret"), "complete", ConnectFailed, False),
    ("head", httpcore.RemoteProtocolError("secret"), "complete", ProtocolError, False),
    ("head", httpcore.LocalProtocolError("secret"), "complete", ConfigError, False),
    ("body", httpcore.ReadError("secret"), "complete", Truncated, False),
    ("body", httpcore.ReadTimeout(), "complete", Timeout, False),
]


@pytest.mark.parametrize(("phase", "foreign", "sent", "kind", "safe"), FAULTS)
def test_what_foreign_exceptions_mean(
    phase: str, foreign: Exception, sent: str, kind: type[ASRWireError], safe: bool
) -> None:
    it = exchange(Clock(), body_size=1)
    it.connecting()
    if sent != "none":
        send(it, b"POST / HTTP/1.1\r\n\r\n" if sent == "partial" else b"POST / HTTP/1.1\r\n\r\n!")
    if sent == "complete":
        it = exchange(Clock())
        send(it, b"POST / HTTP/1.1\r\n\r\n")
    it.phase = phase
    error = it.fault(foreign)
    assert (type(error), error.sent, error.retry_safe) == (kind, sent, safe)
    assert "secret" not in str(error)
    it.closed = True
    assert type(it.fault(foreign)) is Closed
    assert it.fault(error) is error


# == bodies ===========================================================================================================

BODY = ONE * 3
ZIPPED = gzip.compress(ONE) + gzip.compress(ONE * 2)


def chunks(data: bytes, size: int) -> bytes:
    return b"".join(chunk(data[i : i + size]) for i in range(0, len(data), size)) + END


@pytest.mark.parametrize(
    ("headers", "wire", "reusable"),
    [
        ([(b"Content-Length", b"%d" % len(BODY))], BODY, True),
        ([(b"content-length", b"%d" % len(ZIPPED)), (b"Content-Encoding", b"gzip")], ZIPPED, True),
        ([(b"Transfer-Encoding", b"chunked")], chunks(BODY, 50), True),
        ([(b"Transfer-Encoding", b"chunked"), (b"Content-Encoding", b"GZIP")], chunks(ZIPPED, 7), True),
        ([], BODY, False),
        ([(b"Content-Encoding", b"gzip")], ZIPPED, False),
    ],
)
def test_a_body_however_it_is_cut(headers: list[tuple[bytes, bytes]], wire: bytes, reusable: bool) -> None:
    cuts = [[wire[:i], wire[i:]] for i in range(len(wire) + 1)] + [[wire[i : i + 1] for i in range(len(wire))]]
    for pieces in cuts:
        body = Body(200, headers, Limits())
        found = b"".join(body.receive(piece) for piece in pieces if piece)
        body.receive_eof()
        assert (found, body.at_end, body.extra, body.reusable) == (BODY, True, False, reusable)


@pytest.mark.parametrize("cut", [1, 10, 100])
@pytest.mark.parametrize(
    ("headers", "wire"),
    [
        ([(b"Content-Length", b"%d" % len(BODY))], BODY),
        ([(b"Transfer-Encoding", b"chunked")], chunks(BODY, 50)),
        ([(b"Content-Encoding", b"gzip")], gzip.compress(BODY)),
    ],
)
def test_a_body_that_is_cut_short(headers: list[tuple[bytes, bytes]], wire: bytes, cut: int) -> None:
    body = Body(200, headers, Limits())
    assert BODY.startswith(body.receive(wire[:-cut]))
    with pytest.raises(Truncated):
        body.receive_eof()
    assert not body.reusable


def test_bytes_after_a_body() -> None:
    for headers, wire in (
        ([(b"Content-Length", b"5")], b"hello!"),
        ([(b"Transfer-Encoding", b"chunked")], chunks(b"hello", 5) + b"!"),
    ):
        body = Body(200, headers, Limits())
        assert body.receive(wire) == b"hello"
        assert (body.at_end, body.extra, body.reusable) == (True, True, False)


def test_compressed_bodies_are_bounded() -> None:
    bomb = gzip.compress(bytes(2**22))
    with pytest.raises(LimitExceeded, match="200:1") as caught:
        Body(200, [(b"Content-Encoding", b"gzip")], Limits()).receive(bomb)
    assert len(caught.value.output) <= 2**20 + 2 * 65536
    with pytest.raises(LimitExceeded, match="decompressed"):
        Body(200, [(b"Content-Encoding", b"gzip")], Limits(decompressed=1000)).receive(gzip.compress(bytes(2000)))
    fits = Body(200, [(b"Content-Encoding", b"gzip")], Limits(decompressed=2000))
    assert fits.receive(gzip.compress(bytes(2000))) == bytes(2000)


def test_header_fields_are_found_whatever_their_case() -> None:
    headers = [(b"RETRY-after", b"1"), (b"x", b"a"), (b"X", b"b")]
    assert (field(headers, b"retry-after"), field(headers, b"x"), field(headers, b"y")) == ("1", "a, b", None)


# == slots ============================================================================================================


def slots(limit: int) -> Slots[str, threading.Event]:
    return Slots(limit, 5.0, threading.Event)


def taken(place: tuple[Any, list[str]]) -> Slot[str]:
    assert isinstance(place[0], Slot)
    return place[0]


def test_a_connection_is_used_again_until_it_expires() -> None:
    book = slots(2)
    slot = taken(book.acquire("a", 0.0))
    slot.connection = "one"
    assert book.release(slot, True, 1.0) == []
    assert taken(book.acquire("a", 5.9)).connection == "one"
    assert book.release(slot, True, 6.0) == []
    again, doomed = book.acquire("a", 11.0)
    assert (taken((again, [])).connection, doomed) == (None, ["one"])


def test_an_unfinished_exchange_costs_its_connection_and_no_place() -> None:
    book = slots(1)
    for _ in range(3):
        slot = taken(book.acquire("a", 0.0))
        slot.connection = "one"
        assert book.release(slot, False, 0.0) == ["one"]
        assert book.release(slot, False, 0.0) == []


def test_another_origin_takes_the_place_of_an_idle_connection() -> None:
    book = slots(1)
    slot = taken(book.acquire("a", 0.0))
    slot.connection = "one"
    book.release(slot, True, 0.0)
    other, doomed = book.acquire("b", 1.0)
    assert (taken((other, [])).origin, doomed) == ("b", ["one"])
    assert isinstance(book.acquire("a", 1.0)[0], Waiter)


def test_first_come_first_served() -> None:
    book = slots(1)
    slot = taken(book.acquire("a", 0.0))
    slot.connection = "one"
    waiters = [book.acquire("a", 0.0)[0] for _ in range(3)]
    book.abandon(waiters[1], 0.0)  # type: ignore[arg-type]
    served = []
    for _ in range(2):
        book.release(slot, True, 0.0)
        served.append([i for i, waiter in enumerate(waiters) if waiter.slot is not None])  # type: ignore[union-attr]
        slot = next(w.slot for w in reversed(waiters) if w.slot is not None)  # type: ignore[union-attr]
    assert served == [[0], [0, 2]]
    book.release(slot, True, 0.0)
    assert taken(book.acquire("a", 0.0)).connection == "one"


def test_who_gives_up_after_being_served_passes_it_on() -> None:
    book = slots(1)
    slot = taken(book.acquire("a", 0.0))
    first, second = book.acquire("a", 0.0)[0], book.acquire("a", 0.0)[0]
    book.release(slot, False, 0.0)
    assert isinstance(first, Waiter)
    assert isinstance(second, Waiter)
    assert first.wake.is_set()
    book.abandon(first, 0.0)
    assert second.wake.is_set()
    assert second.slot is not None


def test_closing_wakes_who_waits() -> None:
    book = slots(1)
    slot = taken(book.acquire("a", 0.0))
    slot.connection = "one"
    waiter = book.acquire("a", 0.0)[0]
    assert book.close() == ([], ["one"])
    assert isinstance(waiter, Waiter)
    assert (waiter.wake.is_set(), waiter.slot) == (True, None)
    with pytest.raises(Closed):
        book.acquire("a", 0.0)
    assert book.release(slot, True, 0.0) == ["one"]


def test_a_place_costs_the_same_however_many_there_are() -> None:
    def steps(count: int) -> list[int]:
        """Python instructions of a call of each kind, with `count` origins idle, as many busy, as many waiting."""
        book: Slots[str, threading.Event] = Slots(2 * count, 5.0, threading.Event)
        busy = [taken(book.acquire(f"busy {i}", 0.0)) for i in range(2 * count)]
        for slot in busy:
            slot.connection = "one"
        for slot in busy[:count]:
            book.release(slot, True, 0.0)
        counted: list[int] = []

        def count_of(work: Callable[[], Any]) -> Any:
            result, executed = bytecodes.count(work)
            counted.append(executed)
            return result

        oldest = count_of(lambda: book.acquire("busy 0", 1.0))[0]
        other = count_of(lambda: book.acquire("new", 1.0))[0]
        count_of(lambda: book.release(oldest, True, 1.0))
        count_of(lambda: book.release(other, False, 1.0))
        for i in range(count):
            assert isinstance(book.acquire(f"more {i}", 1.0)[0], Slot)
        waiters = [book.acquire("late", 1.0)[0] for _ in range(count)]
        count_of(lambda: book.abandon(waiters[count // 2], 1.0))
        count_of(lambda: book.release(busy[-1], True, 1.0))
        assert waiters[0].slot is not None
        assert len(book._queue) == count - 2
        return counted

    steps(10)  # the first call of each function
    assert steps(10) == steps(1000)


# == literal bytes through a mock backend =============================================================================


def mock(monkeypatch: pytest.MonkeyPatch, *pieces: bytes) -> Any:
    """httpcore with a network that answers with `pieces`, one a read."""
    names = dict(vars(httpcore))
    names["SyncBackend"] = lambda: httpcore.MockBackend(list(pieces))
    names["TrioBackend"] = lambda: httpcore.AsyncMockBackend(list(pieces))
    monkeypatch.setattr("asrwire._net._backend.connect", replayed(*pieces))
    return types.SimpleNamespace(**names)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_however_the_network_cuts_the_bytes(colour: Colour, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + chunks(ONE, 100)
    http = mock(monkeypatch, *(wire[i : i + size] for i in range(0, len(wire), size)))

    async def scenario() -> list[str]:
        it = colour.client(base_url="http://127.0.0.1/api/v1", http=http)
        async with it as client, client.stream(URL, model=MODEL) as stream:
            return [update.sentence.text async for update in stream]

    assert colour.run(scenario) == ["one"]


def test_a_pool_that_ignores_the_network_backend_is_refused(colour: Colour) -> None:
    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        kind = httpcore.ConnectionPool if colour.name == "sync" else httpcore.AsyncConnectionPool
        backend = httpcore.MockBackend([GOOD]) if colour.name == "sync" else httpcore.AsyncMockBackend([GOOD])
        return kind(network_backend=backend)  # type: ignore[arg-type]

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=pool) as client:
            with pytest.raises(ConfigError, match="network_backend"):
                await client.transcribe(URL, model=MODEL)

    colour.run(scenario)


def test_a_pool_of_the_callers_making(colour: Colour) -> None:
    seen: list[Any] = []

    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        seen.append((ssl_context, proxy))
        kind = httpcore.ConnectionPool if colour.name == "sync" else httpcore.AsyncConnectionPool
        return kind(network_backend=network_backend, ssl_context=ssl_context, proxy=proxy)

    async def scenario() -> str:
        async with colour.client(server, http=pool) as client:
            for _ in range(2):
                text: str = (await client.transcribe(URL, model=MODEL)).text
        return text

    with Server(sized(b'{"output":{"text":"hi"}}'), tls=True) as server:
        assert colour.run(scenario) == "hi"
    assert seen == [(contexts()[1], None)]


def test_a_pool_maker_that_fails(colour: Colour) -> None:
    made = []

    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        made.append(network_backend)
        raise ValueError("mine")

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=pool) as client:
            with pytest.raises(ConfigError, match="ValueError") as caught:
                await client.transcribe(URL, model=MODEL)
            assert str(caught.value.__cause__) == "mine"
            assert len(made) == 1

    colour.run(scenario)


def test_a_client_closed_while_a_call_makes_its_connection() -> None:
    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        client.close()
        return httpcore.ConnectionPool(network_backend=network_backend)

    with Server(GOOD) as server, Client(KEY, base_url=server.base_url, timeouts=LONG, http=pool) as client:
        with pytest.raises(Closed):
            client.transcribe(URL, model=MODEL)
        assert server.requests == []


def test_a_stream_closed_before_there_is_a_channel_to_interrupt(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            stream = client.stream(URL, model=MODEL)
            call = getattr(stream, "inner", stream)

            class Late(Channel):
                def __init__(self, *arguments: Any) -> None:
                    super().__init__(*arguments)
                    call._closed = True  # what close() in another thread does first

            monkeypatch.setattr("asrwire._net._attempt.Channel", Late)
            with pytest.raises(Closed):
                await stream.__aenter__()

    with Server(GOOD) as server:
        colour.run(scenario)
        assert server.requests == []


# == connecting =======================================================================================================


def failure(colour: Colour, client: Any) -> Any:
    async def scenario() -> Any:
        async with client:
            with pytest.raises(ASRWireError) as caught:
                await client.transcribe(URL, model=MODEL)
        return caught.value

    return colour.run(scenario)


def client_of(colour: Colour, **settings: Any) -> Any:
    # Made inside the loop it runs in.
    class Late:
        async def __aenter__(self) -> None:
            self.inner = colour.client(**settings)

        async def __aexit__(self, *details: Any) -> None:
            await self.inner.aclose()

        async def transcribe(self, *arguments: Any, **options: Any) -> Any:
            return await self.inner.transcribe(*arguments, **options)

    return Late()


def test_a_certificate_nobody_trusts(colour: Colour) -> None:
    with Server(GOOD, tls=True) as server:
        error = failure(colour, client_of(colour, base_url=server.base_url, ssl_context=ssl.create_default_context()))
        assert server.connections == 1
        assert server.requests == []
    assert (type(error), error.phase, error.sent, error.retry_safe) == (TLSFailed, "tls", "none", True)


def test_tls_on_a_plain_port(colour: Colour) -> None:
    with Server(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), raw=True) as server:
        url = server.base_url.replace("http:", "https:")
        error = failure(colour, client_of(colour, base_url=url, ssl_context=contexts()[1]))
    assert type(error) is TLSFailed


def test_a_handshake_that_hangs(colour: Colour) -> None:
    with Server(Peer.wait_closed, raw=True) as server:
        url = server.base_url.replace("http:", "https:")
        timeouts = Timeouts(connect=0.05, total=1.0)
        error = failure(colour, client_of(colour, base_url=url, ssl_context=contexts()[1], timeouts=timeouts))
        assert server.saw_close.wait(HANG)
    assert (type(error), error.sent, error.retry_safe) == (Timeout, "none", True)
    assert error.phase in ("connect", "total")


def test_a_name_that_does_not_resolve(colour: Colour) -> None:
    error = failure(colour, client_of(colour, base_url="https://nowhere.invalid/api/v1", ssl_context=contexts()[1]))
    assert (type(error), error.phase, error.sent, error.retry_safe) == (ConnectFailed, "connect", "none", True)


def test_a_resolver_that_blocks(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def getaddrinfo(*arguments: Any, **options: Any) -> Any:
        if not (options.get("flags", 0) or (arguments[5:] or (0,))[0]) & socket.AI_NUMERICHOST:
            answered.wait(HANG)
        raise socket.gaierror(socket.EAI_NONAME, "late")

    async def scenario() -> Any:
        async with colour.client(
            base_url="https://slow.example/api/v1", ssl_context=contexts()[1], timeouts=Timeouts(connect=0.1, total=0.2)
        ) as client:
            monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
            with pytest.raises(Timeout) as caught:
                await client.transcribe(URL, model=MODEL)
            answered.set()
            return caught.value

    error = colour.run(scenario)
    assert (error.sent, error.retry_safe) == ("none", True)


def test_one_tls_context_made_once_and_late(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def default_ssl_context() -> ssl.SSLContext:
        made.append(threading.current_thread())
        return contexts()[1]

    monkeypatch.setattr(httpcore, "default_ssl_context", default_ssl_context)

    async def scenario() -> None:
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=LONG, http=httpcore) as client:
            assert made == []
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(lambda: client.transcribe(URL, model=MODEL))

    with Server(sized(b'{"output":{"text":"hi"}}'), tls=True) as server:
        if colour.name == "sync":
            it = Client(KEY, base_url=server.base_url, timeouts=LONG, http=httpcore)
            with it as client, ThreadPoolExecutor(5) as threads:
                assert made == []
                list(threads.map(lambda _: client.transcribe(URL, model=MODEL), range(5)))
        else:
            colour.run(scenario)
            assert made[0] is not threading.main_thread()
    assert len(made) == 1


# == many at once =====================================================================================================


def test_threads_share_a_client() -> None:
    with (
        Server(sized(b'{"output":{"text":"hi"}}')) as server,
        Client(KEY, base_url=server.base_url, timeouts=LONG, limits=Limits(connections=3)) as client,
        ThreadPoolExecutor(12) as threads,
    ):
        texts = list(threads.map(lambda _: client.transcribe(URL, model=MODEL).text, range(60)))
    assert texts == ["hi"] * 60
    assert server.connections <= 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_share_a_client(backend: str) -> None:
    texts: list[str] = []

    async def scenario() -> None:
        limits = Limits(connections=3)
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=LONG, limits=limits) as client:

            async def one() -> None:
                texts.append((await client.transcribe(URL, model=MODEL)).text)

            async with anyio.create_task_group() as group:
                for _ in range(60):
                    group.start_soon(one)

    with Server(sized(b'{"output":{"text":"hi"}}')) as server:
        anyio.run(scenario, backend=backend)
    assert texts == ["hi"] * 60
    assert server.connections <= 3


def test_no_connection_becomes_free(colour: Colour) -> None:
    async def scenario() -> None:
        limits, timeouts = Limits(connections=1), Timeouts(head=HANG, pool=0.05)
        async with colour.client(server, limits=limits, timeouts=timeouts) as client:
            async with client.stream(URL, model=MODEL):
                with pytest.raises(PoolTimeout) as caught:
                    await client.transcribe(URL, model=MODEL)
                error = caught.value
                assert (error.phase, error.sent, error.retry_safe) == ("pool", "none", True)
                with pytest.raises(Timeout) as late:
                    await client.transcribe(URL, model=MODEL, timeouts=Timeouts(total=0.1))
                assert (late.value.phase, late.value.sent, late.value.retry_safe) == ("total", "none", True)
            async with client.stream(URL, model=MODEL) as stream:
                assert [update.sentence.text async for update in stream] == ["one", "two"]

    with Server(lambda peer: (peer.send(CHUNKED), peer.wait_closed())[0], GOOD) as server:  # type: ignore[func-returns-value]
        colour.run(scenario)
        assert len(server.requests) == 2


# == closing from elsewhere ===========================================================================================


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("how", ["stream", "client"])
def test_close_from_another_thread(tls: bool, how: str) -> None:
    sent = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        sent.set()
        peer.wait_closed()

    with Server(answer, tls=tls) as server:
        client = Client(KEY, base_url=server.base_url, ssl_context=contexts()[1], timeouts=LONG)
        with client, client.stream(URL, model=MODEL) as stream:
            reading = threading.Event()
            got: list[Any] = []

            def read() -> None:
                try:
                    for update in stream:
                        got.append(update.sentence.text)
                        reading.set()
                except ASRWireError as error:
                    got.append(error)

            thread = threading.Thread(target=read)
            thread.start()
            assert reading.wait(HANG)
            (stream if how == "stream" else client).close()
            thread.join(HANG)
            assert not thread.is_alive()
            assert server.saw_close.wait(HANG)
    assert got[0] == "one"
    assert type(got[1]) is Closed
    assert got[1].partial.sentences[0].text == "one"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("how", ["stream", "client"])
def test_close_from_another_task(backend: str, tls: bool, how: str) -> None:
    got: list[Any] = []

    async def scenario() -> None:
        client = AsyncClient(KEY, base_url=server.base_url, ssl_context=contexts()[1], timeouts=LONG)
        async with client, client.stream(URL, model=MODEL) as stream:
            reading = anyio.Event()

            async def read() -> None:
                try:
                    async for update in stream:
                        got.append(update.sentence.text)  # type: ignore[union-attr]
                        reading.set()
                except ASRWireError as error:
                    got.append(error)

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await reading.wait()
                await anyio.lowlevel.checkpoint()
                await (stream if how == "stream" else client).aclose()
            assert await to_thread.run_sync(server.saw_close.wait, HANG)

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        peer.wait_closed()

    with Server(answer, tls=tls) as server:
        anyio.run(scenario, backend=backend)
    assert got[0] == "one"
    assert type(got[1]) is Closed


@pytest.mark.parametrize("wait", ["for a place", "before the next attempt"])
def test_close_from_another_thread_ends_a_wait(wait: str) -> None:
    waiting = threading.Event()

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            assert timeout > HANG
            waiting.set()
            return super().wait(timeout)

    first = GOOD if wait == "for a place" else sized(b"", b"429 Too Many", more=b"Retry-After: 50\r\n")
    timeouts, limits = Timeouts(connect=HANG, head=HANG, pool=50), Limits(connections=1)
    with (
        Server(first, GOOD) as server,
        ThreadPoolExecutor(1) as threads,
        Client(KEY, base_url=server.base_url, timeouts=timeouts, limits=limits) as client,
    ):
        client._transport.colour.event = Event
        client._transport._slots._wake = Event
        held = client.stream(URL, model=MODEL)
        if wait == "for a place":
            held.__enter__()
        stream = client.stream(URL, model=MODEL)
        entering = threads.submit(stream.__enter__)
        assert waiting.wait(HANG)
        stream.close()
        assert type(entering.exception(HANG)) is Closed
        held.close()
        assert len(server.requests) == 1
        assert client._transport._slots._busy == set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_close_from_another_task_ends_a_wait(backend: str) -> None:
    async def scenario() -> None:
        timeouts = Timeouts(head=HANG, pool=50)
        client = AsyncClient(KEY, base_url=server.base_url, timeouts=timeouts, limits=Limits(connections=1))
        async with client, client.stream(URL, model=MODEL):
            stream = client.stream(URL, model=MODEL)

            async def enter() -> None:
                with pytest.raises(Closed):
                    await stream.__aenter__()

            with anyio.fail_after(HANG):
                async with anyio.create_task_group() as group:
                    group.start_soon(enter)
                    while not client._transport._slots._queue:
                        await anyio.lowlevel.checkpoint()
                    await stream.aclose()

    with Server(lambda peer: (peer.send(CHUNKED), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        anyio.run(scenario, backend=backend)


def test_a_connection_that_is_being_interrupted_is_not_kept() -> None:
    # close() from another thread in the moment the last byte was read: it would strike whoever has the connection next.
    with (
        Server(GOOD) as server,
        Client(KEY, base_url=server.base_url, timeouts=LONG) as client,
        client.stream(URL, model=MODEL) as stream,
    ):
        channel = stream._current.channel
        assert channel is not None
        colour = client._transport.colour
        drain = colour.drain

        def then_close(response: Any) -> None:
            drain(response)
            channel.exchange.closed = True  # the first half of interrupt()

        colour.drain = then_close  # type: ignore[method-assign]
        assert len(list(stream)) == 2
        assert not client._transport._slots._idle


def test_a_second_reader_is_refused() -> None:
    with Server(lambda peer: (peer.send(CHUNKED), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        client = Client(KEY, base_url=server.base_url, timeouts=LONG)
        with client, client.stream(URL, model=MODEL) as stream:
            started = threading.Event()

            def read() -> None:
                started.set()
                with pytest.raises(Closed):
                    next(stream)

            iter(stream)
            thread = threading.Thread(target=read)
            thread.start()
            assert started.wait(HANG)
            while not stream._turn.locked():
                thread.join(0.001)
            with pytest.raises(Closed, match="one reader"):
                next(stream)
            stream.close()
            thread.join(HANG)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_close_from_another_thread_before_there_is_an_answer(tls: bool) -> None:
    asked = threading.Event()

    def answer(peer: Peer) -> None:
        asked.set()
        peer.wait_closed()

    with (
        Server(answer, tls=tls) as server,
        ThreadPoolExecutor(1) as threads,
        Client(KEY, base_url=server.base_url, ssl_context=contexts()[1], timeouts=LONG) as client,
    ):
        stream = client.stream(URL, model=MODEL)
        entering = threads.submit(stream.__enter__)
        assert asked.wait(HANG)
        stream.close()
        error = entering.exception(HANG)
        assert server.saw_close.wait(HANG)
    assert type(error) is Closed
    assert len(server.requests) == 1


def test_a_loop_that_ends_closes_the_books() -> None:
    done: list[str] = []

    class Forever:
        def __await__(self) -> Any:
            yield

    async def wait() -> None:
        await Forever()

    def steps() -> Any:
        try:
            yield wait
        except BaseException:
            yield wait
            done.append("cleaned up")
            raise

    coroutine = drive_async(steps())
    coroutine.send(None)
    coroutine.close()
    assert done == ["cleaned up"]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", [*LOOPS, "trio"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_outlives_its_event_loop(name: str, tls: bool) -> None:
    # As in a notebook or a worker that calls asyncio.run() for each job: the connection of the loop before is of no
    # use, and its failure would come after the request was sent and billed.
    colour = Colour(name)

    async def scenario(client: Any) -> list[str]:
        async with client.stream(URL, model=MODEL) as stream:
            return [update.sentence.text async for update in stream]

    def calls(client: Any) -> None:
        for _ in range(3):
            assert colour.run(partial(scenario, client)) == ["one", "two"]
        colour.run(client.aclose)

    with Server(GOOD, tls=tls) as server:
        calls(colour.client(server))
        assert len(server.requests) == 3
        gc.collect()  # what asyncio says of a transport left behind belongs to this test


def new_event_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "asyncio":
        return asyncio.new_event_loop()
    import uvloop  # not on Windows

    return uvloop.new_event_loop()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("tls", [False, True])
def test_a_loop_that_is_gone_with_a_stream_open(name: str, tls: bool) -> None:
    steps: list[Any] = []

    async def read(client: AsyncClient) -> None:
        async with client.stream(URL, model=MODEL) as stream:
            async for _ in stream:
                steps.append(stream)
                await anyio.sleep_forever()

    with Server(lambda peer: (peer.send(CHUNKED + chunk(ONE)), peer.wait_closed())[0], tls=tls) as server:  # type: ignore[func-returns-value]
        loop = new_event_loop(name)
        client = Colour(name).client(server)
        coroutine = read(client)
        task = loop.create_task(coroutine)
        task._log_destroy_pending = False  # type: ignore[attr-defined]

        async def until_read() -> None:
            while not steps:
                await asyncio.sleep(0)

        loop.run_until_complete(until_read())
        loop.close()
        coroutine.close()  # as the garbage collector would
        steps.clear()
        assert client._transport._slots._busy == set()
        del task, coroutine, client
        gc.collect()
        assert server.saw_close.wait(HANG)


# == cancellation =====================================================================================================


@contextmanager
def full() -> Iterator[str]:
    """A port whose queue is full: connecting to it takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
        finally:
            for filler in fillers:
                filler.close()


STAGES = {
    "handshake": (lambda peer: peer.wait_closed(), True),
    "head": (lambda peer: peer.wait_closed(), False),
    "half a head": (lambda peer: (peer.send(b"HTTP/1.1 200"), peer.wait_closed()), False),
    "body": (lambda peer: (peer.send(CHUNKED + chunk(ONE)), peer.wait_closed()), False),
    "error body": (lambda peer: (peer.send(b"HTTP/1.1 500 No\r\n\r\n"), peer.wait_closed()), False),
}


@pytest.mark.parametrize("backend", ["asyncio", "trio", "native asyncio"])
@pytest.mark.parametrize("stage", list(STAGES))
def test_cancellation_passes_and_leaves_nothing_open(backend: str, stage: str) -> None:
    reached = threading.Event()
    work, raw = STAGES[stage]

    def answer(peer: Peer) -> None:
        reached.set()
        work(peer)  # type: ignore[no-untyped-call]

    async def cancelled_call(client: AsyncClient, url: str) -> None:
        async with client.stream(URL, model=MODEL) as stream:
            async for _ in stream:
                pass

    async def scenario() -> None:
        url = server.base_url
        hung = AsyncClient(
            KEY,
            base_url=url.replace("http:", "https:") if raw else url,
            ssl_context=contexts()[1],
            timeouts=LONG,
            limits=Limits(connections=1),
        )
        async with hung:
            if backend == "native asyncio":
                task = asyncio.ensure_future(cancelled_call(hung, url))
                assert await to_thread.run_sync(reached.wait, HANG)
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(cancelled_call, hung, url)
                    assert await to_thread.run_sync(reached.wait, HANG)
                    group.cancel_scope.cancel()
            assert await to_thread.run_sync(server.saw_close.wait, HANG)
            if not raw:
                async with hung.stream(URL, model=MODEL) as stream:
                    assert [update.sentence.text async for update in stream] == ["one", "two"]  # type: ignore[union-attr]

    with Server(answer, GOOD, raw=raw) as server:
        if backend == "native asyncio":
            asyncio.run(scenario())
        else:
            anyio.run(scenario, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancellation_while_connecting_and_while_waiting_for_a_place(backend: str) -> None:
    async def scenario() -> None:
        with full() as url:
            async with AsyncClient(KEY, base_url=url, timeouts=LONG, limits=Limits(connections=1)) as client:
                with anyio.move_on_after(0.2) as scope:
                    async with anyio.create_task_group() as group:
                        for _ in range(3):
                            group.start_soon(lambda: client.transcribe(URL, model=MODEL))
                assert scope.cancelled_caught
                assert client._transport._slots._busy == set()
                with pytest.raises(Timeout):
                    await client.transcribe(URL, model=MODEL, timeouts=Timeouts(total=0.2))

    anyio.run(scenario, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_after_many_cancellations_every_place_is_free(backend: str) -> None:
    async def scenario() -> None:
        limits = Limits(connections=4)
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=LONG, limits=limits) as client:

            async def storm(number: int) -> None:
                for turn in range(25):
                    with anyio.move_on_after((number * 25 + turn) % 40 / 4000):
                        await client.transcribe(URL, model=MODEL)

            async with anyio.create_task_group() as group:
                for number in range(12):
                    group.start_soon(storm, number)
            texts = []

            async def good() -> None:
                texts.append((await client.transcribe(URL, model=MODEL)).text)

            async with anyio.create_task_group() as group:
                for _ in range(30):
                    group.start_soon(good)
            assert texts == ["hi"] * 30
            assert len(client._transport._slots._busy) == 0

    with Server(sized(b'{"output":{"text":"hi"}}')) as server:
        anyio.run(scenario, backend=backend)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_tasks_that_are_cancelled_twice(tls: bool) -> None:
    async def call(client: AsyncClient) -> str:
        async with client.stream(URL, model=MODEL) as stream:
            return " ".join([sentence.text async for sentence in stream.sentences()])

    async def scenario() -> None:
        limits = Limits(connections=3)
        url, context = server.base_url, contexts()[1]
        async with AsyncClient(KEY, base_url=url, ssl_context=context, timeouts=LONG, limits=limits) as client:
            for turn in range(40):
                tasks = [asyncio.ensure_future(call(client)) for _ in range(6)]
                for _ in range(turn):
                    await asyncio.sleep(0)
                await asyncio.sleep(turn / 20_000)
                for task in tasks:
                    task.cancel()
                await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert await asyncio.gather(*(call(client) for _ in range(30))) == ["one two"] * 30
            assert client._transport._slots._busy == set()

    with Server(GOOD, tls=tls) as server:
        asyncio.run(scenario())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_read_that_was_cancelled_lost_nothing(backend: str) -> None:
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED)
        assert go_on.wait(HANG)
        peer.send(chunk(ONE) + END)

    async def scenario() -> None:
        it = AsyncClient(KEY, base_url=server.base_url, timeouts=LONG)
        async with it as client, client.stream(URL, model=MODEL) as stream:
            with anyio.move_on_after(0.05) as scope:
                await stream.__anext__()
            assert scope.cancelled_caught
            go_on.set()
            assert [update.sentence.text async for update in stream] == ["one"]  # type: ignore[union-attr]

    with Server(answer) as server:
        anyio.run(scenario, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_time_after_a_cancelled_read_is_the_consumers(backend: str) -> None:
    idle, go_on = 0.3, threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        assert go_on.wait(HANG)
        peer.send(chunk(TWO) + END)

    async def scenario() -> None:
        it = AsyncClient(KEY, base_url=server.base_url, timeouts=replace(LONG, idle=idle))
        async with it as client, client.stream(URL, model=MODEL) as stream:
            assert (await stream.__anext__()).sentence.text == "one"  # type: ignore[union-attr]
            with anyio.move_on_after(0.05) as scope:
                await stream.__anext__()
            assert scope.cancelled_caught
            go_on.set()
            await anyio.sleep(idle + 0.1)  # what the consumer does for longer than the timer
            assert [update.sentence.text async for update in stream] == ["two"]  # type: ignore[union-attr]

    with Server(answer) as server:
        anyio.run(scenario, backend=backend)


def test_reads_that_are_cancelled_again_and_again_do_not_prolong_a_timer() -> None:
    async def poll(stream: Any) -> None:
        while True:
            with anyio.move_on_after(0.05):
                await stream.__anext__()

    async def scenario() -> None:
        it = AsyncClient(KEY, base_url=server.base_url, timeouts=replace(LONG, idle=0.3))
        async with it as client, client.stream(URL, model=MODEL) as stream:
            await stream.__anext__()
            with pytest.raises(Timeout, match="idle"), anyio.fail_after(HANG):
                await poll(stream)

    with Server(lambda peer: (peer.send(CHUNKED + chunk(ONE)), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        asyncio.run(scenario())


def test_what_follows_the_end_of_tls_is_not_kept() -> None:
    server_context, context = contexts()
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, layer = server_context.wrap_bio(inward, outward, server_side=True), _Layer(context, "localhost")
    greeted = False
    while not (layer.shake() and greeted):
        inward.write(layer.outgoing.read())
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
            greeted = True
        layer.hear(outward.read())
    server.write(b"the last words")
    with suppress(ssl.SSLWantReadError):
        server.unwrap()
    assert (layer.decrypt(outward.read()), layer.ended, layer.error) == (b"the last words", True, None)
    for _ in range(64):
        assert layer.decrypt(bytes(65536)) == b""
    assert layer._incoming.pending < 16384


@pytest.mark.parametrize(
    ("wire", "texts", "kind"),
    [
        (chunk(ONE) + END, ["one"], None),
        (chunk(ONE) + b"zz\r\n", ["one"], ProtocolError),
        (chunk(ONE + b"data: {x\n\n"), ["one"], DecodeError),
        (chunk(ONE + b'event:error\ndata:{"code":"X","message":"y"}\n\n'), ["one"], ServiceError),
        (chunk(ONE + OPEN) + END, ["one", "thr", "thr"], Truncated),
    ],
)  # fmt: skip
def test_who_is_cancelled_as_the_stream_ends_learns_how_later(
    wire: bytes, texts: list[str], kind: type[ASRWireError] | None
) -> None:
    async def scenario() -> None:
        it = AsyncClient(KEY, base_url=server.base_url, timeouts=LONG)
        async with it as client, client.stream(URL, model=MODEL) as stream:
            task = asyncio.ensure_future(stream.__anext__())
            connection = stream._current.channel.slot.connection.tap.streams[-1]  # type: ignore[union-attr]
            while connection._take is None:
                await asyncio.sleep(0)
            connection.data_received(wire)
            task.cancel()  # in the same turn of the event loop
            with pytest.raises(asyncio.CancelledError):
                await task
            found = []
            with pytest.raises(kind) if kind else nullcontext():  # type: ignore[attr-defined]
                async for update in stream:
                    found.append(update.sentence.text)  # type: ignore[union-attr]
            assert found == texts

    with Server(lambda peer: (peer.send(CHUNKED), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        asyncio.run(scenario())


def test_an_exception_of_the_consumer_closes_and_passes(colour: Colour) -> None:
    async def consume(client: Any) -> None:
        async with client.stream(URL, model=MODEL) as stream:
            async for _ in stream:
                _ = 1 / 0

    async def scenario() -> None:
        async with colour.client(server) as client:
            with pytest.raises(ZeroDivisionError):
                await consume(client)
            assert server.saw_close.wait(HANG)

    with Server(lambda peer: (peer.send(CHUNKED + chunk(ONE)), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        colour.run(scenario)
        assert len(server.requests) == 1


# == proxies ==========================================================================================================


def tunnel(peer: Peer) -> None:
    """A proxy's answer to CONNECT, and then both directions until one ends."""
    request = peer.request()
    assert request is not None
    peer.server.requests.append(request)
    host, _, port = request.split(b" ")[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as out:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def back() -> None:
            try:
                while data := out.recv(65536):
                    peer.sock.sendall(data)
            except OSError:
                pass

        thread = threading.Thread(target=back)
        thread.start()
        try:
            while data := peer.sock.recv(65536):
                out.sendall(data)
        except OSError:
            pass
        out.shutdown(socket.SHUT_RDWR)
        thread.join(HANG)


def two_calls(colour: Colour, **settings: Any) -> list[str]:
    async def scenario() -> list[str]:
        async with colour.client(**settings) as client:
            return [(await client.transcribe(URL, model=MODEL)).text for _ in range(2)]

    texts: list[str] = colour.run(scenario)
    return texts


def test_through_a_tunnel(colour: Colour) -> None:
    with Server(sized(b'{"output":{"text":"hi"}}'), tls=True) as origin, Server(tunnel, raw=True) as proxy:
        settings = {"base_url": origin.base_url, "ssl_context": contexts()[1]}
        assert two_calls(colour, proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}", **settings) == ["hi", "hi"]
        assert proxy.connections == 1
    head = proxy.requests[-1]
    assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % origin.port)
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in head  # me:p@ss
    assert KEY.encode() not in head
    assert b"Proxy-Authorization" not in origin.requests[0]


def test_plain_http_through_a_proxy(colour: Colour) -> None:
    with Server(sized(b'{"output":{"text":"hi"}}')) as proxy:
        url = "http://asr.example/api/v1"
        assert two_calls(colour, base_url=url, allow_http=True, proxy=f"http://127.0.0.1:{proxy.port}") == ["hi", "hi"]
        assert proxy.connections == 1
    assert proxy.requests[0].startswith(b"POST http://asr.example/api/v1/services/")
    assert b"\r\nHost: asr.example\r\n" in proxy.requests[0]


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway"])
def test_a_proxy_that_refuses(colour: Colour, status: bytes) -> None:
    with Server(sized(b"<html>no</html>", status)) as proxy:
        settings = {"base_url": "https://127.0.0.1:1/api/v1", "ssl_context": contexts()[1]}
        error = failure(colour, client_of(colour, proxy=f"http://me:secret@127.0.0.1:{proxy.port}", **settings))
    assert (type(error), error.phase, error.sent, error.retry_safe) == (ConnectFailed, "connect", "none", True)
    assert status[:3].decode() in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("environment", "origin", "expected"),
    [
        ({}, "https://a.example", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://a.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a.example", None),
        ({"http_proxy": "http://p:1"}, "http://a.example:80", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "example"}, "https://a.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.example"}, "https://a.example", "http://p:1"),
    ],
)
def test_the_environments_proxy(
    environment: dict[str, str], origin: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of_environment(origin) == expected


def test_the_environment_is_asked_only_with_trust_env(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Server(sized(b'{"output":{"text":"hi"}}')) as server:
        assert two_calls(colour, base_url=server.base_url) == ["hi", "hi"]
        error = failure(colour, client_of(colour, base_url=server.base_url, trust_env=True))
    assert type(error) is ConnectFailed


def test_a_bad_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://me:secret@p:1")
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        proxy_of_environment("https://a.example")
    assert "secret" not in str(caught.value)


def test_a_proxys_description() -> None:
    made = make_proxy(httpcore, "https://me@[::1]:8443", contexts()[1])
    assert bytes(made.url) == b"https://::1:8443/"
    assert (made.auth, made.ssl_context) == ((b"me", b""), contexts()[1])


def test_trio_is_found_without_asyncio() -> None:
    async def scenario() -> str:
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=LONG) as client:
            return (await client.transcribe(URL, model=MODEL)).text

    with Server(sized(b'{"output":{"text":"hi"}}')) as server:
        assert trio.run(scenario) == "hi"


@pytest.mark.parametrize("kind", [Tap, AsyncTap])
def test_a_pool_of_unix_sockets_is_refused_in_our_own_words(kind: Any) -> None:
    with pytest.raises(ConfigError, match="Unix domain sockets"):
        kind(httpcore, None).connect_unix_socket("/run/x")
