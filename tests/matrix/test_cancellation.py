# Cancelled, timed out, left, forked, interrupted: whatever ends a call from outside, nothing stays open, no place is
# lost, nothing is sent twice, and the next call is answered.

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from types import FrameType, ModuleType
from typing import Any

import anyio
import httpcore
import httpcore2
import pytest
import trio

from asrwire import AsyncClient, Client, Limits
from tests.endurance import Storm, descriptors, small_buffers, until
from tests.matrix import full, heard, short, then
from tests.servers import (
    CHUNKED,
    END,
    GOOD,
    HANG,
    KEY,
    MODEL,
    ONE,
    TWO,
    URL,
    Colour,
    Peer,
    Server,
    chunk,
    contexts,
    event,
    sized,
)

pytestmark = pytest.mark.transport

# == many =============================================================================================================


@pytest.mark.parametrize("http", [httpcore, httpcore2], ids=lambda module: module.__name__)
@pytest.mark.parametrize(
    ("colour", "tls", "count"),
    [
        ("asyncio", False, 1500), ("asyncio", True, 200), ("uvloop", False, 200), ("trio", False, 200),
        ("trio", True, 100), ("threads", False, 100), ("threads", True, 50),
    ],
)  # fmt: skip
def test_cancelled_anywhere_and_then_all_are_served(colour: str, tls: bool, count: int, http: ModuleType) -> None:
    """`python -m tests.endurance cancel` cancels 10,000."""
    if colour == "uvloop" and sys.platform == "win32":
        colour = "asyncio"
    storm = Storm(count, 7, http, tls)
    storm.run(colour)
    assert storm.places.total() >= count
    assert len(storm.places) >= 3, "the storm is to reach many places"


# == at every await ===================================================================================================

JSON = sized(b'{"output":{"text":"one two","task_id":"t-1","task_status":"PENDING"}}')


async def streamed(client: AsyncClient) -> None:
    async with client.stream(URL, model=MODEL) as stream:
        assert [update.sentence.text async for update in stream] == ["one", "two"]


async def transcribed(client: AsyncClient) -> None:
    assert (await client.transcribe(URL, model=MODEL)).text == "one two"


async def submitted(client: AsyncClient) -> None:
    assert (await client.tasks.submit(URL, model="fun-asr")).task_id == "t-1"


CALLS = [(streamed, GOOD), (transcribed, JSON), (submitted, JSON)]


class Steps(trio.abc.Instrument):
    """Cancels a scope when a task has been suspended so many times."""

    def __init__(self, scope: trio.CancelScope, count: int) -> None:
        self.scope = scope
        self.task = trio.lowlevel.current_task()
        self.left = count

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@pytest.mark.parametrize(("call", "answer"), CALLS)
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_cancelled_at_every_await_on_trio(
    call: Callable[[AsyncClient], Awaitable[None]], answer: bytes, tls: bool
) -> None:
    async def scenario() -> None:
        settings = {"ssl_context": contexts()[1], "limits": Limits(connections=1), "timeouts": short()}
        async with AsyncClient(KEY, base_url=server.base_url, **settings) as client:  # type: ignore[arg-type]
            for count in range(1, 1000):
                scope = trio.CancelScope()
                steps = Steps(scope, count)
                trio.lowlevel.add_instrument(steps)
                with scope:
                    await call(client)
                trio.lowlevel.remove_instrument(steps)
                assert not client._transport._slots._busy
                if not scope.cancelled_caught and steps.left > 0:
                    break
            assert count > 5
            await call(client)

    with Server(answer, tls=tls) as server:
        trio.run(scenario)


@pytest.mark.parametrize(("call", "answer"), CALLS[1:])
def test_cancelled_at_every_turn_of_the_loop(call: Callable[[AsyncClient], Awaitable[None]], answer: bytes) -> None:
    async def scenario() -> None:
        async with AsyncClient(
            KEY, base_url=server.base_url, limits=Limits(connections=1), timeouts=short()
        ) as client:
            for turns in range(10_000):
                task = asyncio.ensure_future(call(client))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not task.cancel():
                    break
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not client._transport._slots._busy
            assert turns > 5
            await call(client)

    with Server(answer) as server:
        asyncio.run(scenario())


# == time-outs from outside ===========================================================================================

SOON = 0.08
BIG = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(2**20)


async def of_asyncio(work: Callable[[], Awaitable[Any]]) -> bool:
    try:
        async with asyncio.timeout(SOON):
            await work()
    except TimeoutError as error:
        return type(error) is TimeoutError
    return False


async def of_anyio(work: Callable[[], Awaitable[Any]]) -> bool:
    with anyio.move_on_after(SOON) as scope:
        await work()
    return scope.cancelled_caught


async def of_trio(work: Callable[[], Awaitable[Any]]) -> bool:
    with trio.move_on_after(SOON) as scope:
        await work()
    return scope.cancelled_caught


OUTSIDE = [("asyncio", of_asyncio), ("asyncio", of_anyio), ("trio", of_anyio), ("trio", of_trio)]
#: Where the peer leaves the call: (its answers, raw, audio)
STAGES: dict[str, tuple[Any, bool, Any]] = {
    "tls": (then(last="wait"), True, URL),
    "upload": (lambda peer: peer.server.saw_close.wait(HANG), True, BIG),
    "head": (then(last="wait"), False, URL),
    "body": (then(CHUNKED + chunk(ONE), last="wait"), False, URL),
}


@pytest.mark.parametrize("stage", ["connect", "pool", *STAGES])
@pytest.mark.parametrize(("backend", "outside"), OUTSIDE)
def test_time_is_up_outside(
    backend: str, outside: Callable[[Callable[[], Awaitable[Any]]], Awaitable[bool]], stage: str
) -> None:
    """At every stage, by every kind of time-out: it comes through as what it is, and a place is free at once."""
    answer, raw, audio = STAGES.get(stage, (then(CHUNKED + chunk(ONE), last="wait"), False, URL))
    colour = Colour(backend)

    async def scenario() -> None:
        settings = {"ssl_context": contexts()[1], "limits": Limits(connections=1), "http": small_buffers(httpcore)}
        async with colour.client(base_url=url, **settings) as client:
            if stage == "pool":
                async with client.stream(URL, model=MODEL) as holder:
                    assert (await holder.__anext__()).sentence.text == "one"
                    assert await outside(lambda: heard(client))
                    assert not client._transport._slots._queue
            else:
                assert await outside(lambda: heard(client, audio=audio, resend=True))
            assert not client._transport._slots._busy

    before = descriptors()
    with ExitStack() as stack:
        if stage == "connect":
            url = stack.enter_context(full())
        else:
            server = stack.enter_context(Server(answer, raw=raw))
            url = server.base_url if stage != "tls" else server.base_url.replace("http:", "https:")
        colour.run(scenario)
        if stage == "upload":
            server.saw_close.set()
        elif stage != "connect":
            assert server.saw_close.wait(HANG)
            assert server.connections == 1
    until(lambda: descriptors() <= before, "something is open")


# == leaving ==========================================================================================================


@pytest.mark.parametrize("how", ["break", "return", "abandoned iterator", "two iterators"])
def test_left_in_the_middle(colour: Colour, how: str) -> None:
    async def first(stream: Any) -> str:
        async for update in stream:
            return update.sentence.text  # type: ignore[no-any-return]
        raise AssertionError

    async def scenario() -> None:
        async with colour.client(server, limits=Limits(connections=1)) as client:
            async with client.stream(URL, model=MODEL) as stream:
                if how == "break":
                    async for update in stream:
                        assert update.sentence.text == "one"
                        break
                elif how == "return":
                    assert await first(stream) == "one"
                elif how == "abandoned iterator":
                    sentences = stream.sentences()
                    assert (await sentences.__anext__()).text == "one"
                    del sentences
                else:
                    assert await first(stream) == "one"
                    sentences = stream.sentences()  # what is left
                    del sentences
            assert server.saw_close.wait(HANG)
            assert not client._transport._slots._busy
            assert stream.transcript.incomplete_reason == "closed"
            assert [update.sentence.text for update in (await heard(client))[0]] == ["one", "two"]

    with Server(then(CHUNKED + chunk(ONE), last="wait"), GOOD) as server:
        colour.run(scenario)
        assert (server.connections, len(server.requests)) == (2, 2)


# == a process ========================================================================================================

PROGRAM = """
import asyncio, os, signal, sys, trio
from asrwire import AsyncClient, Client
URL, MODEL, BASE = {audio!r}, {model!r}, {url!r}
async def wait():
    client = AsyncClient("sk-0123456789", base_url=BASE)
    stream = client.stream(URL, model=MODEL)
    await stream.__aenter__()
    sentences = stream.sentences()
    print((await sentences.__anext__()).text, flush=True)
    {asynchronous}
def block():
    client = Client("sk-0123456789", base_url=BASE)
    stream = client.stream(URL, model=MODEL)
    stream.__enter__()
    sentences = stream.sentences()
    print(next(sentences).text, flush=True)
    {blocking}
{run}
"""
RUNS = {"sync": "block()", "asyncio": "asyncio.run(wait())", "trio": "trio.run(wait)"}


def program(name: str, server: Server, asynchronous: str, blocking: str) -> list[str]:
    code = PROGRAM.format(
        audio=URL, model=MODEL, url=server.base_url, asynchronous=asynchronous, blocking=blocking, run=RUNS[name]
    )
    return [sys.executable, "-W", "always::ResourceWarning", "-c", code]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "dropped"])
def test_a_process_ends_and_says_no_more_than_that_something_was_open(name: str, kept: bool) -> None:
    keep = "global held; held = client, stream, sentences" if kept else "del sentences, stream, client"
    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        done = subprocess.run(
            program(name, server, keep, keep), capture_output=True, text=True, timeout=60, env=environment()
        )
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1
    assert (done.stdout, done.returncode) == ("one\n", 0)
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
    assert all("ResourceWarning: " in line for line in said), done.stderr


@pytest.mark.parametrize("name", RUNS)
def test_ctrl_c_ends_a_process_that_reads(name: str) -> None:
    with Server(then(CHUNKED + chunk(ONE), last="wait")) as server:
        arguments = program(name, server, "await sentences.__anext__()", "next(sentences)")
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "one\n"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1
    assert process.returncode == -signal.SIGINT
    lines = [line for line in said.splitlines() if line and "ResourceWarning" not in line]
    assert "KeyboardInterrupt" in lines
    assert "Exception ignored" not in said


def test_interrupted_at_every_call_of_a_read() -> None:
    """Where a thread looks at its signals: a place is free at once, and whoever is next has the turn."""

    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        assert peer.server.saw_close.wait(HANG)
        peer.send(chunk(TWO))
        peer.wait_closed()

    def interrupt(frame: FrameType, what: str, _: object) -> None:
        places.append(frame.f_code.co_name)
        if len(places) == count:
            sys.settrace(None)
            raise KeyboardInterrupt

    before = sys.gettrace()
    for count in range(1, 1000):
        places: list[str] = []
        with Server(answer) as server, Client(KEY, base_url=server.base_url, timeouts=short()) as client:
            with suppress(KeyboardInterrupt), client.stream(URL, model=MODEL) as stream:
                assert next(stream).sentence.text == "one"
                server.saw_close.set()
                sys.settrace(interrupt)
                try:
                    assert next(stream).sentence.text == "two"
                finally:
                    sys.settrace(before)
            assert not stream._turn.locked(), places
            assert not client._transport._slots._busy, places
        if len(places) < count:
            break
    assert "_on_data" in places


FORKS = """
import os, sys
from asrwire import Client, ASRWireError
def texts(client, audio):
    with client.stream(audio, model={model!r}) as stream:
        return [update.sentence.text for update in stream]
with Client("sk-0123456789", base_url={url!r}) as client:
    with client.stream("https://example.com/1.wav", model={model!r}) as stream:
        second = [next(stream).sentence.text]
        first = texts(client, "https://example.com/0.wav")
        child = os.fork()
        if child == 0:
            try:
                next(stream)
            except ASRWireError as error:
                kind = error.kind
            third = texts(client, "https://example.com/2.wav")
            stream.close()
            client.close()
            print("child", kind, *third, flush=True)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        fourth = texts(client, "https://example.com/3.wav")
        second += [update.sentence.text for update in stream]
print("parent", *first, *second, *fourth)
"""


def test_a_child_has_nothing_of_its_parents_connections() -> None:
    """Idle ones are not used twice; a stream that is open in the parent stays open there, whatever the child does."""
    go_on = threading.Event()

    def answer(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            found = re.search(rb"/(\d+)\.wav", request)
            assert found is not None
            number = int(found[1])
            peer.send(CHUNKED + chunk(event(f"{number}a")))
            if number == 1:
                assert go_on.wait(HANG)
            if number == 3:
                go_on.set()
            peer.send(chunk(event(f"{number}b", number=2, begin=1000)) + END)

    with Server(answer, raw=True) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", FORKS.format(model=MODEL, url=server.base_url)],
            capture_output=True, text=True, timeout=60, env=environment(),
        )  # fmt: skip
    assert (done.stdout, done.stderr) == ("child closed 2a 2b\nparent 0a 0b 1a 1b 3a 3b\n", "")
    assert server.connections == 3


FORKED_TASK = """
import asyncio, os, socket, trio
from asrwire import AsyncClient, Closed, Timeouts
async def main():
    client = AsyncClient("sk-0123456789", base_url={url!r}, timeouts=Timeouts(head=60, idle=120))
    stream = client.stream({audio!r}, model={model!r})
    await stream.__aenter__()
    texts = [(await stream.__anext__()).sentence.text]
    child = os.fork()
    if child == 0:
        try:
            await stream.__anext__()
        except Closed:
            await stream.aclose()
            await client.aclose()
            os._exit(7)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    socket.create_connection(("127.0.0.1", {port})).close()  # go on
    texts += [update.sentence.text async for update in stream]
    await stream.aclose()
    await client.aclose()
    print(code, *texts)
{run}
"""


@pytest.mark.parametrize("run", ["asyncio.run(main())", "trio.run(main)"])
def test_a_child_closes_nothing_of_its_parents_tasks(run: str) -> None:
    def answer(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(ONE))
        assert server.saw_close.wait(HANG)  # of the connection that says so
        peer.send(chunk(TWO) + END)
        peer.wait_closed()

    with Server(answer) as server:
        code = FORKED_TASK.format(audio=URL, model=MODEL, url=server.base_url, port=server.port, run=run)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, env=environment()
        )
        assert len(server.requests) == 1
    assert (done.stdout, done.stderr) == ("7 one two\n", "")
