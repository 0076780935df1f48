# The peers, used as their users use them: each adapter takes the same reads or payloads as asrwire's own path.
#
# Knows: httpx-sse, h11, httptools, orjson with slots dataclasses, msgspec. Must not know: asrwire, clocks.
# What the typed peers build is as small as it can be for what is compared: words, sentences, no checks of meaning.

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h11
import httptools
import httpx
import msgspec
import orjson
from httpx_sse import EventSource, ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class _Reads(httpx.SyncByteStream):
    def __init__(self, reads: list[bytes]) -> None:
        self._reads = reads

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reads)


def httpx_sse_events(reads: list[bytes]) -> Iterator[ServerSentEvent]:
    """httpx-sse as it is used: an EventSource over an httpx response (text decoding is httpx's)."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Reads(reads))
    return EventSource(response).iter_sse()


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


@dataclass(slots=True)
class DataWord:
    begin_time: int | None
    end_time: int | None
    text: str
    punctuation: str
    fixed: bool | None
    speaker_id: int | None


@dataclass(slots=True)
class DataSentence:
    sentence_id: int
    channel_id: int
    begin_time: int | None
    end_time: int | None
    text: str
    words: list[DataWord]
    speaker_id: int | None
    sentence_end: bool


def dataclass_sentence(sentence: dict[str, Any]) -> DataSentence:
    return DataSentence(
        sentence["sentence_id"],
        sentence["channel_id"],
        sentence["begin_time"],
        sentence["end_time"],
        sentence["text"],
        [
            DataWord(w["begin_time"], w["end_time"], w["text"], w["punctuation"], w["fixed"], w["speaker_id"])
            for w in sentence["words"]
        ],
        sentence["speaker_id"],
        sentence["sentence_end"],
    )


def orjson_dataclasses(payload: bytes | str) -> DataSentence:
    """orjson, then slots dataclasses."""
    return dataclass_sentence(orjson.loads(payload)["output"]["sentence"])


class StructWord(msgspec.Struct, gc=False):
    begin_time: int | None
    end_time: int | None
    text: str
    punctuation: str
    fixed: bool | None
    speaker_id: int | None


class StructSentence(msgspec.Struct, gc=False):
    sentence_id: int
    channel_id: int
    begin_time: int | None
    end_time: int | None
    text: str
    words: list[StructWord]
    speaker_id: int | None
    sentence_end: bool


class _Output(msgspec.Struct, gc=False):
    sentence: StructSentence


class _Result(msgspec.Struct, gc=False):
    output: _Output


_decode = msgspec.json.Decoder(_Result).decode


def msgspec_structs(payload: bytes | str) -> StructSentence:
    """msgspec, straight into Structs with gc=False."""
    return _decode(payload).output.sentence
