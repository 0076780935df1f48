# `python -m tests.fuzz [scan|partials|files|bytes ...] [--seconds S | --payloads N] [--seed K] [--jobs J] [--only N]
# [--keep]`
#
# Knows: numbers of cases, clocks, processes. Must not know: what a case is. Exits 1 on the first wrong verdict of each
# mode and prints it shrunk; `--only N` reads just that case again. (Those of `bytes` depend on what came
# before: they are printed whole, and the same seed with as many jobs comes to the same case.)

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from . import judge, twins, wires

MODES = ("scan", "partials", "files", "bytes")
STRIDE = 10**9  # cases of one seed


def work(
    name: str, seed: int, first: int, step: int, seconds: float | None, wanted: int | None, only: int | None = None,
    keep: bool = False,
) -> tuple[Counter[str], str | None]:
    """Cases first, first + step, ... until the time or the number of mutated payloads is up; (counts, failure)."""
    mode = wires.Bytes() if name == "bytes" else judge.mode(name)
    started = told = time.monotonic()
    done, number = 0, first if only is None else only
    while True:
        try:
            done += mode.check(seed * STRIDE + number)
        except judge.Mismatch as wrong:
            return mode.counts, f"{name}: --seed {seed} --only {number}\n{wrong}"
        except Exception as wrong:
            wrong.add_note(f"{name}: --seed {seed} --only {number}")
            raise
        now = time.monotonic()
        over = now - started > seconds if seconds is not None else False
        if over or (wanted is not None and done >= wanted) or only is not None:
            if keep and isinstance(mode, wires.Bytes):
                mode.keep()
            return mode.counts, None
        if now - told > 5:
            told = now
            print(f"{name}: {done:,} mutated payloads, {done / (now - started):,.0f}/s", file=sys.stderr, flush=True)
        number += step


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("modes", nargs="*", metavar="mode", help=f"any of {', '.join(MODES)}; all of them without")
    parser.add_argument("--seconds", type=float, help="for each mode (default 20)")
    parser.add_argument("--payloads", type=int, help="mutated payloads for each mode, instead of a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--only", type=int, help="just this case of the seed")
    parser.add_argument("--keep", action="store_true", help="add what bytes found to its corpus (with one job)")
    options = parser.parse_args()
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"unknown mode {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    seconds = options.seconds or (None if options.payloads else 20.0)
    wanted = options.payloads and -(-options.payloads // options.jobs)
    if not twins.has_direct():
        print("no direct path in this build: the readable one is compared with itself", file=sys.stderr)
    failed = False
    for name in options.modes or MODES:
        jobs = [
            (name, options.seed, first, options.jobs, seconds, wanted, options.only, options.keep and options.jobs == 1)
            for first in range(options.jobs)
        ]
        started = time.monotonic()
        if options.jobs == 1 or options.only is not None:
            done = [work(*jobs[0])]
        else:
            with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
                done = pool.starmap(work, jobs)
        counts: Counter[str] = sum((counts for counts, _ in done), Counter())
        failures = [failure for _, failure in done if failure is not None]
        for failure in failures:
            print(failure)
        kinds = sorted(set(counts) - {"payloads", "mutated"})
        classes = ", ".join(f"{kind} {counts[kind]:,}" for kind in kinds)
        print(f"{name}: {counts['payloads']:,} payloads, {counts['mutated']:,} of them mutated "
              f"({classes}) in {time.monotonic() - started:.0f} s; mismatches {len(failures)}", flush=True)
        failed = failed or bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
