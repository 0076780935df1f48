# The table of error codes: what each is about, whether waiting cures it, what it tells the user.

from __future__ import annotations

import pytest

from asrwire._codes import advice, advised, kind, retryable
from asrwire._decode import NO_SPEECH
from asrwire._retry import not_taken

# (code, HTTP status it comes with or None, what it is about, whether the same may succeed later)
CODES: list[tuple[str, int | None, str, bool]] = [
    ("InvalidParameter", 400, "request", False),
    ("BadRequest", 400, "request", False),
    ("BadRequest.TooLarge", 400, "request", False),
    ("BadRequest.Something", 400, "request", False),
    ("InvalidFile", 400, "file", False),
    ("InvalidFile.DownloadFailed", 400, "file", False),
    ("InvalidFile.Size", 400, "file", False),
    ("Arrearage", 400, "account", False),
    ("UnsupportedOperation", 400, "task", False),
    ("DataInspectionFailed", 400, "content", False),
    ("InvalidApiKey", 401, "key", False),
    ("invalid_api_key", 401, "key", False),
    ("AccessDenied", 403, "access", False),
    ("AccessDenied.Unpurchased", 403, "access", False),
    ("Model.AccessDenied", 403, "access", False),
    ("AllocationQuota.FreeTierOnly", 403, "account", False),
    ("ModelNotFound", 404, "model", False),
    ("model_not_found", 404, "model", False),
    ("model_not_supported", 404, "model", False),
    ("WorkSpaceNotFound", 404, "access", False),
    ("NotFound", 404, "request", False),
    ("Throttling", 429, "rate", True),
    ("Throttling.RateQuota", 429, "rate", True),
    ("limit_requests", 429, "rate", True),
    ("Throttling.BurstRate", 429, "rate", True),
    ("limit_burst_rate", 429, "rate", True),
    ("Throttling.AllocationQuota", 429, "quota", False),
    ("insufficient_quota", 429, "quota", False),
    ("CommodityNotPurchased", 429, "account", False),
    ("PrepaidBillOverdue", 429, "account", False),
    ("PostpaidBillOverdue", 429, "account", False),
    ("InternalError", 500, "service", True),
    ("internal_error", 500, "service", True),
    ("InternalError.Algo", 500, "service", True),
    ("InternalError.Timeout", 500, "service", True),
    ("InternalError.FileUpload", 500, "service", True),
    ("InternalError.Upload", 500, "service", True),
    ("SystemError", 500, "service", True),
    ("ModelServiceFailed", 500, "service", True),
    ("RequestTimeOut", 500, "service", True),
    ("ResponseTimeout", 500, "service", True),
    ("ModelServingError", 503, "service", True),
    ("ModelUnavailable", 503, "service", True),
    ("BailianGateway.Workspace.NotAuthorised", 200, "access", False),
    *((code, None, "no_speech", False) for code in NO_SPEECH),
    ("FILE_403_FORBIDDEN", None, "file", False),
    ("FILE_404_NOT_FOUND", None, "file", False),
    ("FILE_DOWNLOAD_FAILED", None, "file", False),
    ("FILE_SERVER_ERROR", None, "file", True),
    ("FILE_SERVER_ERROR", 400, "file", True),
    ("FILE_CHECK_FAILED", None, "file", False),
    ("FILE_TOO_LARGE", None, "file", False),
    ("FILE_NORMALIZE_FAILED", None, "file", False),
    ("FILE_PARSE_FAILED", None, "file", False),
    ("MKV_PARSE_FAILED", None, "file", False),
    ("DECODE_ERROR", None, "file", False),
    ("UNSUPPORTED_FORMAT", 400, "file", False),
    ("CONTENT_LENGTH_CHECK_FAILED", None, "file", False),
    ("AUDIO_DURATION_TOO_LONG", 400, "file", False),
    ("REQUEST_INVALID_FILE_URL_VALUE", None, "file", False),
    ("FILE_TRANS_TASK_EXPIRED", None, "task", False),
]


@pytest.mark.parametrize(("code", "status", "about", "again"), CODES)
def test_codes(code: str, status: int | None, about: str, again: bool) -> None:
    assert kind(code, status) == about
    assert retryable(code, status) is again
    assert len(advice(code, status)) > 20


STATUSES: list[tuple[int | None, str | None, bool]] = [
    (None, None, False),
    (200, None, False),
    (400, None, False),
    (401, "key", False),
    (403, "access", False),
    (404, "request", False),
    (407, "access", False),
    (408, "service", True),
    (413, "request", False),
    (429, "rate", True),
    (500, "service", True),
    (502, "service", True),
    (503, "service", True),
    (504, "service", True),
]


@pytest.mark.parametrize(("status", "about", "again"), STATUSES)
@pytest.mark.parametrize("code", [None, ""])
def test_statuses_without_a_code(code: str | None, status: int | None, about: str | None, again: bool) -> None:
    assert kind(code, status) == about
    assert retryable(code, status) is again
    assert bool(advice(code, status)) is (about is not None)


def test_codes_nobody_has_seen() -> None:
    assert kind("Something.New") is None
    assert advice("Something.New") == ""
    assert not retryable("Something.New")
    assert retryable("Something.New", 500)
    assert not retryable("Something.New", 429)
    assert retryable("Something.New", 429, 1.0)


@pytest.mark.parametrize(
    ("code", "message", "again"),
    [
        ("Throttling.AllocationQuota", "Free allocated quota exceeded.", False),
        ("Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit.", False),
        ("Throttling.AllocationQuota", "You have exceeded the TPM of this model", True),
        ("insufficient_quota", "requests per minute exceeded", True),
        ("insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", False),
        ("InternalError.Algo", "An internal error has occured during algorithm execution.", True),
        ("InternalError.Algo", "the length of input is invalid", False),
    ],
)
def test_messages_that_decide(code: str, message: str, again: bool) -> None:
    assert retryable(code, 429 if "uota" in code else 500, None, message) is again


def test_keys_belong_to_one_region() -> None:
    assert "keys belong to one region" in advice(None, 401)
    assert "keys belong to one region" in advice("InvalidApiKey", 401)


def test_advice_is_said_once() -> None:
    said = advised("HTTP status 429: Throttling: slow down", "Throttling", 429)
    assert said == "HTTP status 429: Throttling: slow down (too many requests at once: send fewer, later)"
    assert advised(said, "Throttling", 429) == said
    assert advised("HTTP status 418", None, 418) == (
        "HTTP status 418 (nothing is known of this: ask the service, with the request id)"
    )
    assert advised("the task t was canceled", None) == "the task t was canceled"


def test_sending_again_is_a_narrower_question() -> None:
    assert not not_taken(500, "InternalError", None)
    assert not not_taken(503, "ModelUnavailable", None)
    assert not_taken(503, "ModelUnavailable", 1.0)
    assert not not_taken(400, "FILE_SERVER_ERROR", 1.0)
    assert not not_taken(429, "Throttling.AllocationQuota", 1.0, "Free allocated quota exceeded.")
    assert not_taken(429, "Throttling.AllocationQuota", 1.0, "TPM exceeded")
