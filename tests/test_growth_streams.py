# Many streams in one process cost what few do, each: opening one more, a live event, closing. Counted in calls of
# Python code and into C, over real sockets. ASRWIRE_TEST_STREAMS=5000 counts as far as that (two files a stream).

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from asrwire import AsyncClient, AsyncStream, Limits, Timeouts
from tests.servers import CHUNKED, END, KEY, ONE, TWO, chunk

MOST = int(os.environ.get("ASRWIRE_TEST_STREAMS", "400"))
WITHIN = 0.05
CALL = {"audio": "https://example.com/a.wav", "model": "fun-asr-realtime"}


class Calls:
    """How many calls our own code makes, and what it calls in C; asyncio's and the HTTP module's are not ours."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call") and "asrwire" in frame.f_code.co_filename.replace("\\", "/").split("/"):
            self.count += 1

    async def of(self, work: Callable[[], Awaitable[Any]]) -> int:
        gc.collect()
        before = self.count
        sys.setprofile(self)
        try:
            await work()
        finally:
            sys.setprofile(None)
        return self.count - before


async def counted(number: int) -> list[float]:
    """Calls a stream: to open it, for one event more, to read it to its end."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(ONE))
        writers.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=number)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    limits = Limits(connections=number + 1, keepalive=900)
    patient = Timeouts(connect=100, pool=100, write=100, idle=100)
    calls = Calls()
    async with AsyncClient(KEY, base_url=base_url, limits=limits, timeouts=patient) as client:
        streams: list[AsyncStream] = []

        async def opened() -> None:
            stream = await client.stream(**CALL).__aenter__()  # type: ignore[arg-type]
            assert (await anext(stream)).sentence.text == "one"  # type: ignore[union-attr]
            streams.append(stream)

        async def open_all() -> None:
            for _ in range(number):
                await opened()

        async def listen() -> None:
            for writer in writers:
                writer.write(chunk(TWO))
            for stream in streams:
                assert (await anext(stream)).sentence.text == "two"  # type: ignore[union-attr]

        async def end() -> None:
            for writer in writers:
                writer.write(END)
            for stream in streams:
                assert [update async for update in stream] == []
                await stream.aclose()

        await opened()  # whatever happens once
        found = [await calls.of(work) / number for work in (open_all, listen, end)]
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()
    return found


@pytest.mark.transport
@pytest.mark.timeout(600)
def test_a_stream_costs_the_same_among_many() -> None:
    few, more, many = (asyncio.run(counted(number)) for number in (MOST // 4, MOST // 2, MOST))
    for name, a, b, c in zip(("open", "event", "end"), few, more, many, strict=True):
        assert max(a, b, c) <= (1 + WITHIN) * min(a, b, c), (name, a, b, c)
