# Codes: what the services' error codes mean, whether waiting cures them, and what to do about them.
#
# Knows: the documented codes (native, OpenAI-compatible and those of tasks and files) and HTTP statuses. Must not know:
# requests, retries, how an error came to be here. Whether a request may be *sent* again is _retry's.

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from ._decode import NO_SPEECH
from ._errors import ASRWireError

Kind: TypeAlias = Literal[
    "rate", "quota", "account", "key", "access", "model", "request", "file", "no_speech", "content", "task", "service"
]


class _Meaning(NamedTuple):
    kind: Kind
    again: bool  # trying again later may succeed
    advice: str


_LATER: Final = "the service had a fault of its own: try again later, and report the request id if it goes on"
_KEY: Final = "check the key: keys belong to one region (and one plan), so key, region and base_url must go together"
_ACCESS: Final = "this key may not do that: grant its workspace the model and the interface in the console"
_BILL: Final = "settle the account in the console; waiting does not help"
_SLOWER: Final = "too many requests at once: send fewer, later"
_MODEL: Final = "check the model's name, and that the key's region and workspace offer it on this interface"
_WORKSPACE: Final = "check the workspace id, and that the key belongs to that workspace"
_URL: Final = "the service cannot fetch the file: its URL must be public, percent-encoded, its signature not expired"
_MEDIA: Final = "the service cannot read the file: check that it is whole, and re-encode it (16 kHz mono WAV works)"

_CODES: Final[dict[str, _Meaning]] = {
    "Throttling": _Meaning("rate", True, _SLOWER),
    "Throttling.RateQuota": _Meaning("rate", True, _SLOWER),
    "limit_requests": _Meaning("rate", True, _SLOWER),
    "Throttling.BurstRate": _Meaning("rate", True, "requests rose too steeply: raise their rate gradually"),
    "limit_burst_rate": _Meaning("rate", True, "requests rose too steeply: raise their rate gradually"),
    "Throttling.AllocationQuota": _Meaning("quota", False, "the quota is used up: raise it in the console"),
    "insufficient_quota": _Meaning("quota", False, "the quota is used up: raise it in the console"),
    "AllocationQuota.FreeTierOnly": _Meaning(
        "account", False, "the free quota is used up: switch off free-quota-only mode in the console to go on paying"
    ),
    "CommodityNotPurchased": _Meaning("account", False, "activate the service in the console; waiting does not help"),
    "PrepaidBillOverdue": _Meaning("account", False, _BILL),
    "PostpaidBillOverdue": _Meaning("account", False, _BILL),
    "Arrearage": _Meaning("account", False, _BILL),
    "InvalidApiKey": _Meaning("key", False, _KEY),
    "invalid_api_key": _Meaning("key", False, _KEY),
    "AccessDenied": _Meaning("access", False, _ACCESS),
    "access_denied": _Meaning("access", False, _ACCESS),
    "Model.AccessDenied": _Meaning("access", False, _ACCESS),
    "Workspace.AccessDenied": _Meaning("access", False, _WORKSPACE),
    "WorkSpaceNotFound": _Meaning("access", False, _WORKSPACE),
    "BailianGateway.Workspace.NotAuthorised": _Meaning("access", False, _WORKSPACE),
    "ModelNotFound": _Meaning("model", False, _MODEL),
    "model_not_found": _Meaning("model", False, _MODEL),
    "model_not_supported": _Meaning("model", False, "not offered in OpenAI-compatible mode: use protocol='dashscope'"),
    "NotFound": _Meaning("request", False, "check base_url and region: nothing answers at this path"),
    "InvalidParameter": _Meaning("request", False, "correct the parameter the message names"),
    "invalid_parameter_error": _Meaning("request", False, "correct the parameter the message names"),
    "invalid_request_error": _Meaning("request", False, "correct what the message names"),
    "BadRequest": _Meaning("request", False, "correct what the message names"),
    "BadRequest.TooLarge": _Meaning(
        "request", False, "the audio is too large to travel in a request: give a URL to a file-task model"
    ),
    "UnsupportedOperation": _Meaning(
        "task", False, "only a PENDING task can be canceled; one that runs, or is over, cannot"
    ),
    "DataInspectionFailed": _Meaning("content", False, "the service's content check refused the audio or the text"),
    "data_inspection_failed": _Meaning("content", False, "the service's content check refused the audio or the text"),
    "InternalError": _Meaning("service", True, _LATER),
    "internal_error": _Meaning("service", True, _LATER),
    "SystemError": _Meaning("service", True, _LATER),
    "ModelServiceFailed": _Meaning("service", True, _LATER),
    "ModelServingError": _Meaning("service", True, _LATER),
    "ModelUnavailable": _Meaning("service", True, "the model is not available now: try again later"),
    "RequestTimeOut": _Meaning("service", True, "the service took too long: try again later, with less audio"),
    "ResponseTimeout": _Meaning("service", True, "the service took too long: try again later, with less audio"),
    "InvalidFile": _Meaning("file", False, "correct the file as the message says"),
    "InvalidFile.DownloadFailed": _Meaning("file", False, _URL),
    "InvalidURL": _Meaning("file", False, _URL),
    "FILE_403_FORBIDDEN": _Meaning("file", False, _URL),
    "FILE_404_NOT_FOUND": _Meaning("file", False, "there is no file at that URL"),
    "FILE_DOWNLOAD_FAILED": _Meaning("file", False, _URL),
    "REQUEST_INVALID_FILE_URL_VALUE": _Meaning("file", False, _URL),
    "FILE_SERVER_ERROR": _Meaning("file", True, "the file's own server failed: submit it again later"),
    "FILE_CHECK_FAILED": _Meaning("file", False, _MEDIA),
    "FILE_NORMALIZE_FAILED": _Meaning("file", False, _MEDIA),
    "FILE_PARSE_FAILED": _Meaning("file", False, _MEDIA),
    "MKV_PARSE_FAILED": _Meaning("file", False, _MEDIA),
    "DECODE_ERROR": _Meaning("file", False, _MEDIA),
    "CONTENT_LENGTH_CHECK_FAILED": _Meaning(
        "file", False, "the file's server must send a Content-Length that is true: host the file elsewhere"
    ),
    "UNSUPPORTED_FORMAT": _Meaning(
        "file", False, "this format is not supported, or not the one that format= says: check it, or re-encode to WAV"
    ),
    "FILE_TOO_LARGE": _Meaning("file", False, "the file is larger than the model takes (tasks: 2 GB): cut it"),
    "AUDIO_DURATION_TOO_LONG": _Meaning(
        "file", False, "the audio is longer than the model takes: use a file-task model (12 h), or cut it"
    ),
    "FILE_TRANS_TASK_EXPIRED": _Meaning("task", False, "the task is over for more than 24 h: submit the file again"),
} | {code: _Meaning("no_speech", False, "the service heard nobody speak") for code in NO_SPEECH}

_STATUSES: Final[dict[int, _Meaning]] = {  # a status, or the class of all others
    3: _Meaning("request", False, "check base_url: the service is not where it says"),
    5: _Meaning("service", True, _LATER),
    401: _Meaning("key", False, _KEY),
    403: _Meaning("access", False, _ACCESS),
    404: _Meaning("request", False, "check base_url, region and model: nothing answers at this path"),
    407: _Meaning("access", False, "the proxy wants a user and a password: give them in proxy="),
    408: _Meaning("service", True, "the service did not get the request in time: try again"),
    413: _Meaning("request", False, "the audio is too large to travel in a request: give a URL to a file-task model"),
    429: _Meaning("rate", True, _SLOWER),
}

_STEPS: Final = {
    "connect": "check base_url, the network and the proxy",
    "tls": "check ssl_context, and the host name in base_url",
    "protocol": "check base_url and the proxy",
    "content_type": "check base_url and the proxy: the service does not answer like this",
    "truncated": "error.partial has what was received; report the request id if it happens again",
    "decode": "report it with the request id; error.partial has what came before",
    "limit": "if so much is to be expected, raise that bound in Limits",
}

# A caller's fault that is told as InternalError.Algo, and a quota that is a rate.
_CALLERS: Final = re.compile(r"invalid|illegal|unsupported|not supported|must be|should be|required", re.IGNORECASE)
_PER_MINUTE: Final = re.compile(r"\bTP[MS]\b|\bRP[MS]\b|per (minute|second)|rate limit", re.IGNORECASE)


def kind(code: str | None, status: int | None = None) -> Kind | None:
    """What an error is about, by its code, else its HTTP status; None where neither is known."""
    meaning = _meaning(code, status)
    return meaning.kind if meaning else None


def advice(code: str | None, status: int | None = None) -> str:
    """What the user can do about it, as a clause without a full stop; "" where that is not known."""
    meaning = _meaning(code, status)
    return meaning.advice if meaning else ""


def retryable(
    code: str | None, status: int | None = None, retry_after: float | None = None, message: str | None = None
) -> bool:
    """Whether the same thing may succeed later. It says nothing of what sending it again costs.

    A 429 is not always a rate, and quotas are told apart by their message. An unknown code's 429 needs a Retry-After.
    """
    meaning = _by_code(code)
    if meaning is None:
        if status == 429:
            return not code or retry_after is not None
        return status is not None and (status == 408 or 500 <= status <= 599)
    if meaning.kind == "quota":
        return _PER_MINUTE.search(message or "") is not None
    if code == "InternalError.Algo":
        return _CALLERS.search(message or "") is None
    return meaning.again


def advised(said: str, code: str | None, status: int | None = None) -> str:
    """`said` with the advice after it, where there is any and it is not said yet."""
    unknown = "nothing is known of this: ask the service, with the request id" if code or status else ""
    return _with(said, advice(code, status) or unknown)


def guided(error: ASRWireError, billable: bool) -> str:
    """The text of an error that is no answer of the service, with what to do next. `billable`: the request was one that
    may not be sent twice."""
    clause = _STEPS.get(error.kind, "")
    if error.kind == "timeout" and error.phase in ("connect", "write", "head", "idle", "total"):
        clause = f"Timeouts.{error.phase} bounds it"
    unanswered = error.phase == "head" and error.kind in ("connect", "protocol", "timeout")
    if unanswered and billable and error.sent == "complete":
        clause += "; it may have been billed, resend=True sends it again all the same"
    return _with(str(error), clause)


def _with(said: str, clause: str) -> str:
    return f"{said} ({clause})" if clause and clause not in said else said


def _meaning(code: str | None, status: int | None) -> _Meaning | None:
    found = _by_code(code)
    if found is None and status is not None:
        found = _STATUSES.get(status) or _STATUSES.get(status // 100)
    return found


def _by_code(code: str | None) -> _Meaning | None:
    # A code goes on with a dot: what is not known of "BadRequest.Something" is known of "BadRequest".
    while code:
        if code in _CODES:
            return _CODES[code]
        code = code.rpartition(".")[0]
    return None
