# Batches: manifests, the journal, what the machine decides, whole batches beside the emulator's faults, and killed.
#
# Knows: asrwire.batch and its parts, the emulator. Must not know: sockets.

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Set
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from asrwire import (
    ASRWireError,
    AsyncClient,
    ConfigError,
    ConnectFailed,
    DecodeError,
    FileFailed,
    FileResult,
    HTTPStatusError,
    LimitExceeded,
    ResultExpired,
    TaskFailed,
    TLSFailed,
    read_result,
)  # fmt: skip
from asrwire._task import Subtask, Task
from asrwire.batch import BatchProgress, Journal, LocalRateLimiter, SQLiteRateLimiter, read_manifest, transcribe_batch
from asrwire.batch._calls import ending, outcomes
from asrwire.batch._journal import File, Submission
from asrwire.batch._machine import Candidate, Look, Machine, Search, Step, Submit, Wait
from asrwire.batch._run import Folder, Run, _steady
from asrwire.cli import main
from asrwire.emulator import Emulator, Script
from benchmarks.batch import simulate
from tests import batches
from tests.endurance import until
from tests.servers import HANG, KEY
from tests.test_batch_rates import Clock

FUN, FILETRANS = "fun-asr", "qwen3-asr-flash-filetrans"
URL = "https://example.com/audio/{}.wav"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "transport" in request.keywords:
        monkeypatch.setattr("asrwire.batch._machine.FIRST", batches.FIRST)


def urls(count: int) -> list[str]:
    return [URL.format(number) for number in range(count)]


# == manifests ========================================================================================================


def test_a_line_is_a_url_or_an_object() -> None:
    lines = [
        "\ufeffhttps://example.com/a.wav?Signature=x\n",
        "\n",
        '  {"url": "oss://bucket/b.wav", "id": "sha256:0b", "channel_id": [0, 1]}\r\n',
        "https://example.com/a.wav?Signature=x",
    ]
    first, second = read_manifest(lines, model=FUN, options={"language_hints": ["en"]})
    assert (first.url, first.id, first.parameters) == (
        "https://example.com/a.wav?Signature=x", None, '{"language_hints":["en"]}',
    )  # fmt: skip
    assert (second.url, second.id, second.parameters) == (
        "oss://bucket/b.wav", "sha256:0b", '{"channel_id":[0,1],"language_hints":["en"]}',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([URL, "/tmp/a.wav"], "urls, line 2: the audio URL must begin with http://, https:// or oss://"),
        ([URL, "", '{"url": '], "urls, line 3: not JSON"),
        (['{"id": "a"}'], "urls, line 1: url is missing"),
        (['{"url": 5}'], "urls, line 1: url is not a string"),
        ([f'{{"url": "{URL}", "id": ""}}'], "urls, line 1: id is a string that is not empty"),
        ([f'{{"url": "{URL}", "speed": 2}}'], "urls, line 1: fun-asr has no option 'speed'"),
        ([f'{{"url": "{URL}", "speaker_count": 1}}'], "urls, line 1: speaker_count"),
        ([URL, f'{{"url": "{URL}", "id": "x"}}'], "urls, line 2: line 1 has the same URL and is another file"),
        (
            [f'{{"url": "{URL}", "id": "x"}}', f'{{"url": "{URL}2", "id": "x", "channel_id": [1]}}'],
            "urls, line 2: line 1 has the same id and is another file",
        ),
        (["", " "], "urls names no file"),
    ],
)
def test_bad_lines_are_refused_by_number(lines: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(says)}"):
        read_manifest(lines, model=FUN, name="urls")


def test_a_model_of_streams_is_refused() -> None:
    with pytest.raises(ConfigError, match="'fun-asr-realtime' is not known as a file-task model"):
        read_manifest([URL], model="fun-asr-realtime")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("https://example.com/a/b%20c.wav?Signature=s", r"b_20c\.wav-[0-9a-f]{16}\.json"),
        ('{"url": "https://e.com/a", "id": "../../etc/passwd"}', r"passwd-[0-9a-f]{16}\.json"),
        ('{"url": "https://e.com/a", "id": ".."}', r"file-[0-9a-f]{16}\.json"),
        ('{"url": "https://e.com/a", "id": "会议"}', r"file-[0-9a-f]{16}\.json"),
        ('{"url": "https://e.com/a", "id": "' + "x" * 300 + '"}', r"x{60}-[0-9a-f]{16}\.json"),
        ("https://example.com/", r"example\.com-[0-9a-f]{16}\.json"),
    ],
)
def test_names_are_safe(line: str, name: str) -> None:
    (item,) = read_manifest([line], model=FUN)
    assert re.fullmatch(name, item.name)


def test_names_are_of_the_key() -> None:
    lines = ["https://a.example/x.wav", "https://b.example/x.wav", '{"url": "https://c.example/x.wav", "id": "x.wav"}']
    names = [item.name for item in read_manifest(lines, model=FUN)]
    names += [item.name for item in read_manifest(lines[:1], model=FILETRANS)]
    names += [item.name for item in read_manifest(lines[:1], model=FUN, options={"channel_id": [1]})]
    assert len(set(names)) == 5
    signed = [next(read_manifest([f'{{"url": "{url}", "id": "i"}}'], model=FUN)).key for url in lines[:2]]
    assert signed[0] == signed[1]


# == the journal ======================================================================================================


def test_a_journal_is_its_owners_and_open_once(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with Journal(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(ConfigError, match=r"another process has the journal .*run\.db open"):
            Journal(path)
    with Journal(path) as journal:
        journal.check()


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    (tmp_path / "text").write_text("no database " * 1000)
    with pytest.raises(ConfigError, match=r"other\.db is not a journal of this version"):
        Journal(tmp_path / "other.db")
    with pytest.raises(ConfigError, match="file is not a database"):
        Journal(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        Journal(tmp_path / "none" / "run.db")


def test_a_journal_keeps_to_the_service_that_has_its_tasks(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.db") as journal:
        journal.want(read_manifest(urls(3), model=FUN))
        journal.keep_to("https://wrong.example/api/v1")
        journal.keep_to("https://a.example/api/v1")  # nothing was sent
        sent = journal.begin(1, 0.0)
        assert sent is not None
        journal.move(sent.number, "void")
        journal.keep_to("https://b.example/api/v1")  # nothing was taken
        assert journal.begin(1, 0.0) is not None
    with Journal(tmp_path / "run.db") as journal:
        journal.keep_to("https://b.example/api/v1")
        with pytest.raises(ConfigError, match=r"run\.db is of https://b\.example/api/v1, .* not of https://c\.example"):
            journal.keep_to("https://c.example/api/v1")
        journal.keep_to("https://b.example/api/v1")
        journal.check()


@pytest.mark.transport
@pytest.mark.parametrize("other", [{"base_url": "http://127.0.0.1:9/api/v1"}, {"workspace": "ws-2"}])
def test_another_region_or_workspace_is_refused(other: dict[str, str], tmp_path: Path) -> None:
    async def run(**settings: str) -> None:
        with Journal(tmp_path / "run.db") as journal:
            async with AsyncClient(KEY, **settings) as client:
                items = read_manifest(urls(1), model=FUN)
                await transcribe_batch(items, journal=journal, out=tmp_path / "out", client=client)

    with emulate() as emulator:
        asyncio.run(run(base_url=emulator.base_url))
        with pytest.raises(ConfigError, match="give the region, workspace or base_url of its first run"):
            asyncio.run(run(**{"base_url": emulator.base_url, **other}))
        assert len(emulator.tasks) == 1


def test_files_of_other_parameters_go_into_other_submissions() -> None:
    lines = [*urls(3), f'{{"url": "{URL.format(7)}", "channel_id": [1]}}', *urls(5)[3:]]
    with Journal(":memory:") as journal:
        journal.want(read_manifest(lines, model=FUN))
        sizes = []
        while (submission := journal.begin(2, 0.0)) is not None:
            sizes.append((len(submission.files), submission.parameters))
        journal.check()
    assert sorted(sizes, key=str) == [(1, {"channel_id": [1]}), (1, {}), (2, {}), (2, {})]


def test_a_later_manifest_decides_what_is_submitted_and_urls_may_be_signed_anew() -> None:
    def line(number: int, signature: str) -> str:
        return json.dumps({"url": f"https://e.com/{number}?{signature}", "id": f"i{number}"})

    with Journal(":memory:") as journal:
        journal.want(read_manifest([line(1, "a"), line(2, "a")], model=FUN))
        sent = journal.begin(1, 0.0)
        journal.want(read_manifest([line(1, "b"), line(3, "b"), line(2, "b")], model=FUN))
        left = journal.begin(100, 0.0)
        assert sent is not None
        assert left is not None
        assert sent.urls == ("https://e.com/1?a",)
        assert left.urls == ("https://e.com/2?b", "https://e.com/3?b")
        journal.move(left.number, "void")
        journal.want(read_manifest([line(4, "c")], model=FUN))
        assert journal.counts() == {"submitting": 1, "pending": 1}


def test_what_was_not_taken_is_sent_by_the_url_that_was_signed_last() -> None:
    def signed(signature: str) -> list[str]:
        return [json.dumps({"url": f"https://e.com/a?{signature}", "id": "a"})]

    with Journal(":memory:") as journal:
        journal.want(read_manifest(signed("old"), model=FUN))
        lose(Machine(journal, 100, 1000.0))
        journal.want(read_manifest(signed("new"), model=FUN))
        one = Machine(journal, 100, 1100.0)
        assert journal.unclear() == {"https://e.com/a?old"}  # by which it would be found
        search(one, 1461.0)
        again = one.begin(1461.0)
        assert again is not None
        assert again.urls == ("https://e.com/a?new",)


def test_a_full_disk_is_said_and_nothing_is_half_done() -> None:
    with Journal(":memory:") as journal:
        journal.want(read_manifest(urls(100), model=FUN))
        (pages,) = journal._rows("PRAGMA page_count")[0]
        journal._rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ConfigError, match="database or disk is full"):
            journal.want(read_manifest(urls(10_000), model=FUN))
        journal._rows("PRAGMA max_page_count = 100000")
        journal.check()
        assert journal.counts() == {"pending": 100}
        assert journal.begin(100, 0.0) is not None


def test_a_damaged_journal_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with Journal(path) as journal:
        journal.want(read_manifest(urls(5000), model=FUN))
    damaged = bytearray(path.read_bytes())
    for page in range(6 * 4096, len(damaged), 4096):
        damaged[page : page + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    with pytest.raises(ConfigError, match=r"run\.db: database disk image is malformed"), Journal(path) as journal:
        Machine(journal, 100, 1000.0)


def test_a_result_is_on_the_disk_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[str]] = []

    def fsync(handle: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{handle}")) if sys.platform == "linux" else tmp_path / "out"
        synced.append([path.name, *sorted(entry.name for entry in (tmp_path / "out").iterdir())])

    folder = Folder(tmp_path / "out")
    monkeypatch.setattr(os, "fsync", fsync)
    folder.write(File(1, "key", URL, "a.json"), FileResult(raw=b"{}"))
    assert synced == [[".a.json.part", ".a.json.part"], ["out", "a.json"]]


# == what the machine decides =========================================================================================

WAIT = Wait(0)


def machine(journal: Journal, count: int = 3, per_task: int = 100, **more: Any) -> Machine:
    journal.want(read_manifest(urls(count), model=FUN))
    return Machine(journal, per_task, 1000.0, **more)


def begin(one: Machine, now: float) -> Submission:
    assert one.next(now) == Submit()
    submission = one.begin(now)
    assert submission is not None
    return submission


def lose(one: Machine, now: float = 1000.0) -> None:
    submission = begin(one, now)
    one.unanswered(submission, now)


def search(one: Machine, now: float, *found: Candidate, shown: Set[str] = frozenset()) -> Step:
    step = one.next(now)
    assert isinstance(step, Search), step
    one.searched(found, {one.task_id for one in found} | shown, now)
    return step


def candidate(task_id: str = "t", *, at: float = 1000.0, done: bool = True, made_of: int | None = 3) -> Candidate:
    return Candidate(task_id, FUN, at, done, None if made_of is None else frozenset(urls(made_of)))


def test_a_submission_is_in_the_journal_before_it_is_sent(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.db") as journal:
        one = machine(journal)
        assert one.next(1000.0) == Submit()
        assert one.begin(1000.0) is not None
    with Journal(tmp_path / "run.db") as journal:  # as after a kill
        journal.check()
        assert journal.counts() == {"submitting": 3}
        assert Machine(journal, 100, 1001.0).counts["uncertain"] == 3
        journal.check()


def test_a_lost_submission_is_found_by_its_files() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        step = search(one, 1005.0, candidate("other", made_of=2), candidate("it"))
        assert step == Search((FUN,), 100.0)
        looked = one.next(1005.0)
        assert isinstance(looked, Look)
        assert looked.submission.task_id == "it"
        assert one.counts["submitted"] == 3
        journal.check()


def test_while_a_candidate_is_open_nothing_is_sent_again() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        for now in range(1005, 3000, 5):
            search(one, now, candidate(done=False, made_of=None))
            assert isinstance(one.next(now), Wait | Submit)
            assert one.begin(now) is None
        search(one, 3000, Candidate("t", FUN, 1000.0, True, frozenset([URL])))  # it was another's
        assert one.counts["pending"] == 3


def test_a_task_seen_before_its_own_reply_is_lost_is_still_found() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal, 2, per_task=1)
        lose(one)
        second = begin(one, 1000.5)
        search(one, 1005.0, made := Candidate("it", FUN, 1000.5, True, frozenset(second.urls)))
        one.unanswered(second, 1040.0)
        search(one, 1045.0, *([made] if one.unknown("it") else []))
        assert one.counts["submitted"] == 1


def test_the_clock_of_a_run_goes_on_while_the_machine_sleeps_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = Clock(50_000.0), Clock(1000.0)
    monkeypatch.setattr("asrwire.batch._run.time.time", wall)
    monkeypatch.setattr("asrwire.batch._run.time.monotonic", steady)
    now = _steady()
    wall.now, steady.now = 50_010.0, 1010.0
    assert now() == 50_010.0
    wall.now = 57_210.0  # two hours of sleep, of which the steady clock knows nothing
    assert now() == 57_210.0
    wall.now, steady.now = 20_000.0, 1015.0  # somebody sets it back
    assert now() == 57_215.0


@pytest.mark.parametrize(
    "shown",
    [
        {"https://e.com/\u4f1a.wav", "https://e.com/b%20c.wav"},  # spelled in another way
        {"https://e.com/%e4%bc%9a.wav", "https://e.com/b c.wav"},
    ],
)
def test_a_lost_submission_is_found_however_its_urls_are_spelled(shown: set[str]) -> None:
    with Journal(":memory:") as journal:
        journal.want(read_manifest(["https://e.com/%E4%BC%9A.wav", "https://e.com/b%20c.wav"], model=FUN))
        one = Machine(journal, 100, 1000.0)
        lose(one)
        search(one, 1100.0, Candidate("it", FUN, 1000.0, True, frozenset(shown)))
        assert one.counts["submitted"] == 2


def test_what_another_task_has_some_files_of_is_not_sent_again() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        search(one, 1100.0, candidate(made_of=2))
        assert one.counts["uncertain"] == 3


def test_what_is_left_is_not_judged_by_a_search_for_later_ones() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal, 2, per_task=1)
        lose(one)
        step = search(one, 1400.0, candidate(made_of=None))
        assert one.next(1400.0) == Submit()
        second = one.begin(1400.0 + 4 * 3600)
        assert second is not None
        one.unanswered(second, 1400.0 + 4 * 3600)
        later = search(one, 1400.0 + 5 * 3600)
        assert isinstance(step, Search)
        assert isinstance(later, Search)
        assert later.since > step.since + 3 * 3600  # which does not reach back to the first
        assert journal.counts() == {"uncertain": 1, "pending": 1}


def test_what_has_the_same_url_as_a_submission_under_way_comes_after_it() -> None:
    with Journal(":memory:") as journal:
        other = read_manifest([URL], model=FUN, options={"channel_id": [1]})
        journal.want([*read_manifest([URL], model=FUN), *other])
        one = Machine(journal, 100, 1000.0)
        first = begin(one, 1000.0)
        assert one.next(1000.0) == Submit()
        assert one.begin(1000.0) is None
        one.submitted(first, "t", 1001.0)
        second = begin(one, 1001.0)
        assert (first.parameters, second.parameters) == ({"channel_id": [1]}, {})


def test_what_was_not_taken_and_is_not_wanted_any_more_is_not_counted() -> None:
    with Journal(":memory:") as journal:
        lose(machine(journal))
        journal.want(read_manifest([URL.format(7)], model=FUN))
        one = Machine(journal, 100, 1100.0)
        search(one, 1461.0)
        assert +one.counts == journal.counts() == {"pending": 1}


def test_what_is_in_no_list_is_sent_again_when_it_would_be_in_one() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        search(one, 1359.9)
        assert one.counts["uncertain"] == 3
        search(one, 1365.0)
        assert one.counts["pending"] == 3
        assert one.next(1365.0) == Submit()
        assert one.begin(1365.0) is not None


def test_a_list_without_the_tasks_it_must_show_proves_nothing() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal, 2, per_task=1)
        lose(one)
        second = begin(one, 1001.0)
        one.submitted(second, "known", 1001.0)
        assert isinstance(one.next(1362.0), Look)
        one.not_now(second)
        search(one, 1362.0)
        assert one.counts["uncertain"] == 1
        search(one, 1367.0, shown={"known"})
        assert one.counts["pending"] == 1


def test_a_list_that_was_asked_for_too_early_says_nothing() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        assert isinstance(one.next(1359.0), Search)
        one.searched([], set(), 1370.0)
        assert one.counts["uncertain"] == 3


@pytest.mark.parametrize(
    "found",
    [
        [candidate(made_of=None)],  # over, and it does not say of what
        [candidate("a"), candidate("b")],  # which?
        [candidate(at=1000.0 + 1500, made_of=None)],
    ],
)
def test_what_cannot_be_told_stays_uncertain_and_is_not_waited_for(found: list[Candidate]) -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        search(one, 1100.0, *found)
        assert one.next(1100.0) == Submit()
        assert one.begin(1100.0) is None
        assert one.next(1100.0) is None
        assert journal.counts() == {"uncertain": 3}


@pytest.mark.parametrize("found", [[], [candidate(made_of=None)], [candidate("a"), candidate("b")]])
def test_resubmit_sends_what_cannot_be_told(found: list[Candidate]) -> None:
    with Journal(":memory:") as journal:
        one = machine(journal, resubmit=True)
        lose(one)
        search(one, 1400.0, *found)
        assert one.counts["pending"] == 3


@pytest.mark.parametrize("at", [1000.0 - 901, 1000.0 + 1501])
def test_tasks_of_another_time_are_others(at: float) -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        lose(one)
        search(one, 1400.0, candidate(at=at, made_of=None))
        assert one.counts["pending"] == 3


def test_after_a_day_a_list_says_nothing() -> None:
    with Journal(":memory:") as journal:
        lose(machine(journal))
        later = Machine(journal, 100, 1000.0 + 24 * 3600)
        search(later, 1000.0 + 24 * 3600 + 361)
        assert later.counts["uncertain"] == 3
        assert later.begin(2000.0) is None


def test_submissions_that_fail_are_spaced_out() -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        now, pauses = 1000.0, []
        for _ in range(9):
            submission = begin(one, now)
            one.not_taken(submission, now, None)
            step = one.next(now)
            assert isinstance(step, Wait)
            pauses.append(step.seconds)
            now += step.seconds
        assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.0, 0.0), (-1.0, 0.0), (600.0, 600.0), (600.1, 600.0), (float("inf"), 600.0)]
)
def test_the_longest_pause_that_a_service_may_ask_for(asked: float, seconds: float) -> None:
    with Journal(":memory:") as journal:
        one = machine(journal)
        submission = begin(one, 1000.0)
        one.not_taken(submission, 1000.0, asked)
        assert one.next(1000.0) == (Wait(seconds) if seconds else Submit())


# == a million files, fewer ===========================================================================================


@pytest.mark.parametrize(("model", "rate", "bound"), [(FUN, 5.0, 4.0), (FILETRANS, 5.0, 2.0)])
def test_a_simulated_batch_loses_and_doubles_nothing(model: str, rate: float, bound: float) -> None:
    found = simulate(2000 if model == FILETRANS else 20_000, model=model, rate=rate, faults=0.03, seed=1, settle=60.0)
    assert (found.doubled, found.lost) == (0, 0)
    assert found.states.keys() <= {"done", "failed"}
    assert found.makespan < bound * found.least
    assert found.seen["lost"] > 0


def test_tasks_that_end_before_it_is_known_that_their_replies_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.batch.QUEUE", 1.0)
    monkeypatch.setattr("benchmarks.batch.RUN", 2.0)
    found = simulate(400, model=FILETRANS, rate=5.0, faults=0.15, seed=3, settle=60.0)
    assert (found.doubled, found.lost) == (0, 0)
    assert found.states.keys() <= {"done", "failed"}


# == beside the emulator ==============================================================================================


def transcribe(emulator: Emulator, folder: Path, count: int, model: str = FUN, **more: Any) -> BatchProgress:
    async def run() -> BatchProgress:
        with Journal(folder / "run.db") as journal:
            async with AsyncClient(KEY, base_url=emulator.base_url) as client:
                try:
                    return await transcribe_batch(
                        read_manifest(urls(count), model=model), journal=journal, out=folder / "out", client=client,
                        **{"limiter": LocalRateLimiter(1000), "settle": 0.2, **more},
                    )  # fmt: skip
                finally:
                    journal.check()

    return asyncio.run(run())


def emulate(*faults: str, **more: Any) -> Emulator:
    return Emulator(
        Script.from_texts(["One."]), **{"queue_time": 0, "run_time": 0.05, **more}, faults=faults
    )


def port(emulator: Emulator) -> int:
    return urlsplit(emulator.base_url).port or 0


def doubled(emulator: Emulator) -> list[str]:
    made = Counter(url for task in emulator.tasks for url in task.urls)
    return [url for url, count in made.items() if count > 1]


def written(folder: Path) -> set[str | None]:
    return {read_result(path.read_bytes()).file_url for path in (folder / "out").iterdir()}


@pytest.mark.transport
@pytest.mark.parametrize(
    "fault",
    [
        "lost:how=rst,times=2,on=submit", "lost:how=fin,times=2,on=submit", "lost:how=500,times=2,on=submit",
        "429:times=2,on=submit,retry_after=0", "503:times=1,on=submit", "500:times=1,on=submit", "rst:times=1,on=list",
        "502:times=3,on=poll", "503:times=2,on=result", "cut:at=20,times=2,on=result",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("model", "count"), [(FUN, 120), (FILETRANS, 4)])
def test_faults_lose_and_double_nothing(fault: str, model: str, count: int, tmp_path: Path) -> None:
    with emulate(fault, *(["lost:how=rst,nth=1,on=submit"] if "list" in fault else [])) as emulator:
        progress = transcribe(emulator, tmp_path, count, model)
        assert doubled(emulator) == []
    assert (progress.done, progress.failed, progress.uncertain) == (count, 0, 0)
    assert written(tmp_path) == set(urls(count))


@pytest.mark.transport
def test_files_that_fail_are_reported_and_not_sent_again(tmp_path: Path) -> None:
    with emulate(files={URL.format(1): "FILE_404_NOT_FOUND"}) as emulator:
        for model in (FUN, FILETRANS):
            (tmp_path / model).mkdir()
            for _ in range(2):
                progress = transcribe(emulator, tmp_path / model, 3, model)
                assert (progress.done, progress.failed) == (2, 1)
            with Journal(tmp_path / model / "run.db") as journal:
                assert [(told.url, told.code) for told in journal.told("failed")] == [
                    (URL.format(1), "FILE_404_NOT_FOUND")
                ]
        assert len(emulator.tasks) == 1 + 3


@pytest.mark.transport
def test_what_failed_or_expired_is_sent_once_more_on_demand(tmp_path: Path) -> None:
    failing = {URL.format(1): "FILE_404_NOT_FOUND"}
    with emulate("404:on=result,times=1", files=failing) as emulator:
        progress = transcribe(emulator, tmp_path, 4)
        assert (progress.done, progress.failed, progress.expired) == (2, 1, 1)
        progress = transcribe(emulator, tmp_path, 4, retry_failed=True)
        assert (progress.done, progress.failed, progress.expired) == (3, 1, 0)
        assert transcribe(emulator, tmp_path, 4).failed == 1
        (again,) = emulator.tasks[1:]
        assert len(again.urls) == 2
        assert URL.format(1) in again.urls
    with Journal(tmp_path / "run.db") as journal:
        assert [told.code for told in journal.told("failed")] == ["FILE_404_NOT_FOUND"]


def test_a_retry_is_of_wanted_files_whose_tasks_are_over_and_survives_a_kill(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.db") as journal:
        journal.want(read_manifest(urls(6), model=FUN))
        over, refused, half = (journal.begin(2, 0.0) for _ in range(3))
        assert over is not None
        assert refused is not None
        assert half is not None
        journal.refuse(refused.number, "InvalidParameter", "no")
        for submission, task_id in ((over, "t1"), (half, "t2")):
            journal.move(submission.number, "submitted", task_id)
            journal.end(submission.files[0].number, "failed", "FILE_404_NOT_FOUND", "gone")
        journal.end(over.files[1].number, "expired")
        journal.over(over.number, 1.0)
        journal.want(read_manifest(urls(6)[1:], model=FUN))  # all but the first
        journal.retry()
        journal.check()
    with Journal(tmp_path / "run.db") as journal:
        again = journal.begin(100, 0.0)
        assert again is not None
        assert again.urls == tuple(urls(4)[1:])
        assert journal.counts() == {"submitting": 3, "failed": 1, "submitted": 1}
        assert [told.url for told in journal.told("failed")] == [URL.format(4)]
    with Journal(tmp_path / "run.db") as journal:  # as after a kill
        Machine(journal, 100, 1.0)
        journal.retry()
        assert journal.begin(100, 1.0) is None
        assert journal.counts() == {"uncertain": 3, "failed": 1, "submitted": 1}
        journal.check()


@pytest.mark.transport
def test_a_failed_task_does_not_say_which_file_it_was(tmp_path: Path) -> None:
    with emulate("lost:how=rst,nth=2,on=submit", files={URL.format(1): "FILE_404_NOT_FOUND"}) as emulator:
        progress = transcribe(emulator, tmp_path, 3, FILETRANS, limiter=LocalRateLimiter(20))
        assert (progress.done, progress.uncertain) == (2, 1)
        assert len(emulator.tasks) == 3
        progress = transcribe(emulator, tmp_path, 3, FILETRANS)
        assert (progress.done, progress.uncertain) == (2, 1)
        assert len(emulator.tasks) == 3
        progress = transcribe(emulator, tmp_path, 3, FILETRANS, resubmit=True)
        assert (progress.done, progress.failed, progress.uncertain) == (2, 1, 0)
        assert len(emulator.tasks) == 4


@pytest.mark.transport
def test_results_that_are_gone_are_expired(tmp_path: Path) -> None:
    with emulate("404:on=result,times=1") as emulator:
        progress = transcribe(emulator, tmp_path, 2)
        assert (progress.done, progress.expired) == (1, 1)
        assert transcribe(emulator, tmp_path, 2).expired == 1
        assert len(emulator.tasks) == 1


@pytest.mark.transport
@pytest.mark.parametrize(("fault", "status"), [("401", 401), ("403", 403)])
def test_a_key_that_is_refused_ends_it_and_nothing_is_lost(fault: str, status: int, tmp_path: Path) -> None:
    with emulate(f"{fault}:on=submit,times=1") as emulator:
        with pytest.raises(HTTPStatusError) as raised:
            transcribe(emulator, tmp_path, 3)
        assert raised.value.http_status == status
        assert transcribe(emulator, tmp_path, 3).done == 3
        assert doubled(emulator) == []


@pytest.mark.transport
def test_where_tasks_may_not_be_listed_it_is_uncertain(tmp_path: Path) -> None:
    with emulate("lost:how=rst,nth=1,on=submit", "403:on=list") as emulator:
        progress = transcribe(emulator, tmp_path, 3)
        assert (progress.done, progress.uncertain, len(emulator.tasks)) == (0, 3, 1)


@pytest.mark.transport
def test_a_refused_parameter_fails_its_files(tmp_path: Path) -> None:
    with emulate("400:on=submit,times=1") as emulator:
        progress = transcribe(emulator, tmp_path, 120)
        assert (progress.done, progress.failed) == (20, 100)


@pytest.mark.transport
@pytest.mark.parametrize("status", [301, 404, 405])
def test_an_address_that_takes_no_tasks_ends_it_and_fails_nothing(status: int, tmp_path: Path) -> None:
    with emulate(f"{status}:on=submit") as emulator, pytest.raises(HTTPStatusError):
        transcribe(emulator, tmp_path, 3)
    with emulate() as emulator:
        assert transcribe(emulator, tmp_path, 3).done == 3


@pytest.mark.transport
@pytest.mark.parametrize("faults", [("404:on=poll",), ("400:on=poll",)])
def test_a_task_that_is_not_to_be_asked_for_is_left_to_the_next_run(faults: tuple[str], tmp_path: Path) -> None:
    with emulate(*faults) as emulator:
        progress = transcribe(emulator, tmp_path, 3)
    assert (progress.done, progress.submitted, progress.failed, progress.expired) == (0, 3, 0, 0)


@pytest.mark.transport
def test_another_account_expires_nothing_and_sends_nothing_that_may_have_been_taken(tmp_path: Path) -> None:
    with emulate("404:on=poll", "lost:how=rst,nth=2,on=submit", "403:on=list") as emulator:
        progress = transcribe(emulator, tmp_path, 200)
        assert (progress.submitted, progress.uncertain) == (100, 100)
    with emulate(port=port(emulator)) as other:
        progress = transcribe(other, tmp_path, 200)
        assert (progress.submitted, progress.uncertain, progress.expired) == (100, 100, 0)
        assert other.tasks == []
    with Journal(tmp_path / "run.db") as journal:
        assert "each region and account knows only its own" in str(next(journal.told("submitted")).message)


@pytest.mark.transport
def test_the_list_of_another_account_sends_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulate("lost:how=rst,nth=2,on=submit", "403:on=list") as emulator:
        progress = transcribe(emulator, tmp_path, 200)
        assert (progress.done, progress.uncertain) == (100, 100)
    monkeypatch.setattr("asrwire.batch._machine.PATIENCE", 0.5)
    with emulate(port=port(emulator)) as other:
        assert transcribe(other, tmp_path, 200).uncertain == 100
        assert other.tasks == []


class Answers:
    """A service of literal answers; a task made of one file."""

    def __init__(self, error: ASRWireError, submitted: ASRWireError | None = None) -> None:
        self.error = error
        self.refusal = submitted
        self.sent = 0

    async def submit(self, urls: list[str], model: str, parameters: object) -> Task:
        self.sent += 1
        if self.refusal is not None and self.sent == 1:
            raise self.refusal
        return Task("it")

    async def look(self, task: Task) -> Task:
        return Task("it", "SUCCEEDED", subtasks=(Subtask(task.subtasks[0].file_url, "SUCCEEDED", "https://r.e/"),))

    async def fetch(self, task: Task, subtask: Subtask) -> FileFailed:
        return FileFailed(file_url=subtask.file_url, error=self.error)

    async def submitted(self, model: str, since: float) -> list[Task]:
        raise AssertionError

    async def made_of(self, task: Task) -> list[str] | None:
        raise AssertionError


def driven(journal: Journal, calls: Answers) -> Run:
    journal.want(read_manifest([URL], model=FUN))
    return Run(journal, calls, lambda file, result: None, LocalRateLimiter(1000), per_task=100)


@pytest.mark.transport
def test_a_result_that_this_machine_cannot_fetch_is_not_failed() -> None:
    with Journal(":memory:") as journal:
        with pytest.raises(TLSFailed):
            asyncio.run(driven(journal, Answers(TLSFailed("certificate has expired"))).run())
        assert journal.counts() == {"submitted": 1}
        run = driven(journal, Answers(LimitExceeded("result_size", phase="body")))
        asyncio.run(run.run())
        assert run.progress().submitted == 1
        assert [told.message for told in journal.told("submitted")] == ["result_size"]
        asyncio.run(driven(journal, Answers(TaskFailed("it has failed"))).run())
        assert journal.counts() == {"failed": 1}
        journal.check()


@pytest.mark.parametrize(
    ("error", "young", "state"),
    [
        (TaskFailed("", task=Task("t", "UNKNOWN")), True, "submitted"),
        (TaskFailed("", task=Task("t", "UNKNOWN")), False, "expired"),
        (ResultExpired("", http_status=403), True, "expired"),
        (TaskFailed("", task=Task("t", "FAILED")), True, "failed"),
        (DecodeError("", phase="result"), True, "failed"),
        (DecodeError("", phase="body"), True, None),
        (ConnectFailed("", phase="connect"), True, None),
        (HTTPStatusError("", http_status=503), False, None),
        (HTTPStatusError("", http_status=400), False, "submitted"),
    ],
)
def test_how_a_file_ends(error: ASRWireError, young: bool, state: str | None) -> None:
    assert ending(FileFailed(file_url=URL, error=error), young) == state


def test_results_are_told_apart_however_their_urls_are_spelled() -> None:
    sent = ["https://e.com/%E4%BC%9A.wav", "https://e.com/b%20c.wav", "https://e.com/d.wav"]
    shown = ["https://e.com/d.wav", "https://e.com/b c.wav", "https://e.com/\u4f1a.wav"]
    task = Task("t", "SUCCEEDED", subtasks=tuple(Subtask(url, "SUCCEEDED", f"https://r.e/{url[-5]}") for url in shown))
    found = outcomes(task, sent)
    assert [found[url].transcription_url[-1] for url in sent if isinstance(found[url], Subtask)] == ["\u4f1a", "c", "d"]


@pytest.mark.transport
def test_a_quota_that_is_a_rate_is_waited_for() -> None:
    code = "Throttling.AllocationQuota"
    rate = HTTPStatusError("TPM", http_status=429, code=code, sent="complete", retry_safe=True, retry_after=0.0)
    with Journal(":memory:") as journal:
        calls = Answers(TaskFailed("it has failed"), rate)
        asyncio.run(driven(journal, calls).run())
        assert (calls.sent, journal.counts()) == (2, {"failed": 1})


class Refusing(Answers):
    """It refuses some submissions, and makes tasks of the others."""

    def __init__(self, codes: list[str]) -> None:
        super().__init__(TaskFailed("it has failed"))
        self.codes = codes

    async def submit(self, urls: list[str], model: str, parameters: object) -> Task:
        self.sent += 1
        if self.sent <= len(self.codes) and (code := self.codes[self.sent - 1]):
            raise HTTPStatusError("no", http_status=400, code=code, sent="complete")
        return Task(f"t{self.sent}")


@pytest.mark.transport
@pytest.mark.parametrize(
    ("codes", "ends"),
    [
        (["InvalidParameter"] * 19, False),
        (["InvalidParameter"] * 20, True),
        (["InvalidParameter"] * 10 + ["Other"] + ["InvalidParameter"] * 19, False),
        (["", *["InvalidParameter"] * 25], False),
    ],
)
def test_the_first_submissions_refused_for_one_reason_end_it(codes: list[str], ends: bool) -> None:
    calls = Refusing(codes)
    with Journal(":memory:") as journal:
        journal.want(read_manifest(urls(40), model=FUN))
        run = Run(journal, calls, lambda file, result: None, LocalRateLimiter(1000), per_task=1)
        if ends:
            with pytest.raises(HTTPStatusError) as raised:
                asyncio.run(run.run())
            assert raised.value.code == "InvalidParameter"
            assert (calls.sent, journal.counts()) == (20, {"failed": 20, "pending": 20})
        else:
            asyncio.run(run.run())
            assert (calls.sent, journal.counts()) == (40, {"failed": 40})
        journal.check()


@pytest.mark.transport
def test_a_service_that_is_not_there_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrwire.batch._run._REFUSALS", 2)
    with emulate() as emulator:
        pass
    with pytest.raises(ConnectFailed):
        transcribe(emulator, tmp_path, 3)
    with Journal(tmp_path / "run.db") as journal:
        assert journal.counts() == {"pending": 3}


@pytest.mark.transport
def test_a_result_that_cannot_be_written_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with emulate() as emulator:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", full)
            with pytest.raises(OSError, match="No space left"):
                transcribe(emulator, tmp_path, 3)
        assert list((tmp_path / "out").iterdir()) == []
        assert transcribe(emulator, tmp_path, 3).done == 3
        assert len(emulator.tasks) == 1


@pytest.mark.transport
@pytest.mark.parametrize(("model", "files"), [(FUN, 300), (FILETRANS, 40)])
def test_a_batch_that_is_killed_goes_on(model: str, files: int, tmp_path: Path) -> None:
    found = batches.kill(tmp_path, files=files, kills=3, seed=files, model=model, longest=0.5)
    assert found.doubled == []
    assert found.states["done"] + found.states["uncertain"] >= files - 1
    assert found.kills == 3


# == the command ======================================================================================================


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name in os.environ:
        if name.startswith("DASHSCOPE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("\n".join(f"{url}?Signature=secret" for url in urls(3)))
    return ["batch", "urls.txt", "-m", FUN, "--journal", "run.db", "-o", "out", "--rate", "100"]


@pytest.mark.transport
def test_the_report(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with emulate(files={URL.format(1) + "*": "FILE_404_NOT_FOUND"}) as emulator:
        assert main([*command, "--base-url", emulator.base_url]) == 1
        out, err = capsys.readouterr()
        assert out == (
            "failed     https://example.com/audio/1.wav  FILE_404_NOT_FOUND\n"
            "2 of 3 files done, 1 failed; 2 s billed; results in out\n"
        )
        assert err == ""
        assert main([*command, "--base-url", emulator.base_url, "--json"]) == 1
        failed, whole = map(json.loads, capsys.readouterr().out.splitlines())
        assert len(emulator.tasks) == 1
    assert (failed["url"], failed["state"], failed["code"]) == (URL.format(1), "failed", "FILE_404_NOT_FOUND")
    assert (whole["total"], whole["done"], whole["seconds"]) == (3, 2, 2.0)
    assert len(list(Path("out").iterdir())) == 2


@pytest.mark.transport
def test_all_words_in_one_table(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    with emulate(files={URL.format(1) + "*": "FILE_404_NOT_FOUND"}) as emulator:
        assert main([*command, "--base-url", emulator.base_url, "--parquet"]) == 1
    table = pq.read_table("out/words.parquet")
    assert table.schema.metadata == {b"asrwire.schema_version": b"1"}
    assert sorted(set(table["file"].to_pylist())) == [URL.format(0), URL.format(2)]
    words = [word for path in Path("out").glob("*.json") for t in read_result(path.read_bytes()).transcripts
             for word in t.words]  # fmt: skip
    assert sorted(table["text"].to_pylist()) == sorted(word.text for word in words)
    assert not list(Path("out").glob("*.part"))


@pytest.mark.transport
def test_a_rate_that_processes_share(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def pauses() -> int:
        with closing(sqlite3.connect("rate.db")) as file:
            found: int = file.execute("SELECT pauses FROM asrwire_rate").fetchone()[0]
            return found

    before = SQLiteRateLimiter("rate.db", 100)
    before.throttled(0.0)
    assert pauses() == 1
    with emulate("429:on=submit,times=1,retry_after=0") as emulator:
        assert main([*command, "--base-url", emulator.base_url, "--rate-file", "rate.db"]) == 0
    assert pauses() == 2
    assert main([*command, "--base-url", "http://127.0.0.1:9/api/v1", "--rate-file", "none/rate.db"]) == 2
    assert "rate limiter 'none/rate.db': unable to open database file" in capsys.readouterr().err


@pytest.mark.transport
def test_results_in_another_folder_are_said(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with emulate() as emulator:
        assert main([*command, "--base-url", emulator.base_url]) == 0
        capsys.readouterr()
        assert main([*command, "--base-url", emulator.base_url, "-o", "new", "--parquet"]) == 0
        assert capsys.readouterr().err == (
            "asrwire: 3 results are not in new: earlier runs wrote them, and they are not written again\n"
        )


def test_a_bad_line_is_an_error_and_nothing_is_sent(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("urls.txt").write_text("https://example.com/a.wav\nb.wav\n")
    assert main([*command, "--base-url", "http://127.0.0.1:9/api/v1"]) == 2
    assert capsys.readouterr().err.startswith("asrwire: urls.txt, line 2: the audio URL must begin with")
    assert not Path("run.db").exists()


@pytest.mark.transport
def test_a_refused_key_has_its_exit_code(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with emulate("401:on=submit") as emulator:
        assert main([*command, "--base-url", emulator.base_url]) == 3
    assert "to go on, run the same command again: run.db has what was done" in capsys.readouterr().err


@pytest.mark.transport
def test_ctrl_c_says_how_to_go_on(command: list[str]) -> None:
    with emulate(run_time=600) as emulator:
        arguments = [*command, "--base-url", emulator.base_url]
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "asrwire", *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            try:
                until(lambda: len(emulator.tasks) == 1 and len(emulator.requests) >= 2, "it never looked")
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=HANG)
            finally:
                process.kill()
        assert (process.returncode, out) == (130, "")
        assert err == "asrwire: to go on, run the same command again: run.db has what was done\n"
    with Journal("run.db") as journal:
        assert journal.counts() == {"submitted": 3}
        journal.check()
