# What a submission of audio files may say: the parameter tables of the asynchronous models, per model family.
#
# Knows: field names, types and ranges as documented (Qwen-ASR: DashScope asynchronous; Fun-ASR: asynchronous calls and
# file transcription; the pages of Paraformer and of the temporary file storage). Must not know: how this library's own
# client builds a request, sockets, tasks once they are accepted.

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._documents import DATED, FLASH_LANGUAGES, QWEN_LANGUAGES, read_model
from ._schema import Array, Audio, Flag, Node, Number, Object, Reader, Refusal, Text, Written


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted submission, reduced to what shapes its task and its result files.

    Attributes:
        family: ``"filetrans"`` answers ``output.result``, one file to a task; ``"files"`` ``output.results[]``.
        parameters: the body has a member ``parameters``.
    """

    model: str
    family: Literal["filetrans", "files"]
    urls: tuple[str, ...]
    parameters: bool = True
    channels: tuple[int, ...] = (0,)
    words: bool = False
    diarization: bool = False
    language: str | None = None


_FILE = Audio(data=False, hint="the content of a file goes to a synchronous model")
_CHANNELS = Array(Number(0), 1)


def _table(source: Object, parameters: Mapping[str, Node], **extra: Node) -> Object:
    # `parameters` is not required here: what comes of its absence is the task's affair.
    fields = {"model": Text(), "input": source, "parameters": Object(parameters), **extra}
    return Object(fields, ("model", "input"))


# "Request body" of the Qwen-ASR reference; its Java sample writes the context as corpus.text.
FILETRANS = _table(
    Object({"file_url": _FILE}, ("file_url",), {"file_urls": "one URL goes into input.file_url here"}),
    {
        "language": Text(QWEN_LANGUAGES),
        "enable_itn": Flag(),
        "enable_words": Flag(),
        "text": Text(),
        "corpus": Object({"text": Text()}),
        "channel_id": _CHANNELS,
    },
)

_FILE_URLS = Object(
    {"file_urls": Array(_FILE, 1, 100)}, ("file_urls",), {"file_url": "an array of URLs goes into input.file_urls here"}
)
_WORD_LIST = Object({"word_list": Array(Text())}, ("word_list",))
_FILTER = Object({"filter_with_signed": _WORD_LIST, "filter_with_empty": _WORD_LIST, "system_reserved_filter": Flag()})
_COMMON: dict[str, Node] = {
    "vocabulary_id": Text(empty=False),
    "channel_id": _CHANNELS,
    "special_word_filter": Written(_FILTER),
    "diarization_enabled": Flag(),
    "speaker_count": Number(2, 100),
    "language_hints": Array(Text(empty=False)),
    "speech_noise_threshold": Number(whole=False),
}
_PHRASES = Array(
    Object(
        {"resource_id": Text(empty=False), "resource_type": Text(frozenset({"asr_phrase"}))},
        ("resource_id", "resource_type"),
    )
)
_FUN_ASR_LANGUAGES = FLASH_LANGUAGES | frozenset({"et", "ga", "lt", "lv", "mt", "sl", "yue"})
FUN_ASR = _table(
    _FILE_URLS,
    {**_COMMON, "language_hints": Array(Text(_FUN_ASR_LANGUAGES))},
    resources=_PHRASES,
)
PARAFORMER = _table(
    _FILE_URLS,
    {**_COMMON, "disfluency_removal_enabled": Flag(), "timestamp_alignment_enabled": Flag()},
    resources=_PHRASES,
)

_TABLES: list[tuple[str, Object]] = [
    (rf"qwen3-asr-flash-filetrans{DATED}", FILETRANS),
    (rf"fun-asr(-mtl)?{DATED}", FUN_ASR),
    (rf"qwen-audio-3\.\d+(-asr-flash)?-filetrans{DATED}", FUN_ASR),
    (r"paraformer-(?!realtime)[a-z0-9-]+", PARAFORMER),
]
_SYNCHRONOUS = r"(qwen3-asr-flash|fun-asr-flash|fun-asr-realtime|qwen-audio-3\.\d+-asr-flash)(-us)?"


def read_submission(headers: Mapping[str, str], body: Any) -> Submission:
    """Check one submission against the documents.

    Args:
        headers: field names in lower case.
        body: the parsed JSON, of any type.

    Raises:
        Refusal: naming the first field that is not as documented.
    """
    model, body = read_model(headers, body)
    if re.fullmatch(_SYNCHRONOUS + DATED, model):
        raise Refusal("", "url error, please check url!")  # what the service says of its synchronous models
    table = next((table for pattern, table in _TABLES if re.fullmatch(pattern, model)), None)
    if table is None:
        raise Refusal("model", f"the model {model} does not exist here", status=404, code="ModelNotFound")
    asynchronous = headers.get("x-dashscope-async")
    if asynchronous != "enable":
        raise Refusal("X-DashScope-Async", "must be enable" if asynchronous else "is required: enable")
    Reader(table, headers.get("x-dashscope-ossresourceresolve") == "enable").read(table, body, "")
    source, parameters = body["input"], body.get("parameters", {})
    return Submission(
        model,
        "filetrans" if table is FILETRANS else "files",
        (source["file_url"],) if table is FILETRANS else tuple(source["file_urls"]),
        parameters="parameters" in body,
        channels=tuple(dict.fromkeys(parameters.get("channel_id", (0,)))),
        words=parameters.get("enable_words", False),
        diarization=parameters.get("diarization_enabled", False),
        language=parameters.get("language"),
    )
