# asrwire's own paths, by its public names.
#
# Knows: asrwire and the standard library. Must not know: peers, clocks, what is expected.

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from asrwire import (
    AsyncClient,
    ChunkedDecoder,
    Client,
    EventStreamParser,
    FileResult,
    Final,
    Partial,
    ResultStream,
    Sentence,
    ServerSentEvent,
    TextDelta,
    Transcript,
    WordTimeline,
    read_result,
)

KEY = "sk-0123456789abcdef"
CALL = {"audio": "https://example.com/a.wav", "model": "fun-asr-realtime"}


def events(reads: Iterable[bytes]) -> list[ServerSentEvent]:
    return [event for events in framed(reads) for event in events]


def framed_size(reads: Iterable[bytes]) -> int:
    parser, total = EventStreamParser(), 0
    for data in reads:
        for event in parser.feed(data):
            total += len(event.data_bytes)
    return total


def framed(reads: Iterable[bytes]) -> Iterator[list[ServerSentEvent]]:
    """The framing that is lent to the peers where decoding is compared: the events of each read."""
    parser = EventStreamParser()
    for data in reads:
        yield parser.feed(data)


def chunk_data(reads: Iterable[bytes]) -> Iterator[bytes]:
    decoder = ChunkedDecoder()
    for data in reads:
        yield decoder.feed(data)
    assert decoder.at_end


def finals(reads: Iterable[bytes]) -> list[Sentence]:
    stream, found = ResultStream(partials=False), []
    for data in reads:
        for update in stream.receive_data(data):
            if type(update) is Final:
                found.append(update.sentence)
    stream.receive_eof()
    return found


def sentences(reads: Iterable[bytes]) -> Iterator[Sentence]:
    """The sentence of every update, words read."""
    stream = ResultStream()
    for data in reads:
        for update in stream.receive_data(data):
            if type(update) is Partial or type(update) is Final:
                yield update.sentence
    stream.receive_eof()


def text(reads: Iterable[bytes]) -> str:
    stream, parts = ResultStream(), []
    for data in reads:
        for update in stream.receive_data(data):
            if type(update) is TextDelta:
                parts.append(update.text)
    stream.receive_eof()
    return "".join(parts)


def result(data: bytes) -> FileResult:
    found = read_result(data)
    for transcript in found.transcripts:
        _ = transcript.words  # made when first asked for
    return found


def timeline(data: bytes) -> WordTimeline:
    return read_result(data).transcripts[0].words


# == over HTTP: for a URL a client, which opens streams ================================================================

Open = Callable[[], AbstractContextManager[Iterator[Any]]]
AsyncOpen = Callable[[], AbstractAsyncContextManager[AsyncIterator[Any]]]


@contextmanager
def client_sentences(url: str) -> Iterator[Open]:
    with Client(KEY, base_url=url) as client:

        @contextmanager
        def opened() -> Iterator[Iterator[Sentence]]:
            with client.stream(**CALL) as stream:
                yield stream.sentences()

        yield opened


@asynccontextmanager
async def async_client_sentences(url: str) -> AsyncIterator[AsyncOpen]:
    async with AsyncClient(KEY, base_url=url) as client:

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[Sentence]]:
            async with client.stream(**CALL) as stream:
                yield stream.sentences()

        yield opened


class _Bytes:
    # In a Stream's place for the results: hands out as updates the very bytes it receives.

    events = 0
    at_end = unframed = False
    transcript = Transcript()  # a complete one

    def receive_data(self, data: bytes) -> tuple[bytes, ...]:
        self.events = 1
        return (data,)

    def receive_eof(self, error: object = None) -> tuple[()]:
        return ()


def as_bytes(stream: Any) -> Any:
    """A stream whose updates are the body's bytes, chunks decoded, a piece a read: all that a call does but results.

    The one step past the public names: those have no transport alone. It is what a user can do at the nearest, and
    everything that a user's stream goes through, timers and books of the call included.
    """
    stream._result = _Bytes()
    return stream


@contextmanager
def client_bytes(url: str) -> Iterator[Open]:
    with Client(KEY, base_url=url) as client:

        @contextmanager
        def opened() -> Iterator[Iterator[bytes]]:
            with client.stream(**CALL) as stream:
                yield as_bytes(stream)

        yield opened


@asynccontextmanager
async def async_client_bytes(url: str) -> AsyncIterator[AsyncOpen]:
    async with AsyncClient(KEY, base_url=url) as client:

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
            async with client.stream(**CALL) as stream:
                yield as_bytes(stream)

        yield opened
