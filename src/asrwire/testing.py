"""Fixtures for pytest, for suites whose root ``conftest.py`` asks for them: ``pytest_plugins = ["asrwire.testing"]``.

Paths are looked for beside the test's file; of several markers the nearest counts:

    @pytest.mark.asr_emulator("answer.sse", faults=["cut:events=3"], seed=7)
    def test_a_cut(asr_emulator):
        client = asrwire.Client("any-key", base_url=asr_emulator.base_url)

    def test_what_went_wrong_in_the_field(asr_capture):
        updates = list(asr_capture("field.asrcap").replay(seed=7))
"""

# Knows: pytest's fixtures and markers, where a test's files are. Must not know: how an emulator or a capture works.
# Nobody has these fixtures who does not ask for them: there is no entry point.

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator

import pytest

from .capture import Capture
from .emulator import Emulator

__all__ = ["asr_capture", "asr_emulator"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "asr_emulator(...): the arguments of the Emulator that asr_emulator is")


@pytest.fixture
def asr_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A DashScope speech-recognition server on 127.0.0.1, as the test's marker ``asr_emulator`` says."""
    marker = request.node.get_closest_marker("asr_emulator") or pytest.mark.asr_emulator.mark
    arguments = inspect.signature(Emulator).bind(*marker.args, **marker.kwargs).arguments
    if isinstance(path := arguments.get("transcript"), str | os.PathLike):
        arguments["transcript"] = request.path.parent / path
    with Emulator(**arguments) as emulator:
        yield emulator


@pytest.fixture
def asr_capture(request: pytest.FixtureRequest) -> Callable[[str | os.PathLike[str]], Capture]:
    """Loads a capture, an ``.asrcap`` file or a bare body, by its path from the test's folder."""
    return lambda path: Capture.load(request.path.parent / path)
