# Transport: sends one request on one connection and hands back its response, head read, body to be read.
#
# Knows: slots, pools of one connection, TLS contexts, proxies. Must not know: retries, bodies, speech recognition.
# The two colours differ in "await" and in what they wait with; what they decide is decided in Exchange and Slots.

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self
from urllib.parse import urlsplit

from .._errors import Closed, ConfigError, PoolTimeout, Timeout
from .._limits import Limits
from ._backend import AsyncTap, Tap
from ._body import Headers
from ._exchange import Exchange
from ._proxy import check_proxy, make_proxy, proxy_of_environment
from ._slots import Slot, Slots, Waiter

Factory = Callable[..., Any]


@dataclass(frozen=True, slots=True, repr=False)
class Wire:
    """One request as it is sent: `headers` complete, Host and Content-Length included."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class _Content:
    # The body for httpcore's Request, in either colour. Not bytes: of those httpcore makes an asynchronous generator,
    # which a failed write would leave suspended.

    def __init__(self, body: bytes) -> None:
        self._rest = [body]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rest)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


class _Transport:
    def __init__(
        self,
        limits: Limits,
        *,
        ssl_context: ssl.SSLContext | None,
        proxy: str | None,
        trust_env: bool,
        http: ModuleType | Factory | None,
    ) -> None:
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(ssl_context).__name__}")
        if http is None or not hasattr(http, "ConnectionPool"):
            import httpcore

            if http is not None and not callable(http):
                raise TypeError("http must be a module such as httpcore, or a callable that makes a connection pool")
            self.http: Any = httpcore
            self._factory: Any = http
        else:
            self.http, self._factory = http, None
        self._limits = limits
        self._ssl_context = ssl_context
        self._proxy = None if proxy is None else check_proxy(proxy)
        self._trust_env = trust_env

    def _proxy_of(self, origin: str) -> str | None:
        return proxy_of_environment(origin) if self._proxy is None and self._trust_env else self._proxy

    def _needs_tls(self, origin: str, proxy: str | None) -> bool:
        secure = origin.startswith("https:") or (proxy is not None and proxy.startswith("https:"))
        return secure and self._ssl_context is None

    def _make_pool(self, kind: str, tap: Any, proxy: str | None) -> Any:
        described = None if proxy is None else make_proxy(self.http, proxy, self._ssl_context)
        if self._factory is not None:
            return self._factory(network_backend=tap, ssl_context=self._ssl_context, proxy=described)
        return getattr(self.http, kind)(
            ssl_context=self._ssl_context,
            proxy=described,
            max_connections=1,
            http1=True,
            http2=False,
            network_backend=tap,
        )

    def _request(self, wire: Wire) -> Any:
        # Header fields are given as they are: httpcore adds none here, and h11 refuses what is not a field.
        return self.http.Request(wire.method, wire.url, headers=list(wire.headers), content=_Content(wire.body))

    def _check_stream(self, response: Any) -> None:
        if not hasattr(response.extensions.get("network_stream"), "read_body"):
            raise ConfigError("http must make HTTP/1.1 pools on the network_backend it is given")


def _no_place(timer: str, seconds: float | None) -> PoolTimeout | Timeout:
    if timer == "total":
        return Timeout("the total timer ran out waiting for a free connection", phase="total", retry_safe=True)
    return PoolTimeout(
        f"no connection became free within {seconds or 0:g} s (Timeouts.pool, Limits.connections)",
        phase="pool",
        retry_safe=True,
    )


def _patience(pool: float | None, deadline: float | None) -> tuple[str, float | None]:
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if left is not None and (pool is None or left < pool):
        return "total", left
    return "pool", pool


# == blocking =========================================================================================================


@dataclass(slots=True, eq=False)
class Connection:
    """A pool of one connection and the backend under it."""

    pool: Any
    tap: Tap


class Transport(_Transport):
    """The connections of one `Client`. Threads may share it."""

    exact_writes = True

    def __init__(self, limits: Limits, **settings: Any) -> None:
        super().__init__(limits, **settings)
        self._slots: Slots[Connection, threading.Event] = Slots(limits.connections, limits.keepalive, threading.Event)
        self._tls = threading.Lock()

    def open(self, wire: Wire, exchange: Exchange, pool: float | None, deadline: float | None) -> Channel:
        """Send `wire` and read the response head. Raises what `Exchange` raises, PoolTimeout, Closed."""
        slot = self._acquire(wire.origin, pool, deadline)
        channel = Channel(self, slot, exchange)
        try:
            connection = slot.connection
            if connection is not None and connection.tap.stale():
                connection.tap.close()
                connection = None
            if connection is None:
                connection = slot.connection = self._connect(wire.origin)
            connection.tap.exchange = exchange
            response = connection.pool.handle_request(self._request(wire))
            self._check_stream(response)
            channel.answered(response)
            return channel
        except Exception as error:
            channel.drop()
            raise exchange.fault(error) from None
        except BaseException:
            channel.drop()
            raise

    def close(self) -> None:
        """Close every connection; a thread in the middle of an exchange gets Closed."""
        idle, busy = self._slots.close()
        self._discard(idle)
        for connection in busy:
            if connection.tap.exchange is not None:
                connection.tap.exchange.closed = True
            connection.tap.shut_down()

    def _acquire(self, origin: str, pool: float | None, deadline: float | None) -> Slot[Connection]:
        place, doomed = self._slots.acquire(origin, time.monotonic())
        self._discard(doomed)
        if isinstance(place, Slot):
            return place
        timer, seconds = _patience(pool, deadline)
        try:
            place.wake.wait(seconds)
        except BaseException:
            self._abandon(place)
            raise
        if place.slot is None or self._slots.closed:
            self._abandon(place)
            raise Closed("the client was closed") if self._slots.closed else _no_place(timer, seconds)
        return place.slot

    def _abandon(self, waiter: Waiter[Connection, threading.Event]) -> None:
        self._discard(self._slots.abandon(waiter, time.monotonic()))

    def _connect(self, origin: str) -> Connection:
        proxy = self._proxy_of(origin)
        if self._needs_tls(origin, proxy):
            with self._tls:
                if self._ssl_context is None:
                    self._ssl_context = self.http.default_ssl_context()
        tap = Tap(self.http)
        return Connection(self._make_pool("ConnectionPool", tap, proxy), tap)

    def give_back(self, slot: Slot[Connection], reusable: bool) -> None:
        self._discard(self._slots.release(slot, reusable, time.monotonic()))

    @staticmethod
    def _discard(doomed: list[Connection]) -> None:
        for connection in doomed:
            connection.tap.close()


class Channel:
    """One exchange on its connection, from the response head on."""

    def __init__(self, transport: Transport, slot: Slot[Connection], exchange: Exchange) -> None:
        self.exchange = exchange
        self.status = 0
        self.headers: Headers = ()
        self._transport = transport
        self._slot = slot
        self._response: Any = None
        self._given_back = False

    def answered(self, response: Any) -> None:
        self._response = response
        self.status = response.status
        self.headers = tuple(response.headers)

    def read(self) -> bytes:
        """The next bytes of the body as they are on the wire; b"" at the end of the connection."""
        data: bytes = self._response.extensions["network_stream"].read_body()
        return data

    def finish(self, stand_in: bytes) -> None:
        """The body has been read to its end: let the HTTP module see an end too, and keep the connection."""
        connection = self._slot.connection
        assert connection is not None
        reusable = False
        try:
            self.exchange.left()  # closed meanwhile: not to be kept
            connection.tap.stand_in = stand_in
            for _ in self._response.stream:
                pass
            self._response.close()
            reusable = not self.exchange.held and any(kept.is_idle() for kept in connection.pool.connections)
        except Exception:
            pass
        finally:
            self._give_back(reusable)

    def drop(self) -> None:
        """Close the connection, unless it was given back already."""
        self._give_back(False)

    def interrupt(self) -> None:
        """From another thread: wake the one that reads."""
        self.exchange.closed = True
        if self._slot.connection is not None and not self._given_back:
            self._slot.connection.tap.shut_down()

    def _give_back(self, reusable: bool) -> None:
        if not self._given_back:
            self._given_back = True
            self._transport.give_back(self._slot, reusable)


# == async ============================================================================================================


@dataclass(slots=True, eq=False)
class AsyncConnection:
    """A pool of one connection and the backend under it."""

    pool: Any
    tap: AsyncTap


class AsyncTransport(_Transport):
    """The connections of one `AsyncClient`. Tasks may share it."""

    # An event loop's transport can have flushed its buffer by the time a write is reported as failed.
    exact_writes = False

    def __init__(self, limits: Limits, **settings: Any) -> None:
        super().__init__(limits, **settings)
        import anyio

        self._slots: Slots[AsyncConnection, Any] = Slots(limits.connections, limits.keepalive, anyio.Event)
        self._tls = anyio.Lock()

    async def open(self, wire: Wire, exchange: Exchange, pool: float | None, deadline: float | None) -> AsyncChannel:
        """Send `wire` and read the response head. Raises what `Exchange` raises, PoolTimeout, Closed."""
        slot = await self._acquire(wire.origin, pool, deadline)
        channel = AsyncChannel(self, slot, exchange)
        try:
            connection = slot.connection
            if connection is not None and await connection.tap.stale():
                await connection.tap.aclose()
                connection = None
            if connection is None:
                connection = slot.connection = await self._connect(wire.origin)
            connection.tap.exchange = exchange
            response = await connection.pool.handle_async_request(self._request(wire))
            self._check_stream(response)
            channel.answered(response)
            return channel
        except Exception as error:
            await channel.drop()
            raise exchange.fault(error) from None
        except BaseException:
            await channel.drop()
            raise

    async def aclose(self) -> None:
        """Close every connection; a task in the middle of an exchange gets Closed."""
        idle, busy = self._slots.close()
        for connection in busy:
            if connection.tap.exchange is not None:
                connection.tap.exchange.closed = True
        await self._discard(idle + busy)

    async def _acquire(self, origin: str, pool: float | None, deadline: float | None) -> Slot[AsyncConnection]:
        import anyio

        place, doomed = self._slots.acquire(origin, time.monotonic())
        if isinstance(place, Slot):
            try:
                await self._discard(doomed)
            except BaseException:
                await self.give_back(place, True)
                raise
            return place
        timer, seconds = _patience(pool, deadline)
        try:
            await self._discard(doomed)
            with anyio.move_on_after(seconds):
                await place.wake.wait()
        except BaseException:
            await self._abandon(place)
            raise
        if place.slot is None or self._slots.closed:
            await self._abandon(place)
            raise Closed("the client was closed") if self._slots.closed else _no_place(timer, seconds)
        return place.slot

    async def _abandon(self, waiter: Waiter[AsyncConnection, Any]) -> None:
        await self._discard(self._slots.abandon(waiter, time.monotonic()))

    async def _connect(self, origin: str) -> AsyncConnection:
        proxy = self._proxy_of(origin)
        if self._needs_tls(origin, proxy):
            from anyio import to_thread

            async with self._tls:
                if self._ssl_context is None:
                    self._ssl_context = await to_thread.run_sync(self.http.default_ssl_context)
        tap = AsyncTap(self.http)
        return AsyncConnection(self._make_pool("AsyncConnectionPool", tap, proxy), tap)

    async def give_back(self, slot: Slot[AsyncConnection], reusable: bool) -> None:
        await self._discard(self._slots.release(slot, reusable, time.monotonic()))

    @staticmethod
    async def _discard(doomed: list[AsyncConnection]) -> None:
        for connection in doomed:
            await connection.tap.aclose()


class AsyncChannel:
    """One exchange on its connection, from the response head on."""

    def __init__(self, transport: AsyncTransport, slot: Slot[AsyncConnection], exchange: Exchange) -> None:
        self.exchange = exchange
        self.status = 0
        self.headers: Headers = ()
        self._transport = transport
        self._slot = slot
        self._response: Any = None
        self._given_back = False

    def answered(self, response: Any) -> None:
        self._response = response
        self.status = response.status
        self.headers = tuple(response.headers)

    async def read(self) -> bytes:
        """The next bytes of the body as they are on the wire; b"" at the end of the connection."""
        data: bytes = await self._response.extensions["network_stream"].read_body()
        return data

    async def finish(self, stand_in: bytes) -> None:
        """The body has been read to its end: let the HTTP module see an end too, and keep the connection."""
        connection = self._slot.connection
        assert connection is not None
        reusable = False
        try:
            self.exchange.left()  # closed meanwhile: not to be kept
            connection.tap.stand_in = stand_in
            async for _ in self._response.stream:
                pass
            await self._response.aclose()
            reusable = not self.exchange.held and any(kept.is_idle() for kept in connection.pool.connections)
        except Exception:
            pass
        finally:
            await self._give_back(reusable)

    async def drop(self) -> None:
        """Close the connection, unless it was given back already."""
        await self._give_back(False)

    async def _give_back(self, reusable: bool) -> None:
        if not self._given_back:
            self._given_back = True
            await self._transport.give_back(self._slot, reusable)
