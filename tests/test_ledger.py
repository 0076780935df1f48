# Ledgers of hand-written captures: literal times in, literal figures out.

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from asrwire import Amended, Final, Partial, ResultStream, Sentence, TextDelta
from asrwire.capture import Capture, End, Ledger, Read, Response, SentenceTimes, Stall


def event(number: int, text: str, begin: int = 0, end: int | None = None) -> bytes:
    sentence = {"sentence_id": number, "sentence_end": end is not None, "begin_time": begin, "end_time": end}
    return b"data:" + orjson.dumps({"output": {"sentence": {**sentence, "text": text}}}) + b"\n\n"


def delta(text: str) -> bytes:
    return b"data:" + orjson.dumps({"choices": [{"delta": {"content": text}, "index": 0}]}) + b"\n\n"


def captured(*reads: tuple[float, bytes], end: End | None) -> Capture:
    return Capture(tuple(Read(*read) for read in reads), response=Response(305.0, 200, (), 120.5), end=end)


# Shown: "Good"; " mourning" taken back from the "u" on; ... "here" loses its last two letters; the final adds ".".
TALK = captured(
    (400.0, b": keep-alive\n\n"),
    (412.0, event(1, "Good")),
    (530.0, event(1, "Good mourning")),
    (655.5, event(1, "Good morning, I") + event(1, "Good morning, I here")),
    (870.0, event(1, "Good morning, I hear")),
    (960.0, event(1, "Good morning, I hear,")),
    (1300.0, event(1, "Good morning, I hear.", 0, 900)),
    (2300.0, event(1, "Good morning, I hear.", 0, 900)),  # again: counted, not shown; 1000 ms are no stall
    (3300.5, event(2, "", 5000)),
    (3400.0, event(2, "Bye", 5000, 5600)),
    (3500.0, event(3, "And", 6000)),
    end=End(5000.0, "truncated", "cut"),
)


def test_a_talk() -> None:
    ledger = TALK.ledger()
    assert (ledger.sending, ledger.head, ledger.first_byte, ledger.first_partial) == (120.5, 305.0, 400.0, 412.0)
    assert (ledger.ended, ledger.end) == (5000.0, "truncated")
    assert (ledger.reads, ledger.events) == (11, 11)
    assert ledger.bytes == sum(len(read.data) for read in TALK.reads)
    assert ledger.stalls == [Stall(2300.0, 1000.5), Stall(3500.0, 1500.0)]
    assert ledger.sentences == [
        SentenceTimes(0, 0, 900, shown=412.0, final=1300.0, lag=430.0, behind=400.0, updates=7, revisions=3),
        SentenceTimes(1, 5000, 5600, shown=3400.0, final=3400.0, lag=0.0, behind=-2200.0, updates=1, revisions=0),
        SentenceTimes(2, 6000, None, shown=3500.0, final=None, lag=None, behind=None, updates=2, revisions=0),
    ]
    assert (ledger.updates, ledger.revisions) == (10, 3)
    # 4, " mourning" 9, "rning, I" 8, " here" 5, "ar" 2, "," 1, "." 1; "Bye" 3; "And" 3
    assert ledger.characters_shown == 4 + 9 + 8 + 5 + 2 + 1 + 1 + 3 + 3
    # "urning", "re", ","
    assert ledger.characters_changed == 6 + 2 + 1
    assert ledger.flicker == 9 / 36
    assert ledger.issues == Counter({"repeated_final": 1})


def test_as_json() -> None:
    told = TALK.ledger().to_dict()
    assert orjson.loads(orjson.dumps(told)) == told
    assert list(told)[:4] == ["version", "sending", "head", "first_byte"]
    assert (told["version"], told["flicker"], told["issues"]) == (1, 0.25, {"repeated_final": 1})
    assert told["stalls"][0] == {"ms": 2300.0, "duration": 1000.5}
    assert told["sentences"][2] == {
        "index": 2, "begin_time": 6000, "end_time": None, "shown": 3500.0, "final": None, "lag": None, "behind": None,
        "updates": 2, "revisions": 0,
    }  # fmt: skip


def test_the_documented_example() -> None:
    reads = [(1.0, event(1, "今天")), (2.0, event(1, "今")), (3.0, event(1, "今天很好", 0, 900))]
    ledger = captured(*reads, end=End(4.0)).ledger()
    assert (ledger.characters_shown, ledger.characters_changed, ledger.flicker) == (5, 1, 0.2)


def test_text_without_sentences() -> None:
    reads = [(10.0, delta("Good")), (20.0, delta(" morn")), (90.0, delta("ing"))]
    ledger = captured(*reads, (100.0, b"data: [DONE]\n\n"), end=End(101.0)).ledger()
    assert ledger.sentences == [SentenceTimes(0, shown=10.0, final=100.0, lag=10.0, updates=4)]
    assert (ledger.characters_shown, ledger.characters_changed, ledger.first_partial) == (12, 0, 10.0)
    assert (ledger.updates, ledger.end, ledger.flicker) == (4, "eof", 0.0)


def test_text_that_is_taken_back() -> None:
    ledger = Ledger()
    for ms, update in [(1.0, TextDelta("Hello")), (2.0, TextDelta("p", 3)), (3.0, TextDelta("", 2))]:
        ledger.received(ms, 5, [update], 0)
    ledger.received(4.0, 5, [Final(Sentence(0, text="He", final=True))], 1)
    assert (ledger.characters_shown, ledger.characters_changed, ledger.revisions) == (6, 4, 2)
    assert ledger.sentences == [SentenceTimes(0, shown=1.0, final=4.0, lag=1.0, updates=4, revisions=2)]


def test_an_amended_sentence_stands_for_those_it_replaces() -> None:
    first = Sentence(0, end_time=1000, text="Good morn", final=True)
    second = Sentence(1, end_time=2000, text="ing you", final=True)
    ledger = Ledger()
    ledger.received(10.0, 1, [Final(first)], 1)
    ledger.received(20.0, 1, [Final(second)], 2)
    ledger.received(
        30.0, 1, [Amended(Sentence(0, end_time=2000, text="Good morning all", final=True), (first, second))], 3
    )
    assert ledger.sentences == [
        SentenceTimes(0, None, 2000, shown=10.0, final=10.0, lag=0.0, behind=-990.0, updates=2, revisions=1)
    ]
    assert (ledger.characters_shown, ledger.characters_changed) == (9 + 7 + 3, 3)  # "you" is "all" now


def test_nothing_at_all() -> None:
    ledger = Capture().ledger()
    assert (ledger, ledger.sentences, ledger.flicker) == (Ledger(), [], 0.0)
    ledger = Capture(end=End(50.0, "timeout", "head")).ledger()
    assert (ledger.ended, ledger.end, ledger.first_byte, ledger.reads) == (50.0, "timeout", None, 0)


@pytest.mark.parametrize("gap", [1000.0, 1000.001])
def test_the_bound_of_a_stall(gap: float) -> None:
    reads = [(0.5, event(1, "a")), (0.5 + gap, event(1, "a", 0, 5))]
    ledger = captured(*reads, end=End(0.5 + 2 * gap)).ledger()
    assert ledger.stalls == ([] if gap == 1000.0 else [Stall(0.5, 1000.001), Stall(1000.501, 1000.001)])


def test_dripping_bytes_end_no_stall() -> None:
    slow = event(1, "a", 0, 5)
    drip = [(float(at * 600), slow[at : at + 1]) for at in range(1, 6)]
    reads: list[tuple[float, bytes]] = [(0.0, event(1, "a")), *((ms, data) for ms, data in drip)]
    assert captured(*reads, end=End(3001.0)).ledger().stalls == [Stall(0.0, 3001.0)]


def test_what_is_kept_agrees_with_the_stream() -> None:
    stream: Any = ResultStream()
    updates = stream.receive_data(TALK.reads[1].data + TALK.reads[2].data + TALK.reads[3].data)
    assert [update.kept for update in updates if isinstance(update, Partial)] == [0, 4, 7, 15]
