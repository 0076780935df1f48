# A batch that is killed again and again: `python -m tests.endurance batch`, and shorter in test_batch.py.
#
#   python -m tests.batches MANIFEST JOURNAL OUT BASE_URL   one run, as a process of its own; ends with what it reached
#
# Knows: the public batch, the emulator, processes. Must not know: how a batch decides anything.

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from asrwire import AsyncClient, read_result
from asrwire.batch import Journal, LocalRateLimiter, _machine, read_manifest, transcribe_batch
from asrwire.emulator import Emulator, Script
from tests.servers import KEY

MODEL = "fun-asr"
SETTLE = 0.2
FIRST = 0.05  # seconds to the first look at a task
FAULTS = ["lost:how=rst,p=0.05,on=submit", "lost:how=500,p=0.05,on=submit", "429:p=0.05,on=submit+poll,retry_after=0",
          "503:p=0.05,on=submit+poll+result", "rst:p=0.02,on=poll+result+list"]  # fmt: skip


async def run(manifest: Path, journal: Path, out: Path, base_url: str, model: str = MODEL) -> None:
    with Journal(journal) as opened, manifest.open() as lines:
        opened.check()
        items = read_manifest(lines, model=model)
        print("begun", flush=True)
        async with AsyncClient(KEY, base_url=base_url) as client:
            progress = await transcribe_batch(
                items, journal=opened, out=out, client=client, limiter=LocalRateLimiter(1000), settle=SETTLE
            )
        opened.check()
        print(json.dumps({"done": progress.done, "failed": progress.failed, "uncertain": progress.uncertain}))


class Killed(NamedTuple):
    """What a killed batch came to."""

    kills: int
    runs: int
    states: Counter[str]
    doubled: list[str]
    tasks: int


def kill(folder: Path, *, files: int, kills: int, seed: int, model: str = MODEL, longest: float = 1.0) -> Killed:
    """Run a batch of `files`, killed at `kills` random moments, then to its end; whatever must hold is asserted."""
    draw = random.Random(seed)
    urls = [f"https://example.com/{number:04}.wav" for number in range(files)]
    manifest, journal, out = folder / "manifest.txt", folder / "run.db", folder / "out"
    manifest.write_text("\n".join(urls))
    with Emulator(
        Script.from_texts(["One."]), queue_time=0.05, run_time=0.1, faults=FAULTS, seed=seed,
        files={urls[7]: "FILE_404_NOT_FOUND"},
    ) as emulator:  # fmt: skip
        command = [sys.executable, "-m", "tests.batches", *map(str, (manifest, journal, out)), emulator.base_url, model]
        killed = runs = 0
        while True:
            runs += 1
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            if killed < kills:
                try:
                    process.wait(timeout=draw.uniform(0.0, longest))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    process.communicate()
                    continue
            said, _ = process.communicate()
            assert process.returncode == 0, said
            if killed == kills or json.loads(said)["uncertain"] == 0:
                break
            time.sleep(0.05)  # a run that leaves files uncertain is begun again by people, not in a loop
        made = Counter(url for task in emulator.tasks if task.status != "CANCELED" for url in task.urls)
        tasks = len(emulator.tasks)
    with Journal(journal) as opened:
        opened.check()
        states = opened.counts()
        done = {told.url for told in opened.told("done")}
        results = [read_result(path.read_bytes()) for path in out.iterdir() if path.suffix == ".json"]
        written = {str(result.file_url) for result in results}
        assert written == done, (sorted(written - done)[:5], sorted(done - written)[:5], opened.counts())
        assert [told.code for told in opened.told("failed")] == ["FILE_404_NOT_FOUND"] * states["failed"]
    assert sum(states[state] for state in ("done", "failed", "uncertain")) == files
    return Killed(killed, runs, +states, [url for url, count in made.items() if count > 1], tasks)


if __name__ == "__main__":
    _machine.FIRST = FIRST  # type: ignore[misc]
    manifest, journal, out, base_url, model = sys.argv[1:]
    asyncio.run(run(Path(manifest), Path(journal), Path(out), base_url, model))
