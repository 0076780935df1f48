# One run of a batch, on asyncio: does what the machine says is to be done, several things at once.
#
# Knows: which call each step is, where results are written. Must not know: what is due when (_machine), what the
# service's bodies look like (_calls), how progress is shown.

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from .. import _decode
from .._errors import ASRWireError
from .._files import FileFailed, FileResult
from .._talk import passing
from .._task import Subtask, Task
from . import _calls
from ._calls import Calls
from ._journal import File, Journal, Submission
from ._machine import KEPT, SETTLE, Candidate, Look, Machine, Search, Submit, Wait
from ._rates import RateLimiter

_REFUSALS: Final = 10  # in a row that end a run: the service is down, or not there
_REFUSED: Final = 20  # for one reason, before the first that is taken: that is no matter of single files
_GRACE: Final = 10.0  # seconds that submissions under way get to be answered when a run is stopped
_FETCHES: Final = 8  # result files of one task at once


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        total: files of the manifest, and open ones of earlier manifests.
        done, failed, expired, uncertain, submitted, pending: files by state; one being submitted is pending here.
        seconds: billed, as far as the service said; of all runs.
        rate: files ended per second of this run.
        left: seconds until all have ended, at this rate; None: nothing is known yet.
        oldest: seconds since the oldest task that is open was submitted, or None. Results die after 24 h.
    """

    total: int
    done: int
    failed: int
    expired: int
    uncertain: int
    submitted: int
    pending: int
    seconds: float
    rate: float
    left: float | None
    oldest: float | None


Write = Callable[[File, FileResult], None]


class Run:
    """One run: made, then `run` once.

    Args:
        journal: with the files that are wanted.
        calls: whom to ask.
        write: puts a result where it stays; called before the journal says ``done``, maybe more than once.
        limiter: of submissions.
        per_task: files in one request.
        settle, resubmit: as `Machine`.
        clock: seconds since 1970 that never go back.
    """

    def __init__(
        self, journal: Journal, calls: Calls, write: Write, limiter: RateLimiter, *, per_task: int,
        settle: float = SETTLE, resubmit: bool = False, clock: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self._clock = clock or _steady()
        self._machine = Machine(journal, per_task, self._clock(), settle, resubmit)
        self._calls = calls
        self._write = write
        self._limiter = limiter
        self._posts: set[asyncio.Task[None]] = set()
        self._sending = 0  # of these, those past the limiter
        self._taken = False  # whether any was
        self._refused = Counter[str | int | None]()  # why, in a row
        self._stopping = False
        self._others: set[asyncio.Task[None]] = set()
        self._begun = self._clock()
        self._before = self._ended()

    def progress(self) -> BatchProgress:
        """How far it is now."""
        counts, now = self._machine.counts, self._clock()
        total = sum(counts.values())
        new = self._ended() - self._before
        rate = new / (now - self._begun) if now > self._begun else 0.0
        oldest = self._machine.oldest()
        left = total - self._ended() - counts["uncertain"]
        return BatchProgress(
            total, counts["done"], counts["failed"], counts["expired"], counts["uncertain"], counts["submitted"],
            counts["pending"] + counts["submitting"], self._machine.seconds, rate, left / rate if rate else None,
            None if oldest is None else now - oldest,
        )  # fmt: skip

    def _ended(self) -> int:
        counts = self._machine.counts
        return counts["done"] + counts["failed"] + counts["expired"]

    async def run(self) -> None:
        """Go on until nothing is left that could be done. Raises ASRWireError for what concerns all files, OSError.

        Cancelled, it sends nothing more and waits up to 10 s for the replies to what it has sent.
        """
        try:
            while (step := self._machine.next(self._clock())) is not None:
                if isinstance(step, Wait):
                    await self._any(step.seconds)
                elif isinstance(step, Submit):
                    self._start(self._posts, self._submit())
                elif isinstance(step, Look):
                    self._start(self._others, self._look(step.submission))
                else:
                    self._start(self._others, self._search(step))
        finally:
            await self._stop()

    def _start(self, group: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        group.add(asyncio.create_task(work))

    async def _any(self, seconds: float) -> None:
        running = self._posts | self._others
        if not running:
            await asyncio.sleep(seconds)
            return
        over, _ = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._posts -= over
        self._others -= over
        for error in [task.exception() for task in over]:
            if error is not None:
                raise error

    async def _stop(self) -> None:
        self._stopping = True
        for task in self._others:
            task.cancel()
        try:
            until = self._clock() + _GRACE
            while self._sending and (left := until - self._clock()) > 0:
                over, _ = await asyncio.wait(self._posts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                self._posts -= over
                for task in over:
                    task.exception()  # that the run is stopped says enough
        finally:
            running = self._posts | self._others
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    # == steps ========================================================================================================

    async def _submit(self) -> None:
        await self._limiter.acquire()
        machine = self._machine
        submission = None if self._stopping else machine.begin(self._clock())
        if submission is None:
            return
        self._sending += 1
        try:
            task = await self._calls.submit(list(submission.urls), submission.model, submission.parameters)
        except ASRWireError as error:
            if error.http_status == 429:
                self._limiter.throttled(error.retry_after)
            try:
                self._not_submitted(submission, error)
            except ASRWireError:
                self._stopping = True  # what waits for the limiter is not sent any more
                raise
        else:
            self._taken = True
            machine.submitted(submission, task.task_id, self._clock())
        finally:
            self._sending -= 1

    def _not_submitted(self, submission: Submission, error: ASRWireError) -> None:
        machine, now = self._machine, self._clock()
        if _calls.unanswered(error):
            machine.unanswered(submission, now)
        elif _calls.concerns_all(error) or _calls.nothing_there(error):
            machine.not_taken(submission, now, None)
            raise error
        elif _calls.passes(error):
            machine.not_taken(submission, now, error.retry_after)
        elif _calls.refuses(error):
            machine.refused(submission, error.code, _decode.shown(str(error)))
            why = error.code or error.http_status
            self._refused = Counter({why: self._refused[why] + 1})
            if self._refused[why] >= _REFUSED and not self._taken:
                raise error
            return
        else:
            machine.not_taken(submission, now, None)
            raise error
        if machine.refusals >= _REFUSALS and error.http_status != 429:
            raise error

    async def _look(self, submission: Submission) -> None:
        assert submission.task_id is not None
        machine, urls = self._machine, list(submission.urls)
        before = Task(submission.task_id, model=submission.model, subtasks=tuple(Subtask(url, "") for url in urls))
        try:
            task = await self._calls.look(before)
        except ASRWireError as error:
            if _calls.concerns_all(error):
                raise
            if passing(error):
                machine.again(submission, self._clock(), error.retry_after)
            else:
                for file in submission.files:
                    machine.ended(file, "submitted", error.code, _decode.shown(str(error)))
                machine.not_now(submission)
            return
        if not task.done:
            machine.again(submission, self._clock())
            return
        told = _calls.outcomes(task, urls)
        young = self._clock() < submission.begun + KEPT
        gate, ended, not_now = asyncio.Semaphore(_FETCHES), list[int](), list[int]()

        async def one(file: File) -> None:
            async with gate:
                said = told[file.url]
                value = said if isinstance(said, FileFailed) else await self._calls.fetch(task, said)
                if (state := _calls.ending(value, young)) is None:
                    return
                if isinstance(value, FileResult):
                    self._write(file, value)
                    machine.ended(file, state)
                else:
                    if value.error is not None and value.error.kind in ("config", "tls"):  # this machine's fault
                        raise value.error
                    machine.ended(file, state, value.code, _decode.shown(value.message or str(value.error or "")))
                (not_now if state == "submitted" else ended).append(file.number)

        try:
            async with asyncio.TaskGroup() as group:
                for file in submission.files:
                    group.create_task(one(file))
        except* (ASRWireError, OSError) as errors:
            raise errors.exceptions[0] from None
        if len(ended) == len(submission.files):
            machine.over(submission, task.usage.seconds if task.usage else None, self._clock())
        elif len(ended) + len(not_now) == len(submission.files):
            machine.not_now(submission, _calls.elsewhere(task))
        else:
            machine.again(machine.kept(submission, ended), self._clock())

    async def _search(self, search: Search) -> None:
        candidates, shown = [], set[str]()
        try:
            for model in search.models:
                for task in await self._calls.submitted(model, search.since):
                    shown.add(task.task_id)
                    if task.status in ("CANCELED", "CANCELLED") or not self._machine.unknown(task.task_id):
                        continue
                    urls = await self._calls.made_of(task) if task.done else None
                    submitted = task.submit_time / 1000 if isinstance(task.submit_time, int) else None
                    made_of = None if urls is None else frozenset(urls)
                    candidates.append(Candidate(task.task_id, task.model, submitted, task.done, made_of))
        except ASRWireError as error:
            if error.http_status == 401:
                raise
            self._machine.search_failed(self._clock(), error.retry_after, for_good=not passing(error))
            return
        self._machine.searched(candidates, shown, self._clock())


# == results on the disk ===============================================================================================


class Folder:
    """Writes results into a folder: the JSON as the service sent it, which `read_result` reads, one file each.

    Args:
        path: made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        _sync(path.parent)

    def write(self, file: File, result: FileResult) -> None:
        """All of it is on the disk under its name when this returns, or nothing is. Raises OSError."""
        content = result.raw
        if content is None:  # nobody speaks there, and there is no file of it
            content = orjson.dumps({"file_url": file.url, "transcripts": []})
        target, part = self._path / file.name, self._path / f".{file.name}.part"
        try:
            with part.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            part.replace(target)
            _sync(self._path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise


def _sync(folder: Path) -> None:
    # A name is on the disk once its folder is. Not every system or network drive can do that.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _steady() -> Callable[[], float]:
    offset = time.time() - time.monotonic()

    def now() -> float:
        nonlocal offset
        offset = max(offset, time.time() - time.monotonic())  # the steady clock stands still while the machine sleeps
        return offset + time.monotonic()

    return now
