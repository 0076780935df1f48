# Results: what is made of updates and transcripts: files that grow with a stream, text and JSON on stdout, captions.
#
# Knows: where results go, which formats say of each sentence whether it is final, and how it is marked in the others.
# Must not know: where updates come from, how formats are spelled (_transcript), how captions are drawn (_captions).

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from .._assembler import Update
from .._errors import ASRWireError, ConfigError, NoTimes
from .._model import Amended, Final, Incomplete, Sentence, TextDelta, Word
from .._transcript import FORMATS, Transcript
from ..capture import Recorder, Replay
from ..formats import Layout
from ..sidecar import Sidecar
from ._live import Show, interrupted
from ._terminal import say, tell

if TYPE_CHECKING:
    from .._client import Stream

_DATA = ("json", "ndjson")  # formats that say of each sentence whether it is final; in the others it is marked

Targets = list[tuple[str, Path | None]]


# == where to ==========================================================================================================


def targets(stem: str, source: Path | None, format: str | None, out: Path | None) -> Targets:
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
    if format is None and out is not None and not out.suffix:
        raise ConfigError(f"what to write to '{out}'? It is no folder, and no suffix says the format: give --format")
    return [(format or ("txt" if out is None else out.suffix[1:].lower()), out)]


def _same(path: Path, source: Path | None) -> bool:
    return source is not None and path.exists() and path.samefile(source)


def stream_targets(args: argparse.Namespace, stem: str, source: Path | None) -> Targets:
    """As `targets`, of a stream: none where JSON lines are its result. What can be wrong with one is said now."""
    if args.json and args.out is None:
        if args.format:
            raise ConfigError(f"--json prints JSON: --format {args.format} goes with -o there")
        return []
    found = targets(stem, source, args.format, args.out)
    for format, path in found:
        if path is not None:
            Sidecar(path, format)
            try:
                with tempfile.TemporaryFile(dir=path.parent):
                    pass
            except OSError as error:
                raise ConfigError(f"cannot write '{path}': {error.strerror}") from None
    return found


# == of a transcript ===================================================================================================


def write(
    transcript: Transcript, found: Targets, layout: Layout, *, names: bool = True, why: str | None = None
) -> bool:
    """Write each of the targets, and print the ``names`` of files. Returns False where one of several needs times that
    the service did not send; raises NoTimes where it is the only one.

    ``why``: what ended it, if that was not the service.
    """
    missing = False
    for format, path in found:
        try:
            content = _content(transcript, format, layout, why)
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
                say(str(path))
    return not missing


def _content(transcript: Transcript, format: str, layout: Layout, why: str | None) -> str:
    try:
        return _marked(transcript, format, why).to_format(format, layout)
    except NoTimes as error:  # maybe of a sentence that was still open
        if transcript.complete or not transcript.timed:
            raise
        tell(str(error))
        finals = [sentence for sentence in transcript.sentences if sentence.final]
        return replace(transcript, sentences=finals, text="").to_format(format, layout)


def _marked(transcript: Transcript, format: str, why: str | None) -> Transcript:
    if transcript.complete or format in _DATA:
        return transcript
    note = why or transcript.incomplete_reason or "incomplete"
    sentences = [sentence if sentence.final else _with_mark(sentence, note) for sentence in transcript.sentences]
    return replace(transcript, sentences=sentences, text="")


def _with_mark(sentence: Sentence, note: str) -> Sentence:
    """The sentence with a mark at its end that says why it is not final."""
    said = {name: getattr(sentence, name) for name in sentence.__match_args__}
    mark = f" [{note}]" if sentence.text else f"[{note}]"
    words = (*sentence.words, Word(None, None, mark)) if sentence.words else ()
    return Sentence(**{**said, "text": sentence.text + mark, "words": words})


# == of a stream =======================================================================================================


class Results:
    """What is written of one stream.

    Args:
        targets: each format, and where to; None is stdout.
        layout: of subtitles.
        grow: files are valid while the stream runs, too; without, they are written once.
    """

    def __init__(self, targets: Targets, layout: Layout, grow: bool = True) -> None:
        self._targets = targets
        self._layout = layout
        self._grow = grow
        self._sidecars: list[Sidecar] = []
        self._missing: dict[Path, NoTimes] = {}
        self.open = False

    def __enter__(self) -> Self:
        if self._grow:
            self._sidecars = [Sidecar(path, format, self._layout) for format, path in self._targets if path is not None]
        for sidecar in self._sidecars:
            sidecar.__enter__()
        self.open = True
        return self

    def __exit__(self, *error: Any) -> None:
        for sidecar in self._sidecars:
            sidecar.__exit__(*error)

    def take(self, update: Update) -> None:
        """Write what is new into the files. A sentence without times is left out of subtitles, and told of later."""
        if not isinstance(update, Final | Amended | Incomplete):
            return
        for sidecar in self._sidecars:
            shown = update
            if isinstance(update, Incomplete) and sidecar.format not in _DATA:
                shown = Incomplete(_with_mark(update.sentence, update.reason), update.reason, update.kept)
            try:
                sidecar.take(shown)
            except NoTimes as error:
                self._missing.setdefault(sidecar.path, error)

    def finish(self, transcript: Transcript, why: str | None, names: bool, said: bool) -> bool:
        """Write all of it a last time. Returns False where times were missing for one of several formats.

        ``why``: what ended it, if that was not the service. ``names``: print the paths. ``said``: stdout has it.
        """
        for sidecar in self._sidecars:
            if sidecar.path not in self._missing:
                try:
                    sidecar.finish(_marked(transcript, sidecar.format, why))
                except NoTimes as error:
                    self._missing[sidecar.path] = error
            if missing := self._missing.get(sidecar.path):
                if transcript.complete and len(self._targets) == 1:
                    raise missing
                tell(f"{sidecar.path}: {missing}")
            if names:
                say(str(sidecar.path))
        left = [one for one in self._targets if not (said if one[1] is None else self._grow)]
        return write(transcript, left, self._layout, names=names, why=why) and not self._missing


def follow(
    args: argparse.Namespace, stream: Stream | Replay, clock: Recorder | Replay, results: Results,
    captions: AbstractContextManager[Show], call: AbstractContextManager[Any] | None = None,
) -> int:  # fmt: skip
    """Show and write what a stream brings. Returns 0, 1 where something is missing (the end, times for one of several
    formats), or 130 after Ctrl-C; raises what ended the stream.

    ``clock``: its ``ms`` is when the last update came. ``call``: entered before there are results.
    """
    code = 0
    ended: ASRWireError | None = None
    try:
        with captions as show, call or nullcontext(), results:

            def take(update: Update) -> None:
                show(update)
                results.take(update)
                if args.json:
                    say(orjson.dumps({"ms": clock.ms, **update_fields(update)}).decode())

            try:
                for update in stream:
                    take(update)
            except KeyboardInterrupt:
                code = 130
                interrupted(take, stream.transcript.incomplete)
    except KeyboardInterrupt:  # before the answer
        code = 130
    except ASRWireError as error:
        ended = error
    transcript = stream.transcript
    said = args.format is None and not args.quiet and sys.stdout.isatty() and sys.stderr.isatty()
    said = said or not (transcript.complete or transcript.sentences)  # there is nothing to say
    written = not results.open or results.finish(transcript, "interrupted" if code else None, not args.json, said)
    if ended is not None:
        raise ended
    if not transcript.complete:
        tell(f"incomplete: {'interrupted' if code else transcript.incomplete_reason}")
    elif transcript.no_speech:
        tell("nobody speaks there")
    return code or (0 if written and transcript.complete else 1)


def no_captions() -> AbstractContextManager[Show]:
    """Shows nothing."""
    return nullcontext(lambda update: None)


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
