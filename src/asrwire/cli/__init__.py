# The `asrwire` command: arguments, dispatch, exit codes. Subcommands are imported when they run.
#
# Knows: the names and options of the subcommands. Must not know: what they do.
# Exit codes: 0 done, 2 anything that went wrong (one line on stderr says what), 130 interrupted. Ctrl-C is how
# `emulate` is ended: 0.

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .._errors import ASRWireError

_MAIN = """\
examples:
  asrwire demo                   watch live captions; no key, no network
  asrwire emulate --port 8080    have a server to point clients at

exit codes: 0 done, 2 an error (a line on stderr says what), 130 interrupted
"""
_DEMO = """\
examples:
  asrwire demo
  asrwire demo --fast --out results > summary.txt
"""
_EMULATE = """\
examples:
  asrwire emulate --port 8080 --speed 1
  export DASHSCOPE_BASE_URL=http://127.0.0.1:8080/api/v1
  export DASHSCOPE_API_KEY=any-key

It runs until Ctrl-C, and then ends with exit code 0.
"""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="asrwire", description="Streaming speech recognition at wire level.", epilog=_MAIN, formatter_class=raw
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="live captions from the bundled emulator: no key, no network",
        description="Stream a conversation from the bundled emulator, through the real client over\n"
        "a real socket. Captions go to stderr, sentences and a summary to stdout, the\n"
        "transcript to three files.",
        epilog=_DEMO,
        formatter_class=raw,
    )
    demo.add_argument("--fast", action="store_true", help="full speed, plain output")
    demo.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where demo.srt, demo.vtt and demo.json go (default: .)"
    )

    emulate = commands.add_parser(
        "emulate",
        help="run a DashScope speech-recognition server on this machine",
        description="Answer speech-recognition requests as the DashScope services do, whatever the\n"
        "audio, and refuse what their documents do not allow. Each request is logged as\n"
        "a line on stderr, without its key.",
        epilog=_EMULATE,
        formatter_class=raw,
    )
    emulate.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    emulate.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    emulate.add_argument(
        "--speed", type=float, metavar="X", help="1: real time, 4: four times faster; default: at once"
    )
    emulate.add_argument(
        "--envelope", default="doc", choices=("doc", "public", "workspace"), help="layout of native answers"
    )
    emulate.add_argument("--tls", action="store_true", help="serve https; needs asrwire[tls-emulator]")
    emulate.add_argument("--sample", type=Path, metavar="FILE", help="answer everything with this .sse or .json file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        arguments = _parser().parse_args(argv)
        result: int = import_module(f"asrwire.cli._{arguments.command}").run(arguments)
        return result
    except SystemExit as end:  # argparse: 0 after --help, 2 after a usage error it has printed
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except (ASRWireError, OSError) as error:
        message = str(error)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    print(f"asrwire: {' '.join(message.split())}", file=sys.stderr)
    return 2
