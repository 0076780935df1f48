# Arguments that several commands take: the audio, options of the services as NAME=VALUE.
#
# Knows: how they are written on a command line. Must not know: what is done with them.

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson

from .._errors import ConfigError
from .._options import suggest


def audio(text: str) -> str | Path:
    """A URL as it is, else the path of a file."""
    return text if re.match(r"(https?|oss)://|data:", text, re.IGNORECASE) else Path(text)


def option(text: str, known: Collection[str]) -> tuple[str, Any]:
    """NAME=VALUE as the name and the value: JSON, or else a string. Raises ConfigError for a name that is not known."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError("--option is NAME=VALUE, such as language_hints='[\"zh\"]'")
    if name not in known:
        raise ConfigError(f"--option: there is no option {name!r}{suggest(name, known)}")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
