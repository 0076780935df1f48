# The live sidecar: whole after every update, and when its process is killed.

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrwire import Amended, ConfigError, Final, Incomplete, NoTimes, Partial, ResultStream, Sentence, TextDelta
from asrwire._transcript import FORMATS, Transcript
from asrwire.formats import SUBTITLES, Layout, cues
from asrwire.sidecar import Sidecar
from tests.test_subtitles import LAYOUTS, plain, read_back, sentences, shown, spoken

SAMPLES = Path(__file__).parent / "samples"
ONE = spoken("One is here.")
TWO = spoken("Two has come.", index=1, begin=2000)


def test_subtitles_grow(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("of an earlier run")
    with Sidecar(path) as sidecar:
        assert path.read_text() == ""
        sidecar.take(Partial(ONE))
        sidecar.take(TextDelta("One"))
        assert path.read_text() == ""
        sidecar.take(Final(ONE))
        assert path.read_text() == "1\n00:00:00,000 --> 00:00:01,500\nOne is here.\n"
        sidecar.take(Final(Sentence(5, text="")))
        sidecar.take(Final(TWO))
        assert path.read_text() == (
            "1\n00:00:00,000 --> 00:00:01,500\nOne is here.\n\n2\n00:00:02,000 --> 00:00:03,500\nTwo has come.\n"
        )
        sidecar.take(Amended(spoken("Both are here.", each=1000), (ONE, TWO)))
        assert path.read_text() == "1\n00:00:00,000 --> 00:00:03,000\nBoth are here.\n"
        sidecar.take(Incomplete(spoken("And", index=2, begin=4000), "cut"))
        assert path.read_text().endswith("\n\n2\n00:00:04,000 --> 00:00:04,500\nAnd\n")
    assert os.listdir(tmp_path) == ["talk.srt"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_there_from_the_start(tmp_path: Path, format: str) -> None:
    path = tmp_path / "talk"
    with Sidecar(str(path), format):
        unfinished = Transcript(complete=False, incomplete_reason="open_sentence")
        assert path.read_text() == unfinished.to_format(format)


def test_what_comes_late_is_put_in_its_place_in_a_cue_that_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    said = [
        Sentence(0, begin_time=0, end_time=5000, text="At 0."),
        Sentence(1, begin_time=2000, end_time=3000, text="At 2."),
        Sentence(2, begin_time=0, end_time=1000, text="Late."),
    ]
    with Sidecar(path) as sidecar:
        for sentence in said:
            sidecar.take(Final(sentence))
    assert path.read_text() == "1\n00:00:00,000 --> 00:00:05,000\nAt 0.\nLate.\nAt 2.\n"
    assert path.read_text() == Transcript(sentences=said).to_srt()


def test_json_is_finished_from_the_transcript(tmp_path: Path) -> None:
    path = tmp_path / "talk.JSON"
    with Sidecar(path) as sidecar:
        sidecar.take(Final(ONE))
        assert json.loads(path.read_text())["complete"] is False
        sidecar.finish(Transcript(sentences=[ONE], request_id="r-1"))
    assert json.loads(path.read_text())["request_id"] == "r-1"


def test_one_line_of_ndjson_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "talk.ndjson"
    with Sidecar(path) as sidecar:
        sidecar.take(Final(TWO))
        sidecar.take(Final(ONE))
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1]


@pytest.mark.parametrize("path", ["talk", "talk.doc", ".srt"])
def test_unknown_formats(path: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no format '.*'; there are txt, srt, vtt, ass, tsv, json, ndjson"):
        Sidecar(path)


def test_a_sentence_without_times_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    with Sidecar(path) as sidecar:
        sidecar.take(Final(ONE))
        before = path.read_text()
        with pytest.raises(NoTimes, match="sentence 1 has no begin time"):
            sidecar.take(Final(Sentence(1, text="When?")))
        assert path.read_text() == before
        sidecar.take(Final(TWO))
        assert path.read_text() == Transcript(sentences=[ONE, TWO]).to_vtt()


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    with Sidecar(path) as sidecar:
        path.unlink()
        path.mkdir()
        with pytest.raises(IsADirectoryError):
            sidecar.take(Final(ONE))
    assert os.listdir(tmp_path) == ["talk.txt"]


@pytest.mark.parametrize(
    "sample", ["funasr_realtime_http_stream_two_sentences.sse", "funasr_flash_stream_cumulative_finals.sse"]
)
@pytest.mark.parametrize("format", FORMATS)
def test_live_and_finished_are_the_same(tmp_path: Path, sample: str, format: str) -> None:
    path = tmp_path / f"talk.{format}"
    stream = ResultStream()
    data = (SAMPLES / sample).read_bytes()
    with Sidecar(path) as sidecar:
        for i in range(0, len(data), 100):
            for update in stream.receive_data(data[i : i + 100]):
                sidecar.take(update)
                if format in ("srt", "vtt", "ass"):
                    finals = [sentence for sentence in stream.transcript.sentences if sentence.final]
                    expected = plain(shown(cues(finals, unit=SUBTITLES[format].unit)))
                    assert all(found == expected for found in read_back(format, path.read_text()))
        for update in stream.receive_eof():
            sidecar.take(update)
        live = path.read_text()
        sidecar.finish(stream.transcript)
    assert path.read_text() == stream.transcript.to_format(format)
    assert live == path.read_text() or format == "json"


@st.composite
def said(draw: st.DrawFn) -> list[Final | Amended]:
    """Finals, out of the order of their times now and then, and amendments of some of them."""
    updates: list[Final | Amended] = []
    known: dict[int, Sentence] = {}
    time = 0
    for index in range(draw(st.integers(0, 6))):
        sentence = draw(sentences(index, time))
        time = max(0, (sentence.end_time or 0) + draw(st.sampled_from([-3000, 0, 1, 600])))
        known[index] = sentence
        updates.append(Final(sentence))
        if draw(st.integers(0, 3)) == 0:
            replaced = [known.pop(i) for i in sorted(known)[-draw(st.integers(1, 3)) :]]
            first = replaced[0].index
            known[first] = draw(sentences(first, replaced[0].begin_time or 0))
            updates.append(Amended(known[first], tuple(replaced)))
    return updates


@given(said(), LAYOUTS, st.sampled_from(FORMATS))
def test_after_every_update_it_is_what_the_sentences_make(
    tmp_path_factory: pytest.TempPathFactory, updates: list[Final | Amended], layout: Layout, format: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"talk.{format}"
    table: dict[int, Sentence] = {}
    with Sidecar(path, layout=layout) as sidecar:
        for update in updates:
            for old in update.replaced if isinstance(update, Amended) else ():
                del table[old.index]
            table[update.sentence.index] = update.sentence
            sidecar.take(update)
            transcript = Transcript(
                sentences=[table[i] for i in sorted(table)], complete=False, incomplete_reason="open_sentence"
            )
            assert path.read_text(encoding="utf-8") == transcript.to_format(format, layout)


ENDLESS = """
import itertools, sys
from asrwire import Final, Sentence
from asrwire.sidecar import Sidecar
with Sidecar(sys.argv[1]) as sidecar:
    for i in itertools.count():
        text = "many words " * 500
        sidecar.take(Final(Sentence(i, begin_time=i * 1000, end_time=i * 1000 + 999, text=text)))
        print(i, flush=True)
"""


@pytest.mark.parametrize("format", ["srt", "vtt", "ass"])
def test_killed_at_any_moment_it_is_whole(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"talk.{format}"
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        counts = []
        for _ in range(10):  # while it writes on
            assert child.stdout.readline()
            counts.append(len(read_back(format, path.read_text())[0]))
        child.kill()
        told = 10 + len(child.stdout.read().splitlines())
    found = read_back(format, path.read_text())[0]
    assert counts == sorted(counts)
    assert len(found) >= told
    assert {len(text) for _, _, text in found} == {11 * 500 - 1}
