# The join rule, SRT and WebVTT: literal expectations.

from __future__ import annotations

import pysubs2
import pytest

from asrwire._errors import NoTimes
from asrwire._model import Sentence, Word
from asrwire.formats import join, to_ass, to_srt, to_vtt


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ""),
        ([""], ""),
        (["a"], "a"),
        (["Hello world.", "I am here."], "Hello world. I am here."),
        (["Hello world. ", "I am here."], "Hello world. I am here."),
        (["Hello world.", "\nI am here."], "Hello world.\nI am here."),
        (["Hello.", "", "You."], "Hello. You."),
        (["你好。", "再见。"], "你好。再见。"),
        (["你好", "再见"], "你好再见"),
        (["OK.", "你好"], "OK.你好"),
        (["你好", "OK."], "你好OK."),
        (["はい", "ええ"], "はいええ"),
        (["OK！", "Yes"], "OK！Yes"),
        (["“Yes”", "“No”"], "“Yes” “No”"),
        (["안녕하세요.", "네."], "안녕하세요. 네."),
    ],
)
def test_join(texts: list[str], expected: str) -> None:
    assert join(texts) == join(text for text in texts) == expected


A = Sentence(0, begin_time=240, end_time=6720, text="Senior staff,")
B = Sentence(1, begin_time=12268, end_time=17388, text="你好。", speaker_id=1)


def test_srt() -> None:
    assert to_srt([A, B]) == (
        "1\n00:00:00,240 --> 00:00:06,720\nSenior staff,\n\n2\n00:00:12,268 --> 00:00:17,388\n你好。\n"
    )


def test_vtt() -> None:
    assert to_vtt(iter([A, B])) == (
        "WEBVTT\n\n00:00:00.240 --> 00:00:06.720\nSenior staff,\n\n"
        "00:00:12.268 --> 00:00:17.388\n<v Speaker 1>你好。\n"
    )


def test_nothing() -> None:
    assert to_srt([]) == ""
    assert to_vtt([]) == "WEBVTT\n"


@pytest.mark.parametrize(
    ("ms", "clock"),
    [
        (1, "00:00:00,001"),
        (999, "00:00:00,999"),
        (59_999, "00:00:59,999"),
        (60_000, "00:01:00,000"),
        (3_599_999, "00:59:59,999"),
        (3_600_000, "01:00:00,000"),
        (359_999_999, "99:59:59,999"),
        (360_000_000, "100:00:00,000"),
        (2**31 - 1, "596:31:23,647"),
    ],
)
def test_clock(ms: int, clock: str) -> None:
    cue = Sentence(0, begin_time=0, end_time=ms, text="a")
    assert to_srt([cue]) == f"1\n00:00:00,000 --> {clock}\na\n"
    assert to_vtt([cue]) == f"WEBVTT\n\n00:00:00.000 --> {clock.replace(',', '.')}\na\n"


@pytest.mark.parametrize(
    ("ms", "clock"),
    [
        (35_999_990, "9:59:59.99"),
        (36_000_000, "10:00:00.00"),
        (359_999_990, "99:59:59.99"),
        (360_000_000, "100:00:00.00"),
    ],
)
def test_ass_clock(ms: int, clock: str) -> None:
    written = to_ass([Sentence(0, begin_time=0, end_time=ms, text="a")])
    assert written.endswith(f"Dialogue: 0,0:00:00.00,{clock},Default,,0,0,0,,a\n")
    if ms < 360_000_000:
        assert pysubs2.SSAFile.from_string(written).events[0].end == ms
    else:
        with pytest.raises(ValueError, match="Failed to parse"):
            pysubs2.SSAFile.from_string(written)


@pytest.mark.parametrize(
    ("text", "srt", "vtt"),
    [
        ("a & b", "a & b", "a &amp; b"),
        ("<i>a</i>", "<\u2060i>a<\u2060/i>", "&lt;i&gt;a&lt;/i&gt;"),
        ("1 < 2", "1 < 2", "1 &lt; 2"),
        ("{\\an8}a", "｛\\an8｝a", "{\\an8}a"),
        ("&lt;", "&lt;", "&amp;lt;"),
        ("a --> b", "a -- > b", "a --&gt; b"),
        ("a\nb", "a b", "a b"),
        ("a\r\n\r\n \t\nb\n\n", "a b", "a b"),
        (" a ", "a", "a"),
        ("a\u2028b\x00c", "a b c", "a b c"),
    ],
)
def test_text_cannot_break_its_cue(text: str, srt: str, vtt: str) -> None:
    cue = Sentence(0, begin_time=0, end_time=1, text=text)
    assert to_srt([cue]) == f"1\n00:00:00,000 --> 00:00:00,001\n{srt}\n"
    assert to_vtt([cue]) == f"WEBVTT\n\n00:00:00.000 --> 00:00:00.001\n{vtt}\n"


@pytest.mark.parametrize(("speaker", "shown"), [(0, "0"), ("", ""), ("A>\n\nB", "A&gt; B"), ("R&D", "R&amp;D")])
def test_vtt_speakers(speaker: int | str, shown: str) -> None:
    cue = Sentence(0, begin_time=0, end_time=1, text="a", speaker_id=speaker)
    assert to_vtt([cue]) == f"WEBVTT\n\n00:00:00.000 --> 00:00:00.001\n<v Speaker {shown}>a\n"


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_sentences_without_text_give_no_cue_and_need_no_times(text: str) -> None:
    assert to_srt([Sentence(0, text=text), B]) == "1\n00:00:12,268 --> 00:00:17,388\n你好。\n"


def test_cues_are_sorted_by_begin() -> None:
    assert to_srt([B, A]) == to_srt([A, B])


def words(*times: tuple[int | None, int | None]) -> tuple[Word, ...]:
    return tuple(Word(begin, end, "a") for begin, end in times)


@pytest.mark.parametrize(
    ("cue", "expected"),
    [
        (Sentence(0, begin_time=100, text="a", words=words((100, 200), (200, 310))), ("100", "310")),
        (Sentence(0, begin_time=100, text="a", words=words((100, 200), (210, None))), ("100", "210")),
        (Sentence(0, begin_time=100, text="a", words=words((100, 200), (None, None))), ("100", "200")),
        (Sentence(0, end_time=300, text="a", words=words((None, 200), (210, 310))), ("210", "300")),
        (Sentence(0, begin_time=300, end_time=200, text="a"), ("300", "301")),
        (Sentence(0, begin_time=300, end_time=300, text="a"), ("300", "301")),
    ],
)
def test_times_of_words_stand_in_for_those_of_a_sentence(cue: Sentence, expected: tuple[str, str]) -> None:
    begin, end = expected
    assert to_srt([cue]) == f"1\n00:00:00,{begin} --> 00:00:00,{end}\na\n"


@pytest.mark.parametrize(
    ("cue", "message"),
    [
        (Sentence(4, end_time=1, text="a"), "sentence 4 has no begin time"),
        (Sentence(4, begin_time=1, text="a"), "sentence 4 has no end time"),
        (Sentence(4, begin_time=1, text="a", words=words((None, None))), "sentence 4 has no end time"),
        (Sentence(4, text="a"), "sentence 4 has no begin time"),
    ],
)
def test_no_times(cue: Sentence, message: str) -> None:
    for write in (to_srt, to_vtt):
        with pytest.raises(NoTimes, match=message):
            write([A, cue])
