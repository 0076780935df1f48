# Steps of an answer on its way: pieces, silences, the end; and the faults that only count bytes.
#
# Knows: which bytes of a piece belong to which event, where in the bytes a fault has its place. Pure. Must not know:
# HTTP, clocks, sockets.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, TypeAlias

from ._answers import Event
from ._faults import Fault


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that leave together.

    Attributes:
        data: the bytes.
        at: when they are due, in ms of audio.
        body: they come after the head.
        start: data[start:stop] is content, without framing; likewise ``stop``.
        event: what has left whole when these bytes have; None where an event goes on, or there is none.
        last: nothing of the content comes after them.
    """

    data: bytes
    at: int = 0
    body: bool = True
    start: int = 0
    stop: int = 0
    event: Event | None = None
    last: bool = False

    def cut(self, size: int) -> tuple[Piece, Piece]:
        """The first `size` bytes, and the others."""
        whole = size >= self.stop
        first = replace(self, data=self.data[:size], start=min(self.start, size), stop=min(self.stop, size))
        rest = replace(self, data=self.data[size:], start=max(0, self.start - size), stop=max(0, self.stop - size))
        if whole:
            return first, replace(rest, event=None, last=False)
        return replace(first, event=None, last=False), rest


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence: for so many seconds, or until the client has gone. `whole`: there is nothing else to say."""

    seconds: float | None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """The end of the connection: closed, reset, or closed without close_notify. `whole`: there was nothing to add."""

    how: Literal["fin", "rst", "bare"]
    whole: bool = False


Step: TypeAlias = Piece | Wait | Leave


def end(how: Literal["fin", "rst", "bare", "stall"], *, whole: bool = False) -> Step:
    """How a connection ends, or falls silent."""
    return Wait(None, whole) if how == "stall" else Leave(how, whole)


def disturbed(made: Iterator[Step], fault: Fault) -> Iterator[Step]:
    """The steps with what a fault makes of their bytes, if it is one of these."""
    if fault.name in _PLACED:
        return _placed(made, fault)
    return _slowed(made, fault["every"]) if fault.name == "slow_head" else made


def _placed(made: Iterator[Step], fault: Fault) -> Iterator[Step]:
    """Everything up to the fault's place as it is; from there what the fault makes of the rest.

    A place that is not reached before the end is no place: nothing happens.
    """
    rest: list[Step] = []
    yield from _before(made, fault, rest)
    if rest:
        yield from _PLACED[fault.name](chain(rest, made), fault)


def _before(made: Iterator[Step], fault: Fault, rest: list[Step]) -> Iterator[Step]:
    """The steps before the place; the first one after it, or what is left of it, goes into `rest`."""
    body = fault["part"] == "body" or fault["events"] is not None
    left = fault["at"] if fault["events"] is None else fault["events"]
    for step in made:
        if isinstance(step, Piece) and step.body is body and fault["events"] is None:
            if left <= len(step.data) - 1:
                first, second = step.cut(left)
                if left:
                    yield first
                rest.append(second)
                return
            left -= len(step.data)
        elif isinstance(step, Piece) and step.body is body:
            if left == 0:
                rest.append(step)
                return
            left -= step.event is not None and step.event.role != "filler"
        yield step


def _cut(rest: Iterator[Step], fault: Fault) -> Iterator[Step]:
    yield end("rst" if fault.name == "rst" else fault["how"])


def _stall(rest: Iterator[Step], fault: Fault) -> Iterator[Step]:
    yield Wait(fault["seconds"])
    yield from rest


def _drip(rest: Iterator[Step], fault: Fault) -> Iterator[Step]:
    for step in rest:
        yield from _dripped(step, fault["size"], fault["every"])


def _dripped(step: Step, size: int, every: float) -> Iterator[Step]:
    while isinstance(step, Piece) and step.data:
        yield Wait(every)
        first, step = step.cut(size)
        yield first
    if not isinstance(step, Piece):
        yield step


def _slowed(made: Iterator[Step], every: float) -> Iterator[Step]:
    for step in made:
        if isinstance(step, Piece) and not step.body:
            yield from _dripped(step, 1, every)
        else:
            yield step


_PLACED: dict[str, Callable[[Iterator[Step], Fault], Iterator[Step]]] = {
    "cut": _cut,
    "rst": _cut,
    "stall": _stall,
    "drip": _drip,
}
