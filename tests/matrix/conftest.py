# Fixtures of the fault matrix: the three colours.

from __future__ import annotations

import pytest

from tests.servers import Colour


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)
