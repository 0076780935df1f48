# When sending again is allowed: one table, the process's quota of retries, and the reading of Retry-After.
#
# Knows: which failures prove that a request was not taken, what an outage may cost. Must not know: clocks, sleeping,
# sockets; time and chance are arguments, sleeping is the driver's.
#
# The rule: a transcription is billed once its last byte has left, so after that only a status that says "not taken"
# (429 throttling, 408, 503 with Retry-After) is a reason to send again. The service knows no idempotency key.

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from . import _codes
from ._errors import ASRWireError

ATTEMPTS: Final = 3  # the first and two more
BASE, CAP = 0.5, 8.0  # seconds: of the first wait, of the longest wait nobody asked for


class Quota:
    """What retries may cost while nothing succeeds, so that many callers do not multiply an outage: each takes tokens,
    success gives them back (sizes: the AWS SDKs' standard mode). Threads share it.

    Attributes:
        tokens: what is left.
    """

    SIZE: Final = 500
    RETRY, THROTTLED = 14, 5  # tokens; a service that says when to come again is not down

    def __init__(self) -> None:
        self.tokens = self.SIZE
        self._lock = threading.Lock()

    def take(self, error: ASRWireError) -> bool:
        """Pay for a retry after `error`; False: there is not enough left."""
        cost = self.THROTTLED if error.http_status == 429 else self.RETRY
        with self._lock:
            enough = self.tokens >= cost
            self.tokens -= cost if enough else 0
        return enough

    def answered(self, attempt: int) -> None:
        """Attempt number `attempt` (from 1) of a request succeeded."""
        with self._lock:
            self.tokens = min(self.SIZE, self.tokens + (self.RETRY if attempt > 1 else 1))


QUOTA: Final = Quota()  # of all clients of the process: they share what is down


def not_taken(status: int, code: str | None, retry_after: float | None, message: str | None = None) -> bool:
    """Whether a complete answer with this HTTP status, service code, Retry-After and message says the request was not
    run and waiting helps. Of a 429 that is so for rates only, not for bills and quotas (`_codes.retryable`)."""
    if status not in (408, 429, 503) or (status == 503 and retry_after is None):
        return False
    return _codes.retryable(code, status, retry_after, message)


def delay(
    error: ASRWireError,
    attempt: int,
    *,
    resend: bool,
    remaining: float | None,
    longest: float,
    random: Callable[[], float],
) -> float | None:
    """Seconds to wait before sending the same POST again, paid for from `QUOTA`, or None: give up and raise `error`.

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
    late = remaining is not None and seconds >= remaining
    return None if late or not QUOTA.take(error) else seconds


def _safe(error: ASRWireError) -> bool:
    if error.kind == "http_status":
        return not_taken(error.http_status or 0, error.code, error.retry_after, str(error))
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
            date = parsedate_to_datetime(value)
            # RFC 9110 5.6.7: always GMT, though asctime's format does not say so
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, OverflowError, OSError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
