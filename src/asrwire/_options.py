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
from functools import partial
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


class FileOptions(TypedDict, total=False):
    """File-task models; which family takes which is in `FILE_FAMILIES`. All travel in the submit's ``parameters``, but
    for `phrase_id`, which is a resource.

    Attributes:
        channel_id: audio tracks to transcribe, from 0; service default ``[0]``. Each is billed on its own.
        language: code of the one language spoken; leave it out for mixed speech. ``qwen3-asr-flash-filetrans`` only, as
            are the next three.
        enable_itn: write spoken forms as numbers (inverse text normalization); Chinese and English. Service default:
            False.
        enable_words: times of words, and sentences cut at punctuation too. Service default: False.
        text: background text that biases recognition (names, terms, a summary); at most 10,000 tokens.
        language_hints: language codes (``"zh"``, ``"en"``, ...); the service reads the first. Leave it out to let it
            find out. Not for ``qwen3-asr-flash-filetrans``, as are the rest.
        vocabulary_id: id of a hotword list made beforehand.
        phrase_id: id of a list of phrases made beforehand, the older kind of hotwords.
        special_word_filter: sensitive words to mask or remove: ``filter_with_signed``, ``filter_with_empty`` (each with
            a ``word_list``), ``system_reserved_filter``; a mapping, or the JSON of one as a str. Sent as given.
        diarization_enabled: tell speakers apart (``Sentence.speaker_id``); single-channel audio only. Service default:
            False.
        speaker_count: speakers to expect, 2 to 100; a hint, and read only with `diarization_enabled`.
        speech_noise_threshold: how loud speech is in comparison with noise; the documents give no range.
    """

    channel_id: Sequence[int]
    language: str
    enable_itn: bool
    enable_words: bool
    text: str
    language_hints: Sequence[str]
    vocabulary_id: str
    phrase_id: str
    special_word_filter: str | Mapping[str, object]
    diarization_enabled: bool
    speaker_count: int
    speech_noise_threshold: float


#: model family -> the options it takes
FAMILIES: dict[str, frozenset[str]] = {
    "qwen3-asr-flash": QwenOptions.__optional_keys__,
    "fun-asr-flash": FunASRFlashOptions.__optional_keys__ - {"vocabulary"},
    "qwen-audio": FunASRFlashOptions.__optional_keys__,
    "fun-asr-realtime": FunASRRealtimeOptions.__optional_keys__,
}

_QWEN_FILE = frozenset({"channel_id", "language", "enable_itn", "enable_words", "text"})
_FUN_FILE = FileOptions.__optional_keys__ - _QWEN_FILE | {"channel_id"}

#: family of file-task models -> the options it takes
FILE_FAMILIES: dict[str, frozenset[str]] = {
    "qwen3-asr-flash-filetrans": _QWEN_FILE,
    "fun-asr": _FUN_FILE,
    "paraformer": _FUN_FILE,
    "qwen-audio-filetrans": _FUN_FILE - {"phrase_id"},
}


def check_options(family: str, options: Mapping[str, object], *, warn: bool = True) -> dict[str, Any]:
    """The options given (not None), checked, as the JSON values to send. `family` is one of `FAMILIES` or
    `FILE_FAMILIES`.

    Raises ConfigError for unknown names and values outside the documented ranges, TypeError for wrong types; warns
    (UserWarning) of context the service would cut.
    """
    families = FAMILIES if family in FAMILIES else FILE_FAMILIES
    known = families[family]
    for name in options:
        if name not in known:
            others = [other for other, names in families.items() if name in names]
            hint = f", which is for {' and '.join(others)} (known: {', '.join(sorted(known))})" if others else ""
            raise ConfigError(f"{family} has no option {name!r}{hint or suggest(name, known)}")
    checks = _CHECKS | {"context": _text if family == "qwen3-asr-flash" else partial(_turns, warn=warn)}
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


def _channels(value: object, name: str) -> list[int]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of track numbers, not {type(value).__name__}")
    if not value:
        raise ConfigError(f"{name} is empty: leave it out")
    channels = [_whole(channel, f"{name}[{i}]", 0, 2**31 - 1) for i, channel in enumerate(value)]
    if len(set(channels)) < len(channels):
        raise ConfigError(f"{name} names a track twice, and each is billed")
    return channels


def _whole(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ConfigError(f"{name} must be {least} to {most:,}")
    return int(value)


def _speakers(value: object, name: str) -> int:
    return _whole(value, name, 2, 100)


def _threshold(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not math.isfinite(value):
        raise ConfigError(f"{name} must be finite")
    return float(value)


def _word_filter(value: object, name: str) -> Any:
    if not isinstance(value, str | Mapping):
        raise TypeError(f"{name} must be a mapping, or the JSON of one as a str, not {type(value).__name__}")
    return check_json(value, name)


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
    "channel_id": _channels,
    "enable_words": _flag,
    "text": _text,
    "phrase_id": _token,
    "special_word_filter": _word_filter,
    "diarization_enabled": _flag,
    "speaker_count": _speakers,
    "speech_noise_threshold": _threshold,
}
_PART_TYPES = {"user": "input_text", "assistant": "text"}


def _turns(value: object, name: str, *, warn: bool) -> list[dict[str, Any]]:
    if isinstance(value, str):
        raise TypeError(f"{name} takes turns here, such as [('user', '...')]; a plain str is for qwen3-asr-flash")
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of turns, not {type(value).__name__}")
    turns = [_turn(turn, f"{name}[{i}]", warn) for i, turn in enumerate(value)]
    for role in _PART_TYPES:
        if sum(turn["role"] == role for turn in turns) > 5:
            raise ConfigError(f"{name} holds more than 5 turns of the {role}, the documented maximum")
    return turns


def _turn(turn: object, path: str, warn: bool) -> dict[str, Any]:
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
    if warn and len(text) > 400:
        warnings.warn(f"the text of {path} has {len(text)} characters; the service cuts it after 400", stacklevel=2)
    return {"role": role, "content": [{"type": _PART_TYPES[role], "text": text}]}
