# `asrwire convert`: what a service answered, kept in a file, in another format.
#
# Knows: which kinds of files there are (`read`), where results go. Must not know: how any format is read or spelled.

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .. import _decode
from .._errors import ASRWireError, ConfigError, DecodeError, NoTimes
from .._files import read_result
from .._single import whole
from .._stream import ResultStream
from .._transcript import FORMATS, Transcript
from ..formats import Layout
from ._arguments import layout
from ._terminal import drop_broken_pipes, say, set_encodings, tell


def run(args: argparse.Namespace) -> int:
    """Convert ``args.file``. Returns 0, or 1 where something is missing: the end of a stream, times for subtitles."""
    set_encodings()
    source = None if args.file == "-" else Path(args.file)
    wanted = layout(args)
    transcript = read(sys.stdin.buffer.read() if source is None else source.read_bytes())
    found = targets("stdin" if source is None else source.stem, source, args.format, args.out)
    if not transcript.complete:
        tell(f"{args.file} is incomplete: {transcript.incomplete_reason}")
    try:
        written = write(transcript, found, wanted)
    except BrokenPipeError:
        drop_broken_pipes()
        written = True
    return 0 if written and transcript.complete else 1


def write(transcript: Transcript, found: list[tuple[str, Path | None]], wanted: Layout, *, names: bool = True) -> bool:
    """Write each of the `targets`, and print the ``names`` of files. Returns False where one of several needs times
    that the service did not send; raises NoTimes where it is the only one."""
    missing = False
    for format, path in found:
        try:
            content = transcript.to_format(format, wanted)
        except NoTimes as error:
            if len(found) == 1:
                raise
            tell(f"no {format}: {error}")
            missing = True
            continue
        if path is None:
            say(content, end="")
        else:
            path.write_text(content, encoding="utf-8", newline="\n")
            if names:
                print(path, flush=True)
    return not missing


def read(data: bytes) -> Transcript:
    """The transcript in a file: one that `Transcript.to_json` wrote, a result file (what a ``transcription_url``
    answers), or else the body of a response, event stream or JSON."""
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
    stream = ResultStream(partials=False)
    try:
        stream.receive_data(data)
        stream.receive_eof()
    except ASRWireError as error:
        stream.receive_eof(error)
        if not stream.transcript.sentences:
            raise
        tell(str(error))
    return stream.transcript


def targets(stem: str, source: Path | None, format: str | None, out: Path | None) -> list[tuple[str, Path | None]]:
    """Each format to be written, and where to: None is stdout. The source is never written over.

    ``stem``: what files are called, without their suffix. ``source``: the file read, None where it is none.
    """
    if format == "all":
        if out is None and source is None:
            raise ConfigError("--format all writes files: beside none it needs -o DIR")
        directory = out or (source or Path()).parent
        directory.mkdir(parents=True, exist_ok=True)
        found = ((kind, directory / f"{stem}.{kind}") for kind in FORMATS)
        return [(kind, path) for kind, path in found if not _same(path, source)]
    if out is not None and out.is_dir():
        out = out / f"{stem}.{format or 'txt'}"
    if out is not None and _same(out, source):
        raise ConfigError(f"{out} would be written over")
    return [(format or ("txt" if out is None else out.suffix[1:].lower()), out)]


def _same(path: Path, source: Path | None) -> bool:
    return source is not None and path.exists() and path.samefile(source)
