# `asrwire transcribe`: one piece of audio: captions while it is heard, files that grow with it, the result.
#
# Knows: how a model's answer comes (a stream or a file task), where results go, what is marked as not final. Must not
# know: the wire, how formats are spelled (_transcript), how captions are drawn (_captions).

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import orjson

from .. import _requests
from .._assembler import Update
from .._client import AsyncClient, Client
from .._errors import ASRWireError, ConfigError, NoTimes
from .._files import FileFailed
from .._model import Amended, Final, Incomplete, Sentence, Word
from .._options import FAMILIES, FILE_FAMILIES
from .._single import whole
from .._task import Task
from .._transcript import Transcript
from ..capture import Recorder
from ..formats import SUBTITLES, Layout
from ..sidecar import Sidecar
from . import _convert
from ._arguments import audio, call, layout, service, stem
from ._live import Show, captions, interrupted
from ._replay import update_fields
from ._tasks import Display, drawn
from ._terminal import drop_broken_pipes, say, set_encodings, tell

_OPTIONS = frozenset({"extra"}).union(*FAMILIES.values(), *FILE_FAMILIES.values())
_UNTIMED = "qwen3-asr-flash"  # the family whose answers have no times (Model Studio, Qwen-ASR user guide)
_DATA = ("json", "ndjson")  # formats that say of each sentence whether it is final; in the others it is marked

Targets = list[tuple[str, Path | None]]


def run(args: argparse.Namespace) -> int:
    """Transcribe ``args.audio``. Returns 0, 1 where something is missing (the end, times for one of several formats),
    or 130 after Ctrl-C; raises what ended the call."""
    set_encodings()
    try:
        return _transcribe(args)
    except BrokenPipeError:
        drop_broken_pipes()
        return 0


def _transcribe(args: argparse.Namespace) -> int:
    given, wanted = call(args, _OPTIONS), layout(args)
    if args.json and args.format and args.out is None:
        raise ConfigError(f"--json prints JSON: --format {args.format} goes with -o there")
    sound = None if args.audio == "-" else audio(args.audio)
    in_task = _requests.file_family(args.model, args.family) is not None
    if in_task and not isinstance(sound, str):
        raise ConfigError(f"{args.model!r} is a file-task model: it takes a URL, which the service fetches")
    targets, all_of_them = _targets(args, sound, in_task)
    if in_task:
        return _file(args, sound, given, targets, wanted)
    return _streamed(args, sound, given, _Results(targets, wanted)) or (0 if all_of_them else 1)


def _targets(args: argparse.Namespace, sound: str | Path | None, in_task: bool) -> tuple[Targets, bool]:
    """Each format to be written and where to, and whether these are all that were asked for. What can be wrong with
    them is said before anything is billed."""
    if args.json and args.out is None:
        return [], True
    source = sound if isinstance(sound, Path) else None
    name = "stdin" if sound is None else sound.stem if isinstance(sound, Path) else stem(sound) or "audio"
    found = _convert.targets(name, source, args.format, args.out)
    for format, path in found:
        if path is not None:
            Sidecar(path, format)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    if in_task or not (args.family or args.model).startswith(_UNTIMED):
        return found, True
    timed = [target for target in found if target[0] not in SUBTITLES]
    if timed != found:
        says = f"{args.model} sends text without times, and subtitles need them"
        if not timed:
            raise NoTimes(f"{says}: --format txt, json or ndjson")
        tell(f"no {', '.join(format for format, _ in found if format in SUBTITLES)}: {says}")
    return timed, timed == found


# == a stream ==========================================================================================================


def _streamed(args: argparse.Namespace, sound: str | Path | None, given: dict[str, Any], results: _Results) -> int:
    recorder, code = Recorder(), 0
    ended: ASRWireError | None = None
    with Client(**service(args)) as client:
        heard: Any = sys.stdin.buffer.read() if sound is None else sound
        stream = client.stream(heard, **given, capture=recorder)
        try:
            with _showing(args) as show, stream, results:

                def take(update: Update) -> None:
                    show(update)
                    results.take(update)
                    if args.json:
                        say(orjson.dumps({"ms": recorder.ms, **update_fields(update)}).decode())

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
    said = args.format is None and not args.quiet and sys.stdout.isatty() and sys.stderr.isatty()
    transcript = stream.transcript
    written = not results.open or results.finish(transcript, "interrupted" if code else None, args.json, said)
    if ended is not None:
        raise ended
    if not transcript.complete:
        tell(f"incomplete: {'interrupted' if code else transcript.incomplete_reason}")
    elif transcript.no_speech:
        tell("nobody speaks there")
    return code or (0 if written and transcript.complete else 1)


def _showing(args: argparse.Namespace) -> AbstractContextManager[Show]:
    quiet = args.quiet or (args.json and sys.stdout.isatty() and sys.stderr.isatty())  # JSON is redrawn by nobody
    return nullcontext(_nothing) if quiet else captions(live=True, first=f"asking {args.model} ...")


def _nothing(update: Update) -> None:
    pass


# == a file task =======================================================================================================


def _file(args: argparse.Namespace, url: Any, given: dict[str, Any], targets: Targets, wanted: Layout) -> int:
    if given.pop("protocol") not in (None, "dashscope"):
        raise ConfigError(f"{args.model!r} is a file-task model, and those have --protocol dashscope only")
    task: Task | None = None
    try:
        with Client(**service(args)) as client:
            task = client.tasks.submit(url, **given)
            task = _waited(args, task)
            found = next(client.tasks.results(task))
    except KeyboardInterrupt:
        if task is None:
            tell("interrupted; a task may have been made that is not named here: asrwire tasks list --since 5m")
        else:
            tell(f"to go on: asrwire tasks wait {task.task_id} && asrwire tasks results {task.task_id}")
        return 130
    if isinstance(found, FileFailed):
        assert found.error is not None
        raise found.error
    transcript = whole(found.transcripts)
    if args.json:
        for sentence in transcript.sentences:
            say(orjson.dumps({"ms": None, **update_fields(Final(sentence, transcript.usage, 0))}).decode())
    if transcript.no_speech:
        tell("nobody speaks there")
    return 0 if _convert.write(transcript, targets, wanted, names=not args.json) else 1


def _waited(args: argparse.Namespace, task: Task) -> Task:
    display = None if args.quiet else Display([task.task_id])

    async def wait() -> Task:
        async with AsyncClient(**service(args)) as client:
            if display is None:
                return await client.tasks.wait(task)
            waiting = asyncio.ensure_future(
                client.tasks.wait(task, on_progress=lambda progress: display.show(task.task_id, progress))
            )
            await drawn(display, {waiting})
            return waiting.result()

    try:
        return asyncio.run(wait())
    finally:
        if display is not None:
            display.end()


# == results ===========================================================================================================


class _Results:
    """What is written of one transcription.

    Args:
        targets: each format, and where to; None is stdout.
        layout: of subtitles.
    """

    def __init__(self, targets: Targets, layout: Layout) -> None:
        self._targets = targets
        self._layout = layout
        self._sidecars: list[Sidecar] = []
        self._missing: dict[Path, NoTimes] = {}
        self.open = False

    def __enter__(self) -> Self:
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
                shown = Incomplete(_marked(update.sentence, update.reason), update.reason, update.kept)
            try:
                sidecar.take(shown)
            except NoTimes as error:
                self._missing.setdefault(sidecar.path, error)

    def finish(self, transcript: Transcript, why: str | None, quiet: bool, said: bool) -> bool:
        """Write all of it a last time. Returns False where times were missing for one of several formats.

        ``why``: what ended it, if that was not the service. ``quiet``: do not print paths. ``said``: stdout has it.
        """
        marked = _all_marked(transcript, why)
        for sidecar in self._sidecars:
            if sidecar.path in self._missing:
                if transcript.complete and len(self._targets) == 1:
                    raise self._missing[sidecar.path]
                tell(f"{sidecar.path}: {self._missing[sidecar.path]}")
            else:
                sidecar.finish(transcript if sidecar.format in _DATA else marked)
            if not quiet:
                say(str(sidecar.path))
        for format, path in self._targets:
            if path is None and not said:
                self._print(transcript if format in _DATA else marked, format)
        return not self._missing

    def _print(self, transcript: Transcript, format: str) -> None:
        try:
            say(transcript.to_format(format, self._layout), end="")
        except NoTimes as error:
            if transcript.complete:
                raise
            tell(str(error))
            finals = [sentence for sentence in transcript.sentences if sentence.final]
            say(replace(transcript, sentences=finals, text="").to_format(format, self._layout), end="")


def _all_marked(transcript: Transcript, why: str | None) -> Transcript:
    if transcript.complete:
        return transcript
    note = why or transcript.incomplete_reason or "incomplete"
    sentences = [sentence if sentence.final else _marked(sentence, note) for sentence in transcript.sentences]
    return replace(transcript, sentences=sentences, text="")


def _marked(sentence: Sentence, note: str) -> Sentence:
    """The sentence with a mark at its end that says why it is not final."""
    said = {name: getattr(sentence, name) for name in sentence.__match_args__}
    mark = f" [{note}]" if sentence.text else f"[{note}]"
    words = (*sentence.words, Word(None, None, mark)) if sentence.words else ()
    return Sentence(**{**said, "text": sentence.text + mark, "words": words})
