# docs/guarantees.md is true as far as a test can tell: every fault has tests that exist, or a place on a short list.
#
# Knows: the shape of that document, and of pytest's parametrize. Must not know: what the tests do.

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "guarantees.md").read_text()
ROWS = [f"F{number:03}" for number in range(1, 146)]
MOST_WITHOUT = 12  # faults that need not have a test


class Held(NamedTuple):
    """Tests, and the faults they are there for."""

    rows: tuple[str, ...]
    tests: tuple[str, ...]


def cells(text: str, section: str) -> Iterator[list[str]]:
    """The cells of every table line of a section, heads and rules left out."""
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for line in body.splitlines():
        if line.startswith("| ") and not line.startswith(("| Promise ", "| Fault ")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def promises(text: str) -> Iterator[tuple[str, list[Held]]]:
    for promise, held in cells(text, "Promises"):
        groups = [(re.sub("`[^`]*`", "", group), re.findall("`([^`]*)`", group)) for group in held.split("; ")]
        yield promise, [Held(tuple(re.findall(r"F\d+", rows)), tuple(tests)) for rows, tests in groups]


def case_ids(mark: pytest.Mark) -> list[str]:
    """The ids of a parametrize mark, where they are plain."""
    names, values = mark.args
    ids = mark.kwargs.get("ids")
    if callable(ids):
        return [str(ids(value)) for value in values]
    if ids is not None:
        return [str(name) for name in ids]
    several = len(names.split(",")) > 1 if isinstance(names, str) else len(names) > 1
    return ["-".join(map(str, value)) if several else str(value) for value in values]


@functools.cache
def missing(test: str) -> str | None:
    """Why there is no such test, or None: there is."""
    path, _, rest = test.partition("::")
    name, _, case = rest.removesuffix("]").partition("[")
    if not (ROOT / "tests" / path).is_file():
        return f"{test}: no such file"
    module: Any = importlib.import_module("tests." + path.removesuffix(".py").replace("/", "."))
    function = getattr(module, name, None)
    if not (name.startswith("test_") and callable(function) and function.__module__ == module.__name__):
        return f"{test}: no such test"
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    if case and not any(case in case_ids(mark) for mark in marks):
        return f"{test}: no such case"
    return None


def problems(text: str) -> Iterator[str]:
    """What is wrong with the document."""
    faults = list(cells(text, "The faults"))
    if [fault[0] for fault in faults] != ROWS:
        yield "the table of faults is not F001 to F145, each once, in order"
    yield from (f"{fault[0]}: not told what it is or what happens" for fault in faults if not all(fault[1:3]))
    held = set()
    for promise, groups in promises(text):
        for rows, tests in groups:
            held |= {row for row in rows if tests}
            if not tests:
                yield f"{promise}: no test for {' '.join(rows) or 'it'}"
            yield from (f"{promise}: {row} is not in the table" for row in rows if row not in ROWS)
            yield from filter(None, map(missing, tests))
    without: dict[str, str] = dict(cells(text, "Faults without a test here"))  # type: ignore[arg-type]
    if len(without) > MOST_WITHOUT:
        yield f"{len(without)} faults without a test: at most {MOST_WITHOUT}"
    for row, why in without.items():
        if row not in ROWS or row in held or len(why.split()) < 3:
            yield f"{row}: has tests, or is no fault, or says not what is missing"
        yield from filter(None, map(missing, re.findall("`([^`]*)`", why)))
    yield from (f"{row}: neither a test nor a place on the list" for row in ROWS if row not in held | without.keys())


def test_every_fault_has_its_tests() -> None:
    assert list(problems(DOCUMENT)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (r"F013 `[^`]*`; ", "", "F013: neither a test nor a place on the list"),
        (r"F013 `[^`]*`; ", "F013; ", "no test for F013"),
        (r"\| F144 \|[^\n]*\n", "", "F144: neither a test nor a place on the list"),
        (r"\| F144 \| [^\n]* \|\n", "| F144 | |\n", "F144: .* what is missing"),
        (r"F013 `", "F999 `", "F999 is not in the table"),
        (r"test_timers\[never answered\]", "test_timers[seldom answered]", "no such case"),
        (r"test_timers\[never answered\]", "test_timer[never answered]", "no such test"),
        (r"test_client\.py::test_timers\[never answered\]", "test_clients.py::test_timers", "no such file"),
        (r"test_client\.py::test_timers\[never answered\]", "test_client.py::short", "no such test"),
        (r"\| F013 \|[^\n]*\n", "", "the table of faults is not"),
        (r"\| F013 \| [^|]* \|", "| F013 |  |", "F013: not told"),
    ],
)
def test_what_the_test_would_notice(old: str, new: str, problem: str) -> None:
    changed, count = re.subn(old, new, DOCUMENT, count=1)
    assert count == 1
    assert [found for found in problems(changed) if re.search(problem, found)]


def test_a_list_that_has_grown_too_long_is_noticed() -> None:
    more = "".join(f"| F{number:03} | a clock that can be bent |\n" for number in range(1, 13))
    changed = DOCUMENT.replace("| F144 | An", more + "| F144 | An")
    assert any("13 faults without a test" in found for found in problems(changed))
