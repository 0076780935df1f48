# Whether two readers agree on a case, and if not, the smallest case on which they do not.
#
# Knows: what must be equal, and the one difference that is allowed: a partial that is skipped is not validated beyond
# its structure. Must not know: asrwire's values (twins.py takes them apart), how cases are made.

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from . import payloads, twins
from .payloads import Case
from .twins import END, ERROR, PEEK, Outcome, Row, Step

T = TypeVar("T")

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"]+|"', re.DOTALL)

# What is counted while the content of a partial is read, so not where it is skipped.
UNSEEN = frozenset({"invalid_utf8", "lone_surrogate", "repeated_partial", "unaligned"})
_ISSUES = 1  # where a transcript's row has them
_EVENT = 3  # where an error's row has them


def agree_on_partials(expected: Outcome, found: Outcome) -> bool:
    return twins.packed(expected) == twins.packed(found)


def agree_on_finals(expected: Outcome, found: Outcome, case: Case) -> bool:
    """Equal, or the readable path stumbled over a partial that needed no reading, and until then they were."""
    if twins.packed(expected) == twins.packed(found):
        return True
    if twins.packed([_without_unseen(step) for step in expected]) == twins.packed(
        [_without_unseen(step) for step in found]
    ):
        return True
    stumble = next((step for step in expected if step.kind == ERROR), None)
    if stumble is None or stumble.rows[0] != "DecodeError" or not _may_be_skipped(case, stumble.rows):
        return False
    said, heard = twins.finals([step for step in expected if step.kind != twins.EOF]), twins.finals(found)
    return said == heard[: len(said)]


def _without_unseen(step: Step) -> Step:
    if step.kind in (PEEK, END):
        return step._replace(rows=_trimmed(step.rows))
    if step.kind == ERROR and step.rows[-1] is not None:
        return step._replace(rows=(*step.rows[:-1], _trimmed(step.rows[-1])))
    return step


def _trimmed(transcript: Row) -> Row:
    issues = tuple([item for item in transcript[_ISSUES] if item[0] not in UNSEEN])
    return (*transcript[:_ISSUES], issues, *transcript[_ISSUES + 1 :])


def _may_be_skipped(case: Case, error: Row) -> bool:
    """Whether the payload of this error is a partial to someone who only looks at its structure."""
    bodies = twins.events(case.wire)
    number = error[_EVENT] or 0
    # Data lines that are each a JSON text count as an event each: then it may have been any of them.
    exact = 0 < number <= len(bodies) and not any(b"\n" in body for body in bodies[:number])
    return any(map(partial_by_structure, [bodies[number - 1]] if exact else bodies))


def partial_by_structure(payload: bytes) -> bool:
    """Brackets and strings are whole and what ``sentence_end`` there is says false: as lenient as it may be."""
    try:
        value = json.loads(payload.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return b"sentence_end" in payload and b"false" in payload and balanced(payload)
    return isinstance(value, dict) and any(
        sentence.get("sentence_end") is False for sentence in _sentences(value) if isinstance(sentence, dict)
    )


def _sentences(value: dict[str, Any]) -> list[Any]:
    output = value.get("output")
    holders = [value, output, output.get("output") if isinstance(output, dict) else None]
    return [holder.get("sentence") for holder in holders if isinstance(holder, dict)]


def balanced(payload: bytes) -> bool:
    """Brackets outside strings open as often as they close, and only blanks stand outside the first of them. Their
    kinds are not looked at: who finds the end of a value does not need them."""
    depth, inside, escaped, closed = 0, False, False, False
    for byte in payload:
        if inside:
            inside, escaped = escaped or byte != 0x22, byte == 0x5C and not escaped
        elif closed:
            if byte not in b" \t\r\n":
                return False
        elif byte == 0x22:
            inside = True
        elif byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
            closed = depth <= 0
    return closed and depth == 0


# -- smaller -----------------------------------------------------------------------------------------------------------


class _Shrinker:
    """Tries smaller and smaller things while they stay wrong; ``tries`` bounds how often."""

    def __init__(self, wrong: Callable[[Any], bool], tries: int) -> None:
        self.wrong, self.tries = wrong, tries

    def still(self, candidate: Any) -> bool:
        self.tries -= 1
        return self.tries >= 0 and self.wrong(candidate)

    def fewer(self, items: Sequence[T], make: Callable[[Sequence[T]], Any]) -> Sequence[T]:
        """Leaves out ever smaller runs of items."""
        size = max(1, len(items) // 2)
        while size and self.tries > 0:
            at = 0
            while at + size <= len(items) and self.tries > 0:
                without = [*items[:at], *items[at + size :]]
                if self.still(make(without)):
                    items = without
                else:
                    at += 1 if size <= 12 else size
            size = size * 3 // 4
        return items

    def shorter(self, text: bytes, make: Callable[[bytes], Any]) -> bytes:
        """Leaves out JSON's tokens first, which keeps brackets in pairs, then bytes."""
        tokens = self.fewer(_TOKENS.findall(text), lambda tokens: make(b"".join(tokens)))
        return bytes(self.fewer(b"".join(tokens), lambda text: make(bytes(text))))


def smaller(case: Case, wrong: Callable[[Case], bool], tries: int) -> Case:
    """A case that is as wrong with fewer events, fewer reads and shorter payloads."""
    shrinker = _Shrinker(wrong, tries)
    for changes in ({"end": None}, {"peeks": frozenset()}, {"cuts": ()}):
        candidate = replace(case, **changes)  # type: ignore[arg-type]
        if shrinker.still(candidate):
            case = candidate
    candidate = _of(case, [b"data:" + re.sub(rb"\r\n|\r|\n", b"\ndata:", body) + b"\n\n" for body in case.payloads])
    if shrinker.still(candidate):
        case = candidate
    case = _of(case, shrinker.fewer(case.frames, lambda frames: _of(case, frames)))
    for i in range(len(case.frames)):
        before, after = case.frames[:i], case.frames[i + 1 :]
        rebuilt = partial(_with, case, before, after)
        case = rebuilt(shrinker.shorter(case.frames[i], rebuilt))
    return case


def _with(case: Case, before: list[bytes], after: list[bytes], frame: bytes) -> Case:
    return _of(case, [*before, frame, *after])


def _of(case: Case, frames: Sequence[bytes]) -> Case:
    return replace(case, frames=list(frames))


def smaller_file(data: bytes, wrong: Callable[[bytes], bool], tries: int) -> bytes:
    return _Shrinker(wrong, tries).shorter(data, bytes)


# -- the modes ---------------------------------------------------------------------------------------------------------


class Mismatch(Exception):
    """``literal``: the shrunk case, as Python; ``expected`` and ``found``: what the two readers made of it."""

    def __init__(self, literal: str, expected: object, found: object) -> None:
        super().__init__(literal)
        self.literal, self.expected, self.found = literal, expected, found

    def __str__(self) -> str:
        readable, direct = _first(self.expected, self.found), _first(self.found, self.expected)
        return f"{self.literal}\n  readable: {readable}\n  direct:   {direct}"


def _first(mine: Any, other: Any, path: str = "") -> str:
    # The first place where two nested tuples differ.
    if isinstance(mine, (tuple, list)) and isinstance(other, (tuple, list)):
        for i, (a, b) in enumerate(zip(mine, other, strict=False)):
            if a != b or repr(a) != repr(b):
                return _first(a, b, f"{path}[{i}]")
        return f"{path} has {len(mine)} items: {mine!r:.300}"
    return f"{path} = {mine!r:.300}"


class Partials:
    """Whole streams, partials handed out: everything seen of them is equal."""

    partials = True

    def __init__(self, readable: twins.StreamTwin, direct: twins.StreamTwin, tries: int = 20_000) -> None:
        self.readable, self.direct, self.tries = readable, direct, tries
        self.counts: Counter[str] = Counter()

    def check(self, seed: int) -> int:
        """Reads the stream of this number both ways; returns how many mutated payloads it had."""
        case = payloads.stream(seed)
        expected, found = self._both(case)
        if not self.agree(expected, found, case):
            self._fail(case)
        if seed % 256 == 0:
            self._every_cut(case)
        return self.count(expected, case)

    def agree(self, expected: Outcome, found: Outcome, case: Case) -> bool:
        return agree_on_partials(expected, found)

    def _both(self, case: Case) -> tuple[Outcome, Outcome]:
        reads = case.reads()
        return (self.readable(reads, self.partials, case.peeks), self.direct(reads, self.partials, case.peeks))

    def _every_cut(self, case: Case) -> None:
        # At each event's end, and shortly before and after it.
        at = 0
        for frame in case.frames:
            at += len(frame)
            for end in (at - 2, at - 1, at, at + 1):
                cut = replace(case, end=end, cuts=(), peeks=frozenset())
                if not self.agree(*self._both(cut), cut):
                    self._fail(cut)
                self.counts["cuts"] += 1

    def _fail(self, case: Case) -> None:
        def wrong(candidate: Case) -> bool:
            return not self.agree(*self._both(candidate), candidate)

        small = smaller(case, wrong, self.tries)
        expected, found = self._both(small)
        peeks = f", peeks={set(small.peeks)!r}" if small.peeks else ""
        raise Mismatch(f"reads={small.reads()!r}, partials={self.partials}{peeks}", expected, found)

    def count(self, outcome: Outcome, case: Case) -> int:
        """Adds an outcome to the counts; returns how many mutated payloads it read."""
        counts, reached = self.counts, outcome[-1].number  # what comes after an error or a cut is not read
        mutated = sum(case.mutated[:reached])
        counts["payloads"] += min(reached, len(case.payloads))
        counts["mutated"] += mutated
        counts["streams"] += 1
        for row in twins.updates(outcome):
            counts[row[0]] += 1
        for step in outcome:
            if step.kind == ERROR:
                counts[step.rows[0]] += 1
        return mutated


class Finals(Partials):
    """Whole streams, partials skipped: equal but for what skipping does not validate; and the finals are those of a
    stream whose partials are handed out."""

    partials = False

    def check(self, seed: int) -> int:
        mutated = super().check(seed)
        if seed % 4 == 0:
            self._check_modes(payloads.stream(seed))
        return mutated

    def agree(self, expected: Outcome, found: Outcome, case: Case) -> bool:
        return agree_on_finals(expected, found, case)

    def _check_modes(self, case: Case) -> None:
        if not self._modes_agree(case):
            small = smaller(case, lambda candidate: not self._modes_agree(candidate), self.tries)
            reads = small.reads()
            with_partials, without = self.direct(reads, True, frozenset()), self.direct(reads, False, frozenset())
            raise Mismatch(f"reads={reads!r}, finals with and without partials",
                           twins.finals(with_partials), twins.finals(without))  # fmt: skip

    def _modes_agree(self, case: Case) -> bool:
        reads = case.reads()
        with_partials = self.direct(reads, True, frozenset())
        said = twins.finals(with_partials)
        found = twins.finals(self.direct(reads, False, frozenset()))
        if any(step.kind == ERROR for step in with_partials):
            return said == found[: len(said)]
        return said == found


class Files:
    """Result files: the same values, or the same error."""

    def __init__(self, readable: twins.FileTwin, direct: twins.FileTwin, tries: int = 20_000) -> None:
        self.readable, self.direct, self.tries = readable, direct, tries
        self.counts: Counter[str] = Counter()

    def check(self, seed: int) -> int:
        data = payloads.file(seed)
        keep_raw = seed % 16 == 0
        expected = self.readable(data, keep_raw)
        if twins.packed(expected) != twins.packed(self.direct(data, keep_raw)):
            small = smaller_file(data, lambda candidate: self._wrong(candidate, keep_raw), self.tries)
            literal = f"data={small!r}" + (", keep_raw=True" if keep_raw else "")
            raise Mismatch(literal, self.readable(small, keep_raw), self.direct(small, keep_raw))
        self.counts["payloads"] += 1
        self.counts["mutated"] += 1
        self.counts[expected[1] if expected[0] == "error" else "read"] += 1
        return 1

    def _wrong(self, data: bytes, keep_raw: bool) -> bool:
        return twins.packed(self.readable(data, keep_raw)) != twins.packed(self.direct(data, keep_raw))


def mode(name: str) -> Partials | Files:
    """One of ``partials``, ``scan`` and ``files``, with the library's own readers."""

    def readable(reads: Sequence[bytes], partials: bool, peeks: frozenset[int]) -> Outcome:
        return twins.stream_updates(reads, partials, False, peeks)

    def direct(reads: Sequence[bytes], partials: bool, peeks: frozenset[int]) -> Outcome:
        return twins.stream_updates(reads, partials, True, peeks)

    if name == "files":
        return Files(lambda data, keep_raw: twins.read_file(data, False, keep_raw),
                     lambda data, keep_raw: twins.read_file(data, True, keep_raw))  # fmt: skip
    return (Partials if name == "partials" else Finals)(readable, direct)
