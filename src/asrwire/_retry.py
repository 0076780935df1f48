# When sending again is allowed: one pure table, and the reading of Retry-After.
#
# Knows: which failures prove that a request was not taken. Must not know: clocks, sleeping, sockets; time and chance
# are arguments, sleeping is the driver's.
#
# The rule: a transcription is billed once its last byte has left, so after that only a status that says "not taken"
# (429 throttling, 408, 503 with Retry-After) is a reason to send again. The service knows no idempotency key.

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from ._errors import ASRWireError

ATTEMPTS: Final = 3  # the first and two more
BASE, CAP = 0.5, 8.0  # seconds: of the first wait, of the longest wait nobody asked for

# 429s that waiting does not cure: they ask for money or a larger quota.
_NOT_A_RATE: Final = frozenset(
    {
        "Throttling.AllocationQuota",
        "insufficient_quota",
        "CommodityNotPurchased",
        "PrepaidBillOverdue",
        "PostpaidBillOverdue",
    }
)
_RATE: Final = frozenset({None, "Throttling", "Throttling.RateQuota", "Throttling.BurstRate"}) | {
    "limit_requests",
    "limit_burst_rate",
}


def not_taken(status: int, code: str | None, retry_after: float | None) -> bool:
    """Whether a complete answer with this HTTP status, service code and Retry-After says the request was not run."""
    if status == 429:
        return code not in _NOT_A_RATE and (code in _RATE or retry_after is not None)
    return status == 408 or (status == 503 and retry_after is not None)


def delay(
    error: ASRWireError,
    attempt: int,
    *,
    resend: bool,
    remaining: float | None,
    longest: float,
    random: Callable[[], float],
) -> float | None:
    """Seconds to wait before sending the same POST again, or None: give up and raise `error`.

    Args:
        error: what ended attempt number `attempt` (from 1).
        resend: the caller accepts that an unanswered POST may be billed twice.
        remaining: seconds left of the whole call, or None without a bound.
        longest: the longest wait the service may ask for (`Limits.retry_after`).
        random: a number in [0, 1), for jitter.
    """
    if attempt >= ATTEMPTS or not (_safe(error) or (resend and _unanswered(error))):
        return None
    if error.retry_after is None:
        seconds = min(CAP, BASE * 2.0 ** (attempt - 1)) * (0.5 + random() / 2)
    elif error.retry_after <= longest:
        seconds = error.retry_after + random() / 4
    else:
        return None
    return seconds if remaining is None or seconds < remaining else None


def _safe(error: ASRWireError) -> bool:
    if error.kind == "http_status":
        return not_taken(error.http_status or 0, error.code, error.retry_after)
    return error.sent != "complete" and (
        error.kind == "connect" or (error.kind == "timeout" and error.phase in ("connect", "write"))
    )


def _unanswered(error: ASRWireError) -> bool:
    if error.kind == "http_status":
        return error.http_status in (500, 502, 503, 504)
    return error.kind in ("connect", "protocol", "timeout") and error.phase == "head"


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After field (RFC 9110 10.2.3: delay-seconds or HTTP-date), seen at epoch second `now`.

    A negative, infinite or unreadable value and a date in the past count as absent.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError, OSError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
