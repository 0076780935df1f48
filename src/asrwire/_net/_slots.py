# Slots: the bounded set of connections of one client, first come first served, O(1).
#
# Knows: how many connections may exist, which are idle, who waits. Must not know sockets or the colour it runs in.
# Why not one large httpcore pool: its work per request grows with the square of its idle connections, and in 1.0.9 a
# cancelled task can take a place for good. Here a connection that did not finish its exchange is thrown away.

from __future__ import annotations

import threading
from collections import OrderedDict
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


class Slots(Generic[T, W]):
    """The book of connections. Methods that give up connections return them, for the caller to close."""

    def __init__(self, limit: int, keepalive: float, wake: Callable[[], W]) -> None:
        self._limit = limit
        self._keepalive = keepalive
        self._wake = wake
        self._lock = threading.Lock()
        self._busy: set[Slot[T]] = set()
        # Idle slots, the longest idle first (they expire in this order, too): all, and those of each origin. Ordered
        # dictionaries because each of them loses entries at both ends and in the middle, at O(1).
        self._idle: OrderedDict[Slot[T], None] = OrderedDict()
        self._idle_at: dict[str, OrderedDict[Slot[T], None]] = {}
        self._queue: OrderedDict[Waiter[T, W], None] = OrderedDict()
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
            self._queue[waiter] = None
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
                self._idle[slot] = self._idle_at.setdefault(slot.origin, OrderedDict())[slot] = None
            elif slot.connection is not None:
                doomed.append(slot.connection)
            self._serve(doomed)
            return doomed

    def abandon(self, waiter: Waiter[T, W], now: float) -> list[T]:
        """A waiter gives up; what it was given meanwhile goes to the next."""
        with self._lock:
            self._queue.pop(waiter, None)
            slot = waiter.slot
        return [] if slot is None else self.release(slot, True, now)

    def close(self) -> tuple[list[T], list[T]]:
        """Returns the idle connections and those in use."""
        with self._lock:
            self.closed = True
            idle = [slot.connection for slot in self._idle if slot.connection is not None]
            busy = [slot.connection for slot in self._busy if slot.connection is not None]
            self._idle.clear()
            self._idle_at.clear()
            queue, self._queue = self._queue, OrderedDict()
        for waiter in queue:
            waiter.wake.set()
        return idle, busy

    def forked(self) -> list[T]:
        """In a child process, where nobody else runs and nothing is anybody's: returns the parent's connections."""
        self._lock = threading.Lock()
        theirs = [slot.connection for slot in (*self._idle, *self._busy) if slot.connection is not None]
        for book in (self._busy, self._idle, self._idle_at, self._queue):
            book.clear()
        return theirs

    def _serve(self, doomed: list[T]) -> None:
        while self._queue and not self.closed:
            waiter = next(iter(self._queue))
            slot = self._find(waiter.origin, doomed)
            if slot is None:
                return
            del self._queue[waiter]
            waiter.slot = slot
            waiter.wake.set()

    def _find(self, origin: str, doomed: list[T]) -> Slot[T] | None:
        # The most recently used connection to the origin, else a new place, else that of the longest idle one.
        if origin in self._idle_at:
            slot = next(reversed(self._idle_at[origin]))
            self._take(slot)
        else:
            if len(self._busy) + len(self._idle) >= self._limit:
                if not self._idle:
                    return None
                self._drop_oldest(doomed)
            slot = Slot[T](origin)
        self._busy.add(slot)
        return slot

    def _take(self, slot: Slot[T]) -> None:
        del self._idle[slot]
        siblings = self._idle_at[slot.origin]
        del siblings[slot]
        if not siblings:
            del self._idle_at[slot.origin]

    def _drop_oldest(self, doomed: list[T]) -> None:
        slot = next(iter(self._idle))
        self._take(slot)
        assert slot.connection is not None
        doomed.append(slot.connection)

    def _expire(self, now: float) -> list[T]:
        doomed: list[T] = []
        while self._idle and next(iter(self._idle)).expires <= now:
            self._drop_oldest(doomed)
        return doomed
