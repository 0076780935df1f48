# The peers in memory, used as their users use them: each takes the same reads or payloads as asrwire's own path.
#
# Knows: httpx-sse, h11, httptools, the stream readers of openai and dashscope. Must not know: asrwire, clocks, sockets.

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from types import ModuleType
from typing import Any

import h11
import httptools
import httpx
from httpx_sse import EventSource, ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _response(httpx_: ModuleType, reads: list[bytes]) -> Any:
    class Reads(httpx_.SyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            return iter(reads)

    request = httpx_.Request("POST", "http://127.0.0.1/")
    return httpx_.Response(200, headers={"content-type": "text/event-stream"}, stream=Reads(), request=request)


def httpx_sse_events(reads: list[bytes], httpx_: ModuleType = httpx) -> Iterator[ServerSentEvent]:
    """httpx-sse as it is used: an EventSource over an httpx response (text decoding is httpx's)."""
    return EventSource(_response(httpx_, reads)).iter_sse()


def httpx_sse_data(reads: list[bytes], httpx_: ModuleType = httpx) -> Iterator[str]:
    for event in httpx_sse_events(reads, httpx_):
        yield event.data


def httpx_sse_decoders(reads: list[bytes]) -> Iterator[ServerSentEvent]:
    """httpx-sse's decoders alone, without httpx: an incremental UTF-8 decoder in front."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    lines, events = SSELineDecoder(), SSEDecoder()
    for read in reads:
        text = utf8.decode(read)
        if not text:
            continue
        for line in lines.decode(text):
            event = events.decode(line)
            if event is not None:
                yield event


def h11_data(reads: list[bytes]) -> Iterator[bytes]:
    """h11: the data of each Data event."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "localhost")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(_HEAD)
    connection.next_event()
    for read in reads:
        connection.receive_data(read)
        while True:
            event = connection.next_event()
            if type(event) is h11.Data:
                yield event.data
            else:
                break


class _Body:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.on_body = self.parts.append


def httptools_data(reads: list[bytes]) -> Iterator[bytes]:
    """httptools: what ``on_body`` was called with, after each read."""
    body = _Body()
    parser = httptools.HttpResponseParser(body)
    parser.feed_data(_HEAD)
    for read in reads:
        parser.feed_data(read)
        yield from body.parts
        body.parts.clear()


def dashscope_outputs(body: bytes) -> Iterator[dict[str, Any]]:
    """The vendor's SDK: ``output`` of each response that its request object yields for a streamed body."""
    import requests
    from dashscope.api_entities.http_request import HttpRequest
    from urllib3 import HTTPResponse

    response = requests.Response()
    response.status_code = 200
    response.headers["content-type"] = "text/event-stream;charset=UTF-8"
    response.raw = HTTPResponse(BytesIO(body), preload_content=False)
    request = HttpRequest("http://127.0.0.1/", "sk-0", "POST", stream=True)
    for answer in request._handle_response(response):
        yield answer.output


def openai_chunks(reads: list[bytes], client: Any) -> Iterator[Any]:
    """OpenAI's SDK: the chunks that its Stream yields. `client`: an `openai.OpenAI`."""
    import httpx2
    from openai import Stream
    from openai.types.chat import ChatCompletionChunk

    return iter(Stream(cast_to=ChatCompletionChunk, response=_response(httpx2, reads), client=client))


def openai_client() -> Any:
    import openai

    return openai.OpenAI(api_key="sk-0", base_url="http://127.0.0.1/")


def openai_text(reads: list[bytes], client: Any) -> str:
    parts = []
    for chunk in openai_chunks(reads, client):
        for choice in chunk.choices:
            parts.append(choice.delta.content or "")
    return "".join(parts)


def deltas_text(payloads: Iterable[str], loads: Callable[[str], Any] = json.loads) -> str:
    parts = []
    for payload in payloads:
        if payload == "[DONE]":
            break
        for choice in loads(payload)["choices"]:
            parts.append(choice["delta"].get("content") or "")
    return "".join(parts)


def final_dicts(payloads: Iterable[str | bytes], loads: Callable[[Any], Any] = json.loads) -> list[dict[str, Any]]:
    return final_outputs(loads(payload)["output"] for payload in payloads)


def final_outputs(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output["sentence"] for output in outputs if output["sentence"]["sentence_end"]]
