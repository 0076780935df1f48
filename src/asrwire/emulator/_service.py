# The asynchronous endpoints over HTTP: which path is which, quotas, temporary keys, replies that get lost.
#
# Knows: paths, methods, status codes and headers of the task and token endpoints. Must not know: sockets, clocks, the
# members of a body (_tasks), what is in a result file (_storage).

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import parse_qs

import orjson

from .._errors import ConfigError
from ._account import LIFE, LONGEST_LIFE, Rate, TemporaryKeys
from ._answers import Answer, Event, answer_error
from ._documents import COMPLETIONS, GENERATION, check_authorization
from ._faults import Fault
from ._schema import Refusal
from ._server import RawRequest
from ._submissions import read_submission
from ._tasks import TaskBook

#: How the reply to a submission is lost: the connection reset, closed, left silent; or a 500 that hides the task.
Loss: TypeAlias = Literal["rst", "fin", "stall", "500"]

_PATHS = {
    "submit": r"/api/v1/services/audio/asr/transcription",
    "list": r"/api/v1/tasks/?",
    "poll": r"/api/v1/tasks/(?P<task_id>[A-Za-z0-9_*-]{1,128})",
    "cancel": r"/api/v1/tasks/(?P<task_id>[A-Za-z0-9_*-]{1,128})/cancel",
}


def request_kind(raw: RawRequest, json: Any) -> str | None:
    """What a request to the API is, as faults name it (`_faults.REQUEST_KINDS`); None for other paths."""
    path = raw.target.partition("?")[0]
    if path == GENERATION:
        return "stream" if raw.headers.get("x-dashscope-sse") == "enable" else "sync"
    if path == COMPLETIONS:
        return "stream" if isinstance(json, dict) and json.get("stream") is True else "sync"
    return next((kind for kind, pattern in _PATHS.items() if re.fullmatch(pattern, path)), None)


@dataclass(frozen=True, slots=True)
class _Ask:
    raw: RawRequest
    query: dict[str, str]
    task_id: str
    json: Any
    request_id: str
    now: int


class Service:
    """Answers everything but the synchronous calls.

    Args:
        rate_limit: queries, lists and cancellations a second, each; None: no limit.
        ids: decides temporary keys.
    """

    def __init__(self, book: TaskBook, *, rate_limit: int | None, ids: random.Random) -> None:
        self._book = book
        self.keys = TemporaryKeys(ids)
        self._losses: list[Loss] = []
        # Each endpoint has its own quota ("Asynchronous task management": query, batch query, cancel).
        query, batch, cancel = (Rate(rate_limit) for _ in range(3))
        self._routes: list[tuple[str, str, Rate, Callable[[_Ask], Answer]]] = [
            (_PATHS["submit"], "POST", Rate(None), self._submit),
            (_PATHS["list"], "GET", batch, self._list),
            (_PATHS["poll"], "GET", query, self._query),
            (_PATHS["cancel"], "POST", cancel, self._cancel),
            (r"/api/v1/tokens", "POST", Rate(None), self._issue),
        ]

    def lose_reply(self, how: Loss, times: int) -> None:
        if how not in get_args(Loss):
            raise ConfigError(f"a reply is lost by one of {', '.join(get_args(Loss))}, not {how!r}")
        self._losses += [how] * times

    def check_key(self, raw: RawRequest, now: int) -> None:
        """Refuse a request without a key, or with a temporary one that was not issued here or has run out."""
        check_authorization(raw.headers)
        if not self.keys.good(raw.headers["authorization"].split()[1], now):
            raise Refusal("", "Invalid API-key provided.", status=401, code="InvalidApiKey")

    def answer(self, raw: RawRequest, json: Any, request_id: str, now: int) -> Answer:
        """The answer to a request of any path.

        Raises:
            Refusal: the request is not as documented.
        """
        path, _, query = raw.target.partition("?")
        for pattern, method, rate, reply in self._routes:
            route = re.fullmatch(pattern, path)
            if route is None:
                continue
            if raw.method != method:
                answer = answer_error(request_id, 405, "MethodNotAllowed", f"{path} takes {method}, not {raw.method}")
                answer.headers.append(("Allow", method))
                return answer
            self.check_key(raw, now)
            if not rate.admit(now):
                message = "Requests rate limit exceeded, please try again later."
                answer = answer_error(request_id, 429, "Throttling.RateQuota", message)
                answer.headers.append(("Retry-After", "1"))
                return answer
            fields = {name: values[-1] for name, values in parse_qs(query).items()}
            return reply(_Ask(raw, fields, route.groupdict().get("task_id", ""), json, request_id, now))
        raise Refusal("", f"there is no {path} here", status=404, code="NotFound")

    def _submit(self, ask: _Ask) -> Answer:
        submission = read_submission(ask.raw.headers, ask.json)
        answer = _answer(ask, self._book.submit(submission, ask.request_id, ask.now))
        if self._losses:
            answer.faults = (Fault("lost", how=self._losses.pop(0)),)
        answer.model = submission.model
        return answer

    def _query(self, ask: _Ask) -> Answer:
        body = self._book.query(ask.task_id, ask.now)
        return _answer(ask, body, label=body["output"]["task_status"])

    def _list(self, ask: _Ask) -> Answer:
        body = self._book.list(ask.query, ask.now)
        return _answer(ask, body, label=f"{len(body['data'])} of {body['total']} tasks")

    def _cancel(self, ask: _Ask) -> Answer:
        return _answer(ask, self._book.cancel(ask.task_id, ask.now), label="canceled")

    def _issue(self, ask: _Ask) -> Answer:
        seconds = ask.query.get("expire_in_seconds", str(LIFE))
        if not re.fullmatch(r"[0-9]{1,4}", seconds) or not 1 <= int(seconds) <= LONGEST_LIFE:
            raise Refusal("expire_in_seconds", f"must be 1 to {LONGEST_LIFE}")
        key, end = self.keys.issue(int(seconds), ask.now)
        body = orjson.dumps({"token": key, "expires_at": end // 1000})
        return Answer(ask.request_id, 200, "application/json", [Event(0, body)], label="issued")


def _answer(ask: _Ask, body: dict[str, Any], *, label: str = "") -> Answer:
    body = {"request_id": ask.request_id, **body}
    return Answer(ask.request_id, 200, "application/json", [Event(0, orjson.dumps(body))], label=label)
