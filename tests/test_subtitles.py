# Subtitles: sentences cut into cues, literally and as properties, and read back by other people's readers.

from __future__ import annotations

import html
import io
import re
from datetime import timedelta
from itertools import pairwise
from typing import TypeAlias

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from asrwire import ConfigError, read_result
from asrwire._model import Sentence, Word
from asrwire._transcript import Transcript
from asrwire.formats import SUBTITLES, Cue, Layout, columns, cues

Shown: TypeAlias = tuple[int, int, str]  # begin and end in ms, text with its line ends


def spoken(text: str, *, index: int = 0, begin: int = 0, each: int = 500, **changes: object) -> Sentence:
    """A sentence whose words are those between spaces and bars, one after the other; punctuation is theirs."""
    words, time = [], begin
    for piece in re.findall(r"[^ |]+ ?", text):
        core = piece.rstrip(" ")
        mark = re.search(r"(?<=\w)[^\w\s]*$|$", core)
        assert mark is not None
        words.append(Word(time, time + each, core[: mark.start()] + piece[len(core) :], mark[0]))
        time += each
    plain = text.replace("|", "")
    return Sentence(index, begin_time=begin, end_time=time, text=plain, words=tuple(words), **changes)  # type: ignore[arg-type]


def shown(found: list[Cue]) -> list[Shown]:
    return [(cue.begin_time, cue.end_time, "\n".join(line.text for line in cue.lines)) for cue in found]


# == cutting, literally ================================================================================================

SPEECH = (
    "Good morning everybody, and welcome to the meeting. Today we have three things to talk about, so let us begin."
)

CUT: dict[str, tuple[Sentence, Layout, list[Shown]]] = {
    "what fits is left as it is": (spoken("Hello there, world."), Layout(), [(0, 1500, "Hello there, world.")]),
    "two lines are broken at punctuation": (
        spoken("Well then my old friend, I will see you tomorrow.", each=100), Layout(),
        [(0, 1000, "Well then my old friend,\nI will see you tomorrow.")],
    ),
    "without punctuation they are of one length": (
        spoken("we went along the long road to the old town by the sea", each=100), Layout(),
        [(0, 1300, "we went along the long road\nto the old town by the sea")],
    ),
    "a sentence's end is better than a comma": (
        spoken(SPEECH, each=100), Layout(),
        [
            (0, 800, "Good morning everybody,\nand welcome to the meeting."),
            (800, 2000, "Today we have three things to talk about,\nso let us begin."),
        ],
    ),
    "a comma is better than a word": (
        spoken("one two three four, five six seven eight", each=100), Layout(max_chars=20, max_lines=1),
        [(0, 400, "one two three four,"), (400, 800, "five six seven eight")],
    ),
    "a word with the space before it is cut there too": (
        Sentence(0, begin_time=0, end_time=400, text="what will this mean", words=(
            Word(0, 100, "what"), Word(100, 200, " will"), Word(200, 300, " this"), Word(300, 400, " mean"))),
        Layout(max_chars=9, max_lines=1), [(0, 200, "what will"), (200, 400, "this mean")],
    ),
    "and its lines are broken there": (
        Sentence(0, begin_time=0, end_time=400, text="what will this mean", words=(
            Word(0, 100, "what"), Word(100, 200, " will"), Word(200, 300, " this"), Word(300, 400, " mean"))),
        Layout(max_chars=9), [(0, 400, "what will\nthis mean")],
    ),
    "a long word is not cut": (
        spoken("a Donaudampfschifffahrtsgesellschaft b", each=100), Layout(max_chars=10, max_lines=1),
        [(0, 100, "a"), (100, 200, "Donaudampfschifffahrtsgesellschaft"), (200, 300, "b")],
    ),
    "Han takes two columns and is cut between words": (
        spoken("今天|天气|很好，|我们|一起|去|公园|散步|吧。", each=100), Layout(max_chars=16, max_lines=1),
        [(0, 300, "今天天气很好，"), (300, 600, "我们一起去"), (600, 900, "公园散步吧。")],
    ),
    "mixed scripts": (
        spoken("我|用|Python |写|代码，|very |nice", each=100), Layout(max_chars=12, max_lines=2),
        [(0, 500, "我用Python\n写代码，"), (500, 700, "very nice")],
    ),
    "closing marks stay with their word": (
        spoken("他说：|“你好！”|然后|走了。", each=100), Layout(max_chars=10, max_lines=1),
        [(0, 100, "他说："), (100, 200, "“你好！”"), (200, 400, "然后走了。")],
    ),
    "Thai is cut where the service ends a word": (
        spoken("สวัสดี|ครับ|ผม|ชื่อ|สมชาย", each=100), Layout(max_chars=10, max_lines=1),
        [(0, 200, "สวัสดีครับ"), (200, 500, "ผมชื่อสมชาย")],
    ),
    "Korean is cut at its spaces": (
        spoken("안녕하세요 저는 민수입니다", each=100), Layout(max_chars=12, max_lines=1),
        [(0, 100, "안녕하세요"), (100, 200, "저는"), (200, 300, "민수입니다")],
    ),
    "emoji are words": (
        spoken("yes 😀😀 no", each=100), Layout(max_chars=8, max_lines=1), [(0, 100, "yes"), (100, 300, "😀😀 no")],
    ),
    "a long pause ends a cue": (
        Sentence(0, begin_time=0, end_time=20500, text="One two.", words=(
            Word(0, 500, "One"), Word(20000, 20500, "two", "."))),
        Layout(), [(0, 500, "One"), (20000, 20500, "two.")],
    ),
    "as long as it may be": (spoken("a b", each=3500), Layout(), [(0, 7000, "a b")]),
    "longer than it may be": (spoken("a b", each=3501), Layout(), [(0, 3501, "a"), (3501, 7002, "b")]),
    "no longest": (spoken("a b", each=3501), Layout(max_duration=None), [(0, 7002, "a b")]),
    "without words nothing says when: lines, not cues": (
        Sentence(0, begin_time=0, end_time=9000, text="one two three"), Layout(max_chars=5, max_lines=1),
        [(0, 9000, "one\ntwo\nthree")],
    ),
    "without times of words neither": (
        Sentence(0, begin_time=0, end_time=900, text="one two", words=(Word(text="one"), Word(text="two"))),
        Layout(max_chars=5, max_lines=1), [(0, 900, "one\ntwo")],
    ),
    "words rewritten in the text are not cut into": (
        Sentence(0, begin_time=0, end_time=400, text="It is 20 past", words=tuple(
            Word(100 * i, 100 * i + 100, word) for i, word in enumerate(["It", "is", "twenty", "past"]))),
        Layout(max_chars=5, max_lines=1), [(0, 100, "It"), (100, 300, "is 20"), (300, 400, "past")],
    ),
    "what would lie within the cue before shares it": (
        Sentence(0, begin_time=0, end_time=300, text="one two six", words=(
            Word(100, 200, "one"), Word(50, 60, "two"), Word(250, 300, "six"))),
        Layout(max_chars=5, max_lines=1), [(0, 200, "one\ntwo"), (250, 300, "six")],
    ),
    "a change of speaker ends a cue": (
        Sentence(0, begin_time=0, end_time=300, text="yes no maybe", words=(
            Word(0, 100, "yes", speaker_id=1), Word(100, 200, "no", speaker_id=2),
            Word(200, 300, "maybe", speaker_id=2))),
        Layout(), [(0, 100, "yes"), (100, 300, "no maybe")],
    ),
    "speakers by name": (
        Sentence(0, begin_time=0, end_time=300, text="yes no maybe", speaker_id=3, words=(
            Word(0, 100, "yes"), Word(100, 200, "no", speaker_id="B"), Word(200, 300, "maybe", speaker_id="B"))),
        Layout(speakers=True), [(0, 100, "Speaker 3: yes"), (100, 300, "Speaker B: no maybe")],
    ),
    "a shortest duration": (spoken("Yes."), Layout(min_duration=800), [(0, 800, "Yes.")]),
    "columns per second": (spoken("Yes, indeed.", each=100), Layout(max_cps=12), [(0, 1000, "Yes, indeed.")]),
    "but no longer than a cue may be": (
        spoken("Yes, indeed.", each=100), Layout(max_cps=12, max_duration=700), [(0, 700, "Yes, indeed.")],
    ),
    "nothing": (Sentence(0, begin_time=0, end_time=9), Layout(), []),
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_cut(name: str) -> None:
    sentence, layout, expected = CUT[name]
    assert shown(cues([sentence], layout)) == expected


A, B = spoken("First one."), spoken("Second one.", begin=1200)
TOGETHER: dict[str, tuple[list[Sentence], Layout, list[Shown]]] = {
    "one after another": ([A, B], Layout(), [(0, 1000, "First one."), (1200, 2200, "Second one.")]),
    "sorted": ([B, A], Layout(), [(0, 1000, "First one."), (1200, 2200, "Second one.")]),
    "a longer stay ends where the next begins": (
        [A, B], Layout(min_duration=2000), [(0, 1200, "First one."), (1200, 3200, "Second one.")],
    ),
    "a gap is kept": (
        [A, B], Layout(min_duration=2000, gap=80), [(0, 1120, "First one."), (1200, 3200, "Second one.")],
    ),
    "a gap never takes all": (
        [A, spoken("Then next.", begin=10)], Layout(gap=80), [(0, 1, "First one."), (10, 1010, "Then next.")],
    ),
    "the next begins before the end": (
        [A, spoken("Second one.", begin=900)], Layout(), [(0, 900, "First one."), (900, 1900, "Second one.")],
    ),
    "a gap wider than the cue": (
        [A, spoken("Second one.", begin=900)], Layout(gap=5000), [(0, 1, "First one."), (900, 1900, "Second one.")],
    ),
    "within the cue before": (
        [A, spoken("Yes.", begin=200)], Layout(), [(0, 1000, "First one.\nYes.")],
    ),
    "at the same time": (
        [spoken("Yes."), A], Layout(), [(0, 1000, "Yes.\nFirst one.")],
    ),
    "no length": (
        [spoken("Hm.", each=0), A, spoken("Oh.", begin=1000, each=0)], Layout(),
        [(0, 1000, "Hm.\nFirst one."), (1000, 1001, "Oh.")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_cues_follow_one_another(name: str) -> None:
    sentences, layout, expected = TOGETHER[name]
    assert shown(cues(sentences, layout)) == expected


def test_sources() -> None:
    transcript = Transcript(sentences=[A, B])
    assert cues(transcript) == cues([A, B]) == cues(iter([A, B])) == cues([transcript]) == cues(transcript.sentences)
    channels = [Transcript(sentences=[B], channel_id=0), Transcript(sentences=[A], channel_id=1)]
    assert cues(channels) == cues([A, B])
    data = b'{"transcripts":[{"channel_id":0,"sentences":[{"begin_time":5,"end_time":9,"text":"a"}]},{"channel_id":1,'
    data += b'"sentences":[{"begin_time":1,"end_time":4,"text":"b"}]}]}'
    assert shown(cues(read_result(data).transcripts)) == [(1, 4, "b"), (5, 9, "a")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_chars": 0}, "max_chars is 0, must be at least 1"),
        ({"max_lines": 0}, "max_lines is 0, must be at least 1"),
        ({"min_duration": -1}, "min_duration is -1, must be at least 0"),
        ({"max_duration": 0}, "max_duration is 0, must be at least 1"),
        ({"gap": -1}, "gap is -1, must be at least 0"),
        ({"max_cps": 0}, "max_cps is 0, must be more than 0"),
        ({"min_duration": 7001}, "min_duration is 7001, must be at most max_duration 7000"),
    ],
)
def test_layouts_out_of_range(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Layout(**changes)  # type: ignore[arg-type]


def test_layouts_at_the_bound() -> None:
    Layout(max_chars=1, max_lines=1, min_duration=7000, gap=0, max_cps=0.1)
    Layout(max_duration=1)
    Layout(min_duration=10**6, max_duration=None)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0), ("abc", 3), ("今天", 4), ("，", 2), ("e\u0301", 1), ("Ａ", 2), ("ｱ", 1), ("–…", 2), ("😀", 2),
        ("a\u200b", 1),
    ],
)  # fmt: skip
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


# == whole files =======================================================================================================

TALK = [
    spoken("Good morning, and welcome to the weekly meeting of the team.", speaker_id=0, each=300),
    spoken("大家|早上好，|今天|的|周会|现在|开始。", index=1, begin=3456, each=301, speaker_id=1),
    spoken(r"{\b1}A <b>tag</b> & a\Nb --> c", index=2, begin=7777, each=100),
]
FILES = {
    "srt": """\
1
00:00:00,000 --> 00:00:03,300
Good morning, and welcome to
the weekly meeting of the team.

2
00:00:03,456 --> 00:00:05,563
大家早上好，今天的周会现在开始。

3
00:00:07,777 --> 00:00:08,377
｛\\b1｝A <\u2060b>tag<\u2060/b> & a\\Nb -- > c
""",
    "vtt": """\
WEBVTT

00:00:00.000 --> 00:00:03.300
<v Speaker 0>Good morning, and welcome to
the weekly meeting of the team.

00:00:03.456 --> 00:00:05.563
<v Speaker 1>大家早上好，今天的周会现在开始。

00:00:07.777 --> 00:00:08.377
{\\b1}A &lt;b&gt;tag&lt;/b&gt; &amp; a\\Nb --&gt; c
""",
    "ass": """\
Dialogue: 0,0:00:00.00,0:00:03.30,Default,Speaker 0,0,0,0,,Good morning, and welcome to\\N\
the weekly meeting of the team.
Dialogue: 0,0:00:03.46,0:00:05.56,Default,Speaker 1,0,0,0,,大家早上好，今天的周会现在开始。
Dialogue: 0,0:00:07.78,0:00:08.38,Default,,0,0,0,,｛\\\u2060b1｝A <b>tag</b> & a\\\u2060Nb --> c
""",
    "tsv": """\
start\tend\tspeaker\ttext
0\t3300\tSpeaker 0\tGood morning, and welcome to the weekly meeting of the team.
3456\t5563\tSpeaker 1\t大家早上好，今天的周会现在开始。
7777\t8377\t\t{\\b1}A <b>tag</b> & a\\Nb --> c
""",
}


@pytest.mark.parametrize("format", FILES)
def test_files(format: str) -> None:
    written = Transcript(sentences=TALK).to_format(format)
    assert written.endswith(FILES[format])
    head = written.removesuffix(FILES[format])
    assert head.startswith("[Script Info]\nScriptType: v4.00+\n") if format == "ass" else head == ""


# == read back =========================================================================================================


def read_srt(text: str) -> list[Shown]:
    ms = timedelta(milliseconds=1)
    return [(item.start // ms, item.end // ms, item.content) for item in srt.parse(text)]


def read_vtt(text: str) -> list[Shown]:
    captions = webvtt.WebVTT.from_buffer(io.StringIO(text), strict=True).captions
    return [(*map(_ms, (item.start, item.end)), html.unescape(item.text)) for item in captions]


def read_pysubs2(text: str, format: str) -> list[Shown]:
    found = pysubs2.SSAFile.from_string(text, format_=format)
    return [(item.start, item.end, item.text.replace("\\N", "\n")) for item in found]


def _ms(clock: str) -> int:
    hours, minutes, seconds, ms = map(int, re.split("[:.]", clock))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def plain(found: list[Shown]) -> list[Shown]:
    """Without what stands in for what a format cannot hold."""
    stand_ins = str.maketrans("｛｝", "{}", "\u2060")
    return [(begin, end, text.translate(stand_ins).replace("-- >", "-->")) for begin, end, text in found]


def read_back(format: str, text: str) -> list[list[Shown]]:
    """The cues in a file, by every reader of its format."""
    if format == "srt":
        return [plain(read_srt(text)), plain(read_pysubs2(text, "srt"))]
    if format == "vtt":
        return [plain(read_vtt(text)), [
            (begin, end, html.unescape(text))
            for begin, end, text in plain(read_pysubs2(re.sub("</?v[^>]*>", "", text), "vtt"))
        ]]  # fmt: skip
    return [plain(read_pysubs2(text, "ass"))]


@pytest.mark.parametrize("format", ["srt", "vtt", "ass"])
@pytest.mark.parametrize("speaker", [None, 1])
def test_a_last_line_of_digits_is_no_number_of_a_cue(format: str, speaker: int | None) -> None:
    said = [spoken("How many?", begin=time) for time in (0, 2000)]
    said += [spoken("42", begin=time, speaker_id=speaker) for time in (0, 2000)]
    for found in read_back(format, Transcript(sentences=said).to_format(format)):
        assert found == [(0, 1000, "How many?\n42"), (2000, 3000, "How many?\n42")]


SPACED = [
    "a", "I", "hello", "world,", "Yes.", "really?", "3.5", "don't", "e\u0301te\u0301", "naïve;", "<b>", "a<b",
    "&amp;", "{i}", "-->", "Donaudampfschifffahrtsgesellschaftskapitän", "😀", "👩\u200d👩\u200d👧", "C:\\x", "7", "12",
    "(so)", "“no”", "مرحبا", "안녕하세요",
]  # fmt: skip
UNSPACED = ["你好", "世界。", "今天", "东京", "カー", "ちょっと", "《书》", "很", "好！", "OK", "2024年"]
# Of a word: its text, the pause before it, how long it takes, whether its times are known, who says it.
SPOKEN = st.tuples(
    st.integers(0, 99), st.integers(0, 400), st.sampled_from([0, 1, 20, 300, 400, 5000]), st.integers(0, 9),
    st.sampled_from([None, None, None, 1, "x"]),
)  # fmt: skip


@st.composite
def sentences(draw: st.DrawFn, index: int = 0, begin: int = 0, known: bool = False) -> Sentence:
    """A sentence of words that are all different, so that each can be found again; `known`: all times are, and grow."""
    time, text, words = begin, "", []
    own = draw(st.booleans())
    space, pieces, mark = draw(st.sampled_from([(" ", SPACED, "#"), ("", UNSPACED, "＃")]))
    for number, (which, pause, length, chance, speaker) in enumerate(draw(st.lists(SPOKEN, max_size=15))):
        piece = f"{pieces[which % len(pieces)]}{index}.{number}{mark}"
        gap = space if text else ""
        text += gap + piece
        start = time + pause + known
        time = start + length
        times = (start, time) if known or chance else (None, None)
        # The space may be the word's own, as in what some models send.
        words.append(Word(*times, gap * own + piece, speaker_id=None if known else speaker))
    return Sentence(index, channel_id=index % 2, begin_time=begin, end_time=time, text=text, words=tuple(words))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    found, time = [], 0
    for index in range(draw(st.integers(0, 4))):
        found.append(draw(sentences(index, time)))
        time = max(0, (found[-1].end_time or 0) + draw(st.sampled_from([-3000, -20, 0, 1, 600])))
    return Transcript(sentences=found)


LAYOUTS = st.builds(
    Layout,
    max_chars=st.sampled_from([1, 8, 20, 42]),
    max_lines=st.integers(1, 3),
    max_cps=st.sampled_from([None, 10.0]),
    min_duration=st.sampled_from([0, 1000]),
    max_duration=st.sampled_from([None, 2000, 7000]),
    gap=st.sampled_from([0, 80]),
    speakers=st.booleans(),
)
UNITS = st.sampled_from([1, 10])


@given(transcripts(), LAYOUTS, UNITS)
def test_cues_never_overlap_and_never_go_back(transcript: Transcript, layout: Layout, unit: int) -> None:
    found = cues(transcript, layout, unit)
    assert all(cue.begin_time < cue.end_time for cue in found)
    assert all(a.end_time <= b.begin_time for a, b in pairwise(found))
    assert all(time % unit == 0 for cue in found for time in (cue.begin_time, cue.end_time))


@given(transcripts(), LAYOUTS)
def test_every_word_is_in_one_line_once_and_in_order(transcript: Transcript, layout: Layout) -> None:
    lines = [line for cue in cues(transcript, layout) for line in cue.lines]
    for sentence in transcript.sentences:
        places = []
        for word in sentence.words:
            text = word.text.lstrip()
            (place,) = [number for number, line in enumerate(lines) if text in line.text]
            assert lines[place].text.count(text) == 1
            places.append((place, lines[place].text.index(text)))
        assert places == sorted(places)
    said = sum(len(line.text.replace(" ", "")) for line in lines)
    labels = sum(len(label) - 1 for line in lines for label in re.findall(r"^Speaker \w: ?", line.text))
    assert said - labels * layout.speakers <= sum(len(s.text.replace(" ", "")) for s in transcript.sentences)


@given(transcripts(), LAYOUTS)
def test_lines_are_no_wider_than_allowed_but_for_single_words(transcript: Transcript, layout: Layout) -> None:
    for cue in cues(transcript, layout):
        for line in cue.lines:
            assert columns(line.text) <= layout.max_chars or len(re.findall("[#＃]", line.text)) <= 1


@given(sentences(known=True), LAYOUTS)
def test_cues_have_no_more_lines_than_allowed_where_the_times_are_known(sentence: Sentence, layout: Layout) -> None:
    for cue in cues([sentence], layout):
        assert len(cue.lines) <= layout.max_lines


@given(transcripts())
def test_no_time_is_invented(transcript: Transcript) -> None:
    begins, ends = set(), set()
    for said in [*transcript.sentences, *transcript.words]:
        begins.add(said.begin_time)
        ends.add(said.end_time)
    for cue in cues(transcript):
        assert cue.begin_time in begins
        assert cue.end_time in ends | begins or cue.end_time == cue.begin_time + 1


@given(transcripts(), LAYOUTS, st.sampled_from(["srt", "vtt", "ass"]))
def test_other_readers_find_the_same_cues(transcript: Transcript, layout: Layout, format: str) -> None:
    expected = plain(shown(cues(transcript, layout, SUBTITLES[format].unit)))
    for found in read_back(format, transcript.to_format(format, layout)):
        assert found == expected


@given(transcripts(), LAYOUTS)
def test_tables_have_a_row_for_each_speaker_of_a_cue(transcript: Transcript, layout: Layout) -> None:
    head, *rows = transcript.to_format("tsv", layout).removesuffix("\n").split("\n")
    assert head == "start\tend\tspeaker\ttext"
    assert all(row.count("\t") == 3 for row in rows)
    found = cues(transcript, layout)
    assert {tuple(map(int, row.split("\t")[:2])) for row in rows} == {(cue.begin_time, cue.end_time) for cue in found}
