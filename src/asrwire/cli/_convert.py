# `asrwire convert`: what a service answered, kept in a file, in another format.
#
# Knows: which kinds of files there are (`read`). Must not know: how any format is read or spelled, where results go.

from __future__ import annotations

import argparse
from pathlib import Path

from .. import _decode
from .._errors import ASRWireError, DecodeError, Truncated
from .._files import read_result
from .._single import whole
from .._transcript import Transcript
from ..capture import Capture
from ._arguments import layout
from ._results import targets, write
from ._terminal import read_stdin, tell


def run(args: argparse.Namespace) -> int:
    """Convert ``args.file``. Returns 0, or 1 where something is missing: the end of a stream, times for subtitles."""
    source = None if args.file == "-" else Path(args.file)
    wanted = layout(args)
    transcript = read(read_stdin() if source is None else source.read_bytes())
    found = targets("stdin" if source is None else source.stem, source, args.format, args.out)
    if not transcript.complete:
        tell(f"{args.file} is incomplete: {transcript.incomplete_reason}")
    written = write(transcript, found, wanted)
    return 0 if written and transcript.complete else 1


def read(data: bytes) -> Transcript:
    """The transcript in a file: one that `Transcript.to_json` wrote, a result file (what a ``transcription_url``
    answers), a capture, or else the body of a response, event stream or JSON."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        value = _decode.loads(data)[0]
    except DecodeError:
        value = None
    members = value if isinstance(value, dict) else {}
    if "version" in members and "sentences" in members:
        return Transcript.from_json(data)
    if "transcripts" in members:
        return whole(read_result(data).transcripts)
    replay = Capture.parse(data).replay()
    try:
        for _ in replay:
            pass
    except ASRWireError as error:
        if not replay.transcript.sentences:
            raise
        if not isinstance(error, Truncated):  # which is no more than that it is incomplete
            tell(str(error))
    return replay.transcript
