# Result files: both schemas from their literal samples, malformed ones with the path of what is wrong, and raw JSON.

from __future__ import annotations

import gc
import json
import pickle
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrwire import _sentences, formats
from asrwire._errors import ASRWireError, DecodeError, LimitExceeded, NoTimes, ServiceError
from asrwire._files import FileFailed, FileResult, read, read_result
from asrwire._model import Sentence, Word
from asrwire._timeline import WordTimeline
from asrwire._transcript import Finding, Transcript

SAMPLES = Path(__file__).parent / "samples"
FILETRANS = (SAMPLES / "filetrans_result.json").read_bytes()
FUNASR = (SAMPLES / "funasr_result.json").read_bytes()


def of(*sentences: Any, **entry: Any) -> bytes:
    """A result file of one transcript."""
    return json.dumps({"transcripts": [{"sentences": sentences, **entry}]}).encode()


def only(data: bytes) -> Transcript:
    (transcript,) = read_result(data).transcripts
    return transcript


# == the two samples =================================================================================================


def test_filetrans() -> None:
    result = read_result(FILETRANS)
    assert (result.file_url, result.audio_format, result.sample_rate) == ("https://***.wav", "wav", 16000)
    assert (result.duration, result.channels, result.task_id, result.raw) == (None, (0,), None, None)
    (transcript,) = result.transcripts
    assert tuple(transcript.sentences) == (
        Sentence(
            index=0,
            sentence_id=0,
            channel_id=0,
            begin_time=240,
            end_time=6720,
            text="Senior staff, Principal Doris Jackson, Wakefield faculty, and of course my fellow classmates.",
            words=(Word(240, 1120, "Senior ", ""), Word(1120, 1200, "staff", ",")),
            language="en",
            emotion="happy",
            final=True,
            finality="end_time",
        ),
        Sentence(
            index=1,
            sentence_id=1,
            channel_id=0,
            begin_time=12268,
            end_time=17388,
            text="I am honored to have been chosen to speak before my classmates along with the students across "
            "America today.",
            words=(Word(12268, 12428, "I ", ""), Word(12428, 12508, "am ", "")),
            language="en",
            emotion="neutral",
            final=True,
            finality="end_time",
        ),
    )
    assert transcript.text == (
        "Senior staff, Principal Doris Jackson, Wakefield faculty, and of course my fellow classmates.I am honored to "
        "have been chosen to speak before my classmates along with the students across America today."
    ), "the service's own text, which lacks a space"
    assert transcript.issues == Counter(text_mismatch=1)
    assert (transcript.language, transcript.emotion, transcript.speech_duration) == ("en", None, None)
    assert (transcript.complete, transcript.no_speech, transcript.timed) == (True, False, True)
    assert (transcript.channel_id, transcript.channels) == (0, (0,))
    assert transcript.words.begin.tolist() == [240, 1120, 12268, 12428]
    assert transcript.words.end.tolist() == [1120, 1200, 12428, 12508]
    assert transcript.words.text() == "Senior staff, I am "
    assert [transcript.words.sentence_of(i) for i in range(4)] == [0, 0, 1, 1]
    assert transcript.check() == tuple(Finding("words_text_mismatch", i) for i in (0, 1)), "the sample is abbreviated"
    assert transcript.to_srt() == (
        "1\n00:00:00,240 --> 00:00:06,720\n"
        "Senior staff, Principal Doris Jackson,\nWakefield faculty, and of course my fellow\nclassmates.\n\n"
        "2\n00:00:12,268 --> 00:00:17,388\n"
        "I am honored to have been chosen to speak\nbefore my classmates along with the\n"
        "students across America today.\n"
    ), "three lines: the sample has no times to cut at"


def test_funasr() -> None:
    result = read_result(FUNASR)
    assert result.file_url == (
        "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
    )
    assert (result.audio_format, result.sample_rate, result.duration) == ("pcm_s16le", 16000, 3834)
    assert result.channels == (0,)
    (transcript,) = result.transcripts
    assert tuple(transcript.sentences) == (
        Sentence(
            index=0,
            sentence_id=1,
            channel_id=0,
            begin_time=100,
            end_time=3820,
            text="Hello world, 这里是阿里巴巴语音实验室。",
            words=(Word(100, 596, "Hello ", ""), Word(596, 844, "world", ", ")),
            speaker_id=0,
            final=True,
            finality="end_time",
        ),
    )
    assert transcript.text == "Hello world, 这里是阿里巴巴语音实验室。"
    assert transcript.issues == Counter()
    assert (transcript.language, transcript.speech_duration) == (None, 3720)
    assert transcript.words.text() == "Hello world, "
    assert transcript.to_vtt() == (
        "WEBVTT\n\n00:00:00.100 --> 00:00:03.820\n<v Speaker 0>Hello world, 这里是阿里巴巴语音实验室。\n"
    )


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data * 2)[: len(data)]])
def test_any_bytes(kind: Any) -> None:
    assert read_result(kind(FUNASR)) == read_result(FUNASR)


def test_byte_order_mark() -> None:
    assert read_result(b"\xef\xbb\xbf" + FUNASR) == read_result(FUNASR)
    with pytest.raises(DecodeError) as raised:
        read_result(b"\xef\xbb\xbf[x")
    assert raised.value.offset == 4


# == what files may say ==============================================================================================


def test_channels() -> None:
    entry = {"sentences": [{"begin_time": 0, "end_time": 1, "text": "a", "words": [{"text": "a", "begin_time": 0}]}]}
    result = read_result(json.dumps({"transcripts": [{"channel_id": 1, **entry}, {"channel_id": 0, **entry}]}).encode())
    assert [transcript.channel_id for transcript in result.transcripts] == [1, 0]
    assert result.channels == (1, 0)
    assert [transcript.sentences[0].channel_id for transcript in result.transcripts] == [1, 0]
    assert len(result.transcripts[0].words.channel(1)) == 1
    listed = {"properties": {"channels": [0, 1]}, "transcripts": [entry]}
    assert read_result(json.dumps(listed).encode()).channels == (0, 1)


TIMES = {
    "none": (None, None),
    "-1": (-1, None),
    "-1.0": (-1.0, None),
    "0": (0, 0),
    "integral": (1120.0, 1120),
    "the largest": (2**31 - 1, 2**31 - 1),
}


@pytest.mark.parametrize("name", TIMES)
def test_times(name: str) -> None:
    value, expected = TIMES[name]
    data = of({"begin_time": value, "end_time": value, "words": [{"begin_time": value, "end_time": value}]})
    (sentence,) = only(data).sentences
    assert (sentence.begin_time, sentence.end_time) == (expected, expected)
    assert sentence.words == (Word(expected, expected),)


def test_absent_and_null_are_the_same() -> None:
    absent = only(of({"text": "a", "words": [{}]}, text="a"))
    null = only(
        of(
            {
                **dict.fromkeys(("sentence_id", "begin_time", "end_time", "language", "emotion", "speaker_id")),
                "text": "a",
                "words": [dict.fromkeys(("begin_time", "end_time", "text", "punctuation", "fixed", "speaker_id"))],
            },
            text="a",
            channel_id=None,
            content_duration_in_milliseconds=None,
        )
    )
    assert absent == null
    assert absent.sentences[0] == Sentence(0, text="a", words=(Word(),), final=True)
    assert absent.sentences[0].finality is None, "no sentence_end, no end_time"
    assert not absent.timed
    with pytest.raises(NoTimes):
        absent.to_srt()


@pytest.mark.parametrize("words", [{}, {"words": None}, {"words": []}])
def test_no_words(words: dict[str, Any]) -> None:
    transcript = only(of({"begin_time": 0, "end_time": 10, "text": "a", **words}))
    assert transcript.sentences[0].words == ()
    assert len(transcript.words) == 0
    assert transcript.to_srt() == "1\n00:00:00,000 --> 00:00:00,010\na\n"


@pytest.mark.parametrize("entry", [b'{"text": ""}', b'{"sentences": null}', b'{"sentences": [], "text": ""}'])
def test_no_speech(entry: bytes) -> None:
    transcript = only(b'{"transcripts": [' + entry + b"]}")
    assert (transcript.text, tuple(transcript.sentences), transcript.no_speech) == ("", (), True)
    assert (transcript.complete, transcript.issues, transcript.to_srt()) == (True, Counter(), "")


def test_no_transcripts() -> None:
    for data in (b'{"transcripts": []}', b'{"transcripts": null, "file_url": "u"}'):
        assert read_result(data).transcripts == ()


def test_text_without_sentences_is_text_without_times() -> None:
    transcript = only(b'{"transcripts": [{"text": "Hello."}]}')
    assert (transcript.text, transcript.no_speech, transcript.timed) == ("Hello.", False, False)
    assert transcript.issues == Counter(text_mismatch=1)


def test_text_may_be_called_transcript_and_durations_without_their_unit() -> None:
    transcript = only(of({"text": "a b"}, transcript="a b", content_duration=3720))
    assert (transcript.text, transcript.issues, transcript.speech_duration) == ("a b", Counter(), 3720)
    assert only(of(text="a", transcript="b", content_duration_in_milliseconds=1, content_duration=2)).text == "a"


@pytest.mark.parametrize("text", [{}, {"text": ""}])
def test_without_a_text_of_its_own_a_transcript_joins_its_sentences(text: dict[str, str]) -> None:
    transcript = only(of({"text": "Yes."}, {"text": ""}, {"text": "No."}, **text))
    assert transcript.text == "Yes. No."
    assert transcript.issues == (Counter(text_mismatch=1) if text else Counter())


def test_finality() -> None:
    transcript = only(
        of(
            {"text": "a", "end_time": 5},
            {"text": "b", "end_time": 6, "sentence_end": True},
            {"text": "c", "sentence_end": True},
            {"text": "d", "end_time": -1},
            {"text": "e", "end_time": 7, "sentence_end": None},
        )
    )
    assert [sentence.finality for sentence in transcript.sentences] == [
        "end_time",
        "sentence_end",
        "sentence_end",
        None,
        "end_time",
    ]
    assert all(sentence.final for sentence in transcript.sentences)
    assert (transcript.complete, transcript.incomplete_reason) == (True, None)


def test_a_sentence_that_says_it_is_open_is_believed() -> None:
    transcript = only(of({"text": "a", "end_time": 5}, {"text": "b", "end_time": 6, "sentence_end": False}))
    assert [sentence.final for sentence in transcript.sentences] == [True, False]
    assert (transcript.complete, transcript.incomplete_reason) == (False, "open_sentence")
    assert transcript.incomplete == (transcript.sentences[1],)


def test_speakers() -> None:
    transcript = only(of({"speaker_id": "B", "words": [{"speaker_id": 0}, {"speaker_id": "0"}, {}]}, {"speaker_id": 1}))
    assert [sentence.speaker_id for sentence in transcript.sentences] == ["B", 1]
    assert [word.speaker_id for word in transcript.sentences[0].words] == [0, "0", None]


def test_language_and_emotion_of_the_whole_are_those_of_every_sentence() -> None:
    transcript = only(of({"language": "en", "emotion": "sad"}, {"language": "zh", "emotion": "sad"}))
    assert (transcript.language, transcript.emotion) == (None, "sad")


def test_words_out_of_order_stay_with_their_sentence() -> None:
    later, sooner = {"begin_time": 50, "text": "b"}, {"begin_time": 10, "text": "a"}
    transcript = only(of({"words": [later, sooner]}, {"words": [{"begin_time": 20, "text": "c"}]}))
    assert [[word.text for word in sentence.words] for sentence in transcript.sentences] == [["b", "a"], ["c"]]
    assert [word.text for word in transcript.words] == ["a", "c", "b"]
    assert [transcript.words.sentence_of(i) for i in range(3)] == [0, 1, 0]


def test_unknown_members_are_ignored() -> None:
    data = json.loads(FUNASR)
    data["new"] = data["properties"]["new"] = [1]
    data["transcripts"][0]["new"] = {}
    data["transcripts"][0]["sentences"][0]["new"] = True
    data["transcripts"][0]["sentences"][0]["words"][0]["new"] = None
    assert read_result(json.dumps(data).encode()) == read_result(FUNASR)


@pytest.mark.parametrize(
    ("text", "repaired", "issue"),
    [(rb"a\ud83d", "a\ufffd", "lone_surrogate"), (b"a\xff", "a\ufffd", "invalid_utf8"), (rb"\ud83d\ude00", "😀", None)],
)
def test_repairs_are_counted(text: bytes, repaired: str, issue: str | None) -> None:
    sentence = b'{"text": "%s", "words": [{"text": "%s"}]}' % (text, text)
    result = read_result(b'{"transcripts": [{"text": "%s", "sentences": [%s]}]}' % (text, sentence), keep_raw=True)
    transcript = result.transcripts[0]
    assert (transcript.text, transcript.sentences[0].text, transcript.words[0].text) == (repaired,) * 3
    assert transcript.issues == (Counter() if issue is None else Counter([issue]))
    assert transcript.sentences[0].raw == sentence, "as received"


# == sentences are views =============================================================================================


def test_sentences_are_a_sequence() -> None:
    sentences = only(of({"text": "a"}, {"text": "b"}, {"text": "c"})).sentences
    assert len(sentences) == 3
    assert [sentence.text for sentence in sentences] == ["a", "b", "c"]
    assert (sentences[0].text, sentences[-1].text, sentences[-1].index) == ("a", "c", 2)
    assert [sentence.text for sentence in sentences[1:]] == ["b", "c"]
    assert [sentence.text for sentence in sentences[::-1]] == ["c", "b", "a"]
    assert sentences == tuple(sentences)
    assert tuple(sentences) == sentences
    assert sentences != tuple(sentences)[1:]
    assert sentences[1] in sentences
    for number in (3, -4):
        with pytest.raises(IndexError, match=str(number)):
            sentences[number]
    with pytest.raises(TypeError):
        sentences["0"]  # type: ignore[call-overload]
    assert repr(sentences) == "<3 sentences of a file>"


def test_no_repr_shows_the_query_of_a_url() -> None:
    url = "https://host/a.wav?Expires=1&Signature=SECRET"
    read = read_result(orjson.dumps({"file_url": url, "transcripts": []}))
    failed = FileFailed(file_url=url, message=f"GET {url} refused", error=ServiceError(f"GET {url}"))
    assert (read.file_url, failed.file_url) == (url, url)
    assert repr(read).startswith("FileResult(file_url='https://host/a.wav', audio_format=None, ")
    assert repr(failed).startswith(
        "FileFailed(file_url='https://host/a.wav', code=None, message='GET https://host/a.wa"
    )
    assert "SECRET" not in repr(read) + repr(failed)


def test_texts_keep_their_spacing() -> None:
    transcript = only(of({"text": " a "}, {"text": "b\n"}))
    assert [sentence.text for sentence in transcript.sentences] == [" a ", "b\n"]
    assert transcript.text == " a b\n"


def test_words_share_the_columns_of_the_sentences() -> None:
    transcript = only(FUNASR)
    assert transcript.words._columns is transcript.sentences.columns  # type: ignore[attr-defined]
    assert transcript.words == WordTimeline.from_sentences(tuple(transcript.sentences))


def test_any_bytes_like_will_do() -> None:
    class Bytes(bytes):
        pass

    for kind in (bytes, Bytes, bytearray, memoryview):
        assert read_result(kind(FUNASR)) == read_result(FUNASR)


def test_columns_that_are_not_those_of_sentences_are_refused() -> None:
    sentences: Any = read_result(FUNASR, keep_raw=True).transcripts[0].sentences
    other: Any = only(of(*[{"text": "a", "words": [{"text": "a"}]}] * (len(sentences) + 1))).sentences
    make, arguments, state = sentences.__reduce__()
    columns, labels, timed, channel_id, said, raw, spans = state
    for bad in (
        (columns, (), timed, channel_id, said, raw, spans),
        (columns, labels, timed, channel_id, said[:-1], raw, spans),
        (columns, labels, timed, channel_id, b"\x7f" * len(said), raw, spans),
        (columns, labels, timed, channel_id, said, raw, spans[1:]),
        (other.columns, *state[1:]),
        (WordTimeline.from_sentences([])._columns, *state[1:]),
    ):
        made = make(*arguments)
        with pytest.raises(ValueError, match="not the columns of sentences"):
            made.__setstate__(bad)
        assert (len(made), made.joined()) == (0, "")
    with pytest.raises(AttributeError):
        make(*arguments).joined()  # not sealed
    with pytest.raises(AttributeError):
        sentences.seal(1)


@pytest.mark.parametrize("keep_raw", [False, True])
def test_pickles(keep_raw: bool) -> None:
    for data in (FILETRANS, FUNASR):
        result = read_result(data, keep_raw=keep_raw)
        again = pickle.loads(pickle.dumps(result))
        assert again == result
        assert again.transcripts[0].words == result.transcripts[0].words


def test_a_file_makes_the_transcript_its_sentences_make() -> None:
    transcript = only(FUNASR)
    made = Transcript(sentences=tuple(transcript.sentences), channel_id=0, speech_duration=3720)
    assert transcript == made
    assert transcript.to_dict() == made.to_dict()
    assert transcript.channel(0) is transcript


# == raw =============================================================================================================


def test_raw_is_the_json_as_received() -> None:
    result = read_result(FILETRANS, keep_raw=True)
    assert result.raw == FILETRANS
    raws = [sentence.raw for sentence in result.transcripts[0].sentences]
    start = FILETRANS.index(b'{\n          "sentence_id": 0,')
    stop = FILETRANS.index(b',\n        {\n          "sentence_id": 1,')
    assert raws[0] == FILETRANS[start:stop]
    assert [orjson.loads(raw) for raw in raws if raw] == orjson.loads(FILETRANS)["transcripts"][0]["sentences"]
    assert all(sentence.raw is None for sentence in read_result(FILETRANS).transcripts[0].sentences)


RAW = {
    "brackets and quotes in strings": (
        rb'{"a": "]}[{\"\\", "transcripts": [{"b]": "{", "sentences": [{"text": "\\\"}]"}, {"text": "]"}]}]}',
        [[rb'{"text": "\\\"}]"}', rb'{"text": "]"}']],
    ),
    "escaped keys": (
        rb'{"\u0074ranscripts":[{"sentence\u0073":[{"text":"a"}]}]}',
        [[b'{"text":"a"}']],
    ),
    "of repeated keys the last": (
        b'{"transcripts":[{"text":"x"}],"transcripts":[{"sentences":[{"text":"a"},{}],"sentences":[{"text":"b"}]}]}',
        [[b'{"text":"b"}']],
    ),
    "keys of the same name elsewhere": (
        b'{"x":{"transcripts":[1]},"transcripts":[{"x":{"sentences":[1]},"sentences":[{"sentences":[{}]}],"y":[[]]}]}',
        [[b'{"sentences":[{}]}']],
    ),
    "keys as values": (
        b'{"x":"transcripts","transcripts":[{"text":"sentences","sentences":[{"text":"sentences"}]}]}',
        [[b'{"text":"sentences"}']],
    ),
    "no sentences in some": (
        b'{"transcripts":[{},{"sentences":null},{"sentences":[]},{"sentences":[{ }]}]}',
        [[], [], [], [b"{ }"]],
    ),
    "scalars between": (
        b'\xef\xbb\xbf\n{"a":1.5e-3,"b":true ,"transcripts"\t:\r\n[ {"c":null,"sentences":[ '
        b'{"text":"\xe4\xbd\xa0"} ]} ]}\n',
        [[b'{"text":"\xe4\xbd\xa0"}']],
    ),
    "no transcripts": (b'{"transcripts":null}', []),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_is_found(name: str) -> None:
    data, expected = RAW[name]
    result = read_result(data, keep_raw=True)
    assert [[sentence.raw for sentence in transcript.sentences] for transcript in result.transcripts] == expected
    assert [list(t.sentences) for t in read_result(data).transcripts] == [
        [Sentence(*(None if name == "raw" else getattr(s, name) for name in s.__match_args__)) for s in t.sentences]
        for t in result.transcripts
    ]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('"\\[]{},:a你\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\[]{},:s', max_size=4), inner, max_size=3),
    max_leaves=8,
)


OBJECT = st.dictionaries(st.sampled_from(["x", "y", '"']), JUNK, max_size=3)


@given(st.lists(st.lists(OBJECT, max_size=3), max_size=3), JUNK)
@settings(max_examples=100)
def test_raw_reads_back_as_its_sentence(entries: list[list[dict[str, Any]]], junk: Any) -> None:
    transcripts = [{"junk": junk, "sentences": sentences, "more": junk} for sentences in entries]
    for indent in (None, 2):
        data = json.dumps({"junk": junk, "transcripts": transcripts}, indent=indent, ensure_ascii=indent is None)
        result = read_result(data.encode(), keep_raw=True)
        assert [[json.loads(s.raw or b"") for s in t.sentences] for t in result.transcripts] == entries


# == bad input =======================================================================================================


def broken(*path: str | int, value: Any) -> bytes:
    """The Fun-ASR sample with another value at this path."""
    data = json.loads(FUNASR)
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(data).encode()


WORD = ("transcripts", 0, "sentences", 0, "words", 1)
SENTENCE = WORD[:4]
ENTRY = WORD[:2]
WRONG = [
    (("file_url",), 1, "file_url"),
    (("properties",), [], "properties"),
    (("audio_info",), "wav", "audio_info"),
    (("audio_info",), {"format": 1}, "audio_info.format"),
    (("audio_info",), {"sample_rate": "16000"}, "audio_info.sample_rate"),
    (("properties", "audio_format"), {}, "properties.audio_format"),
    (("properties", "original_sampling_rate"), True, "properties.original_sampling_rate"),
    (("properties", "original_duration_in_milliseconds"), -2, "properties.original_duration_in_milliseconds"),
    (("properties", "channels"), 0, "properties.channels"),
    (("properties", "channels"), [0, "1"], "properties.channels[1]"),
    (("properties", "channels"), [False], "properties.channels[0]"),
    (("transcripts",), {}, "transcripts"),
    (ENTRY, None, "transcripts[0]"),
    (ENTRY, [], "transcripts[0]"),
    ((*ENTRY, "channel_id"), "0", "transcripts[0].channel_id"),
    ((*ENTRY, "channel_id"), True, "transcripts[0].channel_id"),
    ((*ENTRY, "channel_id"), 2**63, "transcripts[0].channel_id"),
    ((*ENTRY, "text"), ["a"], "transcripts[0].text"),
    ((*ENTRY, "transcript"), 5, "transcripts[0].transcript"),
    ((*ENTRY, "content_duration_in_milliseconds"), "1", "transcripts[0].content_duration_in_milliseconds"),
    ((*ENTRY, "sentences"), {}, "transcripts[0].sentences"),
    (SENTENCE, "a", "transcripts[0].sentences[0]"),
    ((*SENTENCE, "begin_time"), "100", "transcripts[0].sentences[0].begin_time"),
    ((*SENTENCE, "end_time"), -2, "transcripts[0].sentences[0].end_time"),
    ((*SENTENCE, "sentence_id"), 1.5, "transcripts[0].sentences[0].sentence_id"),
    ((*SENTENCE, "text"), False, "transcripts[0].sentences[0].text"),
    ((*SENTENCE, "language"), 1, "transcripts[0].sentences[0].language"),
    ((*SENTENCE, "emotion"), [], "transcripts[0].sentences[0].emotion"),
    ((*SENTENCE, "speaker_id"), 0.5, "transcripts[0].sentences[0].speaker_id"),
    ((*SENTENCE, "speaker_id"), True, "transcripts[0].sentences[0].speaker_id"),
    ((*SENTENCE, "sentence_end"), 1, "transcripts[0].sentences[0].sentence_end"),
    ((*SENTENCE, "words"), "a", "transcripts[0].sentences[0].words"),
    (WORD, [1], "transcripts[0].sentences[0].words[1]"),
    ((*WORD, "begin_time"), "1120", "transcripts[0].sentences[0].words[1].begin_time"),
    ((*WORD, "begin_time"), True, "transcripts[0].sentences[0].words[1].begin_time"),
    ((*WORD, "begin_time"), 0.5, "transcripts[0].sentences[0].words[1].begin_time"),
    ((*WORD, "begin_time"), -2, "transcripts[0].sentences[0].words[1].begin_time"),
    ((*WORD, "begin_time"), 2**31, "transcripts[0].sentences[0].words[1].begin_time"),
    ((*WORD, "end_time"), 1e300, "transcripts[0].sentences[0].words[1].end_time"),
    ((*WORD, "end_time"), 10**30, "transcripts[0].sentences[0].words[1].end_time"),
    ((*WORD, "end_time"), [], "transcripts[0].sentences[0].words[1].end_time"),
    ((*WORD, "text"), 1, "transcripts[0].sentences[0].words[1].text"),
    ((*WORD, "punctuation"), {}, "transcripts[0].sentences[0].words[1].punctuation"),
    ((*WORD, "fixed"), "true", "transcripts[0].sentences[0].words[1].fixed"),
    ((*WORD, "speaker_id"), [0], "transcripts[0].sentences[0].words[1].speaker_id"),
]


@pytest.mark.parametrize("keep_raw", [False, True])
@pytest.mark.parametrize(("where", "value", "path"), WRONG, ids=[f"{path}-{value!r}" for _, value, path in WRONG])
def test_wrong_types_are_named(where: tuple[str | int, ...], value: Any, path: str, keep_raw: bool) -> None:
    with pytest.raises(DecodeError) as raised:
        read_result(broken(*where, value=value), keep_raw=keep_raw)
    assert raised.value.path == path
    assert path in str(raised.value)


@pytest.mark.parametrize("data", [b"[]", b"null", b"1", b'"a"', b"true", b'["]["]', b"[1]", b'["transcripts",[{}],3]'])
def test_not_an_object(data: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        read_result(data)
    assert raised.value.path == "$"


def test_not_a_result_file() -> None:
    with pytest.raises(DecodeError) as raised:
        read_result(b'{"file_url": "u"}')
    assert raised.value.path == "transcripts"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        FUNASR[:-3],
        FUNASR + b"{}",
        b'{"transcripts": [NaN]}',
        b'{"transcripts": [{"text": "\n"}]}',
        b'{"transcripts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 5000 + b'"\\ud83d"' + b"}" * 5000,
        FUNASR.decode().encode("utf-16"),
        b"\x00" * 10,
    ],
    ids=range(12),
)
@pytest.mark.parametrize("keep_raw", [False, True])
def test_not_json(data: bytes, keep_raw: bool) -> None:
    with pytest.raises(DecodeError) as raised:
        read_result(data, keep_raw=keep_raw)
    assert raised.value.offset is not None
    assert raised.value.path is None


@pytest.mark.parametrize("wrong", ["{}", None, 1, ["{}"], object()])
def test_not_bytes(wrong: Any) -> None:
    with pytest.raises(TypeError):
        read_result(wrong)


def test_an_error_in_the_place_of_a_file() -> None:
    with pytest.raises(ServiceError) as raised:
        read_result(b'{"request_id":"r-1","code":"InvalidFile.DownloadFailed","message":"The audio file is gone."}')
    assert str(raised.value) == "InvalidFile.DownloadFailed: The audio file is gone."
    assert (raised.value.code, raised.value.request_id) == ("InvalidFile.DownloadFailed", "r-1")
    with pytest.raises(ServiceError, match="try again"):
        read_result(b'{"message":"try again","transcripts":null}')


def test_a_file_with_a_message_beside_its_transcripts_is_a_file() -> None:
    assert read_result(b'{"code": "x", "message": "done", "transcripts": [{"text": "a"}]}').transcripts[0].text == "a"


@given(st.data())
@settings(max_examples=300)
def test_nothing_foreign_escapes(data: st.DataObject) -> None:
    sample = bytearray(data.draw(st.sampled_from([FILETRANS, FUNASR])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sample) - 1))
        other = data.draw(st.binary(max_size=3) | st.sampled_from([b"null", b"[", b"-1", b"\\ud83d"]))
        sample[at : at + data.draw(st.integers(0, 3))] = other
    try:
        result = read_result(bytes(sample), keep_raw=True)
    except ASRWireError:
        return
    for transcript in result.transcripts:
        assert len(transcript.words) == sum(len(sentence.words) for sentence in transcript.sentences)
        transcript.check()
        transcript.to_json()


# == straight from bytes, and through orjson =========================================================================


def outcome(data: bytes, direct: bool, keep_raw: bool = False) -> object:
    """All that a file is read as, down to the bytes of its columns, or its error."""
    try:
        result = read(data, keep_raw, direct)
    except ASRWireError as error:
        return type(error), str(error), getattr(error, "path", None), getattr(error, "offset", None)
    return result, [
        (tuple(t.sentences), list(t.words), t.sentences.columns.__reduce__(), t.sentences.labels)  # type: ignore
        for t in result.transcripts
    ]


def taken(data: bytes) -> bool:
    """Whether the direct reader takes it."""
    return _sentences.read(data) is not None


def item(sentence: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return b'{"transcripts":[{%s"sentences":[%s]%s}]}' % (before, sentence, after)


DIRECT = {
    "filetrans": FILETRANS,
    "funasr": FUNASR,
    "empty sentence": item(b"{}"),
    "empty word": item(b'{"words":[{}]}'),
    "no sentences": b'{"transcripts":[{"sentences":[]},{"sentences":null},{},{"text":"a"},{ }]}',
    "no transcripts": b'{"transcripts":[]}',
    "nulls": item(
        b'{"sentence_id":null,"channel_id":null,"begin_time":null,"end_time":null,"text":null,"words":null,"stash":null,'
        b'"language":null,"emotion":null,"speaker_id":null,"sentence_end":null,"sentence_begin":null,"heartbeat":null}'
    ),
    "nulls in words": item(
        b'{"words":[{"begin_time":null,"end_time":null,"text":null,"punctuation":null,"fixed":null,"speaker_id":null}]}'
    ),
    "times of -1": item(b'{"begin_time":-1,"end_time":-1,"words":[{"begin_time":-1,"end_time":-1,"text":"a"}]}'),
    "the largest time": item(b'{"end_time":2147483647,"words":[{"begin_time":2147483647,"text":"a"}]}'),
    "escapes": item(
        rb'{"text":"\u4f60\ud83d\ude00 \"a\\\/\b\f\n\r\t","words":[{"text":"\u4f60","punctuation":"\ud83d\ude00"},'
        rb'{"text":"\u0022a","punctuation":"\u3002"},{"text":"\u0000"}],"language":"\u0065n"}'
    ),
    "text of two, three, four bytes": item(
        '{"text":"é你😀。","words":[{"text":"é你","punctuation":"😀"},{"text":"。"}]}'.encode()
    ),
    "words before the text": item(b'{"words":[{"text":"a "},{"text":"b","punctuation":"."}],"text":"a b."}'),
    "words that are not in the text": item(b'{"text":"25","words":[{"text":"twenty "},{"text":"five"},{"text":"25"}]}'),
    "words without their spaces": item(
        b'{"text":"go  on, x","words":[{"text":"go"},{"text":"on","punctuation":","},{"text":"x"}]}'
    ),
    "long punctuation": item(b'{"text":"a123456789b","words":[{"text":"a","punctuation":"123456789"},{"text":"b"}]}'),
    "speakers": item(
        b'{"speaker_id":1,"words":[{"speaker_id":0},{"speaker_id":"0"},{"speaker_id":null},'
        b'{"speaker_id":"a long name"},{"speaker_id":-5},{"speaker_id":"\\u0041"},'
        b'{"speaker_id":999999999999999999}]},{"speaker_id":"1"},{}'
    ),
    "more kinds of words than are remembered": item(
        orjson.dumps(
            {
                "words": [
                    {"punctuation": "." * (n % 11), "speaker_id": [None, n % 70, f"s{n % 70}"][n % 3]}
                    for n in range(900)
                ]
            }
        )
    ),
    "fixed": item(b'{"words":[{"fixed":true},{"fixed":false},{"fixed":null},{}]}'),
    "labels": item(
        b'{"language":"en","emotion":"sad","end_time":1},{"language":"zh","emotion":"sad","sentence_end":true},'
        b'{"language":"en","emotion":"sad","end_time":1},{"sentence_end":false},{"sentence_end":true,"end_time":5}'
    ),
    "unknown members": item(
        b'{"new":[1,-2.5,{"a":null},"\\u0041",true],"words":[{"new":{"text":"b"},"text":"a"}],"text":"a"}', b'"x":1.5,'
    ),
    "own text that is the join": item(b'{"text":"Yes."},{"text":""},{"text":"No."}', b'"text":"Yes. No.",'),
    "own text that is not": item(b'{"text":"Yes."},{"text":"No."}', b'"text":"Yes.No.",'),
    "own text after the sentences": item(
        '{"text":"你。"},{"text":"é"}'.encode(), b"", ',"text":"你。é","transcript":"x"'.encode()
    ),
    "own text with escapes": item('{"text":"你"}'.encode(), rb'"text":"\u4f60",'),
    "two names for the text": item(b'{"text":"a"}', b'"transcript":"b","text":"a",'),
    "only the other name": item(b'{"text":"a"}', b'"transcript":"a","text":null,'),
    "channels": b'{"transcripts":[{"channel_id":1,"sentences":[{"words":[{}]}]},{"sentences":[{}],"channel_id":0}]}',
    "words out of order": item(b'{"words":[{"begin_time":5,"text":"b"},{"begin_time":1,"text":"a"},{"text":"c"}]}'),
    "white space": b' {\n"transcripts" :\t[ { "sentences"\r: [ { "words" : [ { "text" : "a" } , { } ] } , { } ] } ] } ',
    "an error beside the sentences": item(b'{"text":"a"}', b'"channel_id":"x",'),
    "an error in the place of a file": b'{"code":"x","message":"y"}',
}

REFUSED = {
    "float times": item(b'{"begin_time":5.0}'),
    "times with exponents": item(b'{"words":[{"begin_time":1e3}]}'),
    "minus zero": item(b'{"begin_time":-0}'),
    "times out of range": item(b'{"words":[{"end_time":2147483648}]}'),
    "negative times": item(b'{"words":[{"end_time":-2}]}'),
    "ids in digits": item(b'{"sentence_id":"7"}'),
    "ids beyond 18 digits": item(b'{"sentence_id":9223372036854775807}'),
    "ids beyond 63 bits": item(b'{"sentence_id":9223372036854775808}'),
    "members twice": item(b'{"text":"a","text":"b"}'),
    "members of words twice": item(b'{"words":[{"text":"a","text":"b"}]}'),
    "words twice": item(b'{"text":"a","words":[{"text":"a"}],"words":[]}'),
    "sentences twice": item(b'{"text":"a"}', b'"sentences":[{"text":"b"}],'),
    "text twice": item(b'{"text":"a"}', b'"text":"a","text":null,"transcript":"b",'),
    "transcripts twice": b'{"transcripts":[{"sentences":[{}]}],"transcripts":[]}',
    "escaped names": item(b'{"\\u0074ext":"a"}'),
    "a stash": item(b'{"stash":{"text":"a"}}'),
    "unknown numbers with exponents": item(b'{"new":1e5}'),
    "bad utf-8": item(b'{"text":"\xff"}'),
    "bad utf-8 in names": item(b'{"\xff":1}'),
    "bad utf-8 in words": item(b'{"words":[{"punctuation":"\xe4\xbd"}]}'),
    "a lone surrogate": item(b'{"text":"\\ud83d"}'),
    "a lone surrogate in a speaker": item(b'{"words":[{"speaker_id":"\\ude00"}]}'),
    "an unknown escape": item(b'{"text":"\\x"}'),
    "a control character": item(b'{"text":"\n"}'),
    "a speaker that is a float": item(b'{"speaker_id":0.5}'),
    "a speaker that is true": item(b'{"words":[{"speaker_id":true}]}'),
    "a sentence that is none": item(b'{"text":"a"},null'),
    "a word that is none": item(b'{"words":[{},[]]}'),
    "words that are none": item(b'{"words":{}}'),
    "sentences that are none": b'{"transcripts":[{"sentences":{}}]}',
    "an item that is none": b'{"transcripts":[null]}',
    "transcripts that are none": b'{"transcripts":{}}',
    "transcripts that are null": b'{"transcripts":null}',
    "wrong types": item(b'{"text":1}'),
    "wrong types of what has no meaning": item(b'{"heartbeat":1}'),
    "a comma too many": item(b'{"text":"a"},'),
    "a comma too few": item(b'{"text":"a"}{}'),
    "a comma too many in words": item(b'{"words":[{},]}'),
    "a colon too few": item(b'{"text" "a"}'),
    "another bracket": item(b'{"words":[{}}}'),
    "words before the text that are no words": item(b'{"words":[{"text":"a"},{]},"text":"a"}'),
    "nothing": b"",
    "an array": b"[]",
    "what follows is not looked at, but orjson does": b'{"transcripts":[',
}  # fmt: skip

LEFT = {  # taken by the direct reader; that the rest is wrong is found by orjson
    "rubbish after it": item(b"{}") + b"x",
    "rubbish before it": item(b"{}", b'"x":[1 2],'),
    "bad utf-8 beside it": item(b'{"text":"a"}', b'"x":"\xff",'),
    "a lone surrogate beside it": item(b'{"text":"a"}', b'"x":"\\ud83d",'),
    "a control character beside it": item(b'{"text":"a"}', b'"x":["\n"],'),
    "a name that is none": item(b'{"text":"a"}', b'"x":{1:2},'),
}


@pytest.mark.parametrize("keep_raw", [False, True])
@pytest.mark.parametrize("name", [*DIRECT, *REFUSED, *LEFT])
def test_both_ways_of_reading_are_one(name: str, keep_raw: bool) -> None:
    data = {**DIRECT, **REFUSED, **LEFT}[name]
    assert taken(data) is (name not in REFUSED)
    assert outcome(data, True, keep_raw) == outcome(data, False, keep_raw)


@pytest.mark.parametrize("name", ["filetrans", "funasr", "escapes", "speakers", "unknown members", "white space"])
def test_every_cut_reads_as_one(name: str) -> None:
    data = DIRECT[name]
    for stop in range(len(data)):
        assert outcome(data[:stop], True) == outcome(data[:stop], False), stop


@pytest.mark.parametrize("name", DIRECT)
def test_every_byte_may_be_another(name: str) -> None:
    data = DIRECT[name]
    for at in range(0, len(data), max(1, len(data) // 150)):
        for byte in b'"\\,x0\xff}':
            other = data[:at] + bytes([byte]) + data[at + 1 :]
            assert outcome(other, True) == outcome(other, False), other


def words_of(transcript: Transcript) -> tuple[bytes, list[tuple[str, str]]]:
    return transcript.words._columns.pool, [(word.text, word.punctuation) for word in transcript.words]


@pytest.mark.parametrize("direct", [True, False])
def test_the_text_is_held_once(direct: bool) -> None:
    (aligned,) = read(DIRECT["words before the text"], direct=direct).transcripts
    assert words_of(aligned) == (b"a b.", [("a ", ""), ("b", ".")])
    (spaced,) = read(DIRECT["words without their spaces"], direct=direct).transcripts
    assert words_of(spaced) == (b"go  on, x", [("go", ""), ("on", ","), ("x", "")])
    (other,) = read(DIRECT["words that are not in the text"], direct=direct).transcripts
    assert words_of(other) == (b"25twenty five", [("twenty ", ""), ("five", ""), ("25", "")])
    (joined,) = read(DIRECT["own text that is the join"], direct=direct).transcripts
    assert words_of(joined) == (b"Yes. No.", [])


@given(st.lists(st.text(st.sampled_from("a .你é，\n\u3000😀 ﾊ"), max_size=3), max_size=6))
def test_the_joined_text_is_that_of_formats(texts: list[str]) -> None:
    expected = formats.join(texts)
    for direct in (True, False):
        (transcript,) = read(of(*({"text": text} for text in texts), text=expected), direct=direct).transcripts
        assert transcript.sentences.joined() == expected  # type: ignore[attr-defined]
        assert (transcript.text, transcript.issues) == (expected, Counter())


def test_memory_held_per_word() -> None:
    def held(data: bytes) -> float:
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            result = read_result(data)
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / len(result.transcripts[0].words)
        finally:
            tracemalloc.stop()

    sentences = []
    for n in range(6000):
        words = [
            {
                "begin_time": at,
                "end_time": at + 240,
                "text": f"word{at % 8000:04} "[i // 24 :],
                "punctuation": "." * (i // 24),
            }
            for i, at in enumerate(range(n * 7200, n * 7200 + 7200, 288))
        ]
        text = "".join(
            f"{word['text'].rstrip() if i == 24 else word['text']}{word['punctuation']}" for i, word in enumerate(words)
        )
        times = {"begin_time": n * 7200, "end_time": n * 7200 + 7200}
        sentences.append({"sentence_id": n, **times, "text": text, "words": words})
    joined = [" ".join(str(said["text"]) for said in sentences), "".join(str(said["text"]) for said in sentences)]
    same, other = (held(orjson.dumps({"transcripts": [{"text": text, "sentences": sentences}]})) for text in joined)
    assert same < 26, "14 of numbers, 9 of text, and the sentences"
    assert other < 36, "a text of its own is held beside the sentences'"


# == the two outcomes of a file ======================================================================================


def test_outcomes_are_values() -> None:
    assert FileResult(file_url="u") == FileResult(file_url="u")
    failed = FileFailed(file_url="u", code="FILE_404_NOT_FOUND", message="gone", task_id="t")
    assert pickle.loads(pickle.dumps(failed)) == failed
    assert failed.error is None


@pytest.mark.parametrize("direct", [True, False])
def test_a_file_of_too_many_transcripts(direct: bool) -> None:
    def file(count: int) -> bytes:
        return b'{"transcripts":[' + b",".join([b"{}"] * count) + b"]}"

    assert len(read(file(1024), direct=direct).transcripts) == 1024
    with pytest.raises(LimitExceeded, match="1024 transcripts"):
        read(file(1025), direct=direct)
