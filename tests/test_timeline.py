# The word timeline: order, look-up by time, joined text, and being a sequence; slow readings are the oracle.

from __future__ import annotations

import gc
import pickle
import re
import sys
import tracemalloc
from array import array
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrwire._errors import ConfigError
from asrwire._model import Sentence, Word
from asrwire._timeline import NO_TIME, WordTimeline, join_words, needs_space


def sentence(index: int, *words: Word, channel: int = 0, begin: int | None = None) -> Sentence:
    return Sentence(index, channel_id=channel, begin_time=begin, words=words)


def spoken(*times: tuple[int | None, int | None]) -> WordTimeline:
    """One sentence of words with these (begin, end)."""
    return WordTimeline.from_sentences([sentence(0, *(Word(b, e, f"w{i}") for i, (b, e) in enumerate(times)))])


def texts(timeline: WordTimeline) -> list[str]:
    return [word.text for word in timeline]


HELLO = Word(100, 596, "Hello ", "")
WORLD = Word(596, 844, "world", ", ", True, 0)
LAB = Word(900, None, "实验室", "。", False, "B")
TWO = (sentence(0, HELLO, WORLD), sentence(1, LAB))


def test_words_come_back_as_they_were() -> None:
    timeline = WordTimeline.from_sentences(TWO)
    assert len(timeline) == 3
    assert list(timeline) == [HELLO, WORLD, LAB]
    assert [timeline[0], timeline[1], timeline[2]] == [HELLO, WORLD, LAB]
    assert [timeline[-3], timeline[-2], timeline[-1]] == [HELLO, WORLD, LAB]
    assert [timeline.sentence_of(i) for i in (0, 1, 2, -1)] == [0, 0, 1, 1]
    assert WORLD in timeline
    assert timeline.index(LAB) == 2
    assert list(reversed(timeline)) == [LAB, WORLD, HELLO]


def test_any_iterable_of_sentences_will_do() -> None:
    assert WordTimeline.from_sentences(iter(TWO)) == WordTimeline.from_sentences(TWO)


def test_times_are_read_only_int32_columns() -> None:
    timeline = WordTimeline.from_sentences(TWO)
    for column, expected in ((timeline.begin, [100, 596, 900]), (timeline.end, [596, 844, NO_TIME])):
        assert (column.format, column.itemsize, column.readonly, column.shape) == ("i", 4, True, (3,))
        assert column.tolist() == expected
        with pytest.raises(TypeError):
            column[0] = 1
    assert NO_TIME == -(2**31)
    assert timeline.begin.obj is timeline.begin.obj, "a view, not a copy"


def test_the_largest_times() -> None:
    timeline = spoken((0, 2**31 - 1), (2**31 - 1, 2**31 - 1))
    assert [(word.begin_time, word.end_time) for word in timeline] == [(0, 2**31 - 1), (2**31 - 1, 2**31 - 1)]
    assert [timeline.locate(ms) for ms in (2**31 - 2, 2**31 - 1, 2**31)] == [0, 1, None]


def test_empty() -> None:
    timeline = WordTimeline.from_sentences([Sentence(0)])
    assert (len(timeline), list(timeline), timeline.text(), timeline.locate(0)) == (0, [], "", None)
    assert timeline.begin.tolist() == []
    assert len(timeline[:]) == len(timeline.channel(0)) == 0
    with pytest.raises(IndexError):
        timeline[0]


@pytest.mark.parametrize("number", [3, -4, 10**30])
def test_index_out_of_range(number: int) -> None:
    timeline = WordTimeline.from_sentences(TWO)
    with pytest.raises(IndexError, match=str(number)):
        timeline[number]
    with pytest.raises(IndexError):
        timeline.sentence_of(number)


@pytest.mark.parametrize("wrong", ["0", 1.0, None])
def test_wrong_types(wrong: object) -> None:
    timeline = WordTimeline.from_sentences(TWO)
    with pytest.raises(TypeError):
        timeline[wrong]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        timeline.locate(wrong)  # type: ignore[arg-type]


@given(st.slices(7))
def test_slices_are_timelines(part: slice) -> None:
    timeline = spoken(*((i * 10, i * 10 + 9) for i in range(7)))
    if part.step is not None and part.step < 0:
        with pytest.raises(ConfigError):
            timeline[part]
        return
    assert isinstance(timeline[part], WordTimeline)
    assert list(timeline[part]) == list(timeline)[part]
    assert timeline[part].begin.tolist() == timeline.begin.tolist()[part]


def test_slices_keep_the_sentences_positions() -> None:
    timeline = WordTimeline.from_sentences(TWO)[1:]
    assert list(timeline) == [WORLD, LAB]
    assert [timeline.sentence_of(i) for i in (0, 1)] == [0, 1]
    assert timeline == WordTimeline.from_sentences(TWO)[-2:]


# == order ===========================================================================================================

ORDER = {
    "by begin, not by sentence": ([(0, 0, [500, 700]), (0, None, [100, 600])], ["1.0", "0.0", "1.1", "0.1"]),
    "the same begin: by channel": ([(1, 0, [100]), (0, 0, [100])], ["1.0", "0.0"]),
    "the same begin and channel: as they came": ([(0, 0, [100]), (0, 0, [100, 100])], ["0.0", "1.0", "1.1"]),
    "no begin: after the word before": ([(0, 0, [100, None, 300]), (0, 0, [200])], ["0.0", "0.1", "1.0", "0.2"]),
    "no begin, and another at the same time": ([(1, 0, [100, None]), (0, 0, [100])], ["1.0", "0.0", "0.1"]),
    "no begin at first: before the first with one": ([(0, 0, [None, 300]), (0, 0, [200])], ["1.0", "0.0", "0.1"]),
    "no begin in the sentence: where it begins": ([(0, 250, [None, None]), (0, 0, [200])], ["1.0", "0.0", "0.1"]),
    "no begin anywhere: after what came before": (
        [(0, 0, [300]), (0, None, [None]), (0, 0, [200])],
        ["2.0", "0.0", "1.0"],
    ),
    "no begin from the start": ([(0, None, [None]), (0, 0, [0])], ["0.0", "1.0"]),
    "begins that go back": ([(0, 0, [300, 100, 200])], ["0.1", "0.2", "0.0"]),
}


@pytest.mark.parametrize("name", ORDER)
def test_order(name: str) -> None:
    sentences, expected = ORDER[name]
    timeline = WordTimeline.from_sentences(
        sentence(i, *(Word(b, None, f"{i}.{n}") for n, b in enumerate(begins)), channel=channel, begin=begin)
        for i, (channel, begin, begins) in enumerate(sentences)
    )
    assert texts(timeline) == expected
    assert [timeline.sentence_of(i) for i in range(len(timeline))] == [int(text[0]) for text in expected]


def test_channel() -> None:
    timeline = WordTimeline.from_sentences(
        [
            sentence(0, Word(0, 5, "a"), Word(20, 25, "c"), channel=1),
            sentence(1, Word(10, 15, "b"), channel=0),
            sentence(2, Word(30, 35, "d"), channel=1),
        ]
    )
    assert texts(timeline) == ["a", "b", "c", "d"]
    assert texts(timeline.channel(1)) == ["a", "c", "d"]
    assert texts(timeline.channel(0)) == ["b"]
    assert texts(timeline.channel(7)) == []
    assert [timeline.channel(1).sentence_of(i) for i in range(3)] == [0, 0, 2]
    assert timeline.channel(1).channel(1) == timeline.channel(1)
    assert len(timeline[1:].channel(1)) == 2


# == locate ==========================================================================================================

LOCATE = {
    "held from begin up to end": ([(10, 20), (20, 30)], {9: None, 10: 0, 19: 0, 20: 1, 29: 1, 30: None}),
    "gaps": ([(10, 20), (40, 50)], {0: None, 25: None, 39: None, 40: 1, -1: None, -(2**40): None, 2**40: None}),
    "of overlapping ones the last begun": ([(10, 40), (20, 30)], {15: 0, 20: 1, 29: 1, 30: 0, 39: 0, 40: None}),
    "the same begin: the later one": ([(10, 40), (10, 20)], {10: 1, 19: 1, 20: 0}),
    "no length: at its begin": ([(10, 10), (10, 20), (30, 30)], {10: 1, 15: 1, 30: 2, 31: None, 29: None}),
    "no length inside another": ([(10, 40), (20, 20)], {19: 0, 20: 1, 21: 0}),
    "an end before its begin: at its begin": ([(10, 5), (20, 30)], {7: None, 10: 0, 11: None}),
    "no end: at its begin": ([(10, None), (20, 30)], {10: 0, 11: None, 20: 1}),
    "no begin: never": ([(10, 20), (None, 100), (120, 130)], {15: 0, 20: None, 99: None, 120: 2}),
    "only words without a begin": ([(None, 100), (None, None)], {0: None, 50: None, NO_TIME: None}),
}


@pytest.mark.parametrize("name", LOCATE)
def test_locate(name: str) -> None:
    times, expected = LOCATE[name]
    timeline = spoken(*times)
    assert {ms: timeline.locate(ms) for ms in expected} == expected


def locate_slowly(timeline: WordTimeline, ms: int) -> int | None:
    found = None
    for i, word in enumerate(timeline):
        begin, end = word.begin_time, word.end_time
        if begin is not None and (begin == ms or (end is not None and begin <= ms < end)):
            found = i
    return found


@given(st.data())
def test_locate_is_the_slow_reading(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 5, 31, 32, 33, 64, 1000, 1024, 1025, 1100]))
    random = data.draw(st.randoms(use_true_random=False))
    long = data.draw(st.sampled_from([0.0, 0.01, 0.5]))
    times: list[tuple[int | None, int | None]] = []
    for _ in range(size):
        begin = random.randrange(3000)
        length = random.randrange(3000) if random.random() < long else random.randrange(-1, 6)
        times.append((begin if random.random() < 0.97 else None, begin + length if random.random() < 0.97 else None))
    timeline = spoken(*times)
    for ms in [random.randrange(-2, 4000) for _ in range(20)]:
        assert timeline.locate(ms) == locate_slowly(timeline, ms)


def test_locating_below_a_hundred_thousand_nested_words_looks_at_few() -> None:
    # One long word under 100,000 short ones: whoever walks back from the newest looks at all of them.
    timeline = spoken((0, 10**6), *((i, i + 1) for i in range(1, 100_001)))
    assert timeline.locate(500_000) == 0
    assert 4 <= timeline._looked <= 2 * 4 * 32 + 8


# == text ============================================================================================================

TEXT = {
    "words' own spacing": ([("Senior ", ""), ("staff", ",")], "Senior staff,"),
    "leading spacing": ([("Hello", ""), (" World", "")], "Hello World"),
    "punctuation with spacing": ([("Hello ", ""), ("world", ", "), ("这里", "")], "Hello world, 这里"),
    "one space between words that bring none": ([("Okay", ","), ("go", ""), ("on", ".")], "Okay, go on."),
    "no space beside Han": ([("你好", "，"), ("阿里", ""), ("cloud", ""), ("云", "。")], "你好，阿里cloud云。"),
    "no space beside kana": ([("ひら", ""), ("カタ", ""), ("ﾊﾝ", ""), ("x", "")], "ひらカタﾊﾝx"),
    "no space beside full-width punctuation": ([("A", "！"), ("B", "？"), ("C", "")], "A！B？C"),
    "a space beside full-width letters": ([("Ａ", ""), ("b", "")], "Ａ b"),
    "spaces in Korean": ([("안녕", ""), ("세상", "")], "안녕 세상"),
    "Han beyond the first plane": ([("𠮷", ""), ("a", "")], "𠮷a"),
    "punctuation that repeats the word": ([("好", "好"), ("的", "")], "好的"),
    "punctuation the word ends with": ([("well,", ","), ("yes. ", "."), ("no", "")], "well, yes. no"),
    "punctuation before the word's own space": ([("yes ", ","), ("no", "")], "yes, no"),
    "a punctuation-only word": ([("yes", ""), ("", "."), ("No", "")], "yes. No"),
    "punctuation that is only a space": ([("字", " "), ("字", "")], "字 字"),
    "an empty word": ([("a", ""), ("", ""), ("b", "")], "a b"),
    "the spaces at the ends stay": ([(" a ", "")], " a "),
}


@pytest.mark.parametrize("name", TEXT)
def test_text(name: str) -> None:
    words, expected = TEXT[name]
    made = [Word(i, i + 1, *word) for i, word in enumerate(words)]
    assert join_words(made) == expected
    assert WordTimeline.from_sentences([sentence(0, *made)]).text() == expected


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((), "a b c"), ((1,), "b c"), ((0, 2), "a b"), ((-1,), "c"), ((0, -1), "a b"), ((2, 1), ""), ((1, 99), "b c")],
)
def test_text_bounds_are_those_of_a_slice(bounds: tuple[int, ...], expected: str) -> None:
    timeline = WordTimeline.from_sentences([sentence(0, *(Word(i, i + 1, text) for i, text in enumerate("abc")))])
    assert timeline.text(*bounds) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a", "b", True),
        (".", "I", True),
        ("。", "I", False),
        ("a", "字", False),
        ("々", "a", False),
        ("a", "ー", False),
        ("\u3000", "a", False),
        ("a", "\n", False),
        ("“", "a", True),
        ("é", "ü", True),
        ("ไ", "ท", True),
        ("ｱ", "a", False),
        ("０", "1", True),
        ("～", "1", False),
    ],
)
def test_needs_space(left: str, right: str, expected: bool) -> None:
    assert needs_space(left, right) is needs_space(right, left) is expected


UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe10-\ufe1f\ufe30-\ufe4f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)


def test_needs_space_is_the_slow_reading() -> None:
    for char in map(chr, [*range(0x40100), 0x10FFFF]):
        assert needs_space("a", char) is not (char.isspace() or bool(UNSPACED.match(char)))


@pytest.mark.parametrize("wrong", ["", "ab", b"a", None, 5])
def test_needs_space_is_asked_of_characters(wrong: Any) -> None:
    for pair in ((wrong, "a"), ("a", wrong)):
        with pytest.raises((TypeError, ValueError)):
            needs_space(*pair)


# == value ===========================================================================================================


def test_equality() -> None:
    timeline = WordTimeline.from_sentences(TWO)
    assert timeline == WordTimeline.from_sentences(TWO)
    assert timeline != WordTimeline.from_sentences(TWO[:1])
    assert timeline != list(timeline)
    for other in (
        Word(101, 596, "Hello ", ""),
        Word(100, 597, "Hello ", ""),
        Word(100, 596, "Hullo ", ""),
        Word(100, 596, "Hello", " "),
        Word(100, 596, "Hello ", "", False),
        Word(100, 596, "Hello ", "", None, 1),
    ):
        assert timeline != WordTimeline.from_sentences([sentence(0, other, WORLD), TWO[1]])
    assert timeline != WordTimeline.from_sentences([sentence(0, HELLO, WORLD, LAB)])
    assert timeline != WordTimeline.from_sentences([sentence(0, HELLO, WORLD, channel=1), TWO[1]])


def test_equality_does_not_depend_on_which_speaker_came_first() -> None:
    one = [sentence(0, Word(1, 2, "a", "", None, "x")), sentence(1, Word(0, 1, "b", "", None, "y"))]
    assert WordTimeline.from_sentences(one)[1:][0] == one[0].words[0]
    other = [sentence(0, Word(0, 1, "b", "", None, "y")), sentence(1, Word(1, 2, "a", "", None, "x"))]
    assert list(WordTimeline.from_sentences(one)) == list(WordTimeline.from_sentences(other))


def test_many_speakers() -> None:
    words = [Word(i, i + 1, "w", "", None, i if i % 2 else str(i)) for i in range(700)]
    assert list(WordTimeline.from_sentences([sentence(0, *words)])) == words


def test_lone_surrogates_in_words_survive() -> None:
    word = Word(0, 1, "\ud83d", "\udc00")
    assert list(WordTimeline.from_sentences([sentence(0, word)])) == [word]


def many(sentences: int) -> WordTimeline:
    """Twenty words a sentence, in the order of time."""
    return WordTimeline.from_sentences(
        sentence(i, *(Word(ms, ms + 9, "word", ".") for ms in range(i * 1000, i * 1000 + 200, 10)))
        for i in range(sentences)
    )


def wrong(column: bytes) -> list[bytes]:
    """What a damaged pickle may have instead of it."""
    size = len(column)
    return [b"", column[:-1], column[:-4], column * 3, b"\xff" * size, b"\x7f" * size, column[::-1], b"\1" * 7]


@pytest.mark.parametrize("channels", [(0, 0), (0, 7)])
def test_columns_that_are_not_those_of_words_are_refused_or_can_be_read(channels: tuple[int, int]) -> None:
    first, second = (sentence(i, *said.words, channel=channels[i]) for i, said in enumerate(TWO))
    whole = WordTimeline.from_sentences([first, second])
    refused = 0
    for timeline in (whole, whole[::2]):
        make, columns = timeline._columns.__reduce__()  # type: ignore[misc]
        assert make(*columns) == timeline._columns
        changed = [(i, other) for i, column in enumerate(columns[:-1]) for other in wrong(column)]
        for i, other in [*changed, (10, ()), (10, columns[10][:1] * 3)]:
            try:
                bad = WordTimeline(make(*columns[:i], other, *columns[i + 1 :]))
                _ = list(bad), bad[1:], bad.text(), bad.locate(600), bad.channel(7), bad == timeline
                _ = [bad.sentence_of(k) for k in range(len(bad))], list(bad.begin), list(bad.end)
            except ValueError:  # where it is made, or of text that is not UTF-8
                refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    "first", [(0,), (1, 3), (0, 2), (0, 4), (0, 3, 1, 3), (0, 2**31, 0, 3), (0, 2**32 - 1, 3)], ids=str
)
def test_where_sentences_begin_goes_up_from_the_first_word_to_the_last(first: tuple[int, ...]) -> None:
    make, columns = WordTimeline.from_sentences([sentence(0, *[Word(1, 2, "a")] * 3)])._columns.__reduce__()  # type: ignore[misc]
    good = make(*columns[:7], array("I", (0, 1, 1, 3)).tobytes(), *columns[8:])
    assert [WordTimeline(good).sentence_of(i) for i in range(3)] == [0, 2, 2]
    with pytest.raises(ValueError, match="not the columns of words"):
        make(*columns[:7], array("I", first).tobytes(), *columns[8:])


@pytest.mark.parametrize("width", [3, 8])
@pytest.mark.parametrize("place", [4, 5, 6])
def test_a_column_has_numbers_of_1_2_or_4_bytes(place: int, width: int) -> None:
    make, columns = WordTimeline.from_sentences([sentence(0, *[Word(1, 2, "a")] * 3)])._columns.__reduce__()  # type: ignore[misc]
    with pytest.raises(ValueError, match="not the columns of words"):
        make(*columns[:place], bytes(3 * width), *columns[place + 1 :])


def test_pickles_by_columns() -> None:
    timeline = many(100)
    timeline.locate(5)
    data = pickle.dumps(timeline)
    assert pickle.loads(data) == timeline
    assert len(data) < 32 * len(timeline) + 2000


# == columns =========================================================================================================


def columns(timeline: WordTimeline) -> dict[str, object]:
    """Its columns as numbers, and what they index."""
    made = timeline._columns
    widths = {1: "B", 2: "H", 4: "I", 0: "B"}
    numbers = {name: memoryview(getattr(made, name)).cast("i").tolist() for name in ("begin", "end", "key")}
    for name in ("size", "kind", "sentence"):
        column = memoryview(getattr(made, name))
        numbers[name] = column.cast(widths[len(column) // len(timeline)]).tolist()
    numbers["at"] = memoryview(made.at).cast("I").tolist()
    numbers["first"] = memoryview(made.first).cast("I").tolist()
    numbers["channels"] = memoryview(made.channels).cast("q").tolist()
    return {**numbers, "pool": made.pool, "kinds": made.kinds}


def test_columns_of_two_sentences() -> None:
    assert columns(WordTimeline.from_sentences(TWO)) == {
        "begin": [100, 596, 900],
        "end": [596, 844, NO_TIME],
        "key": [100, 596, 900],
        "at": [0, 6, 11],
        "size": [6, 5, 9],
        "pool": "Hello world实验室".encode(),
        "kind": [0, 1, 2],
        "kinds": (("", None, None), (", ", True, 0), ("。", False, "B")),
        "sentence": [],
        "first": [0, 2, 3],
        "channels": [0],
    }


def test_what_says_nothing_is_not_kept() -> None:
    made = WordTimeline.from_sentences([sentence(0, *(Word(i, i + 1, "w", "", True, 5) for i in range(3)), channel=7)])
    assert (made._columns.kind, made._columns.kinds) == (b"", (("", True, 5),))
    assert made._columns.sentence == b""
    assert memoryview(made._columns.channels).cast("q").tolist() == [7]
    assert made._columns.key is made._columns.begin
    assert made.channel(7)[2] == Word(2, 3, "w", "", True, 5)


def test_words_of_no_text_have_no_sizes() -> None:
    made = spoken((0, 1), (1, 2))
    empty = WordTimeline.from_sentences([sentence(0, Word(0, 1), Word(1, 2))])
    assert (made._columns.size, empty._columns.size, empty._columns.pool) == (b"\2\2", b"", b"")
    assert list(empty) == [Word(0, 1), Word(1, 2)]


def test_an_own_key_where_a_word_has_no_begin() -> None:
    timeline = spoken((10, 20), (None, None), (30, 40))
    assert columns(timeline)["begin"] == [10, NO_TIME, 30]
    assert columns(timeline)["key"] == [10, 10, 30]


def test_sentences_of_each_word_where_the_order_is_not_theirs() -> None:
    timeline = WordTimeline.from_sentences(
        [sentence(0, Word(5, 9, "b"), channel=3), sentence(1), sentence(2, Word(1, 2, "a"), channel=4)]
    )
    made = columns(timeline)
    assert (made["sentence"], made["first"], made["channels"]) == ([2, 0], [], [3, 0, 4])
    assert [len(timeline.channel(i)) for i in (0, 3, 4)] == [0, 1, 1]
    assert columns(timeline[1:])["sentence"] == [], "all zeros"
    assert timeline[1:].sentence_of(0) == 0


@pytest.mark.parametrize("size", [1, 255, 256, 65535, 65536])
def test_sizes_are_as_wide_as_the_longest(size: int) -> None:
    words = [Word(0, 1, "a"), Word(1, 2, "b" * size), Word(2, 3, "c")]
    timeline = WordTimeline.from_sentences([sentence(0, *words)])
    assert len(timeline._columns.size) == 3 * (1 if size < 256 else 2 if size < 65536 else 4)
    assert list(timeline) == words


@pytest.mark.parametrize("kinds", [1, 2, 256, 257, 65536, 65537])
def test_kinds_are_as_wide_as_there_are_many(kinds: int) -> None:
    words = [Word(i, i + 1, "w", "", None, i) for i in range(kinds)]
    timeline = WordTimeline.from_sentences([sentence(0, *words)])
    width = 0 if kinds == 1 else 1 if kinds <= 256 else 2 if kinds <= 65536 else 4
    assert len(timeline._columns.kind) == width * kinds
    assert [word.speaker_id for word in timeline] == list(range(kinds))
    assert timeline[kinds - 1 :][0] == words[-1]


@pytest.mark.parametrize("sentences", [255, 256, 257, 65537])
def test_sentence_positions_are_as_wide_as_there_are_many(sentences: int) -> None:
    timeline = WordTimeline.from_sentences(sentence(i, Word(i, i + 1, "w")) for i in range(sentences))[::2]
    assert [timeline.sentence_of(i) for i in range(len(timeline))] == list(range(0, sentences, 2))


@given(st.lists(st.tuples(st.sampled_from([None, 0, 1, 2, 3]), st.integers(0, 2), st.integers(0, 3)), max_size=70))
def test_order_is_the_slow_reading(drawn: list[tuple[int | None, int, int]]) -> None:
    made = [
        sentence(i, *(Word(begin, None, f"{i}.{n}") for n in range(count)), channel=channel, begin=begin)
        for i, (begin, channel, count) in enumerate(drawn)
    ]
    keyed, last = [], NO_TIME
    for said in made:
        if said.words:
            last = last if said.begin_time is None else said.begin_time
        keyed += [(last, said.channel_id, word.text) for word in said.words]
    expected = [text for _, _, text in sorted(keyed, key=lambda entry: entry[:2])]
    assert texts(WordTimeline.from_sentences(made)) == expected


def test_views_keep_the_memory_they_look_at() -> None:
    timeline = many(50)
    begin, end, column = timeline.begin, timeline.end, timeline._columns.begin
    before = sys.getrefcount(column)
    views = [timeline.begin for _ in range(10)]
    during = sys.getrefcount(column)
    del views
    assert (during, sys.getrefcount(column)) == (before + 10, before)
    del column
    expected = timeline.begin.tolist(), timeline.end.tolist()
    del timeline
    gc.collect()
    _ = [bytes(8 * 1000) for _ in range(100)]
    assert (begin.tolist(), end.tolist()) == expected


def test_nothing_is_kept_of_what_is_dropped() -> None:
    def make() -> None:
        timeline = many(20)
        timeline.locate(5)
        _ = list(timeline), timeline[3:9], timeline.channel(0), timeline == timeline[:], pickle.dumps(timeline)
        with pytest.raises(TypeError):
            WordTimeline.from_sentences([sentence(0, Word(1, 2, "a")), sentence(1, Word("x", 2, "b"))])  # type: ignore

    make()
    gc.collect()
    tracemalloc.start()
    try:
        make()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            make()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 2000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrong", [1.5, "1", 2**31, -(2**31) - 1, b""])
def test_times_that_are_no_int32(wrong: Any) -> None:
    for word in (Word(wrong, 1, "a"), Word(1, wrong, "a")):
        with pytest.raises((TypeError, OverflowError)):
            WordTimeline.from_sentences([sentence(0, word)])


@pytest.mark.parametrize("wrong", [[None], [1], [("a",)], [Sentence(0, words=("a",))], None, 5])  # type: ignore
def test_not_sentences(wrong: Any) -> None:
    with pytest.raises(TypeError):
        WordTimeline.from_sentences(wrong)


def test_it_is_a_sequence() -> None:
    timeline = WordTimeline.from_sentences(TWO)
    assert isinstance(timeline, Sequence)
    assert timeline.count(LAB) == 1
    match timeline:
        case [first, *_, last]:
            assert (first, last) == (HELLO, LAB)
        case _:
            pytest.fail("no sequence pattern")
    with pytest.raises(ValueError, match=r"^$"):
        timeline.index(Word(0, 1, "x"))
    with pytest.raises(TypeError):
        hash(timeline)


def test_memory_held_per_word() -> None:
    timeline = many(500)
    made = timeline._columns
    names = ("begin", "end", "at", "size", "kind", "sentence", "first", "channels", "pool")
    assert made.key is made.begin, "no own column where every word has a begin"
    assert sum(sys.getsizeof(getattr(made, name)) for name in names) < 18 * len(timeline)


def test_repr_is_short() -> None:
    assert repr(WordTimeline.from_sentences(TWO)) == "<WordTimeline of 3 words>"
