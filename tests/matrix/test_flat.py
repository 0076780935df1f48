# What is read is not kept: a hundred thousand events leave no block of memory behind, whatever reads them; and parsers
# that two threads use at once, which nobody may do, fail with errors of ours or not at all.

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrwire import ASRWireError, ChunkedDecoder, EventStreamParser, ResultStream, read_result
from tests.servers import END, ONE, chunk, event

EVENTS = 100_000
BATCH = 1000
SAMPLES = Path(__file__).parent.parent / "samples"


def partials(count: int) -> bytes:
    """Revisions of one open sentence."""
    return b"".join(event(f"said so far {i % 7}", end=False) for i in range(count))


def streamed(with_partials: bool) -> Callable[[], Callable[[], None]]:
    # One open sentence revised for ever: finals are what a transcript keeps, and are not to be flat.
    def start() -> Callable[[], None]:
        stream, data = ResultStream(partials=with_partials), partials(BATCH)
        return lambda: stream.receive_data(data) and None

    return start


def sentences() -> Callable[[], None]:
    data = b"".join(event(f"sentence {i}", number=i + 1, begin=i * 1000) for i in range(BATCH))

    def work() -> None:
        stream = ResultStream()
        assert len(stream.receive_data(data)) == BATCH
        stream.receive_eof()
        assert stream.transcript.complete

    return work


def parsed() -> Callable[[], None]:
    parser, data = EventStreamParser(), (b": kept alive\n\n" + ONE) * (BATCH // 2)
    return lambda: parser.feed(data) and None


def split() -> Callable[[], None]:
    # Pieces that end in the middle of a line.
    parser, data = EventStreamParser(), ONE * 100

    def work() -> None:
        for i in range(0, len(data), 37):
            parser.feed(data[i : i + 37])

    return work


def dechunked() -> Callable[[], None]:
    decoder, data = ChunkedDecoder(), chunk(ONE) * BATCH
    return lambda: decoder.feed(data) and None


def refused() -> Callable[[], None]:
    # Errors hold the input they are about, as long as they are held.
    def work() -> None:
        for _ in range(100):
            stream = ResultStream()
            with pytest.raises(ASRWireError):
                stream.receive_data(ONE + b"data:{x\n\n")
            decoder = ChunkedDecoder()
            with pytest.raises(ASRWireError):
                decoder.feed(chunk(ONE) + b"xyz\r\n")

    return work


def files(name: str) -> Callable[[], Callable[[], None]]:
    def start() -> Callable[[], None]:
        data = (SAMPLES / name).read_bytes()

        def work() -> None:
            for _ in range(100):
                result = read_result(data)
                for transcript in result.transcripts:
                    assert len(transcript.words) == len(list(transcript.words))
                    assert list(transcript.sentences)

        return work

    return start


READERS: dict[str, tuple[Callable[[], Callable[[], None]], int]] = {  # and events or results a turn
    "all partials": (streamed(True), BATCH),
    "finals only": (streamed(False), BATCH),
    "finals": (sentences, BATCH),
    "events": (parsed, BATCH),
    "events in pieces": (split, 100),
    "chunks": (dechunked, BATCH),
    "errors": (refused, 1000),
    "a result of Fun-ASR": (files("funasr_result.json"), 1000),
    "a result of filetrans": (files("filetrans_result.json"), 1000),
}


@pytest.fixture(autouse=True, scope="module")
def _only_what_is_new() -> None:
    gc.collect()
    gc.freeze()  # gc.collect() is to look at what these tests make


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_kept(name: str) -> None:
    start, each = READERS[name]
    work, turns = start(), EVENTS // each

    def settled() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    for _ in range(max(3, turns // 20)):
        work()
    before = settled()
    for _ in range(turns):
        work()
    assert settled() - before < 200, "blocks of memory are left"  # 100,000 events, less than one in 500 of a block


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_held_by_buffers(name: str) -> None:
    start, each = READERS[name]
    work = start()
    for _ in range(3):
        work()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(EVENTS // each // 10):
            work()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


# == misused by threads ===============================================================================================

THREADS = 4
TURNS = 300


def hammered(*works: Callable[[], object]) -> None:
    """Each work again and again, in threads that change places as often as they can."""
    wrong: list[BaseException] = []
    begin = threading.Barrier(THREADS)

    def hammer(number: int) -> None:
        begin.wait()
        for turn in range(TURNS):
            try:
                works[(number + turn) % len(works)]()
            except ASRWireError:
                pass
            except BaseException as error:
                wrong.append(error)
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=hammer, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if wrong:
        raise wrong[0]




def test_an_event_stream_parser_used_by_threads() -> None:
    parser = EventStreamParser()
    data = ONE * 20 + ONE[:50]
    hammered(
        lambda: [e.data for e in parser.feed(data)], lambda: parser.feed(b"\n\n"), lambda: parser.close(flush=True),
        parser.reset, lambda: (parser.last_event_id, parser.comments_seen, parser.reconnection_time),
    )  # fmt: skip
    parser.reset()
    assert parser.feed(ONE)[0].data_bytes in ONE


def test_a_chunked_decoder_used_by_threads() -> None:
    decoder = ChunkedDecoder()
    data = chunk(ONE) * 20
    hammered(
        lambda: decoder.feed(data), lambda: decoder.feed(data[:30]), lambda: decoder.feed(END), decoder.reset,
        lambda: (decoder.at_end, decoder.unused_data, decoder.trailers),
    )  # fmt: skip
    decoder.reset()
    assert decoder.feed(chunk(ONE) + END) == ONE


@pytest.mark.parametrize("with_partials", [True, False], ids=["all partials", "finals only"])
def test_a_result_stream_used_by_threads(with_partials: bool) -> None:
    streams = [ResultStream(partials=with_partials)]
    data = partials(20) + ONE + event("two", number=2, begin=1000)

    def feed(part: bytes) -> Any:
        return list(streams[0].receive_data(part))

    def again() -> None:
        streams[0].receive_eof()
        streams[0] = ResultStream(partials=with_partials)

    hammered(
        lambda: feed(data), lambda: feed(data[:77]), lambda: feed(data[77:]), lambda: streams[0].transcript.text, again
    )
    stream = ResultStream(partials=with_partials)
    assert stream.receive_data(ONE)[0].sentence.text == "one"


def test_a_result_read_by_threads() -> None:
    result = read_result((SAMPLES / "funasr_result.json").read_bytes())
    words = result.transcripts[0].words
    hammered(
        lambda: [word.text for word in words], lambda: bytes(words.begin), lambda: words.locate(1000),
        lambda: [sentence.text for sentence in result.transcripts[0].sentences], result.transcripts[0].to_json,
    )  # fmt: skip
