# Event-stream framing: bytes -> events, each event's data touched as it comes. Beside httpx-sse.

from __future__ import annotations

from typing import Any

import pytest

from asrwire import EventStreamParser
from benchmarks import Contest
from benchmarks.corpus import READ, framing
from benchmarks.peers import httpx_sse_decoders, httpx_sse_events

CASES = {
    f"framing: {label} events, {how}": (size, count, read)
    for label, size, count in (("250 B", 250, 4000), ("2.5 kB", 2500, 1000))
    for how, read in (("64 KiB reads", READ), ("one event per read", None))
}


def contest(name: str, scale: int = 1) -> Contest:
    size, count, read = CASES[name]
    stream = framing(count // scale, size)
    reads = stream.reads(read)

    def asrwire() -> int:
        parser, total = EventStreamParser(), 0
        for data in reads:
            for event in parser.feed(data):
                total += len(event.data_bytes)
        return total

    def httpx_sse() -> int:
        total = 0
        for event in httpx_sse_events(reads):
            total += len(event.data)
        return total

    def decoders() -> int:
        total = 0
        for event in httpx_sse_decoders(reads):
            total += len(event.data)
        return total

    def found() -> list[tuple[str, str, str]]:
        parser = EventStreamParser()
        return [(e.event, e.data, e.id) for data in reads for e in parser.feed(data)]

    return Contest(
        name,
        {"asrwire": asrwire, "httpx-sse (EventSource)": httpx_sse, "httpx-sse (decoders alone)": decoders},
        {
            "asrwire": found,
            "httpx-sse (EventSource)": lambda: [(e.event, e.data, e.id) for e in httpx_sse_events(reads)],
            "httpx-sse (decoders alone)": lambda: [(e.event, e.data, e.id) for e in httpx_sse_decoders(reads)],
        },
        [(e.event, e.data.decode(), e.id) for e in stream.events],
        len(stream.events),
        "event",
    )


@pytest.mark.parametrize("name", CASES)
def test_framing(name: str, race: Any) -> None:
    race(contest, name)
