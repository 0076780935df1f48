# Conversations about file tasks: submit, get, wait, cancel, list, results, find, and transcriptions from end to end.
# Each is sans-IO; _talk says how to drive one.
#
# Knows: their arguments, and which steps follow which. Must not know: sockets, sleeping, clocks, colours; how a step is
# done (_single, _many). Arguments are checked at the call; nothing happens before the first next().

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from math import isfinite
from typing import Final

from . import _decode, _many, _requests, _retry, _single
from ._errors import ConfigError, ServiceError
from ._files import FileFailed
from ._single import OnProgress
from ._talk import FIRST, Conversation, Found, Pace, Reply, Service, Sleep, Talk, exchange, sending, unfinished
from ._task import Progress, Task
from ._transcript import Transcript

__all__ = [
    "Conversation", "Found", "OnProgress", "Pace", "Reply", "Service", "Sleep", "cancel", "find", "get", "list_",
    "results", "submit", "transcribe_file", "transcribe_files", "wait",
]  # fmt: skip

_STALE: Final = 3  # pages of known tasks that end a list
# Seconds by which the caller's clock may differ from the service's, in find(). A batch allows for more, for its journal
# says which tasks are its own; here each one more that is looked at may be the one that does not tell.
_SKEW: Final = 60.0


def submit(
    service: Service,
    urls: str | Iterable[str],
    *,
    model: str,
    family: str | None = None,
    extra: Mapping[str, object] | None = None,
    resend: bool = False,
    options: Mapping[str, object],
    now: float,
) -> Conversation[Task]:
    """Make one task; returns it. Its `subtasks` name the files submitted.

    The POST is sent again only where that cannot bill twice (`_retry`), or if `resend` says so. Where no answer tells
    whether a task was made, the error has ``sent="complete"``, ``retry_safe=False`` and a message that names `find`.
    """
    found = _requests.file_urls(urls)
    request = _requests.submission(
        service.endpoints, found, model=model, family=family, extra=extra, options=options
    )
    talk = Talk(service, now)
    return sending(talk, lambda: _single.making(talk, request, found, model), resend)


def get(service: Service, task: Task | str, *, now: float) -> Conversation[Task]:
    """Ask for the state of a task, up to three times where the network or the service fails. No status is an error."""
    return _single.polling(Talk(service, now), _named(task), _retry.ATTEMPTS)


def wait(
    service: Service,
    task: Task | str,
    *,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
    now: float,
) -> Conversation[Task]:
    """Ask until the task is done, after 1 s growing to 5 s; returns it. Some or all of its files may have failed.

    Faults of network and service do not end a wait that has once been answered. After `timeout` seconds it raises
    ``Timeout(phase="wait")`` whose ``task`` can be waited for again, here or elsewhere; 0 asks once. A task that ended
    FAILED, CANCELED or UNKNOWN raises TaskFailed, whose ``task`` has what is known of its files.
    """
    named, talk = _named(task), Talk(service, now, _check_timeout(timeout))

    def waiting() -> Conversation[Task]:
        done = yield from _single.waiting(talk, named, on_progress)
        if (failure := _single.failure(done)) is not None:
            raise failure
        return done

    return waiting()


def cancel(service: Service, task: Task | str, *, now: float) -> Conversation[None]:
    """Cancel a task that is still PENDING; HTTPStatusError (``UnsupportedOperation``) for any other."""
    request = _requests.task_cancel(service.endpoints, _named(task).task_id)
    talk = Talk(service, now)
    return sending(talk, lambda: exchange(talk, request, _check_canceled), True)  # nothing is billed for it


def list_(
    service: Service,
    *,
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    model_name: str | None = None,
    status: str | None = None,
    page_size: int = 100,
    now: float,
) -> Conversation[None]:
    """Find the account's tasks, each once, page by page; see `_requests.task_list` for the arguments.

    Tasks of a list name no files.
    """
    filters = {"start_time": start_time, "end_time": end_time, "model_name": model_name, "status": status}
    _requests.task_list(service.endpoints, page_size=page_size, **filters)  # type: ignore[arg-type]
    talk = Talk(service, now)

    def listing() -> Conversation[None]:
        seen: set[str] = set()
        stale = 0  # pages in a row without a new task: a list that grows has some, one that repeats itself no others
        for page in count(1):
            tasks, last = yield from _many.pages(talk, page, page_size, filters)
            new = [task for task in tasks if task.task_id not in seen]
            for task in new:
                seen.add(task.task_id)
                yield from talk.found(task)
            stale = 0 if new else stale + 1
            if page >= last or not tasks or stale == _STALE:
                return

    return listing()


def results(
    service: Service, task: Task | str, *, on_progress: OnProgress | None = None, now: float
) -> Conversation[None]:
    """Find a `FileResult` or `FileFailed` for each file of a task, in the task's order.

    A task that does not name its results yet is asked for once; one that still runs then raises
    ``Timeout(phase="wait")``: `wait` for it first. A task that ended FAILED (and has no more than one file), CANCELED
    or UNKNOWN raises TaskFailed. What became of one file is that file's: a result file that is gone is a `FileFailed`
    whose error is `ResultExpired`. A file in which nobody speaks is a `FileResult` with an empty transcript.
    """
    named, talk = _named(task), Talk(service, now)

    def fetching() -> Conversation[None]:
        task = named
        if not (task.done and any(sub.transcription_url or sub.status == "FAILED" for sub in task.subtasks)):
            task = yield from _single.polling(talk, task, _retry.ATTEMPTS)
        if not task.done:
            raise unfinished("wait for it first", task)
        if len(task.subtasks) < 2 and (failure := _single.failure(task)) is not None:
            raise failure
        subtasks = _single.files(task)
        failed = 0
        for done, subtask in enumerate(subtasks, 1):
            value = yield from _single.outcome(talk, task, subtask)
            failed += isinstance(value, FileFailed)
            status = "FAILED" if isinstance(value, FileFailed) else "SUCCEEDED"
            _single.tell(on_progress, Progress(done, len(subtasks), failed, task, value.file_url, status))
            yield from talk.found(value)

    return fetching()


def find(
    service: Service,
    urls: str | Iterable[str],
    *,
    since: datetime | float,
    model: str | None = None,
    timeout: float | None = 60.0,
    now: float,
) -> Conversation[Task | None]:
    """Look for the task of a submit whose reply was lost: submitted since then, with exactly `urls`; of several, the
    newest that is finished.

    Args:
        since: when the submit was begun: a datetime (without a time zone: this machine's), or seconds since 1970. At
            most 24 h ago, for the service keeps no more. A minute is added for clocks that differ.
        model: as submitted; without it all file-task models are looked through.
        timeout: seconds to wait for tasks that still run; None: until they are done.

    Lists and running tasks do not tell what they were made of; only a finished task does (of ``*-filetrans`` only its
    result file, which is fetched for that). So this returns None only if every task in question has shown that it is
    another; else it raises TaskFailed, "cannot tell", with those tasks in ``output``.
    """
    wanted = _requests.file_urls(urls)
    _requests.task_list(service.endpoints, model_name=model)
    talk = Talk(service, now, _check_timeout(timeout))
    return _many.finding(talk, wanted, _check_since(since) - _SKEW, model)


def transcribe_files(
    service: Service,
    urls: str | Iterable[str],
    *,
    model: str,
    family: str | None = None,
    extra: Mapping[str, object] | None = None,
    resend: bool = False,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
    options: Mapping[str, object],
    now: float,
) -> Conversation[None]:
    """Find a `FileResult` or `FileFailed` for every one of `urls`, each as it finishes, in as many tasks as it takes.

    A URL given twice is transcribed and billed once, and its result found twice. An error that concerns all files (key,
    account, model, network) is raised while no task has been made, and is each remaining file's afterwards. What ends
    the conversation early (``Timeout(phase="wait")`` after `timeout` seconds, or polls that are refused) has the tasks
    not finished in ``output``.
    """
    found = _requests.file_urls(urls)
    counts = Counter(found)
    chosen = _requests.file_family(model, family)
    size = _requests.urls_per_task(chosen) if chosen else len(found)
    unique = list(counts)
    batches = [unique[i : i + size] for i in range(0, len(unique), size)]
    requests = [
        _requests.submission(service.endpoints, batch, model=model, family=family, extra=extra, options=options)
        for batch in batches
    ]
    talk = Talk(service, now, _check_timeout(timeout))
    return _many.Many(talk, model, resend, counts, on_progress).run(deque(zip(requests, batches, strict=True)))


def transcribe_file(
    service: Service,
    url: str,
    *,
    model: str,
    family: str | None = None,
    extra: Mapping[str, object] | None = None,
    resend: bool = False,
    timeout: float | None = None,
    options: Mapping[str, object],
    now: float,
) -> Conversation[Transcript]:
    """Submit one file, wait, fetch; returns its transcript, of all channels. Raises what is a `FileFailed.error` else.
    """
    urls = _requests.file_urls(url)
    request = _requests.submission(service.endpoints, urls, model=model, family=family, extra=extra, options=options)
    talk = Talk(service, now, _check_timeout(timeout))

    def transcribing() -> Conversation[Transcript]:
        making = sending(talk, lambda: _single.making(talk, request, urls, model), resend, talk.deadline)
        task = yield from making
        yield from talk.pause(FIRST, task)
        task = yield from _single.waiting(talk, task, None)
        if (failure := _single.failure(task)) is not None:
            raise failure
        value = yield from _single.outcome(talk, task, _single.files(task)[0])
        if isinstance(value, FileFailed):
            assert value.error is not None
            raise value.error
        told = {"usage": task.usage, "request_id": task.request_id, "model": model}
        return replace(_single.whole(value.transcripts), **told)  # type: ignore[arg-type]

    return transcribing()


def _named(task: Task | str) -> Task:
    named = task if isinstance(task, Task) else Task(_requests.check_task_id(task))
    _requests.check_task_id(named.task_id)
    return named


def _check_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is seconds (a number) or None, not {type(timeout).__name__}")
    if not (isfinite(timeout) and timeout >= 0):
        raise ConfigError("timeout must be a finite number of seconds that is not negative, or None")
    return float(timeout)


def _check_since(since: datetime | float) -> float:
    if isinstance(since, datetime):
        return since.timestamp()
    if isinstance(since, bool) or not isinstance(since, int | float):
        raise TypeError(f"since is a datetime or seconds since 1970, not {type(since).__name__}")
    if not isfinite(since):
        raise ConfigError("since must be finite")
    return float(since)


def _check_canceled(body: object) -> None:
    failure = _decode.failure(body)
    if failure is not None:
        raise ServiceError(failure.said, code=failure.code, request_id=failure.request_id)
