# Arguments that several commands take: the audio, the service, its options as NAME=VALUE, layouts.
#
# Knows: how they are written on a command line. Must not know: what is done with them.

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import orjson

from .._audio import shown_url
from .._errors import ConfigError
from .._options import suggest
from ..formats import Layout


def audio(text: str) -> str | Path:
    """A URL as it is, else the path of a file."""
    return text if re.match(r"(https?|oss)://|data:", text, re.IGNORECASE) else Path(text)


def stem(url: str) -> str:
    """A file name without its suffix, after that of the URL; "" where it has none."""
    name = "" if url[:5].lower() == "data:" else shown_url(url).rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "_", PurePosixPath(unquote(name)).stem).strip("._")[:60]


def service(args: argparse.Namespace) -> dict[str, Any]:
    """Which service: arguments of a client."""
    return {"base_url": args.base_url, "region": args.region, "workspace": args.workspace}


def call(args: argparse.Namespace, known: Collection[str]) -> dict[str, Any]:
    """What is asked of it: arguments of `Client.stream`. Raises ConfigError for an option that is not known."""
    options = dict(option(text, known) for text in args.option)
    return {"model": args.model, "protocol": args.protocol, "family": args.family, **options}


def layout(args: argparse.Namespace) -> Layout:
    """Of subtitles. Raises ConfigError."""
    return Layout(
        max_chars=args.max_chars, max_lines=args.max_lines, max_cps=args.max_cps, min_duration=args.min_duration,
        max_duration=args.max_duration or None, gap=args.gap, speakers=args.speakers,
    )  # fmt: skip


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
