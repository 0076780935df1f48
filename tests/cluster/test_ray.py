# Files transcribed by a pool of Ray's actors: what one process makes of them, at one rate, whatever dies meanwhile.
#
#   pip install -e ".[test,ray]" && pytest -m ray tests/cluster
#
# Knows: asrwire.integrations.ray, Ray Data, the emulator. Must not know: how a batch decides anything.

from __future__ import annotations

import asyncio
import os
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray import cloudpickle
from ray.data.checkpoint import CheckpointConfig

from asrwire import AsyncClient, Client, ConfigError, FileFailed
from asrwire.batch import LocalRateLimiter
from asrwire.emulator import Emulator, Script
from asrwire.integrations.ray import RayRateLimiter, TranscribeFiles
from asrwire.integrations.tables import COLUMNS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]  # Ray's own warnings

FILETRANS = "qwen3-asr-flash-filetrans"
URL = "https://example.com/audio/{}.wav"
MISSING = "FILE_404_NOT_FOUND"


def said(url: str) -> Script | str:
    number = int(url.rpartition("/")[2].removesuffix(".wav"))
    return MISSING if number % 97 == 5 else Script.from_texts([f"File {number}.", "又一句。"])


def emulate(*faults: str, **more: Any) -> Emulator:
    return Emulator(queue_time=0.05, run_time=0.1, files=said, faults=faults, **more)


def urls(count: int) -> list[str]:
    return [URL.format(number) for number in range(count)]


def transcribed(
    emulator: Emulator, given: Sequence[str], size: int, by: type[TranscribeFiles] = TranscribeFiles,
    remote: dict[str, Any] | None = None, **asked: Any,
) -> ray.data.Dataset:  # fmt: skip
    """The dataset of these URLs, transcribed in batches of `size` by two actors."""
    client = partial(AsyncClient, base_url=emulator.base_url)
    asked = {"model": "fun-asr", "client": client, "limiter": RayRateLimiter(1000, name="quick"), **asked}
    blocks = max(2, len(given) // size)
    return ray.data.from_items([{"url": url} for url in given], override_num_blocks=blocks).map_batches(
        by, fn_constructor_kwargs=asked, batch_format="pyarrow", batch_size=size,
        compute=ray.data.ActorPoolStrategy(size=2), num_cpus=0.5, **remote or {},
    )  # fmt: skip


def made(emulator: Emulator) -> Counter[str]:
    return Counter(url for task in emulator.tasks for url in task.urls)


def test_a_thousand_files_by_two_actors_are_those_of_one_process() -> None:
    rate, given = 100, urls(1000)
    with emulate(rate_limit=35) as emulator:  # of queries, of which two clients would send 40 a second
        limits = {"limiter": RayRateLimiter(rate, name="thousand"), "queries": RayRateLimiter(30, name="asked")}
        rows = transcribed(emulator, given, 125, model=FILETRANS, **limits).take_all()
        tasks, statuses = emulator.tasks, Counter(answer.status for answer in emulator.sent)
    # What one process makes of them, with nothing of Ray, batches or tables.
    with emulate() as emulator, Client(base_url=emulator.base_url) as client:
        alone = {str(result.file_url): result for result in client.transcribe_files(given, model="fun-asr")}

    assert sorted(row["url"] for row in rows) == sorted(given)
    assert Counter(url for task in tasks for url in task.urls) == Counter(given)
    for row in rows:
        result = alone[row["url"]]
        if isinstance(result, FileFailed):
            assert (row["state"], row["text"], row["words"]) == ("failed", None, None)
            assert row["error_code"] == result.code == MISSING
        else:
            assert (row["state"], row["error_code"]) == ("done", None)
            assert row["text"] == result.transcripts[0].text
            assert [word["text"] for word in row["words"]] == [s.text for s in result.transcripts[0].sentences]
            assert [word["begin_ms"] for word in row["words"]] == [
                s.begin_time for s in result.transcripts[0].sentences
            ]
    # The account's limits, in the emulator's own record.
    times = sorted(task.created / 1000 for task in tasks)
    assert times[-1] - times[0] >= (len(times) - 1) / rate - 0.5
    for first, last in zip(times, times[2 * rate :], strict=False):  # nor faster for two seconds anywhere
        assert last - first >= 2 - 0.5
    assert statuses[429] == 0


# == whatever dies =====================================================================================================


class Breaking(TranscribeFiles):
    """Raises, once, when a batch is done and before Ray has it: the marker is where it has been."""

    def __init__(self, *, marker: str, **asked: Any) -> None:
        super().__init__(**asked)
        self._marker = marker

    def __call__(self, batch: pa.Table) -> pa.Table:
        table = super().__call__(batch)
        try:
            os.close(os.open(self._marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return table
        raise self.end()

    def end(self) -> Exception:
        return RuntimeError("broken off")


class Dying(Breaking):
    """Its process ends."""

    def end(self) -> Exception:
        os._exit(1)


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have this module


def test_a_batch_whose_actor_was_killed_is_not_submitted_again(tmp_path: Path) -> None:
    with emulate() as emulator:
        rows = transcribed(
            emulator, urls(40), 10, Dying, marker=str(tmp_path / "marker"), journals=str(tmp_path / "run")
        ).take_all()
        assert made(emulator) == Counter(urls(40))
    assert (tmp_path / "marker").exists()
    assert Counter(row["state"] for row in rows) == {"done": 39, "failed": 1}


def test_a_job_that_broke_off_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ray.data.DataContext.get_current()
    checkpoint = CheckpointConfig(
        id_column="url", checkpoint_path=str(tmp_path / "checkpoint"), delete_checkpoint_on_success=False
    )
    monkeypatch.setattr(context, "checkpoint_config", checkpoint)
    manifest, out = tmp_path / "files.parquet", tmp_path / "out"
    pq.write_table(pa.table({"url": urls(40)}), manifest, row_group_size=10)

    def run(by: type[TranscribeFiles], **more: Any) -> None:
        files = ray.data.read_parquet(str(manifest), override_num_blocks=4)
        asked = {
            "model": "fun-asr", "client": partial(AsyncClient, base_url=emulator.base_url),
            "limiter": RayRateLimiter(1000, name="quick"), "journals": str(tmp_path / "run"),
        }  # fmt: skip
        files.map_batches(
            by, fn_constructor_kwargs={**asked, **more}, batch_format="pyarrow", batch_size=10,
            compute=ray.data.ActorPoolStrategy(size=2), num_cpus=0.5,
        ).write_parquet(str(out))  # fmt: skip

    with emulate() as emulator:
        with pytest.raises(ray.exceptions.RayTaskError, match="broken off"):
            run(Breaking, marker=str(tmp_path / "marker"))
        run(TranscribeFiles)
        assert made(emulator) == Counter(urls(40))
    rows = pq.read_table(out).to_pylist()
    assert sorted(row["url"] for row in rows) == sorted(urls(40))
    assert Counter(row["state"] for row in rows) == {"done": 39, "failed": 1}


# == errors are rows ===================================================================================================


def test_a_refused_key_fails_no_job() -> None:
    with emulate("401:on=submit") as emulator:
        table = pa.concat_tables(ray.get(transcribed(emulator, urls(4), 2).to_arrow_refs()))
    assert table.column_names == ["url", *COLUMNS.names]
    assert table.column("state").to_pylist() == ["pending"] * 4
    assert table.column("error_code").to_pylist() == ["InvalidApiKey"] * 4


@pytest.mark.parametrize("form", ["numpy", "pandas"])
def test_batches_of_other_forms(form: str) -> None:
    with emulate() as emulator:
        client = partial(AsyncClient, base_url=emulator.base_url)
        rows = ray.data.from_items([{"url": url} for url in urls(2)], override_num_blocks=1).map_batches(
            TranscribeFiles, fn_constructor_kwargs={"model": "fun-asr", "client": client}, batch_format=form,
            compute=ray.data.ActorPoolStrategy(size=1), num_cpus=0.5,
        ).take_all()  # fmt: skip
    assert sorted((row["url"], row["text"]) for row in rows) == [
        (URL.format(number), f"File {number}.又一句。") for number in range(2)
    ]


# == the limiter =======================================================================================================


def acquire(limiter: RayRateLimiter, times: int) -> list[float]:
    async def run() -> list[float]:
        found = []
        for _ in range(times):
            await limiter.acquire()
            found.append(time.monotonic())
        return found

    return asyncio.run(run())


def test_processes_share_the_rate_of_a_name() -> None:
    limiter = RayRateLimiter(50, name="shared")
    remote = ray.remote(num_cpus=0.5)(acquire)
    times = sorted(chain(*ray.get([remote.remote(limiter, 50) for _ in range(2)])))
    assert times[-1] - times[0] >= 99 / 50 - 0.2


def test_a_pause_is_everybodys() -> None:
    limiter = RayRateLimiter(1000, name="paused")
    acquire(limiter, 1)
    pickle.loads(pickle.dumps(limiter)).throttled(0.5)
    begun = time.monotonic()
    acquire(limiter, 1)
    assert time.monotonic() - begun >= 0.3


def test_a_limiter_that_was_killed_is_made_again() -> None:
    limiter = RayRateLimiter(1000, name="killed")
    acquire(limiter, 1)
    ray.kill(ray.get_actor("killed", namespace="asrwire"))
    acquire(limiter, 1)


def test_what_is_not_there_is_an_error_of_its_row() -> None:
    with emulate() as emulator:
        files = TranscribeFiles(model="fun-asr", client=partial(AsyncClient, base_url=emulator.base_url))
        table = files({"url": np.array([*urls(1), float("nan"), None], object), "n": np.array([1, float("nan"), 2])})
        files.close()
    assert table.column("state").to_pylist() == ["done", "failed", "failed"]
    assert table.column("error_message").to_pylist() == [None, "url is missing", "url is missing"]
    assert table.column("n").null_count == 0


class Missing:
    """A limiter's actor on a node without the package."""

    def __init__(self, rate: float) -> None:
        raise ModuleNotFoundError("No module named 'asrwire'")

    async def acquire(self, n: int, rate: float) -> None: ...


def test_a_limiter_whose_actor_cannot_be_made_is_an_error_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrwire.integrations.ray._Keeper", Missing)
    with emulate() as emulator:
        files = TranscribeFiles(
            model="fun-asr", client=partial(AsyncClient, base_url=emulator.base_url),
            limiter=RayRateLimiter(1, name="missing"), queries=LocalRateLimiter(10),
        )  # fmt: skip
        table = files({"url": urls(1)})
        files.close()
    assert table.column("state").to_pylist() == ["pending"]
    assert table.column("error_message").to_pylist() == [
        "the actor of the rate limiter 'missing' cannot be made: ModuleNotFoundError: No module named 'asrwire'"
    ]


@pytest.mark.parametrize(("rate", "name"), [(0, "x"), (1, ""), (float("inf"), "x")])
def test_limits_that_are_none(rate: float, name: str) -> None:
    with pytest.raises(ConfigError):
        RayRateLimiter(rate, name=name)


def test_out_of_ray_it_is_an_ordinary_callable() -> None:
    with emulate() as emulator:
        files = TranscribeFiles(
            model="fun-asr", client=partial(AsyncClient, base_url=emulator.base_url), journals=None,
        )  # fmt: skip
        table = files({"url": urls(2)})
        files.close()
    assert table.column("state").to_pylist() == ["done", "done"]


def test_a_process_that_closes_nothing_ends() -> None:
    code = """if True:
        from asrwire.batch import LocalRateLimiter
        from asrwire.integrations.ray import TranscribeFiles
        files = TranscribeFiles(model="fun-asr", limiter=LocalRateLimiter(1), queries=LocalRateLimiter(1))
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# == the recipe ========================================================================================================


def test_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes" / "ray.md").read_text()
    monkeypatch.setattr(ray.data.DataContext.get_current(), "checkpoint_config", None)  # which the last block sets
    with Emulator(Script.from_texts(["One."]), queue_time=0, run_time=0.05) as emulator:
        # Workers have the environment of when Ray began, so the address is put in.
        client = f'"client": partial(AsyncClient, base_url="{emulator.base_url}"), "model":'
        names: dict[str, Any] = {"partial": partial, "AsyncClient": AsyncClient}
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            exec(block.replace('"model":', client).replace("/shared", str(tmp_path)), names)
    table = pq.read_table(tmp_path / "transcripts")
    assert Counter(table.column("state").to_pylist()) == {"done": 100}
    assert names["context"].checkpoint_config.id_column == "url"
