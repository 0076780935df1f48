# File tasks as a caller has them, in three colours: from the client over real sockets to the emulator, against literal
# bytes where something breaks, and what each region's host is sent.

from __future__ import annotations

import pickle
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import orjson
import pytest

from asrwire import (
    ASRWireError,
    AsyncClient,
    Closed,
    ConfigError,
    ConnectFailed,
    DecodeError,
    FileFailed,
    FileResult,
    HTTPStatusError,
    Limits,
    Progress,
    ResultExpired,
    Task,
    TaskFailed,
    Timeout,
    Timeouts,
)
from asrwire._net import _backend, _fetch
from asrwire.emulator import Emulator, Script
from tests.servers import HANG, KEY, Colour, Peer, Server, _Blocking, contexts, sized

pytestmark = pytest.mark.transport

SAMPLES = Path(__file__).parent / "samples"
URLS = [f"https://example.com/audio/{name}.wav" for name in ("one", "two", "three")]
SAID = {url: Script.from_texts([f"This is number {i}."]) for i, url in enumerate(URLS)}
MODELS = ["fun-asr", "fun-asr-mtl", "paraformer-v2", "qwen3-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans"]
DAY = 24 * 60 * 60


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(clock="virtual", queue_time=2, run_time=3, files=SAID) as running:
        yield running


class _BlockingTasks:
    """`Tasks` seen through the names of `AsyncTasks`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def list(self, **filters: Any) -> Any:
        return _Blocking(iter(self._inner.list(**filters)))

    def results(self, task: Any) -> Any:
        return _Blocking(iter(self._inner.results(task)))

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **more: Any) -> Any:
            return getattr(self._inner, name)(*arguments, **more)

        return call


def tasks(client: Any) -> Any:
    return client.tasks if isinstance(client, AsyncClient) else _BlockingTasks(client.inner.tasks)


def transcribe_files(client: Any, urls: Any, **more: Any) -> Any:
    if isinstance(client, AsyncClient):
        return client.transcribe_files(urls, **more)
    return _Blocking(iter(client.inner.transcribe_files(urls, **more)))


class Clock:
    """The driver's clock: the real one until a client is `made`, then moved on by what that would have slept, alone, so
    that it agrees with an emulator's."""

    def __init__(self) -> None:
        self.waited: list[float] | None = None
        self._start = time.monotonic()

    def monotonic(self) -> float:
        return time.monotonic() if self.waited is None else self._start + sum(self.waited)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_fetch, "time", clock)
    return clock


def made(colour: Colour, server: Any, **options: Any) -> Any:
    """A client that does not sleep: an emulator's clock is moved on instead."""
    client = colour.client(server, **options)
    clock: Any = _fetch.time
    clock.waited = waited = []

    def wait(event: Any, seconds: float) -> None:
        waited.append(seconds)
        if isinstance(server, Emulator):
            server.advance(seconds)

    async def wait_async(event: Any, seconds: float) -> None:
        wait(event, seconds)

    settings = getattr(client, "inner", client)
    settings._transport.colour.wait = wait if colour.name == "sync" else wait_async
    return client


def submits(emulator: Emulator) -> list[Any]:
    return [request for request in emulator.requests if request.path == "/api/v1/services/audio/asr/transcription"]


async def drained(values: Any) -> list[Any]:
    return [value async for value in values]


def texts(values: list[Any]) -> list[str]:
    assert all(isinstance(value, FileResult) for value in values), values
    return [value.transcripts[0].text for value in values]


# == from submit to results ===========================================================================================


@pytest.mark.parametrize("model", MODELS)
def test_submit_wait_results(colour: Colour, emulator: Emulator, model: str) -> None:
    seen: list[Progress] = []
    urls = URLS[:1] if model.endswith("-filetrans") else URLS[:2]

    async def scenario() -> tuple[Task, Task, list[Any]]:
        async with made(colour, emulator, headers={"X-Mine": "1"}) as client:
            submitted = await tasks(client).submit(urls, model=model)
            done = await tasks(client).wait(submitted, on_progress=seen.append)
            return submitted, done, await drained(tasks(client).results(done))

    submitted, done, found = colour.run(scenario)
    assert (submitted.status, submitted.done, submitted.model) == ("PENDING", False, model)
    assert (done.task_id, done.status, done.done, done.model) == (submitted.task_id, "SUCCEEDED", True, model)
    assert [subtask.file_url for subtask in done.subtasks] == urls
    assert [value.file_url for value in found] == urls
    assert texts(found) == [f"This is number {i}." for i in range(len(urls))]
    assert [progress.status for progress in seen] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (len(urls), len(urls), 0)
    assert [task.id for task in emulator.tasks] == [done.task_id]


def test_over_tls(colour: Colour) -> None:
    async def scenario() -> Any:
        async with made(colour, server, ssl_context=server.ssl_context) as client:
            return await client.transcribe(URLS[2], model="fun-asr")

    with Emulator(clock="virtual", files=SAID, tls=True) as server:
        assert server.result_origin.startswith("https://")
        assert colour.run(scenario).text == "This is number 2."


def test_what_each_origin_sees(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> list[Any]:
        settings = {"headers": {"X-Mine": "1", "X-DashScope-DataInspection": "enable", "Cookie": "a=b"}}
        async with made(colour, emulator, workspace="ws-1", **settings) as client:
            return await drained(transcribe_files(client, URLS, model="fun-asr"))

    assert sorted(texts(colour.run(scenario))) == [f"This is number {i}." for i in range(3)]
    api = [request for request in emulator.requests if request.path.startswith("/api/v1/")]
    files = [request for request in emulator.requests if not request.path.startswith("/api/v1/")]
    assert (len(submits(emulator)), len(files)) == (1, 3)
    for request in api:
        expected = {"authorization": f"Bearer {KEY}", "x-dashscope-async": "enable", "x-mine": "1", "cookie": "a=b"}
        assert expected.items() <= request.headers.items()
        assert request.headers["x-dashscope-workspace"] == "ws-1"
    for request in files:
        host = urlsplit(emulator.result_origin).netloc
        fields = {"host": host, "user-agent": "asrwire", "accept": "*/*", "accept-encoding": "identity"}
        assert (request.method, request.headers) == ("GET", fields)


def test_transcribe_with_a_model_of_file_tasks(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> list[Any]:
        async with made(colour, emulator) as client:
            return [await client.transcribe(URLS[1], model=model) for model in MODELS]

    for model, transcript in zip(MODELS, colour.run(scenario), strict=True):
        assert (transcript.text, transcript.complete, transcript.model) == ("This is number 1.", True, model)
        assert transcript.usage is not None
    assert len(emulator.tasks) == len(MODELS)


def test_transcribe_says_what_a_file_task_does_not_take(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> None:
        async with made(colour, emulator) as client:
            with pytest.raises(TypeError, match="URL"):
                await client.transcribe(b"RIFF", model="fun-asr")
            with pytest.raises(TypeError, match="URL"):
                await client.transcribe(URLS, model="fun-asr")
            with pytest.raises(ConfigError, match="dashscope"):
                await client.transcribe(URLS[0], model="fun-asr", protocol="openai")
            with pytest.raises(ConfigError, match="tasks"):
                client.stream(URLS[0], model="fun-asr")
            with pytest.raises(ConfigError):
                await client.transcribe(URLS[0], model="fun-asr", nonsense=1)
            with pytest.raises(TypeError, match="Timeouts"):
                await client.transcribe(URLS[0], model="fun-asr", timeouts=5)

    colour.run(scenario)
    assert emulator.requests == []


def test_files_that_fail_are_handed_out_as_such(colour: Colour) -> None:
    files = {URLS[0]: SAID[URLS[0]], URLS[1]: "FILE_404_NOT_FOUND", URLS[2]: "SUCCESS_WITH_NO_VALID_FRAGMENT"}
    seen: list[Progress] = []

    async def scenario() -> list[Any]:
        async with made(colour, server) as client:
            return await drained(transcribe_files(client, URLS, model="fun-asr", on_progress=seen.append))

    with Emulator(clock="virtual", files=files) as server:
        found = {value.file_url: value for value in colour.run(scenario)}
    assert set(found) == set(URLS)
    failed = found[URLS[1]]
    assert isinstance(failed, FileFailed)
    assert (failed.code, type(failed.error), failed.error.code) == ("FILE_404_NOT_FOUND", TaskFailed, failed.code)
    assert found[URLS[0]].transcripts[0].text == "This is number 0."
    assert found[URLS[2]].transcripts[0].no_speech
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (3, 3, 1)


def test_many_files_are_cut_into_tasks(colour: Colour) -> None:
    urls = [f"https://example.com/{i}.wav" for i in range(104)]

    async def scenario() -> list[Any]:
        async with made(colour, server) as client:
            return await drained(transcribe_files(client, urls, model="paraformer-v2"))

    with Emulator(Script.from_texts(["Yes."]), clock="virtual") as server:
        found = colour.run(scenario)
        assert [len(task.urls) for task in server.tasks] == [100, 4]
    assert sorted(value.file_url for value in found) == sorted(urls)
    assert set(texts(found)) == {"Yes."}


def test_thirty_tasks_are_watched_over_lists(colour: Colour) -> None:
    urls = [f"https://example.com/{i}.wav" for i in range(30)]

    async def scenario() -> list[Any]:
        async with made(colour, server) as client:
            return await drained(transcribe_files(client, urls, model="qwen3-asr-flash-filetrans"))

    with Emulator(Script.from_texts(["Yes."]), clock="virtual", queue_time=10, run_time=60, rate_limit=20) as server:
        found = colour.run(scenario)
        assert len(server.tasks) == 30
        paths = [request.path for request in server.requests if request.method == "GET"]
        assert 429 not in [sent.status for sent in server.sent]
    assert sorted(value.file_url for value in found) == sorted(urls)
    assert len([path for path in paths if path.startswith("/api/v1/tasks/?")]) > 5
    assert len([path for path in paths if path.startswith("/api/v1/tasks/") and "?" not in path]) < 90


def test_an_iterator_may_be_left_half_way(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> None:
        async with made(colour, emulator) as client:
            async for value in transcribe_files(client, URLS, model="fun-asr"):
                assert value.transcripts
                break
            settled = getattr(client, "inner", client)
            assert settled._transport._slots._busy == set()

    colour.run(scenario)


# == one by one =======================================================================================================


def test_get_cancel_and_an_id_is_enough(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> None:
        async with made(colour, emulator) as client:
            first = await tasks(client).submit(URLS, model="fun-asr")
            second = await tasks(client).submit(URLS[0], model="fun-asr")
            assert await tasks(client).cancel(first) is None
            assert (await tasks(client).get(first.task_id)).status == "CANCELED"
            emulator.advance(2)
            running = await tasks(client).get(second.task_id)
            assert (running.status, running.task_id) == ("RUNNING", second.task_id)
            with pytest.raises(HTTPStatusError) as refused:
                await tasks(client).cancel(second.task_id)
            assert (refused.value.http_status, refused.value.code) == (400, "UnsupportedOperation")
            with pytest.raises(TaskFailed, match="canceled") as canceled:
                await tasks(client).wait(first.task_id)
            assert canceled.value.task.task_id == first.task_id
            unknown = await tasks(client).get("no-such-task")
            assert (unknown.status, unknown.done) == ("UNKNOWN", True)
            with pytest.raises(ConfigError):
                await tasks(client).get("../models")
            with pytest.raises(TypeError):
                await tasks(client).get(5)

    colour.run(scenario)


def test_list(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> tuple[list[Task], list[Task], list[Task]]:
        async with made(colour, emulator) as client:
            for i in range(7):
                await tasks(client).submit(URLS[0], model="fun-asr" if i % 2 else "paraformer-v2")
            await tasks(client).cancel(emulator.tasks[0].id)
            every = await drained(tasks(client).list(page_size=3))
            half = await drained(tasks(client).list(model_name="fun-asr"))
            canceled = await drained(tasks(client).list(status="CANCELED"))
            with pytest.raises(ConfigError):
                tasks(client).list(page_size=0)
            return every, half, canceled

    every, half, canceled = colour.run(scenario)
    ids = [task.id for task in emulator.tasks]
    assert sorted(task.task_id for task in every) == sorted(ids)
    assert [task.model for task in half] == ["fun-asr"] * 3
    assert [task.task_id for task in canceled] == ids[:1]
    pages = [request for request in emulator.requests if request.path.startswith("/api/v1/tasks/?")]
    assert len(pages) == 3 + 1 + 1


def test_a_wait_that_ends_goes_on_in_another_client(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> tuple[Task, Task]:
        async with colour.client(emulator) as client:
            task = await tasks(client).submit(URLS[0], model="fun-asr")
            with pytest.raises(Timeout) as ended:
                await tasks(client).wait(task, timeout=0.05)
            assert (ended.value.phase, ended.value.retry_safe) == ("wait", True)
        kept = pickle.loads(pickle.dumps(ended.value.task))
        async with made(colour, emulator) as other:
            return kept, await tasks(other).wait(kept)

    kept, done = colour.run(scenario)
    assert (kept.task_id, kept.status, kept.model) == (done.task_id, "PENDING", "fun-asr")
    assert done.status == "SUCCEEDED"
    assert done.subtasks[0].file_url == URLS[0]
    assert pickle.loads(pickle.dumps(done)) == done


def test_the_whole_call_bounds_a_wait(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> None:
        async with colour.client(emulator, timeouts=Timeouts(total=0.2)) as client:
            task = await tasks(client).submit(URLS[0], model="fun-asr")
            with pytest.raises(Timeout) as ended:
                await tasks(client).wait(task)
            assert (ended.value.phase, ended.value.task.task_id) == ("wait", task.task_id)
            with pytest.raises(Timeout) as ended:
                await client.transcribe(URLS[0], model="fun-asr")
            assert (ended.value.phase, ended.value.task.task_id) == ("wait", emulator.tasks[1].id)

    colour.run(scenario)


def test_keys_that_live_for_a_minute(colour: Colour) -> None:
    async def scenario() -> list[Any]:
        async with made(colour, server, api_key=server.issue_token) as client:
            return await drained(transcribe_files(client, URLS, model="fun-asr"))

    with Emulator(clock="virtual", queue_time=100, run_time=200, files=SAID) as server:
        assert len(texts(colour.run(scenario))) == 3
        assert len({r.headers["authorization"] for r in server.requests if r.path.startswith("/api/")}) > 60


def test_results_that_are_gone(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> list[Any]:
        async with made(colour, emulator) as client:
            done = await tasks(client).wait(await tasks(client).submit(URLS[:2], model="fun-asr"))
            emulator.advance(DAY)
            with pytest.raises(TaskFailed, match="24 h"):
                await drained(tasks(client).results(done.task_id))
            return await drained(tasks(client).results(done))

    found = colour.run(scenario)
    assert [type(value) for value in found] == [FileFailed, FileFailed]
    for value, url in zip(found, URLS, strict=False):
        assert value.file_url == url
        assert (type(value.error), value.error.http_status) == (ResultExpired, 403)
        assert "24 h" in str(value.error)
        assert "Signature" not in repr(value) + str(value.error)


def test_a_closed_client(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> None:
        client = made(colour, emulator)
        task = await tasks(client).submit(URLS[0], model="fun-asr")
        await client.aclose()
        with pytest.raises(Closed):
            await tasks(client).wait(task)

    colour.run(scenario)


# == money ============================================================================================================


@pytest.mark.parametrize("how", ["rst", "fin", "stall", "500"])
@pytest.mark.parametrize("model", ["fun-asr", "qwen3-asr-flash-filetrans"])
def test_a_reply_that_was_lost(colour: Colour, emulator: Emulator, how: str, model: str) -> None:
    async def scenario() -> tuple[Any, Any]:
        timeouts = Timeouts(connect=HANG, write=HANG, head=0.3 if how == "stall" else HANG)
        async with made(colour, emulator) as client:
            with pytest.raises(ASRWireError) as lost:
                await tasks(client).submit(URLS[0], model=model, timeouts=timeouts)
            found = await tasks(client).find(URLS[0], since=emulator.tasks[0].created / 1000, model=model)
            return lost.value, found

    emulator.lose_reply(how)  # type: ignore[arg-type]
    error, found = colour.run(scenario)
    assert len(submits(emulator)) == len(emulator.tasks) == 1
    kind = {"rst": "connect", "fin": "protocol", "stall": "timeout", "500": "http_status"}[how]
    assert (error.kind, error.sent, error.retry_safe) == (kind, "complete", False)
    assert "find" in str(error)
    assert found.task_id == emulator.tasks[0].id


@pytest.mark.parametrize("how", ["rst", "500"])
def test_resend_is_the_callers_word(colour: Colour, emulator: Emulator, how: str) -> None:
    async def scenario() -> Task:
        async with made(colour, emulator) as client:
            task: Task = await tasks(client).submit(URLS[0], model="fun-asr", resend=True)
            return task

    emulator.lose_reply(how)  # type: ignore[arg-type]
    task = colour.run(scenario)
    assert [record.id for record in emulator.tasks][1:] == [task.task_id]
    assert len(submits(emulator)) == 2


def test_lost_replies_among_many_files(colour: Colour, emulator: Emulator) -> None:
    async def scenario() -> list[Any]:
        async with made(colour, emulator) as client:
            return await drained(transcribe_files(client, URLS, model="qwen3-asr-flash-filetrans"))

    emulator.lose_reply("rst")
    with pytest.raises(ConnectFailed, match="find") as lost:
        colour.run(scenario)
    assert (lost.value.sent, lost.value.retry_safe) == ("complete", False)
    assert len(submits(emulator)) == len(emulator.tasks) == 1


def test_a_submit_that_was_not_taken_is_sent_again(colour: Colour) -> None:
    rate = sized(b'{"code":"Throttling.RateQuota","message":"slow down","request_id":"r"}', b"429 X")
    quota = sized(b'{"code":"PrepaidBillOverdue","message":"pay","request_id":"r"}', b"429 X")
    task = sized((SAMPLES / "funasr_submit_response.json").read_bytes())

    async def scenario() -> None:
        async with made(colour, server) as client:
            assert (await tasks(client).submit(URLS[0], model="fun-asr")).status == "PENDING"
            with pytest.raises(HTTPStatusError) as refused:
                await tasks(client).submit(URLS[0], model="fun-asr")
            assert (refused.value.code, refused.value.request_id) == ("PrepaidBillOverdue", "r")

    with Server(rate, rate, task, quota) as server:
        colour.run(scenario)
        assert len(server.requests) == 4


# == polls that break =================================================================================================

RUNNING = sized((SAMPLES / "funasr_poll_running.json").read_bytes())
SUCCEEDED = sized((SAMPLES / "funasr_poll_succeeded.json").read_bytes())


def reset(peer: Peer) -> None:
    peer.reset()


def finish(peer: Peer) -> None:
    pass


def cut(peer: Peer) -> None:
    peer.send(RUNNING[:-20])


FAULTS: dict[str, Any] = {
    "rst": reset,
    "fin": finish,
    "cut": cut,
    "502": sized(b"<html>", b"502 Bad Gateway", b"text/html"),
    "503": sized(b"", b"503 X", more=b"Retry-After: 3\r\n"),
    "429": sized(b'{"code":"Throttling.RateQuota"}', b"429 X", more=b"Retry-After: 4\r\n"),
    "empty": sized(b""),
    "half of the JSON": sized((SAMPLES / "funasr_poll_running.json").read_bytes()[:80]),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("first", [True, False])
def test_a_wait_survives(colour: Colour, clock: Clock, fault: Any, first: bool) -> None:
    async def scenario() -> Task:
        async with made(colour, server) as client:
            task: Task = await tasks(client).wait("f86ec806")
            assert all(0.8 <= seconds <= 5 for seconds in clock.waited or ())
            return task

    answers = [fault, RUNNING, fault, fault, RUNNING, SUCCEEDED]
    with Server(*(answers if first else answers[1:])) as server:
        assert colour.run(scenario).status == "SUCCEEDED"
        assert len(server.requests) == (6 if first else 5)


def test_retry_after_is_honoured_within_limits(colour: Colour, clock: Clock) -> None:
    def busy(seconds: int) -> bytes:
        return sized(b"{}", b"429 X", more=b"Retry-After: %d\r\n" % seconds)

    async def scenario() -> list[float]:
        async with made(colour, server, limits=Limits(retry_after=20)) as client:
            await tasks(client).wait("f86ec806")
            return clock.waited or []

    with Server(busy(17), busy(3600), SUCCEEDED) as server:
        assert [round(seconds) for seconds in colour.run(scenario)] == [17, 20]


def test_three_answers_that_are_no_json(colour: Colour) -> None:
    async def scenario() -> None:
        async with made(colour, server) as client:
            with pytest.raises(DecodeError) as undecodable:
                await tasks(client).wait("f86ec806")
            assert undecodable.value.task.status == "RUNNING"

    with Server(RUNNING, sized(b"nope")) as server:
        colour.run(scenario)
        assert len(server.requests) == 4


def test_a_poll_that_is_refused_ends_the_wait(colour: Colour) -> None:
    body = orjson.dumps({"code": "InvalidApiKey", "message": f"Invalid key {KEY}", "request_id": KEY})

    async def scenario() -> None:
        async with made(colour, server) as client:
            with pytest.raises(HTTPStatusError) as refused:
                await tasks(client).wait("f86ec806")
            assert (refused.value.code, refused.value.http_status) == ("InvalidApiKey", 401)
            assert KEY not in str(refused.value) + repr(refused.value) + str(refused.value.request_id)
            assert refused.value.task.status == "RUNNING"

    with Server(RUNNING, sized(body, b"401 Unauthorized")) as server:
        colour.run(scenario)


# == result files that move ===========================================================================================


def test_a_result_that_has_moved_and_breaks(colour: Colour) -> None:
    body = (SAMPLES / "funasr_result.json").read_bytes()
    moved = b"HTTP/1.1 302 X\r\nLocation: /there?Signature=t0p\r\nContent-Length: 0\r\n\r\n"

    def cut_file(peer: Peer) -> None:
        peer.send(sized(body)[:-50])

    async def scenario() -> list[Any]:
        async with made(colour, api) as client:
            return await drained(tasks(client).results("f86ec806"))

    with Server(moved, cut_file, moved, sized(b"", b"503 X"), moved, sized(body)) as files:
        poll = orjson.loads((SAMPLES / "funasr_poll_succeeded.json").read_bytes())
        poll["output"]["results"][0]["transcription_url"] = f"http://127.0.0.1:{files.port}/here?Signature=s3cr3t"
        with Server(sized(orjson.dumps(poll))) as api:
            (found,) = colour.run(scenario)
            assert len(api.requests) == 1
        assert len(files.requests) == 6
        assert not [request for request in files.requests if KEY.encode() in request or b"DashScope" in request]
    assert isinstance(found, FileResult)
    assert found.transcripts[0].sentences


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://u:p@127.0.0.1/x", "https://a\r\nX: y/", "ftp://a/b"])
def test_result_urls_that_are_not_followed(colour: Colour, url: str) -> None:
    async def scenario() -> list[Any]:
        async with made(colour, api) as client:
            return await drained(tasks(client).results("f86ec806"))

    poll = orjson.loads((SAMPLES / "funasr_poll_succeeded.json").read_bytes())
    poll["output"]["results"][0]["transcription_url"] = url
    with Server(sized(orjson.dumps(poll))) as api:
        (found,) = colour.run(scenario)
        assert len(api.requests) == 1
    assert (type(found), type(found.error)) == (FileFailed, DecodeError)
    assert url not in str(found.error)


# == regions ==========================================================================================================


class Backend:
    """A network that notes where it was asked to connect and what it was sent, and answers from a list."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.hosts: list[tuple[str, int, str | None]] = []
        self.requests: list[bytes] = []

    def http(self) -> Any:
        names = dict(vars(httpcore))
        names["SyncBackend"] = lambda: _MockBackend(self)
        names["TrioBackend"] = lambda: _AsyncMockBackend(self)
        return types.SimpleNamespace(**names)

    async def connect(self, host: str, port: int, *arguments: Any) -> Any:
        """What connects on asyncio."""
        return _AsyncMockStream(_Wire(self, host, port))


class _Wire:
    def __init__(self, backend: Backend, host: str, port: int) -> None:
        self.backend = backend
        backend.hosts.append((host, port, None))
        self.unread = b""

    def wrote(self, data: bytes) -> None:
        head = data.partition(b"\r\n\r\n")[0]
        if b" HTTP/1.1\r\n" in head + b"\r\n":
            self.backend.requests.append(data)
            self.unread = self.backend.answers.pop(0)
        else:
            self.backend.requests[-1] += data

    def secure(self, server_hostname: str | None) -> None:
        host, port, _ = self.backend.hosts[-1]
        self.backend.hosts[-1] = (host, port, server_hostname)

    def taken(self) -> bytes:
        data, self.unread = self.unread, b""
        return data


class _MockBackend(httpcore.MockBackend):
    def __init__(self, backend: Backend) -> None:
        self._notes = backend

    def connect_tcp(self, host: str, port: int, *arguments: Any, **more: Any) -> Any:
        return _MockStream(_Wire(self._notes, host, port))


class _MockStream(httpcore.MockStream):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._wire.taken()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wire.wrote(bytes(buffer))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        self._wire.secure(server_hostname)
        return self

    def close(self) -> None: ...

    def get_extra_info(self, info: str) -> Any:
        return None


class _AsyncMockBackend(httpcore.AsyncMockBackend):
    def __init__(self, backend: Backend) -> None:
        self._notes = backend

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **more: Any) -> Any:
        return _AsyncMockStream(_Wire(self._notes, host, port))


class _AsyncMockStream(httpcore.AsyncMockStream):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._wire.taken()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wire.wrote(bytes(buffer))

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        self._wire.secure(server_hostname)
        return self

    async def aclose(self) -> None: ...

    def get_extra_info(self, info: str) -> Any:
        return None


CLOSING = b"Connection: close\r\n"
HOSTS = [
    (None, None, "dashscope.aliyuncs.com"),
    ("cn-beijing", None, "dashscope.aliyuncs.com"),
    ("ap-southeast-1", None, "dashscope-intl.aliyuncs.com"),
    ("us-east-1", None, "dashscope-us.aliyuncs.com"),
    ("cn-hongkong", None, "cn-hongkong.dashscope.aliyuncs.com"),
    (None, "ws-1", "ws-1.cn-beijing.maas.aliyuncs.com"),
    ("ap-southeast-1", "ws-1", "ws-1.ap-southeast-1.maas.aliyuncs.com"),
    ("us-east-1", "ws-1", "ws-1.us-east-1.maas.aliyuncs.com"),
    ("cn-hongkong", "ws-1", "ws-1.cn-hongkong.maas.aliyuncs.com"),
    ("eu-central-1", "ws-1", "ws-1.eu-central-1.maas.aliyuncs.com"),
]
HELLO = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
WELCOME = "https://dashscope.oss-cn-beijing.aliyuncs.com/audios/welcome.mp3"
RESULT_HOST = "dashscope-result-bj.oss-cn-beijing.aliyuncs.com"


def fields(request: bytes) -> tuple[bytes, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, dict(line.decode().split(": ", 1) for line in lines), body


@pytest.mark.parametrize(("region", "workspace", "host"), HOSTS)
@pytest.mark.parametrize(
    ("model", "url", "options", "sample"),
    [
        ("fun-asr", HELLO, {"channel_id": [0]}, "funasr"),
        ("qwen3-asr-flash-filetrans", WELCOME, {"channel_id": [0], "enable_itn": False}, "filetrans"),
    ],
)
def test_what_each_region_is_sent(
    colour: Colour,
    monkeypatch: pytest.MonkeyPatch,
    region: str | None,
    workspace: str | None,
    host: str,
    model: str,
    url: str,
    options: Any,
    sample: str,
) -> None:
    monkeypatch.setattr(_backend.Tap, "_resolve", lambda tap, host, port: [host])

    def read(name: str) -> bytes:
        return (SAMPLES / f"{sample}_{name}.json").read_bytes()

    backend = Backend(
        *(sized(body, more=CLOSING) for body in (read("submit_response"), read("poll_succeeded"), read("result"))),
        sized((SAMPLES / "task_list_response.json").read_bytes(), more=CLOSING),
        sized((SAMPLES / "task_cancel_response.json").read_bytes(), more=CLOSING),
    )
    monkeypatch.setattr(_backend, "connect", backend.connect)

    async def scenario() -> tuple[Task, list[Any], list[Task]]:
        settings = {"ssl_context": contexts()[1], "http": backend.http()}
        async with colour.client(region=region, workspace=workspace, **settings) as client:
            task = await tasks(client).submit(url, model=model, **options)
            done = await tasks(client).wait(task)
            found = await drained(tasks(client).results(done))
            listed = await drained(tasks(client).list(model_name=model, page_size=10))
            await tasks(client).cancel(task)
            return task, found, listed

    task, found, listed = colour.run(scenario)
    assert [type(value) for value in found] == [FileResult]
    assert found[0].transcripts[0].sentences
    assert (len(listed), task.region) == (2, region or "cn-beijing")
    assert backend.hosts == [(name, 443, name) for name in (host, host, RESULT_HOST, host, host)]
    submit, poll, result, listing, cancel = [fields(request) for request in backend.requests]

    ours = {"Host": host, "User-Agent": "asrwire", "Authorization": f"Bearer {KEY}", "Accept-Encoding": "identity"}
    ours |= {"Accept": "application/json", "X-DashScope-Async": "enable"}
    json = {"Content-Type": "application/json"}
    assert submit[0] == b"POST /api/v1/services/audio/asr/transcription HTTP/1.1"
    assert submit[1] == ours | json | {"Content-Length": str(len(submit[2]))}
    assert orjson.loads(submit[2]) == orjson.loads(read("submit_request"))
    assert poll == (b"GET /api/v1/tasks/%b HTTP/1.1" % task.task_id.encode(), ours | json, b"")
    assert listing == (b"GET /api/v1/tasks/?model_name=%b&page_no=1&page_size=10 HTTP/1.1" % model.encode(), ours, b"")
    without = {name: value for name, value in ours.items() if name != "X-DashScope-Async"}
    assert cancel[0] == b"POST /api/v1/tasks/%b/cancel HTTP/1.1" % task.task_id.encode()
    assert cancel[1] == without | {"Content-Length": "0"}
    target = orjson.loads(read("poll_succeeded"))["output"]
    target = target["result"] if sample == "filetrans" else target["results"][0]
    path = target["transcription_url"].partition(RESULT_HOST)[2].encode()
    anonymous = {"Host": RESULT_HOST, "User-Agent": "asrwire", "Accept": "*/*", "Accept-Encoding": "identity"}
    assert result == (b"GET %b HTTP/1.1" % path, anonymous, b"")
