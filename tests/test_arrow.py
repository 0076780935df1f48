# Arrow tables: beside rows made one by one from the objects, through Parquet, and without an object for a word.
#
# Knows: the public values, pyarrow. Must not know: how the columns are held.

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrwire import FileResult, Sentence, Transcript, Usage, Word, WordTimeline, read_result
from asrwire.integrations import arrow
from tests.bytecodes import count as calls

NAMES = (
    *("file", "channel", "sentence", "word", "text", "punctuation", "begin_ms", "end_ms", "speaker", "language"),
    *("emotion", "request_id", "billed_seconds"),
)


def row(transcript: Transcript, file: str | None, s: Sentence, number: int | None, said: Any) -> dict[str, Any]:
    speaker = getattr(said, "speaker_id", None)
    speaker = s.speaker_id if speaker is None else speaker
    values = (
        file, s.channel_id, s.index, number, said.text, getattr(said, "punctuation", ""), said.begin_time,
        said.end_time, None if speaker is None else str(speaker), s.language or transcript.language,
        s.emotion or transcript.emotion, transcript.request_id, transcript.usage and transcript.usage.seconds,
    )  # fmt: skip
    return dict(zip(NAMES, values, strict=True))


def rows(transcript: Transcript, file: str | None = None) -> list[dict[str, Any]]:
    """The table, slowly."""
    found = []
    for s in transcript.sentences:
        found += [row(transcript, file, s, number, word) for number, word in enumerate(s.words)]
        if not s.words and s.text:
            found.append(row(transcript, file, s, None, s))
    return found


def checked(table: pa.Table) -> pa.Table:
    table.validate(full=True)
    assert table.schema.equals(arrow.SCHEMA, check_metadata=True)
    return table


def test_the_schema() -> None:
    coded = "dictionary<values=string, indices=int32, ordered=0>"
    assert [(field.name, str(field.type), field.nullable) for field in arrow.SCHEMA] == [
        ("file", coded, True), ("channel", "int64", False), ("sentence", "int64", False), ("word", "int64", True),
        ("text", "string", False), ("punctuation", coded, False), ("begin_ms", "int32", True),
        ("end_ms", "int32", True), ("speaker", coded, True), ("language", coded, True), ("emotion", coded, True),
        ("request_id", coded, True), ("billed_seconds", "double", True),
    ]  # fmt: skip
    assert arrow.SCHEMA.metadata == {b"asrwire.schema_version": b"1"}


SAID = Transcript(
    sentences=(
        Sentence(0, channel_id=0, begin_time=0, end_time=900, text="Hi, 你好。", language="en", speaker_id=7, words=(
            Word(0, 400, "Hi", ","), Word(500, 900, " 你好", "。", speaker_id="b"),
        )),
        Sentence(1, channel_id=1, begin_time=1000, end_time=None, text="no words 🙂", emotion="happy"),
        Sentence(2, channel_id=0, text=""),
        Sentence(4, channel_id=0, begin_time=2000, text="x", final=False, words=(Word(None, None, "x", ""),)),
    ),
    request_id="r-1", language="zh", usage=Usage(seconds=12),
)  # fmt: skip


def test_a_transcript() -> None:
    table = checked(SAID.to_arrow(file="a.wav"))
    assert table.to_pylist() == [
        dict(zip(NAMES, values, strict=True))
        for values in (
            ("a.wav", 0, 0, 0, "Hi", ",", 0, 400, "7", "en", None, "r-1", 12.0),
            ("a.wav", 0, 0, 1, " 你好", "。", 500, 900, "b", "en", None, "r-1", 12.0),
            ("a.wav", 1, 1, None, "no words 🙂", "", 1000, None, None, "zh", "happy", "r-1", 12.0),
            ("a.wav", 0, 4, 0, "x", "", None, None, None, "zh", None, "r-1", 12.0),
        )
    ] == rows(SAID, "a.wav")


def test_a_timeline() -> None:
    words = WordTimeline.from_sentences(SAID.sentences)
    table = checked(words.to_arrow())
    assert table["text"].to_pylist() == [word.text for word in words]
    assert table["begin_ms"].to_pylist() == [word.begin_time for word in words]
    assert table["speaker"].to_pylist() == [None, "b", None]
    assert table["language"].null_count == table["billed_seconds"].null_count == 3


@pytest.mark.parametrize("made", [Transcript(), Transcript(sentences=(Sentence(0, text=""),))])
def test_nothing(made: Transcript) -> None:
    assert checked(made.to_arrow()).num_rows == 0
    assert checked(made.words.to_arrow()).num_rows == 0
    assert checked(FileResult().to_arrow()).num_rows == 0


def test_lone_surrogates_are_replaced() -> None:
    made = Transcript(sentences=(Sentence(0, text="\ud83d", words=(Word(0, 1, "a\ud83d", "\udc00"),)),))
    assert checked(made.to_arrow())["text"].to_pylist() == ["a\ufffd"]
    assert made.to_arrow()["punctuation"].to_pylist() == ["\ufffd"]


def test_a_file_has_its_channels_and_no_signature(sample: bytes) -> None:
    result = read_result(sample)
    table = checked(result.to_arrow())
    expected = [one for t in result.transcripts for one in rows(t, result.file_url and result.file_url.split("?")[0])]
    assert table.to_pylist() == expected
    assert expected


@pytest.fixture(params=["filetrans_result.json", "funasr_result.json"])
def sample(request: pytest.FixtureRequest) -> bytes:
    return (Path(__file__).parent / "samples" / request.param).read_bytes()


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "words.parquet"
    table = pa.concat_tables([SAID.to_arrow(file="a.wav"), SAID.to_arrow(file="b.wav")])
    pq.write_table(table, path)
    found = pq.read_table(path)
    assert found.schema.equals(arrow.SCHEMA, check_metadata=True)
    assert found.to_pylist() == rows(SAID, "a.wav") + rows(SAID, "b.wav")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
TIMES = st.none() | st.integers(0, 2**31 - 1)
SPEAKERS = st.none() | st.integers(-3, 3) | st.sampled_from(["a", "1"])
WORDS = st.builds(
    Word, TIMES, TIMES, TEXTS, st.sampled_from(["", ",", "。"]), speaker_id=SPEAKERS,
    fixed=st.sampled_from([None, True, False]),
)  # fmt: skip
SENTENCES = st.lists(
    st.builds(
        Sentence, st.integers(0, 9), channel_id=st.integers(0, 2), begin_time=TIMES, end_time=TIMES, text=TEXTS,
        words=st.lists(WORDS, max_size=4).map(tuple), language=st.sampled_from([None, "en", "zh"]),
        emotion=st.sampled_from([None, "sad"]), speaker_id=SPEAKERS,
    ),
    max_size=5,
)  # fmt: skip


@given(SENTENCES, st.sampled_from([None, "fr"]), st.sampled_from([None, "f"]))
def test_it_is_what_the_objects_say(sentences: list[Sentence], language: str | None, file: str | None) -> None:
    made = Transcript(sentences=tuple(sentences), language=language)
    assert checked(made.to_arrow(file=file)).to_pylist() == rows(made, file)


def test_no_python_is_run_for_a_word() -> None:
    def of(count: int) -> Transcript:
        words = tuple(Word(i, i + 1, f"w{i}", "") for i in range(count))
        return Transcript(sentences=(Sentence(0, begin_time=0, text="w", words=words),))

    timelines = of(10).words, of(10_000).words
    calls(lambda: timelines[0].to_arrow())  # pyarrow makes some of its functions when they are first asked for
    assert calls(lambda: timelines[1].to_arrow())[1] == calls(lambda: timelines[0].to_arrow())[1]


def test_times_are_not_copied() -> None:
    words = tuple(Word(i, i + 1, "w", "") for i in range(100))
    made = Transcript(sentences=(Sentence(0, begin_time=0, text="w", words=words),))
    timeline = made.words
    for name, view in (("begin_ms", timeline.begin), ("end_ms", timeline.end)):
        assert timeline.to_arrow()[name].chunk(0).buffers()[1].address == pa.py_buffer(view).address
    table = timeline.to_arrow()
    del made, timeline, view
    gc.collect()
    assert table["begin_ms"].to_pylist() == [*range(100)]


def test_text_that_is_not_utf8_is_refused() -> None:
    make, columns = SAID.words._columns.__reduce__()
    pool = columns[9].replace("你".encode(), b"\xff\xff\xff")
    assert pool != columns[9]
    with pytest.raises(ValueError, match="UTF8"):
        WordTimeline(make(*columns[:9], pool, *columns[10:])).to_arrow()


@pytest.mark.parametrize("made", [Sentence(0, text="a", end_time=2**31), Sentence(0, words=(Word(2**31, 0, "a"),))])
def test_a_time_that_does_not_fit(made: Sentence) -> None:
    with pytest.raises(OverflowError):
        Transcript(sentences=(made,)).to_arrow()


@pytest.mark.parametrize("call", ["to_arrow()", "words.to_arrow()"])
def test_without_pyarrow_it_says_what_to_install(call: str) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import asrwire\n"
        f"try: asrwire.Transcript().{call}\n"
        "except asrwire.ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Arrow tables need pyarrow: pip install 'asrwire[arrow]'\n"
