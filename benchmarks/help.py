# `python -m benchmarks.help [runs]`: what `asrwire --help` costs over `python -c pass`, in ms of wall time. Both start
# in turn, with their bytecode written beforehand; what it costs is the median of the rounds' differences.
#
# Knows: two command lines. Must not know: what is imported by either (tests/test_cli_help.py does).

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

AT_MOST = 60  # ms over `python -c pass`, as it was agreed on
# The second is what the installed script runs.
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "asrwire --help": ["-c", "from asrwire.cli import main; main()", "--help"],
}


def rounds(count: int) -> list[tuple[float, ...]]:
    """The ms that each of `COMMANDS` took, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for arguments in COMMANDS.values():
            _took(arguments, environ)
        return [tuple([_took(arguments, environ) for arguments in COMMANDS.values()]) for _ in range(count)]


def _took(arguments: list[str], environ: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environ, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


def report(found: list[tuple[float, ...]]) -> list[str]:
    """The medians of all commands, and of how much longer the last takes than the first."""
    lines = [f"{name:<16}  {statistics.median(times[i] for times in found):6.1f} ms" for i, name in enumerate(COMMANDS)]
    over = statistics.median(times[-1] - times[0] for times in found)
    return [*lines, f"{'over it':<16}  {over:6.1f} ms, at most {AT_MOST}; median of {len(found)} interleaved runs"]


if __name__ == "__main__":
    print("\n".join(report(rounds(int(sys.argv[1]) if len(sys.argv) > 1 else 31))))
