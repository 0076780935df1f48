# The direct reader of ordinary events: which events it takes, that it leaves all others to the readable path, and that
# nobody can tell from the outside which of the two took one. tests/fuzz goes on from here with a million mutants.

from __future__ import annotations

import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from asrwire import _direct
from asrwire._assembler import Assembler, Update
from asrwire._direct import DirectParser
from asrwire._errors import ASRWireError, Closed
from asrwire._model import Final, Partial, Sentence, Usage, Word
from asrwire._sse import ServerSentEvent
from asrwire._stream import ResultStream
from asrwire._transcript import Transcript
from benchmarks.corpus import fun_asr
from tests.streams import make, random_plan

WORD = {"begin_time": 10, "end_time": 200, "text": "Hello", "punctuation": ",", "fixed": True, "speaker_id": None}


def said(text: str = "Hello,", *, envelope: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """One event's value. A change to `...` takes the member away."""
    sentence: dict[str, Any] = {
        "sentence_id": 2, "begin_time": 2000, "end_time": None, "text": text, "channel_id": 0, "speaker_id": None,
        "sentence_end": False, "words": [WORD],
    }  # fmt: skip
    sentence = {key: value for key, value in {**sentence, **changes}.items() if value is not ...}
    return {"output": {"sentence": sentence, "text": text}, "request_id": "r-1", **(envelope or {})}


def wire(value: object, fields: str = "") -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"{fields}data:{text}\n\n".encode()


# The stream's first event is never ordinary: it names the request and the channel. It ends sentence 1 at 1000 ms.
FIRST = wire(said("One.", sentence_id=1, begin_time=100, end_time=1000, sentence_end=True))


class Taken:
    """A parser whose readable path is this, and counts."""

    def __init__(self, partials: bool = True) -> None:
        self.stream = ResultStream(partials)
        self.stream.receive_data(FIRST)
        self.slow = 0
        self.updates: list[Update] = []
        self.parser = DirectParser()
        self.parser.keep(self.stream._sentences)

    def take(self, data: bytes) -> bool:
        """Whether all of it was read directly."""
        before = self.slow
        self.parser.take(data, self.updates, self.count)
        return self.slow == before

    def count(self, event: ServerSentEvent, updates: list[Update]) -> bool:
        self.slow += 1
        return True


ORDINARY: dict[str, Any] = {
    "a partial": said(),
    "no words": said(words=[]),
    "words null": said(words=None),
    "words absent": said(words=...),
    "no channel": said(channel_id=...),
    "channel null": said(channel_id=None),
    "no end": said(end_time=...),
    "end -1": said(end_time=-1),
    "a speaker": said(speaker_id=3),
    "a speaker by name": said(speaker_id="anna"),
    "language and emotion": said(language="zh", emotion="neutral"),
    "begun, no text yet": said("", sentence_begin=True, words=[]),
    "not a heartbeat": said(heartbeat=False),
    "no stash": said(stash=None),
    "unknown members": said(extra={"sentence_end": True, "words": [1, {"a": [None, "x\\\"]"]}]}, other=1.5),
    "usage null": said(envelope={"usage": None}),
    "usage": said(envelope={"usage": {"duration": 4}}),
    "usage of many counts": said(envelope={"usage": {"seconds": 4, "input_tokens": 3, "output_tokens": 2}}),
    "code and message that say nothing": said(envelope={"code": "", "message": None}),
    "a copy beside output": said(envelope={"sentence": {"text": "x"}, "text": "x", "status_code": 200}),
    "escapes": '{"output":{"sentence":{"sentence_id":2,"begin_time":2000,"text":"\\u4f60\\ud83d\\ude00\\n",'
               '"sentence_end":false}},"request_id":"r-1"}',
    "white space": ' { "output" : { "sentence" : { "sentence_id" : 2 , "begin_time" : 2000 , "text" : "a" , '
                   '"sentence_end" : false , "words" : [ ] } } , "request_id" : "r-1" } ',
    "no request id": '{"output":{"sentence":{"sentence_id":2,"begin_time":2000,"text":"a","sentence_end":false}}}',
    "a final": said("Hello.", sentence_end=True, end_time=3000),
    "a final of a time of none": said("Hello.", sentence_end=True, end_time=-1),
    "a final with another running text": said("Hello.", sentence_end=True, envelope={"usage": {"seconds": 9}}),
    "a word of nothing": said(words=[{}]),
    "words of nulls": said(words=[dict.fromkeys(WORD)]),
    "a word with a speaker": said(words=[{**WORD, "speaker_id": "b"}, {**WORD, "speaker_id": 1}]),
    "a word with more": said(words=[{**WORD, "confidence": 0.5, "phonemes": [["a", 1]]}]),
}  # fmt: skip

# Changes to the ordinary partial, or whole payloads, that are for the readable path.
UNUSUAL: dict[str, Any] = {
    "no sentence_end": said(sentence_end=...),
    "sentence_end null": said(sentence_end=None),
    "no id": said(sentence_id=...),
    "id null": said(sentence_id=None),
    "an id in a string": said(sentence_id="2"),
    "an id that is no successor": said(sentence_id=4),
    "an id that is final": said(sentence_id=1),
    "an id below 0": said(sentence_id=-2),
    "another channel": said(channel_id=1),
    "no begin": said(begin_time=...),
    "begin null": said(begin_time=None),
    "begin as a float": said(begin_time=2000.0),
    "begin too large": said(begin_time=2**31),
    "the begin of a final": said(begin_time=100),
    "a begin before a final": said(begin_time=50),
    "text that is no string": said(text=None) | {"output": {"sentence": {**said()["output"]["sentence"], "text": 1}}},
    "nothing said": said("", words=[]),
    "nothing said, with white space": json.dumps(said("", words=[])).replace("[]", "[ \t]"),
    "a final of nothing": said("", sentence_end=True),
    "a heartbeat": said(heartbeat=True),
    "a stash": said(stash={"sentence_id": 3, "text": "b"}),
    "words in an object": said(words={"0": WORD}),
    "a word that is none": said(words=[1]),
    "a word's text is no string": said(words=[{**WORD, "text": 1}]),
    "a word's time is a float": said(words=[{**WORD, "end_time": 200.0}]),
    "a word's time is below 0": said(words=[{**WORD, "end_time": -7}]),
    "fixed is a number": said(words=[{**WORD, "fixed": 1}]),
    "another request": said(envelope={"request_id": "r-2"}),
    "a code": said(envelope={"code": "Throttling"}),
    "a message": said(envelope={"message": "no"}),
    "an error": said(envelope={"error": {"message": "no"}}),
    "a header": said(envelope={"header": {}}),
    "a model": said(envelope={"model": "m"}),
    "usage of a wrong type": said(envelope={"usage": 4}),
    "usage that does not count": said(envelope={"usage": {"duration": "4"}}),
    "usage inside output": said() | {"output": {**said()["output"], "usage": {"duration": 1}}},
    "output inside output": said() | {"output": {**said()["output"], "output": said()["output"]}},
    "sentences": said() | {"output": {**said()["output"], "sentences": []}},
    "text beside that is no string": said() | {"output": {**said()["output"], "text": 1}},
    "a list of sentences": said() | {"output": {"sentence": [said()["output"]["sentence"]]}},
    "output null": said() | {"output": None},
    "an id of another kind": said(envelope={"object": "chat.completion.chunk", "id": "c-1"}),
    "no object": [1],
    "two values": json.dumps(said()) + " 1",
    "no JSON": json.dumps(said())[:-1],
    "a repeated member": json.dumps(said()).replace('"sentence_id"', '"sentence_end": true, "sentence_id"'),
    "a repeated output": json.dumps(said())[:-1] + ', "output": {}}',
    "an escaped name": json.dumps(said()).replace('"sentence_end"', '"sentence\\u005fend"'),
    "an escaped name of a word": json.dumps(said()).replace('"fixed"', '"fi\\u0078ed"'),
    "a repeated member of a word": json.dumps(said()).replace('"fixed"', '"text": "b", "fixed"'),
    "a lone surrogate": json.dumps(said()).replace("Hello", "\\ud83d"),
    "an escape that does not exist": json.dumps(said()).replace("Hello", "\\x"),
    "a number that is none": json.dumps(said()).replace("2000", "02000"),
    "an exponent": json.dumps(said()).replace("2000", "2e3"),
    "a comma too many": json.dumps(said()).replace("}]", "},]"),
    "no comma": json.dumps(said()).replace('"text": "Hello,", "channel', '"text": "Hello," "channel'),
    "a backslash outside a string": json.dumps(said()).replace('"fixed"', '\\\\"fixed"'),
    "literals in capitals": json.dumps(said()).replace("false", "False"),
    "empty": "",
}  # fmt: skip
NOT_LOOKED_AT = {  # of a partial that is passed over, only this much is not seen
    "a word that is none", "a word's text is no string", "a word's time is a float", "a word's time is below 0",
    "fixed is a number", "a lone surrogate", "an escape that does not exist", "an escaped name of a word",
    "a repeated member of a word", "a comma too many",
}  # fmt: skip


@pytest.mark.parametrize("partials", [True, False])
@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_events_are_read_directly(name: str, partials: bool) -> None:
    taken = Taken(partials)
    assert taken.take(wire(ORDINARY[name], "id:2\nevent:result\n:HTTP_STATUS/200\n"))
    final = "final" in name
    assert [type(update) for update in taken.updates] == ([Final] if final else [Partial] if partials else [])


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_events_are_left_to_the_readable_path(name: str) -> None:
    taken = Taken()
    assert not taken.take(wire(UNUSUAL[name]))
    assert taken.updates == []
    books = taken.stream._sentences
    assert (list(books.open), len(books.finals), books.events, books.new_index()) == ([], 1, 1, 1)


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_seen_without_decoding(name: str) -> None:
    taken = Taken(partials=False)
    assert taken.take(wire(UNUSUAL[name])) == (name in NOT_LOOKED_AT)
    assert taken.updates == []


@pytest.mark.parametrize("fields", ["event:error\n", "event:done\n", ":HTTP_STATUS/429\n", ":a\n:b\n"])
def test_fields_that_may_mean_something(fields: str) -> None:
    assert not Taken().take(wire(said(), fields))


@pytest.mark.parametrize("fields", ["", "id:7\n", "event:result\n", "event:message\n", ":HTTP_STATUS/200\n", ":ping\n"])
def test_fields_that_mean_nothing(fields: str) -> None:
    taken = Taken()
    assert taken.take(wire(said(), fields))
    assert taken.take(wire(said("Hello, you", words=[WORD, WORD]), fields))


def test_values_of_an_ordinary_partial_and_final() -> None:
    taken = Taken()
    first = wire(said())
    other = {**WORD, "begin_time": 200, "text": " Welt", "punctuation": "", "fixed": False}
    second = wire(said("Hello, Welt.", words=[WORD, other], sentence_end=True, end_time=3000, language="de",
                       envelope={"usage": {"duration": 3}}))  # fmt: skip
    assert taken.take(first)
    assert taken.take(second)
    hello = Word(10, 200, "Hello", ",", True, None)
    partial = Sentence(1, 2, 0, 2000, None, "Hello,", (hello,), raw=first[5:-2])
    final = Sentence(1, 2, 0, 2000, 3000, "Hello, Welt.", (hello, Word(200, 200, " Welt", "", False, None)), "de",
                     final=True, finality="sentence_end", revision=1, raw=second[5:-2])  # fmt: skip
    usage = Usage(3, raw={"duration": 3})
    assert taken.updates == [Partial(partial, stable=5, kept=0), Final(final, usage, kept=6)]
    assert taken.updates[1].sentence.words[0] is taken.updates[0].sentence.words[0]  # type: ignore[union-attr]
    assert taken.stream._sentences.usage == usage
    assert taken.stream._sentences.running_text == "Hello, Welt."


def test_a_word_that_only_turns_fixed_keeps_its_text() -> None:
    taken = Taken()
    loose = {**WORD, "text": "Hello there", "fixed": False}
    assert taken.take(wire(said("Hello there, ", words=[loose])))
    assert taken.take(wire(said("Hello there, a", words=[{**loose, "fixed": True}, WORD])))
    before, after = (update.sentence.words for update in taken.updates)  # type: ignore[union-attr]
    assert (before[0].fixed, after[0].fixed) == (False, True)
    assert after[0].text is before[0].text


def test_passed_over_partials_cost_nothing_and_surface_when_asked() -> None:
    taken = Taken(partials=False)
    payloads = [wire(said(text)) for text in ("a", "a b", "a b c")]
    for payload in payloads:
        assert taken.take(payload)
    [open_] = taken.stream._sentences.open.values()
    assert open_.sentence.text == ""
    assert taken.parser.unread() == [payloads[-1][5:-2]]
    assert taken.parser.unread() == []


def test_a_cut_surfaces_the_newest_partial() -> None:
    stream = ResultStream(partials=False)
    data = FIRST + wire(said("a")) + wire(said("a b"))
    assert [update.sentence.text for update in stream.receive_data(data)] == ["One."]  # type: ignore[union-attr]
    assert [sentence.text for sentence in stream.transcript.sentences] == ["One.", "a b"]
    assert stream.receive_data(wire(said("a b c"))) == []
    [last] = stream.receive_eof()
    assert last.sentence.text == "a b c"  # type: ignore[union-attr]
    assert stream.transcript.incomplete_reason == "open_sentence"


class Emptied:
    """An input that is gone as soon as it is given back (Python 3.12 asks classes of Python for their buffer)."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self.data)

    def __release_buffer__(self, view: memoryview) -> None:
        view.release()
        self.data[:] = b"x" * len(self.data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, *([Emptied] if sys.version_info >= (3, 12) else [])])
def test_what_is_passed_over_is_copied_while_the_input_is_held(kind: Any) -> None:
    stream = ResultStream(partials=False)
    stream.receive_data(FIRST)
    stream.receive_data(kind(wire(said("a b"))))
    assert [sentence.text for sentence in stream.transcript.sentences] == ["One.", "a b"]


def test_of_sentences_in_turn_only_what_is_open_and_new_is_unread() -> None:
    taken = Taken(partials=False)
    end = {"sentence_end": True, "end_time": 3000}
    assert taken.take(wire(said("a")) + wire(said("b", sentence_id=3, begin_time=4000)) + wire(said("a c")))
    assert [json.loads(payload)["output"]["text"] for payload in taken.parser.unread()] == ["a c", "b"]
    assert taken.take(wire(said("b d", sentence_id=3, begin_time=4000)) + wire(said("a c e")))
    assert [json.loads(payload)["output"]["text"] for payload in taken.parser.unread()] == ["b d", "a c e"]
    assert taken.take(wire(said("a c e f")) + wire(said("a c e.", **end)))
    assert taken.parser.unread() == []


def test_an_unterminated_end_of_several_lines_is_newer_than_what_was_passed_over() -> None:
    stream = ResultStream(partials=False)
    stream.receive_data(FIRST + wire(said("a")) + wire(said("a b")))
    stream.receive_data(wire(said("a b c"))[:-1] + wire(said("a b c d"))[:-2])
    [last] = stream.receive_eof()
    assert last.sentence.text == "a b c d"  # type: ignore[union-attr]


def test_a_passed_over_partial_that_was_wrong_is_counted() -> None:
    stream = ResultStream(partials=False)
    stream.receive_data(FIRST + wire(said("a", words=[{**WORD, "text": 1}])))
    [last] = stream.receive_eof()
    assert (last.sentence.text, last.sentence.sentence_id) == ("", 2)  # type: ignore[union-attr]
    assert stream.transcript.issues["undecodable_partial"] == 1
    assert not stream.transcript.complete


def test_a_parser_in_use_refuses_a_second_call() -> None:
    taken = Taken()

    def slow(event: ServerSentEvent, updates: list[Update]) -> bool:
        taken.parser.take(b"data: 1\n\n", updates, slow)
        return True

    with pytest.raises(Closed, match="in use"):
        taken.parser.take(wire(1), [], slow)


@pytest.fixture
def both_paths() -> Iterator[None]:
    yield
    _direct.use(True)


def outcome(reads: list[bytes], partials: bool, direct: bool) -> tuple[list[Update], Transcript, str]:
    _direct.use(direct)
    stream, updates, error = ResultStream(partials), [], ""
    try:
        for data in reads:
            updates += stream.receive_data(data)
        updates += stream.receive_eof()
    except ASRWireError as wrong:
        updates += wrong.output or []
        error = f"{type(wrong).__name__}: {wrong}"
        updates += stream.receive_eof(wrong)
    return updates, stream.transcript, error


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("partials", [True, False])
@pytest.mark.parametrize("language", ["zh", "en", "mixed"])
def test_both_paths_read_a_stream_alike(language: Any, partials: bool) -> None:
    body = fun_asr(6, language=language).body
    expected = outcome([body], partials, False)
    assert outcome([body], partials, True) == expected
    for size in (1, 7, 1000, 4096):
        assert outcome([body[at : at + size] for at in range(0, len(body), size)], partials, True) == expected


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("partials", [True, False])
@pytest.mark.parametrize("name", [*ORDINARY, *UNUSUAL])
def test_both_paths_go_on_alike_after_any_event(name: str, partials: bool) -> None:
    value = {**ORDINARY, **UNUSUAL}[name]
    after = [said("Hello, you", sentence_id=2), said("Hello, you.", sentence_end=True, end_time=2900),
             said("Next", sentence_id=3, begin_time=3000)]  # fmt: skip
    reads = [FIRST, wire(said("He")), wire(value), *map(wire, after)]
    slow, fast = (outcome(reads, partials, direct) for direct in (False, True))
    if not partials and name in NOT_LOOKED_AT:
        assert fast[0] == slow[0] or slow[2]
        assert not fast[2]
    else:
        assert fast == slow


# Of one event: members in another order, more white space, members between and around, names longer than what is kept.
LAYOUTS: dict[str, Any] = {
    "dense": lambda value: value,
    "reversed": lambda value: reverse(value),
    "spaced": lambda value: json.dumps(value, indent=3).replace("\n", "\t"),
    "more around": lambda value: {"a": 1, **value, "b": [{}]},
    "more within": lambda value: {**value, "output": {"a": {}, **value["output"], "b": "}", "c": None}},
    "a long name": lambda value: {"x" * 60: 1, **value, "y" * 200: 2},
    "no request id": lambda value: {"output": value["output"]},
    "codes": lambda value: {"code": "", "message": "", **value, "code ": "x", "header": None},
}  # fmt: skip


def reverse(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(reverse, value))
    return {key: reverse(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("partials", [True, False])
@pytest.mark.parametrize("first", LAYOUTS)
def test_what_was_learnt_of_one_layout_is_nothing_to_another(first: str, partials: bool) -> None:
    for second in LAYOUTS:
        taken, reads = Taken(partials), [FIRST]
        for number in range(2, 5):
            for turn, layout in enumerate((first, second, second, first, second)):  # the last two are final, and alike
                begin, final = number * 2000, turn > 2
                words = [{**WORD, "begin_time": begin + i, "text": f"w{i}"} for i in range(len(reads) % 7)]
                event = said(f"text {min(turn, 3)}", sentence_id=number, begin_time=begin, sentence_end=final,
                             end_time=begin + 900 if final else None, words=words)  # fmt: skip
                reads.append(wire(LAYOUTS[layout](event)))
                assert taken.take(reads[-1]) == (turn < 4), (first, second, number, turn)
        assert outcome(reads, partials, False) == outcome(reads, partials, True), (first, second)


# What takes the place of `@` in an event, and in words of it that are the same otherwise.
TEXTS = [
    b"plain", b"\xc2\x80", b"caf\xc3\xa9", b"\xc3\xbf\xc4\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xef\xbf\xbf",
    b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xe4\xbd\xa0\xe5\xa5\xbd" * 30, b"a\xe4\xbd\xa0b\xc3\xa9",
    b"\xf0\x9f\x98\x80", b"\xe4\xbd\xa0\xf0\x9f\x98\x80", b"\xf4\x8f\xbf\xbf", b"\\u4f60\xe5\xa5\xbd",
    b"\\u00e9", b"\\n",
    b"\x80", b"\xbf\xbf\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3\xc3\xa9", b"\xe0\x9f\xbf", b"\xe4\xbd",
    b"\xe4\xbdx", b"\xe4x\xa0", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80", b"\xe4\xbd\xa0\xff", b"\xff",
]  # fmt: skip


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_is_read_alike(text: bytes) -> None:
    partial, final = said("@", words=[WORD, {**WORD, "text": "@"}]), said("@.", sentence_end=True, speaker_id="@")
    reads = [FIRST, *[wire(value).replace(b"@", text) for value in (partial, final)]]
    for partials in (True, False):
        assert outcome(reads, partials, False) == outcome(reads, partials, True)


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("time", ["0", "7", "10", "4095", "99999", "1234567", "9999999", "12345678", "2147483647",
                                  "2147483648", "-1", "-0", "00", "01", "1.0", "1e3", "1E3", "1e", "1.", "12a", "1:",
                                  "123456/", "1" * 18, "1" * 19, "+1", "0x1", "\u0661", ""])  # fmt: skip
def test_every_number_is_read_alike(time: str) -> None:
    event = json.dumps(said(end_time=77, words=[{**WORD, "end_time": 77}]), ensure_ascii=False)
    for place in range(event.count("77")):
        parts = event.split("77")
        payload = "77".join(parts[: place + 1]) + time + "77".join(parts[place + 1 :])
        reads = [FIRST, wire(payload), wire(said(sentence_end=True))]
        assert outcome(reads, True, False) == outcome(reads, True, True)


@pytest.mark.usefixtures("both_paths")
def test_both_paths_read_disturbed_streams_alike() -> None:
    for seed in range(120):
        stream = make(random_plan(seed))
        for partials in (True, False):
            slow, fast = (outcome([stream.wire], partials, direct) for direct in (False, True))
            assert fast == slow, seed


# -- text deltas -------------------------------------------------------------------------------------------------------


def delta(text: object, **changes: Any) -> bytes:
    choice = {"delta": {"content": text, "role": None}, "index": 0, **changes.pop("choice", {})}
    chunk = {"choices": [choice], "created": 1, "id": "c-1", "model": "m", "object": "chat.completion.chunk",
             "usage": None, **changes}  # fmt: skip
    return wire(chunk)


DELTAS: dict[str, list[bytes]] = {
    "plain": [delta(text) for text in ("你", "好", ", wo", "rld", "")],
    "escapes": [delta("a"), delta("b"), wire('{"choices":[{"delta":{"content":"\\u00e9\\n","role":null},"index":0}],'
                '"created":1,"id":"c-1","model":"m","object":"chat.completion.chunk","usage":null}'), delta('"}')],
    "lone surrogate": [delta("a"), delta("b"), delta("@").replace(b"@", b"\\ud83d"), delta("c")],
    "bad UTF-8": [delta("a"), delta("b"), delta("@").replace(b"@", b"\xff"), delta("c")],
    "a quote too many": [delta("a"), delta("b"), delta("@").replace(b"@", b'"'), delta("c")],
    "an end": [delta("a"), delta("b"), delta("c", choice={"finish_reason": "stop"}), wire("[DONE]"), delta("d")],
    "usage": [delta("a"), delta("b"), delta("c", usage={"seconds": 4}), delta("d")],
    "created changes": [delta(text, created=n) for n, text in enumerate("abcdefghij")],
    "created changes once": [delta(text, created=n // 5) for n, text in enumerate("abcdefghij")],
    "another id again and again": [delta("a"), *[delta("b", id="c-2")] * 4],
    "bad UTF-8 beside": [delta(text, more="@").replace(b"@", b"\xff") for text in "abcd"],
    "a lone surrogate beside": [delta(text, more="@").replace(b"@", b"\\ud83d") for text in "abcd"],
    "another id": [delta("a"), delta("b"), delta("c", id="c-2"), delta("d")],
    "annotations": [delta(text, choice={"delta": {"annotations": [{"language": "zh"}], "content": text}})
                    for text in "abc"],
    "content twice": [delta(text, content="x") for text in "abc"],
    "null": [delta("a"), delta(None), delta("b"), delta("c")],
    "a message between": [delta("a"), delta("b"), wire({"output": {"choices": [{"message": {"content": "abc"}}]}}),
                          delta("d"), delta("e")],
    "sentences between": [delta("a"), delta("b"), FIRST, wire(said()), delta("c"), delta("d")],
    "comments that say something": [delta("a"), delta("b"), b":HTTP_STATUS/429\n" + delta("c")],
}  # fmt: skip


@pytest.mark.usefixtures("both_paths")
@pytest.mark.parametrize("partials", [True, False])
@pytest.mark.parametrize("name", DELTAS)
def test_both_paths_read_text_alike(name: str, partials: bool) -> None:
    reads = DELTAS[name]
    expected = outcome(reads, partials, False)
    body = b"".join(reads)
    assert outcome(reads, partials, True) == expected
    assert outcome([body], partials, True) == expected
    assert outcome([body[at : at + 5] for at in range(0, len(body), 5)], partials, True) == expected


def test_text_deltas_are_decoded_once() -> None:
    stream = ResultStream()
    stream.receive_data(delta("a") + delta("b"))
    taken = stream._parser
    assert taken is not None

    def slow(event: ServerSentEvent, updates: list[Update]) -> bool:
        raise AssertionError("not an ordinary delta")

    updates: list[Update] = []
    for text in "cdefg":
        taken.take(delta(text), updates, slow)
    assert [update.offset for update in updates] == [2, 3, 4, 5, 6]  # type: ignore[union-attr]
    assert stream.transcript.text == "abcdefg"


def test_a_long_delta_is_learnt_from_in_proportion() -> None:
    stream, text = ResultStream(), "x" * 2**20
    tracemalloc.start()
    try:
        stream.receive_data(delta(text))
        assert tracemalloc.get_traced_memory()[1] < 24 * len(text)
    finally:
        tracemalloc.stop()


def test_what_never_helps_is_not_learnt_for_ever() -> None:
    stream = ResultStream()
    for created in range(10):
        stream.receive_data(delta("a", created=created))
    assert stream._parser is not None
    assert not stream._parser.may_learn


def test_issues_are_counted_once() -> None:
    books = Assembler(Counter())
    assert books.issues == {}
    taken = Taken()
    taken.take(wire(said()) + wire(said()))
    assert taken.stream.issues["repeated_partial"] == 1
    assert len(taken.updates) == 1
