# Many streams at once against the emulator with random faults: every outcome is what the emulator says it sent.
# `python -m tests.endurance soak` does so with 200 for five minutes, .ci/run with 50 for 20 seconds.

from __future__ import annotations

import random

import httpcore
import pytest

from tests.endurance import FAULTS, Soak

pytestmark = pytest.mark.transport


def test_every_outcome_is_what_was_sent() -> None:
    seed = random.randrange(10**6)
    print(f"Soak(50, {seed}, httpcore, per_round=3, patience=2.0)")
    soak = Soak(50, seed, httpcore, per_round=3, patience=2.0)
    soak.run(0)  # once in each colour
    soak.check()
    assert soak.calls == 3 * 50 * 3
    assert len(soak.faults) > len(FAULTS) / 3
    assert soak.kinds[None] > soak.calls / 3
