# `asrwire tasks`: file tasks from a shell: submitted, looked at, waited for, canceled, listed, read.
#
# Knows: what each action prints, as text or as JSON lines. Must not know: how tasks are polled and files fetched.
# Results go to stdout, progress and errors to stderr. URLs are shown without their queries, which may be signatures;
# those of result files are secrets and never shown.

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from .. import _requests
from .._audio import shown_url
from .._client import AsyncClient, Client
from .._decode import shown
from .._errors import ASRWireError, ConfigError, TaskFailed, Timeout
from .._files import FileFailed, FileResult
from .._options import FileOptions
from .._single import whole
from .._task import Progress, Subtask, Task
from ..formats import SUBTITLES
from . import exit_code
from ._arguments import option, service, stem
from ._terminal import harmless, say, takes_control_codes, tell, width

_OPTIONS = {*FileOptions.__optional_keys__, "extra"}


def run(args: argparse.Namespace) -> int:
    """Do ``args.action``. Returns the exit code; raises what ends it early."""
    return _ACTIONS[args.action](args)


# == submit, get, cancel, list =========================================================================================


def _submit(args: argparse.Namespace) -> int:
    options = dict(option(text, _OPTIONS) for text in args.option)
    urls = _requests.file_urls(args.urls)  # all of them, before the first is paid for
    family = _requests.file_family(args.model)
    size = _requests.urls_per_task(family) if family else len(urls)
    submitted = 0
    with Client(**service(args)) as client:
        try:
            for submitted in range(0, len(urls), size):
                task = client.tasks.submit(urls[submitted : submitted + size], model=args.model, **options)
                say(_json(task_fields(task)) if args.json else task.task_id)
        except (ASRWireError, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):
                tell("interrupted; a task may have been made that is not named here: asrwire tasks list --since 5m")
            for url in urls[submitted:] if submitted else ():
                tell(f"without a task id: {shown_url(url)}")
            raise
    return 0


def _get(args: argparse.Namespace) -> int:
    with Client(**service(args)) as client:
        task = client.tasks.get(args.id)
    say(_json(task_fields(task)) if args.json else "\n".join(_description(task)))
    return 0


def _description(task: Task) -> list[str]:
    count = len(task.subtasks)
    failed = sum(subtask.status == "FAILED" for subtask in task.subtasks)
    rows = [
        ("task", task.task_id),
        ("status", task.status),
        ("model", task.model),
        ("submitted", _moment(task.submit_time)),
        ("begun", _moment(task.scheduled_time)),
        ("ended", _moment(task.end_time)),
        ("error", _said(task)),
        ("files", f"{count}, {failed} failed" if failed else f"{count}" if count else ""),
    ]
    lines = [f"{name:<9}  {_line(value)}" for name, value in rows if value]
    for subtask in task.subtasks:
        cells = (f"{_line(subtask.status):<9}", _shown_url(subtask.file_url) or "", _line(_said(subtask)))
        lines.append("  " + "  ".join(filter(None, cells)).rstrip())
    return lines


def _cancel(args: argparse.Namespace) -> int:
    with Client(**service(args)) as client:
        client.tasks.cancel(args.id)
    say(_json({"task_id": args.id, "status": "CANCELED"}) if args.json else f"{args.id}  CANCELED")
    return 0


def _list(args: argparse.Namespace) -> int:
    if args.limit is not None and args.limit < 1:
        raise ConfigError("--limit must be at least 1")
    start = None if args.since is None else datetime.now(UTC) - _duration(args.since)
    size = min(100, args.limit or 100)
    with Client(**service(args)) as client:
        tasks = client.tasks.list(start_time=start, model_name=args.model, status=args.status, page_size=size)
        for number, task in enumerate(islice(tasks, args.limit)):
            if args.json:
                say(_json(task_fields(task)))
                continue
            if number == 0:
                say(_row("task", "status", "submitted", "model"))
            say(_row(task.task_id, task.status, _moment(task.submit_time), task.model or ""))
    return 0


def _row(task_id: str, status: str, submitted: str, model: str) -> str:
    return f"{task_id:<36}  {_line(status):<9}  {_line(submitted):<19}  {_line(model)}".rstrip()


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})(s|m|h)", text)
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else 0
    if not 0 < seconds <= 24 * 3600:
        raise ConfigError("--since is a number of s, m or h, such as 90s, 30m or 2h, and at most 24h")
    return timedelta(seconds=seconds)


# == wait ==============================================================================================================


def _wait(args: argparse.Namespace) -> int:
    left = dict.fromkeys(_requests.check_task_id(task_id) for task_id in args.ids)
    display = Display(list(left))
    try:
        code = asyncio.run(_waiting(args, left, display))
    except KeyboardInterrupt:
        code = 130
    finally:
        display.end()
    if left:
        tell(f"to go on: asrwire tasks wait {' '.join(left)}")
    return code


async def _waiting(args: argparse.Namespace, left: dict[str, None], display: Display) -> int:
    """Wait for the tasks `left`, and take those out of it that are done."""
    codes = [0]

    async def one(task_id: str) -> None:
        try:
            task = await client.tasks.wait(
                task_id, timeout=args.timeout, on_progress=lambda progress: display.show(task_id, progress)
            )
        except Timeout as error:
            codes.append(exit_code(error))
            display.clear()
            tell(str(error))
            return
        except TaskFailed as error:
            codes.append(exit_code(error))
            task = error.task or Task(task_id)
            display.clear()
            tell(str(error))
        del left[task_id]
        display.clear()
        say(_json(task_fields(task)) if args.json else _outcome(task))

    try:
        async with AsyncClient(**service(args)) as client, asyncio.TaskGroup() as group:
            running = {group.create_task(one(task_id)) for task_id in left}
            await drawn(display, running)
    except* (ASRWireError, OSError) as errors:  # what ends them all: a refused key, no network, a reader gone
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return max(codes)


async def drawn(display: Display, running: set[asyncio.Task[None]] | set[asyncio.Task[Task]]) -> None:
    """Wait for what runs, and draw the progress each second."""
    while running:
        _, running = await asyncio.wait(running, timeout=1)
        display.draw()


def _outcome(task: Task) -> str:
    failed = sum(subtask.status == "FAILED" for subtask in task.subtasks)
    some = f", {failed} of {len(task.subtasks)} files failed" if failed and task.status == "SUCCEEDED" else ""
    return f"{task.task_id}  {_line(task.status)}{some}"


class Display:
    """Progress of tasks on stderr: one line, redrawn, on a terminal that takes control codes; else a line per change.

    Args:
        task_ids: those waited for.
    """

    def __init__(self, task_ids: list[str]) -> None:
        self._live = takes_control_codes(sys.stderr)
        self._seen: dict[str, Progress | None] = dict.fromkeys(task_ids)
        self._begin = time.monotonic()
        self._last = ""
        self._drawn = False

    def show(self, task_id: str, progress: Progress) -> None:
        """Take in what is new of a task."""
        self._seen[task_id] = progress
        text = self._text()
        if self._live:
            self.draw()
        elif text != self._last and None not in self._seen.values():
            self._write(f"{text}{self._seconds()}\n")
        self._last = text

    def draw(self) -> None:
        """Redraw the line, if it is one that is redrawn."""
        if self._live:
            columns = width(sys.stderr) or 80
            self._write(f"\r{(self._text() + self._seconds())[: columns - 1]}\x1b[K")
            self._drawn = True

    def clear(self) -> None:
        """Take the line away, for something else is to be printed."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._drawn:
            self._write("\n")
            self._drawn = False

    def _text(self) -> str:
        seen = [progress for progress in self._seen.values() if progress is not None]
        states = Counter(_line(progress.status) or "-" for progress in seen)
        if len(seen) < len(self._seen):
            states["not known yet"] = len(self._seen) - len(seen)
        told = ", ".join(f"{count} {state}" if len(self._seen) > 1 else state for state, count in states.items())
        total = sum(1 if progress is None else progress.total for progress in self._seen.values())
        done, failed = sum(progress.done for progress in seen), sum(progress.failed for progress in seen)
        return harmless(f"{told}: {done}/{total} files done, {failed} failed")

    def _seconds(self) -> str:
        return f", {time.monotonic() - self._begin:.0f} s"

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody looks any more; that is no reason not to wait
            sys.stderr.write(text)
            sys.stderr.flush()


# == results ===========================================================================================================


def _results(args: argparse.Namespace) -> int:
    kind = args.format or ("json" if args.json else "txt")
    if args.json and args.out is None and kind != "json":
        raise ConfigError(f"--json prints JSON: --format {kind} goes with -o DIR there")
    failed = 0
    names: set[str] = set()
    with Client(**service(args)) as client:
        task = client.tasks.get(args.id)
        count = len(task.subtasks)
        if count > 1 and args.out is None and kind in SUBTITLES:
            raise ConfigError(f"the task has {count} files, and subtitles of several do not go together: give -o DIR")
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
        for number, value in enumerate(client.tasks.results(task), 1):
            path = None if args.out is None else args.out / f"{_name(value.file_url, number, names)}.{kind}"
            try:
                content = _content(value, kind)
            except ASRWireError as error:  # of this file: it has failed, or it has no times for subtitles
                failed += 1
                tell(f"{_shown_url(value.file_url) or f'file {number}'}: {error}")
                if args.json:
                    say(_json(failure_fields(value, error)))
                continue
            if path is not None:
                path.write_text(content, encoding="utf-8", newline="\n")
                say(_json({"file_url": _shown_url(value.file_url), "path": str(path)}) if args.json else str(path))
            elif kind == "txt" and count > 1:
                say(f"==> {_line(_shown_url(value.file_url) or str(number))} <==\n{content}")
            else:
                say(content.removesuffix("\n"))
    return 1 if failed else 0


def _content(value: FileResult | FileFailed, kind: str) -> str:
    """What is written of one file. Raises what keeps it from being written."""
    if isinstance(value, FileFailed):
        assert value.error is not None
        raise value.error
    if kind == "json":
        return _json(result_fields(value)) + "\n"
    return whole(value.transcripts).to_format(kind)


def _name(file_url: str | None, number: int, names: set[str]) -> str:
    """A file name, without its suffix, after that of the audio: none of `names`, to which it is added."""
    first = stem(file_url or "") or f"file-{number}"
    name, again = first, 1
    while name.casefold() in names:
        again += 1
        name = f"{first}-{again}"
    names.add(name.casefold())
    return name


# == values as JSON and as text ========================================================================================


def task_fields(task: Task) -> dict[str, Any]:
    """A task as a dict for JSON: its attributes without ``raw``, and of its files all but ``transcription_url``."""
    told = {field.name: getattr(task, field.name) for field in fields(task) if field.name != "raw"}
    usage = task.usage
    names = [name for name in type(usage).__match_args__ if name != "raw"] if usage else []
    return told | {
        "message": _shown(task.message),
        "usage": {name: getattr(usage, name) for name in names} if usage else None,
        "subtasks": [
            {
                "file_url": _shown_url(subtask.file_url),
                "status": subtask.status,
                "code": subtask.code,
                "message": _shown(subtask.message),
            }
            for subtask in task.subtasks
        ],
    }


def result_fields(result: FileResult) -> dict[str, Any]:
    """The result of one file as a dict for JSON: its attributes without ``raw``."""
    told = {field.name: getattr(result, field.name) for field in fields(result) if field.name != "raw"}
    transcripts = [transcript.to_dict() for transcript in result.transcripts]
    return {"task_id": None, **told, "file_url": _shown_url(result.file_url), "transcripts": transcripts}


def failure_fields(value: FileResult | FileFailed, error: ASRWireError) -> dict[str, Any]:
    """A file without a result as a dict for JSON."""
    message = value.message if isinstance(value, FileFailed) else None
    return {
        "task_id": value.task_id,
        "file_url": _shown_url(value.file_url),
        "code": error.code,
        "message": _shown(message),
        "error": str(error),
    }


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _said(value: Task | Subtask) -> str:
    # The service often says the code twice.
    return ": ".join(dict.fromkeys(word for word in (value.code, _shown(value.message)) if word))


def _moment(value: str | int | None) -> str:
    """As sent, or by this machine's clock where it is ms since 1970."""
    if not isinstance(value, int):
        return value or ""
    try:
        return f"{datetime.fromtimestamp(value // 1000):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(value)


def _shown(text: str | None) -> str | None:
    return None if text is None else shown(text)


def _shown_url(url: str | None) -> str | None:
    return None if url is None else shown_url(url)


def _line(text: str) -> str:
    return " ".join(text.split())


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "submit": _submit,
    "get": _get,
    "wait": _wait,
    "cancel": _cancel,
    "list": _list,
    "results": _results,
}
