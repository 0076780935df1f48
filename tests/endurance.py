# `python -m tests.endurance cancel|soak|batch`: many calls at once, cancelled or faulty, and nothing may be left of
# them; a batch that is killed, and nothing may be lost or doubled.
#
#   cancel [--count N] [--http httpcore|httpcore2] [--seed K]   calls cancelled wherever they are, on ten places
#   soak   [--streams N] [--seconds S] [--seed K] [--http ...]  streams against an emulator with random faults
#   batch  [--files N] [--kills K] [--model M] [--seed K]       a batch whose process is killed K times
#
# Knows: the public clients, the emulator, what a process has open. The tests run the same, shorter. Must not know: how
# the library does anything, but for naming the place where a call was cancelled.

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import logging
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import anyio
import trio

from asrwire import ASRWireError, AsyncClient, Client, Closed, Final, Incomplete, Limits, Timeouts, _retry
from asrwire.emulator import Emulator, Fault
from tests import batches
from tests.servers import CHUNKED, END, HANG, KEY, MODEL, ONE, TWO, URL, Colour, chunk, contexts

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
        time.sleep(0.005)  # between polls: that thread is to run


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
                    time.sleep(self._random.expovariate(80))  # the random moment; nothing is waited for
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


# == soak =============================================================================================================

CHANCE = 0.012  # of each fault to meet a request
_ANY = {"truncated", "protocol", "connect", "timeout", "service", "decode", "http_status", "content_type", "limit"}
#: What may go wrong with a stream, and what kinds of errors that may be; None: nothing at all.
FAULTS: dict[str, set[str | None]] = {
    "429:retry_after=0": {None, "http_status"},
    "503:retry_after=0": {None, "http_status"},
    "500": {"http_status"},
    "400:body=html": {"http_status"},
    "html": {"content_type"},
    "redirect": {"http_status"},
    "empty": {"truncated"},
    "lost:how=rst": {"connect"},
    "lost:how=fin": {"protocol"},
    "lost:how=500": {"http_status"},
    "lost:how=stall": {"timeout"},
    "error:after=0-40": {"service"},
    "duplicate:event=1-40": {None},
    "omit:last=1-3": {None, "truncated"},
    "invalid_json:event=1-60": {None, "decode"},
    "keepalive:count=3,every=0": {None},
    "bom": {None},
    "line_ends:to=mixed": {None},
    "noise": {None},
    "split_data": {None},
    "no_blank_lines": {None},
    "unterminated": {None},
    "endless:what=line,after=5,size=400000": {"limit"},
    "type:value=text/html": {None},  # it is an event stream all the same
    "coding": {"protocol"},
    "gzip": {None},
    "gzip:cut=1-200": {"truncated"},
    "informational": {None},
    "bad_head": {"protocol"},
    "fields": {"limit"},
    "close": {None},
    "http10": {None},
    "chunks:size=1-300": {None},
    "bad_chunk:after=0-40": {"protocol"},
    "unended": {"truncated"},
    "unended:how=rst": {"truncated"},
    "length": {"truncated"},
    "extra": {None},
    "trailers": {None},
    "cut:at=0-25000": {None, "truncated"},
    "cut:at=0-200,part=head": {None, "protocol", "truncated"},
    "rst:at=0-25000": {None, "truncated"},
    "stall:at=0-25000": {None, "timeout"},
    "drip:at=0-25000,size=300,every=0": {None},
    "drop": {None},
    "drop:how=rst": {None},
}
AFTER_DONE = ("unended", "length", "gzip")  # what a client that has had [DONE] does not meet any more
MODELS = {"fun-asr-realtime": "dashscope", "fun-asr-flash-2026-06-15": "dashscope", "qwen3-asr-flash": "openai"}


class Heard(NamedTuple):
    """What a client made of one stream."""

    number: int
    model: str
    left: bool
    updates: list[Any]
    error: ASRWireError | None
    transcript: Any


class Soak:
    """Rounds of streams against an emulator with random faults, each compared with the emulator's own record.

    Attributes:
        calls: streams so far.
        kinds: how they ended.
        faults: what befell them.
        grown: blocks of memory and bytes of the process, after each round.
    """

    def __init__(
        self, streams: int, seed: int, http: ModuleType, per_round: int = 8, patience: float | None = None
    ) -> None:
        """``per_round`` streams, one after the other, in each of so many places; ``patience``: seconds until a client
        gives up."""
        self.calls = 0
        self.kinds: Counter[str | None] = Counter()
        self.faults: Counter[str] = Counter()
        self.grown: list[tuple[int, int]] = []
        self._streams, self._seed, self._http, self._per_round = streams, seed, http, per_round
        # An answer that is to come should have come.
        self._patience = max(4.0, streams / 25) if patience is None else patience

    def run(self, seconds: float) -> None:
        with no_errors_of_asyncio():
            self._run(seconds)

    def _run(self, seconds: float) -> None:
        before, rounds = descriptors(), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or rounds < 3:
            colour = ("asyncio", "sync", "trio")[rounds % 3]
            self._round(colour, f"{self._seed}/{rounds}")
            until(lambda: descriptors() <= before, f"sockets are left of {colour}, round {rounds}")
            rounds += 1
            gc.collect()
            self.grown.append((sys.getallocatedblocks(), resident()))

    def _round(self, colour: str, seed: str) -> None:
        chance = random.Random(seed)
        faults = [f"{text}{',' if ':' in text else ':'}on=stream,p={CHANCE}" for text in FAULTS]
        heard: list[Heard] = []
        _retry.QUOTA.tokens = _retry.Quota.SIZE
        with Emulator(faults=faults, seed=chance.randrange(2**31)) as emulator:
            timeouts = Timeouts(connect=30, write=30, head=self._patience, idle=self._patience, pool=300)
            limits = Limits(connections=self._streams, event_size=100_000)
            client = Colour(colour).client(emulator, http=self._http, timeouts=timeouts, limits=limits)
            chances = [random.Random(chance.random()) for _ in range(self._streams)]

            async def place(number: int) -> None:
                for turn in range(self._per_round):
                    heard.append(await listen(client, number * self._per_round + turn, chances[number]))

            if colour == "sync":
                numbers = iter(range(self._streams))
                together(lambda: Colour("sync").run(partial(place, next(numbers))), self._streams)
                client.inner.close()
            else:
                anyio.run(partial(at_once, client, place, self._streams), backend=colour)
            requests, sent = emulator.requests, emulator.sent
        self._compare(heard, requests, sent, f"{colour}, --seed {self._seed}")

    def _compare(self, heard: list[Heard], requests: list[Any], sent: list[Any], where: str) -> None:
        answers: dict[int, list[Any]] = {}
        for request, answer in zip(requests, sent, strict=True):
            found = re.search(r"/(\d+)\.wav", str(request.json))
            assert found is not None
            answers.setdefault(int(found[1]), []).append(answer)
        for call in heard:
            mine = answers.get(call.number, [])
            faults = [str(fault) for answer in mine for fault in answer.faults]
            told = f"{where}: call {call.number} of {call.model}, {faults}: {call.error!r}, {call.transcript!r}"
            told += f", {dict(call.transcript.issues)}, request {call.transcript.request_id}"
            try:
                compare(call, mine)
            except AssertionError as wrong:
                wrong.add_note(told)
                raise
            self.calls += 1
            kind = None if call.error is None else call.error.kind
            if not call.left:
                kind = "late" if late(call, mine) else "not received" if unheard(call, mine) else kind
            self.kinds["left" if call.left else kind] += 1
            self.faults.update(fault.partition(":")[0] for fault in faults)

    def check(self) -> None:
        """After all rounds: few were late, and no round of a colour holds more than its second (the first fills
        caches)."""
        assert self.kinds["late"] <= LATE * self.calls, self.kinds
        for colour in range(3):
            rounds = self.grown[colour::3]
            first, some = (rounds[1], 1.02) if len(rounds) > 2 else (rounds[0], 1.1)
            assert rounds[-1][0] < first[0] * some + 2000, f"blocks of memory: {rounds}"
            assert rounds[-1][1] < first[1] + 32 * 2**20, f"bytes of the process: {rounds}"


@contextmanager
def no_errors_of_asyncio() -> Iterator[None]:
    """What a task or a callback raised and nobody asked for is an error here."""
    told: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = told.append  # type: ignore[method-assign]
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not told, told[0].exc_info or told[0].getMessage()


LATE = 0.02  # the part of all streams that a machine with other work may answer too late


async def at_once(client: Any, place: Callable[[int], Any], count: int) -> None:
    async with client, anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(place, number)


async def listen(client: Any, number: int, chance: random.Random) -> Heard:
    """One stream to its end, or left before."""
    model = chance.choice(list(MODELS))
    leave = chance.randrange(40) if chance.random() < 0.1 else None
    updates: list[Any] = []
    error, left = None, False
    stream = client.stream(
        f"https://example.com/{number}.wav", model=model, protocol=MODELS[model], partials=chance.random() < 0.7
    )
    try:
        async with stream:
            async for update in stream:
                updates.append(update)
                if leave is not None and len(updates) > leave:
                    left = True
                    break
    except ASRWireError as failed:
        error = failed
    return Heard(number, model, left, updates, error, stream.transcript)


def compare(call: Heard, answers: list[Any]) -> None:
    """Raises AssertionError where the client says otherwise than the record of what was sent to it."""
    transcript, error = call.transcript, call.error
    if unheard(call, answers):
        assert call.updates == []
        assert error is not None
        assert not error.retry_safe
        return
    answer, dashscope = answers[-1], MODELS[call.model] == "dashscope"
    if error is not None and (error.kind, error.phase) == ("limit", "head"):  # a client of other limits reads on
        assert call.updates == []
        assert any(fault.name == "fields" for fault in answer.faults)
        return
    # Nothing is billed twice: whatever came before the last answer had refused the request.
    assert len(answers) <= 3
    assert all(earlier.status in (429, 503) for earlier in answers[:-1])
    # Nothing is lost, nothing invented, nothing doubled.
    finals = [update.sentence for update in call.updates if isinstance(update, Final)]
    part = call.left or late(call, answers)  # more was sent later
    # Of an event that did not leave whole the JSON may have; compressed, nobody can see how much of it has.
    coded = error is not None and any(fault.name == "gzip" for fault in answer.faults)
    extra = not part and (coded or transcript.issues["unterminated_event"])
    if dashscope:
        sent = [(s.text, s.begin_time, s.end_time, s.words) for s in answer.sentences]
        mine = [(s.text, s.begin_time, s.end_time, s.words) for s in finals]
        if extra and mine != sent:
            assert coded or finals[-1].text.encode() in answer.rest
            assert mine, sent
            del mine[-1]
        assert mine == (sent[: len(mine)] if part else sent)
    else:
        text = "".join(u.sentence.text for u in call.updates if isinstance(u, (Final, Incomplete)))
        # Deltas have nothing to know them by, and without blank lines they are one event, whole or not.
        names = [fault.name for fault in answer.faults]
        doubled = "duplicate" in names or ("no_blank_lines" in names and len(names) > 1)
        more = text.removeprefix(answer.text or "") if extra and not doubled else ""
        assert len(more) <= 16 if coded else more.encode() in answer.rest
        assert part or doubled or text == (answer.text or "") + more
    kept = [s for s in transcript.sentences if s.final]
    assert (kept[: len(finals)] if call.left else kept) == finals
    if call.left:
        assert error is None
        return
    assert transcript.complete == (error is None)
    if error is not None:
        assert error.partial is None or error.partial == transcript
        assert KEY not in f"{error} {error!r}"
    elif dashscope and not transcript.issues["unframed_end"]:  # after [DONE] nothing more is waited for
        assert answer.complete
    if part:
        return
    # And it says why.
    expected = [FAULTS[text] for text in FAULTS for fault in answer.faults if same(text, fault)]
    kind = None if error is None else error.kind
    if len(answer.faults) == 1:
        assert kind in expected[0] or (kind is None and not dashscope and answer.faults[0].name in AFTER_DONE)
    elif answer.faults:
        assert kind is None or kind in _ANY
    else:
        assert kind is None


def unheard(call: Heard, answers: list[Any]) -> bool:
    """The last request was sent on a connection that ended at that moment: nobody can know what became of it."""
    lost = call.error is not None and call.error.kind in ("connect", "protocol")
    return not answers or (lost and all(answer.status in (429, 503) for answer in answers))


def late(call: Heard, answers: list[Any]) -> bool:
    """The client gave up, and nothing was to make it."""
    silent = any(fault.name in ("stall", "lost", "drip") for answer in answers for fault in answer.faults)
    return call.error is not None and call.error.kind == "timeout" and not silent


def same(text: str, fault: Any) -> bool:
    """Whether `fault` is what was written as `text`, its numbers drawn."""
    wanted = Fault.parse(text)
    drawn = dict(fault.parameters)
    return (wanted.name, dict(wanted.parameters).keys()) == (fault.name, drawn.keys()) and all(
        drawn[name] == value or (isinstance(value, tuple) and value[0] <= drawn[name] <= value[1])
        for name, value in wanted.parameters
    )


def resident() -> int:
    """Bytes of memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def soak(arguments: argparse.Namespace) -> None:
    it, begun = Soak(arguments.streams, arguments.seed, importlib.import_module(arguments.http)), time.monotonic()
    it.run(arguments.seconds)
    it.check()
    kinds = ", ".join(f"{kind or 'complete'} {count}" for kind, count in it.kinds.most_common())
    mib, blocks = [size / 2**20 for _, size in it.grown], ", ".join(f"{blocks}" for blocks, _ in it.grown[-6:])
    print(
        f"{it.calls} streams, {arguments.streams} at once, {it.faults.total()} faults of {len(it.faults)} kinds: "
        f"every outcome is what was sent ({kinds}); memory {mib[min(3, len(mib) - 1)]:.0f} MiB after the first rounds, "
        f"{mib[-1]:.0f} MiB after {len(mib)} (blocks at the end of each: {blocks}); no socket left; "
        f"{time.monotonic() - begun:.0f} s"
    )


def batch(arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = batches.kill(
            Path(folder), files=arguments.files, kills=arguments.kills, seed=arguments.seed, model=arguments.model
        )
    assert not found.doubled, found.doubled
    states = ", ".join(f"{count} {state}" for state, count in found.states.items())
    print(
        f"{arguments.files} files of {arguments.model}, killed {found.kills} times in {found.runs} runs: {states}, in "
        f"{found.tasks} tasks, none doubled; the journal is consistent; {time.monotonic() - begun:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for run, options in (
        (cancel, {"--count": 10_000}),
        (soak, {"--streams": 200, "--seconds": 300.0}),
        (batch, {"--files": 1000, "--kills": 50, "--model": "qwen3-asr-flash-filetrans"}),
    ):
        command = commands.add_parser(run.__name__)
        command.set_defaults(run=run)
        for option, default in options.items():
            command.add_argument(option, type=type(default), default=default)
        command.add_argument("--seed", type=int, default=random.randrange(10**6))
        if run is not batch:
            command.add_argument("--http", default="httpcore", choices=["httpcore", "httpcore2"])
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
