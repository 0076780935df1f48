# Answers in place of the service's own, and what faults make of an answer before it has a head and a framing.
#
# Knows: error bodies of services, gateways and storages, in-band errors, which faults edit events (_fault_events).
# Must not know: sockets, time, framing (_wire); which request meets which fault (_faults).

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from email.utils import formatdate
from itertools import chain, islice
from typing import Any

import orjson

from ._answers import EVENT_STREAM, Answer, Event, answer_error
from ._catalogue import CATALOGUE
from ._documents import COMPLETIONS
from ._fault_events import EDITS
from ._faults import Fault
from ._server import RawRequest
from ._storage import xml_error

_CODES = {
    400: "InvalidParameter", 401: "InvalidApiKey", 403: "AccessDenied", 404: "NotFound", 408: "RequestTimeOut",
    429: "Throttling.RateQuota", 503: "ServiceUnavailable",
}  # fmt: skip
_PAGE = (
    b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_ORDER = {name: number for number, name in enumerate(CATALOGUE)}


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """From the answer down to its bytes, whatever order they were given in."""
    return sorted(faults, key=lambda fault: _ORDER[fault.name])


# == in place of the service's answer ==================================================================================


def replacement(faults: Iterable[Fault], kind: str | None, raw: RawRequest, request_id: str) -> Answer | None:
    """The answer that stands for the service's, which is not asked; None where there is none.

    Args:
        kind: of the request (`REQUEST_KINDS`).
    """
    for fault in faults:
        if fault.name in _REPLACE:
            return _REPLACE[fault.name](fault, kind, raw, request_id)
    return None


def _refuse(raw: RawRequest, request_id: str, status: int, code: str, message: str) -> Answer:
    openai = "" if raw.target.partition("?")[0] == COMPLETIONS else None
    return answer_error(request_id, status, code, message, openai=openai)


def _page(request_id: str, status: int, title: bytes) -> Answer:
    return Answer(request_id, status, "text/html", [Event(0, _PAGE % (title, title))])


def _status(fault: Fault, kind: str | None, raw: RawRequest, request_id: str) -> Answer:
    status, body = fault["code"], fault["body"]
    code = _CODES.get(status, "InternalError")
    answer = _refuse(raw, request_id, status, code, f"The emulator was told to answer {status}.")
    [event] = answer.events
    match body:
        case "html":
            answer = _page(request_id, status, b"%d Error" % status)
        case "xml":
            answer = xml_error(request_id, status, code, "The emulator was told so.")
        case "text":
            answer = Answer(request_id, status, "text/plain", [Event(0, b"upstream error\n")])
        case "empty":
            answer.events = []
        case "cut":
            answer.events = [replace(event, data=event.data[: len(event.data) // 2])]
        case "utf8":
            answer.events = [replace(event, data=b"\xff\xfe\xc3\x28")]
    after = fault["retry_after"]
    if after is not None and fault["date"]:
        after = formatdate(time.time() + float(after), usegmt=True)
    if after is not None:
        answer.headers.append(("Retry-After", after))
    return answer


def _html(fault: Fault, kind: str | None, raw: RawRequest, request_id: str) -> Answer:
    return _page(request_id, fault["code"], b"Welcome")


def _redirect(fault: Fault, kind: str | None, raw: RawRequest, request_id: str) -> Answer:
    answer = _page(request_id, fault["code"], b"%d Redirect" % fault["code"])
    if fault["to"]:
        answer.headers.append(("Location", raw.target if fault["to"] == "self" else fault["to"]))
    return answer


def _echo(fault: Fault, kind: str | None, raw: RawRequest, request_id: str) -> Answer:
    key = raw.headers.get("authorization", "").removeprefix("Bearer ")
    message = f"Incorrect API key provided: {key}."
    return _refuse(raw, request_id, fault["code"], _CODES.get(fault["code"], "InternalError"), message)


def _empty(fault: Fault, kind: str | None, raw: RawRequest, request_id: str) -> Answer:
    stream = kind == "stream"
    return Answer(request_id, fault["code"], EVENT_STREAM if stream else "application/json", [], stream=stream)


_REPLACE: dict[str, Callable[[Fault, str | None, RawRequest, str], Answer]] = {
    "status": _status,
    "html": _html,
    "redirect": _redirect,
    "echo": _echo,
    "empty": _empty,
}


# == what becomes of the service's answer ==============================================================================


def afflicted(answer: Answer, faults: Sequence[Fault], raw: RawRequest) -> Answer:
    """The answer with what these faults make of its body and its fields; `_wire` makes the rest of them."""
    openai = raw.target.partition("?")[0] == COMPLETIONS
    for fault in faults:
        if fault.name == "lost" and fault["how"] == "500":
            message = "An internal error has occurred."
            lost = _refuse(raw, answer.request_id, 500, "InternalError", message)
            lost.model, answer = answer.model, lost
        elif fault.name == "error" and answer.status < 300:
            _break_off(answer, fault, openai=openai)
        elif fault.name in EDITS:
            answer.events = EDITS[fault.name](answer.events, fault, answer, openai)
        elif fault.name == "type":
            answer.content_type = fault["value"]
        elif fault.name == "coding":
            answer.headers.append(("Content-Encoding", fault["name"]))
        if fault.name in ("gzip", "gzip_bomb"):
            answer.headers.append(("Content-Encoding", "gzip"))
        codings = [name for name, _ in answer.headers if name == "Content-Encoding"]
        answer.readable &= not _hides(fault) and len(codings) < 2
    answer.faults = tuple(faults)
    return answer


def _hides(fault: Fault) -> bool:
    """Whether no client gets to the body."""
    match fault.name:
        case "bad_head":
            return fault["how"] not in ("lf", "fold")
        case "informational":
            return bool(fault["code"] == 101)
    return fault.name == "coding"


def _break_off(answer: Answer, fault: Fault, *, openai: bool) -> None:
    code, message = fault["code"], "The emulator was told to fail here."
    node: dict[str, Any]
    if openai:
        node = {"error": {"message": message, "type": "server_error", "param": None, "code": code}}
    else:
        node = {"code": code, "message": message, "request_id": answer.request_id}
    data = orjson.dumps(node)
    if not answer.stream:
        answer.events = [Event(0, data, role="broken")]
        return
    if openai or fault["spelled"] == "bare":
        data = b"data: %b\n\n" % data
    else:
        lines = {
            "event": b"id:%d\nevent:error\n:HTTP_STATUS/%d\ndata:%b\n\n",
            "space": b"id: %d\nevent: error\n: HTTP_STATUS/%d\ndata: %b\n\n",
            "result": b"id:%d\nevent:result\n:HTTP_STATUS/%d\ndata:%b\n\n",
        }
        data = lines[fault["spelled"]] % (fault["after"] + 1, fault["status"], data)
    answer.events = chain(islice(answer.events, fault["after"]), [Event(0, data, role="broken")])
