# The rules of sentences, one literal scenario each: what is final, repeated, late, cumulative or amended, which text is
# new, and how a stream ends. A scenario is a stream in short hand and the updates it must cause, in short hand too.

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import orjson
import pytest

from asrwire import _decode
from asrwire._errors import (
    ASRWireError,
    Closed,
    HTTPStatusError,
    LimitExceeded,
    NoTimes,
    ServiceError,
    Timeout,
    Truncated,
)
from asrwire._limits import Limits
from asrwire._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage
from asrwire._stream import ResultStream, Update
from asrwire._transcript import Transcript
from tests.unrevised import whole, without_partials

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def words(text: str) -> list[Json]:
    """`"欢迎@0-50 云。@50-90"`: text, begin and end; a final 。 , or . is its punctuation."""
    found = []
    for item in text.split():
        said, _, times = item.partition("@")
        begin, _, end = times.partition("-")
        mark = said[-1] if said[-1] in "。,." else ""
        found.append(
            {"text": said.removesuffix(mark), "punctuation": mark, "begin_time": int(begin), "end_time": int(end)}
        )
    return found


def part(text: str, sentence_id: object = 1, **more: Any) -> Json:
    """A sentence object that is not final; `sentence_id` None: without that key."""
    said = more.pop("words", None)
    sentence = {"text": text, "sentence_end": False, **more}
    if sentence_id is not None:
        sentence["sentence_id"] = sentence_id
    if said is not None:
        sentence["words"] = words(said)
    return sentence


def final(text: str, sentence_id: object = 1, **more: Any) -> Json:
    return part(text, sentence_id, **{"sentence_end": True, **more})


def event(sentence: Json | bytes, **more: Any) -> bytes:
    if isinstance(sentence, bytes):
        return sentence
    return b"data:" + orjson.dumps({"output": {"sentence": sentence}, **more}) + b"\n\n"


def data(value: Json) -> bytes:
    return b"data:" + orjson.dumps(value) + b"\n\n"


def shown(update: Update) -> str:
    match update:
        case TextDelta(text, offset):
            return f"D{offset} {text}"
        case Partial(sentence, stable, kept):
            return f"P{sentence.index} {sentence.text} ({stable},{kept})"
        case Final(sentence):
            return f"F{sentence.index} {sentence.text}"
        case Incomplete(sentence, reason):
            return f"I{sentence.index} {sentence.text} {reason}"
        case Amended(sentence, replaced):
            return f"A{sentence.index} {sentence.text} <- {' + '.join(f'{old.index} {old.text}' for old in replaced)}"
    raise AssertionError(update)


def run(*events: Json | bytes, eof: BaseException | None = None, **options: Any) -> tuple[list[Update], Transcript]:
    stream = ResultStream(**options)
    updates = [update for item in events for update in stream.receive_data(event(item))]
    updates += stream.receive_eof(eof)
    check_books(updates, stream.transcript, partials=options.get("partials", True))
    return updates, stream.transcript


def check_books(updates: list[Update], transcript: Transcript, *, partials: bool) -> None:
    table: dict[int, Sentence] = {}
    for update in updates:
        if isinstance(update, TextDelta):
            continue
        if isinstance(update, Amended):
            for old in update.replaced:
                was = table.pop(old.index, None)
                assert was == old or not partials
        table[update.sentence.index] = update.sentence
    assert table == {sentence.index: sentence for sentence in transcript.sentences}


def lines(*events: Json | bytes, **options: Any) -> list[str]:
    return [shown(update) for update in run(*events, **options)[0]]


def outcome(*events: Json | bytes, **options: Any) -> tuple[bool, str | None, bool]:
    transcript = run(*events, **options)[1]
    return transcript.complete, transcript.incomplete_reason, transcript.no_speech


def issues(*events: Json | bytes, **options: Any) -> dict[str, int]:
    return dict(run(*events, **options)[1].issues)


OK = (True, None, False)
OPEN = (False, "open_sentence", False)
SILENT = (True, None, True)


# -- what is final -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end_time", [{}, {"end_time": None}, {"end_time": 900}, {"end_time": -1}])
def test_in_a_stream_only_sentence_end_is_final(end_time: Json) -> None:
    said = {"text": "a", "sentence_id": 1, **end_time}
    for mark in ({}, {"sentence_end": False}):
        assert lines({**said, **mark}) == ["P0 a (0,0)", "I0 a open_sentence"]
    assert lines({**said, "sentence_end": True}) == ["F0 a"]


@pytest.mark.parametrize(
    ("members", "finality"),
    [
        ({"end_time": 900}, "end_time"), ({"end_time": 0}, "end_time"), ({"end_time": None}, None), ({}, None),
        ({"end_time": -1}, None), ({"end_time": 900, "sentence_end": False}, None),
        ({"end_time": None, "sentence_end": True}, "sentence_end"), ({"sentence_end": True}, "sentence_end"),
    ],
)  # fmt: skip
def test_in_a_whole_body_an_end_time_is_final_where_sentence_end_is_absent(members: Json, finality: str | None) -> None:
    stream = ResultStream()
    stream.receive_data(orjson.dumps({"output": {"sentence": {"text": "a", "sentence_id": 1, **members}}}))
    updates = stream.receive_eof()
    assert [type(update) for update in updates] == ([Final] if finality else [Partial, Incomplete])
    assert updates[-1].sentence.finality == finality  # type: ignore[union-attr]
    assert stream.transcript.incomplete_reason == (None if finality else "open_sentence")


def test_fixed_words_are_not_final() -> None:
    said = part("你好", words="你好@0-90")
    said["words"][0]["fixed"] = True
    assert lines(said) == ["P0 你好 (2,0)", "I0 你好 open_sentence"]
    said["sentence_end"] = True
    said["words"][0]["fixed"] = False
    assert lines(said) == ["F0 你好"]


def test_no_sentence_end_anywhere_makes_no_finals() -> None:
    events = [{"text": text, "sentence_id": number, "end_time": 9} for number, text in enumerate("abc", 1)]
    updates, transcript = run(*events)
    assert not any(isinstance(update, Final) for update in updates)
    assert (transcript.complete, transcript.incomplete_reason) == (False, "open_sentence")
    assert [sentence.text for sentence in transcript.incomplete] == ["a", "b", "c"]


# -- which sentence ----------------------------------------------------------------------------------------------------


def test_heartbeats_never_surface() -> None:
    beat = part("", 0, heartbeat=True)
    assert lines(beat, part("a"), beat, final("a."), beat) == ["P0 a (0,0)", "F0 a."]
    assert lines(beat, {**part("ghost", 0), "heartbeat": True}, final("a.")) == ["F0 a."]
    assert issues(beat, final("a."), beat) == {"heartbeat": 2}
    assert lines(part("", 0), part("a"), part("", 0), final("a.")) == ["P0 a (0,0)", "F0 a."]


def test_id_0_is_a_real_id_where_it_says_something() -> None:
    assert lines(final("a.", 0), final("b.", 1)) == ["F0 a.", "F1 b."]
    assert lines(part("a", 0), final("a.", 0)) == ["P0 a (0,0)", "F0 a."]


def test_ids_as_strings_are_the_same_ids() -> None:
    assert lines(part("a", "1"), final("a.", 1), part("b", "2"), final("b.", "2")) == [
        "P0 a (0,0)", "F0 a.", "P1 b (0,0)", "F1 b."
    ]  # fmt: skip


def test_gaps_in_the_ids_are_counted() -> None:
    assert issues(final("a.", 1), final("b.", 2)) == {}
    assert issues(final("a.", 1), final("b.", 5)) == {"id_gap": 1}


def test_sentences_without_ids_are_told_apart_by_time() -> None:
    events = [
        part("a", None, begin_time=0), part("a b", None, begin_time=0), final("a b.", None, begin_time=0, end_time=900),
        part("c", None, begin_time=900), final("c.", None, begin_time=900, end_time=1500),
    ]  # fmt: skip
    expected = ["P0 a (0,0)", "P0 a b (1,1)", "F0 a b.", "P1 c (0,0)", "F1 c."]
    assert lines(*events) == expected
    late = [part("a b", None, begin_time=0), final("a b.", None, begin_time=0, end_time=900)]
    assert lines(*events, *late) == expected
    assert issues(*events, *late) == {"missing_id": 2, "late_partial": 1, "repeated_final": 1}


def test_a_late_partial_without_id_whose_begin_was_moved_since() -> None:
    events = [
        part("你", None, begin_time=0), final("你好。", None, begin_time=160, end_time=900),
        part("你", None, begin_time=0),
    ]  # fmt: skip
    assert lines(*events) == ["P0 你 (0,0)", "F0 你好。"]
    assert lines(*events[:2], part("再", None, begin_time=1000), part("你", None, begin_time=300)) == [
        "P0 你 (0,0)", "F0 你好。", "P1 再 (0,0)", "I1 再 open_sentence"
    ]  # fmt: skip


def test_sentences_without_ids_and_without_times() -> None:
    assert lines(part("a", None), final("a.", None), part("b", None), final("b.", None)) == [
        "P0 a (0,0)", "F0 a.", "P1 b (0,0)", "F1 b."
    ]  # fmt: skip


def test_two_channels_at_the_same_times() -> None:
    def said(text: str, channel: int, make: Any = part) -> Json:
        return make(text, channel_id=channel, begin_time=0, **({"end_time": 9} if make is final else {}))  # type: ignore[no-any-return]

    assert lines(said("a", 0), said("x", 1), said("a b", 0), said("x.", 1, final), said("a b.", 0, final)) == [
        "P0 a (0,0)", "P1 x (0,0)", "P0 a b (1,1)", "F1 x.", "F0 a b."
    ]  # fmt: skip
    without = [
        {k: v for k, v in e.items() if k != "sentence_id"} for e in (said("a", 0), said("x", 1), said("a.", 0, final))
    ]
    assert lines(*without) == ["P0 a (0,0)", "P1 x (0,0)", "F0 a.", "I1 x open_sentence"]
    _, transcript = run(said("a.", 0, final), said("a.", 1, final))
    assert (transcript.channels, [s.channel_id for s in transcript.sentences]) == ((0, 1), [0, 1])
    assert lines(final("a.", channel_id=None), final("a.", channel_id=0)) == ["F0 a."]


def test_sentences_may_be_open_side_by_side() -> None:
    assert lines(part("a", 1), part("b", 2), final("b.", 2), final("a.", 1)) == [
        "P0 a (0,0)", "P1 b (0,0)", "F1 b.", "F0 a."
    ]  # fmt: skip
    assert run(part("a", 1), part("b", 2), final("b.", 2), final("a.", 1))[1].text == "b. a."


# -- partials ----------------------------------------------------------------------------------------------------------


def test_a_partial_replaces() -> None:
    updates, _ = run(
        part("", sentence_begin=True, begin_time=0),
        part("在见", begin_time=160),
        part("再见", begin_time=140),
        final("再见。"),
    )
    assert list(map(shown, updates)) == ["P0  (0,0)", "P0 在见 (0,0)", "P0 再见 (0,0)", "F0 再见。"]
    assert [update.sentence.revision for update in updates] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert [update.sentence.begin_time for update in updates] == [0, 160, 140, None]  # type: ignore[union-attr]


def test_kept_is_what_the_last_update_of_the_sentence_shows() -> None:
    updates, _ = run(part("I can"), part("I cannot"), part("you"), part("yo man"), final("yo man."))
    assert [update.kept for update in updates] == [0, 5, 0, 2, 6]  # type: ignore[union-attr]
    updates, _ = run(part("I can"), part("I cannot"), final("I cannot."), partials=False)
    assert [update.kept for update in updates] == [0]  # type: ignore[union-attr]
    updates, _ = run(part("ab", 1), part("cd", 2), part("abc", 1), part("cde", 2))
    assert [update.kept for update in updates] == [0, 0, 2, 2, 3, 3]  # type: ignore[union-attr]


def test_stable_is_what_two_events_agree_on_or_what_is_fixed() -> None:
    assert lines(part("你好", words="你@0-5 好@5-9"), part("你好吗", words="你@0-5 好@5-9 吗@9-12"))[:2] == [
        "P0 你好 (0,0)", "P0 你好吗 (2,2)"
    ]  # fmt: skip
    fixed = part("a b c", words="a@0-5 b@5-9 c@9-12")
    fixed["words"][0]["fixed"] = fixed["words"][1]["fixed"] = True
    assert lines(fixed)[:1] == ["P0 a b c (3,0)"]


def test_an_empty_partial_opens_a_sentence_only_if_it_says_so() -> None:
    assert lines(part(""), final("a.")) == ["F0 a."]
    assert lines(part("", sentence_begin=True), final("a.")) == ["P0  (0,0)", "F0 a."]
    assert lines(part("", 0, sentence_begin=True)) == []


def test_a_text_may_be_taken_back() -> None:
    assert lines(part("uh"), part(""), part("a"), final("a.")) == ["P0 uh (0,0)", "P0  (0,0)", "P0 a (0,0)", "F0 a."]


def test_repeated_and_late_partials_are_dropped() -> None:
    events = [part("a"), part("a"), part("a b"), final("a b."), part("a"), part("a b")]
    assert lines(*events) == ["P0 a (0,0)", "P0 a b (1,1)", "F0 a b."]
    assert issues(*events) == {"repeated_partial": 1, "late_partial": 2}


# -- finals ------------------------------------------------------------------------------------------------------------


def test_a_repeated_final_is_one_final() -> None:
    said = final("a.", begin_time=0, end_time=9, words="a.@0-9")
    assert lines(said, said, final("b.", 2), said) == ["F0 a.", "F1 b."]
    assert issues(said, said) == {"repeated_final": 1}
    assert issues(said, {**said, "sentence_begin": True, "vad": 1}) == {"repeated_final": 1}


def test_a_changed_final_amends() -> None:
    updates, transcript = run(
        final("a.", begin_time=0, end_time=9), final("b.", 2), final("A.", begin_time=0, end_time=9)
    )
    assert list(map(shown, updates)) == ["F0 a.", "F1 b.", "A0 A. <- 0 a."]
    assert [(s.index, s.text, s.revision, s.final) for s in transcript.sentences] == [
        (0, "A.", 1, True),
        (1, "b.", 0, True),
    ]
    assert (transcript.text, transcript.complete, dict(transcript.issues)) == ("A. b.", True, {"amended": 1})
    assert lines(final("a."), final("A."), final("a.")) == ["F0 a.", "A0 A. <- 0 a.", "A0 a. <- 0 A."]
    assert lines(final("a.", speaker_id=0), final("a.", speaker_id=1)) == ["F0 a.", "A0 a. <- 0 a."]


def test_an_empty_final_is_a_final() -> None:
    assert lines(final(""), final("b.", 2)) == ["F0 ", "F1 b."]
    assert outcome(final("")) == SILENT
    assert lines(part("uh"), final("")) == ["P0 uh (0,0)", "F0 "]
    assert issues(part("uh"), final("")) == {"emptied": 1}
    assert outcome(part("uh"), final("")) == SILENT


def test_a_final_carries_what_its_event_says_of_the_bill() -> None:
    stream = ResultStream()
    events = [event(part("a")), event(final("a."), usage={"duration": 2}), event(final("b.", 2))]
    updates = [update for item in events for update in stream.receive_data(item)]
    assert [update.usage for update in updates if isinstance(update, Final)] == [Usage(2, raw={"duration": 2}), None]


def test_usage_is_the_largest_seen_and_never_added() -> None:
    stream = ResultStream()
    for seconds in (2, 5, 3, None):
        said = None if seconds is None else {"duration": seconds, "input_tokens": 10 - seconds}
        stream.receive_data(event(final("a.", seconds), usage=said))
    stream.receive_eof()
    usage = stream.transcript.usage
    assert usage is not None
    assert (usage.seconds, usage.input_tokens, usage.total_tokens) == (5, 8, None)


def test_the_first_request_id_stays() -> None:
    stream = ResultStream()
    for request_id in ("r1", "r1", "r2"):
        stream.receive_data(event(final("a."), request_id=request_id))
    stream.receive_eof()
    assert stream.transcript.request_id == "r1"
    assert stream.transcript.issues["request_id_changed"] == 1


def test_stash_is_a_partial_of_its_own_sentence() -> None:
    stash = {"sentence_id": 2, "text": "b", "begin_time": 9, "current_time": 12, "words": words("b@9-12")}
    assert lines(final("a.", stash=stash), final("b c.", 2)) == ["F0 a.", "P1 b (0,0)", "F1 b c."]
    assert lines(final("a.", stash={**stash, "text": "", "words": []})) == ["F0 a."]
    assert lines(final("b.", 2), final("a.", 1, stash=stash)) == ["F0 b.", "F1 a."]
    assert lines(final("a.", stash=stash)) == ["F0 a.", "P1 b (0,0)", "I1 b open_sentence"]
    updates, _ = run(final("a.", channel_id=3, stash=stash))
    assert [update.sentence.channel_id for update in updates] == [3, 3, 3]  # type: ignore[union-attr]
    assert lines(part("", stash=stash)) == ["P0 b (0,0)", "I0 b open_sentence"]


# -- cumulative sentences ----------------------------------------------------------------------------------------------

ONE = "第@0-10 一句。@10-50"
TWO = f"{ONE} 第@50-60 二句。@60-90"
THREE = f"{TWO} 第@95-100 三句。@100-150"


def cumulated(text: str, said: str, number: int | None, end: int, make: Any = final) -> Json:
    return make(text, number, begin_time=0, words=said, **({"end_time": end} if make is final else {}))  # type: ignore[no-any-return]


C1 = cumulated("第一句。", ONE, 1, 50)
C2 = cumulated("第一句。第二句。", TWO, 2, 90)
C3 = cumulated("第一句。第二句。第三句。", THREE, 3, 150)


def test_cumulative_finals_give_their_new_part() -> None:
    updates, transcript = run(C1, C2, C3)
    assert list(map(shown, updates)) == ["F0 第一句。", "F1 第二句。", "F2 第三句。"]
    assert [(s.begin_time, s.end_time, len(s.words)) for s in transcript.sentences] == [
        (0, 50, 2),
        (50, 90, 2),
        (95, 150, 2),
    ]
    assert (transcript.text, dict(transcript.issues)) == ("第一句。第二句。第三句。", {})
    assert [word.text for word in transcript.words] == ["第", "一句", "第", "二句", "第", "三句"]


def test_cumulative_finals_that_come_again_or_late() -> None:
    assert lines(C1, C1, C2, C1, C2, C3, C2) == ["F0 第一句。", "F1 第二句。", "F2 第三句。"]
    assert lines(C2, C1, C3) == ["F0 第一句。第二句。", "F1 第三句。"]
    assert lines(C2, C1, C1, C2, C1) == ["F0 第一句。第二句。"]
    assert lines(C3, C1, C2) == ["F0 第一句。第二句。第三句。"]
    assert lines(C1, C3, C2) == ["F0 第一句。", "F1 第二句。第三句。"]
    again = {**C1, "sentence_id": 9}
    assert lines(C1, again, C2, again) == ["F0 第一句。", "F1 第二句。"]


def test_cumulative_finals_without_ids() -> None:
    events = [{k: v for k, v in said.items() if k != "sentence_id"} for said in (C1, C2, C3)]
    assert lines(*events) == ["F0 第一句。", "F1 第二句。", "F2 第三句。"]
    assert lines(events[0], events[1], events[0], events[2], events[1]) == ["F0 第一句。", "F1 第二句。", "F2 第三句。"]
    open_ = {k: v for k, v in events[2].items() if k != "end_time"} | {"sentence_end": False}
    assert lines(events[0], events[1], open_, events[0]) == [
        "F0 第一句。", "F1 第二句。", "P2 第三句。 (0,0)", "I2 第三句。 open_sentence"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (("第一句。", "第一句。第二句。", "第一句。第二句。三"), ["第一句。", "第二句。", "三"]),
        (("One.", "One. Two words.", "One. Two words. Three"), ["One.", "Two words.", "Three"]),
        (("One.", "One.Two"), ["One.", "Two"]),
        (("好", "好的。"), ["好", "的。"]),
        (("Version 3", "Version 3 is out"), ["Version 3", "is out"]),
    ],
)
def test_cumulative_finals_by_text_alone(texts: tuple[str, ...], parts: list[str]) -> None:
    events = [final(text, number, begin_time=0, end_time=9 * number) for number, text in enumerate(texts, 1)]
    updates, transcript = run(*events)
    assert list(map(shown, updates)) == [f"F{i} {text}" for i, text in enumerate(parts)]
    assert [sentence.begin_time for sentence in transcript.sentences] == [0] + [None] * (len(parts) - 1)
    assert transcript.complete


def test_a_word_is_never_cut_in_two() -> None:
    assert lines(final("I can", 1, begin_time=0, end_time=5), final("I cannot go", 2, begin_time=0, end_time=9)) == [
        "F0 I can", "A0 I cannot go <- 0 I can"
    ]  # fmt: skip
    assert lines(final("at 3", 1, begin_time=0, end_time=5), final("at 35 ok", 2, begin_time=0, end_time=9)) == [
        "F0 at 3", "A0 at 35 ok <- 0 at 3"
    ]  # fmt: skip
    before = final("I can", 1, begin_time=0, end_time=30, words="I@0-10 can@10-30")
    after = final("I cannot go", 2, begin_time=0, end_time=60, words="I@0-10 cannot@10-40 go@40-60")
    updates, transcript = run(before, after)
    assert list(map(shown, updates)) == ["F0 I can", "A0 I cannot go <- 0 I can"]
    assert [word.text for word in transcript.words] == ["I", "cannot", "go"]
    before = final("第一", 1, begin_time=0, end_time=50, words="第一@0-50")
    after = final("第一句好", 2, begin_time=0, end_time=90, words="第一句@0-60 好@60-90")
    updates, transcript = run(before, after)
    assert list(map(shown, updates)) == ["F0 第一", "A0 第一句好 <- 0 第一"]
    assert [word.text for word in transcript.words] == ["第一句", "好"]


def test_words_that_are_fewer_than_the_text_do_not_hide_it() -> None:
    before = final("Hello world", 1, begin_time=0, end_time=30, words="Hello@0-10 world@10-30")
    after = final("Hello world again", 2, begin_time=0, end_time=60, words="Hello@0-10 world@10-30")
    assert lines(before, after) == ["F0 Hello world", "F1 again"]


def test_cumulative_partials_show_their_new_part() -> None:
    more = cumulated("第一句。第", f"{ONE} 第@50-60", 2, 0, part)
    updates, _ = run(C1, more, C2)
    assert list(map(shown, updates)) == ["F0 第一句。", "P1 第 (0,0)", "F1 第二句。"]
    assert [update.sentence.begin_time for update in updates] == [0, 50, 50]  # type: ignore[union-attr]
    assert lines(C1, more) == ["F0 第一句。", "P1 第 (0,0)", "I1 第 open_sentence"]
    assert lines(C1, {**more, "sentence_id": 1}) == ["F0 第一句。"]
    assert lines(C1, cumulated("第一句。", ONE, 2, 0, part), C2) == ["F0 第一句。", "F1 第二句。"]


def test_a_partial_that_doubts_what_is_final_never_amends() -> None:
    doubt = cumulated("第壹句。第", "第@0-10 壹句。@10-50 第@50-60", 2, 0, part)
    assert lines(C1, doubt, C2) == ["F0 第一句。", "P1 第 (0,0)", "F1 第二句。"]
    assert issues(C1, doubt, C2) == {"unaligned": 1}


def test_a_cumulative_final_that_rewrites_stands_for_all_it_covers() -> None:
    rewritten = cumulated("第壹句。第二句。第三句。", THREE.replace("一句", "壹句"), 3, 150)
    updates, transcript = run(C1, C2, rewritten)
    assert list(map(shown, updates)) == [
        "F0 第一句。", "F1 第二句。", "A0 第壹句。第二句。第三句。 <- 0 第一句。 + 1 第二句。"
    ]  # fmt: skip
    assert [(s.index, s.text) for s in transcript.sentences] == [(0, "第壹句。第二句。第三句。")]
    assert dict(transcript.issues) == {"amended": 1}
    assert lines(C1, C2, rewritten, C1, rewritten, C2)[3:] == []
    shown_before = cumulated("第一句。第二句。第", f"{TWO} 第@95-100", 3, 0, part)
    assert lines(C1, C2, shown_before, rewritten)[2:] == [
        "P2 第 (0,0)", "A0 第壹句。第二句。第三句。 <- 0 第一句。 + 1 第二句。 + 2 第"
    ]  # fmt: skip
    four = cumulated("第壹句。第二句。第三句。四", f"{THREE.replace('一句', '壹句')} 四@150-180", 4, 180)
    assert lines(C1, C2, rewritten, four)[3:] == ["F2 四"]


def test_a_late_final_never_takes_back_what_goes_beyond_it() -> None:
    first = cumulated("第", "第@0-10", 1, 10)
    assert lines(C2, C1, first) == ["F0 第一句。第二句。"]
    without = [{k: v for k, v in said.items() if k != "sentence_id"} for said in (C2, C1)]
    assert lines(*without) == ["F0 第一句。第二句。"]
    other = cumulated("第一曲。", ONE.replace("一句", "一曲"), 1, 50)
    assert lines(C2, C1, other) == ["F0 第一句。第二句。"]
    rewritten = cumulated("第壹句。第二句。第三句。", THREE.replace("一句", "壹句"), 3, 150)
    assert lines(C1, C2, rewritten, other)[3:] == []
    assert issues(C1, C2, rewritten, other) == {"amended": 1, "late_final": 1}
    open_ = cumulated("第一句。第", f"{ONE} 第@50-60", 2, 0, part)
    assert lines(C1, open_, C3, C2) == [
        "F0 第一句。", "P1 第 (0,0)", "F2 第二句。第三句。", "A2 第二句。第三句。 <- 2 第二句。第三句。 + 1 第"
    ]  # fmt: skip


@pytest.mark.parametrize(("begin", "index"), [(480, 1), (479, 0)])
def test_sentences_may_overlap_by_20_ms_and_still_be_two(begin: int, index: int) -> None:
    first = final("a.", None, begin_time=0, end_time=500)
    updates, _ = run(first, final("b.", None, begin_time=begin, end_time=900))
    assert [update.sentence.index for update in updates] == [0, index]  # type: ignore[union-attr]
    first = final("a.", 1, begin_time=0, end_time=500, words="a.@0-500")
    updates, _ = run(first, final("b.", 2, begin_time=0, end_time=900, words=f"b.@{begin}-900"))
    assert [update.sentence.index for update in updates] == [0, index]  # type: ignore[union-attr]


def test_a_rewriting_by_text_alone() -> None:
    said = [
        final(text, n, begin_time=0, end_time=9 * n) for n, text in enumerate(("第一句好。", "第一句号。第二句。"), 1)
    ]
    assert lines(*said) == ["F0 第一句好。", "A0 第一句号。第二句。 <- 0 第一句好。"]


def test_the_same_id_growing_is_amended() -> None:
    growing = [{**said, "sentence_id": 1} for said in (C1, C2)]
    assert lines(*growing) == ["F0 第一句。", "A0 第一句。第二句。 <- 0 第一句。"]


def test_an_open_sentence_that_turns_out_to_be_final_already() -> None:
    shown_before = cumulated("第", "第@0-10", 1, 0, part)
    assert lines(shown_before, C2, C1) == [
        "P0 第 (0,0)",
        "F1 第一句。第二句。",
        "A1 第一句。第二句。 <- 1 第一句。第二句。 + 0 第",
    ]


def test_two_sentences_that_only_share_their_begin() -> None:
    assert lines(final("你好。", 1, begin_time=0), final("再见。", 2, begin_time=0)) == ["F0 你好。", "F1 再见。"]
    later = final("b.", 2, begin_time=0, end_time=90, words="b.@50-90")
    assert lines(final("a.", 1, begin_time=0, end_time=50, words="a.@0-50"), later) == ["F0 a.", "F1 b."]


def test_a_chain_of_finals_that_was_amended_away() -> None:
    said = [final("x", begin_time=0), final("ab", None, begin_time=0), final("y", begin_time=500)]
    assert lines(*said, final("abc", None, begin_time=0)) == ["F0 x", "F1 ab", "A0 y <- 0 x", "A1 abc <- 1 ab"]


@pytest.mark.parametrize("group", range(4))
def test_books_balance_whatever_is_said(group: int) -> None:
    texts = ("ab", "ab c", "ab cd", "ab cd e", "ab cd ef", "ab d", "x", "x y", "")
    for seed in range(group * 1500, (group + 1) * 1500):
        rng = random.Random(seed)
        said = []
        for _ in range(rng.randint(2, 12)):
            text, begin = rng.choice(texts), rng.choice((0, 0, 0, 500, 1000))
            sentence = part(text, rng.choice((None, 0, 1, 2, 3, 4)), sentence_end=rng.random() < 0.65)
            if rng.random() < 0.8:
                sentence |= {"begin_time": begin}
            if rng.random() < 0.6:
                sentence |= {"end_time": begin + 100 * len(text)}
            if rng.random() < 0.5:
                timed = [f"{word}@{begin + 100 * i}-{begin + 100 * i + 80}" for i, word in enumerate(text.split())]
                sentence |= {"words": words(" ".join(timed))}
            said.append(sentence)
        run(*said)
        run(*said, partials=False)


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (("Hello.", "World."), "Hello. World."), (("你好。", "再见。"), "你好。再见。"), (("你好", "Hi"), "你好Hi"),
        (("Hi", "你好"), "Hi你好"), (("Hi ", "you"), "Hi you"), (("Hi", " you"), "Hi you"), (("Hi！", "You"),
         "Hi！You"),
        (("カナ", "abc"), "カナabc"), (("안녕", "하세요"), "안녕 하세요"), (("a", "", "b"), "a b"), (("", ""), ""),
    ],
)  # fmt: skip
def test_sentences_are_joined(texts: tuple[str, ...], joined: str) -> None:
    assert run(*(final(text, number) for number, text in enumerate(texts, 1)))[1].text == joined


# -- how a stream ends -------------------------------------------------------------------------------------------------


def test_an_open_sentence_is_never_promoted() -> None:
    assert lines(final("a."), part("b", 2)) == ["F0 a.", "P1 b (0,0)", "I1 b open_sentence"]
    assert outcome(final("a."), part("b", 2)) == OPEN
    assert outcome(part("", sentence_begin=True)) == OPEN
    assert lines(part("b"), partials=False) == ["I0 b open_sentence"]
    assert outcome(part("a"), final("a.")) == OK


def test_nothing_at_all_is_empty() -> None:
    for body in (b"", b"\n\n", b": keepalive\n\n", b"id: 1\n\n", b"\xef\xbb\xbf", b" \r\n"):
        updates, transcript = run(body)
        assert (updates, transcript.complete, transcript.incomplete_reason) == ([], False, "empty")
        assert not transcript.no_speech
    assert outcome(DONE) == (False, "empty", False)


def test_an_unfinished_event_is_cut() -> None:
    whole = event(final("a."))
    for tail in (b"data:{", b"id:2\n", b"d", b"event: result\n", b"data:\xe4", b'data:{"a":1}}\n', b"data:[DON"):
        updates, transcript = run(whole, tail)
        assert [shown(update) for update in updates] == ["F0 a."]
        assert (transcript.complete, transcript.incomplete_reason) == (False, "cut"), tail
    for tail in (b":", b": keepalive", b": keepalive\n", b"\n", b"\r\n\r\n"):
        assert outcome(whole, tail) == OK
    assert outcome(event(part("b")), b"data:{") == (False, "cut", False)
    for start in (b"d", b"data", b"i", b"even", b"\xef\xbb\xbfre"):
        assert outcome(start) == (False, "cut", False)


@pytest.mark.parametrize("newlines", [0, 1])
def test_an_unterminated_last_event_that_is_whole_json_is_used(newlines: int) -> None:
    whole, last = event(part("a")), event(final("a.")).rstrip() + b"\n" * newlines
    assert lines(whole, last) == ["P0 a (0,0)", "F0 a."]
    assert issues(whole, last) == {"unterminated_event": 1}
    assert outcome(whole, last) == OK
    assert outcome(data({"choices": [{"delta": {"content": "a"}}]}), DONE[:-2] + b"\n" * newlines) == OK


def test_frames_without_blank_lines() -> None:
    frames = [
        b"id:%d\nevent:result\n:HTTP_STATUS/200\n" % n + event(said)[:-1]
        for n, said in enumerate((part("a"), final("a.")), 1)
    ]
    assert lines(*frames) == ["P0 a (0,0)", "F0 a."]
    assert outcome(*frames) == OK
    assert outcome(*frames, b"id:3\n") == (False, "cut", False)
    assert outcome(*frames, b"id") == (False, "cut", False)
    assert lines(*frames[:1], frames[1][:-30]) == ["P0 a (0,0)", "I0 a cut"]


def test_data_lines_without_blank_lines_and_without_ids() -> None:
    frames = [event(said)[:-1] for said in (part("a"), final("a."), final("b.", 2))]
    assert lines(*frames, b"\n") == ["P0 a (0,0)", "F0 a.", "F1 b."]
    assert issues(*frames, b"\n") == {"unseparated_events": 2}
    assert lines(*frames) == ["P0 a (0,0)", "F0 a.", "F1 b."]
    assert outcome(*frames) == OK
    assert lines(*frames[:2], frames[2][:-20]) == ["P0 a (0,0)", "F0 a."]
    assert outcome(*frames[:2], frames[2][:-20]) == (False, "cut", False)
    stream = ResultStream()
    with pytest.raises(ASRWireError) as caught:
        stream.receive_data(event(final("z.", 9)) + frames[0] + b'data:{"output":1}\n' + frames[1] + b"\n")
    assert (caught.value.event, caught.value.path) == (3, "output")
    assert [shown(update) for update in caught.value.output] == ["F0 z.", "P1 a (0,0)"]
    with pytest.raises(ASRWireError, match="event 2: the body is null") as caught:  # which is not [DONE]
        ResultStream().receive_data(frames[0] + b"data:null\n" + frames[1] + b"\n")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Truncated("cut"), "cut"), (Closed("closed"), "closed"), (Timeout("late"), "error"), (OSError("gone"), "error")],
)
def test_a_fault_of_the_transport_ends_what_is_open(error: BaseException, reason: str) -> None:
    assert lines(final("a."), part("b", 2), eof=error) == ["F0 a.", "P1 b (0,0)", f"I1 b {reason}"]
    assert outcome(final("a."), eof=error) == (False, reason, False)
    assert outcome(eof=error) == (False, reason, False)
    assert outcome(event(final("a."))[:-1], eof=error) == (False, reason, False)
    assert outcome(data({"choices": [{"delta": {"content": "a"}}]}), DONE, eof=error) == OK


def test_a_stream_is_neither_copied_nor_pickled() -> None:
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            take(ResultStream())


def test_the_end_comes_once() -> None:
    stream = ResultStream()
    stream.receive_data(event(part("a")))
    assert [shown(update) for update in stream.receive_eof()] == ["I0 a open_sentence"]
    assert stream.receive_eof() == []
    with pytest.raises(Closed) as caught:
        stream.receive_data(b"")
    assert caught.value.partial == stream.transcript


def test_a_body_that_only_the_closing_ends_is_counted() -> None:
    stream = ResultStream()
    stream.unframed = True
    stream.receive_data(event(final("a.")))
    stream.receive_eof()
    assert (stream.transcript.complete, dict(stream.transcript.issues)) == (True, {"unframed_end": 1})


@pytest.mark.parametrize(
    "body",
    [
        {"output": {"sentence": {"sentence_id": 0, "text": "", "sentence_end": False, "end_time": None, "words": []}}},
        {"output": {"sentence": {"sentence_id": 1, "text": "", "sentence_end": True}}},
        {"output": {"text": ""}}, {"text": "", "sentences": []}, {"output": {"text": "", "sentence": None}},
        {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]},
        {"output": {"choices": [{"message": {"content": []}, "finish_reason": "stop"}]}},
        {"code": "ASR_RESPONSE_HAVE_NO_WORDS", "message": ""},
        {"code": "InvalidParameter", "message": "ASR_RESPONSE_HAVE_NO_WORDS"},
        {"code": "SUCCESS_WITH_NO_VALID_FRAGMENT", "message": "x"}, {"message": "NO_VALID_AUDIO_ERROR"},
        {"output": {"code": "NO_INPUT_AUDIO_ERROR"}}, {"error": {"code": "ASR_RESPONSE_HAVE_NO_WORDS", "message": "x"}},
    ],
)  # fmt: skip
def test_no_speech_in_every_encoding(body: Json) -> None:
    assert outcome(data(body)) == SILENT
    assert outcome(orjson.dumps(body)) == SILENT
    if _is_error(body):
        assert outcome(b":HTTP_STATUS/400\nevent:error\n" + data(body)) == SILENT
        assert outcome(orjson.dumps(body), http_status=400) == SILENT
        assert outcome(b"event:error\n:HTTP_STATUS/400\n" + data(body), http_status=400) == SILENT


@pytest.mark.parametrize("payload", [b"ASR_RESPONSE_HAVE_NO_WORDS", b'"ASR_RESPONSE_HAVE_NO_WORDS"'])
def test_no_speech_as_an_error_event_that_is_no_object(payload: bytes) -> None:
    assert outcome(b"event:error\n:HTTP_STATUS/400\ndata:" + payload + b"\n\n") == SILENT


@pytest.mark.parametrize("code", _decode.NO_SPEECH)
@pytest.mark.parametrize("body", ["{}", " {}\r\n", "Bad Request: {}", '"{}"', "data:{}\n\n", "event:error\ndata:{}"])
def test_no_speech_as_the_plain_text_of_an_error_body(body: str, code: str) -> None:
    assert outcome(body.format(code).encode(), http_status=400) == SILENT


def _is_error(body: Json) -> bool:
    return any(key in body for key in ("code", "message", "error")) or "code" in body.get("output", {})


def test_silence_after_speech_is_not_no_speech() -> None:
    code = {"code": "ASR_RESPONSE_HAVE_NO_WORDS", "message": ""}
    assert outcome(final("a."), data(code)) == OK
    assert lines(part("a"), data(code)) == ["P0 a (0,0)", "I0 a open_sentence"]


# -- errors of the service ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "code", "status", "message"),
    [
        (b'event:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"slow","request_id":"r"}', "Throttling",
         429,
         "Throttling: slow"),
        (b'event: error\n: HTTP_STATUS/429\ndata: {"code":"Throttling","message":"slow"}', "Throttling", 429, "slow"),
        (b'event: error\ndata: {"code":"Throttling","message":"slow"}', "Throttling", 200, "slow"),
        (b'event:error\ndata:{"message":"slow"}', None, 200, "slow"),
        (b'event:error\ndata:{}', None, 200, "{}"),
        (b"event:error\n:HTTP_STATUS/500\ndata:upstream died", None, 500, "upstream died"),
        (b'event:error\ndata:"upstream died"', None, 200, "upstream died"),
        (b"event:error\n:HTTP_STATUS/503\ndata:", None, 503, ""),
        (b'event:result\n:HTTP_STATUS/500\ndata:{"code":"InternalError","message":"x"}', "InternalError", 500, "x"),
        (b'event:result\n:HTTP_STATUS/200\ndata:{"code":"InternalError","message":"x"}', "InternalError", 200, "x"),
        (b'data:{"error":{"message":"bad","type":"t","param":null,"code":"invalid"},"request_id":"r"}', "invalid", 200,
         "bad"),
        (b'data:{"error":{"message":"bad","code":400}}', "400", 200, "bad"),
        (b'data:{"error":"bad"}', None, 200, "bad"),
        (b'data:{"output":{"code":"InvalidFile","message":"x"}}', "InvalidFile", 200, "x"),
        (b'data:{"header":{"event":"task-failed","error_code":"CLIENT_ERROR","error_message":"x"},"payload":{}}',
         "CLIENT_ERROR", 200, "x"),
    ],
)  # fmt: skip
def test_an_error_in_a_200_stream(wire: bytes, code: str | None, status: int, message: str) -> None:
    stream = ResultStream()
    stream.receive_data(event(final("a."), request_id="r") + event(part("b", 2)))
    with pytest.raises(ServiceError) as caught:
        stream.receive_data(wire + b"\n\n" + event(final("never read", 3)))
    error = caught.value
    assert (error.code, error.http_status, error.event, error.kind) == (code, status, 3, "service")
    assert message in str(error)
    assert (error.request_id, error.retry_safe, error.sent) == ("r", False, "complete")
    assert error.output == []
    assert error.partial is not None
    assert [sentence.text for sentence in error.partial.sentences] == ["a.", "b"]
    assert [shown(update) for update in stream.receive_eof(error)] == ["I1 b error"]
    assert stream.transcript.incomplete_reason == "error"


def test_an_error_as_a_whole_body() -> None:
    stream = ResultStream()
    stream.receive_data(b'{"code":"BailianGateway.Workspace.NotAuthorised","message":"no","request_id":"r"}')
    with pytest.raises(ServiceError) as caught:
        stream.receive_eof()
    error = caught.value
    assert (error.code, error.request_id, error.output) == ("BailianGateway.Workspace.NotAuthorised", "r", [])
    assert error.partial is not None


def test_an_unterminated_error_event_is_an_error_too() -> None:
    stream = ResultStream()
    stream.receive_data(event(part("a")) + b'event:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"x"}')
    with pytest.raises(ServiceError) as caught:
        stream.receive_eof()
    assert (caught.value.code, caught.value.http_status) == ("Throttling", 429)
    assert [shown(update) for update in caught.value.output] == ["I0 a error"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code":"Arrearage","message":"pay","request_id":"r"}', "Arrearage", "HTTP status 400: Arrearage: pay"),
        (b"<html>Bad Gateway</html>", None, "HTTP status 400: <html>Bad Gateway</html>"),
        (b"", None, "HTTP status 400"), (b"{", None, "HTTP status 400: {"), (b"\xff", None, "HTTP status 400: \ufffd"),
        (b'id:1\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"Arrearage","message":"pay"}\n\n', "Arrearage", "pay"),
        (b'{"error":{"code":"invalid_api_key","message":"key"}}', "invalid_api_key", "key"),
        (b"[" * 60_000, None, "HTTP status 400"),
    ],
)  # fmt: skip
def test_a_body_never_hides_the_status(body: bytes, code: str | None, message: str) -> None:
    stream = ResultStream(http_status=400)
    assert stream.receive_data(body) == []
    with pytest.raises(HTTPStatusError) as caught:
        stream.receive_eof(Truncated("cut"))
    assert (caught.value.http_status, caught.value.code) == (400, code)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (b'{"code":"FILE_403_FORBIDDEN","message":"GET %b refused"}', {}),
        (b'{"code":"%b","message":"x"}', {}),
        (b'{"message":"GET %b refused"}', {"http_status": 400}),
        (b"<a href='%b'>gone</a>", {"http_status": 502}),
        (b'event:error\ndata:{"message":"GET %b refused"}\n\n', {}),
        (b"data:{ %b\n\n", {}), (b'{ "u": "%b" ]', {}), (b"<%b>", {"content_type": "text/html"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("slash", [b"/", b"\\/"])
def test_no_error_shows_the_query_of_a_url(body: bytes, options: Json, slash: bytes) -> None:
    url = b"https://host/a.wav?Expires=1&Signature=SECRET".replace(b"/", slash)
    with pytest.raises(ASRWireError) as caught:
        run(body % url, **options)
    assert "a.wav" in str(caught.value)
    assert "SECRET" not in str(caught.value) + repr(caught.value)


# -- text-only dialects ------------------------------------------------------------------------------------------------


def chunk(content: str | None = None, reason: str | None = None, **more: Any) -> bytes:
    choice: Json = {"delta": {} if content is None else {"content": content}}
    if reason is not None:
        choice["finish_reason"] = reason
    return data({"choices": [choice], **more})


def message(text: str | None, reason: str = "null") -> bytes:
    content = [] if text is None else [{"text": text}]
    return data({"output": {"choices": [{"message": {"content": content}, "finish_reason": reason}]}})


def test_openai_deltas() -> None:
    events = [
        chunk(""),
        chunk("欢"),
        chunk(" a"),
        chunk(None, "stop"),
        data({"choices": [], "usage": {"seconds": 1}}),
        DONE,
    ]
    updates, transcript = run(*events)
    assert list(map(shown, updates)) == ["D0 欢", "D1  a", "F0 欢 a"]
    assert (transcript.text, transcript.timed, transcript.complete) == ("欢 a", False, True)
    (sentence,) = transcript.sentences
    assert (sentence.begin_time, sentence.end_time, sentence.words, sentence.sentence_id) == (None, None, (), None)
    with pytest.raises(NoTimes):
        transcript.to_srt()
    with pytest.raises(NoTimes):
        transcript.to_vtt()
    assert lines(*events, partials=False) == ["F0 欢 a"]
    # A delta is not an update of a sentence: `kept` counts from the last update of the same index, and there is none.
    assert [update.kept for update in updates if isinstance(update, Final)] == [0]


def test_openai_ends() -> None:
    assert outcome(chunk("a"), chunk(None, "stop")) == OK  # finish_reason, no [DONE]
    assert outcome(chunk("a"), DONE) == OK  # [DONE], no finish_reason
    assert lines(chunk("a")) == ["D0 a", "I0 a cut"]  # neither
    assert outcome(chunk("a")) == (False, "cut", False)
    assert lines(chunk("a"), chunk(None, "stop"), DONE, chunk("b"), event(final("c."))) == ["D0 a", "F0 a"]
    assert issues(chunk("a", "stop"), DONE, chunk("b"), DONE) == {"after_end": 2}
    assert outcome(chunk(None, "stop"), DONE) == SILENT


def test_length_ends_normally_and_is_not_complete() -> None:
    for end in ((), (DONE,)):
        updates, transcript = run(chunk("a"), chunk(None, "length"), *end)
        assert list(map(shown, updates)) == ["D0 a", "F0 a"]
        assert (transcript.complete, transcript.incomplete_reason, transcript.finish_reason) == (
            False,
            "length",
            "length",
        )
    assert outcome(orjson.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "length"}]})) == (
        False, "length", False
    )  # fmt: skip


def test_an_error_chunk_keeps_the_text() -> None:
    stream = ResultStream()
    stream.receive_data(chunk("a"))
    with pytest.raises(ServiceError) as caught:
        stream.receive_data(data({"error": {"message": "x", "code": "internal_error"}}))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"
    assert [shown(update) for update in stream.receive_eof(caught.value)] == ["I0 a error"]


def test_at_end_says_that_nothing_more_needs_to_be_read() -> None:
    stream = ResultStream()
    assert [shown(update) for update in stream.receive_data(chunk("a", "stop"))] == ["D0 a"]
    assert not stream.at_end
    assert [shown(update) for update in stream.receive_data(DONE)] == ["F0 a"]
    assert stream.at_end
    assert not stream.transcript.complete
    assert stream.receive_eof() == []
    assert stream.transcript.complete


@pytest.mark.parametrize(
    ("incremental", "texts", "expected", "found"),
    [
        (False, ("欢", "欢迎", "欢迎"), ["D0 欢", "D1 迎"], {}),
        (False, ("欢", "欢迎", "换", "换人"), ["D0 欢", "D1 迎", "D0 换", "D1 人"], {"revised_text": 1}),
        (False, ("ab", "a"), ["D0 ab", "D1 "], {"revised_text": 1}),
        (True, ("欢", "迎", "迎"), ["D0 欢", "D1 迎", "D2 迎"], {}),
        (True, ("a", "ab"), ["D0 a", "D1 ab"], {}),
        (None, ("欢", "欢迎", "欢迎使"), ["D0 欢", "D1 迎", "D2 使"], {}),
        (None, ("欢", "迎", "使"), ["D0 欢", "D1 迎", "D2 使"], {"incremental_guessed": 1}),
        (None, ("欢迎", "换"), ["D0 欢迎", "D2 换"], {"incremental_guessed": 1}),
    ],
)
def test_native_choices(incremental: bool | None, texts: tuple[str, ...], expected: list[str], found: Json) -> None:
    events = [message(text) for text in texts] + [message(None, "stop")]
    updates, transcript = run(*events, incremental=incremental)
    assert list(map(shown, updates[:-1])) == expected
    assert shown(updates[-1]) == f"F0 {transcript.text}"
    text = ""
    for update in updates[:-1]:
        assert isinstance(update, TextDelta)
        text = text[: update.offset] + update.text
    assert (transcript.text, transcript.complete, dict(transcript.issues)) == (text, True, found)
    assert outcome(*events[:-1], incremental=incremental) == (False, "cut", False)


def test_the_string_null_is_no_finish_reason() -> None:
    assert outcome(message("a", "null")) == (False, "cut", False)
    assert run(message("a", "null"), message("ab", "stop"))[1].finish_reason == "stop"


def test_output_text_replaces() -> None:
    events = [
        data({"output": {"text": text}, "usage": {"duration": n}}) for n, text in enumerate(("你", "你好", "您好。"), 1)
    ]
    updates, transcript = run(*events)
    assert list(map(shown, updates)) == ["D0 你", "D1 好", "D0 您好。", "F0 您好。"]
    assert (transcript.text, transcript.complete, transcript.timed) == ("您好。", True, False)
    assert transcript.usage == Usage(3, raw={"duration": 3})
    assert lines(*events, b"data:{") == ["D0 你", "D1 好", "D0 您好。", "I0 您好。 cut"]


def test_text_before_sentences_is_their_copy() -> None:
    for first in ("", "你"):
        said = final("你好。", begin_time=0, end_time=9)
        updates, transcript = run(data({"output": {"text": first}}), said, data({"output": {"text": "你好。"}}))
        assert [shown(update) for update in updates if not isinstance(update, TextDelta)] == ["F0 你好。"]
        assert (transcript.text, transcript.timed, transcript.complete) == ("你好。", True, True)
        assert transcript.to_srt().startswith("1\n00:00:00,000")


def test_annotations_belong_to_the_whole() -> None:
    note = {"annotations": [{"type": "audio_info", "language": "zh", "emotion": "sad"}], "content": "a"}
    _, transcript = run(data({"choices": [{"delta": note}]}), chunk("b", "stop"))
    assert (transcript.language, transcript.emotion, transcript.sentences[0].emotion) == ("zh", "sad", "sad")


def test_the_running_text_is_a_cross_check() -> None:
    def said(text: str, number: int, running: str) -> bytes:
        return data({"output": {"sentence": final(text, number), "text": running}})

    assert issues(said("你好。", 1, "你好。"), said("再见。", 2, "你好。再见。")) == {}
    assert issues(said("你好。", 1, "你好。"), said("再见。", 2, "再见。")) == {}
    assert issues(said("你好。", 1, "您好。")) == {"text_mismatch": 1}


# -- websocket messages ------------------------------------------------------------------------------------------------


def test_a_websocket_task() -> None:
    def told(name: str, output: Json) -> bytes:
        return data({"header": {"task_id": "t", "event": name, "attributes": {}}, "payload": {"output": output}})

    events = [
        told("task-started", {}), told("result-generated", {"sentence": part("", 0, heartbeat=True)}),
        told("result-generated", {"sentence": part("a", end_time=None)}), told("result-generated",
        {"sentence": final("a.")}),
        told("task-finished", {}),
    ]  # fmt: skip
    assert lines(*events) == ["P0 a (0,0)", "F0 a."]
    assert outcome(*events) == OK
    stream = ResultStream()
    for item in events:
        stream.receive_data(item)
    assert stream.at_end
    assert lines(*events[:3], events[4]) == ["P0 a (0,0)", "I0 a open_sentence"]


# -- without partials --------------------------------------------------------------------------------------------------

SCENARIOS: list[list[Json]] = [
    [part("a"), part("a b"), final("a b."), part("a"), final("A b.")],
    [C1, C2, C3, C1], [C2, C1, C3], [part("x", 2), C1, C2, part("y", 3)],
    [part("uh"), final(""), part("b", 2)],
    [final("a.", stash={"sentence_id": 2, "text": "b"}), final("b.", 2)],
    [part("a", None, begin_time=0), final("a.", None, begin_time=0, end_time=9), part("b", None, begin_time=30)],
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_partials_all_else_is_the_same(scenario: list[Json]) -> None:
    updates, transcript = run(*scenario)
    fewer, alike = run(*scenario, partials=False)
    assert whole(alike) == whole(transcript)
    assert without_partials(fewer) == without_partials(updates)
    assert not any(isinstance(update, Partial) for update in fewer)


def test_a_body_of_nothing_but_white_space_is_bounded() -> None:
    def feed(data: bytes) -> None:
        stream = ResultStream(limits=Limits(event_size=10_000))
        for _ in range(20):
            stream.receive_data(data)

    for data in (b" " * 1024, b"\n" * 1022 + b"da"):
        with pytest.raises(LimitExceeded, match="event_size"):
            feed(data)
