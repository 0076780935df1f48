# Transport: sends one request on one connection and hands back its response, head read, body to be read.
#
# Knows: slots, pools of one connection, TLS contexts, proxies. Must not know: retries, bodies, speech recognition, the
# colour. What an exchange may do and for how long is Exchange's.

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Self
from urllib.parse import urlsplit
from weakref import WeakSet

from .._errors import ASRWireError, Closed, ConfigError, PoolTimeout, Timeout
from .._limits import Limits
from ._body import Headers
from ._colour import Colour, Steps
from ._exchange import Exchange
from ._logs import keep_heads_out
from ._proxy import check_proxy, make_proxy, proxy_of_environment
from ._slots import Slot, Slots, Waiter, Wake


@dataclass(frozen=True, slots=True, repr=False)
class Wire:
    """One request as it is sent: `headers` complete, Host and Content-Length included."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(slots=True, eq=False)
class Connection:
    """A pool of one connection and the network backend under it."""

    pool: Any
    tap: Any


class _Content:
    # The body for httpcore's Request, in either colour. Not bytes: of those httpcore makes an asynchronous generator,
    # which a failed write would leave suspended.

    def __init__(self, body: bytes) -> None:
        self._rest = [body]  # emptied as it is sent: the response leads here, and may be read for an hour

    def __iter__(self) -> Iterator[bytes]:
        while self._rest:
            yield self._rest.pop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


class Transport:
    """The connections of one client. Its generators are steps for a driver of `colour`."""

    def __init__(
        self, colour: Colour, limits: Limits, ssl_context: ssl.SSLContext | None, proxy: str | None, trust_env: bool,
        http: ModuleType | Callable[..., Any] | None,
    ) -> None:
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(ssl_context).__name__}")
        self.http: Any = http
        self._factory: Any = None
        if http is None or not hasattr(http, "ConnectionPool"):
            import httpcore

            if http is not None and not callable(http):
                raise TypeError("http must be a module such as httpcore, or a callable that makes a connection pool")
            self.http, self._factory = httpcore, http
        keep_heads_out(self.http.__name__)
        self.colour = colour
        self._ssl_context = ssl_context
        self._proxy = None if proxy is None else check_proxy(proxy)
        self._trust_env = trust_env
        self._slots: Slots[Connection, Any] = Slots(limits.connections, limits.keepalive, colour.event)
        _transports.add(self)

    def open(self, channel: Channel, wire: Wire) -> Steps[None]:
        """Send `wire` and read the response head. Raises what `Exchange` raises, PoolTimeout, Timeout, Closed."""
        parts = urlsplit(wire.url)
        slot = yield from self._acquire(channel, f"{parts.scheme}://{parts.netloc}")
        exchange, channel.slot = channel.exchange, slot
        try:
            exchange.left()  # closed while it waited
            connection = slot.connection
            if connection is not None and (yield connection.tap.stale):
                yield connection.tap.close
                connection = None
            if connection is None:
                connection = slot.connection = yield from self._connect(slot.origin, exchange)
            connection.tap.begin(exchange)
            if self._slots.closed:  # close() may have come before there was a connection to close
                raise Closed("the client was closed")
            request = self.http.Request(wire.method, wire.url, headers=[*wire.headers], content=_Content(wire.body))
            response = yield partial(self.colour.ask, connection.pool, request)
            channel.answered(response)
        except BaseException as error:
            yield from channel.drop()
            if isinstance(error, Exception) and not isinstance(error, ASRWireError):
                raise exchange.fault(error) from None
            raise

    def close(self) -> Steps[None]:
        """Close every connection; who is in the middle of an exchange gets Closed."""
        idle, busy = self._slots.close()
        yield from self._discard(idle)
        for connection in busy:
            connection.tap.exchange.closed = True
            yield connection.tap.interrupt

    def forked(self) -> None:
        """In a child process: two that read one connection would each have half of the words."""
        for connection in self._slots.forked():
            connection.tap.forked()

    def _acquire(self, channel: Channel, origin: str) -> Steps[Slot[Connection]]:
        patience, deadline = channel.exchange.timeouts.pool, channel.exchange.deadline
        place, doomed = self._slots.acquire(origin, time.monotonic())
        try:
            yield from self._discard(doomed)
            if isinstance(place, Slot):
                return place
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            total = left is not None and (patience is None or left < patience)
            yield from channel.wait(place.wake, left if total else patience)
            if self._slots.closed:
                raise Closed("the client was closed")
            channel.exchange.left()  # the stream was closed
            if place.slot is not None:
                return place.slot
            message = "no connection became free in time"
            if total:
                raise Timeout(f"{message}: the total timer ran out", phase="total", retry_safe=True)
            raise PoolTimeout(f"{message} (Timeouts.pool, Limits.connections)", phase="pool", retry_safe=True)
        except BaseException:
            if isinstance(place, Waiter):
                yield from self._discard(self._slots.abandon(place, time.monotonic()))
            else:
                yield from self.give_back(place, True)
            raise

    def _connect(self, origin: str, exchange: Exchange) -> Steps[Connection]:
        proxy = proxy_of_environment(origin) if self._proxy is None and self._trust_env else self._proxy
        if self._ssl_context is None and (origin.startswith("https:") or (proxy or "").startswith("https:")):
            yield partial(self.colour.once, lambda: self._ssl_context is not None, self._make_ssl_context)
        tap = self.colour.tap(self.http, exchange)
        described = None if proxy is None else make_proxy(self.http, proxy, self._ssl_context)
        settings = {"network_backend": tap, "ssl_context": self._ssl_context, "proxy": described}
        if self._factory is not None:
            try:
                return Connection(self._factory(**settings), tap)
            except Exception as error:
                raise ConfigError(f"http, called for a connection pool, failed ({type(error).__name__})") from error
        pool = getattr(self.http, self.colour.pool)
        return Connection(pool(max_connections=1, http1=True, http2=False, **settings), tap)

    def _make_ssl_context(self) -> None:
        self._ssl_context = self.http.default_ssl_context()

    def give_back(self, slot: Slot[Connection], reusable: bool) -> Steps[None]:
        """The exchange on `slot` is over."""
        yield from self._discard(self._slots.release(slot, reusable, time.monotonic()))

    def _discard(self, doomed: list[Connection]) -> Steps[None]:
        stopped: BaseException | None = None
        for connection in doomed:
            try:
                yield connection.tap.close
            except BaseException as error:  # a cancellation must not leave the others open
                stopped = error
        if stopped is not None:
            raise stopped


_transports: WeakSet[Transport] = WeakSet()


def _forked() -> None:
    for transport in list(_transports):
        transport.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)


class Channel:
    """One exchange and the connection it has, once it has one."""

    def __init__(self, transport: Transport, exchange: Exchange) -> None:
        self.exchange = exchange
        self.slot: Slot[Connection] | None = None  # None again when it was given back
        self.status = 0
        self.headers: Headers = ()
        self._transport = transport
        self.framed = False  # the HTTP module finds the end of the body: HTTP/2
        self._response: Any = None
        self._decoded: Any = None
        self._wake: Wake | None = None

    def answered(self, response: Any) -> None:
        """The head has come. Raises ConfigError where it came past our network backend, LimitExceeded."""
        source = response.extensions.get("network_stream")
        if not hasattr(source, "read_body"):
            raise ConfigError("http must make pools on the network_backend it is given")
        self.framed = self.exchange.http2
        if self.framed:
            self.exchange.check_head(response.headers)
            self._decoded = source = self._transport.colour.decoded(response.stream, self.exchange)
        self._response = response
        self.status = response.status
        self.headers = tuple(response.headers)
        #: a piece of I/O: the next bytes of the body as they are on the wire; b"" at the end of the connection
        self.read: Callable[[], Any] = source.read_body
        #: a piece of I/O: what `read` gives, again and again, until the callable given it returns True
        self.feed: Callable[[Callable[[bytes], bool]], Any] = source.feed
        #: for a callable, `feed` without steps: blocking, or giving the future that a task waits for; None: only steps
        self.quick: Callable[[Callable[[bytes], bool]], Callable[[], Any]] | None = source.quick

    def finish(self, stand_in: bytes) -> Steps[None]:
        """The body has been read to its end: let the HTTP module see an end too, and keep the connection."""
        assert self.slot is not None
        connection, reusable = self.slot.connection, False
        assert connection is not None
        try:
            with suppress(Exception):
                self.exchange.left()  # closed meanwhile: not to be kept
                if not self.framed:
                    connection.tap.stand_in = stand_in
                    yield partial(self._transport.colour.drain, self._response)
                yield partial(self._transport.colour.done, self._response)
                reusable = not self.exchange.held and any(kept.is_idle() for kept in connection.pool.connections)
        finally:
            yield from self.drop(reusable)

    def drop(self, reusable: bool = False) -> Steps[None]:
        """Close the connection, or keep it where it is `reusable`; unless it was given back already."""
        slot, self.slot = self.slot, None
        if slot is None:
            return
        try:
            if self._decoded is not None:
                yield self._decoded.close
        finally:
            # Asked after that is said: interrupt() says the one and asks the other in the opposite order.
            yield from self._transport.give_back(slot, reusable and not self.exchange.closed)

    def wait(self, wake: Any, seconds: float | None) -> Steps[None]:
        """Wait until `wake` is set, for `seconds` at most, or until `interrupt`."""
        self._wake = wake
        if not self.exchange.closed:
            yield partial(self._transport.colour.wait, wake, seconds)

    def interrupt(self) -> Steps[None]:
        """From elsewhere: wake the one that waits or reads."""
        self.exchange.closed = True
        if self._wake is not None:
            self._wake.set()
        slot = self.slot
        if slot is not None and slot.connection is not None:
            yield slot.connection.tap.interrupt
