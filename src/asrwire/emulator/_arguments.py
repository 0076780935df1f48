# What an Emulator may be told: numbers and addresses, checked before anything listens.
#
# Knows: which numbers make sense. Must not know: what becomes of them.

from __future__ import annotations

import math

from .._errors import ConfigError


def check_speed(speed: object) -> float | None:
    """``speed`` as a positive finite float, or None."""
    if speed is None:
        return None
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise TypeError(f"speed is a number or None, not {type(speed).__name__}")
    if not (math.isfinite(speed) and speed > 0):
        raise ConfigError("speed must be positive and finite, or None for at once")
    return float(speed)


def check_rate_limit(rate_limit: object) -> None:
    if rate_limit is None:
        return
    if isinstance(rate_limit, bool) or not isinstance(rate_limit, int):
        raise TypeError(f"rate_limit is an int or None, not {type(rate_limit).__name__}")
    if rate_limit < 1:
        raise ConfigError("rate_limit must be at least 1 a second, or None")


def check_address(host: object, port: object) -> None:
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"port is an int, not {type(port).__name__}")
    if not 0 <= port <= 65535:
        raise ConfigError(f"port must be 0 to 65535, not {port}")
    if not isinstance(host, str):
        raise TypeError(f"host is a str, not {type(host).__name__}")
    if not host or not host.isprintable():
        raise ConfigError("host is a name or an address")


def milliseconds(name: str, seconds: object) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} is a number of seconds, not {type(seconds).__name__}")
    if not 0 <= seconds < 10**9:
        raise ConfigError(f"{name} must be 0 seconds or more")
    return round(seconds * 1000)
