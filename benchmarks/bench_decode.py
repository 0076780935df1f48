# Decoding and assembly, no framing: the JSON of each event -> typed sentences, words included, and the finals of the
# stream. asrwire keeps the whole books (revisions, stable prefixes, repeats, cumulative finals); the peers keep a dict
# of open sentences and a list of finals, the least a reader needs.

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from asrwire import _decode
from asrwire._assembler import Assembler, Update
from benchmarks import Contest
from benchmarks.corpus import fun_asr
from benchmarks.peers import msgspec_structs, orjson_dataclasses

CASES = {f"decode and assembly: {language} partials and finals": language for language in ("mixed", "zh", "en")}


def spoken(sentence: Any, final: bool) -> tuple[object, ...]:
    """A sentence of any of the paths, or of the corpus, as a value."""
    words = [(w.begin_time, w.end_time, w.text, w.punctuation, w.fixed) for w in sentence.words]
    return (sentence.sentence_id, sentence.begin_time, sentence.end_time, sentence.text, words, final)


def assembled(payloads: list[bytes], see: Callable[[Update], object]) -> int:
    assembler = Assembler(Counter())
    for payload in payloads:
        value, _ = _decode.loads(payload)
        body = _decode.body(value)
        for heard in body.sentences:
            for update in assembler.hear(heard, usage=body.usage, raw=payload, whole=False):
                see(update)
    return len(assembler.finals)


def collected(payloads: list[bytes], decode: Callable[[bytes], Any], see: Callable[[Any], object]) -> int:
    open_: dict[tuple[int, int], Any] = {}
    finals: list[Any] = []
    for payload in payloads:
        sentence = decode(payload)
        key = sentence.channel_id, sentence.sentence_id
        if sentence.sentence_end:
            open_.pop(key, None)
            finals.append(sentence)
        else:
            open_[key] = sentence
        see(sentence)
    return len(finals)


def contest(name: str, scale: int = 1) -> Contest:
    stream = fun_asr(60 // scale, language=CASES[name])  # type: ignore[arg-type]
    payloads = [event.data for event in stream.events]

    def ignore(_: object) -> None:
        pass

    def asrwire() -> list[tuple[object, ...]]:
        found: list[Any] = []
        assembled(payloads, found.append)
        return [spoken(update.sentence, update.sentence.final) for update in found]

    def peer(decode: Callable[[bytes], Any]) -> Callable[[], list[tuple[object, ...]]]:
        def run() -> list[tuple[object, ...]]:
            found: list[Any] = []
            collected(payloads, decode, found.append)
            return [spoken(sentence, sentence.sentence_end) for sentence in found]

        return run

    return Contest(
        name,
        {
            "asrwire": lambda: assembled(payloads, ignore),
            "orjson + slots dataclasses": lambda: collected(payloads, orjson_dataclasses, ignore),
            "msgspec Structs (gc=False)": lambda: collected(payloads, msgspec_structs, ignore),
        },
        {
            "asrwire": asrwire,
            "orjson + slots dataclasses": peer(orjson_dataclasses),
            "msgspec Structs (gc=False)": peer(msgspec_structs),
        },
        [spoken(state, state.final) for state in stream.states],
        len(payloads),
        "event",
    )


@pytest.mark.parametrize("name", CASES)
def test_decode(name: str, race: Any) -> None:
    race(contest, name)
