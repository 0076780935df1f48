# The `asrwire` command: dispatch, exit codes. Commands are imported when they run.
#
# Knows: what became of a command as an exit code. Must not know: their names and options (_commands), what they do.
# Exit codes: 0 done, 1 some files or tasks failed, 2 anything else that went wrong (a line on stderr says what), 3 key
# refused (HTTP 401, 403), 4 timeout or too many requests (429), 130 interrupted. Ctrl-C is how `emulate` is ended: 0.

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .._errors import ASRWireError
from ._commands import parser


def exit_code(error: ASRWireError) -> int:
    """The exit code that stands for an error."""
    if error.kind in ("task_failed", "expired"):
        return 1
    if error.http_status in (401, 403):
        return 3
    return 4 if error.kind in ("timeout", "pool") or error.http_status == 429 else 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        given = sys.argv[1:] if argv is None else argv
        arguments = parser(given).parse_args(given)
        result: int = _run(arguments)
        return result
    except SystemExit as end:  # argparse: 0 after --help, 2 after a usage error it has printed
        return end.code if isinstance(end.code, int) else 2


def _run(arguments: argparse.Namespace) -> int:
    from . import _terminal

    _terminal.set_encodings()
    show = warnings.showwarning

    def warn(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category is UserWarning:  # of what was asked for; where in the code says nothing here
            _terminal.tell(str(message))
        else:
            show(message, category, *place, **more)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            result: int = import_module(f"asrwire.cli._{arguments.command}").run(arguments)
        return result
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has what it wanted
        _terminal.drop_broken_pipes()
        return 0
    except ASRWireError as error:
        message, code = str(error), exit_code(error)
    except OSError as error:
        message, code = ": ".join(filter(None, (error.filename, error.strerror))) or str(error), 2
    except Exception as error:
        message, code = f"{type(error).__name__}: {error}", 2
    try:
        _terminal.tell(message)
    except OSError:  # nobody reads that either
        _terminal.drop_broken_pipes()
    return code
