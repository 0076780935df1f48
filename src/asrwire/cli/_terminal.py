# Terminals and pipes: what stands behind stdout and stderr, and what may be written there.
#
# Knows: widths, who interprets control codes, readers that have gone. Must not know: what is written.

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from .._errors import ConfigError

# What a service sends must not steer the terminal.
_HARMLESS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


def width(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream; None where there is none."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def takes_control_codes(stream: TextIO) -> bool:
    """No-color.org; consoles of Windows that interpret control codes say so by WT_SESSION."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ


def harmless(text: str) -> str:
    """The text without control characters; tabs and line ends stay."""
    return text.translate(_HARMLESS)


def say(text: str, end: str = "\n") -> None:
    """Print a result, as it is for a pipe, without control characters for a terminal."""
    print(harmless(text) if sys.stdout.isatty() else text, end=end, flush=True)


def tell(text: str) -> None:
    """Print a line on stderr."""
    print("asrwire:", harmless(" ".join(text.split())), file=sys.stderr, flush=True)


def read_stdin() -> bytes:
    """All of stdin. Raises ConfigError."""
    if sys.stdin is None:
        raise ConfigError("stdin is closed")
    return sys.stdin.buffer.read()


def set_encodings() -> None:
    """UTF-8 into pipes and files, unless PYTHONIOENCODING says otherwise; what an encoding lacks is replaced."""
    said = os.environ.get("PYTHONIOENCODING")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if said or stream.isatty() else "utf-8", errors="replace")


def drop_broken_pipes() -> None:
    """The reader is gone and has what it wanted; the interpreter's own flush at exit must not complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            drop(stream)


def drop(stream: TextIO) -> None:
    """Whatever is written to it is lost from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
