# Tap: the network backend under every connection pool, and the streams it makes.
#
# Knows: httpcore's NetworkBackend and NetworkStream interfaces, documented and the same in httpcore2. The HTTP module
# above reads the response head through it and nothing else (in HTTP/2: everything); the body is read past it, from the
# stream that the response names as its "network_stream" extension. h11 and the layers around it cost 4 us for each
# chunk, the body's own parser 0.01. Must not decide anything: timers, limits and errors are Exchange's.

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from .._errors import ConfigError
from ._asyncio import Connection, connect
from ._exchange import Exchange

READ_SIZE: Final = 65536
_theirs: list[Any] = []  # network streams of the parent of this process, never to be closed: that would tell its peers
KEEPALIVE: Final = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class _Tap:
    """What both colours share: the connection of one slot.

    Attributes:
        exchange: the exchange in progress, else the last one.
        streams: the network streams of the connection, the plain one first, each TLS layer after it.
        stand_in: bytes the HTTP module reads instead of a body that was read past it.
    """

    def __init__(self, http: Any, exchange: Exchange) -> None:
        self.http = http
        self.exchange = exchange
        self.streams: list[Any] = []
        self.stand_in = b""

    def begin(self, exchange: Exchange) -> None:
        """The next exchange on this connection."""
        exchange.http2 = self.exchange.http2
        self.exchange = exchange

    def options(self, given: Any) -> list[Any]:
        return [*(given or ()), KEEPALIVE]

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        # Of httpcore's interface; only a pool that `http=` made with `uds=` comes here.
        raise ConfigError("Unix domain sockets are not supported: http must make pools that connect over TCP")


class _Stream:
    def __init__(self, tap: _Tap, inner: Any) -> None:
        self._tap = tap
        self._inner = inner

    def _instead(self) -> bytes | None:
        # What a read gives without touching the network, once the head is over. (In HTTP/2 it never is.)
        if not self._tap.exchange.head_done:
            self._tap.exchange.reading()
            return None
        data, self._tap.stand_in = self._tap.stand_in, b""
        return data

    def _held(self) -> bytes:
        exchange = self._tap.exchange
        held, exchange.held = exchange.held, b""
        return held

    def _received(self, data: bytes) -> bytes:
        if not data:
            self._tap.exchange.left()  # the end may be somebody's close() elsewhere
        return data

    def _answered(self) -> bool:
        # After a write that timed out: the peer has said something, and it can still be read.
        return bool(self._inner.get_extra_info("is_readable"))

    def _unwritten(self, error: Exception) -> Exception:
        # What to raise for a failed write. After a WriteError the HTTP module goes on to read: a service may refuse an
        # upload before its end, and then read no more of it.
        http, exchange = self._tap.http, self._tap.exchange
        late = isinstance(error, (http.WriteTimeout, TimeoutError))
        broken = isinstance(error, (http.WriteError, OSError)) and not late
        goes_on = not exchange.closed and (self._answered() if late else broken)
        return http.WriteError() if goes_on else exchange.fault(error)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# == blocking =========================================================================================================


class Tap(_Tap):
    """A blocking network backend for one connection."""

    _known: threading.Event | None = None  # set when a name has been looked up, or nobody wants to know any more

    def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: str | None = None, socket_options: Any = None
    ) -> Stream:
        """Resolve and connect, all within one timer: the time-outs of the pool above do not count."""
        exchange = self.exchange
        exchange.connecting()
        backend, options = self.http.SyncBackend(), self.options(socket_options)
        try:
            addresses = self._resolve(host, port)
            for untried in range(len(addresses), 0, -1):
                left = exchange.left()
                share = None if left is None else left / untried  # a dead address must not take its neighbour's time
                try:
                    inner = backend.connect_tcp(addresses[-untried], port, share, local_address, options)
                    break
                except (self.http.ConnectError, self.http.ConnectTimeout):
                    if untried == 1:
                        raise
        except Exception as error:
            raise exchange.fault(error) from None
        return self.add(inner)

    def _resolve(self, host: str, port: int) -> list[str]:
        # getaddrinfo has no time-out of its own; it gets a thread that nobody waits for longer than the timer allows.
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
            return [host]
        except OSError:
            pass
        found: list[str] = []
        failed: list[Exception] = []

        def look_up(known: threading.Event) -> None:
            try:
                infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found.extend(dict.fromkeys(str(info[4][0]) for info in infos))
            except Exception as error:
                failed.append(error)
            known.set()

        self._known = threading.Event()
        threading.Thread(target=look_up, args=(self._known,), daemon=True, name="asrwire-getaddrinfo").start()
        if not (self._known.wait(self.exchange.left()) and (found or failed)):
            self.exchange.left()  # interrupted
            raise TimeoutError
        if failed:
            raise failed[0]
        return found

    def sleep(self, seconds: float) -> None:
        """Of httpcore's interface: between the connection attempts of a pool that was made with `retries`."""
        time.sleep(seconds)

    def add(self, inner: Any) -> Stream:
        self.streams.append(inner)
        return Stream(self, inner)

    def stale(self) -> bool:
        """Something waits on the idle connection: its end, or bytes that belong to no request."""
        top = self.streams[-1] if self.streams else None
        secured = sum(1 for inner in self.streams if inner.get_extra_info("ssl_object") is not None)
        # TLS inside TLS keeps records where no poll sees them.
        return top is None or secured > 1 or bool(top.get_extra_info("is_readable"))

    def interrupt(self) -> None:
        """Wake a thread that resolves, reads or writes; the connection is useless afterwards but not closed."""
        if self._known is not None:
            self._known.set()
        for inner in reversed(self.streams):
            sock = inner.get_extra_info("socket")
            if isinstance(sock, socket.socket):
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket's own shutdown forgets its TLS state
                return

    def close(self) -> None:
        while self.streams:
            with suppress(Exception):
                self.streams.pop().close()

    def forked(self) -> None:
        """This is a child process, and the connection its parent's: who reads here gets Closed."""
        self.exchange.closed = True
        self.close()  # says nothing to the peer


class Stream(_Stream):
    """A blocking network stream that keeps the exchange's rules."""

    _tap: Tap

    def __init__(self, tap: Tap, inner: Any) -> None:
        super().__init__(tap, inner)
        # Where the stream is no more than a socket, its bytes are taken from there: the HTTP module's way of mapping
        # exceptions, which `Exchange.fault` does again, is a third of what reading a live event costs a thread. TLS in
        # TLS and a stream of somebody's own name a socket, too, but what comes out of that is not what they read.
        sock = inner.get_extra_info("socket")
        plain = type(inner).__name__ == "SyncStream" and isinstance(sock, socket.socket)
        self._socket = sock if plain else None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For the HTTP module: bytes of the head only, then what stands in for the body."""
        data = self._instead()
        return self._tap.exchange.head_bytes(self.read_body()) if data is None else data

    def read_body(self) -> bytes:
        """For the client: the next bytes of the body as they are on the wire; b"" at the end of the connection."""
        exchange = self._tap.exchange
        try:
            if exchange.held:
                return self._held()
            seconds = exchange.left()
            if self._socket is None:
                return self._received(self._inner.read(READ_SIZE, seconds))
            self._socket.settimeout(seconds)
            return self._socket.recv(READ_SIZE) or self._received(b"")
        except Exception as error:
            raise exchange.fault(error) from None

    def feed(self, take: Callable[[bytes], bool]) -> None:
        """For the client: give `take` what `read_body` gives, until it returns True."""
        while not take(self.read_body()):
            pass

    def quick(self, take: Callable[[bytes], bool]) -> Callable[[], None]:
        """For the client: `feed`, prepared."""
        return partial(self.feed, take)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece, seconds in self._tap.exchange.outgoing(buffer):
            try:
                self._inner.write(piece, seconds)
            except Exception as error:
                raise self._unwritten(error) from None

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None) -> Stream:
        exchange = self._tap.exchange
        exchange.securing()
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, exchange.left())
        except Exception as error:
            raise exchange.fault(error) from None
        return self._tap.add(inner)

    def close(self) -> None:
        self._inner.close()


# == async ============================================================================================================


class AsyncTap(_Tap):
    """An asynchronous network backend for one connection: our own on asyncio, httpcore's on trio."""

    _connecting: Any = None  # the scope of an attempt to connect

    def __del__(self) -> None:
        # The event loop keeps a connection of ours that nobody else knows any more; httpcore's close themselves.
        for inner in self.streams[:1]:  # which any TLS is a part of
            if isinstance(inner, Connection):
                warnings.warn("a connection was let go of unclosed", ResourceWarning, stacklevel=2, source=self)
                inner.forget()

    async def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: str | None = None, socket_options: Any = None
    ) -> AsyncStream:
        """Resolve and connect, all within one timer: the time-outs of the pool above do not count."""
        import anyio

        exchange, options = self.exchange, self.options(socket_options)
        exchange.connecting()
        trio = sys.modules.get("trio")
        on_trio = trio is not None and trio.lowlevel.in_trio_task()
        inner: Any = None
        try:
            with anyio.fail_after(exchange.left()) as self._connecting:
                if on_trio:
                    inner = await self.http.TrioBackend().connect_tcp(host, port, None, local_address, options)
                else:
                    inner = await connect(host, port, local_address, options)
            if inner is None:  # interrupted
                raise ConnectionAbortedError
        except Exception as error:
            raise exchange.fault(error) from None
        finally:
            self._connecting = None
        return self.add(inner)

    async def sleep(self, seconds: float) -> None:
        import anyio

        await anyio.sleep(seconds)

    def add(self, inner: Any) -> AsyncStream:
        self.streams.append(inner)
        return NativeStream(self, inner) if isinstance(inner, Connection) else AsyncStream(self, inner)

    async def stale(self) -> bool:
        """Something waits on the idle connection: its end, or bytes that belong to no request.

        A poll does not see what TLS or trio has read already; a short read does, because what is there is handed out
        before the timer can fire.
        """
        import anyio

        top = self.streams[-1] if self.streams else None
        if top is None or top.get_extra_info("is_readable"):
            return True
        if not isinstance(top, Connection):
            with anyio.move_on_after(0.001):
                with suppress(Exception):
                    await top.read(1)
                return True
        return False

    async def interrupt(self) -> None:
        """Wake a task that connects, reads or writes."""
        if self._connecting is not None:
            self._connecting.cancel()
        await self.close()

    async def close(self) -> None:
        """Close at once: nothing is sent, and nothing is waited for that could take time."""
        while self.streams:
            inner = self.streams.pop()
            if isinstance(inner, Connection):
                inner.abort()
            else:
                await self._close(inner)

    def forked(self) -> None:
        """As `Tap.forked`; the event loop, which is the parent's too, is left alone."""
        self.exchange.closed = True
        _theirs.extend(self.streams)
        self.streams.clear()

    async def _close(self, inner: Any) -> None:
        import anyio

        try:
            scope = anyio.CancelScope(shield=True)
        except RuntimeError:  # the event loop is gone, and with it all that could be closed through it
            return
        with scope, suppress(Exception):
            await inner.aclose()


class AsyncStream(_Stream):
    """An asynchronous network stream that keeps the exchange's rules, over one of httpcore's."""

    _tap: AsyncTap
    quick: Any = None

    def _answered(self) -> bool:
        # A TLS layer whose write was cancelled (that is how a write times out here) is broken for reading too.
        return super()._answered() and self._inner.get_extra_info("ssl_object") is None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For the HTTP module: bytes of the head only, then what stands in for the body."""
        data = self._instead()
        return self._tap.exchange.head_bytes(await self.read_body()) if data is None else data

    async def read_body(self) -> bytes:
        """For the client: the next bytes of the body as they are on the wire; b"" at the end of the connection."""
        exchange = self._tap.exchange
        try:
            return self._held() or self._received(await self._inner.read(READ_SIZE, exchange.left()))
        except Exception as error:
            raise exchange.fault(error) from None

    async def feed(self, take: Callable[[bytes], bool]) -> None:
        """For the client: give `take` what `read_body` gives, until it returns True."""
        while not take(await self.read_body()):
            pass

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece, seconds in self._tap.exchange.outgoing(buffer):
            try:
                await self._write(piece, seconds)
            except Exception as error:
                raise self._unwritten(error) from None

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> AsyncStream:
        exchange = self._tap.exchange
        exchange.securing()
        try:
            return self._tap.add(await self._secured(ssl_context, server_hostname))
        except Exception as error:
            raise exchange.fault(error) from None

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _write(self, piece: bytes, seconds: float | None) -> None:
        await self._inner.write(piece, seconds)

    async def _secured(self, context: ssl.SSLContext, server_hostname: str | None) -> Any:
        return await self._inner.start_tls(context, server_hostname, self._tap.exchange.left())


class NativeStream(AsyncStream):
    """The same over a `Connection` of our own."""

    _answered = _Stream._answered

    async def read_body(self) -> bytes:
        exchange = self._tap.exchange
        try:
            return self._held() or self._received(await self._inner.read(exchange))
        except OSError as error:
            raise exchange.fault(error) from None

    async def feed(self, take: Callable[[bytes], bool]) -> None:
        exchange = self._tap.exchange
        if exchange.held and take(self._held()):
            return
        try:
            await self._inner.feed(take, exchange)
        except OSError as error:  # the connection's; what `take` raises is not
            raise exchange.fault(error) from None

    def quick(self, take: Callable[[bytes], bool]) -> Callable[[], Any]:
        """For the client, once it has used `feed`: the beginning of that, prepared; see `Connection.expect`."""
        return partial(self._inner.expect, take, self._tap.exchange)

    async def aclose(self) -> None:
        self._inner.abort()

    async def _write(self, piece: bytes, seconds: float | None) -> None:
        await self._inner.write(piece, self._tap.exchange)

    async def _secured(self, context: ssl.SSLContext, server_hostname: str | None) -> Any:
        await self._inner.start_tls(context, server_hostname, self._tap.exchange)
        return self._inner
