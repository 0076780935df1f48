# `asrwire replay`: a capture or a bare body through the same code, as it came or faster: captions, then results.
#
# Knows: what is played, and when captions are live. Must not know: the file's format (capture), the wire, where results
# go (_results).

from __future__ import annotations

import argparse
from pathlib import Path

from ..capture import Capture
from ._arguments import layout
from ._live import captions
from ._results import Results, follow, no_captions, stream_targets
from ._terminal import read_stdin


def run(args: argparse.Namespace) -> int:
    """Play ``args.file``. Returns what `follow` returns; raises what ended the recorded stream."""
    source = None if args.file == "-" else Path(args.file)
    found = stream_targets(args, "stdin" if source is None else source.stem, source)
    live, wanted = args.speed is not None, layout(args)
    replay = load(args.file).replay(args.speed, args.seed)
    shown = no_captions() if args.quiet or args.json else captions(live)
    return follow(args, replay, replay, Results(found, wanted, grow=live), shown)


def load(path: str) -> Capture:
    """A capture or a bare body; ``-`` is stdin. Raises what `Capture.load` raises."""
    return Capture.parse(read_stdin()) if path == "-" else Capture.load(path)
