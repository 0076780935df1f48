# Many streams at once against the emulator with random faults: every outcome is what the emulator says it sent.
# `python -m tests.endurance soak` does so with 200 for five minutes.

from __future__ import annotations

import random

import httpcore
import pytest

from tests.endurance import FAULTS, Soak

pytestmark = pytest.mark.transport


def test_every_outcome_is_what_was_sent() -> None:
    seed = random.randrange(10**6)
    print(f"python -m tests.endurance soak --streams 50 --seconds 20 --seed {seed}")
    soak = Soak(50, seed, httpcore)
    soak.run(20)
    soak.check()
    assert soak.calls >= 3 * 50 * Soak.PER_ROUND
    assert len(soak.faults) > len(FAULTS) / 3
    assert soak.kinds[None] > soak.calls / 3
