# The benchmarks' corpus: the same bytes everywhere, of the sizes it claims, and its truth is what a reader finds.

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from asrwire import ChunkedDecoder, EventStreamParser, Final, Partial, ResultStream, Sentence, TextDelta
from benchmarks.corpus import (
    PARTIALS,
    WORDS,
    ChunkedBody,
    EventStream,
    SpokenSentence,
    chunked,
    framing,
    fun_asr,
    openai,
)

STREAMS: dict[str, Callable[[], EventStream]] = {
    "fun_asr mixed": lambda: fun_asr(6),
    "fun_asr zh": lambda: fun_asr(3, language="zh"),
    "fun_asr en": lambda: fun_asr(3, language="en"),
    "openai": lambda: openai(50),
    "framing 250": lambda: framing(100, 250),
    "framing 2500": lambda: framing(100, 2500),
}
READS = [1, 7, 4096, 65536, None]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda: fun_asr(2).body, "269d44293638408ed4b211ab8ead92501851f7306e9f02b19ad6959acde01387"),
        (lambda: openai(5).body, "8881977f76a4591bc459bb180528130a9dee64dbbd49bae8fabe63fad95e87e8"),
        (lambda: framing(3, 250).body, "9a1320924d3a74aef9bf1904084a8faedc2fcd5abed0267ffb0d04e134d064f6"),
        (lambda: chunked(3).wire, "14dbc20ac2a27534b8be6a1d4a39e18653798f2d70bf38f2838ed79ac7ceed06"),
    ],
    ids=["fun_asr", "openai", "framing", "chunked"],
)
def test_the_same_seed_gives_the_same_bytes(body: Callable[[], bytes], expected: str) -> None:
    assert digest(body()) == expected


def test_another_seed_gives_other_bytes() -> None:
    assert fun_asr(1, seed=1).body != fun_asr(1, seed=2).body
    assert openai(5, seed=1).body != openai(5, seed=2).body
    assert framing(2, 250, seed=1).body != framing(2, 250, seed=2).body


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", READS)
def test_events_are_what_asrwire_parses(name: str, size: int | None) -> None:
    stream = STREAMS[name]()
    parser = EventStreamParser()
    events = [event for data in stream.reads(size) for event in parser.feed(data)]
    assert [(e.event, e.data_bytes, e.id, e.comments) for e in events] == [
        (e.event, e.data, e.id, e.comments) for e in stream.events
    ]


@pytest.mark.parametrize("name", STREAMS)
def test_events_are_what_a_split_finds(name: str) -> None:
    stream = STREAMS[name]()
    *blocks, rest = stream.body.decode().split("\n\n")
    found = []
    for block in blocks:
        fields = {"event": "message", "id": "", "data": "", "": ""}
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            fields[key] = value.removeprefix(" ")
        comments = (fields[""],) if fields[""] else ()
        found.append((fields["event"], fields["data"].encode(), fields["id"], comments))
    assert rest == ""
    assert found == [(e.event, e.data, e.id, e.comments) for e in stream.events]


def as_spoken(sentence: Sentence, final: bool) -> tuple[object, ...]:
    words = [(w.begin_time, w.end_time, w.text, w.punctuation, w.fixed) for w in sentence.words]
    return (sentence.sentence_id, sentence.begin_time, sentence.end_time, sentence.text, words, final)


def as_truth(state: SpokenSentence) -> tuple[object, ...]:
    words = [(w.begin_time, w.end_time, w.text, w.punctuation, w.fixed) for w in state.words]
    return (state.sentence_id, state.begin_time, state.end_time, state.text, words, state.final)


@pytest.mark.parametrize("name", ["fun_asr mixed", "fun_asr zh", "fun_asr en"])
@pytest.mark.parametrize("size", [4096, None])
def test_every_state_is_what_asrwire_hears(name: str, size: int | None) -> None:
    corpus = STREAMS[name]()
    stream = ResultStream()
    updates = [update for data in corpus.reads(size) for update in stream.receive_data(data)] + stream.receive_eof()
    assert {type(update) for update in updates} == {Partial, Final}
    heard = [as_spoken(u.sentence, type(u) is Final) for u in updates if isinstance(u, Partial | Final)]
    assert heard == [as_truth(state) for state in corpus.states]
    assert [as_spoken(s, True) for s in stream.transcript.sentences] == [as_truth(state) for state in corpus.finals]
    assert stream.transcript.complete
    assert stream.transcript.issues == {}
    assert not stream.transcript.check()


def test_states_are_what_the_json_says() -> None:
    corpus = fun_asr(4)
    for event, state in zip(corpus.events, corpus.states, strict=True):
        output = json.loads(event.data)["output"]
        sentence = output["sentence"]
        assert output["text"] == sentence["text"] == state.text
        assert sentence["sentence_end"] is state.final
        assert (sentence["sentence_id"], sentence["begin_time"]) == (state.sentence_id, state.begin_time)
        assert [(w["text"], w["begin_time"], w["fixed"]) for w in sentence["words"]] == [
            (w.text, w.begin_time, w.fixed) for w in state.words
        ]


def test_text_is_what_asrwire_hears() -> None:
    corpus = openai(50)
    stream = ResultStream()
    updates = [update for data in corpus.reads() for update in stream.receive_data(data)] + stream.receive_eof()
    assert [update.text for update in updates if type(update) is TextDelta] == list(corpus.deltas)
    assert stream.transcript.text == corpus.text
    assert stream.transcript.complete


def test_sizes_and_shape_of_fun_asr() -> None:
    corpus = fun_asr(100)
    assert len(corpus.events) == len(corpus.states) == 100 * (PARTIALS + 1)
    assert [state.final for state in corpus.states] == ([False] * PARTIALS + [True]) * 100
    counts = [len(final.words) for final in corpus.finals]
    assert (min(counts), max(counts)) == WORDS
    sizes = [len(event.data) for event in corpus.events]
    assert 1500 <= sum(sizes) / len(sizes) <= 1900
    finals = [size for size, state in zip(sizes, corpus.states, strict=True) if state.final]
    assert 2700 <= sum(finals) / len(finals) <= 3300


def test_partials_are_cumulative_and_revisable() -> None:
    # No two states are equal, no partial shows more than the final, some last words are cut short, fixed ones stay.
    corpus = fun_asr(50)
    finals = {final.sentence_id: final for final in corpus.finals}
    assert len({(state.sentence_id, state.words) for state in corpus.states}) == len(corpus.states)
    revised = 0
    for state in corpus.states:
        final = finals[state.sentence_id]
        fixed = [word for word in state.words if word.fixed]
        assert fixed == list(final.words[: len(fixed)])
        assert len(state.words) <= len(final.words)
        last = final.words[len(state.words) - 1]
        revised += state.words[-1].text != last.text
    assert 0.1 < revised / len(corpus.states) < 0.6


def test_sizes_of_openai() -> None:
    corpus = openai(200)
    assert len(corpus.deltas) == 200
    assert len(corpus.events) == 204  # the role chunk, the stop chunk, the usage chunk, [DONE]
    sizes = [len(event.wire) for event in corpus.events[1:-3]]
    assert 270 <= sum(sizes) / len(sizes) <= 310
    assert corpus.events[-1].data == b"[DONE]"


@pytest.mark.parametrize("size", [250, 300, 2500])
def test_sizes_of_framing(size: int) -> None:
    stream = framing(1200, size)
    assert {len(event.wire) for event in stream.events} == {size}


@pytest.mark.parametrize("size", READS)
def test_chunks_are_what_asrwire_decodes(size: int | None) -> None:
    body = chunked(400)
    decoder = ChunkedDecoder()
    assert b"".join([decoder.feed(data) for data in body.reads(size)]) == b"".join(body.chunks)
    assert decoder.at_end
    assert decoder.trailers == []
    assert decoder.unused_data == b""


def test_one_event_is_one_chunk_of_300_bytes() -> None:
    body = chunked(50)
    assert {len(chunk) for chunk in body.chunks} == {300}
    assert all(chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1 for chunk in body.chunks)
    assert body.reads(None)[-1] == b"0\r\n\r\n"
    assert body.reads(None)[0] == b"12c\r\n" + body.chunks[0] + b"\r\n"


def test_reads_are_the_body_cut() -> None:
    stream, body = fun_asr(2), ChunkedBody((b"abc", b"defgh"))
    assert b"".join(stream.reads(1000)) == b"".join(stream.reads(None)) == stream.body
    assert {len(read) for read in stream.reads(1000)[:-1]} == {1000}
    assert body.wire == b"3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n"
    assert body.reads(4) == [b"3\r\na", b"bc\r\n", b"5\r\nd", b"efgh", b"\r\n0\r", b"\n\r\n"]
