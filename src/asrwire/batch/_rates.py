# Rate limits of an account: when the next request may leave, in one process or in several of one machine.
#
# Knows: the schedule (each request takes the next slot, in turn), backing off after a 429 and coming back, where the
# schedule is kept. Must not know: what is asked of the service, files, tasks.

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, NoReturn, Protocol

from .._errors import ConfigError

_PAUSE: Final = 1.0  # seconds after a 429 that does not say how long
_LONGEST: Final = 600.0  # seconds: the longest pause that a 429 may ask for
_RECOVERY: Final = 60.0  # seconds in which the rate would grow from nothing to what was given
_LEAST: Final = 1 / 64  # of the rate: below that it does not fall
_LOCKED: Final = 60.0  # seconds to wait for another process's transaction


class RateLimiter(Protocol):
    """What lets requests leave at a rate. The rate is the account's: share one limiter among all that use its key."""

    async def acquire(self, n: int = 1) -> None:
        """Return when `n` more requests may leave: first come, first served."""

    def throttled(self, retry_after: float | None = None) -> None:
        """The service said 429: nothing leaves for `retry_after` seconds, and then less than before."""


# == the schedule ======================================================================================================


@dataclass(frozen=True, slots=True)
class Schedule:
    """Slots, one after the other. Pure: times are seconds of one clock that only grows until the machine restarts.

    After a 429 the rate is halved and grows again by 1/60 of the full rate a second (AIMD); more of them before the
    pause is over are of the same burst, and halve nothing.

    Attributes:
        next: when the next slot begins.
        seen: the last time the schedule was asked.
        share: of the full rate, at the time `since`.
        since: when the last pause ended.
        pauses: how many there were. Slots taken before a pause are void.
    """

    next: float = 0.0
    seen: float = 0.0
    share: float = 1.0
    since: float = 0.0
    pauses: int = 0

    def reserved(self, n: int, rate: float, now: float) -> tuple[float, Schedule]:
        """When `n` requests may leave, and the schedule after them. ``rate``: requests a second, at best."""
        before = self.at(now)
        slot = max(now, before.next)
        share = min(1.0, before.share + max(0.0, slot - before.since) / _RECOVERY)
        return slot, replace(before, next=slot + n / (rate * share))

    def throttled(self, retry_after: float | None, now: float) -> Schedule:
        """The schedule after a 429."""
        before = self.at(now)
        until = now + (_PAUSE if retry_after is None else min(max(retry_after, 0.0), _LONGEST))
        if now < before.since:  # of the same burst
            return replace(before, since=max(until, before.since), next=max(until, before.next))
        share = min(1.0, before.share + (now - before.since) / _RECOVERY)
        return replace(before, next=until, share=max(_LEAST, share / 2), since=until, pauses=before.pauses + 1)

    def at(self, now: float) -> Schedule:
        """The schedule as it is now. A clock that has gone back began anew with the machine, and the schedule too."""
        return replace(self, seen=now) if now >= self.seen else Schedule(seen=now, pauses=self.pauses + 1)


def check_rate(rate: float) -> float:
    """Raises TypeError, ConfigError."""
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError(f"rate is requests per second (a number), not {type(rate).__name__}")
    if not (isfinite(rate) and rate > 0):
        raise ConfigError("rate must be a finite number of requests per second above 0")
    return float(rate)


class _Limiter:
    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = check_rate(rate)
        self._clock = clock

    @property
    def rate(self) -> float:
        """Requests a second, at best."""
        return self._rate

    async def _waited(self, slot: float) -> None:
        while (left := slot - self._clock()) > 0:
            await asyncio.sleep(left)


def _check(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n is a number of requests (int), not {type(n).__name__}")
    if n < 1:
        raise ConfigError("n must be at least 1")
    return n


# == where it is kept ==================================================================================================


class LocalRateLimiter(_Limiter):
    """A `RateLimiter` for one process, on asyncio.

    Args:
        rate: requests a second, at best.

    Requests leave one by one, ``1 / rate`` seconds apart. A waiter that is canceled leaves its slot empty.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(rate, clock)
        self._schedule = Schedule()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "this limiter knows one process: it is neither copied nor pickled. SQLiteRateLimiter(path, rate) pickles, "
            "and all that name its file share the rate"
        )

    async def acquire(self, n: int = 1) -> None:
        """Return when `n` more requests may leave. Raises TypeError, ConfigError."""
        _check(n)
        while True:
            slot, self._schedule = self._schedule.reserved(n, self._rate, self._clock())
            pauses = self._schedule.pauses
            await self._waited(slot)
            if self._schedule.pauses == pauses:
                return

    def throttled(self, retry_after: float | None = None) -> None:
        """The service said 429, and to wait for `retry_after` seconds (None: it did not say; 600 at most)."""
        self._schedule = self._schedule.throttled(retry_after, self._clock())


class SQLiteRateLimiter(_Limiter):
    """A `RateLimiter` for all processes of one machine that name the same file, on asyncio.

    Args:
        path: an SQLite file; made where there is none. Not on a network drive.
        rate: requests a second, at best, of all of them together; give the same one everywhere.

    Pickles, and may be used after a fork: the file is opened for each request. A killed process costs the slots it was
    waiting for. The clock is the machine's monotonic one, which setting the time does not change. An SQLite error
    (no such directory, another file format) is raised as ConfigError.
    """

    def __init__(
        self, path: str | os.PathLike[str], rate: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(rate, clock)
        self._path = os.fspath(path)
        self._changed(lambda schedule, now: schedule.at(now))

    async def acquire(self, n: int = 1) -> None:
        """Return when `n` more requests may leave. Raises TypeError, ConfigError."""
        _check(n)
        while True:
            slot, pauses = await asyncio.to_thread(self._reserve, n)
            if slot <= self._clock():
                return
            await self._waited(slot)
            if (await asyncio.to_thread(self._changed, lambda schedule, now: schedule.at(now))).pauses == pauses:
                return

    def throttled(self, retry_after: float | None = None) -> None:
        """The service said 429, and to wait for `retry_after` seconds (None: it did not say; 600 at most)."""
        self._changed(lambda schedule, now: schedule.throttled(retry_after, now))

    def _reserve(self, n: int) -> tuple[float, int]:
        slot = 0.0

        def reserve(schedule: Schedule, now: float) -> Schedule:
            nonlocal slot
            slot, after = schedule.reserved(n, self._rate, now)
            return after

        after = self._changed(reserve)
        return slot, after.pauses

    def _changed(self, change: Callable[[Schedule, float], Schedule]) -> Schedule:
        try:
            # Nothing here is worth a sync to the disk: after a loss of power the schedule begins anew anyway.
            with closing(sqlite3.connect(self._path, timeout=_LOCKED, isolation_level=None)) as file:
                # Not WAL, though: who opens and closes such a file while another does may be refused without a wait.
                file.execute("PRAGMA synchronous = OFF")
                file.execute("BEGIN IMMEDIATE")
                file.execute(
                    "CREATE TABLE IF NOT EXISTS asrwire_rate (id INTEGER PRIMARY KEY CHECK (id = 1),"
                    " next REAL, seen REAL, share REAL, since REAL, pauses INTEGER)"
                )
                row = file.execute("SELECT next, seen, share, since, pauses FROM asrwire_rate").fetchone()
                after = change(Schedule(*row) if row else Schedule(), self._clock())
                file.execute(
                    "INSERT OR REPLACE INTO asrwire_rate VALUES (1, ?, ?, ?, ?, ?)",
                    (after.next, after.seen, after.share, after.since, after.pauses),
                )
                file.execute("COMMIT")
                return after
        except sqlite3.Error as error:
            raise ConfigError(f"rate limiter {self._path!r}: {error}") from None
