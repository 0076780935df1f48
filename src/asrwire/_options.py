# Options: the keywords of a transcription call, one TypedDict per model family (PEP 692), named by the services' own
# fields, and the check of their values against what the documents allow.
#
# Knows: names, types, units, ranges. Must not know where an option travels in a request (_requests) nor the network.
# None means the same as leaving an option out. What is newer than this list goes through `extra`. No error shows a
# value: texts, hotwords and ids are the caller's own.

from __future__ import annotations

import difflib
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from ._errors import ConfigError

#: One earlier turn of a conversation: ``(role, text)``, ``{"role": ..., "text": ...}`` (or a str under ``"content"``),
#: or a message in the service's own shape, which is passed as it is. Roles: ``"user"``, ``"assistant"``.
Turn: TypeAlias = tuple[str, str] | Mapping[str, object]


class QwenOptions(TypedDict, total=False):
    """``qwen3-asr-flash``, OpenAI-compatible and DashScope (Qwen-ASR API reference, ``asr_options``).

    Attributes:
        context: background text that biases recognition (names, terms, a summary); at most 10,000 tokens. It becomes
            the system message; ``""`` sends an empty one.
        language: code of the one language spoken (``"zh"``, ``"en"``, ``"yue"``, ...); leave it out for mixed speech.
        enable_itn: write spoken forms as numbers (inverse text normalization); Chinese and English. Service default:
            False.
        include_usage: ask for a last chunk with the token usage; only while streaming over the OpenAI-compatible
            protocol (``stream_options.include_usage``). The DashScope protocol always sends usage.
    """

    context: str
    language: str
    enable_itn: bool
    include_usage: bool


class FunASRFlashOptions(TypedDict, total=False):
    """``fun-asr-flash`` and ``qwen-audio-3.x-asr-flash`` (Fun-ASR-Flash HTTP API, ``input`` and ``parameters``).

    Attributes:
        context: earlier turns, oldest first; at most 5 of each role. The service cuts a turn after 400 characters.
        format: container of the audio (``"wav"``, ``"mp3"``, ...); default: what the audio shows it is.
        sample_rate: Hz; sent as a string, as documented.
        language_hints: language codes; fun-asr-flash uses the first, qwen-audio-3.0 the first four.
        vocabulary_id: id of a hotword list made beforehand.
        vocabulary: hotword -> weight, 1 to 5, or 50; qwen-audio-3.x only.
    """

    context: Sequence[Turn]
    format: str
    sample_rate: int | str
    language_hints: Sequence[str]
    vocabulary_id: str
    vocabulary: Mapping[str, int]


class FunASRRealtimeOptions(TypedDict, total=False):
    """``fun-asr-realtime`` over HTTP (Fun-ASR-Realtime HTTP API, ``parameters``); served in cn-beijing only.

    Attributes:
        format: container of the audio (``"wav"``, ``"mp3"``, ``"pcm"``, ...); default: what the audio shows it is.
        sample_rate: Hz; sent as a string.
        vad_enabled: cut at silences; service default True, and forced on above one minute.
        language_hints: language codes.
        vocabulary_id: id of a hotword list made beforehand.
    """

    format: str
    sample_rate: int | str
    vad_enabled: bool
    language_hints: Sequence[str]
    vocabulary_id: str


#: model family -> the options it takes
FAMILIES: dict[str, frozenset[str]] = {
    "qwen3-asr-flash": QwenOptions.__optional_keys__,
    "fun-asr-flash": FunASRFlashOptions.__optional_keys__ - {"vocabulary"},
    "qwen-audio": FunASRFlashOptions.__optional_keys__,
    "fun-asr-realtime": FunASRRealtimeOptions.__optional_keys__,
}


def check_options(family: str, options: Mapping[str, object]) -> dict[str, Any]:
    """The options given (not None), checked, as the JSON values to send. `family` is one of `FAMILIES`.

    Raises ConfigError for unknown names and values outside the documented ranges, TypeError for wrong types; warns
    (UserWarning) of context the service would cut.
    """
    known = FAMILIES[family]
    for name in options:
        if name not in known:
            others = [other for other, names in FAMILIES.items() if name in names]
            hint = f", which is for {' and '.join(others)} (known: {', '.join(sorted(known))})" if others else ""
            raise ConfigError(f"{family} has no option {name!r}{hint or suggest(name, known)}")
    checks = _CHECKS | {"context": _text if family == "qwen3-asr-flash" else _turns}
    return {name: checks[name](value, name) for name, value in options.items() if value is not None}


def check_json(value: object, path: str, depth: int = 0) -> Any:
    """A copy of `value` in plain JSON types; ConfigError or TypeError naming the path otherwise.

    orjson alone would write NaN as null, and name no path.
    """
    if depth > 64:
        raise ConfigError(f"{path} is nested deeper than 64 levels")
    if isinstance(value, str):
        return _text(value, path)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ConfigError(f"{path} does not fit into 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"{path} is not a finite number, and JSON has no other")
        return float(value)
    if isinstance(value, Mapping):
        return {
            _text(name, f"a key of {path}"): check_json(item, f"{path}[{name!r}]", depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [check_json(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise TypeError(f"{path} is a {type(value).__name__}, which JSON has no form for")


def suggest(wrong: str, known: Iterable[str]) -> str:
    """The end of a message about a wrong name: the nearest known one, and all of them."""
    close = difflib.get_close_matches(wrong, known, n=1)
    return (f"; did you mean {close[0]!r}?" if close else "") + f" (known: {', '.join(sorted(known))})"


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value.isascii() and re.search("[\ud800-\udfff]", value):
        raise ConfigError(f"{name} holds a lone surrogate, which UTF-8 cannot encode")
    return value


def _token(value: object, name: str) -> str:
    text = _text(value, name)
    if not text or not text.isprintable() or " " in text:
        raise ConfigError(f"{name} must not be empty or hold white space or control characters")
    return text


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def _sample_rate(value: object, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"{name} must be an int or a str of digits, in Hz, not {type(value).__name__}")
    digits = value if isinstance(value, str) else str(min(value, 10**7))  # str(int) has a limit of its own
    if not re.fullmatch(r"[1-9][0-9]{0,6}", digits):
        raise ConfigError(f"{name} must be a positive whole number of Hz, below 10,000,000")
    return digits


def _hints(value: object, name: str) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of language codes, not {type(value).__name__}")
    if not value:
        raise ConfigError(f"{name} is empty: leave it out")
    return [_token(hint, f"{name}[{i}]") for i, hint in enumerate(value)]


def _vocabulary(value: object, name: str) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of hotword to weight, not {type(value).__name__}")
    for i, (word, weight) in enumerate(value.items()):
        if not _text(word, f"hotword {i} of {name}").strip():
            raise ConfigError(f"hotword {i} of {name} is empty")
        if isinstance(weight, bool) or not isinstance(weight, int):
            raise TypeError(f"the weight of hotword {i} of {name} must be an int, not {type(weight).__name__}")
        if weight not in (1, 2, 3, 4, 5, 50):
            raise ConfigError(f"the weight of hotword {i} of {name} must be 1 to 5, or 50")
    return dict(value)


_CHECKS: dict[str, Callable[[object, str], Any]] = {
    "language": _token,
    "enable_itn": _flag,
    "include_usage": _flag,
    "format": _token,
    "sample_rate": _sample_rate,
    "language_hints": _hints,
    "vocabulary_id": _token,
    "vocabulary": _vocabulary,
    "vad_enabled": _flag,
}
_PART_TYPES = {"user": "input_text", "assistant": "text"}


def _turns(value: object, name: str) -> list[dict[str, Any]]:
    if isinstance(value, str):
        raise TypeError(f"{name} takes turns here, such as [('user', '...')]; a plain str is for qwen3-asr-flash")
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of turns, not {type(value).__name__}")
    turns = [_turn(turn, f"{name}[{i}]") for i, turn in enumerate(value)]
    for role in _PART_TYPES:
        if sum(turn["role"] == role for turn in turns) > 5:
            raise ConfigError(f"{name} holds more than 5 turns of the {role}, the documented maximum")
    return turns


def _turn(turn: object, path: str) -> dict[str, Any]:
    if isinstance(turn, Mapping):
        role, text = turn.get("role"), turn.get("text", turn.get("content"))
    elif isinstance(turn, tuple | list) and len(turn) == 2:
        role, text = turn
    else:
        raise TypeError(f"{path} must be (role, text) or a mapping with role and text, not {type(turn).__name__}")
    role = _text(role, f"the role of {path}")
    if role not in _PART_TYPES:
        raise ConfigError(f"the role of {path} must be 'user' or 'assistant'")
    if isinstance(turn, Mapping) and isinstance(text, list | tuple):
        message: dict[str, Any] = check_json(turn, path)
        return message
    text = _text(text, f"the text of {path}")
    if len(text) > 400:
        warnings.warn(f"the text of {path} has {len(text)} characters; the service cuts it after 400", stacklevel=2)
    return {"role": role, "content": [{"type": _PART_TYPES[role], "text": text}]}
