"""Benchmarks beside named peers. ``python -m benchmarks`` prints them; ``pytest benchmarks`` tracks and prints them."""

# How a comparison is run: each path once per round, one after the other (A B C A B C ...), in one process, so that
# what disturbs the machine disturbs all of them. The garbage collector is on, as users have it; what one path leaves
# behind is collected before the next is timed. Knows: clocks, medians, tables. Must not know: what is measured.

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

SLICE = 0.02  # seconds a path runs per round, at least

Path = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Contest:
    """A comparison ready to be run; the arguments of `compare`. The first path is asrwire's."""

    name: str
    paths: Mapping[str, Path]
    outcomes: Mapping[str, Path]
    expected: object
    count: int
    unit: str

    def run(self, rounds: int) -> Table:
        return compare(self.name, self.paths, self.outcomes, self.expected, self.count, self.unit, rounds)


@dataclass(frozen=True, slots=True)
class Row:
    """Medians: CPU and wall time in us per unit; ``ratio``: CPU time over the first row's, round by round."""

    label: str
    cpu: float
    wall: float
    ratio: float
    spread: tuple[float, float]
    same: bool


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    unit: str
    rounds: int
    rows: tuple[Row, ...]

    @property
    def differing(self) -> list[str]:
        """Paths that found something else than expected."""
        return [row.label for row in self.rows if not row.same]

    def __str__(self) -> str:
        lines = [
            f"### {self.name}",
            "",
            f"| path | us CPU per {self.unit} | us wall | x asrwire's time | quartiles | result |",
            "|---|---:|---:|---:|---:|---|",
        ]
        for row in self.rows:
            low, high = row.spread
            lines.append(
                f"| {row.label} | {row.cpu:.3f} | {row.wall:.3f} | **{row.ratio:.2f}** | {low:.2f} to {high:.2f} "
                f"| {'same' if row.same else 'DIFFERS'} |"
            )
        return "\n".join(lines)


def compare(
    name: str,
    paths: Mapping[str, Path],
    outcomes: Mapping[str, Path] | None = None,
    expected: object = None,
    count: int = 1,
    unit: str = "call",
    rounds: int = 15,
) -> Table:
    """Times all paths in interleaved rounds.

    Args:
        name: of the table.
        paths: by label; the first is the one the others are measured against.
        outcomes: by label, what the path finds, called once before anything is timed and compared with ``expected``.
        count, unit: how many units one call of a path works off, and their name.
        rounds: of which the medians are taken.
    """
    same = {label: outcomes is None or outcomes[label]() == expected for label in paths}
    calls = {label: _calls(path) for label, path in paths.items()}
    cpu: dict[str, list[float]] = {label: [] for label in paths}
    wall: dict[str, list[float]] = {label: [] for label in paths}
    for _ in range(rounds):
        for label, path in paths.items():
            repeat = range(calls[label])
            gc.collect()
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            for _ in repeat:
                path()
            cpu_end, wall_end = time.process_time(), time.perf_counter()
            cpu[label].append((cpu_end - cpu_start) / len(repeat) / count * 1e6)
            wall[label].append((wall_end - wall_start) / len(repeat) / count * 1e6)
    first = cpu[next(iter(paths))]
    rows = []
    for label in paths:
        ratios = sorted(mine / base for mine, base in zip(cpu[label], first, strict=True))
        spread = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        rows.append(Row(label, median(cpu[label]), median(wall[label]), median(ratios), spread, same[label]))
    return Table(name, unit, rounds, tuple(rows))


def _calls(path: Path) -> int:
    # Warms the path up and finds how often it must be called to fill a slice.
    path()
    start = time.perf_counter()
    path()
    return max(1, round(SLICE / max(time.perf_counter() - start, 1e-6)))
