# The two colours: what waits, and how. Everything that has an order of steps is written once, as a generator that
# yields each piece of I/O as a callable; `drive` calls them, `drive_async` awaits what they return.
#
# Knows: threads, events, httpcore's names in either colour. Must not know: why anything is done.

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from .._errors import ASRWireError
from ._backend import AsyncTap, Tap
from ._decoded import AsyncDecoded, Decoded
from ._logs import OURS

T = TypeVar("T")

Steps: TypeAlias = Generator[Callable[[], Any], Any, T]


def drive(steps: Steps[T]) -> T:
    """Run `steps`, each piece of I/O blocking."""
    try:
        step = next(steps)
        while True:
            try:
                result = step()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        return cast("T", done.value)
    except ASRWireError as error:
        raise bare(error) from error.__cause__


async def drive_async(steps: Steps[T]) -> T:
    """Run `steps`, each piece of I/O awaited. Cancellation goes through them like any exception."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step()
            except GeneratorExit as error:  # the event loop is gone: the books are closed, nothing can be awaited
                steps.throw(error)
                while True:
                    next(steps)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        return cast("T", done.value)
    except ASRWireError as error:
        raise bare(error) from error.__cause__


def bare(error: ASRWireError) -> ASRWireError:
    # The frames it came through, and the exceptions it stands for, hold the request: the key, and megabytes of audio.
    error.__context__ = None
    return error.with_traceback(None)


class Blocking:
    """Threads."""

    pool = "ConnectionPool"
    tap = Tap
    decoded = Decoded
    event = threading.Event

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def once(self, made: Callable[[], bool], make: Callable[[], None]) -> None:
        with self._lock:
            if not made():
                make()

    def wait(self, event: threading.Event, seconds: float | None) -> None:
        event.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))

    def run(self, work: Callable[..., T], argument: Any) -> T:
        return work(argument)

    def ask(self, pool: Any, request: Any) -> Any:
        token = OURS.set(True)
        try:
            return pool.handle_request(request)
        finally:
            OURS.reset(token)

    def drain(self, response: Any) -> None:
        for _ in response.stream:
            pass

    def done(self, response: Any) -> None:
        response.close()


class Asynchronous:
    """Tasks, on asyncio or trio."""

    pool = "AsyncConnectionPool"
    tap = AsyncTap
    decoded = AsyncDecoded

    def __init__(self) -> None:
        import anyio

        self.event = anyio.Event
        self._lock = anyio.Lock()

    async def once(self, made: Callable[[], bool], make: Callable[[], None]) -> None:
        from anyio import to_thread

        async with self._lock:
            if not made():
                await to_thread.run_sync(make)

    async def wait(self, event: Any, seconds: float | None) -> None:
        import anyio

        with anyio.move_on_after(seconds):
            await event.wait()

    async def run(self, work: Callable[..., T], argument: Any) -> T:
        from anyio import to_thread

        return await to_thread.run_sync(work, argument)

    async def ask(self, pool: Any, request: Any) -> Any:
        token = OURS.set(True)
        try:
            return await pool.handle_async_request(request)
        finally:
            OURS.reset(token)

    async def drain(self, response: Any) -> None:
        async for _ in response.stream:
            pass

    async def done(self, response: Any) -> None:
        await response.aclose()


Colour: TypeAlias = Blocking | Asynchronous
