# What a batch asks of the service: one submission, one look at a task, one result file, one search.
#
# Knows: the conversations they are, what a refusal means for the files. Must not know: the journal, what comes next.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from .. import _codes, _many, _requests, _single
from .._client import AsyncClient
from .._errors import ASRWireError, ResultExpired, TaskFailed
from .._files import FileFailed, FileResult
from .._net._colour import drive_async
from .._net._fetch import Driver
from .._talk import Conversation, Service, Talk, exchange, passing
from .._task import Subtask, Task
from ._rates import RateLimiter

_T = TypeVar("_T")


class Calls(Protocol):
    """What a batch asks of the service, each once. All raise ASRWireError."""

    async def submit(self, urls: list[str], model: str, parameters: Mapping[str, Any]) -> Task:
        """Make a task."""

    async def look(self, task: Task) -> Task:
        """The task as it is now."""

    async def fetch(self, task: Task, subtask: Subtask) -> FileResult | FileFailed:
        """What became of one file, a result with its ``raw``."""

    async def submitted(self, model: str, since: float) -> list[Task]:
        """The account's tasks of a model, submitted since then (seconds since 1970)."""

    async def made_of(self, task: Task) -> list[str] | None:
        """The URLs a finished task was made of, or None: it does not show them."""


class ClientCalls:
    """`Calls` by an `AsyncClient`.

    Args:
        client: it stays open.
        family: whose request shape to use for a model not known here.
        queries: a limit for looks and lists together, or None: the client keeps to 20 a second by itself.
    """

    def __init__(
        self, client: AsyncClient, family: str | None = None, queries: RateLimiter | None = None
    ) -> None:
        self._client = client
        self._family = family
        self._queries = queries

    @property
    def root(self) -> str:
        """Whom it asks: URL and, where the URL does not name it, workspace."""
        endpoints = self._client._service.endpoints
        workspace = f" (workspace {endpoints.workspace})" if endpoints.workspace else ""
        return endpoints.base_url + workspace

    async def submit(self, urls: list[str], model: str, parameters: Mapping[str, Any]) -> Task:
        return await self._asked(_submitting, urls, model=model, family=self._family, options=dict(parameters))

    async def look(self, task: Task) -> Task:
        return await self._asked(_looking, task)

    async def fetch(self, task: Task, subtask: Subtask) -> FileResult | FileFailed:
        return await self._asked(_fetching, task, subtask)

    async def submitted(self, model: str, since: float) -> list[Task]:
        return await self._asked(_listing, model, since)

    async def made_of(self, task: Task) -> list[str] | None:
        return await self._asked(_showing, task)

    async def _asked(self, conversation: Callable[..., Conversation[_T]], *arguments: object, **more: Any) -> _T:
        driver = Driver(self._client, conversation, *arguments, **more)
        if self._queries is None:
            return await drive_async(driver.result())
        driver.may_ask = self._queries.acquire
        try:
            return await drive_async(driver.result())
        except ASRWireError as error:
            if error.http_status == 429 and conversation in (_looking, _listing, _showing):
                self._queries.throttled(error.retry_after)
            raise


def _submitting(
    service: Service, urls: list[str], *, model: str, family: str | None, options: dict[str, Any], now: float
) -> Conversation[Task]:
    request = _requests.submission(service.endpoints, urls, model=model, family=family, options=options)
    return _single.making(Talk(service, now), request, urls, model)


def _looking(service: Service, task: Task, *, now: float) -> Conversation[Task]:
    talk, request = Talk(service, now), _requests.task_query(service.endpoints, task.task_id)
    return exchange(talk, request, lambda body: _single.seen(talk, task, body))


def _fetching(service: Service, task: Task, subtask: Subtask, *, now: float) -> Conversation[FileResult | FileFailed]:
    return _single.outcome(Talk(service, now), task, subtask, keep_raw=True)


def _listing(service: Service, model: str, since: float, *, now: float) -> Conversation[list[Task]]:
    filters = {"model_name": model, "start_time": datetime.fromtimestamp(since, UTC)}
    found: dict[str, Task] = {}
    for page in count(1):
        tasks, last = yield from _many.pages(Talk(service, now), page, 100, filters)
        found |= {task.task_id: task for task in tasks}
        if page >= last or not tasks:
            break
    return list(found.values())


def _showing(service: Service, task: Task, *, now: float) -> Conversation[list[str] | None]:
    return (yield from _many._made_of(Talk(service, now), task))[1]


# == what an error means ===============================================================================================


def unanswered(error: ASRWireError) -> bool:
    """Whether a submission may have been taken all the same."""
    later = error.kind == "service" and error.sent == "complete" and passing(error)  # it may have failed after that
    return later or _single._unanswered(error)


def passes(error: ASRWireError) -> bool:
    """Whether a submission that was not taken may be taken later."""
    return error.retry_safe or passing(error)


def refuses(error: ASRWireError) -> bool:
    """Whether it is the service's answer to these very files."""
    return error.kind in ("http_status", "service")


def concerns_all(error: ASRWireError) -> bool:
    """Whether what an error says would be said of every file: the key, the account, the model, this machine's TLS."""
    kind = _codes.kind(error.code, error.http_status)
    used_up = kind == "quota" and not error.retry_safe  # one that is a rate is not
    return kind in ("account", "key", "access", "model") or used_up or error.kind in ("config", "tls")


def nothing_there(error: ASRWireError) -> bool:
    """Whether a refused submission came to an address that takes none."""
    status = error.http_status or 0
    return error.kind == "http_status" and (status // 100 == 3 or status in (404, 405))


def ending(value: FileResult | FileFailed, young: bool) -> str | None:
    """The state of a file whose result was asked for, None: ask again later; ``submitted``: not in this run.

    ``young``: the service keeps its task and result yet. A task that is unknown all the same is another account's.
    """
    error = value.error if isinstance(value, FileFailed) else None
    if error is None:
        return "done"
    if elsewhere(error.task):
        return "submitted" if young else "expired"
    if isinstance(error, ResultExpired):
        return "expired"
    whole = error.kind == "decode" and error.phase == "result"  # a whole body that is wrong stays wrong
    if isinstance(error, TaskFailed) or whole:
        return "failed"
    return None if passing(error) else "submitted"


def elsewhere(task: Task | None) -> bool:
    """Whether the service does not know a task: not any more, or it is of another account or region."""
    return task is not None and task.status == "UNKNOWN"


def outcomes(task: Task, urls: list[str]) -> dict[str, Subtask | FileFailed]:
    """For each file of a finished task what is said of it, by URL as submitted."""
    failure = _single.failure(task) if len(task.subtasks) < 2 else None
    if failure is not None:
        told = task.message or (task.subtasks[0].message if task.subtasks else None)
        return {url: FileFailed(file_url=url, code=failure.code, message=told, error=failure) for url in urls}
    found: dict[str, Subtask | FileFailed] = {}
    spelled = {unquote(url): url for url in urls} | {url: url for url in urls}
    strangers = []  # the service spells some URLs in another way, beyond their percent-encoding
    for subtask in _single.files(task):
        shown = subtask.file_url or ""
        named = urls[0] if len(urls) == 1 else spelled.get(shown) or spelled.get(unquote(shown))
        if named is not None:
            found.setdefault(named, subtask)
        else:
            strangers.append(subtask)
    missing = [url for url in urls if url not in found]
    if len(strangers) == len(missing):
        found |= zip(missing, strangers, strict=True)
    else:
        found |= {url: _single.file_failed(task, Subtask(url)) for url in missing}
    return {url: replace(sub, file_url=url) if isinstance(sub, Subtask) else sub for url, sub in found.items()}
