# JSON in and out of order: every envelope means the same, every wrong type is named by its path, and no malformed
# payload ends in anything but a DecodeError that says where and keeps what came before.

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrwire import _decode
from asrwire._errors import ASRWireError, ContentTypeError, DecodeError, LimitExceeded, ServiceError
from asrwire._limits import Limits
from asrwire._model import Final, Incomplete, Sentence, TextDelta, Usage, Word
from asrwire._stream import ResultStream, Update
from asrwire._transcript import Transcript

Json = dict[str, Any]

FIRST = b'data:{"sentence":{"sentence_id":7,"sentence_end":true,"begin_time":0,"end_time":90,"text":"first"}}\n\n'


def event(value: object) -> bytes:
    return b"data:" + orjson.dumps(value) + b"\n\n"


def read(data: bytes, **options: Any) -> tuple[list[Update], Transcript]:
    stream = ResultStream(**options)
    return stream.receive_data(data) + stream.receive_eof(), stream.transcript


def failing(data: bytes) -> ASRWireError:
    """The error `data` ends in after one good event; what every error must carry is checked here."""
    stream = ResultStream()
    good = stream.receive_data(FIRST)
    assert [type(update) for update in good] == [Final]
    with pytest.raises(ASRWireError) as caught:
        stream.receive_data(data)
    error = caught.value
    assert error.output == []
    assert isinstance(error.partial, Transcript)
    assert [sentence.text for sentence in error.partial.sentences] == ["first"]
    assert not error.partial.complete
    str(error).encode()
    assert len(str(error)) < 2200
    with pytest.raises(type(error)) as again:
        stream.receive_data(FIRST)
    assert str(again.value) == str(error)
    assert stream.receive_eof(error) == []
    assert (stream.transcript.complete, stream.transcript.incomplete_reason) == (False, "error")
    return error


# -- envelopes ---------------------------------------------------------------------------------------------------------

WORD = {"begin_time": 10, "end_time": 400, "text": "你好", "punctuation": "。", "fixed": True, "speaker_id": "B"}
SENTENCE = {
    "sentence_id": 3, "channel_id": 1, "begin_time": 10, "end_time": 400, "text": "你好。", "words": [WORD],
    "language": "zh", "emotion": "happy", "speaker_id": 2, "sentence_end": True,
}  # fmt: skip
OTHER = {**SENTENCE, "text": "not this", "words": []}
USAGE = {"duration": 1}
RESULT = {"sentence": SENTENCE, "text": "你好。"}

ENVELOPES: dict[str, Json] = {
    "doc": {"output": RESULT, "usage": USAGE, "request_id": "r"},
    "public": {"output": {**RESULT, "usage": USAGE, "output": RESULT}, "usage": USAGE, "request_id": "r"},
    "public, inner only": {"output": {"output": RESULT}, "usage": USAGE, "request_id": "r"},
    "public, inner first": {"output": {"sentence": OTHER, "output": RESULT}, "usage": USAGE, "request_id": "r"},
    "public, inner null": {"output": {**RESULT, "output": None}, "usage": USAGE, "request_id": "r"},
    "public, inner empty": {"output": {**RESULT, "output": {}}, "usage": USAGE, "request_id": "r"},
    "workspace": {**RESULT, "request_id": "r", "usage": USAGE, "output": {**RESULT, "request_id": "r"}},
    "top level only": {**RESULT, "request_id": "r", "usage": USAGE},
    "top level, output null": {**RESULT, "request_id": "r", "usage": USAGE, "output": None},
    "top level, output empty": {**RESULT, "request_id": "r", "usage": USAGE, "output": {}},
    "no text beside": {"output": {"sentence": SENTENCE}, "usage": USAGE, "request_id": "r"},
    "sentence as a list": {"output": {"sentence": [SENTENCE], "text": "你好。"}, "usage": USAGE, "request_id": "r"},
    "sentences": {"output": {"sentences": [SENTENCE]}, "usage": USAGE, "request_id": "r"},
    "sentences wins": {"output": {"sentence": OTHER, "sentences": [SENTENCE]}, "usage": USAGE, "request_id": "r"},
    "sentences empty": {"output": {"sentence": SENTENCE, "sentences": []}, "usage": USAGE, "request_id": "r"},
    "sentences null": {"output": {"sentence": SENTENCE, "sentences": None}, "usage": USAGE, "request_id": "r"},
    "usage in output": {"output": {**RESULT, "usage": USAGE}, "request_id": "r"},
    "usage in output.output": {"output": {"output": {**RESULT, "usage": USAGE}}, "request_id": "r"},
    "usage from the top first": {
        "output": {**RESULT, "usage": {"duration": 9}}, "usage": USAGE, "request_id": "r"
    },
    "usage null at the top": {"output": {**RESULT, "usage": USAGE}, "usage": None, "request_id": "r"},
    "request id in output": {"output": {**RESULT, "request_id": "r"}, "usage": USAGE},
    "empty code and message": {
        "status_code": 200, "code": "", "message": "", "output": RESULT, "usage": USAGE, "request_id": "r"
    },
    "code 200": {"code": "200", "message": "OK", "output": RESULT, "usage": USAGE, "request_id": "r"},
    "unknown members": {
        "x": [1, {"y": None}], "output": {**RESULT, "z": {}, "finish": 1}, "usage": USAGE, "request_id": "r"
    },
    "choices beside": {"output": {**RESULT, "choices": []}, "usage": USAGE, "request_id": "r"},
}  # fmt: skip


@pytest.mark.parametrize("name", ENVELOPES)
def test_every_envelope_decodes_to_the_same(name: str) -> None:
    word = Word(10, 400, "你好", "。", True, "B")
    for whole in (False, True):
        data = orjson.dumps(ENVELOPES[name]) if whole else event(ENVELOPES[name])
        updates, transcript = read(data)
        raw = orjson.dumps(ENVELOPES[name])
        sentence = Sentence(
            0, 3, 1, 10, 400, "你好。", (word,), "zh", "happy", 2, True, "sentence_end", 0, raw
        )  # fmt: skip
        assert updates == [Final(sentence, Usage(1, raw=USAGE), 0)]
        assert (transcript.usage, transcript.request_id, transcript.complete) == (Usage(1, raw=USAGE), "r", True)
        assert dict(transcript.issues) == {}


def test_a_websocket_message_is_its_payload() -> None:
    message = {"header": {"task_id": "t", "event": "result-generated", "attributes": {}}, "payload": {"output": RESULT}}
    updates, _ = read(event(message))
    assert [update.sentence.text for update in updates if isinstance(update, Final)] == ["你好。"]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"seconds": 3}, Usage(3)),
        ({"duration": 3.5}, Usage(3.5)),
        ({"seconds": 2, "duration": 5}, Usage(5)),
        ({"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}, Usage(None, 4, None, 5, 9)),
        ({"input_tokens": 4, "output_tokens": 5}, Usage(None, 4, None, 5)),
        ({"prompt_tokens_details": {"audio_tokens": 25}}, Usage(None, None, 25)),
        ({"input_tokens_details": {"audio_tokens": 25, "text_tokens": 0}}, Usage(None, None, 25)),
        ({"seconds": None, "new": [1]}, Usage()),
        ({"seconds": 0}, Usage(0)),
    ],
)
def test_usage_in_either_spelling(usage: Json, expected: Usage) -> None:
    _, transcript = read(event({"output": RESULT, "usage": usage}))
    found = transcript.usage
    assert found is not None
    assert found.raw == usage
    fields = ("seconds", "input_tokens", "audio_tokens", "output_tokens", "total_tokens")
    assert [getattr(found, name) for name in fields] == [getattr(expected, name) for name in fields]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hello", "Hello"), ([{"text": "Hel"}, {"text": "lo"}], "Hello"), (["Hel", "lo"], "Hello"),
        ([{"type": "image"}, {"text": "Hello"}, None], "Hello"), ([{"text": None}, "Hello"], "Hello"),
    ],
)  # fmt: skip
def test_content_is_a_string_or_parts(content: object, text: str) -> None:
    choices = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    for body in (choices, {"output": choices}, {"output": {"output": choices}}):
        updates, transcript = read(event(body))
        assert updates[0] == TextDelta(text, 0)
        assert (transcript.text, transcript.complete, transcript.finish_reason) == (text, True, "stop")


@pytest.mark.parametrize("content", [None, "", [], [{}], [None]])
def test_content_may_be_nothing(content: object) -> None:
    updates, transcript = read(event({"choices": [{"delta": {"content": content}, "finish_reason": "stop"}]}))
    assert (updates, transcript.text, transcript.complete, transcript.no_speech) == ([], "", True, True)


# -- values that are accepted as something -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "time"),
    [(b"0", 0), (b"2.17e3", 2170), (b"170.0", 170), (b"-1", None), (b"-1.0", None), (b"null", None), (b"-0", 0),
     (b"-0.0", 0), (b"2147483647", 2147483647)],
)  # fmt: skip
def test_times_stay_whole_milliseconds(literal: bytes, time: int | None) -> None:
    data = (
        b'data:{"sentence":{"sentence_id":1,"sentence_end":true,"text":"a","begin_time":%b,"words":[{"text":"a",'
        % literal
    )
    updates, _ = read(data + b'"end_time":%b}]}}\n\n' % literal)
    sentence = updates[0].sentence  # type: ignore[union-attr]
    for found in (sentence.begin_time, sentence.words[0].end_time):
        assert found == time
        assert found is None or type(found) is int


@pytest.mark.parametrize(
    ("literal", "identifier"), [(b'"12"', 12), (b'"0"', 0), (b"0", 0), (b"null", None), (b'"007"', 7)]
)
def test_sentence_ids_may_be_spelled_as_strings(literal: bytes, identifier: int | None) -> None:
    updates, _ = read(b'data:{"sentence":{"sentence_id":%b,"sentence_end":true,"text":"a"}}\n\n' % literal)
    assert updates[0].sentence.sentence_id == identifier  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("literal", "text", "issue"),
    [
        (rb'"\ud83d\ude00"', "😀", None),
        (rb'"\ud83d"', "\ufffd", "lone_surrogate"),
        (rb'"a\ude00b"', "a\ufffdb", "lone_surrogate"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀", "lone_surrogate"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd", "lone_surrogate"),
        (rb'"\ud83dx"', "\ufffdx", "lone_surrogate"),
        (rb'"\\ud83d"', r"\ud83d", None),
        (rb'"\\\ud83d"', "\\\ufffd", "lone_surrogate"),
        (rb'"\uD83D\n"', "\ufffd\n", "lone_surrogate"),
        (rb'"\u0000"', "\0", None),
        (b'"\xff"', "\ufffd", "invalid_utf8"),
        (b'"\xe4\xb8"', "\ufffd", "invalid_utf8"),
        (b'"\xc0\x80"', "\ufffd\ufffd", "invalid_utf8"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd", "invalid_utf8"),
        (b'"\xf4\x90\x80\x80"', "\ufffd\ufffd\ufffd\ufffd", "invalid_utf8"),
        (b'"a\x80b"', "a\ufffdb", "invalid_utf8"),
        ('"\u2028\u2029\x85\x7f"'.encode(), "\u2028\u2029\x85\x7f", None),
        (b'"\xef\xbb\xbfa"', "\ufeffa", None),
    ],
)
def test_text_is_always_encodable(literal: bytes, text: str, issue: str | None) -> None:
    data = b'{"sentence":{"sentence_id":1,"sentence_end":true,"text":%b}}' % literal
    for body in (data, b"data:" + data + b"\n\n"):
        updates, transcript = read(body)
        assert [update.sentence.text for update in updates] == [text]  # type: ignore[union-attr]
        assert dict(transcript.issues) == ({issue: 1} if issue else {})
        assert transcript.complete
        transcript.text.encode()
        transcript.to_json()


def test_of_duplicate_keys_the_last_wins() -> None:
    updates, _ = read(
        b'data:{"sentence":{"sentence_id":1,"text":"a","sentence_end":false,"sentence_end":true,"text":"b"}}\n\n'
    )
    assert [(type(update), update.sentence.text) for update in updates] == [(Final, "b")]  # type: ignore[union-attr]


def test_what_is_not_known_is_left_alone_and_kept_in_raw() -> None:
    data = b'{"sentence":{"sentence_id":1,"sentence_end":true,"text":"a","emo_tag":["x"],"vad":{"n":1e400000}}}'
    assert failing(b"data:" + data + b"\n\n").kind == "decode"  # no JSON number, known or not
    data = data.replace(b"1e400000", b"18446744073709551616")
    updates, _ = read(b"data:" + data + b"\n\n")
    assert updates[0].sentence.raw == data  # type: ignore[union-attr]


def test_many_members_and_many_words() -> None:
    words = [{"text": "a", "begin_time": i, "end_time": i + 1, "punctuation": ""} for i in range(100_000)]
    members = {f"k{i}": i for i in range(200_000)}
    sentence = {**members, "sentence_id": 1, "sentence_end": True, "text": "a" * 100_000, "words": words}
    data = event({"sentence": sentence})
    updates, _ = read(data, limits=Limits(event_size=len(data)))
    assert len(updates[0].sentence.words) == 100_000  # type: ignore[union-attr]


# -- wrong types -------------------------------------------------------------------------------------------------------


def at(path: str, value: object) -> Json:
    """A body in which the member at `path`, as DecodeError spells it, is `value`."""
    words = [{"text": "a", "begin_time": 0, "end_time": 1} for _ in range(4)]
    sentence: Json = {"sentence_id": 1, "sentence_end": True, "text": "aaaa", "words": words, "stash": {"text": "b"}}
    note: Json = {"language": "zh"}
    part: Json = {"content": [{"text": "a"}], "annotations": [note]}
    root: Json
    if path.startswith("sentences"):
        root = {"sentences": [{"text": "a"}, sentence]}
    elif path.startswith("choices"):
        key = "delta" if "delta" in path else "message"
        root = {"choices": [{key: part}]}
    elif path in ("text", "finish_reason"):
        root = {"text": "a"}
    elif path.startswith("output"):
        root = {"output": {"sentence": sentence}}
    elif path == "payload":
        root = {"header": {"event": "result-generated"}}
    else:
        root = {"sentence": sentence, "usage": {"prompt_tokens_details": {}, "input_tokens_details": {}}}
    holder: Any = root
    keys = path.replace("[", ".[").split(".")
    for key in keys[:-1]:
        holder = holder[int(key[1:-1])] if key.startswith("[") else holder[key]
    last = keys[-1]
    holder[int(last[1:-1]) if last.startswith("[") else last] = value
    return root


STRING: tuple[object, ...] = (1, 1.5, True, [], {}, ["a"])
OBJECT: tuple[object, ...] = ("a", 1, 0, True, [1], "")
ARRAY: tuple[object, ...] = ("a", 1, True, {}, {"a": 1})
TIME: tuple[object, ...] = ("1", "", 1.5, True, False, [], {}, -5, -2, 2**31, 2**63, 2**64, 1e300, -1.5)
INTEGER: tuple[object, ...] = (1.5, True, [], {}, 2**63, 2**64, 1e300)
BOOLEAN: tuple[object, ...] = ("true", 1, 0, [], {}, "")
NUMBER: tuple[object, ...] = ("1", True, [], {}, -1, -0.5)

WRONG: dict[str, tuple[object, ...]] = {
    "sentences": ("a", 1, True, {}),
    "sentences[1]": ("a", 1, True, None, []),
    "sentences[1].words[2].text": STRING,
    "sentence": ("a", 1, True),
    "sentence.sentence_id": (*INTEGER, "one", "-1", "1.5", "", "١", "9" * 19),
    "sentence.channel_id": (*INTEGER, "0"),
    "sentence.begin_time": TIME,
    "sentence.end_time": TIME,
    "sentence.text": STRING,
    "sentence.words": ARRAY,
    "sentence.words[3]": ("a", 1, True, None, []),
    "sentence.words[3].begin_time": TIME,
    "sentence.words[0].end_time": TIME,
    "sentence.words[3].text": STRING,
    "sentence.words[3].punctuation": STRING,
    "sentence.words[3].fixed": BOOLEAN,
    "sentence.words[3].speaker_id": INTEGER,
    "sentence.language": STRING,
    "sentence.emotion": STRING,
    "sentence.speaker_id": INTEGER,
    "sentence.sentence_end": BOOLEAN,
    "sentence.sentence_begin": BOOLEAN,
    "sentence.heartbeat": BOOLEAN,
    "sentence.stash": OBJECT,
    "sentence.stash.text": STRING,
    "sentence.stash.begin_time": TIME,
    "text": STRING,
    "finish_reason": STRING,
    "output": ("a", 1, True, [1]),
    "output.output": ("a", 1, True, [1]),
    "payload": ("a", 1, True, [1]),
    "usage": OBJECT,
    "usage.seconds": NUMBER,
    "usage.duration": NUMBER,
    "usage.input_tokens": NUMBER,
    "usage.prompt_tokens": NUMBER,
    "usage.output_tokens": NUMBER,
    "usage.completion_tokens": NUMBER,
    "usage.total_tokens": NUMBER,
    "usage.prompt_tokens_details": OBJECT,
    "usage.input_tokens_details": OBJECT,
    "choices": ("a", 1, True, {}),
    "choices[0]": ("a", 1, True, None, []),
    "choices[0].finish_reason": STRING,
    "choices[0].delta": OBJECT,
    "choices[0].message": OBJECT,
    "choices[0].delta.content": (1, 1.5, True, {}),
    "choices[0].message.content": (1, 1.5, True, {}),
    "choices[0].message.content[0].text": STRING,
    "choices[0].delta.annotations": ARRAY,
    "choices[0].delta.annotations[0]": ("a", 1, True, None, []),
    "choices[0].delta.annotations[0].language": STRING,
    "choices[0].delta.annotations[0].emotion": STRING,
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_type_is_named_by_its_path(path: str) -> None:
    for value in WRONG[path]:
        body = at(path, value)
        try:
            payload = orjson.dumps(body)
        except TypeError:  # integers that orjson only reads
            payload = repr(body).replace("'", '"').replace("True", "true").encode()
        error = failing(b"data:" + payload + b"\n\n")
        assert isinstance(error, DecodeError), value
        assert (error.path, error.event) == (path, 2), value
        assert path in str(error)
        assert "event 2" in str(error)
        stream = ResultStream()
        stream.receive_data(payload)
        with pytest.raises(DecodeError) as caught:
            stream.receive_eof()
        assert (caught.value.path, caught.value.output) == (path, [])
        assert caught.value.partial is not None


@pytest.mark.parametrize("path", [path for path in WRONG if not path.endswith("]")])
def test_null_is_as_good_as_absent(path: str) -> None:
    read(event(at(path, None)))


@pytest.mark.parametrize("value", [[], [{}], "text", "", 1, 1.5, True, False, None])
def test_a_body_that_is_no_object(value: object) -> None:
    error = failing(event(value))
    assert (error.kind, error.path, error.event) == ("decode", "$", 2)


@pytest.mark.parametrize(
    "value", [{}, {"output": None}, {"output": {}}, {"output": {"output": None}}, {"x": 1}, {"request_id": "r"},
              {"output": {"sentence": None, "text": None}}, {"sentences": []}, {"usage": None}],
)  # fmt: skip
def test_empty_objects_are_skipped_and_counted(value: Json) -> None:
    updates, transcript = read(event(value) + FIRST)
    assert [type(update) for update in updates] == [Final]
    assert transcript.issues["empty_event"] == 1
    assert transcript.complete


def test_an_event_with_usage_only_is_nothing_unusual() -> None:
    updates, transcript = read(FIRST + event({"usage": {"duration": 4}, "choices": []}))
    assert [type(update) for update in updates] == [Final]
    assert (transcript.usage, dict(transcript.issues)) == (Usage(4, raw={"duration": 4}), {})


# -- malformed JSON ----------------------------------------------------------------------------------------------------

MALFORMED: dict[str, bytes] = {
    "cut": b'{"output":{"sentence":{"text":"a',
    "cut in a literal": b'{"a":tru',
    "trailing comma": b'{"a":1,}',
    "trailing comma in an array": b'{"a":[1,]}',
    "trailing data": b'{"a":1} x',
    "two texts": b'{"a":1}{"a":2}',
    "comment": b'{"a":1 /* b */}',
    "single quotes": b"{'a':1}",
    "no quotes": b"{a:1}",
    "bad escape": rb'{"a":"\x41"}',
    "short escape": rb'{"a":"\u12"}',
    "NaN": b'{"begin_time":NaN}',
    "Infinity": b'{"begin_time":Infinity}',
    "-Infinity": b'{"begin_time":-Infinity}',
    "1e999": b'{"begin_time":1e999}',
    "-1e999": b'{"begin_time":-1e999}',
    "leading zero": b'{"begin_time":01}',
    "plus": b'{"begin_time":+1}',
    "point": b'{"begin_time":1.}',
    "hex": b'{"begin_time":0x10}',
    "raw NUL": b'{"a":"\0"}',
    "raw NUL outside": b'{"a":1}\0',
    "raw tab": b'{"a":"\t"}',
    "BOM": b'\xef\xbb\xbf{"a":1}',
    "half a BOM": b'\xef\xbb{"a":1}',
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep array": b"[" * 100_000 + b"]" * 100_000,
    "open": b"[" * 1_000_000,
    "open objects": b'{"a":' * 200_000,
    "word": b"hello",
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "lone surrogate and cut": rb'{"a":"\ud83d',
    "bad UTF-8 and cut": b'{"a":"\xff',
    "bad UTF-8 outside": b'{"a":1}\xff',
    "colon": b":",
    "done in lower case": b"[done]",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json(name: str) -> None:
    payload = MALFORMED[name]
    error = failing(b"data:" + payload + b"\n\n")
    assert type(error) is DecodeError
    assert error.event == 2
    assert error.offset is not None
    assert 0 <= error.offset <= len(payload)
    assert "event 2" in str(error)


@pytest.mark.parametrize(
    ("payload", "offset"),
    [(b'{"a":1,}', 6), ('{"中文":x}'.encode(), 10), (b'{"a":"\xff",x}', 6), (b'{"a":', 5), (rb'{"a":"\ud83d",x}', 14)],
)
def test_the_offset_is_that_of_the_first_wrong_byte(payload: bytes, offset: int) -> None:
    assert failing(b"data:" + payload + b"\n\n").offset == offset


def test_5001_digits() -> None:
    # A number of any length is JSON; a time it cannot be.
    error = failing(b'data:{"sentence":{"sentence_id":1,"text":"a","begin_time":' + b"9" * 5001 + b"}}\n\n")
    assert type(error) is DecodeError
    assert error.event == 2
    digits = b"1" + b"0" * 300
    error = failing(b'data:{"sentence":{"sentence_id":1,"text":"a","begin_time":' + digits + b"}}\n\n")
    assert (type(error), error.path) == (DecodeError, "sentence.begin_time")


def test_a_body_that_is_broken_but_not_cut() -> None:
    for payload in (b'{"a":1,}', b'{"a":1} x', b'{"a":NaN}', b"[" * 5000 + b"x", b'{"a":"\0"}', b"<html>", b"hello"):
        stream = ResultStream()
        stream.receive_data(payload)
        with pytest.raises(DecodeError) as caught:
            stream.receive_eof()
        assert caught.value.offset is not None
        assert caught.value.output == []
        assert caught.value.partial is not None
        assert stream.transcript.incomplete_reason == "error"


def test_a_body_cut_at_any_byte_is_incomplete() -> None:
    body = orjson.dumps(
        {"output": {"sentence": SENTENCE}, "x": [True, False, None, -1.5e3, '\U0001f600 \\ "'], "usage": USAGE}
    )
    for data in (body, b"\xef\xbb\xbf" + body, b" \r\n" + body):
        for stop in range(len(data)):
            updates, transcript = read(data[:stop])
            assert updates == []
            nothing = not data[:stop].strip() or b"\xef\xbb\xbf".startswith(data[:stop])
            assert transcript.incomplete_reason == ("empty" if nothing else "cut")
        assert read(data)[1].complete


def deep(frames: int, call: Callable[[], None]) -> None:
    if frames:
        deep(frames - 1, call)
    else:
        call()


def test_from_a_caller_900_frames_deep() -> None:
    assert sys.getrecursionlimit() >= 1000

    def call() -> None:
        for payload in MALFORMED.values():
            stream = ResultStream()
            with pytest.raises(DecodeError):
                stream.receive_data(b"data:" + payload + b"\n\n")
        assert read(event(ENVELOPES["public"]))[1].text == "你好。"
        stream = ResultStream()
        stream.receive_data(MALFORMED["deep"])
        with pytest.raises(DecodeError):
            stream.receive_eof()

    depth = len(inspect.stack(0))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        deep(900 - depth, call)
    finally:
        sys.setrecursionlimit(limit)


def test_deeply_nested_stashes_are_no_recursion_error() -> None:
    payload = b'{"sentence":{"text":"a","stash":' + b'{"text":"b","stash":' * 2000 + b"{}" + b"}" * 2002
    stream = ResultStream()
    with pytest.raises(DecodeError):
        stream.receive_data(b"data:" + payload + b"\n\n")  # deeper than any JSON of a service
    payload = b'{"sentence":{"text":"a","stash":' + b'{"text":"b","stash":' * 1000 + b"{}" + b"}" * 1002
    updates, _ = read(b"data:" + payload + b"\n\n")
    assert [update.sentence.text for update in updates[:2]] == ["a", "b"]  # type: ignore[union-attr]


def test_an_error_in_the_middle_of_a_read_keeps_what_came_before_it() -> None:
    stream = ResultStream()
    with pytest.raises(DecodeError) as caught:
        stream.receive_data(FIRST + b"data:{x\n\n" + FIRST)
    assert [type(update) for update in caught.value.output] == [Final]
    assert caught.value.event == 2
    assert [sentence.text for sentence in caught.value.partial.sentences] == ["first"]  # type: ignore[union-attr]
    with pytest.raises(DecodeError) as again:
        stream.receive_data(b"")
    assert again.value.output == []


def test_a_broken_final_is_never_taken_for_whole() -> None:
    stream = ResultStream()
    stream.receive_data(event({"sentence": {"sentence_id": 1, "sentence_end": False, "text": "you can"}}))
    with pytest.raises(DecodeError) as caught:
        stream.receive_data(b'data:{"sentence":{"sentence_id":1,"sentence_end":true,"text":"you cannot\n\n')
    assert caught.value.output == []
    (update,) = stream.receive_eof(caught.value)
    assert isinstance(update, Incomplete)
    assert (update.sentence.text, update.sentence.final, update.reason) == ("you can", False, "error")


def test_a_long_payload_is_not_repeated_in_the_message() -> None:
    assert len(str(failing(b"data:{" + b"x" * 100_000 + b"\n\n"))) < 400
    error = failing(b"event:error\ndata:" + b"y" * 100_000 + b"\n\n")
    assert isinstance(error, ServiceError)


def test_limits_are_named_errors_that_keep_what_came_before() -> None:
    stream = ResultStream(limits=Limits(event_size=200))
    with pytest.raises(LimitExceeded) as caught:
        stream.receive_data(FIRST + b"data:" + b" " * 300)
    assert [type(update) for update in caught.value.output] == [Final]
    assert "event_size" in str(caught.value)
    stream = ResultStream(limits=Limits(event_size=200))
    with pytest.raises(LimitExceeded) as caught:
        stream.receive_data(b"{" + b" " * 300)
    assert (caught.value.output, caught.value.offset) == ([], 200)
    assert caught.value.partial is not None


# -- nothing foreign escapes -------------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ("output", "sentence", "sentences", "text", "words", "choices", "delta", "message", "content", "usage",
             "sentence_id", "sentence_end", "begin_time", "end_time", "stash", "code", "error", "header", "payload",
             "annotations", "finish_reason", "channel_id", "request_id", "sentence_begin")
        ),
        children, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def caught_in(call: Callable[..., object], *arguments: object) -> ASRWireError | None:
    try:
        call(*arguments)
    except ASRWireError as error:
        return error
    return None


def swallow(data: list[bytes], **options: Any) -> None:
    stream = ResultStream(**options)
    first = next(filter(None, (caught_in(stream.receive_data, part) for part in data)), None)
    for error in (first, caught_in(stream.receive_eof, first)):
        if error is not None:
            assert error.output is not None
            assert error.partial is not None
            str(error).encode()
    transcript = stream.transcript
    transcript.to_json()
    transcript.check()
    transcript.text.encode()


@settings(max_examples=400, deadline=None)
@given(st.lists(JSON_VALUES, max_size=3), st.booleans())
def test_any_json_ends_in_a_transcript_or_in_one_of_our_errors(values: list[object], whole: bool) -> None:
    texts = [json.dumps(value).encode() for value in values]
    swallow(texts if whole else [b"data:" + text + b"\n\n" for text in texts])


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.binary(max_size=12) | st.sampled_from((b"data:", b"{", b"}", b"\n", b"\n\n", b"id:1\n", FIRST)), max_size=8
    ),
    st.sampled_from((200, 204, 400, 503)),
    st.sampled_from((None, "text/event-stream", "application/json", "text/html", "")),
)
def test_any_bytes_end_in_a_transcript_or_in_one_of_our_errors(
    data: list[bytes], status: int, content_type: str | None
) -> None:
    swallow(data, http_status=status, content_type=content_type)


@pytest.mark.parametrize("data", ["text", None, 1, ["a"]])
def test_only_bytes_are_fed(data: Any) -> None:
    with pytest.raises(TypeError):
        ResultStream().receive_data(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_is_fed(kind: Callable[[bytes], Any]) -> None:
    for body in (FIRST, orjson.dumps({"sentence": SENTENCE})):
        stream = ResultStream()
        updates = stream.receive_data(kind(body)) + stream.receive_eof()
        assert [type(update) for update in updates] == [Final]


def test_loads_says_what_it_repaired() -> None:
    assert _decode.loads(b'{"a":1}') == ({"a": 1}, None)
    assert _decode.loads(rb'{"a":"\ud800"}') == ({"a": "\ufffd"}, "lone_surrogate")
    assert _decode.loads(bytearray(b'"\xff"')) == ("\ufffd", "invalid_utf8")
    assert _decode.loads(memoryview(b"[1]")) == ([1], None)


# -- what a body is, told from its first bytes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start", [b"id\n", b"event\r\n", b"data\n\n", b"retry\rid: 1\n", b": hi\n\n", b"\n\n", b"\xef\xbb\xbfid:1\n"]
)
def test_a_first_line_without_a_colon_starts_an_event_stream_however_it_is_cut(start: bytes) -> None:
    data = start + FIRST
    for reads in ([data], [data[:1], data[1:]], [data[:3], data[3:]], [bytes([byte]) for byte in data]):
        stream = ResultStream()
        updates = [update for part in reads for update in stream.receive_data(part)] + stream.receive_eof()
        assert [type(update) for update in updates] == [Final]
        assert stream.transcript.complete


def test_neither_an_event_stream_nor_json() -> None:
    stream = ResultStream(content_type="text/html; charset=utf-8")
    with pytest.raises(ContentTypeError) as caught:
        stream.receive_data(b"<html>login</html>")
    assert "text/html" in str(caught.value)
    assert "<html>login" in str(caught.value)
    assert (caught.value.output, caught.value.http_status) == ([], 200)
    assert caught.value.partial is not None
