# pytest-benchmark tracks asrwire's own paths from change to change: `pytest benchmarks --benchmark-autosave`. Beside
# whom they stand, and all that goes over sockets, is `python -m benchmarks`.

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rows import FULL, MORE, ROWS, TINY, Row


@pytest.mark.parametrize("row", [row for row in (*ROWS, *MORE) if row.in_memory], ids=lambda row: row.name)
def test_own_path(row: Row, benchmark: Any) -> None:
    contest = row.contest(FULL if benchmark.enabled else TINY)
    _, path = next(contest.paths())
    assert path.outcome() == contest.expected
    benchmark(path.work)
