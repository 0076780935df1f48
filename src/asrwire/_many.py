# Many tasks at once: made, watched with few queries, handed out file by file; and the search for one that was lost.
#
# Knows: which task is due, which file belongs to whom. Must not know: what a single task's life is like (_single), how
# an exchange is read (_talk), sockets, clocks.

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final, TypeAlias

from . import _codes, _requests, _retry, _single, _task
from ._errors import ASRWireError, DecodeError, TaskFailed
from ._files import FileFailed, FileResult
from ._requests import Request
from ._talk import UNDECODABLE, Conversation, Talk, again, asking, exchange, is_late, passing, unfinished
from ._task import Progress, Subtask, Task

_MANY: Final = 20  # tasks; when more wait, lists tell more with fewer queries
_PAGE: Final = 100  # tasks
_LIST_ATTEMPTS: Final = 3  # lists in a row that may fail before tasks are asked for one by one

Batches: TypeAlias = deque[tuple[Request, list[str]]]


def pages(
    talk: Talk, page: int, page_size: int, filters: Mapping[str, Any], attempts: int = _retry.ATTEMPTS
) -> Conversation[tuple[list[Task], int]]:
    """One page of the list of tasks, and how many pages there are."""
    request = _requests.task_list(talk.service.endpoints, page_no=page, page_size=page_size, **filters)
    region = talk.service.endpoints.region
    return (yield from asking(talk, request, lambda body: _task.tasks(body, region=region), attempts))


class Watch:
    """Tasks that are waited for together."""

    def __init__(self, talk: Talk, model: str | None) -> None:
        self.tasks: dict[str, Task] = {}
        self.asked: float | None = None  # seconds the service asked to wait, in the last look
        self._talk = talk
        self._model = model
        self._undecodable: Counter[str] = Counter()
        self._failures = 0  # of lists, in a row

    def look(self) -> Conversation[list[Task]]:
        """Ask for up to 20, those that were not asked for longest first; returns those that are done, and forgets them.

        Passing faults are left for the next look. What ends the wait has all tasks in its ``output``, those done in
        this look too.
        """
        self.asked = None
        ask = list(self.tasks.values())
        if len(ask) > _MANY and self._failures < _LIST_ATTEMPTS:
            ask = yield from self._listed()
        for task in ask[:_MANY]:
            yield from self._ask(task)
        over = [task for task in self.tasks.values() if task.done]
        for task in over:
            del self.tasks[task.task_id]
        return over

    def _ask(self, task: Task) -> Conversation[None]:
        request = _requests.task_query(self._talk.service.endpoints, task.task_id)
        self.tasks[task.task_id] = self.tasks.pop(task.task_id)  # the others first, next time
        try:
            seen = yield from exchange(self._talk, request, lambda body: _single.seen(self._talk, task, body))
        except ASRWireError as error:
            if is_late(error):
                raise unfinished("the time for waiting is over", *self.tasks.values()) from None
            self._undecodable[task.task_id] += isinstance(error, DecodeError)
            if not passing(error) or self._undecodable[task.task_id] == UNDECODABLE:
                error.task, error.output = task, tuple(self.tasks.values())
                raise
            self.asked = max(self.asked or 0.0, error.retry_after or 0.0)
        else:
            del self._undecodable[task.task_id]
            self.tasks[task.task_id] = seen

    def _listed(self) -> Conversation[list[Task]]:
        """Those still to be asked for one by one: the finished ones, whose results a list does not name, and those it
        does not show."""
        left, ask = dict(self.tasks), []
        try:
            for page in count(1):
                found, last = yield from pages(self._talk, page, _PAGE, {"model_name": self._model}, 1)
                for listed in found:
                    task = left.pop(listed.task_id, None)
                    if task is not None and listed.done:
                        ask.append(task)
                    elif task is not None:
                        self.tasks[task.task_id] = replace(task, status=listed.status)
                if page >= last or not found or not left:
                    break
        except ASRWireError as error:
            if is_late(error):
                raise unfinished("the time for waiting is over", *self.tasks.values()) from None
            # Not everybody may list, and nobody waits for what lists never tell: it goes on one by one.
            self._failures = self._failures + 1 if passing(error) else _LIST_ATTEMPTS
            if self._failures == _LIST_ATTEMPTS:
                return list(self.tasks.values())
            self.asked = error.retry_after
            return []
        self._failures = 0
        return [*ask, *left.values()]


class Many:
    """Many files in many tasks."""

    def __init__(
        self, talk: Talk, model: str, resend: bool, counts: Counter[str], on_progress: _single.OnProgress | None
    ) -> None:
        self._talk = talk
        self._model = model
        self._resend = resend
        self._counts = counts  # how often each URL was asked for
        self._on_progress = on_progress
        self._watch = Watch(talk, model)
        self._urls: dict[str, list[str]] = {}  # by task id
        self._told: dict[str, str] = {}  # by task id: the status last told of
        self._done = self._failed = 0

    def run(self, batches: Batches) -> Conversation[None]:
        """Make a task of each of `batches`, and hand out every file as soon as its task is done."""
        talk, watch = self._talk, self._watch
        attempt = number = 0
        look_at = submit_at = talk.now
        while batches or watch.tasks:
            if watch.tasks and talk.now >= look_at:
                over = yield from watch.look()
                number = 0 if over else number + 1
                look_at = talk.now + talk.interval(number, watch.asked)
                for task in watch.tasks.values():
                    self._tell_status(task)
                for task in over:
                    yield from self._over(task)
            elif batches and talk.now >= submit_at:
                yield from talk.pause(0.0, *watch.tasks.values())
                attempt += 1
                idle = not watch.tasks
                delay = yield from self._submit(batches, attempt)
                if delay is not None:
                    submit_at = talk.now + delay
                    continue
                attempt = 0
                if idle:
                    look_at = talk.now + talk.interval(0)
            else:
                times = [look_at] * bool(watch.tasks) + [submit_at] * bool(batches)
                yield from talk.pause(min(times) - talk.now, *watch.tasks.values())

    def _submit(self, batches: Batches, attempt: int) -> Conversation[float | None]:
        """Make the next task; returns None once that is settled, else the seconds until the next attempt."""
        request, urls = batches[0]
        try:
            task = yield from _single.making(self._talk, request, urls, self._model)
        except ASRWireError as error:
            if error.phase == "total":  # which ends everything
                error.output = tuple(self._watch.tasks.values())
                raise
            delay = again(self._talk, error, attempt, self._resend, self._talk.deadline)
            if delay is None:
                yield from self._refused(error, batches)
            return delay
        _retry.QUOTA.answered(attempt)
        batches.popleft()
        self._urls[task.task_id] = urls
        self._watch.tasks[task.task_id] = task
        self._tell_status(task)
        return None

    def _refused(self, error: ASRWireError, batches: Batches) -> Conversation[None]:
        # What says nothing of the files is raised while nothing would be lost by it.
        kind = _codes.kind(error.code, error.http_status)
        about_files = kind in ("file", "content") or (kind == "request" and "url" in str(error).lower())
        if not (self._urls or self._done or about_files):
            raise error
        _, lost = batches.popleft()
        if kind in ("account", "key", "access", "model"):  # it would be said of each
            lost = [*lost, *(url for _, urls in batches for url in urls)]
            batches.clear()
        for url in lost:
            yield from self._hand_out(FileFailed(file_url=url, code=error.code, error=error), None, url)

    def _over(self, task: Task) -> Conversation[None]:
        urls = self._urls[task.task_id]
        failure = _single.failure(task) if len(task.subtasks) < 2 else None
        if failure is not None:
            told = task.message or (task.subtasks[0].message if task.subtasks else None)
            for url in urls:
                failed = FileFailed(
                    file_url=url, code=failure.code, message=told, error=failure, task_id=task.task_id
                )
                yield from self._hand_out(failed, task, url)
            return
        missing, others = dict.fromkeys(urls), 0
        for subtask in _single.files(task):
            named = urls[0] if len(urls) == 1 else subtask.file_url
            if named not in urls:  # the service spells it in another way
                others += 1
            elif named in missing:
                del missing[named]
            else:  # once is enough
                continue
            value = yield from _single.outcome(self._talk, task, replace(subtask, file_url=named))
            yield from self._hand_out(value, task, named)
        if others < len(missing):
            for url in missing:
                yield from self._hand_out(_single.file_failed(task, Subtask(url)), task, url)

    def _hand_out(self, value: FileResult | FileFailed, task: Task | None, url: str | None) -> Conversation[None]:
        for _ in range(self._counts.get(url or "", 1)):
            self._done += 1
            self._failed += isinstance(value, FileFailed)
            self._tell(task, value.file_url, "FAILED" if isinstance(value, FileFailed) else "SUCCEEDED")
            yield from self._talk.found(value)

    def _tell_status(self, task: Task) -> None:
        if self._told.get(task.task_id) != task.status:
            self._told[task.task_id] = task.status
            self._tell(task, None, task.status)

    def _tell(self, task: Task | None, url: str | None, status: str) -> None:
        total = max(self._counts.total(), self._done)
        _single.tell(self._on_progress, Progress(self._done, total, self._failed, task, url, status))


def finding(talk: Talk, urls: list[str], since: float, model: str | None) -> Conversation[Task | None]:
    """The newest finished task made of exactly `urls` since then (seconds since 1970); None if there is none;
    TaskFailed where that cannot be told."""
    watch = Watch(talk, model)
    over = yield from _candidates(talk, since, model)
    watch.tasks = {task.task_id: task for task in over if not task.done}
    over = [task for task in over if task.done]
    silent: list[Task] = []
    for number in count():
        for task in over:
            shown, named = yield from _made_of(talk, task)
            if named is None:
                silent.append(shown)
            elif set(named) == set(urls):
                return shown
        # A running task may tell how many files it has; one with another number is another. (A URL given twice may have
        # been submitted once.)
        for task in list(watch.tasks.values()):
            if not len(set(urls)) <= task.metrics.get("TOTAL", len(urls)) <= len(urls):
                del watch.tasks[task.task_id]
        running = tuple(watch.tasks.values())
        late = number > 0 and talk.deadline is not None and talk.now >= talk.deadline
        if not running and not silent:
            return None
        if not running or late:
            who = (*running, *silent)
            what = f"cannot tell: {len(running)} tasks still running, {len(silent)} over that do not show their files"
            raise TaskFailed(
                what, phase="wait", sent="complete", retry_safe=bool(running), output=who, task=who[0]
            )
        if number:
            yield from talk.pause(talk.interval(number - 1, watch.asked), *running)
        over = yield from watch.look()
    raise AssertionError  # pragma: no cover


def _candidates(talk: Talk, since: float, model: str | None) -> Conversation[list[Task]]:
    """Tasks that may be it: not canceled, of a file-task model, submitted since then, as far as they say; newest first.
    """
    found: dict[str, Task] = {}
    for page in count(1):
        tasks, last = yield from pages(talk, page, _PAGE, {"model_name": model})
        for task in tasks:
            asr = model is not None or task.model is None or _requests.file_family(task.model) is not None
            recent = not isinstance(task.submit_time, int) or task.submit_time >= since * 1000
            if asr and recent and task.status not in ("CANCELED", "CANCELLED"):
                found.setdefault(task.task_id, task)
        if page >= last or not tasks:
            break
        if talk.deadline is not None and talk.now >= talk.deadline:
            raise unfinished("the time for looking is over, and the list is not")
    return sorted(found.values(), key=lambda task: -task.submit_time if isinstance(task.submit_time, int) else 0)


def _made_of(talk: Talk, task: Task) -> Conversation[tuple[Task, list[str] | None]]:
    """A finished task with its files, and their URLs as far as it, or its one result file, shows them."""
    if not task.subtasks:
        task = yield from _single.polling(talk, task, _retry.ATTEMPTS)
    if len(task.subtasks) == 1 and task.subtasks[0].file_url is None:
        value = yield from _single.outcome(talk, task, task.subtasks[0])
        if value.file_url is None:
            return task, None
        task = replace(task, subtasks=(replace(task.subtasks[0], file_url=value.file_url),))
    urls = [subtask.file_url for subtask in task.subtasks]
    return task, [url for url in urls if url is not None] if urls and None not in urls else None
