# A batch on a virtual clock: the machine, the journal and the driver as they are, and a service that is a few lines.
#
# `python -m benchmarks.batch [--files N] [--model M] [--rate R] [--faults P] [--seed K]` transcribes N files (a
# million), with P of all exchanges failing (0.01), and prints how long that took on the virtual clock beside the least
# it could take, what was doubled and what was lost. It exits with 1 where something was.
#
# Knows: asrwire.batch and its parts. Must not know: sockets, bodies, real time.

from __future__ import annotations

import argparse
import asyncio
import random
import selectors
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from asrwire import ConnectFailed, FileFailed, FileResult, HTTPStatusError, ResultExpired, TaskFailed, Timeout
from asrwire._talk import Pace
from asrwire._task import Subtask, Task
from asrwire.batch import Journal, LocalRateLimiter, read_manifest
from asrwire.batch._journal import File
from asrwire.batch._machine import SETTLE
from asrwire.batch._run import Run

EPOCH = 1_780_000_000.0
LATENCY = 0.1  # seconds of one exchange
QUEUE, RUN = 10.0, 50.0  # seconds: what a task takes


class _Jumping(selectors.DefaultSelector):
    """Where a loop would wait, its time jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """`work` on a `VirtualLoop`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work())


@dataclass(slots=True)
class Made:
    """A task of the simulated service."""

    urls: list[str]
    begun: float
    end: float


class Service:
    """`asrwire.batch`'s Calls, and what became of them.

    Args:
        faults: the share of exchanges that fail, in ways drawn by `seed`.
        now: seconds.

    Attributes:
        tasks: by id.
        made: how many tasks each file is in.
        seen: what happened, counted.
    """

    def __init__(self, faults: float, seed: int, now: Callable[[], float]) -> None:
        self._faults = faults
        self._random = random.Random(seed)
        self._now = now
        self._pace = Pace()
        self.tasks: dict[str, Made] = {}
        self.made: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    async def submit(self, urls: list[str], model: str, parameters: Mapping[str, Any]) -> Task:
        await asyncio.sleep(LATENCY)
        fault = self._drawn("lost", "lost before", "429", "not connected")
        if fault == "429":
            raise HTTPStatusError("429", http_status=429, sent="complete", retry_safe=True, retry_after=2.0)
        if fault == "not connected":
            raise ConnectFailed("refused", phase="connect", sent="none", retry_safe=True)
        task_id = f"t{len(self.tasks)}"
        if fault != "lost before":
            now = self._now()
            self.tasks[task_id] = Made(urls, now, now + QUEUE + RUN)
            self.made.update(urls)
        if fault is not None:
            await asyncio.sleep(30.0)
            raise Timeout("no reply", phase="head", sent="complete")
        return Task(task_id)

    async def look(self, task: Task) -> Task:
        await self._query()
        return self._as_it_is(task.task_id)

    async def fetch(self, task: Task, subtask: Subtask) -> FileResult | FileFailed:
        await asyncio.sleep(LATENCY)
        fault = self._drawn("result not sent")
        if fault is not None:
            error = ConnectFailed("reset", phase="body", sent="complete", retry_safe=True)
            return FileFailed(file_url=subtask.file_url, error=error)
        if self._now() > self.tasks[task.task_id].end + 24 * 3600:
            return FileFailed(file_url=subtask.file_url, error=ResultExpired("gone"))
        if self._random.random() < self._faults / 4:
            self.seen["file failed"] += 1
            return FileFailed(file_url=subtask.file_url, code="FILE_404_NOT_FOUND", error=TaskFailed("no such file"))
        return FileResult(file_url=subtask.file_url, raw=b"{}")

    async def submitted(self, model: str, since: float) -> list[Task]:
        found = [task_id for task_id, made in self.tasks.items() if EPOCH + made.begun >= since]
        for _ in range(-(-len(found) // 100)):
            await self._query(3)
        return [self._as_it_is(task_id) for task_id in found]

    async def made_of(self, task: Task) -> list[str] | None:
        await self._query(3)
        return self.tasks[task.task_id].urls

    async def _query(self, attempts: int = 1) -> None:
        for _ in range(attempts):
            await asyncio.sleep(self._pace.delay(self._now()))
            await asyncio.sleep(LATENCY)
            if self._drawn("query not answered") is None:
                return
        raise ConnectFailed("reset", phase="head", sent="complete", retry_safe=True)

    def _drawn(self, *faults: str) -> str | None:
        if self._random.random() >= self._faults:
            return None
        fault = self._random.choice(faults)
        self.seen[fault] += 1
        return fault

    def _as_it_is(self, task_id: str) -> Task:
        made = self.tasks[task_id]
        if self._now() < made.end:
            return Task(task_id, "RUNNING", submit_time=round((EPOCH + made.begun) * 1000))
        subtasks = tuple(Subtask(url, "SUCCEEDED", "https://results.example/") for url in made.urls)
        return Task(task_id, "SUCCEEDED", submit_time=round((EPOCH + made.begun) * 1000), subtasks=subtasks)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a simulated batch.

    Attributes:
        makespan: seconds it took, on the virtual clock.
        least: seconds it takes if nothing fails and nothing is waited for but the rates.
        doubled: files that are in more than one task.
        lost: files that are neither done nor reported.
        states: files by state.
        seen: faults by kind.
        tasks: how many were made.
    """

    makespan: float
    least: float
    doubled: int
    lost: int
    states: Counter[str]
    seen: Counter[str]
    tasks: int


def simulate(
    files: int, *, model: str = "fun-asr", rate: float = 5.0, faults: float = 0.01, seed: int = 0,
    settle: float = SETTLE, tell: Callable[[str], object] | None = None,
) -> Outcome:  # fmt: skip
    """Transcribe so many files of nobody."""
    per_task = 1 if "filetrans" in model else 100
    written: set[str] = set()

    async def work() -> tuple[float, Service]:
        now = asyncio.get_running_loop().time
        service = Service(faults, seed, now)

        def write(file: File, result: FileResult) -> None:
            written.add(file.url)

        limiter = LocalRateLimiter(rate, clock=now)
        run = Run(journal, service, write, limiter, per_task=per_task, settle=settle, clock=lambda: EPOCH + now())
        running = asyncio.ensure_future(run.run())
        while not running.done():
            await asyncio.wait([running], timeout=600.0)
            if tell is not None:
                progress = run.progress()
                ended = progress.done + progress.failed
                tell(f"{now() / 3600:.1f} h: {ended:,} of {progress.total:,} files, {progress.uncertain} uncertain")
            if running.done():
                break
        running.result()
        return now(), service

    with Journal(":memory:") as journal:
        journal.want(read_manifest((f"https://example.com/{number}.wav" for number in range(files)), model=model))
        end, service = run_virtually(work)
        journal.check()
        states = +journal.counts()
        done = {told.url for told in journal.told("done")}
        lost = files - sum(states[state] for state in ("done", "failed", "uncertain", "expired")) + len(done - written)
    requests = -(-files // per_task)
    spacing = max(1 / rate, Pace.PERIOD / Pace.RATE)  # each needs one submission, and its task one query
    least = (requests - 1) * spacing + LATENCY + QUEUE + RUN + 2 * LATENCY
    doubled = sum(count > 1 for count in service.made.values())
    return Outcome(end, least, doubled, lost, states, service.seen, len(service.tasks))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description="A batch on a virtual clock.")
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--model", default="fun-asr")
    parser.add_argument("--rate", type=float, default=5.0, help="submissions a second")
    parser.add_argument("--faults", type=float, default=0.01, help="share of exchanges that fail")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic()
    found = simulate(
        options.files, model=options.model, rate=options.rate, faults=options.faults, seed=options.seed,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(found.states.items()))
    seen = ", ".join(f"{count:,} {fault}" for fault, count in sorted(found.seen.items()))
    print(
        f"{options.files:,} files ({options.model}, {options.rate:g} submissions a second, {options.faults:.1%} faults"
        f": {seen}) in {found.tasks:,} tasks: {states}; doubled {found.doubled}, lost {found.lost}; "
        f"{found.makespan:,.0f} s of virtual time, {found.makespan / found.least:.3f} times the least possible "
        f"({found.least:,.0f} s); simulated in {time.monotonic() - begun:.0f} s"
    )
    return 1 if found.doubled or found.lost else 0


if __name__ == "__main__":
    sys.exit(main())
