# Growth is linear in every direction, by counting work and not seconds: whatever is read, twice as much of it costs
# twice the bytecode, calls and memory. `python -m benchmarks.counted` counts the instructions of the parts in C.
#
# Knows: what is to be in proportion. Must not know: how the work is done. Bytecodes count Python's loops, calls into C
# count what they start; what grows inside C shows in the bytes it holds, and in benchmarks/counted.py.

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from asrwire import _direct
from asrwire._limits import Limits
from asrwire._sse import EventStreamParser
from asrwire._stream import ResultStream
from benchmarks import counted
from benchmarks.counted import LOOPS, Loop
from tests.bytecodes import count

WITHIN = 0.05


@pytest.fixture(params=[True, False], ids=["direct", "readable"])
def reader(request: pytest.FixtureRequest) -> Iterator[bool]:
    _direct.use(request.param)
    yield request.param
    _direct.use(True)


def bytecodes(run: Callable[[bytes], object], data: bytes) -> int:
    return count(lambda: run(data))[1]


def worked(run: Callable[[bytes], object], inputs: list[bytes]) -> tuple[int, ...]:
    """Bytecodes of each input. The first is run once more, before: imports, and the first call of each function."""
    bytecodes(run, inputs[0])
    return tuple(bytecodes(run, data) for data in inputs)


def held(read: Callable[[bytes], object], data: bytes) -> tuple[int, int]:
    """Bytes and blocks that what was made of this holds on to. Only what is allocated meanwhile counts: what an earlier
    test left to be freed, at whatever moment, does not."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = read(data)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        blocks = len(tracemalloc.take_snapshot().traces)
        del kept
        return size, blocks
    finally:
        tracemalloc.stop()


def kept(run: Callable[[bytes], object], inputs: list[bytes]) -> list[tuple[int, ...]]:
    """Bytes of each input, and blocks. The first is run once more, before: what is made once, with the first call."""
    gc.collect()
    gc.freeze()  # thousands of reports of other tests are looked at once, and not at both ends of each measure
    held(run, inputs[0])
    return list(zip(*(held(run, data) for data in inputs), strict=True))


def stream(data: bytes) -> ResultStream:
    it = ResultStream(False, limits=Limits(event_size=2**26))
    for read in counted.reads(data, 65536):
        it.receive_data(read)
    return it


def superlinear(units: tuple[int, ...], work: tuple[int, ...]) -> float:
    """By how much more than in proportion the work grows from the first doubling to the second: 0 is linear, less is
    better. What is fixed falls out; the few bytecodes that depend on where a read ends are allowed for."""
    expected = (work[1] - work[0]) * (units[2] - units[1]) / (units[1] - units[0])
    allowed = 200 + work[2] / 400
    return (work[2] - work[1] - allowed) / max(expected, 1) - 1


def of(loop: Loop, n: int) -> tuple[tuple[int, int, int], list[bytes]]:
    sizes = n, 2 * n, 4 * n
    return tuple(map(loop.units, sizes)), [loop.render(size) for size in sizes]  # type: ignore[return-value]


# Units of each loop that are read here; the bytes of some are read one by one.
SMALL = {
    "one line, 1 KiB reads": 512, "one JSON body, 1 KiB reads": 512, "one-byte chunks, 64 KiB reads": 40_000,
    "one-byte chunks, one-byte reads": 1000, "CR only, 64 KiB reads": 40_000, "comments, 64 KiB reads": 40_000,
    "empty data lines, 64 KiB reads": 40_000, "one block of comments": 20_000,
    "result file": 1000, "channels in turn": 64, "channels in turn, partials skipped": 64,
}  # fmt: skip
STREAMS = [name for name in LOOPS if name.startswith(("partials", "channels", "finals")) and "one-byte" not in name]


@pytest.mark.parametrize("name", sorted(SMALL.keys() - set(STREAMS)))
def test_framing_and_files_take_bytecodes_in_proportion(name: str) -> None:
    loop = LOOPS[name]
    units, inputs = of(loop, SMALL[name])
    assert superlinear(units, worked(loop.run, inputs)) < WITHIN


@pytest.mark.parametrize("name", STREAMS)
def test_streams_take_bytecodes_in_proportion(name: str, reader: bool) -> None:
    loop = LOOPS[name]
    units, inputs = of(loop, SMALL.get(name, 60))
    assert superlinear(units, worked(loop.run, inputs)) < WITHIN


@pytest.mark.parametrize("name", [name for name in STREAMS if name.startswith("finals")])
def test_streams_hold_memory_in_proportion(name: str, reader: bool) -> None:
    # Tables grow by doubling, so at doubled sizes they are as full as before.
    loop = LOOPS[name]
    units, inputs = of(loop, 240)
    for work in kept(stream, inputs):
        assert superlinear(units, work) < WITHIN


def test_many_cumulative_finals() -> None:
    # What is searched for each is its own chain: the last thousand take as many bytecodes as an early one.
    stream = ResultStream()
    batch, costs = 1000, []
    for start in range(0, 15_000, batch):
        data = b"".join([
            counted._final(i + 1, 100 * (i - i % 10), range(i - i % 10, i + 1)) for i in range(start, start + batch)
        ])  # fmt: skip
        if start in (0, 1_000, 14_000):  # the first for the tracer, as in `worked`
            costs.append(bytecodes(stream.receive_data, data))
        else:
            stream.receive_data(data)
    assert costs[2] == pytest.approx(costs[1], rel=WITHIN)
    assert len(stream.transcript.sentences) == 15_000


def test_100_k_partials_of_one_sentence_hold_one() -> None:
    stream = ResultStream()
    sizes = []
    data = counted.one_sentence(4000)
    for _ in range(25):
        before = sys.getallocatedblocks()
        stream.receive_data(data)
        sizes.append(sys.getallocatedblocks() - before)
    assert len(stream.transcript.sentences) == 1
    assert max(sizes[1:]) < 100


def test_one_byte_reads_hold_nothing() -> None:
    parser = EventStreamParser()
    before = sys.getallocatedblocks()
    for _ in range(5):
        for byte in b"data:x\n\n":
            parser.feed(bytes((byte,)))
    few = sys.getallocatedblocks() - before
    for _ in range(25_000):
        for byte in b"data:x\n\n":
            parser.feed(bytes((byte,)))
    assert sys.getallocatedblocks() - before <= few + 10


def test_a_faulty_growth_is_seen() -> None:
    # The counter's own test: a search through all that came before.
    def quadratic(data: bytes) -> None:
        seen: list[int] = []
        for i in range(len(data)):
            for other in seen:
                if other == i:
                    break
            seen.append(i)

    sizes = (50, 100, 200)
    assert superlinear(sizes, worked(quadratic, [b"x" * n for n in sizes])) > 0.5


def test_faulty_memory_is_seen() -> None:
    def quadratic(data: bytes) -> object:
        return [[str(i) for i in range(number)] for number in range(len(data))]

    sizes = (50, 100, 200)
    for work in kept(quadratic, [b"x" * n for n in sizes]):
        assert superlinear(sizes, work) > 0.5


def test_memory_that_others_free_is_not_counted() -> None:
    # As a thread of an earlier test does that ends meanwhile.
    others: list[list[str]] = []

    def linear(data: bytes) -> object:
        mine = [str(i) for i in range(len(data))]
        others.pop()
        return mine

    inputs = [b"x" * n for n in (1000, 2000, 4000)]
    alone = kept(lambda data: [str(i) for i in range(len(data))], inputs)
    others += [[f"x{i}" for i in range(10_000)] for _ in range(4)]
    for mine, before in zip(kept(linear, inputs), alone, strict=True):
        assert mine == pytest.approx(before, abs=200)
