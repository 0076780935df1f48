# `asrwire transcribe`: one piece of audio: captions while it is heard, files that grow with it, the result.
#
# Knows: how a model's answer comes (a stream or a file task), which of them have no times. Must not know: the wire,
# where results go (_results), how captions are drawn (_captions).

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson

from .. import _requests
from .._client import AsyncClient, Client
from .._errors import ConfigError, NoTimes
from .._files import FileFailed
from .._model import Final
from .._options import FAMILIES, FILE_FAMILIES
from .._single import whole
from .._task import Task
from ..capture import Recorder
from ..formats import SUBTITLES, Layout
from ._arguments import audio, call, layout, service, stem
from ._live import captions
from ._results import Results, Targets, follow, no_captions, stream_targets, update_fields, write
from ._tasks import Display, drawn
from ._terminal import read_stdin, say, tell

_OPTIONS = frozenset({"extra"}).union(*FAMILIES.values(), *FILE_FAMILIES.values())
_UNTIMED = "qwen3-asr-flash"  # the family whose answers have no times (Model Studio, Qwen-ASR user guide)


def run(args: argparse.Namespace) -> int:
    """Transcribe ``args.audio``. Returns 0, 1 where something is missing (the end, times for one of several formats),
    or 130 after Ctrl-C; raises what ended the call."""
    given, wanted = call(args, _OPTIONS), layout(args)
    sound = None if args.audio == "-" else audio(args.audio)
    in_task = _requests.file_family(args.model, args.family) is not None
    if in_task and not isinstance(sound, str):
        raise ConfigError(f"{args.model!r} is a file-task model: it takes a URL, which the service fetches")
    targets, all_of_them = _targets(args, sound, in_task)
    if in_task:
        return _file(args, sound, given, targets, wanted)
    return _streamed(args, sound, given, Results(targets, wanted)) or (0 if all_of_them else 1)


def _targets(args: argparse.Namespace, sound: str | Path | None, in_task: bool) -> tuple[Targets, bool]:
    """Each format to be written and where to, and whether these are all that were asked for. What can be wrong with
    them is said before anything is billed."""
    source = sound if isinstance(sound, Path) else None
    name = "stdin" if sound is None else sound.stem if isinstance(sound, Path) else stem(sound) or "audio"
    found = stream_targets(args, name, source)
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


def _streamed(args: argparse.Namespace, sound: str | Path | None, given: dict[str, Any], results: Results) -> int:
    recorder = Recorder()
    quiet = args.quiet or (args.json and sys.stdout.isatty() and sys.stderr.isatty())  # JSON is redrawn by nobody
    shown = no_captions() if quiet else captions(live=True, asking=args.model)
    with Client(**service(args)) as client:
        stream = client.stream(read_stdin() if sound is None else sound, **given, capture=recorder)
        return follow(args, stream, recorder, results, shown, stream)


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
    return 0 if write(transcript, targets, wanted, names=not args.json) else 1


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
