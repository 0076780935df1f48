# Transcript: text, words, channels, findings, its forms as dict, JSON and subtitles, and being a value.

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re
from collections import Counter

import pytest

from asrwire import formats
from asrwire._errors import ConfigError, DecodeError, NoTimes
from asrwire._model import Sentence, Usage, Word
from asrwire._stream import ResultStream
from asrwire._timeline import WordTimeline
from asrwire._transcript import FORMATS, Finding, Transcript

HELLO = Sentence(
    index=0,
    sentence_id=1,
    channel_id=0,
    begin_time=100,
    end_time=900,
    text="Hello world.",
    words=(Word(100, 500, "Hello ", ""), Word(500, 900, "world", ".", True, 0)),
    language="en",
    emotion="neutral",
    speaker_id=0,
    final=True,
    finality="sentence_end",
    revision=3,
    raw=b"{}",
)
YES = Sentence(1, 1, 1, 300, 400, "Yes.", (Word(300, 400, "Yes", "."),), final=True, finality="sentence_end")
OPEN = Sentence(2, 2, 0, 1000, None, "And", (Word(1000, 1100, "And", ""),))
WHOLE = Transcript(
    sentences=(HELLO, YES),
    language="en",
    usage=Usage(2, 50, 50, None, 60, {"seconds": 2}),
    request_id="r-1",
    issues=Counter(duplicate_final=1),
    model="fun-asr-realtime",
    created=1_700_000_000,
    finish_reason="stop",
)
CUT = Transcript(sentences=[HELLO, YES, OPEN], complete=False, incomplete_reason="cut")


def test_text_is_the_join_of_the_sentences() -> None:
    assert WHOLE.text == "Hello world. Yes."
    assert CUT.text == "Hello world. Yes. And"
    assert Transcript(sentences=[Sentence(0, text="你好。"), Sentence(1), Sentence(2, text="好")]).text == "你好。好"


def test_text_of_the_service_is_kept() -> None:
    assert Transcript(sentences=(HELLO, YES), text="Hello world.Yes.").text == "Hello world.Yes."


def test_an_empty_transcript() -> None:
    empty = Transcript()
    assert (empty.text, empty.sentences, empty.channels, len(empty.words), empty.incomplete) == ("", (), (), 0, ())
    assert (empty.complete, empty.incomplete_reason, empty.no_speech, empty.timed) == (True, None, False, True)
    assert (empty.to_srt(), empty.to_vtt(), empty.check()) == ("", "WEBVTT\n", ())


def test_words_are_a_timeline_made_once() -> None:
    assert WHOLE.words == WordTimeline.from_sentences([HELLO, YES])
    assert [word.text for word in WHOLE.words] == ["Hello ", "Yes", "world"]
    assert [WHOLE.words.sentence_of(i) for i in range(3)] == [0, 1, 0]
    assert WHOLE.words is WHOLE.words


def test_sentences_become_a_tuple_and_issues_a_copy() -> None:
    issues = Counter(late_partial=1)
    transcript = Transcript(sentences=[HELLO], issues=issues)
    issues["late_partial"] += 1
    assert transcript.sentences == (HELLO,)
    assert transcript.issues == Counter(late_partial=1)
    assert transcript.issues["never_seen"] == 0


def test_texts_are_joined_once_and_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    joins = []
    join = formats.join
    monkeypatch.setattr(formats, "join", lambda texts: joins.append(1) or join(texts))
    stream = ResultStream()
    stream.receive_data(b'data:{"sentence":{"sentence_id":1,"sentence_end":true,"text":"a"}}\n\n')
    transcript = stream.transcript
    assert (transcript.request_id, joins) == (None, [])
    assert (transcript.text, transcript.text, len(joins)) == ("a", "a", 1)
    assert transcript.channels is transcript.channels
    assert not hasattr(transcript, "nothing")


def test_incomplete() -> None:
    assert WHOLE.incomplete == ()
    assert CUT.incomplete == (OPEN,)
    assert (CUT.complete, CUT.incomplete_reason) == (False, "cut")


def test_channels() -> None:
    assert (WHOLE.channel_id, WHOLE.channels) == (None, (0, 1))
    one = WHOLE.channel(1)
    assert (one.channel_id, one.channels, one.sentences, one.text) == (1, (1,), (YES,), "Yes.")
    assert [word.text for word in one.words] == ["Yes"]
    assert (one.usage, one.request_id, one.model) == (WHOLE.usage, "r-1", "fun-asr-realtime")
    assert one.channel(1) is one
    assert not one.no_speech


def test_a_channel_nobody_spoke_on() -> None:
    silent = WHOLE.channel(5)
    assert (silent.channel_id, silent.sentences, silent.text, silent.no_speech) == (5, (), "", True)
    assert CUT.channel(5).no_speech is False, "who knows what would have come"
    assert CUT.channel(0).incomplete_reason == "cut"


# == check ===========================================================================================================


def timed(*words: tuple[int | None, int | None], begin: int | None = 0, end: int | None = 1000) -> Sentence:
    spoken = tuple(Word(*times, "a") for times in words)
    return Sentence(7, begin_time=begin, end_time=end, text="a" * len(words), words=spoken)


CHECK = {
    "all is well": (timed((0, 10), (10, 20), (30, 40)), []),
    "unknown times are no fault": (timed((None, None), (5, None), (None, 20), (20, 30), begin=None, end=None), []),
    "a begin goes back": (timed((50, 60), (40, 70)), [("times_back", 1, 10)]),
    "an end before its begin": (timed((50, 45), (60, 70)), [("times_back", 0, 5)]),
    "a sentence ends before it begins": (timed(begin=100, end=90), [("times_back", None, 10)]),
    "an overlap of 20 ms is borne": (timed((0, 40), (20, 60)), []),
    "an overlap of 21 ms": (timed((0, 41), (20, 60)), [("overlap", 1, 21)]),
    "an overlap over a word without times": (timed((0, 50), (None, None), (20, 60)), [("overlap", 2, 30)]),
    "no length": (timed((0, 10), (10, 10)), [("zero_length", 1, 0)]),
    "begins before its sentence": (timed((5, 10), begin=8), [("word_outside_sentence", 0, 3)]),
    "ends after its sentence": (timed((5, 10), end=9), [("word_outside_sentence", 0, 1)]),
}


@pytest.mark.parametrize("name", CHECK)
def test_check_times(name: str) -> None:
    sentence, expected = CHECK[name]
    before = copy.copy(sentence)
    found = Transcript(sentences=[sentence]).check()
    assert found == tuple(Finding(kind, 7, word, ms) for kind, word, ms in expected)
    assert sentence == before


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("Hello world.", [("Hello ", ""), ("world", ".")], []),
        ("Hello world.", [("Hello", ""), ("world", ".")], []),
        ("Hello, world", [("Hello", ","), (" world", "")], []),
        ("你好世界。", [("你好", ""), ("世界", "。")], []),
        ("好的", [("好", "好"), ("的", "")], []),
        ("Hello world.", [], []),
        ("Hello world, and more", [("Hello ", ""), ("world", ",")], [None]),
        ("Hello world.", [("Hello ", ""), ("world", "")], [None]),
        ("It is 20 now", [("It", ""), ("is", ""), ("twenty", ""), ("now", "")], [2]),
        ("", [("Hello", "")], [0]),
    ],
)
def test_check_words_against_text(text: str, words: list[tuple[str, str]], expected: list[int | None]) -> None:
    sentence = Sentence(3, text=text, words=tuple(Word(None, None, *word) for word in words))
    assert Transcript(sentences=[sentence]).check() == tuple(
        Finding("words_text_mismatch", 3, number) for number in expected
    )


def test_check_follows_each_channel_through_its_sentences() -> None:
    sentences = [
        Sentence(0, channel_id=0, text="a", words=(Word(0, 100, "a"),)),
        Sentence(1, channel_id=1, text="b", words=(Word(10, 90, "b"),)),
        Sentence(2, channel_id=0, text="c", words=(Word(50, 120, "c"),)),
        Sentence(3, channel_id=1, text="d", words=(Word(5, 20, "d"),)),
    ]
    assert Transcript(sentences=sentences).check() == (Finding("overlap", 2, 0, 50), Finding("times_back", 3, 0, 5))


def test_check_takes_a_sentence_without_words_for_one() -> None:
    sentences = [
        Sentence(0, begin_time=0, end_time=100, text="a"),
        Sentence(1, begin_time=50, end_time=200, text="b"),
        Sentence(2, begin_time=40, end_time=40, text="c"),
        Sentence(3, begin_time=40, end_time=30, text="d"),
        Sentence(4, begin_time=0, end_time=0),
    ]
    assert Transcript(sentences=sentences).check() == (
        Finding("overlap", 1, None, 50), Finding("times_back", 2, None, 10), Finding("zero_length", 2, None, 0),
        Finding("times_back", 3, None, 10),
    )  # fmt: skip


def test_findings_say_what_they_are_about() -> None:
    words = (Word(50, 100, "a"), Word(40, 40, "b"), Word(60, 130, "c"), Word(None, None, "d"))
    sentence = Sentence(7, begin_time=0, end_time=120, text="a b c", words=words)
    found = Transcript(sentences=[sentence, Sentence(8, begin_time=90, end_time=140, text="e")]).check()
    assert [finding.message for finding in found] == [
        "word 1 of sentence 7 (40 to 40 ms) goes back in time by 10 ms",
        "word 1 of sentence 7 (40 to 40 ms) ends where it begins",
        "word 2 of sentence 7 (60 to 130 ms) is 10 ms outside its sentence",
        "word 3 of sentence 7 (? to ? ms) has no place in the text",
        "sentence 8 (90 to 140 ms) begins 40 ms before what comes before it has ended",
    ]
    assert dataclasses.asdict(found[0]) == {
        "kind": "times_back", "sentence": 7, "word": 1, "ms": 10, "begin_time": 40, "end_time": 40,
    }  # fmt: skip
    (whole,) = Transcript(sentences=[Sentence(3, text="a b", words=(Word(text="a"),))]).check()
    assert whole.message == "sentence 3 (? to ? ms) has text that is in no word"


# == forms ===========================================================================================================


def test_subtitles() -> None:
    assert WHOLE.to_srt() == (
        "1\n00:00:00,100 --> 00:00:00,900\nHello world.\nYes.\n"
    ), "Yes is said within Hello world"
    assert WHOLE.to_vtt() == (
        "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\n<v Speaker 0>Hello world.</v>\nYes.\n"
    )
    assert CUT.to_srt().endswith("\n00:00:01,000 --> 00:00:01,100\nAnd\n")


def test_no_times_are_invented() -> None:
    texts_only = Transcript(sentences=(HELLO,), timed=False)
    for write in (texts_only.to_srt, texts_only.to_vtt):
        with pytest.raises(NoTimes):
            write()
    with pytest.raises(NoTimes, match="sentence 5"):
        Transcript(sentences=[Sentence(5, text="a")]).to_srt()


def test_to_dict() -> None:
    assert WHOLE.to_dict() == {
        "version": 1,
        "text": "Hello world. Yes.",
        "language": "en",
        "emotion": None,
        "request_id": "r-1",
        "model": "fun-asr-realtime",
        "created": 1_700_000_000,
        "complete": True,
        "incomplete_reason": None,
        "finish_reason": "stop",
        "no_speech": False,
        "timed": True,
        "channel_id": None,
        "channels": [0, 1],
        "speech_duration": None,
        "usage": {"seconds": 2, "input_tokens": 50, "audio_tokens": 50, "output_tokens": None, "total_tokens": 60},
        "issues": {"duplicate_final": 1},
        "sentences": [
            {
                "index": 0,
                "sentence_id": 1,
                "channel_id": 0,
                "begin_time": 100,
                "end_time": 900,
                "text": "Hello world.",
                "words": [
                    {
                        "begin_time": 100,
                        "end_time": 500,
                        "text": "Hello ",
                        "punctuation": "",
                        "fixed": None,
                        "speaker_id": None,
                    },
                    {
                        "begin_time": 500,
                        "end_time": 900,
                        "text": "world",
                        "punctuation": ".",
                        "fixed": True,
                        "speaker_id": 0,
                    },
                ],
                "language": "en",
                "emotion": "neutral",
                "speaker_id": 0,
                "final": True,
                "finality": "sentence_end",
                "revision": 3,
            },
            {
                "index": 1,
                "sentence_id": 1,
                "channel_id": 1,
                "begin_time": 300,
                "end_time": 400,
                "text": "Yes.",
                "words": [
                    {
                        "begin_time": 300,
                        "end_time": 400,
                        "text": "Yes",
                        "punctuation": ".",
                        "fixed": None,
                        "speaker_id": None,
                    }
                ],
                "language": None,
                "emotion": None,
                "speaker_id": None,
                "final": True,
                "finality": "sentence_end",
                "revision": 0,
            },
        ],
    }


def test_every_attribute_is_in_the_dict() -> None:
    names = {field.name for field in dataclasses.fields(Transcript) if not field.name.startswith("_")}
    assert set(WHOLE.to_dict()) == names | {"version"}


@pytest.mark.parametrize("transcript", [WHOLE, CUT, Transcript()])
def test_to_json(transcript: Transcript) -> None:
    assert json.loads(transcript.to_json()) == transcript.to_dict()
    assert "\n" not in transcript.to_json()


def test_json_is_text_as_it_is() -> None:
    assert '"你好"' in Transcript(sentences=[Sentence(0, text="你好")]).to_json()


def test_to_format() -> None:
    assert FORMATS == ("txt", "srt", "vtt", "ass", "tsv", "json", "ndjson")
    assert WHOLE.to_format("txt") == "Hello world. Yes.\n"
    assert WHOLE.to_format("srt") == WHOLE.to_srt()
    assert WHOLE.to_format("json") == WHOLE.to_json() + "\n"
    lines = WHOLE.to_format("ndjson").splitlines()
    assert [json.loads(line) for line in lines] == WHOLE.to_dict()["sentences"]
    with pytest.raises(ConfigError, match="there is no format 'doc'; there are txt, srt, vtt, ass, tsv, json, ndjson"):
        WHOLE.to_format("doc")


def test_a_layout_is_for_all_subtitles() -> None:
    one = Transcript(sentences=[Sentence(0, begin_time=0, end_time=900, text="one two")])
    assert one.to_srt(formats.Layout(max_chars=3)) == "1\n00:00:00,000 --> 00:00:00,900\none\ntwo\n"
    assert one.to_vtt(formats.Layout(max_chars=3)) == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\none\ntwo\n"


@pytest.mark.parametrize(
    "transcript", [WHOLE, CUT, Transcript(), WHOLE.channel(5), Transcript(text="own", timed=False)]
)
def test_from_json(transcript: Transcript) -> None:
    for data in (transcript.to_json(), transcript.to_json().encode()):
        again = Transcript.from_json(data)
        assert again.to_dict() == transcript.to_dict()
        assert again.words == transcript.words
        assert [sentence.raw for sentence in again.sentences] == [None] * len(transcript.sentences)
    assert type(again.issues) is Counter


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ("[]", "$", "$ is an array, must be an object"),
        ("{}", "version", "version must be 1"),
        ('{"version":2}', "version", "version must be 1"),
        ('{"version":1,"text":1}', "text", "text is a number, must be a string"),
        ('{"version":1,"timed":0}', "timed", "timed is a number, must be true or false"),
        ('{"version":1,"channels":[0,"1"]}', "channels.1", "channels.1 is a string, must be an integer"),
        ('{"version":1,"issues":[]}', "issues", "issues is an array, must be an object"),
        ('{"version":1,"issues":{"a":"b"}}', "issues.a", "issues.a is a string, must be an integer"),
        ('{"version":1,"usage":{"seconds":-1}}', "usage.seconds", "usage.seconds is a number, must be"),
        ('{"version":1,"sentences":{}}', "sentences", "sentences is an object, must be an array"),
        ('{"version":1,"sentences":[0]}', "sentences[0]", "sentences[0] is a number, must be an object"),
        ('{"version":1,"sentences":[{"index":"0"}]}', "sentences[0].index", "sentences[0].index is a string, must be"),
        (
            '{"version":1,"sentences":[{"words":[{"begin_time":"0"}]}]}', "sentences[0].words[0].begin_time",
            "sentences[0].words[0].begin_time is a string, must be a whole number of milliseconds",
        ),
    ],
)  # fmt: skip
def test_from_json_refuses_what_to_json_does_not_make(data: str, path: str, message: str) -> None:
    with pytest.raises(DecodeError, match=re.escape(message)) as caught:
        Transcript.from_json(data)
    assert caught.value.path == path


def test_from_json_says_where_it_is_no_json() -> None:
    with pytest.raises(DecodeError) as caught:
        Transcript.from_json(b'{"version":1,')
    assert caught.value.offset == 13


# == value ===========================================================================================================


def test_value() -> None:
    for transcript in (WHOLE, CUT, Transcript()):
        assert len(transcript.words) >= 0  # cached or not makes no difference
        again = pickle.loads(pickle.dumps(transcript))
        assert again == transcript == copy.deepcopy(transcript)
        assert again.words == transcript.words
    assert WHOLE != CUT
    assert dataclasses.replace(WHOLE, request_id="r-2") != WHOLE
    assert dataclasses.replace(WHOLE, request_id="r-1") == WHOLE
    assert len(dataclasses.replace(WHOLE, sentences=(YES,)).words) == 1


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WHOLE.text = ""  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        WHOLE.new = 1  # type: ignore[attr-defined]


def test_keywords_only() -> None:
    with pytest.raises(TypeError):
        Transcript((HELLO,))  # type: ignore[misc]


def test_repr_counts() -> None:
    assert repr(WHOLE) == "<Transcript of 2 sentences, 3 words, 17 characters; complete>"
    assert repr(CUT) == "<Transcript of 3 sentences, 4 words, 21 characters; incomplete: cut>"
