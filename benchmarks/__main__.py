# The command: `python -m benchmarks [row ...] [--quick] [--json FILE] [--plot FILE.svg] [--write-readme]`.
#
# Exits with 1 when a path found something else than there is, with 2 when a peer is not installed.

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from functools import partial
from pathlib import Path

from . import plot, report, timing
from .rows import FULL, MORE, QUICK, ROWS

README = Path(__file__).parent.parent / "README.md"
ROUNDS = {True: (15, 5), False: (5, 2)}  # in memory or not: of a whole run, of a quick one
WHERE = {True: "in memory", False: "over sockets and processes"}


def progress(place: str, said: str, end: str = "") -> None:
    if sys.stderr.isatty():  # one line, written over
        print(f"\r\x1b[2K{f'{place}: {said}':.100}", end=end, file=sys.stderr, flush=True)
    elif end:
        print(f"{place}: {said}", end=end, file=sys.stderr, flush=True)


def main() -> int:
    rows = {row.name: row for row in (*ROWS, *MORE)}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="asrwire beside named peers.")
    parser.add_argument("rows", nargs="*", metavar="row", help=f"any of {', '.join(rows)}; all of them without")
    parser.add_argument("--quick", action="store_true", help="less of everything: under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ratios")
    parser.add_argument("--write-readme", action="store_true", help="replace the README's table")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in rows]:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows)}")
    if options.write_readme and (options.rows or options.quick):
        parser.error("the README has the table of a whole run: --write-readme goes with neither rows nor --quick")
    chosen = [rows[name] for name in options.rows or rows]
    scale = QUICK if options.quick else FULL
    rounds = " and ".join(f"{ROUNDS[memory][options.quick]} {where}" for memory, where in WHERE.items())
    results, begun = [], time.monotonic()
    for at, row in enumerate(chosen, 1):
        place, started = f"[{at}/{len(chosen)}] {row.name}", time.monotonic()
        try:
            lines = timing.run(row.contest(scale), ROUNDS[row.in_memory][options.quick], partial(progress, place))
        except ModuleNotFoundError as missing:
            parser.exit(2, f"{missing}: pip install --group bench (pip 25.1 or newer)\n")
        results.append(report.Result(row, lines))
        progress(place, f"{time.monotonic() - started:.1f} s", end="\n")
    collector = "on" if gc.isenabled() else "off"
    print(f"{report.environment()}.")
    print(f"Medians of interleaved rounds, {rounds}; CPU time of the client's process; garbage collector {collector}.")
    print(f"\n{report.table(results)}\n\n{plot.text(results)}\n\n{time.monotonic() - begun:.0f} s in all")
    for result in results:
        if result.crowded:
            print(f"{result.row.name}: events did not come one by one to {', '.join(result.crowded)} (see wake-ups)")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(results, rounds), indent=1, ensure_ascii=False) + "\n")
    if options.plot:
        plot.svg(results, options.plot, report.environment())
    differing = [f"{result.row.name}: {name} DIFFERS" for result in results for name in result.differing]
    if options.write_readme and not differing:
        README.write_text(report.written(README.read_text(encoding="utf-8"), results), encoding="utf-8")
    print(*differing, sep="\n", end="\n" if differing else "")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
