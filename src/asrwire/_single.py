# One task, one file: made, polled, waited for, its results fetched; why it failed.
#
# Knows: the life of a task and what its end means for its files. Must not know: several tasks at once, sockets, clocks.

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from . import _codes, _decode, _requests, _task
from ._errors import ASRWireError, HTTPStatusError, ResultExpired, TaskFailed
from ._files import FileFailed, FileResult, read_result
from ._model import Sentence
from ._requests import Request
from ._talk import Conversation, Reply, Talk, asking, describe, exchange, passing
from ._task import Progress, Subtask, Task
from ._transcript import Transcript

OnProgress: TypeAlias = Callable[[Progress], object]

_NEVER_ANSWERED: Final = 10  # polls that may fail before the first that does not; after that they end no wait
_RESULT_ATTEMPTS: Final = 5


def making(talk: Talk, request: Request, urls: list[str], model: str) -> Conversation[Task]:
    """Send a submission once."""

    def read(body: object) -> Task:
        task = _task.task(body, model=model, region=talk.service.endpoints.region)
        named = tuple([Subtask(url, task.status) for url in urls])
        return replace(task, subtasks=task.subtasks or named)

    try:
        return (yield from exchange(talk, request, read))
    except ASRWireError as error:
        if _unanswered(error):
            error.retry_safe = False
            hint = "a task may have been made: client.tasks.find(urls, since=...) looks for it"
            error.args = (f"{error} ({hint})",)
        raise


def _unanswered(error: ASRWireError) -> bool:
    """Whether it is not known if a task was made."""
    if error.sent != "complete" or error.kind == "service":
        return False
    return error.kind != "http_status" or ((error.http_status or 0) >= 500 and not error.retry_safe)


def polling(talk: Talk, task: Task, attempts: int | None) -> Conversation[Task]:
    """The task as it is now; see `asking`."""
    request = _requests.task_query(talk.service.endpoints, task.task_id)
    return (yield from asking(talk, request, lambda body: seen(talk, task, body), attempts, task))


def seen(talk: Talk, before: Task, body: object) -> Task:
    """The task a poll tells of, with what was known before and polls do not repeat: its model, the files submitted. It
    keeps the id it was asked for by."""
    task = _task.task(body, model=before.model, region=before.region or talk.service.endpoints.region)
    subtasks, known = task.subtasks, before.subtasks
    if not subtasks and not task.done:
        subtasks = known
    elif not subtasks and len(known) == 1:  # what became of the task became of its one file
        subtasks = (Subtask(known[0].file_url, task.status, None, task.code, task.message),)
    elif len(subtasks) == 1 and len(known) == 1 and subtasks[0].file_url is None:
        subtasks = (replace(subtasks[0], file_url=known[0].file_url),)
    return replace(task, task_id=before.task_id, subtasks=subtasks)


def waiting(talk: Talk, task: Task, on_progress: OnProgress | None) -> Conversation[Task]:
    """Poll until the task is done, at least once."""
    task = yield from polling(talk, task, _NEVER_ANSWERED)
    tell(on_progress, _progress(task))
    number = 0
    while not task.done:
        yield from talk.pause(talk.interval(number), task)
        number += 1
        before = task
        task = yield from polling(talk, task, None)
        if (task.status, task.metrics) != (before.status, before.metrics):
            tell(on_progress, _progress(task))
    return task


def tell(on_progress: OnProgress | None, progress: Progress) -> None:
    """Call it, if there is one."""
    if on_progress is not None:
        on_progress(progress)


def _progress(task: Task) -> Progress:
    done, failed = task.metrics.get("SUCCEEDED", 0), task.metrics.get("FAILED", 0)
    total = max(task.metrics.get("TOTAL", 1), len(task.subtasks), done + failed)
    if task.done and not task.metrics:
        done, failed = (total, 0) if task.status == "SUCCEEDED" or task.no_speech else (0, total)
    return Progress(done + failed, total, failed, task, None, task.status)


def failure(task: Task) -> TaskFailed | None:
    """Why a task that is done has no results, or None: it has."""
    if task.status == "SUCCEEDED":
        if task.subtasks:
            return None
        return _failed(task, "has succeeded, but the service names no result", None, None)
    if task.no_speech or (len(task.subtasks) == 1 and task.subtasks[0].no_speech):
        return None
    if task.status == "UNKNOWN":
        why = "is unknown or expired: the service keeps tasks 24 h, and each region and account knows only its own"
        return _failed(task, why, task.code, task.message)
    if task.status in ("CANCELED", "CANCELLED"):
        return _failed(task, "was canceled: submit it again", task.code, task.message)
    told = task if task.code or not task.subtasks else task.subtasks[0]
    return _failed(task, "has failed", told.code, told.message)


def _failed(task: Task, why: str, code: str | None, message: str | None) -> TaskFailed:
    words = dict.fromkeys(word for word in (code, message) if word)  # the service often says the code twice
    said = _codes.advised(_decode.shown(": ".join([f"the task {task.task_id} {why}", *words])), code)
    return TaskFailed(said, phase="task", sent="complete", code=code, request_id=task.request_id, task=task)


def files(task: Task) -> tuple[Subtask, ...]:
    """The files of a task that is done: what became of a task that names none became of its one file."""
    return task.subtasks or (Subtask(None, task.status, None, task.code, task.message),)


def outcome(
    talk: Talk, task: Task, subtask: Subtask, keep_raw: bool = False
) -> Conversation[FileResult | FileFailed]:
    """What became of one file of a task that is done. Raises nothing: an error is the file's."""
    url, task_id = subtask.file_url, task.task_id
    if subtask.no_speech or (task.no_speech and not subtask.transcription_url):
        return FileResult(file_url=url, transcripts=(Transcript(no_speech=True),), task_id=task_id)
    if subtask.transcription_url is None or subtask.status not in ("SUCCEEDED", ""):
        return file_failed(task, subtask)
    try:
        result = yield from _fetching(talk, _requests.result_file(subtask.transcription_url), keep_raw)
    except ASRWireError as error:
        error.task = task
        error.__context__ = None  # it is kept; the frames it came through hold the signed URL
        return FileFailed(file_url=url, code=error.code, error=error.with_traceback(None), task_id=task_id)
    return replace(result, file_url=result.file_url if url is None else url, task_id=task_id)


def file_failed(task: Task, subtask: Subtask) -> FileFailed:
    """A file without a result, in a task that is done."""
    if subtask.status == "FAILED" or subtask.code:
        why = "has a file that has failed"
    elif subtask.status in ("SUCCEEDED", ""):
        why = "is over, but names no result for one of its files"
    else:
        why = f"is over, but one of its files is {subtask.status}"
    error = _failed(task, why, subtask.code, subtask.message)
    return FileFailed(
        file_url=subtask.file_url, code=subtask.code, message=subtask.message, error=error, task_id=task.task_id
    )


def _fetching(talk: Talk, request: Request, keep_raw: bool) -> Conversation[FileResult]:
    attempt = 0
    while True:
        attempt += 1
        try:
            reply = yield from _result(talk, request)
        except ASRWireError as error:
            if not passing(error) or attempt == _RESULT_ATTEMPTS:
                raise
            asked = error.retry_after
        else:
            break
        yield from talk.pause(talk.interval(attempt - 1, asked))
    try:
        return read_result(reply.body, keep_raw=keep_raw)
    except ASRWireError as error:  # a whole body that is wrong stays wrong
        error.phase, error.sent, error.http_status, error.retry_safe = "result", "complete", reply.status, True
        raise


def _result(talk: Talk, request: Request) -> Conversation[Reply]:
    reply = yield from talk.send(request)
    if reply.status in (403, 404, 410):
        why = f"HTTP status {reply.status}: the result file is gone, for results are kept 24 h: submit the file again"
        raise ResultExpired(why, phase="result", sent="complete", http_status=reply.status, retry_safe=True)
    if not 200 <= reply.status < 300:
        raise describe(HTTPStatusError(f"HTTP status {reply.status} for a result file"), reply, request)
    return reply


def whole(transcripts: tuple[Transcript, ...]) -> Transcript:
    """The transcripts of a file's channels as one, sentences by their begin."""
    if len(transcripts) == 1:
        return transcripts[0]
    heard = sorted(
        (sentence for transcript in transcripts for sentence in transcript.sentences),
        key=lambda sentence: (-1 if sentence.begin_time is None else sentence.begin_time, sentence.channel_id),
    )
    durations = [transcript.speech_duration for transcript in transcripts]
    languages = {transcript.language for transcript in transcripts}
    reasons = [transcript.incomplete_reason for transcript in transcripts if not transcript.complete]
    return Transcript(
        sentences=tuple([_numbered(i, sentence) for i, sentence in enumerate(heard)]),
        language=languages.pop() if len(languages) == 1 else None,
        complete=not reasons,
        incomplete_reason=reasons[0] if reasons else None,
        no_speech=all(transcript.no_speech for transcript in transcripts),
        timed=all(transcript.timed for transcript in transcripts),
        issues=sum((transcript.issues for transcript in transcripts), Counter()),
        channels=tuple(sorted({channel for transcript in transcripts for channel in transcript.channels})),
        speech_duration=None if None in durations else sum(filter(None, durations)),
    )


def _numbered(index: int, sentence: Sentence) -> Sentence:
    return Sentence(index, *[getattr(sentence, name) for name in Sentence.__match_args__[1:]])
