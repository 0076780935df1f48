# Runners: one wire, many feedings. A case of the tables beside this file must have the same outcome in all of them.
#
# Knows: how to cut bytes into pieces and how to collect what a parser says about them.
# Must not know: what the outcome ought to be; that is in the tables and in tests/reference.py.

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asrwire._chunked import ChunkedDecoder
from asrwire._errors import ASRWireError
from asrwire._sse import EventStreamParser, ServerSentEvent
from tests.reference import ChunkedOutcome, Event, EventStreamOutcome

BYTES_LIKE = (bytes, bytearray, memoryview)
SPLIT_EVERYWHERE = 600  # wires up to this many bytes are cut at every byte, longer ones near their ends


def pieces(wire: bytes, size: int) -> list[bytes]:
    """`wire` in reads of `size` bytes."""
    return [wire[start : start + size] for start in range(0, len(wire), size)]


def feedings(wire: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Whole, every two-way split, reads of 1 to 7 bytes (of 1 only up to 2 KB), and with empty reads between."""
    yield "whole", [wire]
    if len(wire) <= SPLIT_EVERYWHERE:
        splits: Iterable[int] = range(1, len(wire))
    else:
        splits = [*range(1, 40), *range(len(wire) - 40, len(wire))]
    for split in splits:
        yield f"split at {split}", [wire[:split], wire[split:]]
    small = range(1, 8) if len(wire) <= 2048 else (997, 4096)
    for size in small:
        yield f"reads of {size}", pieces(wire, size)
    yield "empty reads between", [part for piece in pieces(wire, max(3, small[0])) for part in (piece, b"")]


def as_event(event: ServerSentEvent) -> Event:
    """A `ServerSentEvent` as the plain value of the tables."""
    return Event(event.event, event.data, event.id, event.retry, event.comments, event.data_bytes)


def located(error: ASRWireError) -> tuple[str, int]:
    assert error.offset is not None
    return error.kind, error.offset


def observe_events(
    parser: EventStreamParser, reads: Iterable[bytes | bytearray | memoryview], *, flush: bool = False
) -> EventStreamOutcome:
    """Feed, close, and tell everything that was seen; an error ends it and what it carried counts."""
    events: list[ServerSentEvent] = []
    error = None
    try:
        for read in reads:
            events += parser.feed(read)
        events += parser.close(flush)
    except ASRWireError as raised:
        events += raised.output
        error = located(raised)
    return EventStreamOutcome(
        tuple(map(as_event, events)), parser.last_event_id, parser.reconnection_time, parser.comments_seen, error
    )


def observe_chunked(decoder: ChunkedDecoder, reads: Iterable[bytes | bytearray | memoryview]) -> ChunkedOutcome:
    """Feed and tell everything that was seen; an error ends it and what it carried counts."""
    body = b""
    error = None
    try:
        for read in reads:
            body += decoder.feed(read)
    except ASRWireError as raised:
        body += raised.output
        error = located(raised)
    trailers = tuple(decoder.trailers) if decoder.at_end else ()
    return ChunkedOutcome(body, decoder.at_end, trailers, decoder.unused_data, error)
