# The typed peers: JSON -> objects, by orjson with slots dataclasses and by msgspec.
#
# Knows: those two, the services' field names. Must not know: asrwire, clocks, framing. What is built is as small as it
# can be for what is compared: words, sentences, a list of finals; no checks of meaning, no revisions, no books.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson


@dataclass(slots=True)
class DataWord:
    begin_time: int | None
    end_time: int | None
    text: str
    punctuation: str
    fixed: bool | None
    speaker_id: int | None


@dataclass(slots=True)
class DataSentence:
    sentence_id: int
    channel_id: int
    begin_time: int | None
    end_time: int | None
    text: str
    words: list[DataWord]
    speaker_id: int | None
    sentence_end: bool


def dataclass_sentence(sentence: dict[str, Any]) -> DataSentence:
    return DataSentence(
        sentence["sentence_id"],
        sentence["channel_id"],
        sentence["begin_time"],
        sentence["end_time"],
        sentence["text"],
        [
            DataWord(w["begin_time"], w["end_time"], w["text"], w["punctuation"], w["fixed"], w["speaker_id"])
            for w in sentence["words"]
        ],
        sentence["speaker_id"],
        sentence["sentence_end"],
    )


def orjson_dataclasses(payload: bytes | str) -> DataSentence:
    """orjson, then slots dataclasses."""
    return dataclass_sentence(orjson.loads(payload)["output"]["sentence"])


class StructWord(msgspec.Struct, gc=False):
    begin_time: int | None
    end_time: int | None
    text: str
    punctuation: str
    fixed: bool | None
    speaker_id: int | None


class StructSentence(msgspec.Struct, gc=False):
    sentence_id: int
    channel_id: int
    begin_time: int | None
    end_time: int | None
    text: str
    words: list[StructWord]
    speaker_id: int | None
    sentence_end: bool


class _Output(msgspec.Struct, gc=False):
    sentence: StructSentence


class _Result(msgspec.Struct, gc=False):
    output: _Output


_decode = msgspec.json.Decoder(_Result).decode


def msgspec_structs(payload: bytes | str) -> StructSentence:
    """msgspec, straight into Structs with gc=False."""
    return _decode(payload).output.sentence


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "orjson + slots dataclasses": orjson_dataclasses,
    "msgspec Structs": msgspec_structs,
}


def sentences(framed: Iterable[Iterable[Any]], decode: Callable[[bytes], Any]) -> Iterator[Any]:
    """The sentence of every event of every read."""
    for events in framed:
        for event in events:
            yield decode(event.data_bytes)


def finals(framed: Iterable[Iterable[Any]], decode: Callable[[bytes], Any]) -> list[Any]:
    """All events typed, the finals kept."""
    found = []
    for events in framed:
        for event in events:
            sentence = decode(event.data_bytes)
            if sentence.sentence_end:
                found.append(sentence)
    return found


# == result files ======================================================================================================


@dataclass(slots=True)
class FileWord:
    begin_time: int
    end_time: int
    text: str
    punctuation: str


class FileWordStruct(msgspec.Struct, gc=False):
    begin_time: int
    end_time: int
    text: str
    punctuation: str


class _FileSentence(msgspec.Struct, gc=False):
    words: list[FileWordStruct]


class _FileTranscript(msgspec.Struct, gc=False):
    sentences: list[_FileSentence]


class _File(msgspec.Struct, gc=False):
    transcripts: list[_FileTranscript]


def orjson_words(data: bytes) -> list[FileWord]:
    """orjson, then a slots dataclass a word."""
    return [
        FileWord(word["begin_time"], word["end_time"], word["text"], word["punctuation"])
        for transcript in orjson.loads(data)["transcripts"]
        for sentence in transcript["sentences"]
        for word in sentence["words"]
    ]


_decode_file = msgspec.json.Decoder(_File).decode


def msgspec_words(data: bytes) -> list[FileWordStruct]:
    """msgspec, a Struct with gc=False a word; what a file has beside words is not kept."""
    return [word for t in _decode_file(data).transcripts for sentence in t.sentences for word in sentence.words]
