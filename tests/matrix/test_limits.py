# Limits: every field at its bound and one past it; streams without end in flat memory; consumers that do not keep up.

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import anyio.to_thread
import pytest

from asrwire import (
    AsyncClient,
    FileFailed,
    HTTPStatusError,
    LimitExceeded,
    Limits,
    PoolTimeout,
    ProtocolError,
    Subtask,
    Task,
    Timeout,
)
from tests.matrix import MIB, Peak, endlessly, finals, heard, listen, short, then
from tests.servers import CHUNKED, END, GOOD, HANG, HEAD, MODEL, ONE, URL, Colour, Peer, Server, chunk, event, sized

pytestmark = pytest.mark.transport

PLAIN = ONE.replace(b"id:1\nevent:result\n:HTTP_STATUS/200\n", b"")
JSON = b'{"output":{"text":"one"},"request_id":"body-id"}'
ZIPPED = gzip.compress(ONE)
LINE = b"%x;%b" % (len(ONE), b"a" * 50)
TRAILER = b"A: b\r\nC: d\r\n"

#: By field of Limits: an answer, and the smallest bound it fits into.
ANSWERS: dict[str, tuple[bytes, int]] = {
    "head_size": (GOOD, len(CHUNKED)),
    "head_fields": (GOOD, 2),
    "informational": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + GOOD, 3),
    "chunk_line": (CHUNKED + LINE + b"\r\n" + ONE + b"\r\n" + END, len(LINE)),
    "chunk_extensions": (CHUNKED + (LINE + b"\r\n" + ONE + b"\r\n") * 2 + END, 102),
    "trailers": (CHUNKED + chunk(ONE) + b"0\r\n" + TRAILER + b"\r\n", len(TRAILER)),
    "event_size": (CHUNKED + chunk(PLAIN) + END, len(PLAIN) - 2),
    "event_lines": (GOOD, 4),
    "decompressed": (sized(ZIPPED, kind=b"text/event-stream", more=b"Content-Encoding: gzip\r\n"), len(ONE)),
}


def files_of(server: Server) -> Task:
    url = f"http://127.0.0.1:{server.port}/r.json?Signature=s"
    return Task("t-1", "SUCCEEDED", subtasks=(Subtask(URL, "SUCCEEDED", url),))


async def results(client: Any, task: Task) -> list[Any]:
    if isinstance(client, AsyncClient):
        return [value async for value in client.tasks.results(task)]
    return list(client.inner.tasks.results(task))


async def check_error_body(colour: Colour) -> None:
    with Server(sized(b"x" * 49 + b"!", b"400 X")) as server:
        for most, whole in ((50, True), (49, False)):
            async with colour.client(server, limits=Limits(error_body=most)) as client:
                _, error, _ = await heard(client)
            assert type(error) is HTTPStatusError
            assert ("x" * 49 in str(error), "!" in str(error)) == (True, whole)


async def check_result_size(colour: Colour) -> None:
    body = b'{"transcripts":[]}'
    with Server(sized(body)) as server:
        for most in (len(body), len(body) - 1):
            async with colour.client(server, limits=Limits(result_size=most, event_size=1)) as client:
                (found,) = await results(client, files_of(server))
            assert isinstance(found, FileFailed) == (most < len(body))
        assert (type(found.error), "result_size" in str(found.error)) == (LimitExceeded, True)


async def check_redirects(colour: Colour) -> None:
    moved = sized(b"", b"302 X", more=b"Location: /there?Signature=t\r\n")
    for most in (2, 1):
        with Server(moved, moved, sized(b'{"transcripts":[]}')) as server:
            async with colour.client(server, limits=Limits(redirects=most)) as client:
                (found,) = await results(client, files_of(server))
            assert len(server.requests) == most + 1
    assert (type(found.error), "redirects" in str(found.error)) == (LimitExceeded, True)


async def check_connections(colour: Colour) -> None:
    settings = {"limits": Limits(connections=2), "timeouts": short(pool=0.05)}
    with Server(then(CHUNKED, last="wait")) as server:
        async with (
            colour.client(server, **settings) as client,
            client.stream(URL, model=MODEL),
            client.stream(URL, model=MODEL),
        ):
            _, error, _ = await heard(client)
        assert server.connections == 2
    assert type(error) is PoolTimeout
    assert "Limits.connections" in str(error)


async def check_keepalive(colour: Colour) -> None:
    for seconds, connections in ((60.0, 1), (0.0, 2)):
        with Server(GOOD) as server:
            async with colour.client(server, limits=Limits(keepalive=seconds)) as client:
                for _ in range(2):
                    assert finals((await heard(client))[0]) == ["one", "two"]
            assert server.connections == connections


async def check_retry_after(colour: Colour) -> None:
    for asked, requests in ((b"0.01", 2), (b"0.011", 1)):
        busy = sized(b"", b"503 X", more=b"Retry-After: %b\r\n" % asked)
        with Server(busy, GOOD) as server:
            async with colour.client(server, limits=Limits(retry_after=0.01)) as client:
                await heard(client)
            assert len(server.requests) == requests


CHECKS: dict[str, Callable[[Colour], Any]] = {
    "error_body": check_error_body,
    "result_size": check_result_size,
    "redirects": check_redirects,
    "connections": check_connections,
    "keepalive": check_keepalive,
    "retry_after": check_retry_after,
}


def test_every_limit_has_a_case() -> None:
    assert [field.name for field in fields(Limits) if field.name not in {*ANSWERS, *CHECKS}] == []


@pytest.mark.parametrize("name", ANSWERS)
def test_a_limit_at_its_bound_and_one_past_it(colour: Colour, name: str) -> None:
    wire, least = ANSWERS[name]
    with Server(wire) as server:
        updates, error, _ = listen(colour, server, limits=Limits(**{name: least}))
        assert (finals(updates)[:1], error) == (["one"], None)
        _, error, _ = listen(colour, server, limits=Limits(**{name: least - 1}))
        assert len(server.requests) == 2
    assert type(error) is LimitExceeded
    assert name in str(error)
    assert (error.sent, error.retry_safe) == ("complete", False)


def test_a_json_body_is_bounded_as_an_event_is(colour: Colour) -> None:
    with Server(sized(JSON)) as server:
        updates, error, _ = listen(colour, server, limits=Limits(event_size=len(JSON)))
        assert (finals(updates), error) == (["one"], None)
        _, error, _ = listen(colour, server, limits=Limits(event_size=len(JSON) - 1))
    assert type(error) is LimitExceeded
    assert "event_size" in str(error)


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_limit_bounds(colour: Colour, name: str) -> None:
    async def scenario() -> None:
        await CHECKS[name](colour)

    colour.run(scenario)


# == without end ======================================================================================================

ENDLESS = {
    "line": (CHUNKED + chunk(ONE + b"data:"), chunk(b"x" * 65536), LimitExceeded, "event_size"),
    "event": (CHUNKED + chunk(ONE), chunk(b"data:" + b"x" * 65530 + b"\n"), LimitExceeded, "event_size"),
    "comment": (CHUNKED + chunk(ONE + b":"), chunk(b"x" * 65536), LimitExceeded, "event_size"),
    "block of comments": (CHUNKED + chunk(ONE), chunk(b":" + b"x" * 65530 + b"\n"), LimitExceeded, "event_size"),
    "empty data lines": (CHUNKED + chunk(ONE), chunk(b"data\n" * 13_000), LimitExceeded, "event_lines"),
    "unknown lines": (CHUNKED + chunk(ONE), chunk(b"x\n" * 30_000), LimitExceeded, "event_lines"),
    "chunk extension": (CHUNKED + chunk(ONE) + b"1;", b"x" * 65536, LimitExceeded, "chunk_line"),
    "small extensions": (CHUNKED + chunk(ONE), b"1;aaaaaaaaa\r\n:\r\n" * 4000, LimitExceeded, "chunk_extensions"),
    "zeros of a chunk size": (CHUNKED + chunk(ONE), b"0" * 65536, ProtocolError, "chunk-size"),
    "trailers": (CHUNKED + chunk(ONE) + b"0\r\n", b"a: b\r\n" * 10_000, LimitExceeded, "trailers"),
    "JSON": (b"HTTP/1.1 200 OK\r\n\r\n{", b" " * 65536, LimitExceeded, "event_size"),
    "white space": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, LimitExceeded, "event_size"),
    "blank lines": (b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n" * 32768, LimitExceeded, "event_size"),
    "error body": (b"HTTP/1.1 500 X\r\n\r\n", b"x" * 65536, HTTPStatusError, "HTTP status 500"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_cut_off_in_flat_memory(colour: Colour, name: str) -> None:
    start, block, kind, said = ENDLESS[name]
    with Server(endlessly(start, block)) as server, Peak() as peak:
        updates, error, _ = listen(colour, server)
        assert server.saw_close.wait(HANG)
    assert finals(updates) == (["one"] if ONE in start else [])
    assert type(error) is kind
    assert said in str(error)
    assert peak.size < 20 * MIB


def test_a_bomb_is_cut_off(colour: Colour) -> None:
    bomb = gzip.compress(ONE + b":" + b"x" * (64 * MIB))
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server(then(head + chunk(bomb), last="wait")) as server, Peak() as peak:
        updates, error, _ = listen(colour, server)
        assert server.saw_close.wait(HANG)
    assert type(error) is LimitExceeded
    assert finals(updates) == ["one"]
    assert peak.size < 80 * MIB  # two hundred times what one read brings, and a copy


def test_an_endless_result_file(colour: Colour) -> None:
    async def scenario() -> Any:
        async with colour.client(server, limits=Limits(result_size=4 * MIB)) as client:
            return await results(client, files_of(server))

    with Server(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536)) as server, Peak() as peak:
        (found,) = colour.run(scenario)
        assert server.saw_close.wait(HANG)
    assert type(found.error) is LimitExceeded
    assert peak.size < 20 * MIB


def test_keep_alives_by_the_megabyte_cost_nothing(colour: Colour) -> None:
    block, count = chunk(b": keep-alive\n\n" * 4600), 1000  # 64 MB
    half = [CHUNKED + chunk(ONE)], [chunk(event("two", number=2, begin=1000)) + END]
    with Server(then(*half[0], *[block] * count, *half[1])) as server, Peak() as peak:
        updates, error, _ = listen(colour, server)
    assert (finals(updates), error) == (["one", "two"], None)
    assert peak.size < 2 * MIB


def test_a_large_event_is_an_event(colour: Colour) -> None:
    text = "x" * (4 * MIB)
    wire = event(text)
    with Server(CHUNKED + b"".join(chunk(wire[i : i + 65536]) for i in range(0, len(wire), 65536)) + END) as server:
        updates, error, _ = listen(colour, server)
    assert (finals(updates), error) == ([text], None)


def test_a_consumer_that_does_not_keep_up(colour: Colour) -> None:
    stuck = threading.Event()

    def answer(peer: Peer) -> None:
        peer.sock.settimeout(0.3)
        peer.send(CHUNKED + chunk(ONE))
        try:
            while True:
                peer.send(chunk(b":" + b"x" * 65000 + b"\n\n"))
        except TimeoutError:
            stuck.set()
        peer.sock.settimeout(None)
        peer.wait_closed()

    async def scenario() -> None:
        async with colour.client(server) as client, client.stream(URL, model=MODEL) as stream:
            assert (await stream.__anext__()).sentence.text == "one"
            if colour.name == "sync":
                assert stuck.wait(HANG)
            else:
                assert await anyio.to_thread.run_sync(stuck.wait, HANG)

    with Server(answer) as server, Peak() as peak:
        colour.run(scenario)
    assert peak.size < 2 * MIB


def test_an_idle_timer_is_of_events_and_not_of_megabytes(colour: Colour) -> None:
    with Server(endlessly(CHUNKED + chunk(ONE), chunk(b": keep-alive\n\n" * 4600))) as server, Peak() as peak:
        updates, error, _ = listen(colour, server, timeouts=short(idle=0.3))
        assert server.saw_close.wait(HANG)
    assert (finals(updates), type(error), error.phase) == (["one"], Timeout, "idle")
    assert peak.size < 2 * MIB
