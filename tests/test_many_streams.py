# Many streams of one client beside each other: who waits for a connection, who does not read, and the command that
# draws what they cost (tests/test_growth_streams.py counts it).
#
# Knows: the public clients, and where they keep what is counted here. Must not know: how the client does anything.

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from asrwire import Client, Limits
from benchmarks import streams
from tests.endurance import until
from tests.servers import CHUNKED, HANG, KEY, MODEL, ONE, URL, Colour, Peer, Server, chunk, event

pytestmark = pytest.mark.transport
SLOTS, WAITERS = 3, 100


def hold(peer: Peer) -> None:
    peer.send(CHUNKED + chunk(ONE))
    peer.wait_closed()


# == first come, first served =========================================================================================


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_tasks_are_served_in_the_order_they_came(backend: str) -> None:
    served: list[int] = []

    async def scenario() -> None:
        async with Colour(backend).client(server, limits=Limits(connections=SLOTS)) as client:
            held = [await client.stream(URL, model=MODEL).__aenter__() for _ in range(SLOTS)]

            async def enter(number: int) -> None:
                held.append(await client.stream(URL, model=MODEL).__aenter__())
                served.append(number)

            with anyio.fail_after(HANG):
                async with anyio.create_task_group() as group:
                    for number in range(WAITERS):
                        group.start_soon(enter, number)
                        while len(client._transport._slots._queue) <= number:
                            await anyio.lowlevel.checkpoint()
                    for number in range(WAITERS):
                        await held.pop(0).aclose()
                        while len(served) <= number:
                            await anyio.lowlevel.checkpoint()
                        assert len(held) == SLOTS
            for stream in held:
                await stream.aclose()

    with Server(hold) as server:
        Colour(backend).run(scenario)
    assert served == list(range(WAITERS))


def test_threads_are_served_in_the_order_they_came() -> None:
    served: list[int] = []
    came = threading.Condition()

    def enter(number: int) -> None:
        stream = client.stream(URL, model=MODEL).__enter__()
        with came:
            held.append(stream)
            served.append(number)
            came.notify()

    with Server(hold) as server, Client(KEY, base_url=server.base_url, limits=Limits(connections=SLOTS)) as client:
        held = [client.stream(URL, model=MODEL).__enter__() for _ in range(SLOTS)]
        queue = client._transport._slots._queue
        threads = []
        for number in range(WAITERS):
            threads.append(threading.Thread(target=enter, args=(number,)))
            threads[-1].start()
            until(lambda number=number: len(queue) > number, "nobody waits")  # type: ignore[misc]
        for number in range(WAITERS):
            held.pop(0).close()
            with came:
                assert came.wait_for(lambda number=number: len(served) > number, HANG)  # type: ignore[misc]
        for thread in threads:
            thread.join(HANG)
        for stream in held:
            stream.close()
    assert served == list(range(WAITERS))


# == one does not read ================================================================================================

MANY = 50
SENT = 64 * 2**20  # bytes, far more than the system's buffers hold


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_who_does_not_read_holds_back_nobody_else(backend: str) -> None:
    block = b"".join(chunk(event("x" * 1000, end=False, number=1)) for _ in range(64))
    sent = 0

    def flood(peer: Peer) -> None:
        nonlocal sent
        peer.send(CHUNKED)
        while sent < SENT:
            peer.send(block)
            sent += len(block)

    def steady(peer: Peer) -> None:
        peer.send(CHUNKED + b"".join(chunk(event(f"{number}", end=False)) for number in range(100)))
        peer.wait_closed()

    async def scenario() -> None:
        async with Colour(backend).client(server, limits=Limits(connections=1 + MANY)) as client:
            blocked = await client.stream(URL, model=MODEL).__aenter__()
            assert (await anext(blocked)).sentence.text == "x" * 1000
            connection: Any = blocked._current.channel.slot.connection.tap.streams[-1]
            heard: list[str] = []

            async def listen() -> None:
                async with client.stream(URL, model=MODEL) as stream:
                    for _ in range(100):
                        heard.append((await anext(stream)).sentence.text)

            with anyio.fail_after(HANG):
                while backend != "trio" and not connection._held_back:
                    await anyio.lowlevel.checkpoint()
                async with anyio.create_task_group() as group:
                    for _ in range(MANY):
                        group.start_soon(listen)
            assert sorted(heard) == sorted(f"{number}" for number in range(100) for _ in range(MANY))
            # What is not read stays with the system and the peer, but for two reads of it at most.
            assert sent < SENT / 2
            if backend != "trio":  # where nothing is read that nobody asked for
                assert connection._held_back
                assert connection._size <= 2 * 262_144
            assert blocked.transcript.sentences[0].text == "x" * 1000
            await blocked.aclose()

    with Server(flood, steady) as server:
        Colour(backend).run(scenario)


# == the command ======================================================================================================


def test_the_command_draws_its_curves(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = tmp_path / "streams.svg"
    monkeypatch.setattr(streams, "EVENTS", 8)
    monkeypatch.setattr(streams, "COUNTS", (2, 4))
    monkeypatch.setattr(streams, "TLS_COUNTS", (2,))
    monkeypatch.setattr("sys.argv", ["streams", "--most", "4", "--rounds", "1", "--rate", "400", "--plot", str(plot)])
    assert streams.main() in (0, 1)  # how fast is for a quiet machine to say
    said = capsys.readouterr().out
    for way in ("asyncio | 2 |", "asyncio | 4 |", "uvloop | 4 |", "asyncio, TLS | 2 |", "uvloop, TLS | 2 |"):
        assert f"| {way}" in said
    assert plot.read_text().count("</svg>") == 1


def test_what_is_over_a_bound_is_told() -> None:
    few, many = streams.Figures(100, 100, 20, 1, 15), streams.Figures(100, 151, 26.1, 1, 25.1)
    assert streams.Curve("asyncio", False, {100: few, 5000: few}).missed == []
    assert streams.Curve("asyncio", False, {100: few, 5000: many}).missed == [
        "asyncio, 5,000 streams: opening the last costs 1.51x, at most 1.5x",
        "asyncio, 5,000 streams: an event costs 1.31x, at most 1.3x",
        "asyncio, 5,000 streams: 25.1 kB each, at most 25",
    ]
    bound = streams.Figures(100, 150, 26, 1, 80)
    assert streams.Curve("uvloop", True, {100: few, 1000: bound}).missed == []


def test_too_few_files_are_said_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.resource, "getrlimit", lambda kind: (64, 1024))
    with pytest.raises(SystemExit, match=r"5,000 streams need 5,100 open files, .* allows 1,024: give --most 924"):
        streams.room(5000)
