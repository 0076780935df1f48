# The fuzzers, a little of each mode on every run, and that they bite: a reader with any one fault of a list is caught
# within a number of streams. `python -m tests.fuzz` goes on from here.

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from asrwire import ChunkedDecoder, EventStreamParser
from asrwire._stream import ResultStream
from tests.fuzz import __main__ as command
from tests.fuzz import judge, payloads, twins, wires
from tests.fuzz.twins import END, EOF, ERROR, PEEK, READ, Outcome, Step

STREAMS, FILES = 150, 600
PARTIALS, SCAN, BOTH = (True,), (False,), (True, False)


def run(mode: judge.Partials | judge.Files | wires.Bytes, cases: int) -> None:
    for seed in range(cases):
        mode.check(seed)


@pytest.mark.parametrize(("name", "cases"), [("partials", STREAMS), ("scan", STREAMS), ("files", FILES)])
def test_the_two_readers_agree(name: str, cases: int) -> None:
    mode = judge.mode(name)
    run(mode, cases)
    assert mode.counts["mutated"] > cases / 2


def test_the_generator_reaches_every_kind_of_update_error_and_issue() -> None:
    mode = judge.Partials(readable, readable)
    issues: set[str] = set()
    for seed in range(1000, 1450):
        case = payloads.stream(seed)
        outcome = twins.stream_updates(case.reads(), True, True)
        issues |= {name for name, _ in outcome[-1].rows[1]}
        mode.count(outcome, case)
    kinds = {kind for kind, count in mode.counts.items() if count}
    assert kinds >= {"Partial", "Final", "Amended", "Incomplete", "TextDelta", "DecodeError", "ServiceError"}
    assert issues >= {
        "repeated_final", "repeated_partial", "late_partial", "late_final", "amended", "missing_id", "heartbeat",
        "id_gap", "unaligned", "invalid_utf8", "lone_surrogate", "emptied", "after_end", "empty_event",
    }  # fmt: skip


def test_a_number_is_a_case() -> None:
    assert payloads.stream(12) == payloads.stream(12)
    assert payloads.stream(12).wire != payloads.stream(13).wire
    assert payloads.file(12) == payloads.file(12)


# -- it bites ----------------------------------------------------------------------------------------------------------


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def sentences(value: Any) -> list[dict[str, Any]]:
    """Every object that has a text, whatever it is."""
    if isinstance(value, list):
        return [found for item in value for found in sentences(item)]
    if not isinstance(value, dict):
        return []
    found = [found for item in value.values() for found in sentences(item)]
    return [value, *found] if "text" in value else found


class Faulty(ResultStream, ABC):
    """The readable path with one fault."""

    modes = PARTIALS

    def _take_body(self, value: Any, raw: bytes, updates: list[Any], *, whole: bool) -> None:
        value = self.wrong(value, raw)
        if value is not None:
            super()._take_body(value, raw, updates, whole=whole)

    @abstractmethod
    def wrong(self, value: Any, raw: bytes) -> Any:
        """The body, misread; None: not at all."""

    @staticmethod
    def again(raw: bytes, value: Any) -> Any:
        try:
            return json.loads(raw)
        except ValueError:
            return value


class FirstKeyWins(Faulty):
    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        try:
            return json.loads(raw, object_pairs_hook=first_wins)
        except ValueError:
            return value


class EscapedKeysUnknown(Faulty):
    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        return self.again(re.sub(rb'\\u00[0-9a-f]{2}(?=[a-z_]*"\s*:)', b"?", raw), value)


class PairsHalved(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        return self.again(re.sub(rb"\\u[dD]8[0-9a-fA-F]{2}\\u[dD][eE]..", rb"\\ufffd\\ufffd", raw), value)


class SolidusKept(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        return self.again(raw.replace(b"\\/", b"\\\\/"), value)


class FinalByLooks(Faulty):
    """`"sentence_end":true` is looked for anywhere."""

    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        if b'"sentence_end":true' in raw:
            for sentence in sentences(value):
                sentence["sentence_end"] = True
        return value


class FinalByStash(Faulty):
    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if isinstance(stash := sentence.get("stash"), dict) and "sentence_end" in stash:
                sentence["sentence_end"] = stash["sentence_end"]
        return value


class StaleWords(Faulty):
    """A word with the text of the one before it at its place is that one: a changed `fixed` goes unseen."""

    modes = PARTIALS
    words: Any = ()

    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if isinstance(words := sentence.get("words"), list):
                for old, new in zip(self.words, words, strict=False):
                    if isinstance(new, dict) and isinstance(old, dict) and new.get("text") == old.get("text"):
                        new["fixed"] = old.get("fixed")
                self.words = words
        return value


class WordsOfTheLastSentence(Faulty):
    """A sentence without words has those of the event before."""

    words: Any = ()

    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if sentence.get("words") == []:
                sentence["words"] = self.words
            self.words = sentence.get("words") or []
        return value


class NoTimeIsZero(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if sentence.get("begin_time") == -1:
                sentence["begin_time"] = 0
        return value


class TimesCutOff(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            for key in ("begin_time", "end_time"):
                if isinstance(time := sentence.get(key), float):
                    sentence[key] = int(time)
        return value


class TimesWrapped(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            for key in ("begin_time", "end_time"):
                if isinstance(time := sentence.get(key), int) and time >= 2**31:
                    sentence[key] = time & 0x7FFFFFFF
        return value


class OneIsTrue(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if sentence.get("sentence_end") in (0, 1):
                sentence["sentence_end"] = bool(sentence["sentence_end"])
        return value


class ChannelsMixed(Faulty):
    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            sentence.pop("channel_id", None)
        return value


class HeartbeatsHeard(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            sentence.pop("heartbeat", None)
        return value


class SpeakersAsNumbers(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            if isinstance(speaker := sentence.get("speaker_id"), str) and speaker.isdigit():
                sentence["speaker_id"] = int(speaker)
        return value


class UsageOfFinalsOnly(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        if isinstance(value, dict) and not any(sentence.get("sentence_end") is True for sentence in sentences(value)):
            value.pop("usage", None)
        return value


class ErrorsOverlooked(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        if isinstance(value, dict) and value.get("output"):
            value.pop("code", None)
        return value


class StashOverlooked(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        for sentence in sentences(value):
            sentence.pop("stash", None)
        return value


class InnerOutputOverlooked(Faulty):
    def wrong(self, value: Any, raw: bytes) -> Any:
        if isinstance(value, dict) and isinstance(output := value.get("output"), dict):
            output.pop("output", None)
        return value


class FirstSkippedKept(Faulty):
    """Of the skipped partials of a sentence the first is kept, not the newest."""

    modes = SCAN

    def __init__(self, partials: bool) -> None:
        super().__init__(partials)
        self.skipped: set[str] = set()

    def wrong(self, value: Any, raw: bytes) -> Any:
        keys = {repr((s.get("channel_id"), s.get("sentence_id"))) for s in sentences(value) if "sentence_id" in s}
        final = any(sentence.get("sentence_end") is not False for sentence in sentences(value))
        if keys and not final and keys <= self.skipped:
            return None
        self.skipped |= keys
        return value


class LatePartialsForgotten(Faulty):
    """What comes after a final is not even counted."""

    modes = BOTH

    def wrong(self, value: Any, raw: bytes) -> Any:
        done = {sentence.sentence_id for sentence in self.transcript.sentences if sentence.final}
        late = [s for s in sentences(value) if s.get("sentence_id") in done and s.get("sentence_end") is False]
        return None if late else value


def no_incomplete(step: Step) -> Step:
    if step.kind != EOF:
        return step
    return step._replace(rows=tuple([row for row in step.rows if row[0] != "Incomplete"]))


def old_incomplete(step: Step) -> Step:
    # Off by one revision's text: as if a read too early had been kept.
    if step.kind != EOF:
        return step
    return step._replace(rows=tuple([(*row[:7], row[7][:-1], *row[8:]) for row in step.rows]))


def nothing_stable(step: Step) -> Step:
    if step.kind != READ:
        return step
    rows = [(row[0], (0, row[1][1]), *row[2:]) if row[0] == "Partial" else row for row in step.rows]
    return step._replace(rows=tuple(rows))


def nothing_kept(step: Step) -> Step:
    if step.kind != READ:
        return step
    rows = [(row[0], (row[1][0], 0), *row[2:]) if row[0] in ("Partial", "Final") else row for row in step.rows]
    return step._replace(rows=tuple(rows))


def gaps_not_counted(step: Step) -> Step:
    if step.kind not in (PEEK, END):
        return step
    issues = tuple([item for item in step.rows[1] if item[0] != "id_gap"])
    return step._replace(rows=(step.rows[0], issues, *step.rows[2:]))


def offsets_lost(step: Step) -> Step:
    if step.kind != ERROR or step.rows[2] is None:
        return step
    return step._replace(rows=(*step.rows[:2], 0, *step.rows[3:]))


def no_raw(step: Step) -> Step:
    if step.kind not in (READ, EOF):
        return step
    return step._replace(rows=tuple([(*row[:-1], None) if row[0] == "Final" else row for row in step.rows]))


ALTERED: list[tuple[Callable[[Step], Step], tuple[bool, ...]]] = [
    (no_incomplete, BOTH), (old_incomplete, SCAN), (nothing_stable, PARTIALS), (nothing_kept, PARTIALS),
    (gaps_not_counted, SCAN), (offsets_lost, PARTIALS), (no_raw, PARTIALS),
]  # fmt: skip
FAULTS = [
    *((kind, partials) for kind in Faulty.__subclasses__() for partials in kind.modes),
    *((alter, partials) for alter, modes in ALTERED for partials in modes),
]
WITHIN = 400  # streams


def readable(reads: Sequence[bytes], partials: bool, peeks: frozenset[int]) -> Outcome:
    return twins.stream_updates(reads, partials, False, peeks)


def faulty(fault: Any) -> twins.StreamTwin:
    if isinstance(fault, type):
        return lambda reads, partials, peeks: twins.stream_updates(reads, partials, False, peeks, fault)
    return lambda reads, partials, peeks: [fault(step) for step in readable(reads, partials, peeks)]


def streams_until_caught(fault: Any, partials: bool) -> int | None:
    mode = (judge.Partials if partials else judge.Finals)(readable, faulty(fault), tries=0)
    for seed in range(2000, 2000 + WITHIN):
        try:
            mode.check(seed)
        except judge.Mismatch:
            return seed - 1999
    return None


@pytest.mark.parametrize(("fault", "partials"), FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_fault_is_caught(fault: Any, partials: bool) -> None:
    assert streams_until_caught(fault, partials) is not None


def files_first_key(data: bytes) -> bytes:
    return json.dumps(json.loads(data, object_pairs_hook=first_wins)).encode()


def files_zero(data: bytes) -> bytes:
    return re.sub(rb":\s*-1\b(?![.e])", b":0", data)


def files_solidus(data: bytes) -> bytes:
    return data.replace(b"\\/", b"\\\\/")


def files_cut_off(data: bytes) -> bytes:
    return data.replace(b"1.5", b"1")


def files_forgiving(data: bytes) -> bytes:
    return data.replace(b",]", b"]").replace(b",}", b"}")


def files_unchecked(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode()


def files_fixed(data: bytes) -> bytes:
    return re.sub(rb'"fixed":\s*true', b'"fixed":null', data)


def files_speaker(data: bytes) -> bytes:
    return re.sub(rb'"speaker_id":\s*"1"', b'"speaker_id":1', data)


@pytest.mark.parametrize("wrong", [
    files_first_key, files_zero, files_solidus, files_cut_off, files_forgiving, files_unchecked, files_fixed,
    files_speaker,
])  # fmt: skip
def test_a_fault_of_files_is_caught(wrong: Callable[[bytes], bytes]) -> None:
    def direct(data: bytes, keep_raw: bool) -> twins.Row:
        try:
            data = wrong(data)
        except ValueError:
            pass
        return twins.read_file(data, False, False)

    mode = judge.Files(lambda data, _: twins.read_file(data, False, False), direct, tries=0)
    with pytest.raises(judge.Mismatch):
        run(mode, 2000)


def test_what_is_caught_is_told_as_a_small_case() -> None:
    mode = judge.Partials(readable, faulty(FirstKeyWins))
    with pytest.raises(judge.Mismatch) as caught:
        run(mode, WITHIN)
    assert len(caught.value.literal) < 200
    reads = eval(caught.value.literal.split("reads=")[1].partition(", partials")[0])
    assert readable(reads, True, frozenset()) != faulty(FirstKeyWins)(reads, True, frozenset())


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz", "files", "scan", "--payloads", "30", "--seed", "3"])
    assert command.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["files", "scan"]
    assert all(line.endswith("mismatches 0") for line in lines)


# -- the one difference that is allowed --------------------------------------------------------------------------------


@pytest.mark.parametrize(("payload", "skipped"), [
    (b'{"sentence":{"text":1,"sentence_end":false}}', True),
    (b'{"output":{"output":{"sentence":{"text":"\xff","sentence_end":false}}}}', True),
    (b'{"sentence":{"text":tru,"sentence_end":false}}', True),
    (b'{"sentence":{"text":1,"sentence_end":true}}', False),
    (b'{"sentence":{"text":1}}', False),
    (b'{"sentence":{"text":1,"sentence_end":false}', False),
    (b'{"sentence":{"text":tru,"sentence_end":false}]', True),  # by depth
    (b'{"sentence":{"text":tru,"sentence_end":false}}}', False),
    (b'{"sentence":{"text":"\\"}]","sentence_end":false,"x":tru}}', True),
    (b'{"sentence":{"text":"\\","sentence_end":false,"x":tru}}', False),
    (b'{"sentence":{"text":tru,"sentence_end":false}}x', False),
    (b'[1', False), (b"1", False),
])  # fmt: skip
def test_what_may_be_skipped(payload: bytes, skipped: bool) -> None:
    assert judge.partial_by_structure(payload) is skipped


def test_no_more_is_excused() -> None:
    # The readable path raises at a final: one that does not is wrong, in either mode.
    wire = b'data:{"sentence":{"sentence_id":1,"text":1,"sentence_end":true}}\n\n'
    case = payloads.Case([wire[5:-2]], [wire], [True])
    expected = readable([wire], False, frozenset())
    assert not judge.agree_on_finals(expected, expected[1:], case)


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_bytes_cut_anywhere_and_spoilt() -> None:
    mode = wires.Bytes()
    whole = sum(map(len, mode.corpus))
    for number in range(whole + 1500):
        mode.check(number)
    assert mode.counts["payloads"] - mode.counts["mutated"] == whole
    assert sum(map(len, mode.corpus)) > whole  # it has learnt something


def test_the_kept_corpus_is_small_and_read() -> None:
    files = sorted(wires.CORPUS.iterdir())
    assert [file.stem for file in files] == sorted(target.name for target in wires.targets())
    assert sum(file.stat().st_size for file in files) < 200_000
    assert all(target.kept() for target in wires.targets())


class LateParser:
    """An EventStreamParser that takes a CR at the end of a read for a whole line end, whatever follows."""

    def __init__(self, *limits: int) -> None:
        self._parser = EventStreamParser(*limits)

    def feed(self, data: Any) -> Any:
        return self._parser.feed(bytes(data) + b"\n" if bytes(data).endswith(b"\r") else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


class LateDecoder:
    """A ChunkedDecoder that forgets its limits when it is reset."""

    def __init__(self, **limits: int) -> None:
        self._decoder = ChunkedDecoder(**limits)

    def reset(self) -> None:
        self._decoder = ChunkedDecoder()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)


@pytest.mark.parametrize("target", [wires.Events(LateParser), wires.Chunks(LateDecoder)], ids=["events", "chunks"])
def test_a_fault_in_a_parser_of_bytes_is_caught(target: wires.Target) -> None:
    mode = wires.Bytes([target])
    with pytest.raises(judge.Mismatch):
        run(mode, 3000)
