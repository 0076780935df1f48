# When the same request may be sent again: the whole table, with chance and time given.

from __future__ import annotations

import time

import pytest

from asrwire import (
    ASRWireError,
    Closed,
    ConfigError,
    ConnectFailed,
    HTTPStatusError,
    PoolTimeout,
    ProtocolError,
    ServiceError,
    Timeout,
    TLSFailed,
    Truncated,
)
from asrwire._retry import ATTEMPTS, QUOTA, Quota, delay, not_taken, retry_after


def ask(error: ASRWireError, attempt: int = 1, *, resend: bool = False, remaining: float | None = None) -> float | None:
    return delay(error, attempt, resend=resend, remaining=remaining, longest=60.0, random=lambda: 0.0)


def status(number: int, code: str | None = None, after: float | None = None) -> HTTPStatusError:
    return HTTPStatusError("x", http_status=number, code=code, retry_after=after, sent="complete", phase="head")


SAFE = [
    ConnectFailed("refused", phase="connect", sent="none"),
    ConnectFailed("reset", phase="write", sent="partial"),
    Timeout("connect", phase="connect", sent="none"),
    Timeout("write", phase="write", sent="partial"),
    status(429, "Throttling.RateQuota"),
    status(429, "Throttling.BurstRate"),
    status(429, "Throttling"),
    status(429, "limit_requests"),
    status(429),
    status(429, "Something.New", 1.0),
    status(408),
    status(503, None, 1.0),
]
ON_REQUEST = [
    ProtocolError("closed", phase="head", sent="complete"),
    ConnectFailed("reset", phase="head", sent="complete"),
    Timeout("head", phase="head", sent="complete"),
    status(500),
    status(502),
    status(503),
    status(504),
]
NEVER = [
    TLSFailed("certificate", phase="tls", sent="none"),
    PoolTimeout("busy", phase="pool"),
    Timeout("total", phase="total", sent="none"),
    Timeout("idle", phase="idle", sent="complete"),
    Truncated("cut", phase="body", sent="complete"),
    ProtocolError("chunk", phase="body", sent="complete"),
    ServiceError("in band", http_status=429, code="Throttling.RateQuota", sent="complete"),
    ConfigError("no"),
    Closed("closed"),
    status(429, "Throttling.AllocationQuota", 1.0),
    status(429, "insufficient_quota"),
    status(429, "CommodityNotPurchased"),
    status(429, "PrepaidBillOverdue"),
    status(429, "PostpaidBillOverdue"),
    status(429, "Something.New"),
    status(429, "Throttling.RateQuota", 61.0),
    status(503, None, 86400.0),
    status(400),
    status(401),
    status(307),
]


@pytest.mark.parametrize("error", SAFE, ids=repr)
def test_safe(error: ASRWireError) -> None:
    assert ask(error) is not None
    assert ask(error, ATTEMPTS) is None


@pytest.mark.parametrize("error", ON_REQUEST, ids=repr)
def test_on_request_only(error: ASRWireError) -> None:
    assert ask(error) is None
    assert ask(error, resend=True) is not None
    assert ask(error, ATTEMPTS, resend=True) is None


@pytest.mark.parametrize("error", NEVER, ids=repr)
def test_never(error: ASRWireError) -> None:
    assert ask(error) is None
    assert ask(error, resend=True) is None


def test_waits_grow_and_are_spread() -> None:
    error = SAFE[0]
    assert [ask(error, attempt) for attempt in (1, 2)] == [0.25, 0.5]
    most = [delay(error, n, resend=False, remaining=None, longest=60, random=lambda: 1.0) for n in (1, 2)]
    assert most == [0.5, 1.0]


def test_the_service_is_not_asked_before_it_said() -> None:
    error = status(429, None, 7.0)
    assert ask(error) == 7.0
    assert delay(error, 1, resend=False, remaining=None, longest=60, random=lambda: 1.0) == 7.25


def test_no_wait_beyond_the_call() -> None:
    error = status(429, None, 7.0)
    assert ask(error, remaining=7.0) is None
    assert ask(error, remaining=7.1) == 7.0
    assert ask(SAFE[0], remaining=-1.0) is None


def test_not_taken() -> None:
    assert [not_taken(n, None, None) for n in (408, 429, 500, 502, 503, 504)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert not_taken(503, None, 0.0)


EPOCH = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("1e308", 1e308),
        ("", None),
        ("soon", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
        ("Tue, 14 Nov 99999999999 22:13:50 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, EPOCH) == seconds


def test_a_date_is_gmt_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert retry_after("Tue Nov 14 22:13:50 2023", EPOCH) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


# == the quota ========================================================================================================


def test_an_outage_is_not_multiplied() -> None:
    outage = status(503, None, 0.0)
    assert [ask(outage) is not None for _ in range(37)] == [True] * 35 + [False] * 2  # 500 tokens, 14 each
    assert QUOTA.tokens == 10
    assert ask(status(429)) is not None  # 5
    assert QUOTA.tokens == 5


def test_success_gives_back() -> None:
    quota = Quota()
    assert quota.take(status(503)) is True
    quota.answered(2)
    assert quota.tokens == 500
    quota.tokens = 13
    assert quota.take(status(503)) is False
    quota.answered(1)
    assert (quota.tokens, quota.take(status(503)), quota.tokens) == (14, True, 0)


def test_what_is_not_sent_again_costs_nothing() -> None:
    for error in NEVER:
        ask(error)
    ask(status(503, None, 7.0), remaining=1.0)
    ask(SAFE[0], ATTEMPTS)
    assert QUOTA.tokens == 500
