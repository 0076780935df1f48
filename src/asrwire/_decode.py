# From the JSON of one event or body to one shape, whatever the envelope or dialect: a `Body`.
#
# Knows: every layout of the services' JSON and which member may have which type. This is the only module that does.
# Must not know: what came before (revisions, finals, the end of a stream), bytes on the wire, sockets.
# Wrong types end in DecodeError with the path of the member; unknown members are left alone (`Sentence.raw` has them).

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from ._errors import DecodeError
from ._masks import without_queries
from ._model import Usage, Word

MAX_TIME = 2**31 - 1  # ms; 24 days, and what an int32 column holds

# Codes by which the services say "there was nothing to hear": an answer, not a failure.
NO_SPEECH = ("ASR_RESPONSE_HAVE_NO_WORDS", "SUCCESS_WITH_NO_VALID_FRAGMENT", "NO_INPUT_AUDIO_ERROR",
             "NO_VALID_AUDIO_ERROR")

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


@dataclass(slots=True)
class Heard:
    """One ``sentence`` object, typed. ``end`` is sentence_end, None where the key is absent."""

    sentence_id: int | None
    channel_id: int
    begin_time: int | None
    end_time: int | None
    text: str
    words: tuple[Word, ...]
    language: str | None
    emotion: str | None
    speaker_id: int | str | None
    end: bool | None
    begin: bool
    heartbeat: bool
    stash: Heard | None


@dataclass(slots=True)
class Failure:
    """An error the service reports in a body."""

    code: str | None
    message: str
    request_id: str | None

    @property
    def no_speech(self) -> bool:
        return self.code in NO_SPEECH or any(code in self.message for code in NO_SPEECH)

    @property
    def said(self) -> str:
        """Code and message, as the text of an error may show them."""
        return shown(": ".join(part for part in (self.code, self.message) if part))


@dataclass(slots=True)
class Body:
    """What one JSON body says. ``text`` is set in text-only dialects; ``mode`` says how it relates to earlier text:
    "delta" (append), "whole" (replace), or "message" (``choices[].message``: as ``incremental_output`` asked for)."""

    sentences: list[Heard] = field(default_factory=list)
    text: str | None = None
    mode: str = "whole"
    running_text: str | None = None
    choices: bool = False
    finish_reason: str | None = None
    language: str | None = None
    emotion: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    model: str | None = None
    created: int | None = None
    failure: Failure | None = None
    done: bool = False


def loads(data: bytes | bytearray | memoryview) -> tuple[Any, str | None]:
    """Decodes JSON with orjson; returns the value and the name of the repair it took, or None.

    Bad UTF-8 becomes U+FFFD ("invalid_utf8") and so does an escaped surrogate without its pair ("lone_surrogate"): a
    cut emoji must not cost the sentence. Everything else that is not RFC 8259 JSON is a DecodeError with the offset.
    """
    try:
        return orjson.loads(data), None
    except orjson.JSONDecodeError as error:
        first = error
    payload = bytes(data)
    repair, bad = None, len(payload)
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        bad = error.start
        payload, repair = payload.decode("utf-8", "replace").encode(), "invalid_utf8"
    mended = _ESCAPES.sub(lambda match: b"\\ufffd" if match[1] else match[0], payload)
    if mended != payload:
        payload, repair = mended, "lone_surrogate"
    if repair is not None:
        try:
            return orjson.loads(payload), repair
        except orjson.JSONDecodeError as error:
            first = error
    text = payload.decode()  # orjson counts characters
    offset = len(data) if first.pos >= len(text) else min(bad, len(text[: first.pos].encode()))
    raise DecodeError(f"not JSON: {first.msg} at offset {offset}", offset=offset) from None


def body(value: object) -> Body:
    """One decoded JSON value, of any envelope, as a `Body`.

    Raises:
        DecodeError: the value is not an object, or a known member has a wrong type.
    """
    if not isinstance(value, dict):
        raise DecodeError(f"the body is {_kind(value)}, must be an object", path="$")
    found = Body()
    top = value
    header = value.get("header")
    if isinstance(header, dict) and "payload" in value:  # a WebSocket message of the same services
        top = mapping(value, "payload", "") or {}
        found.done = header.get("event") == "task-finished"
        code, message = header.get("error_code"), header.get("error_message")
        if code or message:
            found.failure = Failure(_text_or_none(code), str(message or code), _text_or_none(header.get("task_id")))
    output = mapping(top, "output", "") or {}
    inner = mapping(output, "output", "output.") or {}
    node: dict[str, Any] = {}
    for candidate in (inner, output, top):
        if candidate and any(candidate.get(key) is not None for key in ("sentence", "sentences", "text", "choices")):
            node = candidate
            break
    for holder in (top, output, inner):
        if found.usage is None:
            held = mapping(holder, "usage", "")
            found.usage = None if held is None else usage(held)
        if found.request_id is None:
            found.request_id = _text_or_none(holder.get("request_id"))
    if found.request_id is None and isinstance(top.get("object"), str):
        found.request_id = _text_or_none(top.get("id"))  # OpenAI-compatible bodies have no other id
    found.model = _text_or_none(top.get("model"))
    created = top.get("created")
    found.created = created if isinstance(created, int) and not isinstance(created, bool) else None
    if found.failure is None:
        found.failure = failure(value, bool(node))
    _results(node, found)
    return found


def failure(value: object, has_result: bool = False) -> Failure | None:
    """The error a body reports, in ``error{}`` or as ``code``/``message`` at the top or in ``output``; None without."""
    if not isinstance(value, dict):
        return None
    request_id = _text_or_none(value.get("request_id"))
    output = value.get("output")
    for holder in (value.get("error"), value, output):
        if isinstance(holder, str) and holder:
            return Failure(None, holder, request_id)
        if not isinstance(holder, dict):
            continue
        code, message = holder.get("code"), holder.get("message")
        code = str(code) if isinstance(code, (str, int)) and not isinstance(code, bool) and code != "" else None
        if code in ("200", "OK", "Success"):
            continue
        if code is None and (has_result or not isinstance(message, str) or not message):
            continue
        return Failure(code, message if isinstance(message, str) else "", request_id)
    return None


def _results(node: dict[str, Any], found: Body) -> None:
    sentences, single, text = array(node, "sentences", ""), node.get("sentence"), string(node, "text", "")
    if sentences:
        found.sentences = [sentence(item, f"sentences[{i}]") for i, item in enumerate(sentences)]
    elif isinstance(single, list):
        found.sentences = [sentence(item, f"sentence[{i}]") for i, item in enumerate(single)]
    elif single is not None:
        found.sentences = [sentence(single, "sentence")]
    if found.sentences:
        found.running_text = text
    elif text is not None:
        found.text, found.finish_reason = text, _reason(node, "")
    elif choices := array(node, "choices", ""):  # empty in the usage chunk
        _choice(entry(choices[0], "choices[0]"), found)


def _choice(choice: dict[str, Any], found: Body) -> None:
    found.choices = True
    found.finish_reason = _reason(choice, "choices[0].")
    for mode in ("delta", "message"):
        part, dot = mapping(choice, mode, "choices[0]."), f"choices[0].{mode}."
        if part is None:
            continue
        found.mode, found.text = mode, _content(part.get("content"), dot + "content")
        for i, item in enumerate(array(part, "annotations", dot) or ()):
            path = f"{dot}annotations[{i}]"
            note = entry(item, path)
            found.language = string(note, "language", path + ".") or found.language
            found.emotion = string(note, "emotion", path + ".") or found.emotion


def _content(content: object, path: str) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong(path, content, "a string or an array")
    parts = [part if isinstance(part, dict) else {"text": part} for part in content]
    texts = [string(part, "text", f"{path}[{i}].") for i, part in enumerate(parts)]
    return "".join(filter(None, texts)) if any(text is not None for text in texts) else None


def _reason(holder: dict[str, Any], prefix: str) -> str | None:
    reason = string(holder, "finish_reason", prefix)
    return None if reason in ("", "null") else reason  # the native dialect spells null as a string


def sentence(value: object, path: str, in_stash: bool = False) -> Heard:
    """One ``sentence`` object of an event, one item of ``sentences``, or the stash of one (which has none itself)."""
    said, dot = entry(value, path), path + "."
    words = array(said, "words", dot)
    stash = None if in_stash else mapping(said, "stash", dot)
    return Heard(
        identifier(said, dot), integer(said, "channel_id", dot) or 0,
        time(said, "begin_time", dot), time(said, "end_time", dot),
        string(said, "text", dot) or "",
        tuple([word(item, f"{dot}words[{i}]") for i, item in enumerate(words)]) if words else (),
        string(said, "language", dot), string(said, "emotion", dot), speaker(said, dot),
        end=boolean(said, "sentence_end", dot), begin=boolean(said, "sentence_begin", dot) or False,
        heartbeat=boolean(said, "heartbeat", dot) or False,
        stash=sentence(stash, dot + "stash", True) if stash else None,
    )  # fmt: skip


def word(value: object, path: str) -> Word:
    """One item of ``words``."""
    if not isinstance(value, dict):
        raise wrong(path, value, "an object")
    dot = path + "."
    return Word(
        time(value, "begin_time", dot), time(value, "end_time", dot), string(value, "text", dot) or "",
        string(value, "punctuation", dot) or "", boolean(value, "fixed", dot), speaker(value, dot),
    )  # fmt: skip


def time(holder: dict[str, Any], key: str, prefix: str) -> int | None:
    """A time in ms, 0..2**31-1; -1 and null mean none. A float without fraction is taken as the integer it is."""
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(prefix + key, value, "a whole number of milliseconds")
    if value == -1:
        return None
    if not 0 <= value <= MAX_TIME:
        raise DecodeError(f"{prefix}{key} is out of range (0 to {MAX_TIME} ms)", path=prefix + key)
    return value


def identifier(holder: dict[str, Any], prefix: str) -> int | None:
    """``sentence_id``: an integer; a string of digits is taken as the integer it spells."""
    value = holder.get("sentence_id")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return integer(holder, "sentence_id", prefix)


def integer(holder: dict[str, Any], key: str, prefix: str) -> int | None:
    """An integer of at most 63 bits, or None."""
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(prefix + key, value, "an integer")
    if not -(2**63) <= value < 2**63:
        raise DecodeError(f"{prefix}{key} is out of range", path=prefix + key)
    return value


def speaker(holder: dict[str, Any], prefix: str) -> int | str | None:
    """``speaker_id``, kept as given: an integer or a string."""
    value = holder.get("speaker_id")
    return value if isinstance(value, str) else integer(holder, "speaker_id", prefix)


def usage(raw: dict[str, Any]) -> Usage:
    """A ``usage`` object of any dialect."""
    prompt, input_ = (mapping(raw, key, "usage.") for key in ("prompt_tokens_details", "input_tokens_details"))
    details = prompt or input_ or {}
    seconds = [n for n in (number(raw, "seconds"), number(raw, "duration")) if n is not None]
    return Usage(
        max(seconds, default=None), _first(raw, "input_tokens", "prompt_tokens"), number(details, "audio_tokens"),
        _first(raw, "output_tokens", "completion_tokens"), number(raw, "total_tokens"), raw,
    )  # fmt: skip


def larger_usage(known: Usage | None, new: Usage | None) -> Usage | None:
    """What holds after both: counts are cumulative for the whole request, so the largest seen, whatever the order; they
    are never added."""
    if known is None or new is None:
        return known or new

    def most(a: float | None, b: float | None) -> float | None:
        return b if a is None else a if b is None else max(a, b)

    return Usage(
        most(known.seconds, new.seconds), most(known.input_tokens, new.input_tokens),
        most(known.audio_tokens, new.audio_tokens), most(known.output_tokens, new.output_tokens),
        most(known.total_tokens, new.total_tokens), new.raw,
    )  # fmt: skip


def _first(usage: dict[str, Any], *keys: str) -> float | None:
    return next((n for n in (number(usage, key) for key in keys) if n is not None), None)


def number(usage: dict[str, Any], key: str) -> float | None:
    """A count of ``usage`` that is not negative, or None."""
    value = usage.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise wrong("usage." + key, value, "a number that is not negative")
    return value


def mapping(holder: dict[str, Any], key: str, prefix: str) -> dict[str, Any] | None:
    """A member that is an object, or None."""
    value = holder.get(key)
    if value is not None and not isinstance(value, dict):
        raise wrong(prefix + key, value, "an object")
    return value


def array(holder: dict[str, Any], key: str, prefix: str) -> list[Any] | None:
    """A member that is an array, or None."""
    value = holder.get(key)
    if value is not None and not isinstance(value, list):
        raise wrong(prefix + key, value, "an array")
    return value


def entry(value: object, path: str) -> dict[str, Any]:
    """An item of an array that must be an object."""
    if not isinstance(value, dict):
        raise wrong(path, value, "an object")
    return value


def string(holder: dict[str, Any], key: str, prefix: str) -> str | None:
    """A member that is a string, or None."""
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise wrong(prefix + key, value, "a string")
    return value


def boolean(holder: dict[str, Any], key: str, prefix: str) -> bool | None:
    """A member that is true or false, or None."""
    value = holder.get(key)
    if value is not None and not isinstance(value, bool):
        raise wrong(prefix + key, value, "true or false")
    return value


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def shown(text: str) -> str:
    """Text of the service as our texts may show it: at most 2048 characters, URLs without their queries, which may be
    signatures."""
    return without_queries(text[:2048])


def wrong(path: str, value: object, wanted: str) -> DecodeError:
    """The error for a member of a wrong type."""
    return DecodeError(f"{path} is {_kind(value)}, must be {wanted}", path=path)


def _kind(value: object) -> str:
    # JSON's own words; the value itself is not shown: it may be long, and it may be anything.
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
