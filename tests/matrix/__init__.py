# What the tests of the fault matrix share: one call in one colour, an answer in pieces, a peer that never accepts.
#
# Knows: the public clients and tests.servers. Must not know: rows of the matrix, how the library does anything.

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asrwire import ASRWireError, Timeouts
from tests.servers import HANG, MODEL, URL, Colour, Peer

MIB = 2**20


def short(**timers: float | None) -> Timeouts:
    return Timeouts(**{"connect": HANG, "write": HANG, "head": HANG, "idle": HANG, "pool": HANG, **timers})


def then(*pieces: bytes, last: str = "close") -> Callable[[Peer], None]:
    """Send the pieces; then close, reset, or wait for the client to close."""

    def answer(peer: Peer) -> None:
        for piece in pieces:
            peer.send(piece)
        if last == "reset":
            peer.reset()
        elif last == "wait":
            peer.wait_closed()

    return answer


def endlessly(start: bytes, block: bytes, count: int = 10**6) -> Callable[[Peer], None]:
    """Send `start`, then `block` again and again until the client has enough of it."""

    def answer(peer: Peer) -> None:
        try:
            peer.send(start)
            for _ in range(count):
                peer.send(block)
        finally:
            peer.server.saw_close.set()

    return answer


async def heard(client: Any, *, audio: Any = URL, model: str = MODEL, **options: Any) -> tuple[list[Any], Any, Any]:
    """One stream to its end: updates, what it raised or None, and the stream."""
    updates: list[Any] = []
    error = None
    stream = client.stream(audio, model=model, **options)
    try:
        async with stream:
            async for update in stream:
                updates.append(update)
    except ASRWireError as failed:
        error = failed
    return updates, error, stream


def listen(colour: Colour, server: Any, *, options: dict[str, Any] | None = None, **settings: Any) -> Any:
    """`heard`, with a client of its own."""

    async def scenario() -> Any:
        async with colour.client(server, **settings) as client:
            return await heard(client, **(options or {}))

    return colour.run(scenario)


def finals(updates: list[Any]) -> list[str]:
    return [update.sentence.text for update in updates if type(update).__name__ == "Final"]


@contextmanager
def full() -> Iterator[str]:
    """The base URL of a port whose queue is full: connecting to it takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
        finally:
            for filler in fillers:
                filler.close()


class Peak:
    """Python memory at its highest since the block began, above what it was then, in bytes."""

    size = 0

    def __enter__(self) -> Peak:
        tracemalloc.start()
        self._before = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *details: object) -> None:
        self.size = tracemalloc.get_traced_memory()[1] - self._before
        tracemalloc.stop()
