# Tables of files: what becomes of rows, in memory and with journals that several share, and when the process is killed.
#
# Knows: asrwire.integrations.tables, the emulator. Must not know: how a batch decides anything.

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asrwire import AsyncClient, ConfigError, FileResult, Sentence, Task, Timeout, Transcript, Word
from asrwire.batch import Journal, LocalRateLimiter
from asrwire.batch._calls import ClientCalls
from asrwire.batch._folder import JournalFolder
from asrwire.emulator import Emulator, Script
from asrwire.integrations import tables
from asrwire.integrations.tables import COLUMNS, transcribe_table
from tests import batches
from tests.servers import KEY

FUN, FILETRANS = "fun-asr", "qwen3-asr-flash-filetrans"
URL = "https://example.com/audio/{}.wav"
MISSING = "FILE_404_NOT_FOUND"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrwire.batch._machine.FIRST", batches.FIRST)
    monkeypatch.setattr(tables, "_BUSY", 0.01)


def said(url: str) -> Script | str:
    """What is said in a file: its number, and in every seventh nothing, because it is not there."""
    number = int(url.partition("?")[0].rpartition("/")[2].removesuffix(".wav"))
    return MISSING if number % 7 == 5 else Script.from_texts([f"File {number}.", "Two words."])


def emulate(*faults: str) -> Emulator:
    return Emulator(queue_time=0, run_time=0.05, faults=faults, files=said)


def urls(*numbers: int) -> list[str]:
    return [URL.format(number) for number in numbers]


def transcribe(emulator: Emulator, table: pa.Table | Mapping[str, Any], model: str = FUN, **more: Any) -> pa.Table:
    async def run() -> pa.Table:
        async with AsyncClient(KEY, base_url=emulator.base_url) as client:
            asked = {"limiter": LocalRateLimiter(1000), "settle": 0.2, **more}
            return await transcribe_table(table, model=model, client=client, **asked)

    found = asyncio.run(run())
    found.validate(full=True)
    assert found.schema.field("words").type == COLUMNS.field("words").type
    return found


def column(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table.column(name).to_pylist()
    return values


def made(emulator: Emulator) -> Counter[str]:
    return Counter(url for task in emulator.tasks for url in task.urls)


# == rows ==============================================================================================================


def test_the_columns() -> None:
    assert [(field.name, str(field.type), field.nullable) for field in COLUMNS if field.name != "words"] == [
        ("state", "string", False), ("text", "string", True), ("language", "string", True),
        ("duration_ms", "int64", True), ("billed_seconds", "double", True), ("task_id", "string", True),
        ("error_code", "string", True), ("error_message", "string", True),
    ]  # fmt: skip
    assert [(field.name, str(field.type)) for field in COLUMNS.field("words").type.value_type] == [
        ("channel", "int64"), ("sentence", "int64"), ("word", "int64"), ("text", "string"), ("punctuation", "string"),
        ("begin_ms", "int32"), ("end_ms", "int32"), ("speaker", "string"), ("language", "string"),
        ("emotion", "string"),
    ]  # fmt: skip


@pytest.mark.transport
def test_every_row_comes_back_in_its_place() -> None:
    given = {"n": list(range(7)), "url": [*urls(0, 5), None, "ftp://a/b.wav", *urls(1, 0), "no URL"]}
    with emulate() as emulator:
        table = transcribe(emulator, given)
        (task,) = emulator.tasks
    assert table.column_names == ["n", "url", *COLUMNS.names]
    assert column(table, "n") == given["n"]
    assert column(table, "url") == given["url"]
    assert column(table, "state") == ["done", "failed", "failed", "failed", "done", "done", "failed"]
    assert column(table, "text") == [
        "File 0. Two words.", None, None, None, "File 1. Two words.", "File 0. Two words.", None
    ]  # fmt: skip
    assert column(table, "task_id") == [task.id, task.id, None, None, task.id, task.id, None]
    assert column(table, "error_code") == [None, MISSING, "ConfigError", "ConfigError", None, None, "ConfigError"]
    assert [message and message[:22] for message in column(table, "error_message")] == [
        None, MISSING, "url is missing", "the audio URL must beg", None, None, "the audio URL must beg"
    ]  # fmt: skip
    assert task.urls == tuple(urls(0, 5, 1))


@pytest.mark.transport
def test_words_are_those_of_the_result() -> None:
    with emulate() as emulator:
        table = transcribe(emulator, {"url": urls(1, 5)})
    words, none = column(table, "words")
    assert none is None
    assert [(w["sentence"], w["word"], w["text"], w["punctuation"]) for w in words] == [
        (0, 0, "File ", ""), (0, 1, "1", "."), (1, 0, "Two ", ""), (1, 1, "words", "."),
    ]  # fmt: skip
    assert words[0] == {
        "channel": 0, "sentence": 0, "word": 0, "text": "File ", "punctuation": "", "begin_ms": 200, "end_ms": 560,
        "speaker": None, "language": None, "emotion": None,
    }  # fmt: skip


def words_of(*transcripts: Transcript) -> tables._Said:
    return tables._said(FileResult(transcripts=transcripts, duration=5))


def test_channels_are_lines_and_what_a_sentence_says_of_the_language_is_enough() -> None:
    one = Transcript(sentences=(Sentence(0, text="Hi."),), channel_id=0)
    two = Transcript(sentences=(Sentence(0, text="你好。", language="zh", channel_id=1),), channel_id=1)
    found = words_of(one, two)
    assert found[:3] == ("Hi.\n你好。", "zh", 5)
    assert found.words is not None
    assert found.words.field("channel").to_pylist() == [0, 1]


def test_lone_surrogates_become_marks() -> None:
    found = words_of(Transcript(sentences=(Sentence(0, text="a\ud800", words=(Word(0, 1, "a\ud800"),)),)))
    assert found.text == "a?"
    assert pa.array([found.text]).to_pylist() == ["a?"]


def test_arrays_of_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Transcript(sentences=(Sentence(0, words=(Word(0, 1, "a"),) * count),)) for count in (2, 2, 3)]
    words = [words_of(transcript).words for transcript in said]
    expected = [None if one is None else one.to_pylist() for one in [None, *words, None]]
    for bound, chunks in ((7, 1), (6, 2), (4, 2), (3, 3), (2, 4), (1, 5)):
        monkeypatch.setattr(tables, "_CHUNK", bound)
        lists = tables._lists([None, *words, None])
        assert lists.to_pylist() == expected
        assert lists.num_chunks == chunks, bound


@pytest.mark.transport
@pytest.mark.parametrize("given", [{"url": []}, {"url": [None, "x"]}])
def test_nothing_to_do_is_done(given: dict[str, Any]) -> None:
    with emulate() as emulator:
        assert transcribe(emulator, given).num_rows == len(given["url"])
        assert emulator.requests == []


@pytest.mark.transport
def test_what_was_returned_may_be_given_again() -> None:
    with emulate("401:on=submit,times=1") as emulator:
        first = transcribe(emulator, {"url": urls(1, 2), "n": [1, 2]})
        assert column(first, "state") == ["pending", "pending"]
        assert column(first, "error_code") == ["InvalidApiKey"] * 2
        assert "check the key" in column(first, "error_message")[0]
        again = transcribe(emulator, first)
    assert again.column_names == first.column_names
    assert column(again, "state") == ["done", "done"]
    assert column(again, "error_code") == [None, None]


@pytest.mark.parametrize(
    ("given", "more", "says"),
    [
        ({"uri": []}, {}, "no column 'url'; it has uri"),
        ({"url": []}, {"id": "name"}, "no column 'name'"),
        ({"url": []}, {"options": {"nonsense": 1}}, "nonsense"),
        ({"url": []}, {"model": "fun-asr-realtime"}, "is not known as a file-task model"),
    ],
)
def test_mistakes_are_raised_before_anything_is_sent(given: Any, more: Any, says: str) -> None:
    with emulate() as emulator:
        with pytest.raises(ConfigError, match=says):
            transcribe(emulator, given, **more)
        assert emulator.requests == []


@pytest.mark.parametrize("journals", [False, True])
def test_a_limiter_is_one(journals: bool, tmp_path: Path) -> None:
    with emulate() as emulator, pytest.raises(TypeError, match="limiter is a RateLimiter, not NoneType"):
        transcribe(emulator, {"url": urls(1)}, limiter=None, journals=tmp_path if journals else None)


@pytest.mark.transport
@pytest.mark.parametrize("model", [FUN, FILETRANS])
def test_a_lost_reply_is_found(model: str) -> None:
    with emulate("lost:how=rst,nth=1,on=submit") as emulator:
        table = transcribe(emulator, {"url": urls(1, 2, 3)}, model)
        assert set(made(emulator).values()) == {1}
    assert column(table, "state") == ["done"] * 3


@pytest.mark.transport
def test_what_cannot_be_told_is_uncertain_and_says_why() -> None:
    with emulate("lost:how=rst,nth=1,on=submit", "403:on=list") as emulator:
        table = transcribe(emulator, {"url": urls(1)})
    assert column(table, "state") == ["uncertain"]
    assert "do not show whether it was taken" in column(table, "error_message")[0]


class Told(LocalRateLimiter):
    """Remembers what it is told of pauses."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.pauses: list[float | None] = []

    def throttled(self, retry_after: float | None = None) -> None:
        self.pauses.append(retry_after)
        super().throttled(retry_after)


@pytest.mark.transport
def test_a_429_is_told_to_the_limiter_of_what_was_refused() -> None:
    submissions, queries = Told(1000), Told(1000)
    with emulate("429:on=poll,times=1,retry_after=0") as emulator:
        table = transcribe(emulator, {"url": urls(1)}, limiter=submissions, queries=queries)
    assert column(table, "state") == ["done"]
    assert (submissions.pauses, queries.pauses) == ([], [0])


# == journals ==========================================================================================================


@pytest.mark.transport
def test_a_file_is_submitted_once_in_whatever_company(tmp_path: Path) -> None:
    with emulate() as emulator:
        first = transcribe(emulator, {"url": urls(1, 2, 5)}, journals=tmp_path)
        assert transcribe(emulator, {"url": urls(1, 2, 5)}, journals=tmp_path).equals(first)
        assert len(emulator.tasks) == 1
        mixed = transcribe(emulator, {"url": urls(4, 5, 2, 8)}, journals=tmp_path)
        assert column(mixed, "state") == ["done", "failed", "done", "done"]
        assert mixed.slice(2, 1).equals(first.slice(1, 1))
        assert [task.urls for task in emulator.tasks] == [tuple(urls(1, 2, 5)), tuple(urls(4, 8))]
        assert len(list((tmp_path / "results").iterdir())) == 4


@pytest.mark.transport
def test_signed_urls_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    with emulate() as emulator:
        for signature in "ab":
            given = {"url": [f"{url}?s={signature}" for url in urls(1, 2, 2)], "name": ["x", "y", "z"]}
            table = transcribe(emulator, given, journals=tmp_path, id="name")
            assert column(table, "state") == ["done", "done", "failed"]
            assert column(table, "error_message")[2] == "another row has the same URL and another id"
        assert len(emulator.tasks) == 1


@pytest.mark.transport
def test_a_task_of_other_options_is_not_taken_for_a_lost_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submit, lost = ClientCalls.submit, []

    async def lost_on_its_way(calls: ClientCalls, urls: list[str], model: str, parameters: Mapping[str, Any]) -> Task:
        if not lost:
            lost.append(urls)
            raise Timeout("no reply", phase="read", sent="complete")
        return await submit(calls, urls, model, parameters)

    monkeypatch.setattr(ClientCalls, "submit", lost_on_its_way)

    async def run() -> list[pa.Table]:
        async with AsyncClient(KEY, base_url=emulator.base_url) as client:

            async def ask(**options: object) -> pa.Table:
                return await transcribe_table(
                    {"url": urls(1)}, model=FUN, client=client, limiter=LocalRateLimiter(1000), journals=tmp_path,
                    options=options, settle=1,
                )  # fmt: skip

            first = asyncio.create_task(ask())
            while not lost:
                await asyncio.sleep(0.01)
            return [await ask(diarization_enabled=True), await first]

    with emulate() as emulator:
        ids = {task for table in asyncio.run(run()) for task in column(table, "task_id")}
        assert len(ids) == len(emulator.tasks) == 2


@pytest.mark.transport
def test_another_process_with_the_same_files_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulate() as emulator:
        first = transcribe(emulator, {"url": urls(1, 2)}, journals=tmp_path)
        (path,) = [path for path in tmp_path.glob("*.db") if path.stem != "index"]
        other = Journal(path)
        opened = JournalFolder.open
        refused = []

        def once_in_vain(folder: JournalFolder, name: str) -> Journal:
            try:
                return opened(folder, name)
            except ConfigError as error:
                refused.append(str(error))
                other.__exit__()
                raise

        monkeypatch.setattr(JournalFolder, "open", once_in_vain)
        assert transcribe(emulator, {"url": urls(2, 1)}, journals=tmp_path).equals(first.take([1, 0]))
        assert refused == [f"another process has the journal {path} open"]
        assert len(emulator.tasks) == 1


@pytest.mark.transport
def test_no_journal_of_others_is_waited_for_while_others_wait(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path)
    names = [next(iter(folder.shared(batches_items(number)))) for number in range(4)]
    others = [folder.open(name) for name in names[1:]]

    async def release() -> float:
        longest, before = 0.0, time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.05)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        for other in others:
            other.__exit__()
        return longest

    async def run() -> tuple[pa.Table, float]:
        async with AsyncClient(KEY, base_url=emulator.base_url) as client:
            given = {"url": urls(*range(4))}
            work = transcribe_table(given, model=FUN, client=client, limiter=LocalRateLimiter(1000), journals=tmp_path)
            table, longest = await asyncio.gather(work, release())
            return table, longest

    with emulate() as emulator:
        table, longest = asyncio.run(run())
    assert column(table, "state") == ["done"] * 4
    assert longest < 0.9  # nor for the second that a journal waits by itself


@pytest.mark.transport
def test_journals_that_are_open_at_once_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_JOURNALS", 2)
    folder = JournalFolder(tmp_path)
    for number in range(6):
        folder.shared(batches_items(number))
    opened, most = set[Journal](), 0

    class Counted(Journal):
        def __enter__(self) -> Counted:
            nonlocal most
            opened.add(self)
            most = max(most, len(opened))
            return self

        def __exit__(self, *error: object) -> None:
            opened.discard(self)
            super().__exit__(*error)

    monkeypatch.setattr("asrwire.batch._folder.Journal", Counted)
    with emulate() as emulator:
        assert column(transcribe(emulator, {"url": urls(0, 1, 2, 3, 4, 6)}, journals=tmp_path), "state") == ["done"] * 6
    assert most == 2


@pytest.mark.transport
def test_what_failed_is_sent_once_more_on_demand(tmp_path: Path) -> None:
    with emulate() as emulator:
        transcribe(emulator, {"url": urls(5, 1)}, journals=tmp_path)
        transcribe(emulator, {"url": urls(5, 1)}, journals=tmp_path, retry_failed=True)
        assert made(emulator) == Counter(urls(5, 5, 1))


def test_a_journal_that_another_has_open_holds_up_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: waits.append(k["timeout"]) or connect(*a, **k))
    with JournalFolder(tmp_path).open("one"), pytest.raises(ConfigError, match="another process"):
        JournalFolder(tmp_path).open("one")
    assert waits == [0, 0]


@pytest.mark.transport
def test_results_of_earlier_runs_are_not_read_on_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loops, reading = set[int](), set[int]()
    opened, read = JournalFolder.open, tables.read_result

    def on_the_loop(folder: JournalFolder, name: str) -> Journal:
        loops.add(threading.get_ident())
        return opened(folder, name)

    def elsewhere(data: bytes) -> FileResult:
        reading.add(threading.get_ident())
        return read(data)

    with emulate() as emulator:
        first = transcribe(emulator, {"url": urls(1, 2)}, journals=tmp_path)
        monkeypatch.setattr(JournalFolder, "open", on_the_loop)
        monkeypatch.setattr(tables, "read_result", elsewhere)
        assert transcribe(emulator, {"url": urls(1, 2)}, journals=tmp_path).equals(first)
    assert reading
    assert loops.isdisjoint(reading)


@pytest.mark.transport
def test_a_result_that_is_gone_is_said(tmp_path: Path) -> None:
    with emulate() as emulator:
        transcribe(emulator, {"url": urls(1)}, journals=tmp_path)
        for path in (tmp_path / "results").iterdir():
            path.unlink()
        table = transcribe(emulator, {"url": urls(1)}, journals=tmp_path)
    assert column(table, "state") == ["done"]
    assert column(table, "text") == [None]
    assert column(table, "error_code") == ["FileNotFoundError"]


@pytest.mark.transport
@pytest.mark.parametrize("what", ["index.db", "results", "journal"])
def test_a_folder_that_does_not_do_is_said_in_the_rows(what: str, tmp_path: Path) -> None:
    with emulate() as emulator:
        if what == "journal":
            (name,) = JournalFolder(tmp_path).shared(batches_items(1))
            (tmp_path / f"{name}.db").write_bytes(b"no SQLite file" * 100)
        else:
            (tmp_path / what).write_bytes(b"neither a folder nor an SQLite file")
        table = transcribe(emulator, {"url": urls(1)}, journals=tmp_path)
        assert emulator.requests == []
    assert column(table, "state") == ["pending"]
    assert column(table, "error_code") == ["FileExistsError" if what == "results" else "ConfigError"]


def batches_items(*numbers: int) -> Sequence[Any]:
    from asrwire.batch import read_manifest

    return [*read_manifest(urls(*numbers), model=FUN)]


@pytest.mark.transport
def test_killed_and_begun_again_in_other_batches(tmp_path: Path) -> None:
    numbers = [number for number in range(60) if number % 7 != 5]
    with Emulator(queue_time=0.05, run_time=0.1, files=said, faults=batches.FAULTS[:2]) as emulator:
        for size in (20, 15, 30):  # of a batch
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.test_tables", emulator.base_url, str(tmp_path), str(size)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(urls(*numbers)))
            process.stdin.close()
            process.stdin = None
            if size != 30:
                assert process.stdout.readline().startswith("batch")  # one is done, another under way
                process.send_signal(signal.SIGKILL)
            out, _ = process.communicate()
        assert process.returncode == 0
        assert made(emulator) == Counter(urls(*numbers))
    assert json.loads(out.splitlines()[-1]) == {"done": len(numbers)}


def main(base_url: str, folder: str, size: int) -> None:
    """In batches of so many, two at a time, with their journals in one folder."""
    given = json.load(sys.stdin)

    async def run() -> Counter[str]:
        states: Counter[str] = Counter()
        gate = asyncio.Semaphore(2)
        async with AsyncClient(KEY, base_url=base_url) as client:

            async def batch(some: list[str]) -> None:
                async with gate:
                    table = await transcribe_table(
                        {"url": some}, model=FILETRANS, client=client, limiter=LocalRateLimiter(1000), journals=folder,
                        settle=0.2,
                    )  # fmt: skip
                    states.update(column(table, "state"))
                    print("batch", flush=True)

            await asyncio.gather(*(batch(given[i : i + size]) for i in range(0, len(given), size)))
        return states

    print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    from asrwire.batch import _machine

    _machine.FIRST = batches.FIRST  # type: ignore[misc]
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
