# Task: a file task as the service describes it, and how its descriptions are read.
#
# Knows: the JSON of submit replies, polls (with and without the envelope, one result or several) and lists. Must not
# know: requests, polling, clocks, result files. A status nobody has seen is a status; no repr shows a URL's query.

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from . import _decode
from ._audio import shown_url
from ._errors import DecodeError, ServiceError
from ._model import Usage

#: Nothing more will happen to a task or file with one of these. Of all others, known or not, more is to be expected.
DONE: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "CANCELLED", "UNKNOWN", *_decode.NO_SPEECH})

#: What a task id may look like, wherever it comes from: it becomes part of a URL's path. (The documents mask with *.)
TASK_ID: Final = re.compile(r"[A-Za-z0-9_*-]{1,128}")


@dataclass(frozen=True, slots=True, repr=False)
class Subtask:
    """One file of a task.

    Attributes:
        file_url: the audio file as submitted; None where the service does not repeat it (``*-filetrans``).
        status: ``"PENDING"``, ``"RUNNING"``, ``"SUCCEEDED"``, ``"FAILED"``, ...
        transcription_url: where its result file is, for 24 h; it is signed, so it is a secret.
        code, message: why it failed, in the service's words, or None.
    """

    file_url: str | None = None
    status: str = ""
    transcription_url: str | None = None
    code: str | None = None
    message: str | None = None

    @property
    def no_speech(self) -> bool:
        """The service heard nobody speak: a result, though told as an error."""
        return _no_speech(self.status, self.code, self.message)

    def __repr__(self) -> str:
        return (
            f"Subtask(file_url={_shown(self.file_url)}, status={self.status!r}, "
            f"transcription_url={_shown(self.transcription_url)}, code={self.code!r}, message={self.message!r})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Task:
    """A file task as last seen. Immutable; compares by value and pickles; its id is enough to go on with it.

    Attributes:
        task_id: the service's id.
        status: ``"PENDING"``, ``"RUNNING"``, ``"SUSPENDED"``, ``"SUCCEEDED"`` (also if only one of its files did),
            ``"FAILED"``, ``"CANCELED"``, ``"UNKNOWN"`` (never existed, or over for 24 h), or what else it says.
        submit_time, scheduled_time, end_time: as sent: a str in the service's local time
            (``"2025-10-27 13:57:45.948"``), in lists an int, ms since 1970 UTC; None where not told.
        metrics: counts of files: ``{"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}``; empty where not told.
        subtasks: one `Subtask` per file: as submitted, and once the task is done as the service names them. A task
            known only by its id or from a list has none before it is done.
        usage: what it is billed by, or None.
        code, message: why all of it failed, or None.
        request_id: of the request that told all this.
        model: as submitted or listed; None in polls.
        region: where it runs, or None.
        raw: the JSON object as received; it holds signed URLs.
    """

    task_id: str
    status: str = ""
    submit_time: str | int | None = None
    scheduled_time: str | int | None = None
    end_time: str | int | None = None
    metrics: dict[str, int] = field(default_factory=dict)
    subtasks: tuple[Subtask, ...] = ()
    usage: Usage | None = None
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    model: str | None = None
    region: str | None = None
    raw: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def done(self) -> bool:
        """Nothing more will happen: it succeeded, failed, was canceled, or is not known (any more)."""
        return self.status in DONE

    @property
    def no_speech(self) -> bool:
        """The service heard nobody speak in all of it: a result, though told as a failure."""
        return _no_speech(self.status, self.code, self.message)

    def __hash__(self) -> int:
        return hash((self.task_id, self.status))

    def __repr__(self) -> str:
        code = f" {self.code}" if self.code else ""
        return f"<Task {self.task_id} {self.status or 'of unknown status'}{code}, {len(self.subtasks)} files named>"


@dataclass(frozen=True, slots=True, repr=False)
class Progress:
    """How far it is, for ``on_progress``: called when something has changed.

    Attributes:
        done: files finished, failed ones included.
        total: files in all.
        failed: files without a result.
        task: the task this is about, as last seen; None where a file never got into one.
        file_url: the file that has just finished; None where a task as a whole moved.
        status: of that file, or of the task.
    """

    done: int
    total: int
    failed: int
    task: Task | None
    file_url: str | None
    status: str

    def __repr__(self) -> str:
        return (
            f"Progress(done={self.done}, total={self.total}, failed={self.failed}, task={self.task!r}, "
            f"file_url={_shown(self.file_url)}, status={self.status!r})"
        )


def task(body: object, *, model: str | None = None, region: str | None = None) -> Task:
    """The task that one decoded JSON body describes: a submit reply, or a poll's answer with or without its envelope.

    `model` and `region` are what the body does not tell.

    Raises DecodeError (with the path) for a missing or impossible task id and members of a wrong type; ServiceError
    where the body is an error instead.
    """
    if not isinstance(body, dict):
        raise _decode.wrong("$", body, "an object")
    output = _decode.mapping(body, "output", "")
    told = _decode.body(body)  # usage, request id and errors are where all bodies of these services have them
    if (body if output is None else output).get("task_id") is None and told.failure is not None:
        raise ServiceError(told.failure.said, code=told.failure.code, request_id=told.failure.request_id)
    holder, dot = (body, "") if output is None else (output, "output.")
    status = _decode.string(holder, "task_status", dot) or ""
    return Task(
        task_id=_task_id(holder, dot),
        status=status,
        submit_time=_moment(holder, "submit_time", dot),
        scheduled_time=_moment(holder, "scheduled_time", dot),
        end_time=_moment(holder, "end_time", dot),
        metrics=_metrics(holder, dot),
        subtasks=_subtasks(holder, dot, status),
        usage=told.usage,
        code=_decode.string(holder, "code", dot) or None,
        message=_decode.string(holder, "message", dot) or None,
        request_id=told.request_id,
        model=model,
        region=region,
        raw=body,
    )


def tasks(body: object, *, region: str | None = None) -> tuple[list[Task], int]:
    """The tasks of one page of a list (``data`` or ``tasks``), and how many pages there are.

    Raises DecodeError (with the path); ServiceError where the body is an error instead.
    """
    if not isinstance(body, dict):
        raise _decode.wrong("$", body, "an object")
    name = "data" if body.get("data") is not None else "tasks"
    items = body.get(name)
    if items is None:
        failure = _decode.failure(body)
        if failure is not None:
            raise ServiceError(failure.said, code=failure.code, request_id=failure.request_id)
        if "data" not in body and "tasks" not in body and body.get("total") != 0:
            raise DecodeError("not a list of tasks: it has no data", path="data")
    if items is not None and not isinstance(items, list):
        raise _decode.wrong(name, items, "an array")
    found = [_listed(item, f"{name}[{i}]", region) for i, item in enumerate(items or ())]
    return found, _pages(body)


def _listed(item: object, path: str, region: str | None) -> Task:
    if not isinstance(item, dict):
        raise _decode.wrong(path, item, "an object")
    dot = path + "."
    listed = "gmt_create" in item  # then start_time is when it began to run, else the names are those of a poll
    status = _decode.string(item, "status", dot) or _decode.string(item, "task_status", dot) or ""
    return Task(
        task_id=_task_id(item, dot),
        status=status,
        submit_time=_moment(item, "gmt_create" if listed else "submit_time", dot),
        scheduled_time=_moment(item, "start_time" if listed else "scheduled_time", dot),
        end_time=_moment(item, "end_time", dot),
        metrics=_metrics(item, dot),
        subtasks=_subtasks(item, dot, status),
        code=_decode.string(item, "code", dot) or None,
        message=_decode.string(item, "message", dot) or None,
        request_id=_decode.string(item, "request_id", dot),
        model=_decode.string(item, "model_name", dot) or _decode.string(item, "model", dot),
        region=_decode.string(item, "region", dot) or region,
        raw=item,
    )


def _task_id(holder: dict[str, Any], dot: str) -> str:
    value = holder.get("task_id")
    if value is None:
        raise DecodeError(f"{dot}task_id is missing", path=f"{dot}task_id")
    if not isinstance(value, str):
        raise _decode.wrong(f"{dot}task_id", value, "a string")
    if not TASK_ID.fullmatch(value):
        raise DecodeError(f"{dot}task_id is not 1 to 128 letters, digits, _ and -", path=f"{dot}task_id")
    return value


def _moment(holder: dict[str, Any], key: str, dot: str) -> str | int | None:
    value = holder.get(key)
    return value if isinstance(value, str) else _decode.integer(holder, key, dot)


def _metrics(holder: dict[str, Any], dot: str) -> dict[str, int]:
    metrics = _decode.mapping(holder, "task_metrics", dot) or {}
    counts = {name: _decode.integer(metrics, name, f"{dot}task_metrics.") for name in metrics}
    return {name: count for name, count in counts.items() if count is not None}


def _subtasks(holder: dict[str, Any], dot: str, status: str) -> tuple[Subtask, ...]:
    single = _decode.mapping(holder, "result", dot)
    if single is not None:
        return (_subtask(single, f"{dot}result", status),)
    results = holder.get("results")
    if results is not None and not isinstance(results, list):
        raise _decode.wrong(f"{dot}results", results, "an array")
    return tuple([_subtask(item, f"{dot}results[{i}]", "") for i, item in enumerate(results or ())])


def _subtask(item: object, path: str, status: str) -> Subtask:
    if not isinstance(item, dict):
        raise _decode.wrong(path, item, "an object")
    dot = path + "."
    return Subtask(
        file_url=_decode.string(item, "file_url", dot),
        status=_decode.string(item, "subtask_status", dot) or status,
        transcription_url=_decode.string(item, "transcription_url", dot) or None,
        code=_decode.string(item, "code", dot) or None,
        message=_decode.string(item, "message", dot) or None,
    )


def _pages(body: dict[str, Any]) -> int:
    pages = _decode.integer(body, "total_page", "")
    if pages is None:
        total, size = _decode.integer(body, "total", "") or 0, _decode.integer(body, "page_size", "") or 0
        pages = -(-total // size) if size > 0 else 1
    return max(1, pages)


def _no_speech(status: str, code: str | None, message: str | None) -> bool:
    if status == "SUCCEEDED":
        return False
    return status in _decode.NO_SPEECH or code in _decode.NO_SPEECH or (not code and message in _decode.NO_SPEECH)


def _shown(url: str | None) -> str | None:
    return None if url is None else repr(shown_url(url))
