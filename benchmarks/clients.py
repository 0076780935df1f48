# The peers over HTTP: for a URL a client, which opens streams of body bytes or of final sentences, as those of `own`.
#
# Knows: httpcore, httpx, httpx-sse, aiohttp, and their continuations by the module's name. Must not know: asrwire,
# clocks.

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

import aiohttp
from httpx_sse import EventSource

HEADERS = {"accept": "text/event-stream", "content-type": "application/json"}
BODY = b'{"model":"fun-asr-realtime"}'


@contextmanager
def httpcore_bytes(url: str, module: str = "httpcore") -> Iterator[Any]:
    with import_module(module).ConnectionPool() as pool:

        @contextmanager
        def opened() -> Iterator[Iterator[bytes]]:
            with pool.stream("POST", url, headers=HEADERS, content=BODY) as response:
                yield response.iter_stream()

        yield opened


@asynccontextmanager
async def async_httpcore_bytes(url: str, module: str = "httpcore") -> AsyncIterator[Any]:
    async with import_module(module).AsyncConnectionPool(max_connections=1000) as pool:

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            async with pool.stream("POST", url, headers=HEADERS, content=BODY) as response:
                yield response.aiter_stream()

        yield opened


@asynccontextmanager
async def aiohttp_bytes(url: str) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            async with session.post(url, headers=HEADERS, data=BODY) as response:
                yield response.content.iter_any()

        yield opened


@contextmanager
def httpx_dicts(url: str, module: str = "httpx") -> Iterator[Any]:
    httpx = import_module(module)
    with httpx.Client(timeout=30, trust_env=False) as client:

        @contextmanager
        def opened() -> Iterator[Iterator[dict[str, Any]]]:
            with client.stream("POST", url, headers=HEADERS, content=BODY) as response:
                yield finals(EventSource(response))

        yield opened


@asynccontextmanager
async def async_httpx_dicts(url: str, module: str = "httpx") -> AsyncIterator[Any]:
    httpx = import_module(module)
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
            async with client.stream("POST", url, headers=HEADERS, content=BODY) as response:
                yield afinals(EventSource(response))

        yield opened


def finals(source: EventSource) -> Iterator[dict[str, Any]]:
    for event in source.iter_sse():
        sentence = json.loads(event.data)["output"]["sentence"]
        if sentence["sentence_end"]:
            yield sentence


async def afinals(source: EventSource) -> AsyncIterator[dict[str, Any]]:
    async for event in source.aiter_sse():
        sentence = json.loads(event.data)["output"]["sentence"]
        if sentence["sentence_end"]:
            yield sentence
