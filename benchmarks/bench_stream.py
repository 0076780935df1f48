# The whole way in memory: body bytes -> final sentences (or the text of the text-only dialect).
# With partials, every path also makes each partial a typed sentence; without, the peers still have to decode each event
# to know whether it is final. "asrwire framing" rows lend the peer asrwire's parser: what differs is decoding alone.

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest

from asrwire import EventStreamParser, Final, ResultStream, TextDelta
from benchmarks import Contest
from benchmarks.bench_decode import spoken
from benchmarks.corpus import READ, fun_asr, openai
from benchmarks.peers import dataclass_sentence, httpx_sse_events, msgspec_structs, orjson_dataclasses

CASES = {
    "stream: finals only, 64 KiB reads": ("finals", READ),
    "stream: finals only, one event per read": ("finals", None),
    "stream: all partials typed, 64 KiB reads": ("partials", READ),
    "stream: all partials typed, one event per read": ("partials", None),
    "stream: OpenAI-compatible deltas -> text, 64 KiB reads": ("text", READ),
}


def finals_of(reads: list[bytes], partials: bool) -> list[Any]:
    stream, finals = ResultStream(partials), []
    for data in reads:
        finals += [update.sentence for update in stream.receive_data(data) if type(update) is Final]
    finals += [update.sentence for update in stream.receive_eof() if type(update) is Final]
    return finals


def text_of(reads: list[bytes]) -> str:
    stream, parts = ResultStream(), []
    for data in reads:
        parts += [update.text for update in stream.receive_data(data) if type(update) is TextDelta]
    stream.receive_eof()
    return "".join(parts)


def framed(reads: list[bytes]) -> Iterable[bytes]:
    parser = EventStreamParser()
    for data in reads:
        for event in parser.feed(data):
            yield event.data_bytes


def sent(reads: list[bytes]) -> Iterable[str]:
    for event in httpx_sse_events(reads):
        yield event.data


def dicts(payloads: Iterable[Any], loads: Callable[[Any], Any]) -> list[Any]:
    finals = []
    for payload in payloads:
        sentence = loads(payload)["output"]["sentence"]
        if sentence["sentence_end"]:
            finals.append(sentence)
    return finals


def finals_typed(payloads: Iterable[Any]) -> list[Any]:
    return [dataclass_sentence(sentence) for sentence in dicts(payloads, orjson.loads)]


def all_typed(payloads: Iterable[Any], decode: Callable[[Any], Any]) -> list[Any]:
    finals = []
    for payload in payloads:
        sentence = decode(payload)
        if sentence.sentence_end:
            finals.append(sentence)
    return finals


def text_by(payloads: Iterable[Any], loads: Callable[[Any], Any]) -> str:
    parts = []
    for payload in payloads:
        if payload in ("[DONE]", b"[DONE]"):
            break
        for choice in loads(payload)["choices"]:
            parts.append(choice["delta"].get("content") or "")
    return "".join(parts)


def contest(name: str, scale: int = 1) -> Contest:
    what, read = CASES[name]
    if what == "text":
        deltas = openai(2000 // scale)
        reads = deltas.reads(read)
        text = {
            "asrwire": lambda: text_of(reads),
            "httpx-sse + json": lambda: text_by(sent(reads), json.loads),
            "httpx-sse + orjson": lambda: text_by(sent(reads), orjson.loads),
        }
        return Contest(name, text, text, deltas.text, len(deltas.events), "event")
    stream = fun_asr(60 // scale)
    reads = stream.reads(read)
    partials = what == "partials"
    paths: dict[str, Callable[[], list[Any]]] = {
        f"asrwire (ResultStream, partials={partials})": lambda: finals_of(reads, partials),
        "httpx-sse + json, dicts": lambda: dicts(sent(reads), json.loads),
    }
    if partials:
        paths["httpx-sse + orjson + slots dataclasses"] = lambda: all_typed(sent(reads), orjson_dataclasses)
        paths["asrwire framing + orjson + slots dataclasses"] = lambda: all_typed(framed(reads), orjson_dataclasses)
    else:
        paths["httpx-sse + orjson, dataclasses of finals"] = lambda: finals_typed(sent(reads))
        paths["asrwire framing + orjson, dataclasses of finals"] = lambda: finals_typed(framed(reads))
        paths["asrwire framing + orjson, dataclasses of all"] = lambda: all_typed(framed(reads), orjson_dataclasses)
    paths["asrwire framing + msgspec Structs (gc=False)"] = lambda: all_typed(framed(reads), msgspec_structs)

    def outcome(path: Callable[[], list[Any]]) -> Callable[[], object]:
        return lambda: [spoken(dataclass_sentence(s) if isinstance(s, dict) else s, True) for s in path()]

    return Contest(
        name,
        paths,
        {label: outcome(path) for label, path in paths.items()},
        [spoken(state, True) for state in stream.finals],
        len(stream.events),
        "event",
    )


@pytest.mark.parametrize("name", CASES)
def test_stream(name: str, race: Any) -> None:
    race(contest, name)
