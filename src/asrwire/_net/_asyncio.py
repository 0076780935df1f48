# Connection: one TCP connection on an asyncio event loop, and the layers of TLS on it.
#
# Knows: asyncio's transports and protocols (nothing that only selectors or only Proactor loops have), ssl's SSLObject.
# Must not know: HTTP, which timer runs and why (a `Timer` says until when), what its exceptions mean.
# Why not what httpcore uses there: a scope and a timer of anyio for each read, and two system calls to resume and pause
# reading, cost more than all else in a live stream, and asyncio's own TLS holds 256 KiB for each connection.

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final, Protocol

_RECORD: Final = 16384  # bytes of content in a TLS record at most
_HIGH_WATER: Final = 262144  # bytes waiting for a reader above which the peer is made to wait
_EYEBALLS: Final = 0.25  # seconds until the next address is tried beside one that does not answer (RFC 8305 5)
_NEVER: Final = float("inf")


class Timer(Protocol):
    """Until when a wait may last, asked again whenever that time has come: it may have moved on by then."""

    end: float | None  # on a clock that only goes forward

    def left(self) -> float | None:
        """Seconds, or None without end. Raises what ends the wait."""


async def connect(host: str, port: int, local_address: str | None, options: list[Any]) -> Connection:
    """Resolve and connect to the first address that answers (RFC 8305). Raises OSError; how long it takes is the
    caller's to bound. (asyncio's own race forgets sockets when it is cancelled, and uvloop has none.)"""
    loop = asyncio.get_running_loop()
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    same = [info for info in infos if info[0] == infos[0][0]]
    other = [info for info in infos if info[0] != infos[0][0]]
    waiting = [info for pair in zip_longest(same, other) for info in pair if info is not None]
    error: BaseException | None = None
    trying: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or trying:
            if waiting:
                trying.add(loop.create_task(_attempt(loop, waiting.pop(0), local_address, options)))
            await asyncio.wait(trying, timeout=_EYEBALLS if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in trying if task.done()]:
                trying.discard(task)
                error = task.exception()
                if error is None:
                    return await _connection(loop, task.result())
        raise error or OSError
    finally:
        for task in trying:
            if not (task.cancel() or task.cancelled() or task.exception()):
                task.result().close()


async def _attempt(
    loop: asyncio.AbstractEventLoop, info: Any, local_address: str | None, options: list[Any]
) -> socket.socket:
    sock = socket.socket(*info[:3])
    try:
        sock.setblocking(False)
        for option in options:
            sock.setsockopt(*option)
        if local_address is not None:
            sock.bind((local_address, 0))
        await loop.sock_connect(sock, info[4])
    except BaseException:
        sock.close()
        raise
    return sock


async def _connection(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> Connection:
    try:
        return (await loop.create_connection(Connection, sock=sock))[1]
    except BaseException:
        sock.close()
        raise


class Connection(asyncio.Protocol):
    """One connection: one task reads or writes at a time, and waits with one future."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._layers: list[_Layer] = []  # of TLS, the outermost first
        self._received: deque[bytes] | None = None  # none while empty, as it nearly always is: it takes 760 bytes
        self._size = 0  # of what was received
        self._held_back = self._full = False  # the peer is made to wait; the socket takes no more
        self._ended = self._lost = False  # nothing more will come; nothing can be sent any more
        self._error: type[Exception] | None = None  # why
        self._waiter: asyncio.Future[bool] | None = None
        self._writing = False  # what it waits for
        self._take: Callable[[bytes], bool] | None = None
        self._timer: Timer | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._due = _NEVER  # when that goes off, on the timer's clock

    # -- for the one task

    async def read(self, timer: Timer) -> bytes:
        """The next bytes, b"" at the end. Raises OSError and what `timer` raises. Cancelled, it has lost nothing."""
        timer.left()
        while not self._received:
            if self._ended:
                return self._end()
            await self._wait(timer)
        return self._next()

    async def feed(self, take: Callable[[bytes], bool], timer: Timer) -> None:
        """Give `take` what arrives, as it arrives, until it returns True; b"" at the end must make it do that. Raises
        what `read` and `take` raise.

        Bytes do not wait for the task to be woken, and it is not woken for those of which `take` makes nothing. That
        saves half of what an event costs beyond the loop's own work, and in a stream of finals most events.
        """
        while (waiter := self.expect(take, timer)) is not None:
            try:
                if await waiter:
                    return
            finally:
                self._take = None

    def expect(self, take: Callable[[bytes], bool], timer: Timer) -> asyncio.Future[bool] | None:
        """The beginning of `feed`: None where what had arrived was enough, else what to wait for. It gives True when
        `take` has done so, and False where this is to be called again."""
        self._take = None  # a read that was cancelled has left it, and this may be the last of its response
        timer.left()
        while self._received or self._ended:
            if take(self._next() if self._received else self._end()):
                return None
            timer.left()
        self._take = take
        return self._wait(timer)

    async def write(self, data: bytes, timer: Timer) -> None:
        """Returns when the operating system has all of `data`. Raises OSError and what `timer` raises."""
        for layer in reversed(self._layers):
            data = layer.encrypt(data)
        transport = self._transport
        failed = transport.is_closing()
        if not failed:
            transport.write(data)
            failed = transport.is_closing()  # the loss itself is told later
        while self._full or failed:
            if self._lost:
                raise self._error or BrokenPipeError
            try:
                await self._wait(timer, writing=True)
            except Exception:
                if self._full or failed:  # else it has all left while the alarm woke the task
                    raise

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None, timer: Timer) -> None:
        """Shake hands; what is read and written later goes through TLS, on whatever there is already. Raises OSError,
        ssl.SSLError among them, ValueError, and what `timer` raises."""
        layer = _Layer(context, server_hostname)
        done = False
        while not done:
            try:
                done = layer.shake()
            finally:
                if layer.outgoing.pending:  # an alert says why it failed
                    await self.write(layer.outgoing.read(), timer)
            if not done:
                layer.hear(await self.read(timer))
        early = b"".join(self._received or ())
        self._received = None
        self._size = 0
        self._layers.append(layer)
        self._keep(self._decrypted(early, len(self._layers) - 1))

    def readable(self) -> bool:
        """A read would not wait. On an idle connection that means its end, or bytes that belong to no request; or that
        the event loop it belongs to is not the one that runs."""
        if self._loop is not asyncio.get_running_loop():
            return True
        if self._received or self._ended or self._transport.is_closing():
            return True
        descriptor = self._transport.get_extra_info("socket").fileno()
        if not hasattr(select, "poll"):
            return bool(select.select([descriptor], [], [], 0)[0])
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def get_extra_info(self, info: str) -> Any:
        """Of httpcore's interface."""
        if info == "ssl_object":
            return self._layers[-1].tls if self._layers else None
        if info == "is_readable":
            return self.readable()
        return self._transport.get_extra_info({"client_addr": "sockname", "server_addr": "peername"}.get(info, info))

    def abort(self) -> None:
        """Close at once: nothing more is sent, nothing is waited for. Who reads or writes gets an OSError."""
        if not self._lost:
            with suppress(OSError), self._socket() as sock:
                sock.shutdown(socket.SHUT_RDWR)  # the peer learns of it now, not when the event loop next turns
            with suppress(RuntimeError):  # the event loop is gone
                self._transport.abort()
                self._over(ConnectionAbortedError, lost=True)

    def forget(self) -> None:
        """`abort`, from wherever the garbage collector runs."""
        with suppress(RuntimeError):  # the event loop is gone
            self._loop.call_soon_threadsafe(self.abort)

    # -- waiting

    def _wait(self, timer: Timer, writing: bool = False) -> asyncio.Future[bool]:
        # One alarm a connection, set again only when it went off too early: most waits have just moved the timer's end.
        self._timer, self._writing = timer, writing
        if timer.end is not None and timer.end < self._due:
            self._set_alarm(timer)
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def _set_alarm(self, timer: Timer) -> None:
        left, end = timer.left(), timer.end
        if self._alarm is not None:
            self._alarm.cancel()
        if left is not None and end is not None:
            self._alarm, self._due = self._loop.call_later(left, self._ring), end

    def _ring(self) -> None:
        self._alarm, self._due = None, _NEVER
        if self._timer is not None and self._waiter is not None and not self._waiter.done():
            try:
                self._set_alarm(self._timer)
            except Exception as error:
                self._waiter.set_exception(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(False)
        self._waiter = None  # an exception that it has had leads to who read

    # -- what was received

    def _next(self) -> bytes:
        assert self._received is not None
        data = self._received.popleft()
        if not self._received:
            self._received = None
        self._size -= len(data)
        if self._held_back and not self._size and not self._transport.is_closing():
            self._held_back = False
            self._transport.resume_reading()
        return data

    def _end(self) -> bytes:
        if self._error is not None:
            raise self._error
        return b""

    def _keep(self, data: bytes) -> None:
        if data:
            if self._received is None:
                self._received = deque()
            self._received.append(data)
            self._size += len(data)
            if self._size >= _HIGH_WATER and not self._held_back and not self._transport.is_closing():
                self._held_back = True
                self._transport.pause_reading()

    def _decrypted(self, data: bytes, first: int = 0) -> bytes:
        # `data` as it comes out of the layer `first`, and those on it.
        for i, layer in enumerate(self._layers[first:], first):
            data = layer.decrypt(data)
            if layer.ended:
                self._over(layer.error)
            elif layer.outgoing.pending:
                answer = layer.outgoing.read()
                for below in reversed(self._layers[:i]):
                    answer = below.encrypt(answer)
                self._transport.write(answer)
        return data

    def _over(self, error: type[Exception] | None, lost: bool = False) -> None:
        # The end, or an error in its place, once what was received has been read.
        if not self._ended:
            self._ended, self._error = True, error
        self._lost = self._lost or lost
        if self._lost:
            self._take = None
            if self._alarm is not None:
                self._alarm.cancel()
        if self._lost or not self._writing:
            self._loop.call_soon(self._wake)

    # -- for the transport

    def connection_made(self, transport: Any) -> None:
        """Of asyncio's interface, as what follows."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # what is written has left, or the writer waits

    def data_received(self, data: bytes) -> None:
        if self._layers:
            data = self._decrypted(data)
            if not data:
                return
        take, waiter, timer = self._take, self._waiter, self._timer
        if take is None or waiter is None or waiter.done() or timer is None:
            self._keep(data)
            if not self._writing:
                self._wake()
            return
        try:
            if take(data):
                self._take = None  # an idle connection keeps nobody
                waiter.set_result(True)
            elif timer.end is not None and timer.end < self._due:  # another has begun to run
                self._set_alarm(timer)
        except Exception as error:
            waiter.set_exception(error)

    def eof_received(self) -> bool:
        self._over(None)
        return True  # the other direction stays open

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._writing:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            # A service may refuse an upload and close without having read all of it: the reset that follows would take
            # with it the answer that came before.
            with suppress(OSError), self._socket() as sock:
                while data := sock.recv(65536):
                    self.data_received(data)
        self._over(ConnectionAbortedError if error is None else type(error), lost=True)

    def _socket(self) -> socket.socket:
        # The transport's own hides what is needed here.
        hiding = self._transport.get_extra_info("socket")
        if hiding is None:  # uvloop has closed it with the event loop
            raise OSError
        sock: socket.socket = hiding.dup()
        return sock


class _Layer:
    """TLS over bytes. What goes in and out is cut to records, so that no buffer of a connection grows beyond one.

    Attributes:
        tls: what says how it was agreed on.
        outgoing: bytes to be sent: read them after each call.
        ended: nothing more comes out of it: the peer has closed it, or there was an error.
        error: of which kind.
    """

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self.outgoing, server_hostname=server_hostname)
        self.ended = False
        self.error: type[Exception] | None = None

    def shake(self) -> bool:
        """Go on with the handshake; returns whether it is complete."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def hear(self, data: bytes) -> None:
        """Bytes of the handshake."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def encrypt(self, data: bytes) -> bytes:
        sent = []
        for start in range(0, len(data), _RECORD):
            self.tls.write(data[start : start + _RECORD])
            sent.append(self.outgoing.read())
        return b"".join(sent)

    def decrypt(self, data: bytes) -> bytes:
        if self.ended:  # whatever follows is nobody's, and there may be no end of it
            return b""
        found = []
        for start in range(0, len(data) or 1, _RECORD):
            self._incoming.write(data[start : start + _RECORD])
            try:
                while not self.ended and (self._incoming.pending or self.tls.pending()):
                    piece = self.tls.read(_RECORD)
                    self.ended = not piece
                    found.append(piece)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:  # what came before it is whole
                self.ended, self.error = True, type(error)
        return b"".join(found)
