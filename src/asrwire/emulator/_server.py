# HTTP/1.1 over asyncio: connections, requests, paced answers. One accept loop, one task per connection, no task left.
#
# Knows: h11, asyncio, TLS handshakes, limits on what a client may send, when an event is due by the clock.
# Must not know: paths, models, JSON; it hands a request to `handle` and sends the Answer it gets, or what faults make
# of it (_wire).

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

import h11

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ._answers import Answer
from ._steps import Leave, Piece, Wait
from ._wire import steps

MAX_BODY = 64 * 2**20
MAX_HEAD = 64 * 2**10
_READ = 256 * 2**10
_LINGER = 1.0  # seconds a client has to read the last answer of a connection
_FAIR = 32  # events after which another connection gets its turn
_REST = 65536  # bytes kept of an event that has not left whole


@dataclass(frozen=True, slots=True)
class RawRequest:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case; repeated fields joined with ", " (RFC 9110 5.3)
    body: bytes


class Clock(Protocol):
    """Where the server's time comes from, in seconds."""

    def now(self) -> float: ...
    async def sleep_until(self, when: float) -> None: ...


class LoopClock:
    def now(self) -> float:
        return time.monotonic()  # as asyncio's loops do, from any thread

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - self.now()))


class VirtualClock:
    """Time that stands still until it is moved on, from any thread."""

    def __init__(self) -> None:
        self._ms = 0
        self._lock = threading.Lock()
        self._sleepers: set[tuple[int, asyncio.Future[None]]] = set()

    def now(self) -> float:
        return self._ms / 1000

    def advance(self, ms: int) -> None:
        with self._lock:
            self._ms += ms
            for when, future in sorted(self._sleepers, key=lambda sleeper: sleeper[0]):
                if when <= self._ms:
                    future.get_loop().call_soon_threadsafe(_wake, future)

    async def sleep_until(self, when: float) -> None:
        sleeper = round(when * 1000), asyncio.get_running_loop().create_future()
        with self._lock:
            if sleeper[0] <= self._ms:
                return
            self._sleepers.add(sleeper)
        try:
            await sleeper[1]
        finally:
            with self._lock:
                self._sleepers.discard(sleeper)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Refused(Exception):
    """The bytes are not a request this server reads: status and reason for the last answer of the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Server:
    """Serves one listening socket until `stop` is set.

    Args:
        handle: request -> answer; called on the server's loop, must not block.
        refuse: (status, reason) -> answer, for bytes that never became a request.
        sent: called once for each request, when its answer has left or its connection is gone.
        speed: how much faster than the audio events leave; None: at once.
    """

    def __init__(
        self,
        listener: socket.socket,
        handle: Callable[[RawRequest], Answer],
        refuse: Callable[[int, str], Answer],
        sent: Callable[[Answer], None],
        *,
        speed: float | None,
        clock: Clock,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self.stop = asyncio.Event()
        self._listener = listener
        self._handle = handle
        self._refuse = refuse
        self._sent = sent
        self._speed = speed
        self._clock = clock
        self._ssl_context = ssl_context
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._listen()
        try:
            await self.stop.wait()
        finally:
            loop.remove_reader(self._listener)
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await asyncio.sleep(0)  # transports aborted in a handshake close their sockets one turn later

    def _listen(self) -> None:
        if not self.stop.is_set():
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        # Not loop.sock_accept: when cancelled at the wrong moment it drops a socket it has already accepted.
        loop = asyncio.get_running_loop()
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # the client is gone already
            return
        except OSError:  # no descriptor left: the connection stays in the backlog meanwhile
            loop.remove_reader(self._listener)
            loop.call_later(0.05, self._listen)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio forgets it for sockets it did not make
        task = loop.create_task(self._connection(sock))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: sock.close())

    async def _connection(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ)
        protocol = asyncio.StreamReaderProtocol(reader)
        tls = {} if self._ssl_context is None else {"ssl_shutdown_timeout": _LINGER}
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self._ssl_context, **tls)
        except (OSError, asyncio.CancelledError):  # the client left during the handshake, or the server stops
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await _Connection(self, reader, writer).serve()
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.CancelledError):  # a client that disconnects is no event; nor is stopping
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Connection:
    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def serve(self) -> None:
        while True:
            try:
                request = await self._receive()
            except h11.RemoteProtocolError as error:
                await self._send_last(self._server._refuse(error.error_status_hint, f"not an HTTP request: {error}"))
                return
            except _Refused as error:
                await self._send_last(self._server._refuse(error.status, str(error)))
                return
            if request is None:
                return
            answer = self._server._handle(request)
            try:
                if not answer.faults:
                    await self._send(answer, body=request.method != "HEAD")
                elif not await self._play(answer, body=request.method != "HEAD"):
                    return
            finally:
                self._server._sent(answer)
            if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                return
            self._h11.start_next_cycle()

    async def _event(self) -> h11.Event:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    await self._write(h11.InformationalResponse(status_code=100, headers=[]))
                self._h11.receive_data(await self._reader.read(_READ))
            elif event is h11.PAUSED:
                raise h11.RemoteProtocolError("unexpected data")
            else:
                assert not isinstance(event, type)
                return event

    async def _receive(self) -> RawRequest | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if int(headers.get("content-length", 0)) > MAX_BODY:
            raise _Refused(413, f"the body is longer than {MAX_BODY} bytes")
        body = bytearray()
        while True:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                return RawRequest(head.method.decode("ascii"), head.target.decode("ascii"), headers, bytes(body))
            assert isinstance(event, h11.Data)
            body += event.data
            if len(body) > MAX_BODY:
                raise _Refused(413, f"the body is longer than {MAX_BODY} bytes")

    async def _write(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _due(self, begin: float, at: int) -> None:
        """Wait until an event at `at` ms of an answer that began then may leave."""
        if self._server._speed is not None and at:
            await self._server._clock.sleep_until(begin + at / 1000 / self._server._speed)

    async def _send(self, answer: Answer, *, body: bool = True) -> None:
        begin = self._server._clock.now()
        headers = [
            ("Content-Type", answer.content_type),
            ("Date", formatdate(usegmt=True)),
            ("X-Request-Id", answer.request_id),
            *answer.headers,
        ]
        events = iter(answer.events)
        event = next(events, None)
        if not answer.stream:
            if event:
                await self._due(begin, event.at)
            headers.append(("Content-Length", str(len(event.data) if event else 0)))
        if event is None or not body:
            answer.complete = True
        await self._write(h11.Response(status_code=answer.status, headers=headers))
        while event and body:
            following = next(events, None)
            if answer.stream:
                await self._due(begin, event.at)
            if self._writer.transport.is_closing():
                raise ConnectionResetError
            # Counted before it leaves: a client that has read it must find it counted.
            answer.count(event, last=following is None)
            await self._write(h11.Data(data=event.data))
            if answer.left % _FAIR == 0:
                await asyncio.sleep(0)
            event = following
        await self._write(h11.EndOfMessage())

    async def _play(self, answer: Answer, *, body: bool) -> bool:
        """Put a faulty answer on the wire byte for byte; whether the connection goes on."""
        clock = self._server._clock
        begin = mark = clock.now()
        http11 = self._h11.their_http_version == b"1.1"
        for number, step in enumerate(steps(answer, http11=http11, body=body), 1):
            match step:
                case Wait(None):
                    answer.complete &= step.whole
                    while await self._reader.read(_READ):
                        pass
                    return False
                case Wait(float() | int() as seconds):
                    mark += seconds
                    await clock.sleep_until(mark)
                case Leave():
                    answer.complete &= step.whole
                    await self._leave(step.how)
                    return False
                case Piece():
                    await self._due(begin, step.at)
                    if self._writer.transport.is_closing():
                        raise ConnectionResetError
                    _count(answer, step)
                    mark = clock.now()  # before they leave: who has read them may move the clock on at once
                    self._writer.write(step.data)
                    await self._writer.drain()
            if number % _FAIR == 0:
                await asyncio.sleep(0)
        # What has left was none of h11's; it needs an answer of its own to go on to the next request.
        self._h11.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        self._h11.send(h11.EndOfMessage())
        return True

    async def _leave(self, how: str) -> None:
        """Close, reset, or close without close_notify, once all that was written is with the peer."""
        if how == "fin":  # `serve` returns, and what closes the connection writes the rest
            return
        transport, sock = self._writer.transport, self._writer.get_extra_info("socket")
        deadline = time.monotonic() + _LINGER  # for a peer that does not read
        while not transport.is_closing() and (transport.get_write_buffer_size() or _unacknowledged(sock)):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.001)
        if how == "rst" and not transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    async def _send_last(self, answer: Answer) -> None:
        """Answer what could not be read, and let the client read the answer before the connection goes."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        answer.headers.append(("Connection", "close"))
        try:
            await self._send(answer)
        finally:
            self._server._sent(answer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while await self._reader.read(_READ):
                    pass


def _count(answer: Answer, piece: Piece) -> None:
    """Counted before it leaves: a client that has read it must find it counted."""
    answer.size += len(piece.data)
    if piece.event is not None:
        answer.count(piece.event, last=piece.last)
    elif piece.last:
        answer.complete = True
    if piece.event is None and len(answer.rest) < _REST:
        answer.rest += piece.data[piece.start : piece.stop]


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes that are not with the peer's kernel yet: a reset would drop them. 0 where that cannot be known."""
    if fcntl is None:
        return 0
    count: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return count
