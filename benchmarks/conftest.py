# pytest-benchmark tracks asrwire's own path of every contest; the interleaved table is printed in the summary.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import Contest, Table

TABLES = pytest.StashKey[list[Table]]()


@pytest.fixture
def race(benchmark: Any, pytestconfig: pytest.Config) -> Callable[[Callable[[str, int], Contest], str], None]:
    """Runs a contest: asrwire's path under ``benchmark``, then all interleaved. Every path must find the truth."""

    def run(contest: Callable[[str, int], Contest], name: str) -> None:
        entry = contest(name, 1 if benchmark.enabled else 10)
        own = next(iter(entry.paths.values()))
        benchmark.extra_info.update(unit=entry.unit, count=entry.count)
        benchmark(own)
        table = entry.run(9 if benchmark.enabled else 1)
        pytestconfig.stash.setdefault(TABLES, []).append(table)
        assert not table.differing

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for table in config.stash.get(TABLES, []):
        terminalreporter.write_line("")
        terminalreporter.write_line(str(table))
