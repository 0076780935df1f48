# Fixtures of the fault matrix: the three colours, and waits before another attempt that take no time.

from __future__ import annotations

import pytest

from asrwire import _retry
from tests.servers import Colour


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retry, "BASE", 0.01)
