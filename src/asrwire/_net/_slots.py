# Slots: the bounded set of connections of one client, first come first served, O(1).
#
# Knows: how many connections may exist, which are idle, who waits. Must not know sockets or the colour it runs in.
# Why not one large httpcore pool: its work per request grows with the square of its idle connections, and in 1.0.9 a
# cancelled task can take a place for good. Here a connection that did not finish its exchange is thrown away.

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .._errors import Closed


class Wake(Protocol):
    def set(self) -> object: ...


T = TypeVar("T")
W = TypeVar("W", bound=Wake)


@dataclass(slots=True, eq=False)
class Slot(Generic[T]):
    """The right to one connection to `origin`, with the connection if one is open."""

    origin: str
    connection: T | None = None
    expires: float = 0.0


@dataclass(slots=True, eq=False)
class Waiter(Generic[T, W]):
    """Somebody in the queue: `wake` is set when `slot` is there, or when the slots were closed."""

    origin: str
    wake: W
    slot: Slot[T] | None = None
    gone: bool = False


class Slots(Generic[T, W]):
    """The book of connections. Methods that give up connections return them, for the caller to close."""

    def __init__(self, limit: int, keepalive: float, wake: Callable[[], W]) -> None:
        self._limit = limit
        self._keepalive = keepalive
        self._wake = wake
        self._lock = threading.Lock()
        self._busy: set[Slot[T]] = set()
        self._idle: dict[str, deque[Slot[T]]] = {}  # by origin, the longest idle first
        self._idle_count = 0
        self._queue: deque[Waiter[T, W]] = deque()
        self.closed = False  # nothing is given out any more

    def acquire(self, origin: str, now: float) -> tuple[Slot[T] | Waiter[T, W], list[T]]:
        """A slot, or a place in the queue. Raises Closed."""
        with self._lock:
            if self.closed:
                raise Closed("the client is closed")
            doomed = self._expire(now)
            slot = None if self._queue else self._find(origin, doomed)
            if slot is not None:
                return slot, doomed
            waiter = Waiter[T, W](origin, self._wake())
            self._queue.append(waiter)
            return waiter, doomed

    def release(self, slot: Slot[T], reusable: bool, now: float) -> list[T]:
        """Give a slot back, once or more often; only the first time counts."""
        with self._lock:
            doomed = self._expire(now)
            if slot not in self._busy:
                return doomed
            self._busy.discard(slot)
            if reusable and slot.connection is not None and not self.closed:
                slot.expires = now + self._keepalive
                self._idle.setdefault(slot.origin, deque()).append(slot)
                self._idle_count += 1
            elif slot.connection is not None:
                doomed.append(slot.connection)
            self._serve(doomed)
            return doomed

    def abandon(self, waiter: Waiter[T, W], now: float) -> list[T]:
        """A waiter gives up; what it was given meanwhile goes to the next."""
        with self._lock:
            waiter.gone = True
            slot = waiter.slot
        return [] if slot is None else self.release(slot, True, now)

    def close(self) -> tuple[list[T], list[T]]:
        """Returns the idle connections and those in use."""
        with self._lock:
            self.closed = True
            idle = [slot.connection for slots in self._idle.values() for slot in slots if slot.connection is not None]
            busy = [slot.connection for slot in self._busy if slot.connection is not None]
            self._idle.clear()
            self._idle_count = 0
            queue, self._queue = self._queue, deque()
        for waiter in queue:
            waiter.wake.set()
        return idle, busy

    def _serve(self, doomed: list[T]) -> None:
        while self._queue and not self.closed:
            waiter = self._queue[0]
            if not waiter.gone:
                slot = self._find(waiter.origin, doomed)
                if slot is None:
                    return
                waiter.slot = slot
                waiter.wake.set()
            self._queue.popleft()

    def _find(self, origin: str, doomed: list[T]) -> Slot[T] | None:
        # The most recently used connection to the origin, else a new place, else that of another origin's idle one.
        idle = self._idle.get(origin)
        if idle:
            slot = self._take(origin, idle.pop())
        else:
            if len(self._busy) + self._idle_count >= self._limit:
                if not self._idle_count:
                    return None
                other = min((slots[0].expires, name) for name, slots in self._idle.items())[1]
                dropped = self._take(other, self._idle[other].popleft())
                assert dropped.connection is not None
                doomed.append(dropped.connection)
            slot = Slot[T](origin)
        self._busy.add(slot)
        return slot

    def _take(self, origin: str, slot: Slot[T]) -> Slot[T]:
        self._idle_count -= 1
        if not self._idle[origin]:
            del self._idle[origin]
        return slot

    def _expire(self, now: float) -> list[T]:
        doomed: list[T] = []
        for origin in list(self._idle):
            while origin in self._idle and self._idle[origin][0].expires <= now:
                slot = self._take(origin, self._idle[origin].popleft())
                assert slot.connection is not None
                doomed.append(slot.connection)
        return doomed
