# For every test: the process's quota of retries is whole, whatever the tests before it did.

from __future__ import annotations

import pytest

from asrwire import _retry


@pytest.fixture(autouse=True)
def _whole_quota() -> None:
    _retry.QUOTA.tokens = _retry.Quota.SIZE
