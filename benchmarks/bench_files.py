# Result files: 12 hours of speech (150,000 words) -> a transcript with a word timeline. asrwire reads it sentence by
# sentence into columns; the peers decode the whole and keep an object per word. Memory is what is held afterwards, per
# word, the input not counted, as tracemalloc sees it (in a run of its own: tracing slows everything down).

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import msgspec
import orjson
import pytest

from asrwire import read_result
from benchmarks import Contest

CASES = ("result file: 12 hours, 150,000 words",)
SENTENCE = 25  # words


@lru_cache(1)
def result_file(words: int, seed: int = 7) -> bytes:
    """A Fun-ASR result file of so many words, from a vocabulary of 8,000."""
    rng = Random(seed)
    vocabulary = [f"word{n}" for n in range(8000)]
    sentences, at = [], 0
    for number in range(words // SENTENCE):
        begin, spoken = at, []
        for n in range(SENTENCE):
            mark = "." if n == SENTENCE - 1 else ""
            word = {"begin_time": at, "end_time": at + 240, "text": rng.choice(vocabulary), "punctuation": mark}
            if not mark:
                word["text"] += " "
            spoken.append(word)
            at += 288
        text = "".join(f"{word['text']}{word['punctuation']}" for word in spoken)
        sentences.append(
            {"begin_time": begin, "end_time": at, "text": text, "sentence_id": number + 1, "words": spoken}
        )
    text = " ".join(sentence["text"] for sentence in sentences)
    transcript = {"channel_id": 0, "content_duration_in_milliseconds": at, "text": text, "sentences": sentences}
    properties = {"audio_format": "pcm_s16le", "channels": [0], "original_sampling_rate": 16000}
    head = {"file_url": "https://example.com/a.wav", "properties": properties}
    return orjson.dumps({**head, "transcripts": [transcript]})


@dataclass(slots=True)
class Word:
    begin_time: int
    end_time: int
    text: str
    punctuation: str


class WordStruct(msgspec.Struct, gc=False):
    begin_time: int
    end_time: int
    text: str
    punctuation: str


class SentenceStruct(msgspec.Struct, gc=False):
    begin_time: int
    end_time: int
    text: str
    words: list[WordStruct]


class TranscriptStruct(msgspec.Struct, gc=False):
    text: str
    sentences: list[SentenceStruct]


class FileStruct(msgspec.Struct, gc=False):
    transcripts: list[TranscriptStruct]


STRUCTS = msgspec.json.Decoder(FileStruct)


def dataclasses(data: bytes) -> list[Word]:
    body = orjson.loads(data)
    return [
        Word(word["begin_time"], word["end_time"], word["text"], word["punctuation"])
        for transcript in body["transcripts"]
        for sentence in transcript["sentences"]
        for word in sentence["words"]
    ]


def held(read: Callable[[bytes], Any], data: bytes) -> float:
    """Bytes that the result of `read` keeps."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = read(data)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del result
    finally:
        tracemalloc.stop()
    return after - before


def contest(name: str, scale: int = 1) -> Contest:
    words = 150_000 // scale
    data = result_file(words)
    readers: dict[str, Callable[[bytes], Any]] = {
        "asrwire": read_result,
        "orjson + slots dataclasses": dataclasses,
        "msgspec Structs (gc=False)": STRUCTS.decode,
    }
    memory = ", ".join(f"{label} {held(read, data) / words:.0f}" for label, read in readers.items())
    seen = {
        "asrwire": lambda: [(w.begin_time, w.text) for t in read_result(data).transcripts for w in t.words],
        "orjson + slots dataclasses": lambda: [(w.begin_time, w.text) for w in dataclasses(data)],
        "msgspec Structs (gc=False)": lambda: [
            (w.begin_time, w.text) for t in STRUCTS.decode(data).transcripts for s in t.sentences for w in s.words
        ],
    }
    truth = [
        (word["begin_time"], word["text"])
        for sentence in orjson.loads(data)["transcripts"][0]["sentences"]
        for word in sentence["words"]
    ]
    return Contest(
        f"{name}; bytes held a word: {memory}",
        {label: (lambda read=read: read(data)) for label, read in readers.items()},
        seen,
        truth,
        words,
        "word",
    )


@pytest.mark.parametrize("name", CASES)
def test_files(name: str, race: Any) -> None:
    race(contest, name)
