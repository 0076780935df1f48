# Memory held by what a reader makes of a result file, the file's bytes dropped: each reader in a fresh process, by what
# the process holds for itself alone (USS: the private pages of /proc/self/smaps_rollup), before and after, each time
# after a collection and malloc_trim(0), so that only what cannot be given back is counted. tracemalloc's figure beside
# it, in another process: what the interpreter's allocators were asked for, without what fragments them.
#
# `python -m benchmarks.held MODULE:READER FILE uss|traced` prints the bytes. Linux only: no other system tells as much.

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .corpus import ResultFile, result_file
from .timing import Sample


def sampler(file: ResultFile, reader: str) -> Callable[[], Sample]:
    """Samples of the bytes a word of `file` that what ``module:function`` returns holds."""

    traced = lru_cache(1)(lambda: _asked(reader, file, "traced"))  # the same every time, and slow

    def sample() -> Sample:
        return Sample(_asked(reader, file, "uss"), {"tracemalloc": traced()})

    return sample


def _asked(reader: str, file: ResultFile, how: str) -> float:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        path.write_bytes(file.data)
        command = [sys.executable, "-m", "benchmarks.held", reader, str(path), how]
        held = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout
    return int(held) / len(file.words)


def uss() -> int:
    """Bytes this process holds for itself alone, of which nothing more can be given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/smaps_rollup", encoding="ascii") as fields:
        return sum(int(field.split()[1]) for field in fields if field.startswith("Private_")) * 1024


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _held(read: Callable[[bytes], Any], path: str, now: Callable[[], int]) -> int:
    read(result_file(25).data)  # what is made once, whatever is read
    before = now()
    with open(path, "rb") as file:
        data = file.read()
    result = read(data)
    del data
    after = now()
    del result
    return after - before


def main(reader: str, path: str, how: str) -> None:
    module, _, name = reader.partition(":")
    read = getattr(import_module(module), name)
    if how == "traced":
        tracemalloc.start()
    print(_held(read, path, _traced if how == "traced" else uss))


if __name__ == "__main__":
    main(*sys.argv[1:])
