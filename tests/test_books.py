# The property: whatever a wire does to a stream, the books balance (a table kept by `sentence.index` is the
# transcript at every moment), no word is lost and none is doubled. Streams and their truth come from tests/streams.py.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrwire._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta
from asrwire._stream import ResultStream, Update
from asrwire._transcript import Transcript
from tests.streams import FLAGS, Plan, Spoken, Stream, make, random_plan
from tests.unrevised import whole, without_partials

SEEDS = 640
GROUP = 40


class Books:
    """A consumer that knows only the documented rules, and checks each update against them."""

    def __init__(self) -> None:
        self.table: dict[int, Sentence] = {}
        self.captions: dict[int, str] = {}
        self.text = ""
        self.finals: list[Sentence] = []
        self.amended = False
        self.updates: list[Update] = []

    def take(self, updates: Iterable[Update]) -> None:
        for update in updates:
            self.updates.append(update)
            if isinstance(update, TextDelta):
                assert update.offset <= len(self.text)
                self.text = self.text[: update.offset] + update.text
                continue
            sentence = update.sentence
            previous = self.captions.get(sentence.index, "")
            if isinstance(update, Amended):
                self._amend(update)
            else:
                assert update.kept == common(previous, sentence.text)
                assert previous[: update.kept] + sentence.text[update.kept :] == sentence.text
            if isinstance(update, Partial):
                assert not sentence.final
                assert sentence.finality is None
                assert 0 <= update.stable <= len(sentence.text)
            elif isinstance(update, Final):
                assert sentence.final
                assert sentence.index not in {final.index for final in self.finals}
                self.finals.append(sentence)
            elif isinstance(update, Incomplete):
                assert not sentence.final
            before = self.table.get(sentence.index)
            if before is not None and before != sentence:
                assert sentence.revision >= before.revision
            self.table[sentence.index] = sentence
            self.captions[sentence.index] = sentence.text

    def _amend(self, update: Amended) -> None:
        self.amended = True
        assert update.sentence.final
        assert update.replaced
        assert update.sentence.index == update.replaced[0].index
        for old in update.replaced:
            assert self.table.pop(old.index) == old
            self.captions.pop(old.index)

    def check(self, transcript: Transcript) -> None:
        assert self.table == {sentence.index: sentence for sentence in transcript.sentences}
        assert len(self.table) == len(transcript.sentences)
        if not self.amended:
            assert self.finals == [sentence for sentence in transcript.sentences if sentence.final]


def common(a: str, b: str) -> int:
    """Length of the longest common prefix, one character after the other."""
    return next((i for i, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def replay(stream: Stream, upto: int | None = None) -> tuple[Books, ResultStream]:
    """Event by event, the books checked after each."""
    wire = stream.wire if upto is None else stream.wire[:upto]
    books, results = Books(), ResultStream()
    cuts = sorted({0, *(min(span.end, len(wire)) for span in stream.spans), len(wire)})
    for start, stop in pairwise(cuts):
        books.take(results.receive_data(wire[start:stop]))
        books.check(results.transcript)
        assert not results.transcript.complete
    books.take(results.receive_eof())
    books.check(results.transcript)
    return books, results


def chunkings(wire: bytes, rng: Random, small: int | None = None) -> Iterator[list[bytes]]:
    """Ways to read a wire; small reads only of the last so many bytes, where what comes before is read so elsewhere."""
    yield [wire]
    at = rng.randrange(len(wire))
    yield [wire[:at], wire[at:]]
    size = rng.choice((1, 2, 3, 7))
    start = 0 if small is None else max(0, len(wire) - small)
    yield [wire[:start], *(wire[i : i + size] for i in range(start, len(wire), size))]
    cuts = sorted({0, len(wire), *(rng.randrange(len(wire)) for _ in range(12))})
    yield [wire[start:stop] for start, stop in pairwise(cuts)]


def run(reads: Iterable[bytes], partials: bool = True) -> tuple[list[Update], Transcript]:
    results = ResultStream(partials)
    updates = [update for read in reads for update in results.receive_data(read)]
    return updates + results.receive_eof(), results.transcript


def check_whole(stream: Stream) -> None:
    books, results = replay(stream)
    transcript = results.transcript
    assert transcript.complete, transcript
    assert all(sentence.final for sentence in transcript.sentences)
    check_truth(stream, transcript)
    rng = Random(stream.plan.seed)
    for reads in chunkings(stream.wire, rng):
        assert run(reads) == (books.updates, transcript)
    check_finals_only(stream, books, transcript)


def check_truth(stream: Stream, transcript: Transcript) -> None:
    for channel, said in stream.truth.items():
        sentences = transcript.channel(channel).sentences
        heard = "".join(sentence.text for sentence in sorted(sentences, key=first_time))
        assert "".join(heard.split()) == "".join(word.text + word.punctuation for word in said).replace(" ", "")
        if stream.plan.cumulative != "text":
            words = [
                Spoken(word.text.strip(), word.punctuation, word.begin_time or 0, word.end_time or 0)
                for word in transcript.channel(channel).words
            ]
            assert words == said
    assert set(transcript.channels) == set(stream.truth)


def first_time(sentence: Sentence) -> tuple[int, int]:
    # Without word times a later part of a cumulative sentence has no begin: the order of ends is all there is.
    begin = sentence.words[0].begin_time if sentence.words else sentence.begin_time
    return (sentence.end_time or 0, 0) if begin is None else (begin, sentence.end_time or 0)


def check_finals_only(stream: Stream, books: Books, transcript: Transcript) -> None:
    updates, alike = run([stream.wire], partials=False)
    assert whole(alike) == whole(transcript)
    assert without_partials(updates) == without_partials(books.updates)


def check_cut(stream: Stream, at: int) -> None:
    """The wire ends cleanly after `at` bytes."""
    wire = stream.wire[:at]
    arrived = sum(span.json_end <= at for span in stream.spans)
    books, results = replay(stream, at)
    transcript = results.transcript
    finals = {
        (sentence.channel_id, sentence.sentence_id): sentence for sentence in transcript.sentences if sentence.final
    }
    said = {
        (event.sentence.get("channel_id", 0), event.sentence.get("sentence_id")): event.sentence
        for event in stream.events[:arrived]
        if event.kind == "final"
    }
    if stream.plan.cumulative == "no" and stream.plan.ids:
        assert {key: sentence.text for key, sentence in finals.items()} == {key: s["text"] for key, s in said.items()}
    elif stream.plan.cumulative == "no":
        assert {sentence.text for sentence in transcript.sentences if sentence.final} == {
            event.sentence["text"] for event in stream.events[:arrived] if event.kind == "final"
        }
    else:
        check_cumulative_cut(stream, arrived, transcript)
    sign = (
        1 if arrived and not stream.plan.blank_lines else 0
    )  # without blank lines, `i` may yet become a field that is to be ignored
    unfinished = any(span.start + sign < at < span.json_end for span in stream.spans)
    open_sentences = [sentence for sentence in transcript.sentences if not sentence.final]
    silent = any(e.kind == "heartbeat" and "heartbeat" not in e.sentence for e in stream.events[:arrived])
    whole = not unfinished and not open_sentences and bool(said or silent)
    assert transcript.complete == whole
    reason = "cut" if unfinished else "open_sentence" if open_sentences else "empty"
    assert transcript.incomplete_reason == (None if whole else reason)
    ends = [update for update in books.updates if isinstance(update, Incomplete)]
    assert [update.sentence for update in ends] == open_sentences
    assert {update.reason for update in ends} <= {reason}
    for reads in chunkings(wire, Random(at), small=300) if wire else ():
        assert run(reads) == (books.updates, transcript)


def check_cumulative_cut(stream: Stream, arrived: int, transcript: Transcript) -> None:
    longest: dict[int, dict[str, object]] = {}
    for event in stream.events[:arrived]:
        if event.kind == "final":
            channel = event.owner[0]
            if channel not in longest or event.sentence["end_time"] >= longest[channel]["end_time"]:
                longest[channel] = event.sentence
    for channel, sentence in longest.items():
        finals = [s for s in transcript.channel(channel).sentences if s.final]
        heard = "".join(final.text for final in sorted(finals, key=first_time))
        assert "".join(heard.split()) == "".join(str(sentence["text"]).split())


@pytest.mark.parametrize("group", range(SEEDS // GROUP))
def test_books_balance(group: int) -> None:
    for seed in range(group * GROUP, (group + 1) * GROUP):
        check_whole(make(random_plan(seed)))


@pytest.mark.parametrize("group", range(SEEDS // GROUP))
def test_books_balance_when_the_stream_is_cut(group: int) -> None:
    for seed in range(group * GROUP, (group + 1) * GROUP):
        stream = make(random_plan(seed))
        rng = Random(seed)
        span = rng.choice(stream.spans)
        places = {rng.randrange(len(stream.wire) + 1) for _ in range(4)} | {span.start, span.json_end, span.end}
        for at in places:
            check_cut(stream, at)


def test_a_cut_at_every_byte() -> None:
    plan = Plan(
        5, channels=2, stash=True, repeats=True, late=True, swaps=True, heartbeats=True, moving=True, newline="\r\n"
    )
    stream = make(plan)
    finals = 0
    for at in range(len(stream.wire) + 1):
        _, transcript = run([stream.wire[:at]])
        arrived = [e for e, span in zip(stream.events, stream.spans, strict=True) if span.json_end <= at]
        count = sum(sentence.final for sentence in transcript.sentences)
        assert count == len({event.owner for event in arrived if event.kind == "final"})
        assert count >= finals
        finals = count
    assert transcript.complete


plans = st.builds(
    lambda seed, ids, cumulative, language, channels, envelope, newline, blank, flags: Plan(
        seed, ids, cumulative, language, channels, envelope=envelope, newline=newline, blank_lines=blank,
        **dict.fromkeys(flags, True),
    ).in_scope(),
    st.integers(10_000, 2**31), st.booleans(), st.sampled_from(("no", "words", "text")), st.sampled_from(("zh", "en")),
    st.integers(1, 2), st.sampled_from(("doc", "public", "workspace")), st.sampled_from(("\n", "\r\n", "\r")),
    st.booleans(), st.sets(st.sampled_from(FLAGS)),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans, st.floats(0, 1))
def test_books_balance_for_any_plan(plan: Plan, where: float) -> None:
    stream = make(plan)
    check_whole(stream)
    check_cut(stream, round(where * len(stream.wire)))


def test_the_generator_reaches_every_kind_of_update_and_issue() -> None:
    kinds: set[type] = set()
    issues: set[str] = set()
    for seed in range(SEEDS):
        updates, transcript = run([make(random_plan(seed)).wire])
        kinds |= {type(update) for update in updates}
        issues |= set(transcript.issues)
    assert kinds == {Partial, Final, Amended}
    assert issues >= {
        "repeated_final", "repeated_partial", "late_partial", "late_final", "amended", "missing_id", "heartbeat",
        "unaligned",
    }  # fmt: skip


# -- text-only dialects ------------------------------------------------------------------------------------------------


def text_stream(seed: int) -> tuple[bytes, str, bool | None]:
    """A stream of `choices`, its text, and what `incremental` to read it with."""
    rng = Random(seed)
    pieces = [rng.choice(("欢迎", "使用", " Hello", "é", "🎉", "。", " a", "")) for _ in range(rng.randint(1, 8))]
    kind = rng.choice(("openai", "cumulative", "incremental", "revised"))
    shown: list[str] = []
    for i in range(1, len(pieces) + 1):
        so_far = "".join(pieces[:i])
        revised = kind == "revised" and i < len(pieces) and rng.random() < 0.5
        shown.append(pieces[i - 1] if kind in ("openai", "incremental") else so_far[:-1] + "?" if revised else so_far)
    events = []
    for i, text in enumerate(shown):
        reason = '"stop"' if i == len(shown) - 1 else '"null"'
        escaped = text.replace('"', '\\"')
        if kind == "openai":
            events.append(f'data: {{"choices":[{{"delta":{{"content":"{escaped}"}},"finish_reason":{reason}}}]}}\n\n')
        else:
            message = f'{{"content":[{{"text":"{escaped}"}}]}}'
            events.append(f'data:{{"output":{{"choices":[{{"message":{message},"finish_reason":{reason}}}]}}}}\n\n')
    if kind == "openai":
        events.append("data: [DONE]\n\n")
    return "".join(events).encode(), "".join(pieces), {"openai": None, "incremental": True}.get(kind, False)


def test_text_deltas_add_up_to_the_text() -> None:
    for seed in range(300):
        wire, text, incremental = text_stream(seed)
        outcomes = []
        for reads in chunkings(wire, Random(seed)):
            books, results = Books(), ResultStream(incremental=incremental)
            for read in reads:
                books.take(results.receive_data(read))
                if not any(isinstance(update, Final) for update in books.updates):
                    assert books.text == results.transcript.text
            books.take(results.receive_eof())
            assert books.text == text == results.transcript.text
            assert [sentence.text for sentence in books.finals] == ([text] if text else [])
            assert list(results.transcript.sentences) == books.finals
            assert results.transcript.complete
            outcomes.append(books.updates)
        assert all(updates == outcomes[0] for updates in outcomes)
