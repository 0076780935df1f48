# What a request may say: the parameter tables of the services' reference pages, per model family, and the rules
# between fields.
#
# Knows: field names, types, ranges and rules as documented (Qwen-ASR; Fun-ASR-Flash and Qwen-Audio-ASR-Flash;
# Fun-ASR-Realtime over HTTP). Must not know: how this library's own client builds a request, sockets, transcripts.

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._schema import Array, Audio, Flag, Hotwords, Node, Object, Reader, Refusal, Text, Union

Family = Literal["openai", "qwen", "flash", "realtime", "qwen-audio"]

GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
COMPLETIONS = "/compatible-mode/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted request, reduced to what shapes its answer."""

    model: str
    family: Family
    stream: bool
    include_usage: bool = False
    incremental: bool = False
    diarization: bool = False
    language: str | None = None


# == the tables ========================================================================================================


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# "Supported languages" of Qwen-ASR, and the codes of language_hints on the Flash page.
QWEN_LANGUAGES = _names("zh yue en ja de ko ru fr pt ar it es hi id th tr uk vi cs da fil fi is ms no pl sv")
FLASH_LANGUAGES = _names("zh en ja ko vi th id ms tl hi ar fr de es pt ru it nl sv da fi no el pl cs hu ro bg hr sk")
# "Audio formats" of the file models, and pcm and speex of the realtime ones.
FORMATS = _names("aac amr avi flac flv m4a mkv mov mp3 mp4 mpeg ogg opus pcm speex wav webm wma wmv")

ASR_OPTIONS = Object({"language": Text(QWEN_LANGUAGES), "enable_itn": Flag()})
NOT_AUDIO = {"audio": 'audio goes into {"type": "input_audio", "input_audio": {"data": ...}} here'}
NOT_INPUT_AUDIO = dict.fromkeys(("input_audio", "type"), 'audio goes into {"audio": ...} here')

INPUT_AUDIO = Object(
    {"type": Text(frozenset({"input_audio"})), "input_audio": Object({"data": Audio()}, ("data",))},
    ("type", "input_audio"),
    NOT_AUDIO,
)


def _message(*roles: tuple[str, Array]) -> Union:
    return Union(
        "role",
        {role: Object({"role": Text(), "content": content}, ("role", "content")) for role, content in roles},
    )


def _native(messages: Array, parameters: Object, *required: str, **extra: Node) -> Object:
    return Object(
        {"model": Text(), "input": Object({"messages": messages}, ("messages",)), "parameters": parameters, **extra},
        ("model", *required),
    )


# Qwen-ASR, "OpenAI compatible": request body. The system message's "type" is OpenAI's own.
OPENAI = Object(
    {
        "model": Text(),
        "messages": Array(
            _message(
                ("system", Array(Object({"type": Text(frozenset({"text"})), "text": Text()}), 1, 1)),
                ("user", Array(INPUT_AUDIO, 1, 1)),
            ),
            1,
        ),
        "asr_options": ASR_OPTIONS,
        "stream": Flag(),
        "stream_options": Object({"include_usage": Flag()}),
    },
    ("model", "messages"),
)

# Qwen-ASR, "DashScope synchronous": request body. result_format and incremental_output are the endpoint's own.
QWEN = _native(
    Array(
        _message(
            ("system", Array(Object({"text": Text()}), 1, 1)),
            ("user", Array(Object({"audio": Audio()}, ("audio",), NOT_INPUT_AUDIO), 1, 1)),
        ),
        1,
    ),
    Object(
        {
            "asr_options": ASR_OPTIONS,
            "result_format": Text(frozenset({"message"})),
            "incremental_output": Flag(),
        }
    ),
    "input",
)

# Qwen-Audio-ASR-Flash / Fun-ASR-Flash: one page, with remarks which model takes what.
FLASH_MESSAGES = Array(
    _message(
        (
            "user",
            Array(
                Union(
                    "type",
                    {
                        "input_audio": INPUT_AUDIO,
                        "input_text": Object({"type": Text(), "text": Text()}, ("type", "text")),
                    },
                    NOT_AUDIO,
                ),
                1,
            ),
        ),
        (
            "assistant",
            Array(Union("type", {"text": Object({"type": Text(), "text": Text()}, ("type", "text"))}), 1),
        ),
    ),
    1,
)
FLASH_PARAMETERS: dict[str, Node] = {
    "format": Text(FORMATS),
    "sample_rate": Text(pattern="[1-9][0-9]*"),
    "language_hints": Array(Text(FLASH_LANGUAGES)),
    "vocabulary_id": Text(empty=False),
}
FLASH = _native(FLASH_MESSAGES, Object(FLASH_PARAMETERS, ("format",)), "input", "parameters")
QWEN_AUDIO_30 = _native(
    FLASH_MESSAGES,
    Object({**FLASH_PARAMETERS, "vocabulary": Hotwords()}, ("format",)),
    "input",
    "parameters",
)
QWEN_AUDIO_31 = _native(
    FLASH_MESSAGES,
    Object(
        {
            **FLASH_PARAMETERS,
            "language_hints": Array(Text(empty=False)),
            "vocabulary": Hotwords(),
            "speaker_diarization_enabled": Flag(),
            "keep_dialect": Flag(),
        },
        ("format",),
    ),
    "input",
    "parameters",
)

# Fun-ASR-Realtime over HTTP. Its page prints audio_address, format and vad_enabled; sample_rate, language_hints and
# vocabulary_id are parameters of the same model on its WebSocket page.
REALTIME = _native(
    Array(_message(("user", Array(Object({"audio": Audio(url=False)}, ("audio",), NOT_INPUT_AUDIO), 1, 1))), 0, 1),
    Object(
        {
            "audio_address": Audio(data=False),
            "format": Text(FORMATS),
            "vad_enabled": Flag(),
            "sample_rate": Text(pattern="[1-9][0-9]*"),
            "language_hints": Array(Text(empty=False)),
            "vocabulary_id": Text(empty=False),
        },
        ("format",),
    ),
    "parameters",
    resources=Array(Object({}), 0, 0),
)

# == rules between fields ==============================================================================================


def _check_system_then_user(messages: list[dict[str, Any]], path: str) -> None:
    if messages[-1]["role"] != "user":
        raise Refusal(f"{path}[{len(messages) - 1}].role", "the last message must be the user's")
    for index, message in enumerate(messages[:-1]):
        if message["role"] != "system":
            raise Refusal(f"{path}[{index}].role", "only one user message is allowed")
        if index:
            raise Refusal(f"{path}[{index}].role", "only one system message is allowed, at the beginning")


def _check_turns(messages: list[dict[str, Any]]) -> None:
    """Context turns, user before assistant, at most five of each; then the one message with the audio."""
    counts = {"input_text": 0, "text": 0}
    before = None
    for index, message in enumerate(messages):
        here = f"input.messages[{index}]"
        kinds = {part["type"] for part in message["content"]}
        last = index == len(messages) - 1
        if last and "input_audio" not in kinds:
            raise Refusal(here + ".content[0].type", "the last message must hold the input_audio")
        if "input_audio" in kinds:
            if not last:
                raise Refusal(here + ".content[0].type", "the message with the input_audio must be the last")
            if len(message["content"]) != 1:
                raise Refusal(here + ".content", "takes exactly one input_audio")
            continue
        if message["role"] == "assistant" and before != "user":
            raise Refusal(here + ".role", "in each turn the user's message must precede the assistant's")
        before = message["role"]
        kind = "text" if before == "assistant" else "input_text"
        counts[kind] += 1
        if counts[kind] > 5:
            raise Refusal(here, f"at most 5 context messages of type {kind} are allowed")


def _check_realtime_audio(body: dict[str, Any]) -> None:
    messages = body.get("input", {}).get("messages", [])
    address = "audio_address" in body["parameters"]
    if address and messages:
        raise Refusal("parameters.audio_address", "give the audio either here or in input.messages, not in both")
    if not address and not messages:
        raise Refusal("parameters.audio_address", "is required where input.messages holds no audio")


def _check_headers(headers: Mapping[str, str], *, sse_required: bool) -> bool:
    """Whether the answer is an event stream."""
    sse = headers.get("x-dashscope-sse")
    if sse is None and not sse_required:
        return False
    if sse not in ("enable", "disable"):
        raise Refusal("X-DashScope-SSE", "must be enable or disable" if sse else "is required: enable or disable")
    return sse == "enable"


DATED = r"(-\d{4}-\d{2}-\d{2})?"
_QWEN_MODEL = re.compile(rf"qwen3-asr-flash{DATED}")
_QWEN_US_MODEL = re.compile(rf"qwen3-asr-flash(-us{DATED}|{DATED}-us)")
_FLASH_MODEL = re.compile(rf"fun-asr-flash{DATED}")
_REALTIME_MODEL = re.compile(rf"fun-asr-realtime{DATED}")
_QWEN_AUDIO_MODEL = re.compile(rf"qwen-audio-3\.(?P<minor>\d+)-asr-flash{DATED}")


def check_authorization(headers: Mapping[str, str]) -> None:
    """Refuse a request without ``Authorization: Bearer <key>``; any key will do."""
    if not re.fullmatch(r"Bearer +\S+", headers.get("authorization", "")):
        raise Refusal("", "No API-key provided or invalid API-key provided.", status=401, code="InvalidApiKey")


def read_model(headers: Mapping[str, str], body: Any) -> tuple[str, dict[str, Any]]:
    """The model a body asks for, and the body as the JSON object it must be.

    Raises:
        Refusal: it is no JSON object, or names no model.
    """
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("Content-Type", "must be application/json" if content_type else "is required: application/json")
    if not isinstance(body, dict):
        raise Refusal("body", "must be a JSON object")
    if "model" not in body:
        raise Refusal("model", "is required")
    model = body["model"]
    if not isinstance(model, str):
        raise Refusal("model", "must be a string")
    return model, body


def read_request(path: str, headers: Mapping[str, str], body: Any) -> Call:
    """Check one request against the documents.

    Args:
        path: `GENERATION` or `COMPLETIONS`.
        headers: field names in lower case.
        body: the parsed JSON, of any type.

    Raises:
        Refusal: naming the first field that is not as documented.
    """
    model, body = read_model(headers, body)
    resolve = headers.get("x-dashscope-ossresourceresolve") == "enable"
    return (_read_openai if path == COMPLETIONS else _read_native)(model, headers, body, resolve)


def _read_openai(model: str, headers: Mapping[str, str], body: dict[str, Any], resolve: bool) -> Call:
    if not _QWEN_MODEL.fullmatch(model):
        message = f"Unsupported model `{model}` for OpenAI compatibility mode."
        raise Refusal("", message, status=404, code="model_not_supported")
    Reader(OPENAI, resolve).read(OPENAI, body, "")
    _check_system_then_user(body["messages"], "messages")
    stream = body.get("stream", False)
    if "stream_options" in body and not stream:
        raise Refusal("stream_options", "must not be set unless stream is true")
    return Call(
        model,
        "openai",
        stream,
        include_usage=body.get("stream_options", {}).get("include_usage", False),
        language=body.get("asr_options", {}).get("language"),
    )


def _read_native(model: str, headers: Mapping[str, str], body: dict[str, Any], resolve: bool) -> Call:
    family: Family
    if _QWEN_MODEL.fullmatch(model) or _QWEN_US_MODEL.fullmatch(model):
        family, table = "qwen", QWEN
    elif _FLASH_MODEL.fullmatch(model):
        family, table = "flash", FLASH
    elif _REALTIME_MODEL.fullmatch(model):
        family, table = "realtime", REALTIME
    elif audio := _QWEN_AUDIO_MODEL.fullmatch(model):
        family, table = "qwen-audio", QWEN_AUDIO_31 if int(audio["minor"]) else QWEN_AUDIO_30
    else:
        raise Refusal("model", f"the model {model} does not exist here", status=404, code="ModelNotFound")
    stream = _check_headers(headers, sse_required=family != "qwen")
    Reader(table, resolve).read(table, body, "")
    if family == "qwen":
        _check_system_then_user(body["input"]["messages"], "input.messages")
    elif family == "realtime":
        _check_realtime_audio(body)
    else:
        _check_turns(body["input"]["messages"])
    parameters = body.get("parameters", {})
    return Call(
        model,
        family,
        stream,
        incremental=parameters.get("incremental_output", False),
        diarization=parameters.get("speaker_diarization_enabled", False),
        language=parameters.get("asr_options", {}).get("language"),
    )
