# Random streams in random feedings: each C parser sees exactly what the literal reading of its standard sees.
#
# Knows: nasty tokens, how to make streams of them from a seed, and tests/reference.py. Must not know: the case tables.
# A failure prints the seed, the wire and the reads; put the wire into the table of tests/cases.

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrwire._chunked import ChunkedDecoder
from asrwire._sse import EventStreamParser
from tests.cases import observe_chunked, observe_events
from tests.reference import read_chunked, read_events, read_limited_events

BATCHES, PER_BATCH = 24, 1000
each_batch = pytest.mark.parametrize("batch", range(BATCHES))
examples = settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))

SSE_LINE_ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r", b"\r\n\n"]
SSE_LINES = [
    b"data:a", b"data: b", b"data:  c ", b"data", b"data:", b"data: ", b"data:{}", b"data::", b"datax:1", b"dat",
    b" data:1", b"id:1", b"id: 2", b"id", b"id:", b"id:3\0", b"id:\xff", b"x", b"x:y", b"Data:1", b"\xef\xbb\xbfdata:1",
    b"event:x", b"event: y", b"event", b"event:", b"event:message",
    b"retry:5", b"retry: 07", b"retry:", b"retry", b"retry:-1", b"retry:5 ", b"retry:+5", b"retry:" + b"9" * 641,
    b":", b":c", b":c", b": c", b"::c", b":\xe5\x85", b"data:" + b"long " * 30, b":" + b"long " * 30,
    "data:欢迎使用".encode(), b"data:\xe5\x85\xff\xf0\x9f\x98",
]  # fmt: skip
SSE_PIECES = [
    b"data", b"id", b"event", b"retry", b"da", b"ta", b":", b": ", b" ", b"\t", b"\0", b"a", b"0", b"19", b"\x0b",
    b"\x0c", b"\x85", b"\xe2\x80\xa8", b"\xef", b"\xbb", b"\xbf", b"\xef\xbb\xbf", b"\xff", b"\xc0\x8a", b"\xe5\x85",
    b"\xa5", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
]  # fmt: skip
BOM = b"\xef\xbb\xbf"
SSE_STARTS = [b""] * 8 + [BOM, BOM, BOM[:1], BOM[:2], BOM + BOM, BOM + BOM[:1]]

CHUNK_EXTENSIONS = [b""] * 10 + [b" ", b"\t ", b";a=b", b";", b" ;a", b';a="\\"x"', b";\xff", b";" + b"e" * 20]
CHUNK_FIELDS = [b"A: b\r\n", b"a-b:\r\n", b"X:c: d \t\r\n", b"Z: \xff\t~\r\n", b"Long: " + b"v" * 40 + b"\r\n"]
CHUNK_TAILS = [b"", b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n", b"\0"]
WRONG_BYTES = [
    b"\r", b"\n", b"\r\n", b"\0", b"\x7f", b"\x1f", b" ", b"\t", b";", b":", b"g", b"G", b"/", b"@", b"`", b"+", b"x",
    b"0", b"1", b"f", b"\x80", b"\xff", b"X", b"00000000", b"FFFFFFFF",
]  # fmt: skip
CHUNKS = [b"5\r\nhello\r\n", b"1\r\n\0\r\n", b"0\r\n", b"0\r\n\r\n", *CHUNK_FIELDS, *CHUNK_EXTENSIONS, *WRONG_BYTES]


def event_stream(random: Random) -> bytes:
    """Lines that mean something, broken now and then by pieces that should not be there."""
    parts = [random.choice(SSE_STARTS)]
    ends = random.choice([[b"\n"], [b"\r\n"], [b"\r"], SSE_LINE_ENDS])
    noise = random.choice([0.0, 0.1, 0.6])
    for _ in range(random.randrange(1, 14)):
        if random.random() < noise:
            parts += random.choices(SSE_PIECES, k=random.randrange(1, 5))
        else:
            parts.append(random.choice(SSE_LINES))
        if random.random() < 0.97:
            parts.append(random.choice(ends))
        if random.random() < 0.35:
            parts.append(random.choice(ends))
    return b"".join(parts)


def chunked_body(random: Random) -> bytes:
    """A right body, and in two of three a few bytes changed, left out or put in."""
    parts = []
    for _ in range(random.randrange(5)):
        data = random.randbytes(random.choice([1, 1, 2, 5, 9, 10, 15, 16, 17, 40]))
        digits = random.choice([b"%x", b"%X", b"0%x", b"000%X", b"%016x"]) % len(data)
        parts += [digits, random.choice(CHUNK_EXTENSIONS), b"\r\n", data, b"\r\n"]
    if random.random() < 0.9:
        parts += [random.choice([b"0", b"0", b"00"]), random.choice(CHUNK_EXTENSIONS), b"\r\n"]
        parts += random.choices(CHUNK_FIELDS, k=random.choice([0, 0, 1, 2]))
        parts += [b"\r\n", random.choice(CHUNK_TAILS)]
    wire = bytearray(b"".join(parts))
    for _ in range(random.choice([0, 1, 1, 2])):
        at = random.randrange(len(wire) + 1)
        wire[at : at + random.choice([0, 1, 1, 2])] = random.choice([b"", *WRONG_BYTES])
    if random.random() < 0.1:
        del wire[random.randrange(len(wire) + 1) :]
    return bytes(wire)


def cut(random: Random, wire: bytes) -> list[bytes]:
    """`wire` in reads of random sizes: often whole, often tiny, sometimes empty."""
    most = random.choice([len(wire) + 1, 1, 2, 5, 20, 60])
    reads = []
    start = 0
    while start < len(wire):
        size = random.randrange(most + 1) if most < len(wire) else len(wire)
        reads.append(wire[start : start + size])
        start += size
    return reads


@each_batch
def test_event_streams(batch: int) -> None:
    parser = EventStreamParser()
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        random = Random(seed)
        wire, flush = event_stream(random), random.random() < 0.3
        reads = cut(random, wire)
        parser.reset()
        assert observe_events(parser, reads, flush=flush) == read_events(wire, flush=flush), (seed, flush, wire, reads)


@each_batch
def test_event_streams_under_limits(batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        random = Random(-seed - 1)
        wire = event_stream(random)
        limits = random.choice([3, 8, 9, 10, 14, 20, 40, 160, 1000]), random.choice([1, 2, 3, 5, 100, 100])
        reads = cut(random, wire)
        seen = observe_events(EventStreamParser(*limits), reads)
        assert seen == read_limited_events(wire, *limits), (seed, limits, wire, reads)


@each_batch
def test_chunked_bodies(batch: int) -> None:
    decoder = ChunkedDecoder()
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        random = Random(seed)
        wire = chunked_body(random)
        reads = cut(random, wire)
        decoder.reset()
        assert observe_chunked(decoder, reads) == read_chunked(wire), (seed, wire, reads)


@each_batch
def test_chunked_bodies_under_limits(batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        random = Random(-seed - 1)
        wire = chunked_body(random)
        limits = {
            "max_line": random.choice([1, 2, 4, 5, 8, 16, 20, 100]),
            "max_extensions": random.choice([1, 2, 4, 6, 10, 30, 100]),
            "max_trailers": random.choice([1, 4, 6, 12, 20, 60, 100]),
        }
        reads = cut(random, wire)
        seen = observe_chunked(ChunkedDecoder(**limits), reads)
        assert seen == read_chunked(wire, **limits), (seed, limits, wire, reads)


def test_random_wires_reach_everything() -> None:
    # The generators are worth something only if good and bad, whole and cut wires all come up often.
    streams = [read_events(event_stream(Random(seed))) for seed in range(2000)]
    assert sum(len(outcome.events) > 0 for outcome in streams) > 1000
    assert sum(outcome.last_event_id != "" for outcome in streams) > 200
    assert sum(outcome.reconnection_time is not None for outcome in streams) > 200
    limited = [read_limited_events(event_stream(Random(seed)), 20, 5) for seed in range(2000)]
    assert 200 < sum(outcome.error is not None for outcome in limited) < 1800
    bodies = [read_chunked(chunked_body(Random(seed)), max_line=20) for seed in range(2000)]
    assert sum(outcome.at_end for outcome in bodies) > 500
    assert sum(outcome.trailers != () for outcome in bodies) > 100
    assert sum(outcome.error is not None and outcome.error[0] == "protocol" for outcome in bodies) > 500
    assert sum(outcome.error is not None and outcome.error[0] == "limit" for outcome in bodies) > 20
    assert sum(not outcome.at_end and outcome.error is None for outcome in bodies) > 100


def wires(tokens: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Wires of tokens and raw bytes, as the reads they come in."""
    wire = st.lists(st.sampled_from(tokens) | st.binary(max_size=3), max_size=24).map(b"".join)
    return st.tuples(wire, st.lists(st.integers(0, 200), max_size=8)).map(
        lambda drawn: [
            drawn[0][start:stop] for start, stop in zip([0, *sorted(drawn[1])], [*sorted(drawn[1]), None], strict=True)
        ]
    )


@examples
@given(reads=wires(SSE_LINE_ENDS + SSE_LINES + SSE_PIECES), flush=st.booleans())
def test_any_event_stream(reads: list[bytes], flush: bool) -> None:
    assert observe_events(EventStreamParser(), reads, flush=flush) == read_events(b"".join(reads), flush=flush)


@examples
@given(reads=wires(SSE_LINE_ENDS + SSE_LINES), size=st.integers(1, 60), lines=st.integers(1, 6))
def test_any_event_stream_under_limits(reads: list[bytes], size: int, lines: int) -> None:
    assert observe_events(EventStreamParser(size, lines), reads) == read_limited_events(b"".join(reads), size, lines)


@examples
@given(reads=wires(CHUNKS))
def test_any_chunked_body(reads: list[bytes]) -> None:
    assert observe_chunked(ChunkedDecoder(), reads) == read_chunked(b"".join(reads))
