# The README's table of services, proved: every row's call is made as it stands there, over a network that notes the
# request and answers with the row's samples. Bytes sent and values made of the answer are compared with literals.

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from asrwire import ASRWireError, Client, FileFailed, FileResult, HTTPStatusError, Stream, Task, TaskFailed, Transcript
from asrwire._files import read_result
from asrwire._net import _backend
from asrwire._task import Subtask
from tests.servers import KEY, sized
from tests.test_client_tasks import Backend
from tests.test_requests import BASE64, CONTEXT, HELLO, WELCOME
from tests.test_samples import CASES, SAMPLES, Outcome, check, wire
from tests.test_task import EXPECTED, REFUSED

pytestmark = pytest.mark.transport

README = (Path(__file__).parent.parent / "README.md").read_text()
COLUMNS = ["system", "mode", "model", "call", "request sample", "answer sample"]
SAMPLE_MP3 = "https://example.com/audio/sample.mp3"
TLS = ssl.create_default_context()  # one for all clients: it takes longer to make than a test to run

#: where a row's call is made -> the host it must reach
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "public": ({}, "dashscope.aliyuncs.com"),
    "workspace": ({"workspace": "ws-1"}, "ws-1.cn-beijing.maas.aliyuncs.com"),
    "us": ({"region": "us-east-1"}, "dashscope-us.aliyuncs.com"),
}
RESULT_HOST = "dashscope-result-bj.oss-cn-beijing.aliyuncs.com"


# == what is sent =====================================================================================================

ANONYMOUS = {"User-Agent": "asrwire", "Accept-Encoding": "identity"}
OURS = {**ANONYMOUS, "Authorization": f"Bearer {KEY}", "Accept": "application/json"}
CALL = {**OURS, "Content-Type": "application/json"}
STREAM = {**CALL, "Accept": "text/event-stream"}
ASYNC = {"X-DashScope-Async": "enable"}
GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
COMPLETIONS = "/compatible-mode/v1/chat/completions"

#: kind of request -> method, target, header fields but for Host and Content-Length
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "openai": ("POST", COMPLETIONS, CALL),
    "openai stream": ("POST", COMPLETIONS, STREAM),
    "qwen": ("POST", GENERATION, CALL),
    "plain": ("POST", GENERATION, {**CALL, "X-DashScope-SSE": "disable"}),
    "stream": ("POST", GENERATION, {**STREAM, "X-DashScope-SSE": "enable"}),
    "submit": ("POST", "/api/v1/services/audio/asr/transcription", CALL | ASYNC),
    "query": ("GET", "/api/v1/tasks/{task}", CALL | ASYNC),
    "list": ("GET", "/api/v1/tasks/?model_name={model}&page_no=1&page_size=10", OURS | ASYNC),
    "cancel": ("POST", "/api/v1/tasks/{task}/cancel", OURS),
    "qwen file": ("GET", "/...", {**ANONYMOUS, "Accept": "*/*"}),
    "file": (
        "GET",
        "/pre/filetrans-16k/20240912/15%3A11/409a4b92-445b-4dd8-8c1d-f110954d82d8-1.json"
        "?Expires=1726211500&OSSAccessKeyId=yourOSSAccessKeyId&Signature=v5Owy5qoAfT7mzGmQgH0g8C****%3D",
        {**ANONYMOUS, "Accept": "*/*"},
    ),
}


# == the table ========================================================================================================


@dataclass(frozen=True)
class Row:
    system: str
    mode: str
    models: list[str]
    call: str
    request: str | None
    answers: list[str]

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.mode


def table(text: str) -> list[Row]:
    section = re.search(r"^## Which services\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    head, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head == COLUMNS
    assert all(set(cell) == {"-"} for cell in rule)
    return [_row(*cells) for cells in rows]


def _row(system: str, mode: str, models: str, call: str, request: str, answers: str) -> Row:
    def quoted(cell: str) -> list[str]:
        names = re.findall(r"`([^`]+)`", cell)
        assert cell == ", ".join(f"`{name}`" for name in names)
        return names

    (code,), named = quoted(call), quoted(request)
    assert len(named) < 2
    return Row(system, mode, quoted(models), code, named[0] if named else None, quoted(answers))


# == what comes of it =================================================================================================


@dataclass(frozen=True)
class Run:
    """One call that was made: what it was about, and what came of it: a value, a list of values, or the error."""

    row: Row
    model: str
    task: str
    region: str
    result: Any


Check = Callable[[Run], None]


def heard(run: Run) -> None:
    """The transcript, and while streaming the updates, that test_samples.py has for the sample."""
    (name,) = run.row.answers
    # How the bytes were counted is not a client's to show; an answer in one piece has no updates.
    outcome = run.result if isinstance(run.result, Outcome) else Outcome([], run.result, False, 0, None)
    assert isinstance(outcome.transcript, Transcript)
    streamed = CASES[name].updates if isinstance(run.result, Outcome) else ()
    check(replace(CASES[name], updates=streamed, at_end=False, events=0), outcome)


def told(run: Run) -> None:
    """The task that test_task.py has for the last sample."""
    name = run.row.answers[-1]
    assert run.result == Task(**EXPECTED[name.removesuffix(".json")], region=run.region)


def submitted(url: str) -> Check:
    def checked(run: Run) -> None:
        (name,) = run.row.answers
        expected = Task(**EXPECTED[name.removesuffix(".json")], model=run.model, region=run.region)
        assert run.result == replace(expected, subtasks=(Subtask(url, "PENDING"),))

    return checked


def listed(run: Run) -> None:
    assert run.result == [
        Task(
            "50e2ccea-abc4-43d7-a0dc-xxxxxx", "RUNNING", 1745568428109, 1745568428138,
            request_id="1abfc3c8-dd25-98da-ad0b-xxxxxx", model="wanx2.1-kf2v-plus", region="cn-beijing",
        ),
        Task(
            "3c777dbc-8cc6-4d80-aa90-xxxxxx", "SUCCEEDED", 1745568293253, 1745568293273, 1745568302481,
            request_id="f6bf34d9-bf87-9e8b-9ed4-xxxxxx", model="wanx2.1-t2i-turbo", region="cn-beijing",
        ),
    ]  # fmt: skip


def nothing(run: Run) -> None:
    assert run.result is None


def refused(run: Run) -> None:
    error = run.result
    assert isinstance(error, HTTPStatusError)
    assert (error.http_status, error.code) == (400, "UnsupportedOperation")
    assert "Failed to cancel the task, please confirm if the task is in PENDING status." in str(error)
    assert error.request_id == "f1a2b3c4-xxxx-xxxx-xxxx-e03c35068d83"


#: result file -> text, and every word with its times; the rest of it is compared by hand in test_samples.py
FILES: dict[str, tuple[str, list[tuple[int, int, str]]]] = {
    "filetrans_result.json": (
        "Senior staff, Principal Doris Jackson, Wakefield faculty, and of course my fellow classmates.I am honored to "
        "have been chosen to speak before my classmates along with the students across America today.",
        [(240, 1120, "Senior "), (1120, 1200, "staff"), (12268, 12428, "I "), (12428, 12508, "am ")],
    ),
    "funasr_result.json": (
        "Hello world, 这里是阿里巴巴语音实验室。",
        [(100, 596, "Hello "), (596, 844, "world")],
    ),
}


def read(transcript: Transcript, sample: str) -> None:
    text, timed = FILES[sample]
    assert transcript.text == text
    assert [(word.begin_time, word.end_time, word.text) for word in transcript.words] == timed


def fetched(run: Run) -> None:
    sample = run.row.answers[-1]
    (result,) = run.result
    assert isinstance(result, FileResult)
    assert result == replace(read_result(wire(sample)), task_id=run.task)
    read(result.transcripts[0], sample)


def fetched_and_failed(run: Run) -> None:
    result, failed = run.result
    fetched(replace(run, result=[result]))
    assert isinstance(failed, FileFailed)
    assert (failed.file_url, failed.code, failed.message, failed.task_id) == (
        REFUSED.file_url, "InvalidFile.DownloadFailed", "The audio file cannot be downloaded.", run.task
    )  # fmt: skip
    assert isinstance(failed.error, TaskFailed)


def transcribed(run: Run) -> None:
    """From submission to result: the transcript of the file, billed as the poll says."""
    _, poll, sample = run.row.answers
    assert isinstance(run.result, Transcript)
    assert run.result.usage == EXPECTED[poll.removesuffix(".json")]["usage"]
    assert (run.result.model, run.result.complete) == (run.model, True)
    assert run.result.sentences == read_result(wire(sample)).transcripts[0].sentences
    read(run.result, sample)


# == the rows =========================================================================================================


@dataclass(frozen=True)
class Proof:
    """What a row's call must send, and what must come of it.

    Attributes:
        sends: names in KINDS, in order.
        check: what must come of it.
        audio: what `audio` in the call stands for.
        adds: what the call puts into the body beside what its sample has.
        places: names in PLACES.
    """

    sends: tuple[str, ...]
    check: Check = heard
    audio: str = HELLO
    adds: dict[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ("public", "workspace")


MESSAGE = {"result_format": "message"}  # always sent, as the service's own SDKs do: without it nothing but text comes
INCREMENTAL = {"parameters": {**MESSAGE, "incremental_output": True}}
DIARIZED = {"parameters": {"speaker_diarization_enabled": True}}
OPENAI, NATIVE, FILETRANS = "Qwen3-ASR-Flash, OpenAI-compatible", "Qwen3-ASR-Flash", "Qwen3-ASR-Flash-Filetrans"
FUNASR, FLASH, REALTIME = "Fun-ASR, Paraformer", "Fun-ASR-Flash", "Fun-ASR-Realtime over HTTP"
AUDIO, AUDIO_FILE = "Qwen-Audio-3.x-ASR-Flash", "Qwen-Audio-3.x-ASR-Flash-Filetrans"
WHOLE = ("submit", "query", "file")

PROOFS: dict[tuple[str, str], Proof] = {
    (OPENAI, "plain"): Proof(("openai",), audio=WELCOME),
    (OPENAI, "plain, base64"): Proof(("openai",), audio=BASE64),
    (OPENAI, "stream"): Proof(("openai stream",), audio=WELCOME, adds={"stream": True}),
    (OPENAI, "stream, usage"): Proof(
        ("openai stream",), audio=WELCOME, adds={"stream": True, "stream_options": {"include_usage": True}}
    ),
    (NATIVE, "plain"): Proof(("qwen",), audio=WELCOME, adds={"parameters": MESSAGE}),
    (NATIVE, "plain, base64"): Proof(("qwen",), audio=BASE64, adds={"parameters": MESSAGE}),
    (NATIVE, "plain, US"): Proof(("qwen",), audio=WELCOME, adds={"parameters": MESSAGE}, places=("us",)),
    (NATIVE, "stream"): Proof(("stream",), audio=WELCOME, adds={"parameters": MESSAGE}),
    (NATIVE, "stream, incremental"): Proof(("stream",), audio=WELCOME, adds=INCREMENTAL),
    (FILETRANS, "submit"): Proof(("submit",), submitted(WELCOME), WELCOME),
    (FILETRANS, "poll, running"): Proof(("query",), told),
    (FILETRANS, "poll, succeeded"): Proof(("query",), told),
    (FILETRANS, "poll, failed"): Proof(("query",), told),
    (FILETRANS, "result file"): Proof(("query", "qwen file"), fetched),
    (FILETRANS, "all in one call"): Proof(("submit", "query", "qwen file"), transcribed, WELCOME),
    (FUNASR, "submit"): Proof(("submit",), submitted(HELLO)),
    (FUNASR, "poll, running"): Proof(("query",), told),
    (FUNASR, "poll, succeeded"): Proof(("query",), told),
    (FUNASR, "poll, some failed"): Proof(("query",), told),
    (FUNASR, "poll, all failed"): Proof(("query",), told),
    (FUNASR, "poll, no envelope"): Proof(("query",), told),
    (FUNASR, "poll, unknown"): Proof(("query",), told),
    (FUNASR, "wait"): Proof(("query", "query"), told),
    (FUNASR, "result file"): Proof(("query", "file"), fetched),
    (FUNASR, "result file, one failed"): Proof(("query", "file"), fetched_and_failed),
    (FUNASR, "all in one call"): Proof(WHOLE, transcribed),
    (FUNASR, "list"): Proof(("list",), listed),
    (FUNASR, "cancel"): Proof(("cancel",), nothing),
    (FUNASR, "cancel, refused"): Proof(("cancel",), refused),
    (FLASH, "plain"): Proof(("plain",)),
    (FLASH, "stream"): Proof(("stream",)),
    (FLASH, "stream, cumulative"): Proof(("stream",)),
    (FLASH, "plain, context"): Proof(("plain",), audio=BASE64),
    (FLASH, "stream, context"): Proof(("stream",), audio=BASE64),
    (REALTIME, "plain, URL"): Proof(("plain",), audio=SAMPLE_MP3),
    (REALTIME, "plain, base64"): Proof(("plain",), audio=BASE64),
    (REALTIME, "stream, URL"): Proof(("stream",), audio=SAMPLE_MP3),
    (REALTIME, "stream, base64"): Proof(("stream",), audio=BASE64),
    (AUDIO, "plain, public"): Proof(("plain",), places=("public",)),
    (AUDIO, "plain, workspace"): Proof(("plain",), places=("workspace",)),
    (AUDIO, "plain, diarized"): Proof(("plain",), adds=DIARIZED, places=("workspace",)),
    (AUDIO, "plain, no speech"): Proof(("plain",)),
    (AUDIO, "stream"): Proof(("stream",)),
    (AUDIO_FILE, "submit"): Proof(("submit",), submitted(HELLO)),
    (AUDIO_FILE, "poll, succeeded"): Proof(("query",), told),
    (AUDIO_FILE, "result file"): Proof(("query", "file"), fetched),
    (AUDIO_FILE, "all in one call"): Proof(WHOLE, transcribed),
}


# == making the calls =================================================================================================


def answer(name: str) -> bytes:
    """The response with this sample as its body."""
    kind = b"text/event-stream" if name.endswith(".sse") else b"application/json"
    status = b"400 Bad Request" if name.endswith("error_400.json") else b"200 OK"
    return sized(wire(name), status, kind, b"Connection: close\r\n")


def asked_for(row: Row) -> str:
    """The id of the task that the row's answers tell of, where they do."""
    ids = [EXPECTED.get(name.removesuffix(".json"), {}).get("task_id") for name in row.answers]
    return next((task_id for task_id in ids if task_id), "f86ec806-4d73-485f-a24f-000000000000")


def made(row: Row, client: Client, names: dict[str, Any]) -> Any:
    """Make the call as the README has it; iterators are read to their end."""
    try:
        value = eval(row.call, {"client": client, **names})
        if isinstance(value, Stream):
            with value as stream:
                updates = list(stream)
            return Outcome(updates, value.transcript, False, 0, None)
        return list(value) if isinstance(value, Iterator) else value
    except ASRWireError as error:
        return error


def parsed(request: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    return first, sorted((name, value) for name, _, value in (line.partition(": ") for line in lines)), body


def merged(body: dict[str, Any], adds: dict[str, Any]) -> dict[str, Any]:
    """`body` with what is added to it, the members of objects one by one."""
    objects = {name: merged(body.get(name, {}), value) for name, value in adds.items() if isinstance(value, dict)}
    return {**body, **adds, **objects}


def expected_body(row: Row, model: str, proof: Proof) -> dict[str, Any]:
    assert row.request is not None
    sample = (SAMPLES / row.request).read_text("utf-8")
    return merged(json.loads(sample.replace(WELCOME, proof.audio)), {"model": model, **proof.adds})


ROWS = table(README)
RUNS = [
    pytest.param(row, model, place, id=f"{row.system}-{row.mode}-{model}-{place}")
    for row in ROWS
    for model in row.models
    for place in (PROOFS[row.key].places if row.key in PROOFS else ("public",))
]


@pytest.mark.parametrize(("row", "model", "place"), RUNS)
def test_row(row: Row, model: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert row.key in PROOFS, f"nothing proves the README's row {row.key}"
    proof = PROOFS[row.key]
    settings, host = PLACES[place]
    monkeypatch.setattr(_backend.Tap, "_resolve", lambda tap, host, port: [host])
    backend = Backend(*map(answer, row.answers))
    task = asked_for(row)
    region = settings.get("region", "cn-beijing")
    with Client(KEY, http=backend.http(), ssl_context=TLS, **settings) as client:
        monkeypatch.setattr(client._transport.colour, "wait", lambda event, seconds: None)  # none between polls
        names = {"model": model, "audio": proof.audio, "url": proof.audio, "turns": CONTEXT, "task": task}
        result = made(row, client, names)

    assert backend.answers == []
    assert len(backend.requests) == len(proof.sends)
    for request, kind, reached in zip(backend.requests, proof.sends, backend.hosts, strict=True):
        method, target, fields = KINDS[kind]
        goes_to = RESULT_HOST if kind.endswith("file") else host
        assert reached == (goes_to, 443, goes_to)
        first, headers, body = parsed(request)
        assert first == f"{method} {target.format(task=task, model=model)} HTTP/1.1"
        length = {"Content-Length": str(len(body))} if method == "POST" else {}
        assert headers == sorted({"Host": goes_to, **fields, **length}.items())
        if method == "POST" and kind != "cancel":
            assert json.loads(body) == expected_body(row, model, proof)
        else:
            assert body == b""
    assert ("POST" in {KINDS[kind][0] for kind in proof.sends if kind != "cancel"}) is (row.request is not None)
    proof.check(Run(row, model, task, region, result))


# == the table is whole ===============================================================================================


def test_every_row_is_proved_and_every_proof_has_a_row() -> None:
    keys = [row.key for row in ROWS]
    assert keys == list(PROOFS)


def test_every_sample_of_a_call_is_in_the_table() -> None:
    named = {name for row in ROWS for name in (row.request, *row.answers) if name is not None}
    # Errors, framing, the WebSocket's messages and what is no whole answer of speech recognition are no modes.
    others = ("error_", "framing_", "ws_", "dashscope_generic", "qwen_asr_openai_error", "qwen_asr_dashscope_stream_fr")
    assert named == {path.name for path in SAMPLES.iterdir() if not path.name.startswith(others)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Which services", "## Services"),
        ("| system | mode |", "| mode | system |"),
        ("| stream |", "| streaming |"),
        ("| stream | `qwen3-asr-flash` |", "| stream | qwen3-asr-flash |"),
    ],
)
def test_another_table_is_noticed(old: str, new: str) -> None:
    assert old in README
    with pytest.raises(AssertionError):
        assert [row.key for row in table(README.replace(old, new, 1))] == list(PROOFS)
