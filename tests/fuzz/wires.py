# Hostile bytes for everything in C that reads bytes: mutated wires, cut anywhere, limits set low, calls in any order,
# against the literal readings of tests/reference.py and the readable path over orjson; made to run under sanitizers.
#
# Knows: the public doors (EventStreamParser, ChunkedDecoder, ResultStream, read_result) and what must be equal behind
# them. Must not know: how anything is read. What behaves as nothing before it did joins the corpus and is bent further:
# novelty is a cheap signature of the outcome (kinds, texts without their numbers, magnitudes of counts). What is kept
# is in tests/fuzz/corpus, a wire a line, as Python writes bytes; `--keep` adds to it.

from __future__ import annotations

import ast
import itertools
import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from asrwire import ChunkedDecoder, Closed, EventStreamParser, Limits
from asrwire._errors import ASRWireError
from asrwire._stream import ResultStream
from tests.cases import chunked, observe_chunked, observe_events, sse
from tests.reference import first_over_limit, read_chunked, read_events, read_limited_events

from . import twins
from .judge import Mismatch
from .payloads import BYTES, below, pick

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"
CORPUS = HERE / "corpus"
MOST = 4096  # bytes of a wire that is in the corpus
KEPT = 40_000  # bytes of a target's kept corpus
_NUMBER = re.compile(r"\d+")

SSE_TOKENS = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"data:", b"data: ", b"data", b"id:", b"event:", b"retry:", b":", b"\0", b"\xef",
    b"\xef\xbb\xbf", b"\xe5\x85", b"\xff", b"retry:" + b"9" * 641, b"x" * 300, b"id:7\n", b"event:error\n", b"data:\n",
    b":HTTP_STATUS/500\n", b"[DONE]", b"data:{", b"}\n\n",
)  # fmt: skip
CHUNK_TOKENS = (
    b"\r\n", b"\r", b"\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n", b"1\r\nx\r\n", b";a=b", b";" + b"e" * 300, b" ",
    b"\t", b"ffffffffffffffff", b"20000000000000", b"0000000000000001", b"\0", b"A: b\r\n", b":", b"7fffffff\r\n",
    b"fffffff\r\n",
)  # fmt: skip
JSON_TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u", b"\\ud83d", b"\xff", b"-", b"1e999", b"null", b"true",
    b"{}", b"[" * 200, b'"words":[', b'"sentences":[', b'"transcripts":[', b"\xef\xbb\xbf", b"9" * 30, b'"begin_time":',
)  # fmt: skip


def exact(data: bytes) -> memoryview:
    """A view of memory that ends where `data` ends: of bytes, a sanitizer would not see one read too far."""
    return memoryview(array("B", data))


def reads(rng: Random, wire: bytes) -> list[Any]:
    """`wire` in reads, of any type that has bytes: whole, tiny, or of any size, empty ones among them."""
    most = pick(rng, (len(wire) + 1, len(wire) + 1, 1, 3, 17, 80, 700))
    found: list[Any] = []
    start = 0
    while start < len(wire):
        size = len(wire) if most > len(wire) else below(rng, most + 1)
        found.append(pick(rng, (exact, exact, exact, bytes, bytearray))(wire[start : start + size]))
        start += size
    return found or [b""]


class Target(ABC):
    """Something that reads bytes. `check` gives it one wire and returns the signature of what became of it."""

    name: ClassVar[str]
    tokens: ClassVar[tuple[bytes, ...]]

    @abstractmethod
    def seeds(self) -> list[bytes]: ...

    @abstractmethod
    def check(self, rng: Random, wire: bytes) -> object: ...

    def kept(self) -> list[bytes]:
        file = CORPUS / f"{self.name}.txt"
        return [ast.literal_eval(line) for line in file.read_text("ascii").splitlines()] if file.exists() else []


def equal(
    expected: Any, found: Any, told: Callable[[], str], seen: Callable[[Any], object] = lambda value: value
) -> None:  # fmt: skip
    if seen(expected) != seen(found):
        raise Mismatch(told(), expected, found)


def listed(pieces: Sequence[Any]) -> str:
    return repr([bytes(piece) for piece in pieces])


def error_of(reader: Any) -> ASRWireError:
    """What a parser that failed says whenever it is asked."""
    try:
        reader.feed(b"")
    except ASRWireError as error:
        return error
    raise Mismatch("a feed after an error", "the same error", None)


def size(count: int) -> int:
    """Of a count, what is worth telling apart."""
    return count if count < 3 else 2 + count.bit_length()


def after(rng: Random, call: Callable[[Any], Any], over: type[ASRWireError], told: Callable[[], str]) -> None:
    """What has ended goes on ending in the same way, and hands nothing out again."""
    for _ in range(below(rng, 3)):
        again: ASRWireError | None = None
        try:
            call(pick(rng, (b"", b"data:x\n\n", b"0\r\n\r\n", exact(b"5\r\nhello\r\n"))))
        except ASRWireError as error:
            again = error
        found = type(again), list(again.output or ()) if again is not None else None
        equal((over, []), found, lambda: f"{told()}, then once more")


class Events(Target):
    """EventStreamParser, in several lives one after the other."""

    name = "events"
    tokens = SSE_TOKENS

    def __init__(self, make: Callable[[int, int], Any] = EventStreamParser) -> None:
        self.make = make

    def seeds(self) -> list[bytes]:
        return [case.wire for case in sse.CASES] + [file.read_bytes() for file in sorted(SAMPLES.glob("*.sse"))]

    def check(self, rng: Random, wire: bytes) -> object:
        low = rng.random() < 0.4
        limits = (pick(rng, (3, 9, 20, 40, 160, 1000)), pick(rng, (1, 2, 3, 5, 100))) if low else (8 * 2**20, 65536)
        parser = self.make(*limits)
        for cut in self._abandoned(rng, wire):
            with_errors(parser.feed, cut)
            if rng.random() < 0.2:
                with_errors(parser.close, rng.random() < 0.5)
        parser.reset()
        pieces = reads(rng, wire)
        flush = rng.random() < 0.3 and first_over_limit(wire + b"\n\n", *limits) is None

        def told() -> str:
            return f"EventStreamParser{limits}, reads={listed(pieces)}, {flush=}"

        found = observe_events(parser, pieces, flush=flush)
        expected = read_events(wire, flush=True) if flush else read_limited_events(wire, *limits)
        equal(expected, found, told)
        after(rng, parser.feed, type(error_of(parser)) if found.error else Closed, told)
        events = found.events
        return (
            low, found.error is None, size(len(events)), size(found.comments_seen), flush,
            found.reconnection_time is None, len({event.event for event in events}),
            any("\ufffd" in event.data for event in events), bool(found.last_event_id),
            size(max((len(event.comments) for event in events), default=0)),
        )  # fmt: skip

    def _abandoned(self, rng: Random, wire: bytes) -> Sequence[Any]:
        return reads(rng, wire[below(rng, len(wire) + 1) :])[: below(rng, 6)] if rng.random() < 0.5 else ()


class Chunks(Target):
    """ChunkedDecoder, in several lives one after the other."""

    name = "chunks"
    tokens = CHUNK_TOKENS

    def __init__(self, make: Callable[..., Any] = ChunkedDecoder) -> None:
        self.make = make

    def seeds(self) -> list[bytes]:
        return [case.wire for case in chunked.CASES]

    def check(self, rng: Random, wire: bytes) -> object:
        limits = {"max_line": 4096, "max_extensions": 16384, "max_trailers": 16384}
        if low := rng.random() < 0.4:
            limits = {name: pick(rng, (1, 2, 3, 7, 17, 60)) for name in limits}
        decoder = self.make(**limits)
        if rng.random() < 0.5:
            for cut in reads(rng, wire[below(rng, len(wire) + 1) :])[: below(rng, 6)]:
                with_errors(decoder.feed, cut)
            decoder.reset()
        pieces = reads(rng, wire)

        def told() -> str:
            return f"ChunkedDecoder({limits}), reads={listed(pieces)}"

        found = observe_chunked(decoder, pieces)
        equal(read_chunked(wire, **limits), found, told)
        error = ""
        if found.error:
            failed = error_of(decoder)
            after(rng, decoder.feed, type(failed), told)
            error = _NUMBER.sub("#", str(failed))
        return low, error, found.at_end, *map(size, map(len, (found.body, found.trailers, found.unused_data)))


class Streams(Target):
    """ResultStream: cut anywhere as whole, read directly as by orjson."""

    name = "streams"
    tokens = SSE_TOKENS + JSON_TOKENS

    def seeds(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted([*SAMPLES.glob("*.sse"), *SAMPLES.glob("*response*.json")])]

    def check(self, rng: Random, wire: bytes) -> object:
        partials = rng.random() < 0.5
        limits = Limits()
        if rng.random() < 0.3:
            limits = Limits(event_size=pick(rng, (20, 100, 400, 2000)), event_lines=pick(rng, (1, 3, 5, 100)))
        kind = pick(rng, (None, None, "text/event-stream", "application/json"))
        status = pick(rng, (200, 200, 200, 429))

        def stream(partials: bool) -> ResultStream:
            return ResultStream(partials, http_status=status, content_type=kind, limits=limits)

        pieces = reads(rng, wire)

        def told() -> str:
            return f"{limits=}, {kind=}, {status=}, {partials=}, reads={listed(pieces)}"

        found = twins.stream_updates(pieces, partials, True, frozenset(), stream)
        # Skipped partials are not validated, so that the readable path has its say only where none is skipped.
        expected = twins.stream_updates([wire], partials, not partials, frozenset(), stream)
        equal(_joined(expected), _joined(found), told, twins.packed)
        errors = [(step.rows[0], step.rows[1][:24]) for step in found if step.kind == twins.ERROR]
        issues = {name for name, _ in found[-1].rows[1]}
        kinds = {row[0] for row in twins.updates(found)}
        return errors, sorted(issues), sorted(kinds), found[-1].number > 1, found[-1].rows[4:6]


class ResultFiles(Target):
    """read_result: directly as by orjson."""

    name = "files"
    tokens = JSON_TOKENS

    def seeds(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted([*SAMPLES.glob("*result.json"), *SAMPLES.glob("flash_*.json")])]

    def check(self, rng: Random, wire: bytes) -> object:
        keep_raw = rng.random() < 0.2
        found = twins.read_file(exact(wire), True, keep_raw)  # type: ignore[arg-type]
        expected = twins.read_file(wire, False, keep_raw)
        equal(expected, found, lambda: f"read_result({wire!r}, {keep_raw=})", twins.packed)
        if found[0] == "error":
            return found[1], _NUMBER.sub("#", found[2])[:120], found[5] is not None
        return [(size(len(row[0][0])), tuple(name for name, _ in row[0][1])) for row in found[-1]]


def with_errors(call: Callable[[Any], Any], argument: Any) -> None:
    with suppress(ASRWireError):
        call(argument)


def _joined(outcome: twins.Outcome) -> tuple[Any, ...]:
    # What does not depend on where the reads end.
    errors = [step.rows[:10] + step.rows[11:] for step in outcome if step.kind == twins.ERROR]
    return tuple(twins.updates(outcome)), tuple(errors), outcome[-1]


def targets() -> tuple[Target, ...]:
    return Events(), Chunks(), Streams(), ResultFiles()


class Bytes:
    """The mode: a number is a case only together with those before it, which have made the corpus."""

    def __init__(self, chosen: Sequence[Target] | None = None) -> None:
        self.targets = chosen or targets()
        self.counts: Counter[str] = Counter()
        self.corpus = [
            [wire for wire in target.seeds() if len(wire) <= MOST] + target.kept() for target in self.targets
        ]
        self.first = [len(wires) for wires in self.corpus]
        self.seen: list[set[str]] = [set() for _ in self.targets]
        self._fresh = list(itertools.chain.from_iterable(
            [(i, wire) for wire in wires] for i, wires in enumerate(self.corpus)))  # fmt: skip

    def check(self, number: int) -> int:
        """Bends a wire of the corpus and reads it, after each wire of the corpus as it is."""
        rng = Random(number)
        mutated = not self._fresh
        if mutated:
            i = below(rng, len(self.targets))
            wire = self._bent(rng, i)
        else:
            i, wire = self._fresh.pop()
        target, seen = self.targets[i], self.seen[i]
        signature = repr(target.check(rng, wire))
        if signature not in seen:
            seen.add(signature)
            self.counts[f"{target.name}: new"] += 1
            if mutated and len(wire) <= MOST:
                self.corpus[i].append(wire)
        self.counts["payloads"] += 1
        self.counts["mutated"] += mutated
        self.counts[target.name] += 1
        return int(mutated)

    def _bent(self, rng: Random, i: int) -> bytes:
        wires = self.corpus[i]
        wire = pick(rng, wires)
        for _ in range(1 + below(rng, 4)):
            if rng.random() < 0.4 or not wire:
                at = below(rng, len(wire) + 1)
                wire = wire[:at] + pick(rng, self.targets[i].tokens) + wire[at:]
            else:
                wire = pick(rng, BYTES)(rng, wire, pick(rng, wires))
        return wire

    def keep(self) -> None:
        """Write what was found into the kept corpus, the shortest first."""
        for target, wires, first in zip(self.targets, self.corpus, self.first, strict=True):
            found = {repr(wire) for wire in [*target.kept(), *wires[first:]]}
            lines = sorted(found, key=lambda line: (len(line), line))
            sizes = itertools.accumulate(len(line) + 1 for line in lines)
            lines = [line for line, total in zip(lines, sizes, strict=True) if total <= KEPT]
            CORPUS.mkdir(exist_ok=True)
            (CORPUS / f"{target.name}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
