# What one account may do: temporary keys that run out, and so many queries a second.
#
# Knows: the documented life of a temporary key, the quota of the task endpoints. Pure: every call is told what time it
# is, in ms since the epoch. Must not know: HTTP, tasks.

from __future__ import annotations

import random
from collections import deque

#: The seconds a temporary key may be asked to live ("Generate a temporary API key"); 60 where nothing is asked.
LIFE, LONGEST_LIFE = 60, 1800


class TemporaryKeys:
    """Keys that begin with ``st-`` and are good for some seconds; any other key is good for ever."""

    def __init__(self, ids: random.Random) -> None:
        self._ids = ids
        self._ends: dict[str, int] = {}

    def issue(self, seconds: int, now: int) -> tuple[str, int]:
        """A new key, and when it ends."""
        key = f"st-{self._ids.getrandbits(128):032x}"
        self._ends[key] = now + seconds * 1000
        return key, self._ends[key]

    def good(self, key: str, now: int) -> bool:
        return not key.startswith("st-") or now < self._ends.get(key, 0)


class Rate:
    """So many calls in any second; None: as many as come."""

    def __init__(self, per_second: int | None) -> None:
        self._passed: deque[int] | None = None if per_second is None else deque(maxlen=per_second)

    def admit(self, now: int) -> bool:
        """Whether this call may pass; only calls that pass count."""
        passed = self._passed
        if passed is None:
            return True
        if len(passed) == passed.maxlen and now - passed[0] < 1000:
            return False
        passed.append(now)
        return True
