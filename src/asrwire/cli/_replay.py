# `asrwire replay`: a capture or a bare body through the same code, as it came or faster: captions, then the text.
#
# Knows: what is printed where. Must not know: the file's format (capture), the wire.

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson

from .._assembler import Update
from .._model import Amended, TextDelta
from ..capture import Capture, Replay
from . import _terminal
from ._live import captions, interrupted


def run(args: argparse.Namespace) -> int:
    """Play ``args.file``. Returns 0, or 130 where it was interrupted; raises what ended the recorded stream."""
    _terminal.set_encodings()
    try:
        replay = load(args.file).replay(args.speed, args.seed)
        return _json(replay) if args.json else _play(replay, live=args.speed is not None)
    except BrokenPipeError:
        _terminal.drop_broken_pipes()
        return 0


def load(path: str) -> Capture:
    """A capture or a bare body; ``-`` is stdin. Raises what `Capture.load` raises."""
    return Capture.parse(sys.stdin.buffer.read()) if path == "-" else Capture.load(path)


def _play(replay: Replay, live: bool) -> int:
    code = 0
    try:
        with captions(live) as show:
            try:
                for update in replay:
                    show(update)
            except KeyboardInterrupt:
                code = 130
                interrupted(show, replay.transcript.incomplete)
    finally:
        if not (sys.stdout.isatty() and sys.stderr.isatty()):  # there the captions have said it
            for sentence in replay.transcript.sentences:
                if sentence.text:
                    print(sentence.text if sentence.final else f"{sentence.text} [incomplete]", flush=True)
    return code


def _json(replay: Replay) -> int:
    try:
        for update in replay:
            sys.stdout.write(orjson.dumps({"ms": replay.ms, **update_fields(update)}).decode() + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    return 0


def update_fields(update: Update) -> dict[str, Any]:
    """An update as a dict for JSON: ``update`` (its kind), and the members of its sentence without ``raw``."""
    kind = {"update": type(update).__name__.lower()}
    if isinstance(update, TextDelta):
        return {**kind, "text": update.text, "offset": update.offset}
    sentence = {name: getattr(update.sentence, name) for name in update.sentence.__match_args__ if name != "raw"}
    sentence["words"] = [{name: getattr(word, name) for name in word.__match_args__} for word in update.sentence.words]
    if isinstance(update, Amended):
        return {**kind, "replaced": [replaced.index for replaced in update.replaced], **sentence}
    own = {name: getattr(update, name) for name in ("stable", "kept", "reason") if hasattr(update, name)}
    return {**kind, **own, **sentence}
