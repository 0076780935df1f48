# `asrwire batch`: a list of files, each transcribed once, whatever happens to the process.
#
# Knows: how progress and the report are written. Must not know: what is done when (asrwire.batch). URLs are shown
# without their queries, which may be signatures.

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

import orjson

from .._audio import shown_url
from .._client import AsyncClient
from .._files import FileResult, read_result
from .._options import FileOptions
from ..batch import (
    BatchProgress,
    Item,
    Journal,
    LocalRateLimiter,
    RateLimiter,
    SQLiteRateLimiter,
    read_manifest,
    transcribe_batch,
)  # fmt: skip
from ._arguments import option, service
from ._terminal import harmless, read_stdin, say, takes_control_codes, tell, width

_EVERY: Final = 30.0  # seconds between lines of progress that go to no terminal
_OLD: Final = 20 * 3600.0  # seconds after which an open task is worth a warning: its results die after 24 h
_STATES: Final = ("failed", "expired", "uncertain")
_SAID: Final = ("url", "id", "state", "code", "message", "task_id")  # of a file, in a report for programs


def run(args: argparse.Namespace) -> int:
    """Transcribe what is left of ``args.manifest``, and report. Returns the exit code; raises what concerns all."""
    options = dict(option(text, FileOptions.__optional_keys__) for text in args.option)
    if args.manifest == "-":
        text, name = read_stdin().decode(errors="replace"), "stdin"
    else:
        text, name = Path(args.manifest).read_text(encoding="utf-8", errors="replace"), args.manifest
    items = read_manifest(text.split("\n"), model=args.model, family=args.family, options=options, name=name)
    limiter = SQLiteRateLimiter(args.rate_file, args.rate) if args.rate_file else LocalRateLimiter(args.rate)
    # Asked for before anything is sent: pyarrow may not be there.
    write_words = import_module("asrwire.integrations.arrow").write_parquet if args.parquet else None
    display = _Display()
    with Journal(args.journal) as journal:
        try:
            progress = asyncio.run(_transcribing(args, list(items), journal, limiter, display))
        except BaseException:
            display.end()
            tell(f"to go on, run the same command again: {args.journal} has what was done")
            raise
        display.end()
        if write_words is not None:
            write_words(_results(Path(args.out), journal), Path(args.out) / "words.parquet")
        _report(args, journal, progress)
    return 0 if progress.done == progress.total else 1


async def _transcribing(
    args: argparse.Namespace, items: list[Item], journal: Journal, limiter: RateLimiter, display: _Display
) -> BatchProgress:
    async with AsyncClient(**service(args)) as client:
        return await transcribe_batch(
            items, journal=journal, out=args.out, client=client, limiter=limiter, family=args.family,
            resubmit=args.resubmit_uncertain, retry_failed=args.retry_failed, on_progress=display.show,
        )  # fmt: skip


def _results(folder: Path, journal: Journal) -> Iterator[tuple[str, FileResult]]:
    for told in journal.told("done"):
        if (folder / told.name).exists():  # else the report says that it is elsewhere
            known_by = told.id or told.url
            yield (
                shown_url(known_by) if "://" in known_by else known_by,
                read_result((folder / told.name).read_bytes()),
            )


def _report(args: argparse.Namespace, journal: Journal, progress: BatchProgress) -> None:
    elsewhere = {told.name for told in journal.told("done")} - {path.name for path in Path(args.out).iterdir()}
    if elsewhere:
        tell(f"{len(elsewhere)} results are not in {args.out}: earlier runs wrote them, and they are not written again")
    for told in journal.told(*_STATES, "submitted"):
        fields = {name: getattr(told, name) for name in _SAID} | {"url": shown_url(told.url)}
        if args.json:
            say(orjson.dumps(fields).decode())
        else:
            why = ": ".join(dict.fromkeys(word for word in (told.code, told.message) if word))
            cells = [" ".join(harmless(cell).split()) for cell in (told.id or fields["url"], why)]
            say("  ".join([f"{told.state:<9}", *cells]).rstrip())
    if args.json:
        say(orjson.dumps(asdict(progress)).decode())
    else:
        counts = [f"{progress.done} of {progress.total} files done"]
        counts += [f"{count} {state}" for state in (*_STATES, "submitted") if (count := getattr(progress, state))]
        say(f"{', '.join(counts)}; {progress.seconds:g} s billed; results in {args.out}")


class _Display:
    """Progress on stderr: one line, redrawn, on a terminal that takes control codes; else a line now and then."""

    def __init__(self) -> None:
        self._live = takes_control_codes(sys.stderr)
        self._last = time.monotonic()
        self._drawn = self._warned = False

    def show(self, progress: BatchProgress) -> None:
        """Take in how far it is."""
        if not self._warned and progress.oldest is not None and progress.oldest > _OLD:
            self._warned = True
            self.end()
            tell("a task was submitted more than 20 h ago and is not over: its results can be lost 24 h after its end")
        text = _line(progress)
        if self._live:
            columns = width(sys.stderr) or 80
            self._write(f"\r{text[: columns - 1]}\x1b[K")
            self._drawn = True
        elif time.monotonic() >= self._last + _EVERY:
            self._last = time.monotonic()
            self._write(text + "\n")

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._drawn:
            self._write("\n")
            self._drawn = False

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody looks any more; that is no reason not to go on
            sys.stderr.write(text)
            sys.stderr.flush()


def _line(progress: BatchProgress) -> str:
    ended = progress.done + progress.failed + progress.expired
    parts = [f"{ended}/{progress.total} files"]
    parts += [f"{count} {state}" for state in _STATES if (count := getattr(progress, state))]
    parts += [f"{progress.rate:.1f} files/s", f"{progress.seconds:g} s billed"]
    if progress.left is not None:
        minutes, seconds = divmod(round(progress.left), 60)
        parts.append(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left")
    return ", ".join(parts)
