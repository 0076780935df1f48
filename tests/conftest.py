# For every test: the process's quota of retries is whole, whatever the tests before it did, and retries do not keep it
# waiting. And how a suite is run: in any order, twice in one process, with another HTTP module.
#
# Knows: pytest's hooks, the one place where the library chooses its HTTP module. Must not know: any test.

from __future__ import annotations

import functools
import gc
import importlib
import random
import signal
from importlib.metadata import version
from typing import Any

import hypothesis  # noqa: F401 - before gc.freeze(): loaded later, it asks gc who refers to what plugins register
import pytest

from asrwire import _retry
from asrwire._net._transport import Transport


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("asrwire")
    group.addoption("--random-order", metavar="SEED", help="run the tests in an order drawn by SEED; 'any' draws that")
    group.addoption("--twice", action="store_true", help="run every test again after all have run, in one process")
    group.addoption("--http", choices=["httpcore", "httpcore2"], default="httpcore", help="what clients are made of")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--random-order") == "any":
        config.option.random_order = str(random.randrange(10**6))


def pytest_report_header(config: pytest.Config) -> list[str]:
    name, seed = config.getoption("--http"), config.getoption("--random-order")
    return [f"http: {name} {version(name)}", *([] if seed is None else [f"order: --random-order {seed}"])]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--random-order")
    if seed is not None:
        items.sort(key=lambda item: item.nodeid)  # cases that come from sets are in another order in each process
        random.Random(seed).shuffle(items)
    if config.getoption("--twice"):
        items += items


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    # The header is not shown with -q; what failed must be found again.
    seed = config.getoption("--random-order")
    if seed is not None:
        terminalreporter.write_line(f"order: --random-order {seed}")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # thousands of collected tests are no garbage: gc.collect() in a test is to look at what that test made


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """Ctrl-C is heard by us and by what we start: what a shell script starts with `&` ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _as_if_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    _retry.QUOTA.tokens = _retry.Quota.SIZE
    if request.node.get_closest_marker("transport"):
        # What is sent again is sent soon: how long is waited is a matter of numbers, in test_retry.py.
        monkeypatch.setattr(_retry, "BASE", 0.01)
        use_http(request.config.getoption("--http"), monkeypatch)


def use_http(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that are not told what to use use that."""
    if name == "httpcore":
        return
    made, module = Transport.__init__, importlib.import_module(name)

    @functools.wraps(made)
    def make(self: Any, *arguments: Any, http: Any, **settings: Any) -> None:
        made(self, *arguments, http=module if http is None else http, **settings)

    monkeypatch.setattr(Transport, "__init__", make)
