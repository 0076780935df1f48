# Listening to the replay server: streams are opened, and from when all have their heads until all have ended is timed.
# Connecting and asking are left out: they happen once, streams last.
#
# Knows: both colours of a client (for a URL, what opens streams: see `own` and `clients`). Must not know: whose it is.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from .replay import Plan, Replay
from .timing import Path, Sample, Watch

Weight = Callable[[Any], int]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def one(found: object) -> int:
    return 1


def blocking(
    plan: Plan, client: Callable[[str], AbstractContextManager[Any]], count: int, weight: Weight, total: int
) -> Path:
    """A blocking client reads one stream of `count` units, which weighs `total`."""

    def weighed(source: Iterator[Any]) -> tuple[int, int]:
        heard = pieces = 0
        for found in source:
            pieces += 1
            heard += weight(found)
        return heard, pieces

    def hear(drain: Callable[[Iterator[Any]], Any]) -> tuple[Watch, Any]:
        with Replay(plan) as url, client(url) as opened, opened() as source, Watch() as watch:
            heard = drain(source)
        return watch, heard

    return Path(lambda: _sample(*hear(weighed), count, weight, total), lambda: hear(list)[1])


def asynchronous(
    plan: Plan, client: Callable[[str], AbstractAsyncContextManager[Any]], count: int, weight: Weight, total: int,
    loop: LoopFactory | None = None,
) -> Path:
    """An asyncio client reads the plan's streams, all at once; `count` and `total` are of one."""

    async def weighed(source: AsyncIterator[Any]) -> tuple[int, int]:
        heard = pieces = 0
        async for found in source:
            pieces += 1
            heard += weight(found)
        return heard, pieces

    async def kept(source: AsyncIterator[Any]) -> list[Any]:
        return [found async for found in source]

    def hear(drain: Callable[[AsyncIterator[Any]], Any]) -> tuple[Watch, list[Any]]:
        with Replay(plan) as url, asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(_together(plan.streams, client(url), drain))

    def sample() -> Sample:
        watch, heard = hear(weighed)
        size, pieces = (sum(column) for column in zip(*heard, strict=True))
        return _sample(watch, (size, pieces), count * plan.streams, weight, total * plan.streams)

    return Path(sample, lambda: hear(kept)[1])


async def _together(
    streams: int, client: AbstractAsyncContextManager[Any], drain: Callable[[AsyncIterator[Any]], Any]
) -> tuple[Watch, list[Any]]:
    begun, ended = asyncio.Barrier(streams + 1), asyncio.Barrier(streams + 1)
    timed, over = asyncio.Event(), asyncio.Event()

    async def stream(opened: Callable[[], AbstractAsyncContextManager[AsyncIterator[Any]]]) -> Any:
        async with opened() as source:
            await begun.wait()
            await timed.wait()
            heard = await drain(source)
            await ended.wait()
            await over.wait()
        return heard

    async with client as opened, asyncio.TaskGroup() as group:
        tasks = [group.create_task(stream(opened)) for _ in range(streams)]
        await begun.wait()
        with Watch() as watch:
            timed.set()
            await ended.wait()
        over.set()
    return watch, [task.result() for task in tasks]


def _sample(watch: Watch, heard: tuple[int, int], count: int, weight: Weight, total: int) -> Sample:
    size, pieces = heard
    if size != total:
        raise RuntimeError(f"{size} heard instead of {total}")
    # Of bytes, asrwire's pieces are what one read each gave; some peers make a piece of every chunk. Fewer wake-ups
    # than one an event mean that the machine was too busy, or the client too slow, for live ones to come one by one.
    more = {"pieces": pieces / count} if weight is len else {}
    return watch.sample(count, **more, **{"wake-ups": watch.wakes / count})
