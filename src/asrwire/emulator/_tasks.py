# The task book: transcription tasks from their submission until they are forgotten, and what the endpoints say of them.
#
# Knows: the states over time, the members of every body by family and state, cancelling, lists with pages and filters.
# Pure: every call is told what time it is, in ms since the epoch. Must not know: sockets, clocks, headers, what is in a
# result file (_storage).

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._schema import Refusal
from ._storage import BEIJING, DAY, Outcomes, Storage, billed_seconds, local_time
from ._submissions import Submission

STATES = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN")
_MESSAGES = {"InvalidFile.DownloadFailed": "The audio file cannot be downloaded."}
_REGION = "cn-beijing"
_API_KEY_ID = "150000"
_QUERY = ("start_time", "end_time", "model_name", "status", "page_no", "page_size", "task_id", "region", "api_key_id")


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as it stands.

    Attributes:
        id: the task id.
        model: as submitted.
        urls: the audio files, in the order submitted.
        status: ``"PENDING"``, ``"RUNNING"``, ``"SUCCEEDED"``, ``"FAILED"``, ``"CANCELED"``, or ``"UNKNOWN"`` once it
            is forgotten, 24 hours after its end.
        created: ms since the epoch.
    """

    id: str
    model: str
    urls: tuple[str, ...]
    status: str
    created: int


@dataclass(frozen=True, slots=True)
class _File:
    """One audio file of a task: its result's URL, or the code of its failure."""

    url: str
    seconds: int = 0
    transcription_url: str | None = None
    code: str | None = None


@dataclass(slots=True)
class _Task:
    id: str
    request_id: str
    submission: Submission
    files: tuple[_File, ...]
    created: int
    scheduled: int
    end: int
    canceled: bool = False

    def status(self, now: int) -> str:
        if now >= self.end + DAY:
            return "UNKNOWN"
        if self.canceled:
            return "CANCELED"
        if now < self.scheduled:
            return "PENDING"
        if now < self.end:
            return "RUNNING"
        # A task of several files has SUCCEEDED even where every one of them failed, as the documents' own sample has.
        return "FAILED" if self.submission.family == "filetrans" and self.files[0].code else "SUCCEEDED"


class TaskBook:
    """All tasks of one account.

    Args:
        storage: where the result files go.
        outcomes: what becomes of each audio file.
        queue_time: ms a task is PENDING.
        run_time: ms a task is RUNNING after that.
        parameters_needed: a submission without ``parameters`` is accepted and fails, as on workspace domains.
        ids: decides task ids.
    """

    def __init__(
        self,
        storage: Storage,
        outcomes: Outcomes,
        *,
        queue_time: int,
        run_time: int,
        parameters_needed: bool,
        ids: random.Random,
    ) -> None:
        self._storage = storage
        self._outcomes = outcomes
        self._queue_time = queue_time
        self._run_time = run_time
        self._parameters_needed = parameters_needed
        self._ids = ids
        self._tasks: dict[str, _Task] = {}

    def records(self, now: int) -> list[TaskRecord]:
        """Every task ever submitted, in that order."""
        tasks = list(self._tasks.values())
        return [TaskRecord(t.id, t.submission.model, t.submission.urls, t.status(now), t.created) for t in tasks]

    # == the endpoints: bodies without their request_id ================================================================

    def submit(self, submission: Submission, request_id: str, now: int) -> dict[str, Any]:
        """Create a task."""
        task_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        scheduled = now + self._queue_time
        end = scheduled + self._run_time
        files = tuple(
            self._file(submission, url, f"{task_id}-{number}.json", end)
            for number, url in enumerate(submission.urls, 1)
        )
        self._tasks[task_id] = _Task(task_id, request_id, submission, files, now, scheduled, end)
        return {"output": {"task_status": "PENDING", "task_id": task_id}}

    def _file(self, submission: Submission, url: str, name: str, end: int) -> _File:
        if self._parameters_needed and not submission.parameters:
            return _File(url, code="InvalidParameter")
        outcome = self._outcomes.of(url)
        if isinstance(outcome, str):
            return _File(url, code=outcome)
        transcription_url = self._storage.put(name, end, submission, url, outcome)
        return _File(url, billed_seconds(submission, outcome), transcription_url)

    def query(self, task_id: str, now: int) -> dict[str, Any]:
        """The task as it stands; an id nobody knows, or no longer, is UNKNOWN."""
        task = self._tasks.get(task_id)
        status = task.status(now) if task else "UNKNOWN"
        output: dict[str, Any] = {"task_id": task_id, "task_status": status}
        if task is None or status in ("UNKNOWN", "PENDING"):  # PENDING: no document shows more than at submission
            return {"output": output}
        output["submit_time"] = _clock_time(task.created)
        if status != "CANCELED":
            output["scheduled_time"] = _clock_time(task.scheduled)
        if status != "RUNNING":
            output["end_time"] = _clock_time(task.end)
        if status in ("CANCELED", "FAILED"):
            return {"output": output | (_failure(task.files[0]) if status == "FAILED" else {})}
        if status == "RUNNING":
            return {"output": output | {"task_metrics": _metrics(task, done=False)}}
        seconds = sum(file.seconds for file in task.files)
        if task.submission.family == "filetrans":
            output["result"] = {"transcription_url": task.files[0].transcription_url}
            return {"output": output, "usage": {"seconds": seconds}}
        output["results"] = [_subtask(file) for file in task.files]
        output["task_metrics"] = _metrics(task, done=True)
        return {"output": output, "usage": {"duration": seconds}} if seconds else {"output": output}

    def cancel(self, task_id: str, now: int) -> dict[str, Any]:
        """Cancel a task that is PENDING.

        Raises:
            Refusal: it is not.
        """
        task = self._tasks.get(task_id)
        if task is None or task.status(now) != "PENDING":
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise Refusal("", message, code="UnsupportedOperation")
        task.canceled, task.end = True, now
        return {}

    def list(self, query: Mapping[str, str], now: int) -> dict[str, Any]:
        """One page of the tasks created in a window of at most 24 hours, the newest first.

        Args:
            query: the parameters of the request, still strings.

        Raises:
            Refusal: naming the parameter that is not as documented.
        """
        for name in query:
            if name not in _QUERY:
                raise Refusal(name, "is not a parameter here")
        begin, end = _window(query, now)
        wanted = query.get("status")
        if wanted is not None and wanted not in STATES:
            raise Refusal("status", f"must be one of {', '.join(STATES)}")
        page_no, page_size = _whole(query, "page_no", 1), _whole(query, "page_size", 10)
        found = []
        for task in reversed(self._tasks.values()):
            item = _item(task, now)
            texts = {name: item[name] for name in ("model_name", "task_id", "region", "api_key_id", "status")}
            if (
                begin <= task.created <= end
                and item["status"] != "UNKNOWN"
                and all(query.get(name, text) == text for name, text in texts.items())
            ):
                found.append(item)
        return {
            "total": len(found),
            "data": found[(page_no - 1) * page_size : page_no * page_size],
            "total_page": -(-len(found) // page_size),
            "page_no": page_no,
            "page_size": page_size,
        }


# == members ===========================================================================================================


def _clock_time(ms: int) -> str:
    return f"{local_time(ms):%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}"


def _failure(file: _File) -> dict[str, Any]:
    assert file.code is not None
    return {"code": file.code, "message": _MESSAGES.get(file.code, file.code)}


def _subtask(file: _File) -> dict[str, Any]:
    if file.code is not None:
        return {"file_url": file.url, **_failure(file), "subtask_status": "FAILED"}
    return {"file_url": file.url, "transcription_url": file.transcription_url, "subtask_status": "SUCCEEDED"}


def _metrics(task: _Task, *, done: bool) -> dict[str, int]:
    failed = sum(file.code is not None for file in task.files)
    total = len(task.files)
    return {"TOTAL": total, "SUCCEEDED": (total - failed) * done, "FAILED": failed * done}


def _item(task: _Task, now: int) -> dict[str, Any]:
    """One entry of a list: no input URL, no result; times in ms, those that have not come left out."""
    status, model = task.status(now), task.submission.model
    return {
        "api_key_id": _API_KEY_ID,
        "caller_parent_id": "100000000",
        "caller_uid": "100000000",
        **({"end_time": task.end} if status not in ("PENDING", "RUNNING") else {}),
        "gmt_create": task.created,
        "model_name": model,
        "region": _REGION,
        "request_id": task.request_id,
        **({"start_time": task.scheduled} if status not in ("PENDING", "CANCELED") else {}),
        "status": status,
        "task_id": task.id,
        "user_api_unique_key": f"apikey:v1:audio:asr:transcription:{model}",
    }


# == the parameters of a list ==========================================================================================


def _window(query: Mapping[str, str], now: int) -> tuple[int, int]:
    """First and last ms of the seconds asked for; the last 24 hours where nothing is asked for."""
    begin, end = _second(query, "start_time"), _second(query, "end_time")
    if end is None:
        end = now if begin is None else begin + DAY
    if begin is None:
        begin = end - DAY
    if not 0 <= end - begin <= DAY:
        raise Refusal("end_time", "must be at most 24 hours after start_time, and not before it")
    return begin, end + 999


def _second(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        if not re.fullmatch(r"[0-9]{14}", text):
            raise ValueError
        return int(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()) * 1000
    except ValueError:
        raise Refusal(name, "must be a time of the form YYYYMMDDhhmmss") from None


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise Refusal(name, "must be a whole number from 1")
    return int(text)
