# `python -m benchmarks [framing|chunked|decode|stream|files ...] [--quick]`: the tables as Markdown.

from __future__ import annotations

import argparse
import gc
import platform
import sys
from importlib import import_module
from importlib.metadata import version

PARTS = ("framing", "chunked", "decode", "stream", "files")
PACKAGES = ("asrwire", "orjson", "httpx", "httpx-sse", "h11", "httptools", "msgspec")


def cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except ImportError:
        return f"{package} (not installed as a package)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="asrwire beside named peers.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all of them without")
    parser.add_argument("--quick", action="store_true", help="a tenth of the input, 5 rounds: seconds, not minutes")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rounds, scale = (5, 10) if options.quick else (15, 1)
    print(f"{platform.python_implementation()} {platform.python_version()}, {cpu()}, {platform.system()}; ", end="")
    print("; ".join(installed(package) for package in PACKAGES))
    collector = "on" if gc.isenabled() else "off"
    print(f"\nMedians of {rounds} interleaved rounds in one process; garbage collector {collector}.")
    differing = 0
    for part in options.parts or PARTS:
        try:
            module = import_module(f"benchmarks.bench_{part}")
        except ModuleNotFoundError as missing:
            parser.exit(2, f"{missing}: pip install --group bench (pip 25.1 or newer)\n")
        for name in module.CASES:
            table = module.contest(name, scale).run(rounds)
            print(f"\n{table}", flush=True)
            differing += len(table.differing)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
