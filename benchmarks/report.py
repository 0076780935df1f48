# Reports: results as tables for the terminal and the README, and as JSON.
#
# Knows: rows and their lines. Must not know: how they were measured.

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from textwrap import fill
from typing import Any

from .rows import Goal, Row
from .timing import OWN, Line

BEGIN, END = "<!-- python -m benchmarks --write-readme: begin -->", "<!-- end -->"
ONE_BY_ONE = 0.9  # wake-ups an event
PACKAGES = (
    *("orjson", "httpcore", "httpcore2", "h11", "httptools", "httpx", "httpx2", "httpx-sse", "aiohttp", "uvloop"),
    *("msgspec", "openai", "dashscope"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """A row and the lines of its paths, asrwire's first."""

    row: Row
    lines: dict[str, Line]

    @property
    def own(self) -> Line:
        return self.lines[OWN]

    @property
    def peers(self) -> Iterator[tuple[str, Line, Goal | None]]:
        """Those the row names, then those that only ran beside."""
        for name, goal in self.row.peers.items():
            yield name, self.lines[name], goal
        for name, line in self.lines.items():
            if name != OWN and name not in self.row.peers:
                yield name, line, None

    @property
    def differing(self) -> list[str]:
        """Paths that found something else than there is."""
        return [name for name, line in self.lines.items() if not line.same]

    @property
    def crowded(self) -> list[str]:
        """Paths to which live events did not come one by one: the machine was too busy, or the client too slow."""
        lines = self.lines.items() if self.row.live else ()
        return [name for name, line in lines if line.notes["wake-ups"] < ONE_BY_ONE]


def number(value: float) -> str:
    """Two or three digits that count."""
    if value < 0.001:
        return "0"
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.2g}" if value < 0.995 else f"{value:#.3g}"


def verdict(ratio: float, goal: Goal | None) -> str:
    if goal is None:
        return "–"
    if ratio >= goal.stretch:
        return "stretch reached"
    return "reached" if ratio >= goal.least else f"{int(ratio / goal.least * 100)}% of the goal"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:g}x"


def table(results: Iterable[Result]) -> str:
    """All paths, with what was noted of them, as Markdown."""
    head = ("path", "beside", "asrwire", "it", "ratio", "quartiles", "goal", "stretch", "", "noted: asrwire's / its")
    lines = [_cells(head), "|---|---|" + "---:|" * 6 + "---|---|"]
    for result in results:
        own = result.own
        for name, line, goal in result.peers:
            noted = "; ".join(f"{key} {number(own.notes[key])} / {number(line.notes[key])}" for key in own.notes)
            same = "" if line.same and own.same else "**DIFFERS** "
            figures = (number(own.cost), number(line.cost), f"**{number(line.ratio)}x**")
            quartiles = f"{number(line.low)} to {number(line.high)}"
            aim = _aim(goal)
            path = f"{result.row.label} ({result.row.unit})"
            lines.append(_cells((path, name, *figures, quartiles, *aim, same + verdict(line.ratio, goal), noted)))
    return "\n".join(lines)


def readme_rows(rows: Iterable[Row]) -> list[tuple[str, str, str, str]]:
    """What the README's table must say whatever was measured: path, beside whom, goal, stretch."""
    return [(f"{row.label} ({row.unit})", name, *_aim(goal)) for row in rows for name, goal in row.peers.items()]


def readme_table(results: Sequence[Result]) -> str:
    head = ("path", "beside", "asrwire", "it", "ratio", "goal", "stretch", "")
    lines = [_cells(head), "|---|---|" + "---:|" * 5 + "---|"]
    for result in results:
        for name, line, goal in result.peers:
            if name in result.row.peers:
                path, figures = f"{result.row.label} ({result.row.unit})", (number(result.own.cost), number(line.cost))
                ratio, said = f"**{number(line.ratio)}x**", verdict(line.ratio, goal)
                lines.append(_cells((path, name, *figures, ratio, *_aim(goal), said)))
    return "\n".join(lines)


def rows_in(text: str) -> list[tuple[str, str, str, str]]:
    """`readme_rows` as the README's text has them."""
    inside = text.partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside.splitlines() if line[:1] == "|"]
    return [(path, beside, goal, stretch) for path, beside, _, _, _, goal, stretch, _ in cells[2:]]


def written(text: str, results: Sequence[Result]) -> str:
    """The README's text with its table replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"there must be one {BEGIN} and one {END}")
    made = f"{BEGIN}\n{fill(f'{environment()}.', 120)}\n\n{readme_table(results)}\n{END}"
    return re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: made, text, count=1, flags=re.DOTALL)


def as_json(results: Iterable[Result], rounds: str) -> dict[str, Any]:
    return {
        "environment": environment(),
        "rounds": rounds,
        "rows": [
            {
                **{key: getattr(result.row, key) for key in ("name", "label", "unit")},
                "lines": {name: asdict(line) for name, line in result.lines.items()},
                "goals": {name: goal and asdict(goal) for name, goal in result.row.peers.items()},
            }
            for result in results
        ],
    }


def environment() -> str:
    """The machine and the versions; no date, no name."""
    cores = f"{os.cpu_count()} cores"
    machine = (f"{platform.python_implementation()} {platform.python_version()}", _cpu(), cores, platform.system())
    return ", ".join((*machine, *filter(None, map(_installed, PACKAGES))))


def _aim(goal: Goal | None) -> tuple[str, str]:
    return times(goal and goal.least), times(goal and goal.stretch)


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
