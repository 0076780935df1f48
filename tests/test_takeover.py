# The body is read past the HTTP module: whatever the response, the split, the colour, the event loop, the HTTP module
# and the way to the peer, the results are the same, and a connection is used again exactly when nothing is left on it.

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import tracemalloc
import types
import weakref
from collections.abc import Callable
from itertools import product
from typing import Any

import anyio
import httpcore
import httpcore2
import pytest
from anyio import to_thread

from asrwire import (
    ASRWireError,
    AsyncClient,
    Closed,
    ContentTypeError,
    HTTPStatusError,
    Incomplete,
    LimitExceeded,
    Limits,
    ProtocolError,
    Timeout,
    Timeouts,
    Truncated,
)
from asrwire._net._call import Call
from tests.matrix import then
from tests.servers import (
    CHUNKED,
    COLOURS,
    END,
    GOOD,
    HANG,
    HEAD,
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
    Stream2,
    chunk,
    contexts,
    event,
    over_http2,
    replayed,
    sized,
)

pytestmark = pytest.mark.transport

ALL = ["sync", *LOOPS, "trio"]
MODULES = [httpcore, httpcore2]


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.fixture(params=MODULES, ids=lambda module: module.__name__)
def http(request: pytest.FixtureRequest) -> types.ModuleType:
    module: types.ModuleType = request.param
    return module


def mock(monkeypatch: pytest.MonkeyPatch, http: types.ModuleType, pieces: list[bytes], end: bool = True) -> Any:
    """`http` with a network that answers with `pieces`, one a read, and then ends."""
    names = dict(vars(http))
    names["SyncBackend"] = lambda: http.MockBackend(list(pieces))
    names["TrioBackend"] = lambda: http.AsyncMockBackend(list(pieces))
    monkeypatch.setattr("asrwire._net._backend.connect", replayed(*pieces, end=end))
    return types.SimpleNamespace(**names)


async def attempted(client: Any) -> tuple[list[str], Any]:
    """One stream to its end: the texts of its updates, and what it raised."""
    texts: list[str] = []
    try:
        async with client.stream(URL, model=MODEL) as stream:
            async for update in stream:
                texts.append(update.sentence.text)
    except ASRWireError as error:
        return texts, error
    return texts, None


async def listen(client: Any) -> tuple[list[str], type[ASRWireError] | None]:
    """The same, with the kind of the error only."""
    texts, error = await attempted(client)
    return texts, None if error is None else type(error)


def idle(client: Any) -> int:
    return len(client._transport._slots._idle)


# == HTTP/1.1, one table ==============================================================================================

BOTH = ["one", "two"]
BODY = ONE + TWO
TRAILERS = b"0\r\nChecksum: 1\r\nContent-Length: 5\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
KEPT, THROWN = True, False

# What the peer sends, then the end of the connection: texts, error, whether the connection is used again.
Case = tuple[bytes, list[str], type[ASRWireError] | None, bool | None]
CASES: dict[str, Case] = {
    "chunked": (CHUNKED + chunk(ONE) + chunk(TWO) + END, BOTH, None, KEPT),
    "one event in many chunks": (CHUNKED + b"".join(chunk(ONE[i : i + 9]) for i in range(0, len(ONE), 9)) + END,
                                 ["one"], None, KEPT),
    "trailers": (CHUNKED + chunk(BODY) + TRAILERS, BOTH, None, KEPT),
    "extensions, zeros, capitals": (CHUNKED + b"00%X;a=b;c\r\n%b\r\n000;d\r\n\r\n" % (len(ONE), ONE), ["one"], None,
                                    KEPT),
    "informational first": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + GOOD, BOTH, None,
                            KEPT),
    "length": (sized(BODY, kind=b"text/event-stream"), BOTH, None, KEPT),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", [], Truncated, KEPT),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", [], HTTPStatusError, KEPT),
    "an error with a body": (sized(b"no", b"500 Oops"), [], HTTPStatusError, KEPT),
    "an error with chunks": (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", [],
                             HTTPStatusError, KEPT),
    "not a stream": (sized(b"<html>", kind=b"text/html"), [], ContentTypeError, None),  # if all had come
    "a head with bare LF": (CHUNKED.replace(b"\r\n", b"\n") + chunk(BODY) + END, BOTH, None, KEPT),
    "close": (HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY, BOTH, None, THROWN),
    "until the end of the connection": (HEAD + b"\r\n" + BODY, BOTH, None, THROWN),
    "HTTP/1.0": (OLD + b"\r\n" + BODY, BOTH, None, THROWN),
    "HTTP/1.0 with a length": (OLD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, BOTH, None, THROWN),
    "HTTP/1.0 that would be kept": (OLD + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
                                    BOTH, None, THROWN),
    "cut in a size": (CHUNKED + chunk(ONE) + b"4", ["one"], Truncated, THROWN),
    "cut in a chunk": (CHUNKED + chunk(ONE) + b"40\r\nid:2", ["one"], Truncated, THROWN),
    "cut before the last chunk": (CHUNKED + chunk(ONE), ["one"], Truncated, THROWN),
    "cut in the trailers": (CHUNKED + chunk(ONE) + b"0\r\nA: b\r\n", ["one"], Truncated, THROWN),
    "cut in a length": (HEAD + b"Content-Length: 999\r\n\r\n" + ONE, ["one"], Truncated, THROWN),
    "cut in a sentence": (HEAD + b"\r\n" + ONE + OPEN, ["one", "thr", "thr"], Truncated, THROWN),
    "cut in the head": (HEAD, [], ProtocolError, THROWN),
    "no answer": (b"", [], ProtocolError, THROWN),
    "a bad size": (CHUNKED + chunk(ONE) + b"xyz\r\n", ["one"], ProtocolError, THROWN),
    "a negative size": (CHUNKED + chunk(ONE) + b"-5\r\nabcde\r\n", ["one"], ProtocolError, THROWN),
    "a size of 17 digits": (CHUNKED + chunk(ONE) + b"00000000000000001\r\n", ["one"], ProtocolError, THROWN),
    "no CRLF after a chunk": (CHUNKED + chunk(ONE)[:-2] + b"XX0\r\n\r\n", ["one"], ProtocolError, THROWN),
    "bare LF after a size": (CHUNKED + chunk(ONE) + b"1\n:\r\n", ["one"], ProtocolError, THROWN),
    "bytes after chunks": (CHUNKED + chunk(BODY) + END + b"HTTP/1.1 200 OK\r\n\r\n", BOTH, None, THROWN),
    "bytes after a length": (sized(BODY, kind=b"text/event-stream") + b"!", BOTH, None, THROWN),
    "bytes after an error": (sized(b"no", b"500 Oops") + b"!", [], HTTPStatusError, THROWN),
}  # fmt: skip


def check(colour: Colour, http: Any, case: Case, where: str) -> None:
    _, texts, kind, kept = case

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=http) as client:
            assert await listen(client) == (texts, kind), where
            # Bytes that come later than the response are seen when the connection is to be used again.
            if "bytes after" not in where and kept is not None:
                assert idle(client) == kept, where

    colour.run(scenario)


@pytest.mark.parametrize("name", list(CASES))
def test_every_response_byte_by_byte_and_at_once(
    colour: Colour, http: types.ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = CASES[name][0]
    for size in (1, 2, 7, len(wire) + 1):
        pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
        check(colour, mock(monkeypatch, http, pieces, not CASES[name][3]), CASES[name], f"{name} by {size}")


@pytest.mark.parametrize("name", list(CASES))
def test_reading_by_steps_alone_is_the_same(colour: Colour, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = CASES[name][0]
    monkeypatch.setattr(Call, "_takes_turn", lambda stream: False)
    pieces = [wire[i : i + 7] for i in range(0, len(wire), 7)]
    check(colour, mock(monkeypatch, httpcore, pieces, not CASES[name][3]), CASES[name], f"{name} by steps")


def test_only_the_first_read_and_the_end_take_steps(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[object] = []
    going_on = Call._going_on
    monkeypatch.setattr(Call, "_going_on", lambda stream, met=None: entered.append(met) or going_on(stream, met))
    wire = [CHUNKED, *(chunk(event(f"{i}", number=i, begin=i * 1000)) for i in range(1, 21)), END]
    network = mock(monkeypatch, httpcore, wire, False)

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=network) as client:
            assert await listen(client) == ([f"{i}" for i in range(1, 21)], None)

    colour.run(scenario)
    assert len(entered) == (21 if colour.name == "trio" else 2)  # trio has httpcore's own network streams: steps


@pytest.mark.parametrize("left", ["at its end", "in the middle"])
def test_a_stream_that_is_over_is_kept_by_nobody(colour: Colour, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = [CHUNKED, *(chunk(event(f"{i}", number=i, begin=i * 1000)) for i in range(1, 6)), END]
    network = mock(monkeypatch, httpcore, wire, False)

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=network) as client:
            async with client.stream(URL, model=MODEL) as stream:
                async for update in stream:
                    if left == "in the middle" and update.sentence.text == "3":
                        break
            known = weakref.ref(stream.inner if colour.name == "sync" else stream)
            del stream
            assert known() is None

    gc.collect()
    gc.disable()
    try:
        colour.run(scenario)
    finally:
        gc.enable()


@pytest.mark.parametrize(("name", "end"), [("sync", "timed out"), *product(LOOPS, ["timed out", "cancelled"])])
def test_a_read_that_failed_keeps_nobody(name: str, end: str) -> None:
    colour = Colour(name)

    async def scenario() -> None:
        async with colour.client(server, timeouts=Timeouts(idle=0.05)) as client:
            async with client.stream(URL, model=MODEL) as stream:
                assert (await stream.__anext__()).sentence.text == "one"
                if end == "cancelled":
                    with anyio.move_on_after(0.01):
                        await stream.__anext__()
                else:
                    with pytest.raises(Timeout) as caught:
                        await stream.__anext__()
                    assert caught.value.__context__ is None
                    del caught
            known = weakref.ref(stream.inner if name == "sync" else stream)
            del stream
            for _ in range(3 * (name != "sync")):  # the event loop has the connection yet
                await anyio.sleep(0)
            assert known() is None

    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        gc.collect()
        gc.disable()
        try:
            colour.run(scenario)
        finally:
            gc.enable()


@pytest.mark.parametrize("name", ["informational first", "trailers", "length", "bytes after chunks", "a bad size"])
def test_every_response_at_every_split(colour: Colour, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = CASES[name][0]
    for cut in range(1, len(wire)):
        network = mock(monkeypatch, httpcore, [wire[:cut], wire[cut:]], not CASES[name][3])
        check(colour, network, CASES[name], f"{name} at {cut}")


@pytest.mark.parametrize("name", [name for name in CASES if "bytes after" in name])
def test_bytes_after_a_response_cost_the_connection(
    colour: Colour, http: types.ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, texts, kind, _ = CASES[name]
    network = mock(monkeypatch, http, [wire])

    async def scenario() -> None:
        async with colour.client(base_url="http://127.0.0.1/api/v1", http=network) as client:
            assert await listen(client) == (texts, kind)
            assert idle(client) == 0

    colour.run(scenario)


# == every way to the peer ============================================================================================


def tunnel(peer: Peer) -> None:
    """A proxy's answer to CONNECT, and then both directions until one ends."""
    request = peer.request()
    assert request is not None
    host, _, port = request.split(b" ")[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as out:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def back() -> None:
            try:
                while data := out.recv(65536):
                    peer.send(data)
            except OSError:
                pass

        thread = threading.Thread(target=back)
        thread.start()
        while data := peer.receive():
            out.sendall(data)
        out.shutdown(socket.SHUT_RDWR)
        thread.join(HANG)


WAYS = ["tcp", "tls", "tunnel", "tunnel through TLS"]


@pytest.mark.parametrize(("name", "way"), list(product(ALL, WAYS)))
def test_every_way_to_the_peer(name: str, way: str, http: types.ModuleType) -> None:
    colour = Colour(name)
    answers = [GOOD, CHUNKED + b"".join(chunk(BODY[i : i + 5]) for i in range(0, len(BODY), 5)) + TRAILERS]
    secure = way == "tunnel through TLS"

    async def scenario() -> None:
        settings = {} if way in ("tcp", "tls") else {"proxy": f"http{'s' * secure}://127.0.0.1:{proxy.port}"}
        async with colour.client(server, http=http, ssl_context=contexts()[1], **settings) as client:
            for _ in range(3):
                assert await listen(client) == (BOTH, None)
                # What no poll can see of TLS in TLS is not trusted by threads.
                assert idle(client) == 1

    with Server(*answers, tls=way != "tcp") as server, Server(tunnel, raw=True, tls=secure) as proxy:
        colour.run(scenario)
        assert server.connections == (3 if secure and name == "sync" else 1)
        assert len(server.requests) == 3


def test_a_network_stream_of_somebodys_own_is_read_through(http: types.ModuleType) -> None:
    seen: list[bytes] = []

    class Recording(http.NetworkStream):  # type: ignore[name-defined,misc]
        def __init__(self, inner: Any) -> None:
            self.write, self.close, self.get_extra_info = inner.write, inner.close, inner.get_extra_info
            self.inner = inner

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            seen.append(self.inner.read(max_bytes, timeout))
            return seen[-1]

    class Backend(http.SyncBackend):  # type: ignore[name-defined,misc]
        def connect_tcp(self, *arguments: Any) -> Recording:
            return Recording(super().connect_tcp(*arguments))

    async def scenario() -> None:
        module = types.SimpleNamespace(**{**vars(http), "SyncBackend": Backend})
        async with Colour("sync").client(server, http=module) as client:
            assert await listen(client) == (BOTH, None)

    with Server(GOOD) as server:
        Colour("sync").run(scenario)
    assert b"".join(seen) == GOOD


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_megabytes_either_way(name: str, tls: bool) -> None:
    # More than any buffer holds: the peer waits for us, and we for the peer, at every layer.
    colour = Colour(name)
    long = event("x" * 3_000_000)
    audio = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(range(256)) * 8192

    async def scenario() -> None:
        async with colour.client(server) as client, client.stream(audio, model=MODEL) as stream:
            await anyio.sleep(0.05)  # so that the answer is held back
            assert [len(update.sentence.text) async for update in stream] == [3_000_000]
            assert stream._current.channel.slot is None

    with Server(CHUNKED + chunk(long) + END, tls=tls) as server:
        colour.run(scenario)
    assert len(server.requests[0]) > len(audio) * 4 // 3


@pytest.mark.parametrize("name", LOOPS)
def test_a_slow_consumer_makes_the_peer_wait(name: str) -> None:
    colour = Colour(name)

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        peer.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.sock.sendall(chunk(b":" + b"x" * 99_998 + b"\n") * 1000)

    async def scenario() -> None:
        async with colour.client(server) as client, client.stream(URL, model=MODEL) as stream:
            async for update in stream:
                assert update.sentence.text == "one"
                assert await to_thread.run_sync(server.saw_close.wait, HANG)
                connection = stream._current.channel.slot.connection.tap.streams[-1]
                assert connection._size < 2 * 262144
                break

    def then_say(peer: Peer) -> None:
        answer(peer)
        server.saw_close.set()

    with Server(then_say) as server:
        colour.run(scenario)


def test_the_first_address_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of a name with a dead address before the living one, and one that refuses.
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != "several.example":
            return real(host, port, *arguments, **options)
        family = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*family, ("127.0.0.1", 1)), (*family, full.getsockname()), (*family, ("127.0.0.1", port))]

    async def scenario() -> None:
        async with AsyncClient(KEY, base_url=f"http://several.example:{server.port}/api/v1", allow_http=True) as client:
            assert await listen(client) == (BOTH, None)

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, Server(GOOD) as server:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        for name in LOOPS:
            Colour(name).run(scenario)
        for filler in fillers:
            filler.close()


def test_the_local_address_and_the_options_of_a_socket() -> None:
    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        return httpcore.AsyncConnectionPool(
            network_backend=network_backend, local_address="127.0.0.2",
            socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)],
        )  # fmt: skip

    async def scenario() -> None:
        async with colour.client(server, http=pool) as client, client.stream(URL, model=MODEL) as stream:
            connection = stream._current.channel.slot.connection.tap.streams[-1]
            sock = connection.get_extra_info("socket")
            assert sock.getsockname()[0] == connection.get_extra_info("client_addr")[0] == "127.0.0.2"
            assert connection.get_extra_info("server_addr") == ("127.0.0.1", server.port)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 65536
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    for name in LOOPS:
        colour = Colour(name)
        with Server(GOOD) as server:
            colour.run(scenario)


@pytest.mark.parametrize("name", ALL)
def test_the_idle_timer_runs_though_nothing_is_handed_out(name: str) -> None:
    colour = Colour(name)

    async def scenario() -> None:
        timeouts = Timeouts(connect=HANG, write=HANG, head=300, idle=0.1)
        async with colour.client(server, timeouts=timeouts) as client, client.stream(URL, model=MODEL) as stream:
            with pytest.raises(Timeout, match="idle"):
                await stream.sentences().__anext__()

    with Server(lambda peer: (peer.send(CHUNKED + chunk(OPEN)), peer.wait_closed())[0]) as server:  # type: ignore[func-returns-value]
        colour.run(scenario)


@pytest.mark.parametrize("name", ALL)
def test_what_came_before_a_broken_record_is_handed_out(name: str) -> None:
    colour = Colour(name)

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        plain = socket.socket(fileno=peer.sock.detach())
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # application data, under no key of ours
        while plain.recv(1000):
            pass
        plain.close()

    async def scenario() -> None:
        async with colour.client(server) as client:
            texts, error = await attempted(client)
            assert (texts, type(error), error.phase) == (["one"], Truncated, "body")

    with Server(answer, tls=True) as server:
        colour.run(scenario)


# == cancellation and closing =========================================================================================


@pytest.mark.parametrize("name", LOOPS)
def test_the_next_response_is_not_given_to_a_read_that_was_cancelled(name: str) -> None:
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(CHUNKED + chunk(ONE))
            assert go_on.wait(HANG)
            peer.send(chunk(TWO) + END)

    async def scenario() -> None:
        async with Colour(name).client(server) as client:
            async with client.stream(URL, model=MODEL) as stream:
                assert (await stream.__anext__()).sentence.text == "one"
                with anyio.move_on_after(0.01) as scope:
                    await stream.__anext__()
                assert scope.cancelled_caught
                connection = stream._current.channel.slot.connection.tap.streams[-1]
                go_on.set()
                while not connection._received:  # before anybody reads on
                    await anyio.sleep(0.001)
                assert [update.sentence.text async for update in stream] == ["two"]
            assert idle(client) == 1
            assert await listen(client) == (BOTH, None)

    with Server(answer, raw=True) as server:
        Colour(name).run(scenario)
    assert server.connections == 1


@pytest.mark.parametrize("name", [*LOOPS, "trio"])
def test_closed_in_a_later_read_the_open_sentence_is_handed_out(name: str) -> None:
    async def scenario() -> None:
        async with Colour(name).client(server) as client, client.stream(URL, model=MODEL) as stream:
            assert [(await stream.__anext__()).sentence.text for _ in range(2)] == ["one", "thr"]

            async def read() -> None:
                update = await stream.__anext__()
                assert (type(update), update.sentence.text) == (Incomplete, "thr")

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                await stream.aclose()

    with Server(then(CHUNKED + chunk(ONE + OPEN), last="wait")) as server:
        Colour(name).run(scenario)


def test_closed_as_a_thread_takes_its_turn() -> None:
    class Lock:
        def __init__(self, stream: Any) -> None:
            self.lock, self.stream = stream._turn, stream

        def acquire(self, blocking: bool) -> bool:
            closer, self.acquire = threading.Thread(target=self.stream.close), self.lock.acquire  # type: ignore[method-assign]
            closer.start()
            closer.join()
            return bool(self.lock.acquire(blocking))

        def release(self) -> None:
            self.lock.release()

    async def scenario() -> None:
        async with Colour("sync").client(server) as client, client.stream(URL, model=MODEL) as stream:
            assert (await stream.__anext__()).sentence.text == "one"
            stream.inner._turn = Lock(stream.inner)
            with pytest.raises(Closed):
                await stream.__anext__()
            assert not client._transport._slots._busy

    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        Colour("sync").run(scenario)


@pytest.mark.parametrize("name", LOOPS)
def test_closed_and_then_the_event_loop_is_gone(name: str) -> None:
    """Before the one that reads has learnt of it: its place is free."""

    async def scenario() -> Any:
        async with client.stream(URL, model=MODEL) as stream:
            assert (await stream.__anext__()).sentence.text == "one"
            reading = stream.__anext__()
            reading.send(None)
        return reading

    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        client = Colour(name).client(server)
        reading = Colour(name).run(scenario)
        assert len(client._transport._slots._busy) == 1
        reading.close()
        assert not client._transport._slots._busy


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("way", ["tcp", "tls", "http2"])
def test_cancelled_at_every_turn_of_the_loop(name: str, way: str) -> None:
    """Turn by turn, until one call comes through: nothing stays open, and the places are free."""

    async def scenario() -> None:
        settings: dict[str, Any] = {"limits": Limits(connections=1)}
        if way == "http2":
            settings["http"] = http2_pools("asyncio")
        async with Colour(name).client(server, **settings) as client:
            for turns in range(10_000):
                task = asyncio.ensure_future(listen(client))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not task.cancel():
                    break
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not client._transport._slots._busy
            assert turns > 5
            assert await listen(client) == (BOTH, None)

    answers: list[Any] = [over_http2(answer(ONE, TWO))] if way == "http2" else [GOOD]
    with Server(*answers, tls=way != "tcp", raw=way == "http2") as server:
        Colour(name).run(scenario)


@pytest.mark.parametrize("name", COLOURS)
def test_closed_while_a_name_is_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if b"slow" not in (host if isinstance(host, bytes) else str(host).encode()):
            return real(host, *arguments, **options)
        flags = options.get("flags", 0) or (arguments[4:] or (0,))[0]
        if not flags & socket.AI_NUMERICHOST:
            asked.set()
            answered.wait(HANG)
        raise socket.gaierror(socket.EAI_NONAME, "late")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    colour = Colour(name)
    client = None

    async def scenario() -> None:
        nonlocal client
        url = "http://slow.example/api/v1"
        async with colour.client(base_url=url, allow_http=True) as client:
            stream = client.stream(URL, model=MODEL)
            if name == "sync":
                thread = threading.Thread(target=lambda: (asked.wait(HANG), stream.inner.close()))
                thread.start()
                with pytest.raises(Closed):
                    await stream.__aenter__()
                thread.join(HANG)
            else:
                with anyio.fail_after(HANG):
                    async with anyio.create_task_group() as group:
                        group.start_soon(enter, stream)
                        assert await to_thread.run_sync(asked.wait, HANG)
                        await stream.aclose()
            answered.set()

    async def enter(stream: Any) -> None:
        with pytest.raises(Closed):
            await stream.__aenter__()

    colour.run(scenario)


# == HTTP/2 ===========================================================================================================


def http2_pools(name: str, http: types.ModuleType = httpcore) -> Any:
    def pool(*, network_backend: Any, ssl_context: Any, proxy: Any) -> Any:
        kind = http.ConnectionPool if name == "sync" else http.AsyncConnectionPool
        return kind(network_backend=network_backend, ssl_context=ssl_context, proxy=proxy, http2=True)

    return pool


def answer(*pieces: bytes, status: int = 200, more: tuple[tuple[str, str], ...] = (), last: str = "end") -> Any:
    def send(it: Stream2) -> None:
        it.head(status, *more, end=last == "head only")
        it.data(*pieces, end=last == "end")
        if last == "trailers":
            it.conn.send_headers(it.number, [("checksum", "1")], end_stream=True)
        elif last == "reset":
            it.conn.reset_stream(it.number, 2)
        elif last == "bye":
            it.conn.close_connection()
        it.flush()
        if last == "close":
            it.peer.sock.close()

    return send


CASES2: dict[str, tuple[Callable[[Stream2], None], list[str], type[ASRWireError] | None]] = {
    "one event a frame": (answer(ONE, TWO), BOTH, None),
    "one event in many frames": (answer(*[ONE[i : i + 9] for i in range(0, len(ONE), 9)]), ["one"], None),
    "a length": (answer(BODY, more=(("content-length", str(len(BODY))),)), BOTH, None),
    "trailers": (answer(BODY, last="trailers"), BOTH, None),
    "204": (answer(status=204, last="head only"), [], Truncated),
    "an error": (answer(b"no", status=500), [], HTTPStatusError),
    "an open sentence": (answer(ONE + OPEN), ["one", "thr", "thr"], Truncated),
    "reset": (answer(ONE, last="reset"), ["one"], Truncated),
    "closed": (answer(ONE, last="close"), ["one"], Truncated),
    "too many fields": (answer(BODY, more=tuple(("a", "b") for _ in range(101))), [], LimitExceeded),
}


@pytest.mark.parametrize("case", list(CASES2))
@pytest.mark.parametrize("name", ALL)
def test_http2(name: str, http: types.ModuleType, case: str) -> None:
    send, texts, kind = CASES2[case]
    colour = Colour(name)

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name, http)) as client:
            assert await listen(client) == (texts, kind)
            kept = kind in (None, HTTPStatusError) or case in ("204", "an open sentence")
            assert idle(client) == kept
            assert await listen(client) == (BOTH, None)

    with Server(over_http2(send, answer(ONE, TWO)), tls=True, raw=True) as server:
        colour.run(scenario)
        assert len(server.requests) == 2


@pytest.mark.parametrize("name", ALL)
def test_http2_keeps_its_connection(name: str) -> None:
    colour = Colour(name)

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name)) as client:
            for _ in range(4):
                assert await listen(client) == (BOTH, None)

    with Server(over_http2(answer(ONE, TWO)), tls=True, raw=True) as server:
        colour.run(scenario)
        assert len(server.requests) == 4
        assert server.connections == 1


@pytest.mark.parametrize("name", ALL)
def test_http2_megabytes_either_way(name: str) -> None:
    colour = Colour(name)
    long = event("x" * 1_000_000)
    audio = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(2**20)

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name)) as client:
            stream = client.stream(audio, model=MODEL)
            async with stream:
                assert [len(update.sentence.text) async for update in stream] == [1_000_000]

    frames = [long[i : i + 16384] for i in range(0, len(long), 16384)]
    with Server(over_http2(answer(*frames)), tls=True, raw=True) as server:
        colour.run(scenario)
        assert len(server.requests[0]) > len(audio) * 4 // 3


@pytest.mark.parametrize(
    ("send", "timers", "phase", "texts"),
    [
        (lambda it: None, {"head": 0.1}, "head", []),
        (answer(last="wait"), {"head": 0.1}, "head", []),
        (answer(ONE, last="wait"), {"idle": 0.1}, "idle", ["one"]),
        (answer(ONE, last="wait"), {"total": 0.3}, "total", ["one"]),
    ],
)
@pytest.mark.parametrize("name", ALL)
def test_http2_timers(name: str, send: Any, timers: dict[str, float], phase: str, texts: list[str]) -> None:
    colour = Colour(name)
    timeouts = Timeouts(**{"connect": HANG, "write": HANG, "head": HANG, "idle": HANG, "pool": HANG, **timers})

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name), timeouts=timeouts) as client:
            found, error = await attempted(client)
            assert (found, type(error)) == (texts, Timeout)
            assert (error.phase, error.sent, error.retry_safe) == (phase, "complete", False)
            assert server.saw_close.wait(HANG)

    with Server(over_http2(send), tls=True, raw=True) as server:
        colour.run(scenario)


@pytest.mark.parametrize("name", ["sync", *LOOPS])
def test_http2_left_early(name: str, http: types.ModuleType) -> None:
    colour = Colour(name)

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name, http)) as client:
            async with client.stream(URL, model=MODEL) as stream:
                async for _ in stream:
                    break
            assert server.saw_close.wait(HANG)
            assert await listen(client) == (BOTH, None)

    with Server(over_http2(answer(ONE, last="wait"), answer(ONE, TWO)), tls=True, raw=True) as server:
        colour.run(scenario)
        assert server.connections == 2


@pytest.mark.parametrize("name", [*LOOPS, "trio"])
def test_http2_a_read_that_was_cancelled_is_no_end(name: str, http: types.ModuleType) -> None:
    # The HTTP module closes what is cancelled in it, and says afterwards that the body is over.
    go_on = threading.Event()

    def send(it: Stream2) -> None:
        it.head(200)
        it.data(ONE, end=False)
        it.flush()
        assert go_on.wait(HANG)
        it.data(TWO, end=True)

    async def scenario() -> None:
        it = colour.client(server, http=http2_pools(name, http))
        async with it as client, client.stream(URL, model=MODEL) as stream:
            assert (await stream.__anext__()).sentence.text == "one"
            with anyio.move_on_after(0.05) as scope:
                await stream.__anext__()
            assert scope.cancelled_caught
            go_on.set()
            with pytest.raises(Truncated, match="interrupted"):
                await stream.__anext__()
            assert (stream.transcript.text, stream.transcript.complete) == ("one", False)

    colour = Colour(name)
    with Server(over_http2(send), tls=True, raw=True) as server:
        colour.run(scenario)


@pytest.mark.parametrize("name", ALL)
def test_http2_offered_and_not_chosen(name: str) -> None:
    colour = Colour(name)

    async def scenario() -> None:
        async with colour.client(server, http=http2_pools(name)) as client:
            for _ in range(2):
                assert await listen(client) == (BOTH, None)

    with Server(GOOD) as server:  # not over TLS, where nothing is negotiated
        colour.run(scenario)
        assert server.connections == 1


# == what a stream costs ==============================================================================================


@pytest.mark.parametrize(("tls", "most"), [(False, 25_000), (True, 80_000)], ids=["tcp", "tls"])
def test_what_an_idle_stream_holds(tls: bool, most: int) -> None:
    """Bytes of Python objects and of the buffers they own, each stream having had one event."""
    count = 40

    async def scenario() -> float:
        streams = []
        async with Colour("asyncio").client(server, limits=Limits(connections=1 + count)) as client:
            for i in range(1 + count):
                stream = client.stream(URL, model=MODEL)
                await stream.__aenter__()
                assert (await stream.__anext__()).sentence.text == "one"
                streams.append(stream)
                if i == 0:
                    tracemalloc.start()
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            for stream in streams:
                await stream.aclose()
        return held / count

    def say(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        peer.sock.recv(1)  # into no large buffer, which would count

    with Server(say, tls=tls) as server:
        assert Colour("asyncio").run(scenario) < most
