# Rate limiters: the schedule against a table of literal slots, and against a slow literal count; waiters of one
# process in turn; real processes on one file, one of them killed.
#
# Knows: the public limiters, Schedule. Must not know: batches.

from __future__ import annotations

import asyncio
import copy
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrwire import ConfigError
from asrwire.batch import LocalRateLimiter, RateLimiter, SQLiteRateLimiter
from asrwire.batch._rates import Schedule


class Clock:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Turning(Clock):
    """A clock on which waiting takes no time: who sleeps turns it."""

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def turning(monkeypatch: pytest.MonkeyPatch) -> Turning:
    clock = Turning()
    monkeypatch.setattr("asrwire.batch._rates.asyncio.sleep", clock.sleep)
    return clock


# == the schedule =====================================================================================================


def taken(schedule: Schedule, times: list[float], rate: float = 4.0) -> tuple[list[float], Schedule]:
    slots = []
    for now in times:
        slot, schedule = schedule.reserved(1, rate, now)
        slots.append(slot)
    return slots, schedule


def test_slots_are_a_rate_apart_and_none_is_saved_up() -> None:
    slots, schedule = taken(Schedule(), [10, 10, 10, 10.1, 99, 99])
    assert slots == [10, 10.25, 10.5, 10.75, 99, 99.25]
    assert schedule.reserved(8, 4.0, 99)[1].next == 99.5 + 2  # eight take the place of eight


def test_a_429_is_waited_out_and_halves_the_rate_which_grows_again_in_a_minute() -> None:
    schedule = Schedule().throttled(5.0, 100.0)
    assert taken(schedule, [100, 100])[0] == [105, 105.5]  # 2 a second
    assert taken(schedule, [120, 120])[0] == [120, pytest.approx(120 + 0.25 / 0.75)]  # 15 s later: 3 a second
    assert taken(schedule, [135, 135])[0] == [135, 135.25]  # 30 s later: 4 again
    assert taken(schedule, [999, 999])[0] == [999, 999.25]


def test_a_burst_of_429s_halves_the_rate_once_and_the_longest_pause_holds() -> None:
    schedule = Schedule().throttled(5.0, 100.0).throttled(None, 101.0).throttled(9.0, 101.0)
    assert (schedule.share, schedule.since, schedule.next, schedule.pauses) == (0.5, 110.0, 110.0, 1)
    later = schedule.throttled(0.0, 110.0)
    assert (later.share, later.since, later.pauses) == (0.25, 110.0, 2)


@pytest.mark.parametrize(
    ("asked", "pause"), [(None, 1.0), (0.0, 0.0), (-3.0, 0.0), (600.0, 600.0), (600.1, 600.0), (float("inf"), 600.0)]
)
def test_what_a_429_may_ask_for(asked: float | None, pause: float) -> None:
    assert Schedule().throttled(asked, 50.0).since == 50.0 + pause


def test_the_rate_does_not_fall_below_a_64th() -> None:
    schedule = Schedule()
    for _ in range(9):
        schedule = schedule.throttled(0.0, 100.0)
    assert schedule.share == 1 / 64


def test_a_machine_that_restarts_begins_anew() -> None:
    _, schedule = taken(Schedule(), [5000.0] * 100)
    slot, after = schedule.reserved(1, 4.0, 3.0)
    assert (slot, after.next, after.pauses) == (3.0, 3.25, 1)


@given(st.lists(st.floats(0, 3), max_size=60), st.sampled_from([0.5, 1.0, 7.0]))
def test_no_second_has_more_than_the_rate(gaps: list[float], rate: float) -> None:
    now, times = 10.0, []
    for gap in gaps:
        times.append(now := now + gap)
    slots, _ = taken(Schedule(), times, rate)
    assert slots == sorted(slots)
    assert all(slot >= asked for slot, asked in zip(slots, times, strict=True))
    span = 1.0 if rate >= 1 else 1 / rate
    for begin in slots:
        assert sum(begin <= slot < begin + span - 1e-9 for slot in slots) <= max(1, rate)


# == one process ======================================================================================================


def test_waiters_are_served_in_the_order_they_came() -> None:
    served: list[int] = []

    async def scenario() -> None:
        limiter: RateLimiter = LocalRateLimiter(500)

        async def one(number: int) -> None:
            await limiter.acquire()
            served.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(one(number))

    asyncio.run(scenario())
    assert served == list(range(40))


def limiters(path: Path, clock: Clock) -> list[LocalRateLimiter | SQLiteRateLimiter]:
    return [LocalRateLimiter(10, clock=clock), SQLiteRateLimiter(path / "rate.db", 10, clock=clock)]


@pytest.mark.parametrize("kind", [0, 1], ids=["local", "sqlite"])
def test_both_keep_the_rate(kind: int, tmp_path: Path, turning: Turning) -> None:
    limiter = limiters(tmp_path, turning)[kind]

    async def scenario() -> list[float]:
        times = []
        for n in (1, 1, 3, 1, 1):
            await limiter.acquire(n)
            times.append(round(turning.now - 100, 6))
        limiter.throttled(2.0)
        for _ in range(2):
            await limiter.acquire()
            times.append(round(turning.now - 100, 6))
        return times

    assert asyncio.run(scenario()) == [0, 0.1, 0.2, 0.5, 0.6, 2.6, 2.8]


@pytest.mark.parametrize("kind", [0, 1], ids=["local", "sqlite"])
def test_who_waits_when_a_429_comes_waits_for_it_too(
    kind: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    limiter = limiters(tmp_path, clock)[kind]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        if len(slept) == 1:
            limiter.throttled(5.0)
        clock.now += seconds

    async def scenario() -> None:
        await limiter.acquire()
        await limiter.acquire()

    monkeypatch.setattr("asrwire.batch._rates.asyncio.sleep", sleep)
    asyncio.run(scenario())
    assert slept == [0.1, 4.9]


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_rates_that_are_none(rate: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rate must be a finite number"):
        LocalRateLimiter(rate)
    with pytest.raises(ConfigError, match="rate must be a finite number"):
        SQLiteRateLimiter(tmp_path / "rate.db", rate)


@pytest.mark.parametrize("rate", ["5", None, True])
def test_rates_of_another_type(rate: Any) -> None:
    with pytest.raises(TypeError, match="rate is requests per second"):
        LocalRateLimiter(rate)


@pytest.mark.parametrize("kind", [0, 1], ids=["local", "sqlite"])
def test_numbers_of_requests(kind: int, tmp_path: Path) -> None:
    limiter = limiters(tmp_path, Clock())[kind]
    with pytest.raises(ConfigError, match="n must be at least 1"):
        asyncio.run(limiter.acquire(0))
    wrong: Any = 1.0
    with pytest.raises(TypeError, match="n is a number of requests"):
        asyncio.run(limiter.acquire(wrong))


def test_a_limiter_of_one_process_does_not_become_two() -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="SQLiteRateLimiter"):
            take(LocalRateLimiter(3))


# == the file =========================================================================================================


def test_two_limiters_of_one_file_share_the_rate_and_pickle(tmp_path: Path, turning: Turning) -> None:
    first = SQLiteRateLimiter(tmp_path / "rate.db", 10, clock=turning)
    second = SQLiteRateLimiter(tmp_path / "rate.db", 10, clock=turning)
    asyncio.run(first.acquire(20))
    asyncio.run(second.acquire())
    assert turning.now == 102.0
    third = pickle.loads(pickle.dumps(SQLiteRateLimiter(tmp_path / "other.db", 3)))
    assert third.rate == 3.0
    asyncio.run(third.acquire())


def test_a_file_that_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unable to open database file"):
        SQLiteRateLimiter(tmp_path / "none" / "rate.db", 1)
    (tmp_path / "text").write_text("this is not a database, not even nearly one" * 100)
    with pytest.raises(ConfigError, match="file is not a database"):
        SQLiteRateLimiter(tmp_path / "text", 1)


def test_all_may_make_the_file_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def one(number: int) -> None:
        together.wait()
        SQLiteRateLimiter(tmp_path / f"{number}.db", 1)

    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            assert list(pool.map(one, [number] * 8)) == [None] * 8


WORKER = """
import asyncio, sys, time
from asrwire.batch import SQLiteRateLimiter

async def main():
    limiter = SQLiteRateLimiter(sys.argv[1], 100)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        await limiter.acquire()
        print(time.monotonic(), flush=True)

asyncio.run(main())
"""


def worker(path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_share_the_rate_and_one_that_is_killed_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "rate.db"
    processes = [worker(path, 25) for _ in range(3)] + [worker(path, 10**6)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        begin = time.monotonic()
        for process in processes:
            go(process)
        victim = processes.pop()
        assert victim.stdout is not None
        for _ in range(5):
            victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        times: list[float] = []
        for process in processes:
            out, _ = process.communicate()
            assert process.returncode == 0
            told = [float(line) for line in out.split()]
            assert len(told) == 25
            times += told
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert max(times) >= begin + 74 * 0.01  # 75 slots: nobody was early, however late a busy machine lets them be
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT count(*) FROM asrwire_rate").fetchone() == (1,)
