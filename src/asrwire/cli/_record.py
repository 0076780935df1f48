# `asrwire record`: one live call, its captions on stderr, what came over the wire in a capture.
#
# Knows: what is asked for, what is said of the file. Must not know: the file's format (capture), the wire.

from __future__ import annotations

import argparse
import sys

from .._client import Client
from .._errors import ConfigError
from .._options import FAMILIES
from ..capture import Capture, Recorder
from . import _terminal
from ._arguments import audio, call, service
from ._live import captions, interrupted

_OPTIONS = frozenset({"extra"}).union(*FAMILIES.values())


def run(args: argparse.Namespace) -> int:
    """Record ``args.audio`` into ``args.out``. Returns 0, or 130 after Ctrl-C; raises what ended the call."""
    given = call(args, _OPTIONS)
    sound = _terminal.read_stdin() if args.audio == "-" else audio(args.audio)
    with Client(**service(args)) as client:
        client.stream(sound, **given)  # what is wrong is said before there is a file
        recorder = Recorder(args.out)
        ended = 0
        try:
            with (
                captions(live=True, asking=args.model) as show,
                client.stream(sound, **given, capture=recorder) as stream,
            ):
                try:
                    for update in stream:
                        show(update)
                except KeyboardInterrupt:
                    ended = 130
                    recorder.interrupted()
                    interrupted(show, stream.transcript.incomplete)
        except KeyboardInterrupt:  # before the answer
            ended = 130
            recorder.interrupted()
        finally:
            _tell(args.out, recorder)
    if recorder.error is not None:
        raise ConfigError(f"the capture ends early: {recorder.error.strerror or recorder.error}")
    print(args.out, flush=True)
    return ended


def _tell(path: str, recorder: Recorder) -> None:
    if recorder.error is None and (capture := Capture.load(path)).request is not None:
        size = sum(len(read.data) for read in capture.reads)
        end = {"eof": "", "closed": ", interrupted"}.get(recorder.ledger.end or "", f", {recorder.ledger.end}")
        print(f"asrwire: recorded {len(capture.reads)} reads, {size} bytes{end}", file=sys.stderr, flush=True)
