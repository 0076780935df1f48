# `python -m tests.endurance cancel|soak`: many calls at once, cancelled or faulty, and nothing may be left of them.
#
#   cancel [--count N] [--http httpcore|httpcore2] [--seed K]   calls cancelled wherever they are, on ten places
#   soak   [--streams N] [--seconds S] [--seed K] [--http ...]  streams against an emulator with random faults
#
# Knows: the public clients, the emulator, what a process has open. The tests run the same, shorter. Must not know: how
# the library does anything, but for naming the place where a call was cancelled.

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import random
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import trio

from asrwire import AsyncClient, Client, Closed, Limits, Timeouts
from tests.servers import CHUNKED, END, HANG, KEY, MODEL, ONE, TWO, URL, chunk, contexts

SLOTS = 10
TASKS = 30
AFTERWARDS = 30
GOOD = ["one", "two"]
AUDIO = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(300_000)
LONG = Timeouts(connect=60, write=60, head=60, idle=60, pool=60)


def descriptors() -> int:
    """Files and sockets this process has open."""
    return len(os.listdir("/dev/fd"))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


# == cancellation =====================================================================================================


class Hesitant:
    """Answers streams on a thread of its own, and takes a moment before each thing it does: a peer that is met in any
    state. Counts its connections, and how often each call's request arrived whole."""

    def __init__(self, seed: int, tls: bool = False) -> None:
        self._random = random.Random(seed)
        self._tls = tls
        self.open = self.connections = 0
        self.calls: Counter[int] = Counter()

    def __enter__(self) -> Hesitant:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)))
        self._thread.start()
        assert ready.wait(HANG)
        return self

    def __exit__(self, *details: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(HANG)
        assert not self._thread.is_alive()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # it tells of every handshake that was left
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # an upload waits for who reads it
        listener.bind(("127.0.0.1", 0))
        context = contexts()[0] if self._tls else None
        server = await asyncio.start_server(self._serve, sock=listener, backlog=512, ssl=context)
        self.base_url = f"http{'s' * self._tls}://127.0.0.1:{listener.getsockname()[1]}/api/v1"
        ready.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = re.search(rb"content-length: (\d+)", head.lower())
                assert size is not None
                await self._hesitate()
                body = await reader.readexactly(int(size[1]))
                number = re.search(rb'"call":(\d+)', body)
                assert number is not None
                self.calls[int(number[1])] += 1
                for piece in (CHUNKED, chunk(ONE), chunk(TWO), END):
                    await self._hesitate()
                    writer.write(piece)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass
            self.open -= 1

    async def _hesitate(self) -> None:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)


def small_buffers(http: ModuleType) -> Any:
    """`http` with connections that take little at once: an upload waits."""
    small = {"socket_options": [(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)]}
    pools = {name: partial(getattr(http, name), **small) for name in ("ConnectionPool", "AsyncConnectionPool")}
    return SimpleNamespace(**{**vars(http), **pools})


def place(stream: Any) -> str:
    """Where a call is that is about to be cancelled."""
    attempt = stream._current
    if attempt is None:
        return "audio"
    return "pool" if attempt.channel.slot is None else attempt.exchange.phase  # type: ignore[no-any-return]


class Storm:
    """Calls that are cancelled wherever they happen to be, `count` of them, and what must hold afterwards.

    Attributes:
        places: how many were cancelled where.
        done: how many came through before.
    """

    def __init__(self, count: int, seed: int, http: ModuleType, tls: bool) -> None:
        self.count, self.tls = count, tls
        self.places: Counter[str] = Counter()
        self.done = 0
        self._random = random.Random(seed)
        self._calls = 0
        self._lock = threading.Lock()
        self._settings: dict[str, Any] = {
            "http": small_buffers(http), "timeouts": LONG, "limits": Limits(connections=SLOTS),
            "ssl_context": contexts()[1],
        }  # fmt: skip

    @property
    def over(self) -> bool:
        return self.places.total() >= self.count

    def run(self, colour: str) -> None:
        """In "asyncio", "uvloop", "trio" or "threads"."""
        if colour == "uvloop":
            import uvloop

            uvloop.run(asyncio.sleep(0))  # the first opens what stays open
        before, threads = descriptors(), threading.active_count()
        with Hesitant(self._random.random().__hash__(), self.tls) as server:
            self._settings["base_url"] = server.base_url
            if colour == "threads":
                self._by_threads()
            elif colour == "trio":
                trio.run(self._on_trio)
            elif colour == "uvloop":
                uvloop.run(self._on_asyncio())
            else:
                asyncio.run(self._on_asyncio())
            until(lambda: server.open == 0, "the server still has connections")
            assert max(server.calls.values()) == 1, "a request was sent twice"
            self.connections = server.connections
        assert descriptors() <= before, "the process has more open than before"
        until(lambda: threading.active_count() <= threads + 40, "threads are left")  # anyio keeps its workers

    def _stream(self, client: Any) -> Any:
        with self._lock:
            self._calls += 1
            number, upload = self._calls, self._random.random() < 0.15
        return client.stream(AUDIO if upload else URL, model=MODEL, extra={"call": number})

    def _moment(self, stream: Any) -> Iterator[None]:
        """So many turns of the loop; nine times in ten from when the audio is there, for which a thread is asked."""
        if self._random.random() < 0.9:
            while stream._current is None:
                yield
        yield from [None] * int(self._random.expovariate(1 / 20))

    # -- tasks

    async def _on_asyncio(self) -> None:
        async with AsyncClient(KEY, **self._settings) as client:

            async def call(stream: Any) -> list[str]:
                async with stream:
                    return [update.sentence.text async for update in stream]

            async def cancelling() -> None:
                while not self.over:
                    stream = self._stream(client)
                    task = asyncio.ensure_future(call(stream))
                    for _ in self._moment(stream):
                        await asyncio.sleep(0)
                    where = place(stream)
                    if not task.cancel():
                        self.done += 1
                        assert task.result() == GOOD
                        continue
                    try:
                        await task
                    except asyncio.CancelledError:
                        self.places[where] += 1
                    else:
                        raise AssertionError("a cancellation was swallowed")

            await asyncio.gather(*(cancelling() for _ in range(TASKS)))
            self._check(client)
            found = await asyncio.gather(*(call(self._stream(client)) for _ in range(AFTERWARDS)))
            assert found == [GOOD] * AFTERWARDS
            self._check(client)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _on_trio(self) -> None:
        async with AsyncClient(KEY, **self._settings) as client:

            async def call(stream: Any, scope: trio.CancelScope) -> None:
                with scope:
                    async with stream:
                        assert [update.sentence.text async for update in stream] == GOOD
                        self.done += 1

            async def cancelling() -> None:
                while not self.over:
                    stream, scope = self._stream(client), trio.CancelScope()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(call, stream, scope)
                        for _ in self._moment(stream):
                            await trio.lowlevel.checkpoint()
                        where = place(stream)
                        scope.cancel()
                    self.places[where] += scope.cancelled_caught

            async with trio.open_nursery() as nursery:
                for _ in range(TASKS):
                    nursery.start_soon(cancelling)
            self._check(client)
            before = self.done
            async with trio.open_nursery() as nursery:
                for _ in range(AFTERWARDS):
                    nursery.start_soon(call, self._stream(client), trio.CancelScope())
            assert self.done - before == AFTERWARDS
            self._check(client)

    # -- threads: there is no cancellation, but close() from elsewhere

    def _by_threads(self) -> None:
        with Client(KEY, **self._settings) as client:

            def call(stream: Any) -> list[str] | None:
                try:
                    with stream:
                        return [update.sentence.text for update in stream]
                except Closed:
                    return None

            def closing() -> None:
                while not self.over:
                    stream, found = self._stream(client), []
                    thread = threading.Thread(target=lambda s, f: f.append(call(s)), args=(stream, found))
                    thread.start()
                    time.sleep(self._random.expovariate(80))
                    where = place(stream)
                    stream.close()
                    thread.join(HANG)
                    assert not thread.is_alive(), "close() did not wake the reader"
                    with self._lock:
                        if found == [None]:
                            self.places[where] += 1
                        else:
                            assert len(found) == 1, "the thread has died"
                            assert found[0] == GOOD[: len(found[0])]
                            self.done += 1

            together(closing, TASKS)
            self._check(client)
            found: list[Any] = []
            together(lambda: found.append(call(self._stream(client))), AFTERWARDS)
            assert found == [GOOD] * AFTERWARDS
            self._check(client)

    def _check(self, client: Any) -> None:
        slots = client._transport._slots
        assert not slots._busy, "a place is taken by nobody"
        assert not slots._queue, "nobody waits, and stands in the queue"
        assert len(slots._idle) <= SLOTS


def together(work: Callable[[], None], count: int) -> None:
    """`work` in so many threads; the first error is raised here."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def cancel(arguments: argparse.Namespace) -> None:
    http = importlib.import_module(arguments.http)
    for colour, share, tls in (
        ("asyncio", 1, False), ("asyncio", 3, True), ("uvloop", 3, False), ("trio", 5, False), ("trio", 10, True),
        ("threads", 10, False), ("threads", 20, True),
    ):  # fmt: skip
        storm, begun = Storm(arguments.count // share, arguments.seed, http, tls), time.monotonic()
        storm.run(colour)
        places = ", ".join(f"{name} {count}" for name, count in storm.places.most_common())
        print(
            f"{colour}{' over TLS' * tls}: {storm.places.total()} cancelled ({places}), {storm.done} came through, "
            f"{storm.connections} connections, then {AFTERWARDS} of {AFTERWARDS} served, nothing open; "
            f"{time.monotonic() - begun:.1f} s",
            flush=True,
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for run, options in ((cancel, {"--count": 10_000}),):
        command = commands.add_parser(run.__name__)
        command.set_defaults(run=run)
        for option, default in options.items():
            command.add_argument(option, type=type(default), default=default)
        command.add_argument("--seed", type=int, default=random.randrange(10**6))
        command.add_argument("--http", default="httpcore", choices=["httpcore", "httpcore2"])
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
