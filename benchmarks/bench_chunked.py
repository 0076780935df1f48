# Chunked bodies: coded bytes -> chunk-data. Beside h11 and httptools, which hand out a bytes object per chunk where
# asrwire hands out one per read: the difference in shape is part of the ratio.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from asrwire import ChunkedDecoder
from benchmarks import Contest
from benchmarks.corpus import READ, chunked
from benchmarks.peers import h11_data, httptools_data

CASES = {
    f"chunked: 300 B chunks, {how}": read for how, read in (("64 KiB reads", READ), ("one chunk per read", None))
}


def contest(name: str, scale: int = 1) -> Contest:
    body = chunked(4000 // scale)
    reads = body.reads(CASES[name])

    def asrwire() -> int:
        decoder, total = ChunkedDecoder(), 0
        for data in reads:
            total += len(decoder.feed(data))
        return total

    def peer(data_of: Callable[[list[bytes]], Iterable[bytes]]) -> Callable[[], int]:
        def run() -> int:
            total = 0
            for data in data_of(reads):
                total += len(data)
            return total

        return run

    def found() -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        for data in reads:
            yield decoder.feed(data)
        assert decoder.at_end

    return Contest(
        name,
        {"asrwire": asrwire, "h11": peer(h11_data), "httptools": peer(httptools_data)},
        {
            "asrwire": lambda: b"".join(found()),
            "h11": lambda: b"".join(h11_data(reads)),
            "httptools": lambda: b"".join(httptools_data(reads)),
        },
        b"".join(body.chunks),
        len(body.chunks),
        "chunk",
    )


@pytest.mark.parametrize("name", CASES)
def test_chunked(name: str, race: Any) -> None:
    race(contest, name)
