# Connections used again, many at once, attempts counted: what is sent a second time and what is not.

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
import trio

from asrwire import (
    ASRWireError,
    AsyncClient,
    Client,
    ConnectFailed,
    HTTPStatusError,
    Limits,
    ProtocolError,
    _retry,
)
from tests.matrix import MIB, finals, heard, listen, short, then
from tests.servers import CHUNKED, END, GOOD, HANG, KEY, MODEL, ONE, URL, Colour, Peer, Server, chunk, event, sized

pytestmark = pytest.mark.transport

BIG = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(6 * MIB)
CLOSING = CHUNKED[:-2] + b"Connection: close\r\n\r\n" + chunk(ONE) + END


def two(colour: Colour, server: Server, second: Any = URL) -> tuple[Any, Any]:
    async def scenario() -> tuple[Any, Any]:
        async with colour.client(server) as client:
            return await heard(client), await heard(client, audio=second)

    first, after = colour.run(scenario)
    assert (finals(first[0]), first[1]) == (["one", "two"], None)
    return after[:2]  # type: ignore[no-any-return]


# == the second request of a connection ===============================================================================


@pytest.mark.parametrize(("last", "kind"), [("close", ProtocolError), ("reset", ConnectFailed)])
def test_a_second_request_that_was_read_is_not_sent_again(colour: Colour, last: str, kind: type[ASRWireError]) -> None:
    with Server(GOOD, then(last=last), GOOD) as server:
        updates, error = two(colour, server)
        assert (server.connections, len(server.requests)) == (1, 2)
    assert (updates, type(error), error.phase) == ([], kind, "head")
    assert (error.sent, error.retry_safe) == ("complete", False)


def test_a_second_request_that_did_not_get_through_is_sent_again(colour: Colour) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(GOOD)
        peer.sock.recv(1000)
        peer.reset()

    def again(peer: Peer) -> None:
        peer.request()
        peer.send(GOOD)
        peer.wait_closed()

    with Server(answer, again, raw=True) as server:
        updates, error = two(colour, server, BIG)
        assert server.connections == 2
    assert (finals(updates), error) == (["one", "two"], None)


def test_connection_close_is_obeyed_at_once(colour: Colour) -> None:
    async def scenario() -> None:
        async with colour.client(server) as client:
            assert finals((await heard(client))[0]) == ["one"]
            assert server.saw_close.wait(HANG)
            assert finals((await heard(client))[0]) == ["one", "two"]

    with Server(then(CLOSING, last="wait"), GOOD) as server:
        colour.run(scenario)
        assert server.connections == 2


# == many at once =====================================================================================================

STREAMS = 100


def numbered(others_done: threading.Event) -> Any:
    """Answer each request by the number in its URL; number 0 ends after all others."""

    def answer(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            found = re.search(rb"/(\d+)\.wav", request)
            assert found is not None
            number = int(found[1])
            peer.send(CHUNKED + chunk(event(f"first of {number}")))
            if number == 0:
                assert others_done.wait(HANG)
            peer.send(chunk(event(f"last of {number}", number=2, begin=1000)) + END)

    return answer


def url(number: int) -> str:
    return f"https://example.com/{number}.wav"


def expected(number: int) -> list[str]:
    return [f"first of {number}", f"last of {number}"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_slow_stream_among_a_hundred(backend: str) -> None:
    texts: dict[int, list[str]] = {}
    done = threading.Event()

    async def scenario() -> None:
        limits = Limits(connections=STREAMS)
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=short(), limits=limits) as client:

            async def one(number: int) -> None:
                updates, error, _ = await heard(client, audio=url(number))
                assert error is None
                texts[number] = finals(updates)
                if len(texts) == STREAMS - 1:
                    assert 0 not in texts
                    done.set()

            async with anyio.create_task_group() as group:
                for number in range(STREAMS):
                    group.start_soon(one, number)

    with Server(numbered(done), raw=True) as server:
        anyio.run(scenario, backend=backend)
    assert texts == {number: expected(number) for number in range(STREAMS)}


def test_a_slow_stream_among_a_hundred_threads() -> None:
    texts: dict[int, list[str]] = {}
    done = threading.Event()

    def one(number: int) -> None:
        with client.stream(url(number), model=MODEL) as stream:
            texts[number] = finals(list(stream))
        if len(texts) == STREAMS - 1:
            done.set()

    with (
        Server(numbered(done), raw=True) as server,
        Client(KEY, base_url=server.base_url, timeouts=short(), limits=Limits(connections=STREAMS)) as client,
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        list(threads.map(one, range(STREAMS)))
    assert texts == {number: expected(number) for number in range(STREAMS)}


# == time-outs from outside ===========================================================================================


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wire", [b"", CHUNKED + chunk(ONE)], ids=["head", "body"])
def test_a_timeout_from_outside_is_neither_swallowed_nor_a_retry(backend: str, wire: bytes) -> None:
    async def call() -> None:
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=short()) as client:
            await heard(client, resend=True)

    async def on_asyncio() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.1):
                await call()
        assert type(caught.value) is TimeoutError

    async def on_trio() -> None:
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.1):
            await call()

    with Server(then(wire, last="wait")) as server:
        if backend == "asyncio":
            asyncio.run(on_asyncio())
        else:
            trio.run(on_trio)
        assert server.saw_close.wait(HANG)
        assert len(server.requests) == 1


# == how often ========================================================================================================

BUSY = sized(b"", b"503 X", more=b"Retry-After: 0\r\n")


def test_resend_is_for_what_was_not_answered_only(colour: Colour) -> None:
    for answers, posts in (
        ([then(), then(last="reset"), GOOD], 3),
        ([sized(b"", b"500 X"), sized(b"", b"504 X"), GOOD], 3),
        ([then(CHUNKED)], 1),
        ([then(CHUNKED + chunk(ONE))], 1),
        ([sized(b"", b"400 X")], 1),
        ([CHUNKED + chunk(b'event:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling"}\n\n') + END], 1),
        ([CHUNKED + chunk(ONE + b"data:{x\n\n") + END], 1),
    ):
        with Server(*answers) as server:
            _, error, _ = listen(colour, server, options={"resend": True})
            assert len(server.requests) == posts
        assert (error is None) == (posts == 3)


def test_a_call_gives_up_after_three_attempts(colour: Colour) -> None:
    with Server(BUSY) as server:
        _, error, _ = listen(colour, server)
        assert len(server.requests) == 3
    assert (type(error), error.http_status, error.retry_safe) == (HTTPStatusError, 503, True)


def test_a_submit_that_was_not_taken_makes_one_task(colour: Colour) -> None:
    made = sized(b'{"output":{"task_id":"t-1","task_status":"PENDING"},"request_id":"r"}')

    async def scenario() -> Any:
        async with colour.client(server) as client:
            if isinstance(client, AsyncClient):
                return await client.tasks.submit(URL, model="fun-asr")
            return client.inner.tasks.submit(URL, model="fun-asr")

    with Server(BUSY, made) as server:
        assert colour.run(scenario).task_id == "t-1"
        assert len(server.requests) == 2


# == the quota of retries =============================================================================================

CALLS, RETRIES = 100, 500 // 14


def test_an_outage_is_not_multiplied_by_threads() -> None:
    with (
        Server(BUSY) as server,
        Client(KEY, base_url=server.base_url, timeouts=short()) as client,
        ThreadPoolExecutor(20) as threads,
    ):
        calls = [threads.submit(client.transcribe, URL, model=MODEL) for _ in range(CALLS)]
        errors = [call.exception(HANG) for call in calls]
    assert {type(error) for error in errors} == {HTTPStatusError}
    assert len(server.requests) == CALLS + RETRIES


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_outage_is_not_multiplied_by_tasks(backend: str) -> None:
    async def scenario() -> None:
        async with AsyncClient(KEY, base_url=server.base_url, timeouts=short()) as client:

            async def one() -> None:
                with pytest.raises(HTTPStatusError):
                    await client.tasks.submit(URL, model="fun-asr")

            async with anyio.create_task_group() as group:
                for _ in range(CALLS):
                    group.start_soon(one)

    with Server(BUSY) as server:
        anyio.run(scenario, backend=backend)
    assert len(server.requests) == CALLS + RETRIES


def test_when_the_service_is_back_retries_are_too(colour: Colour) -> None:
    _retry.QUOTA.tokens = 13

    async def scenario() -> list[bool]:
        async with colour.client(server) as client:
            return [(await heard(client))[1] is None for _ in range(3)]

    with Server(BUSY, GOOD, BUSY, GOOD) as server:
        assert colour.run(scenario) == [False, True, True]
        assert len(server.requests) == 4
