# Clients nobody here wrote, against the emulator: what the vendor's and OpenAI's libraries get is what asrwire gets.
#
# Knows: what is said, and asrwire's answer from an emulator. Must not know: any other client. Run by itself, in an
# environment with the dependency groups `interop` and `recipes`: `pytest tests/interop`.

from __future__ import annotations

from typing import Any

from asrwire import Client, FileFailed, FileResult, Task, Transcript
from asrwire.emulator import Emulator, Script

KEY = "sk-0123456789abcdef"
URL = "https://example.com/audio.wav"
DATA = "data:audio/wav;base64,UklGRiQAAABXQVZF"

TEXTS = ["欢迎使用阿里云。", "Hello world, this is a test.", "再见，谢谢！", "See you!"]
WHOLE = "欢迎使用阿里云。Hello world, this is a test.再见，谢谢！See you!"
SCRIPT = Script.from_texts(TEXTS, languages=("zh", "en"), emotions=("neutral", "happy"))


def transcribed(emulator: Emulator, audio: str = URL, **options: Any) -> Transcript:
    """What asrwire gets in one piece."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return client.transcribe(audio, **options)


def streamed(emulator: Emulator, audio: str = URL, **options: Any) -> Transcript:
    """What asrwire gets as a stream."""
    with Client(KEY, base_url=emulator.base_url) as client, client.stream(audio, **options) as stream:
        for _ in stream:
            pass
        return stream.transcript


ONE, TWO, MISSING = (f"https://example.com/{name}.wav" for name in ("one", "two", "missing"))
FILES = {MISSING: "FILE_404_NOT_FOUND"}  # what becomes of the files of a task; all others say SCRIPT


def submitted(emulator: Emulator, *urls: str, **options: Any) -> Task:
    """The task that asrwire makes."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return client.tasks.submit(urls, **options)


def seen(emulator: Emulator, task_id: str) -> Task:
    """A task as asrwire sees it."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return client.tasks.get(task_id)


def fetched(emulator: Emulator, task_id: str) -> list[FileResult | FileFailed]:
    """The results of a task as asrwire gets them."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return list(client.tasks.results(task_id))


def listed(emulator: Emulator, **filters: Any) -> list[Task]:
    """The tasks that asrwire lists."""
    with Client(KEY, base_url=emulator.base_url) as client:
        return list(client.tasks.list(**filters))


def canceled(emulator: Emulator, task_id: str) -> None:
    """A task that asrwire cancels."""
    with Client(KEY, base_url=emulator.base_url) as client:
        client.tasks.cancel(task_id)


def check_same(body: dict[str, Any], usage: dict[str, Any] | None, task: Task) -> None:
    """What another client has of a task, its ``output`` and ``usage``, is what asrwire has of it."""
    assert (body["task_id"], body["task_status"]) == (task.task_id, task.status)
    times = (task.submit_time, task.scheduled_time, task.end_time)
    assert tuple(body.get(name) for name in ("submit_time", "scheduled_time", "end_time")) == times
    assert body.get("task_metrics", {}) == task.metrics
    assert (body.get("code"), body.get("message")) == (task.code, task.message)
    assert usage == (task.usage and task.usage.raw)
    if task.status == "SUCCEEDED":
        files = body["results"] if "results" in body else [{**body["result"], "subtask_status": "SUCCEEDED"}]
        names = ("file_url", "subtask_status", "transcription_url", "code", "message")
        assert [tuple(file.get(name) for name in names) for file in files] == [
            (one.file_url, one.status, one.transcription_url, one.code, one.message) for one in task.subtasks
        ]
