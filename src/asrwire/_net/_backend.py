# Tap: the network backend under every connection pool, and the streams it makes.
#
# Knows: httpcore's NetworkBackend and NetworkStream interfaces, documented and the same in httpcore2. The HTTP module
# above reads the response head through it and nothing else; the body is read past it, from the stream that the response
# names as its "network_stream" extension. Must not decide anything: timers, limits and errors are Exchange's.

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from ._exchange import Exchange

READ_SIZE: Final = 65536
KEEPALIVE: Final = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class _Tap:
    """What both colours share: the connection of one slot.

    Attributes:
        exchange: the exchange in progress; set before each request.
        streams: the network streams of the connection, the plain one first, each TLS layer after it.
        stand_in: bytes the HTTP module reads instead of a body that was read past it.
    """

    def __init__(self, http: Any) -> None:
        self.http = http
        self.exchange: Exchange | None = None
        self.streams: list[Any] = []
        self.stand_in = b""

    @property
    def running(self) -> Exchange:
        assert self.exchange is not None
        return self.exchange

    def options(self, given: Iterable[Any] | None) -> list[Any]:
        return [*(given or ()), KEEPALIVE]


class _Stream:
    def __init__(self, tap: Any, inner: Any) -> None:
        self._tap = tap
        self._inner = inner

    def _instead(self) -> bytes | None:
        # What a read gives without touching the network, once the head is over.
        if not self._tap.running.head_done:
            return None
        data, self._tap.stand_in = self._tap.stand_in, b""
        return bytes(data)

    def _answered(self) -> bool:
        # After a write that timed out: the peer has said something, and it can still be read.
        return bool(self._inner.get_extra_info("is_readable"))

    def _unwritten(self, error: Exception) -> Exception:
        # What to raise for a failed write. After a WriteError the HTTP module goes on to read: a service may refuse an
        # upload before its end, and then read no more of it.
        http, exchange = self._tap.http, self._tap.running
        if not exchange.closed:
            if isinstance(error, http.WriteError):
                return error
            if isinstance(error, http.WriteTimeout) and self._answered():
                refused: Exception = http.WriteError()
                return refused
        fault: Exception = exchange.fault(error)
        return fault

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# == blocking =========================================================================================================


class Tap(_Tap):
    """A blocking network backend for one connection."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Resolve and connect, all within one timer: the time-outs of the pool above do not count."""
        exchange = self.running
        exchange.connecting()
        backend = self.http.SyncBackend()
        try:
            addresses = _resolve(host, port, exchange.left())
            for untried in range(len(addresses), 0, -1):
                left = exchange.left()
                share = None if left is None else left / untried  # a dead address must not take its neighbour's time
                try:
                    inner = backend.connect_tcp(
                        addresses[-untried], port, share, local_address, self.options(socket_options)
                    )
                    break
                except (self.http.ConnectError, self.http.ConnectTimeout):
                    if untried == 1:
                        raise
        except Exception as error:
            raise exchange.fault(error) from None
        return self.add(inner)

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Stream:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def add(self, inner: Any) -> Stream:
        stream = Stream(self, inner)
        self.streams.append(inner)
        return stream

    def stale(self) -> bool:
        """Something waits on the idle connection: its end, or bytes that belong to no request."""
        top = self.streams[-1] if self.streams else None
        secured = sum(1 for inner in self.streams if inner.get_extra_info("ssl_object") is not None)
        # TLS inside TLS keeps records where no poll sees them.
        return top is None or secured > 1 or bool(top.get_extra_info("is_readable"))

    def interrupt(self) -> None:
        """Wake a thread that reads or writes; the connection is useless afterwards but not closed."""
        for inner in reversed(self.streams):
            sock = inner.get_extra_info("socket")
            if isinstance(sock, socket.socket):
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket's own shutdown forgets its TLS state
                except OSError:
                    pass
                return

    def close(self) -> None:
        while self.streams:
            try:
                self.streams.pop().close()
            except Exception:
                pass


class Stream(_Stream):
    """A blocking network stream that keeps the exchange's rules."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For the HTTP module: bytes of the head only, then what stands in for the body."""
        data = self._instead()
        if data is not None:
            return data
        exchange = self._tap.running
        exchange.reading()
        head: bytes = exchange.head_bytes(self._read(exchange))
        return head

    def read_body(self) -> bytes:
        """For the client: the next bytes of the body as they are on the wire; b"" at the end of the connection."""
        exchange: Exchange = self._tap.running
        held: bytes = exchange.held
        exchange.held = b""
        return held or self._read(exchange)

    def _read(self, exchange: Exchange) -> bytes:
        seconds = exchange.left()
        try:
            data: bytes = self._inner.read(READ_SIZE, seconds)
        except Exception as error:
            raise exchange.fault(error) from None
        if not data:
            exchange.left()  # the end may be somebody's close() in another thread
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._tap.running
        for piece, seconds in exchange.outgoing(buffer):
            try:
                self._inner.write(piece, seconds)
            except Exception as error:
                raise self._unwritten(error) from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        exchange = self._tap.running
        exchange.securing()
        seconds = exchange.left()
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, seconds)
        except Exception as error:
            raise exchange.fault(error) from None
        stream: Stream = self._tap.add(inner)
        return stream

    def close(self) -> None:
        self._inner.close()


def _resolve(host: str, port: int, seconds: float | None) -> list[str]:
    # getaddrinfo has no time-out of its own; it gets a thread that nobody waits for longer than `seconds`.
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        return [host]
    except OSError:
        pass
    found: list[str] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                address = str(info[4][0])
                if address not in found:
                    found.append(address)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=look_up, daemon=True, name="asrwire-getaddrinfo")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if failed:
        raise failed[0]
    return found


# == async ============================================================================================================


class AsyncTap(_Tap):
    """An asynchronous network backend for one connection, on asyncio (through anyio) or trio."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncStream:
        """Resolve and connect, all within one timer: the time-outs of the pool above do not count."""
        exchange = self.running
        exchange.connecting()
        trio = sys.modules.get("trio")
        on_trio = trio is not None and trio.lowlevel.in_trio_task()
        backend = self.http.TrioBackend() if on_trio else self.http.AnyIOBackend()
        seconds = exchange.left()
        try:
            inner = await backend.connect_tcp(host, port, seconds, local_address, self.options(socket_options))
        except Exception as error:
            raise exchange.fault(error) from None
        return self.add(inner)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> AsyncStream:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        import anyio

        await anyio.sleep(seconds)

    def add(self, inner: Any) -> AsyncStream:
        stream = AsyncStream(self, inner)
        self.streams.append(inner)
        return stream

    async def stale(self) -> bool:
        """Something waits on the idle connection: its end, or bytes that belong to no request.

        A poll does not see what TLS or the event loop's transport has read already; a short read does, because what
        is there is handed out before the timer can fire.
        """
        import anyio

        top = self.streams[-1] if self.streams else None
        if top is None or top.get_extra_info("is_readable"):
            return True
        with anyio.move_on_after(0.001):
            try:
                await top.read(1)
            except Exception:
                pass
            return True
        return False

    async def interrupt(self) -> None:
        """Wake a task that reads or writes."""
        await self.close()

    async def close(self) -> None:
        """Close at once: nothing is sent, and nothing is waited for that could take time."""
        import anyio

        try:
            scope = anyio.CancelScope(shield=True)
        except RuntimeError:  # the event loop is gone, and with it all that could be closed through it
            self.streams.clear()
            return
        with scope:
            while self.streams:
                try:
                    await self.streams.pop().aclose()
                except Exception:
                    pass


class AsyncStream(_Stream):
    """An asynchronous network stream that keeps the exchange's rules."""

    def _answered(self) -> bool:
        # A TLS layer whose write was cancelled (that is how a write times out here) is broken for reading too.
        return super()._answered() and self._inner.get_extra_info("ssl_object") is None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For the HTTP module: bytes of the head only, then what stands in for the body."""
        data = self._instead()
        if data is not None:
            return data
        exchange = self._tap.running
        exchange.reading()
        head: bytes = exchange.head_bytes(await self._read(exchange))
        return head

    async def read_body(self) -> bytes:
        """For the client: the next bytes of the body as they are on the wire; b"" at the end of the connection."""
        exchange: Exchange = self._tap.running
        held: bytes = exchange.held
        exchange.held = b""
        return held or await self._read(exchange)

    async def _read(self, exchange: Exchange) -> bytes:
        seconds = exchange.left()
        try:
            data: bytes = await self._inner.read(READ_SIZE, seconds)
        except Exception as error:
            raise exchange.fault(error) from None
        if not data:
            exchange.left()  # the end may be another task's aclose()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._tap.running
        for piece, seconds in exchange.outgoing(buffer):
            try:
                await self._inner.write(piece, seconds)
            except Exception as error:
                raise self._unwritten(error) from None

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncStream:
        exchange = self._tap.running
        exchange.securing()
        seconds = exchange.left()
        try:
            inner = await self._inner.start_tls(ssl_context, server_hostname, seconds)
        except Exception as error:
            raise exchange.fault(error) from None
        stream: AsyncStream = self._tap.add(inner)
        return stream

    async def aclose(self) -> None:
        await self._inner.aclose()
