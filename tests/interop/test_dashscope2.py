# dashscope's 2.x interface (Client and AsyncClient, httpx and httpx-sse) against the emulator.
#
# Where the library loses, doubles or misreads something, what it does stands here beside asrwire's answer: a version
# that does better fails the test and is noticed.

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest
from dashscope import AsyncClient, Client
from dashscope.v2 import errors

from asrwire import FileFailed, FileResult, HTTPStatusError, ServiceError, read_result
from asrwire.emulator import Emulator, Sample
from tests.interop import (
    DATA,
    KEY,
    MISSING,
    ONE,
    SCRIPT,
    TEXTS,
    TWO,
    URL,
    WHOLE,
    check_same,
    fetched,
    listed,
    seen,
    streamed,
    submitted,
    transcribed,
)

QWEN = "qwen3-asr-flash"
REALTIME = "fun-asr-realtime"
FILETRANS = "qwen3-asr-flash-filetrans"
UNKNOWN = "a-model-of-no-name"  # an emulator of a sample answers for any model, and has no table to refuse by
SAMPLES = Path(__file__).parents[1] / "samples"
INVENTED = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}  # where the answer holds no such counts
QWEN_USAGE = {
    "output_tokens_details": {"text_tokens": 20},
    "input_tokens_details": {"text_tokens": 0},
    "seconds": 8,
}


def connect(emulator: Emulator, **options: Any) -> Client:
    return Client(api_key=KEY, base_url=emulator.base_url, max_retries=0, **options)


def messages(audio: str = URL) -> Any:
    return [{"role": "user", "content": [{"audio": audio}]}]


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with connect(emulator) as running:
        yield running


def heard(sample: Sample, **options: Any) -> tuple[list[str], str]:
    """The pieces of the library's text stream of a recorded answer, and the message it makes of them."""
    with Emulator(sample) as emulator, connect(emulator) as client:
        request: Any = {"model": UNKNOWN, "messages": messages(), "stream": True, **options}
        pieces = list(client.multimodal.chat.create(**request).text_stream)
        return pieces, client.multimodal.chat.create(**request).get_final_message().output_text


def read(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


# == qwen3-asr-flash ===================================================================================================


def test_one_answer(emulator: Emulator, client: Client) -> None:
    options = {"language": "en", "enable_itn": True}
    said: Any = [{"role": "system", "content": [{"text": "names: Ada"}]}, *messages()]
    theirs = client.multimodal.chat.create(model=QWEN, messages=said, parameters={"asr_options": options})
    ours = transcribed(emulator, model=QWEN, protocol="dashscope", context="names: Ada", **options)
    assert theirs.output_text == ours.text == WHOLE
    assert theirs.choices[0].finish_reason == ours.finish_reason == "stop"
    assert theirs.choices[0].message.model_extra == {
        "annotations": [{"type": "audio_info", "language": "en", "emotion": "neutral"}]
    }
    assert (ours.language, ours.emotion) == ("en", "neutral")
    assert ours.usage is not None
    assert ours.usage.raw == QWEN_USAGE
    assert theirs.usage is not None
    assert theirs.usage.model_dump() == {**INVENTED, **QWEN_USAGE}
    assert (theirs.request_id, ours.request_id) == tuple(sent.request_id for sent in emulator.sent[-2:])
    assert theirs.headers["x-request-id"] == theirs.request_id
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them


@pytest.mark.parametrize("incremental", [None, True])
def test_stream(emulator: Emulator, client: Client, incremental: bool | None) -> None:
    request: Any = {"model": QWEN, "messages": messages(), "stream": True, "incremental_output": incremental}
    pieces = list(client.multimodal.chat.create(**request).text_stream)
    ours = streamed(emulator, model=QWEN, protocol="dashscope", extra={"incremental_output": True})
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them
    final = client.multimodal.chat.create(**request).get_final_message()
    assert "".join(pieces) == final.output_text == ours.text == WHOLE
    assert len(pieces) > len(TEXTS)
    assert final.choices[0].finish_reason == ours.finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.model_dump() == {**INVENTED, **QWEN_USAGE}
    assert (ours.usage and ours.usage.raw) == QWEN_USAGE


@pytest.mark.parametrize("by", ["library", "service"])
def test_snapshots(emulator: Emulator, client: Client, by: str) -> None:
    asked = {"incremental_output": False}
    options: Any = asked if by == "library" else {"parameters": asked}
    chunks = list(client.multimodal.chat.create(model=QWEN, messages=messages(), stream=True, **options))
    assert emulator.requests[-1].json["parameters"]["incremental_output"] is (by == "library")
    assert chunks[-1].delta is not None
    ours = streamed(emulator, model=QWEN, protocol="dashscope", extra=asked)
    assert chunks[-1].delta.content == ours.text == WHOLE


def test_audio_goes_to_the_same_place_by_either_way(emulator: Emulator, client: Client) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    inline: Any = [{"role": "user", "content": [part]}]
    texts = [
        client.chat.completions.create(model=QWEN, messages=messages()).output_text,
        client.chat.completions.create(model=QWEN, messages=messages(DATA)).output_text,
        client.chat.completions.create(model=QWEN, messages=inline).output_text,
    ]
    assert texts == [WHOLE] * 3
    assert [request.json["input"]["messages"][0]["content"] for request in emulator.requests[-3:]] == [
        [{"audio": URL}],
        [{"audio": DATA}],
        [{"audio": "data:audio/wav;base64,AAAA"}],
    ]


def test_asyncio(emulator: Emulator) -> None:
    async def scenario() -> tuple[str, list[str]]:
        client = AsyncClient(api_key=KEY, base_url=emulator.base_url, max_retries=0)
        async with client:
            one = await client.multimodal.chat.create(model=QWEN, messages=messages())
            stream = await client.multimodal.chat.create(model=QWEN, messages=messages(), stream=True)
            return one.output_text, [piece async for piece in stream.text_stream]

    one, pieces = asyncio.run(scenario())
    assert one == "".join(pieces) == transcribed(emulator, model=QWEN, protocol="dashscope").text == WHOLE


def test_the_compatible_protocol(emulator: Emulator) -> None:
    options = {"parameters": {"asr_options": {"language": "zh"}}}
    with Client(api_key=KEY, base_url=emulator.compatible_base_url, protocol="openai", max_retries=0) as client:
        one = client.chat.completions.create(model=QWEN, messages=messages(), **options)
        stream = client.chat.completions.create(model=QWEN, messages=messages(), stream=True, **options)
        final = stream.get_final_message()
    ours = streamed(emulator, model=QWEN, language="zh", include_usage=True)
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them
    assert one.output_text == final.output_text == ours.text == WHOLE
    assert one.usage is not None
    assert one.usage == final.usage
    assert (one.usage.input_tokens, one.usage.output_tokens, one.usage.total_tokens) == (200, 20, 220)
    assert ours.usage is not None
    assert (ours.usage.input_tokens, ours.usage.output_tokens, ours.usage.total_tokens) == (200, 20, 220)


# == fun-asr: the library has no call for it ===========================================================================


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "fun-asr-flash-2026-06-15",
            "input.messages[0].content[0].audio: "
            'audio goes into {"type": "input_audio", "input_audio": {"data": ...}} here',
        ),
        (REALTIME, "parameters.result_format: is not a parameter here"),
    ],
)
def test_chat_cannot_ask_for_it(emulator: Emulator, client: Client, model: str, message: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        client.multimodal.chat.create(model=model, messages=messages(DATA), stream=True, parameters={"format": "wav"})
    assert (caught.value.status_code, caught.value.code, caught.value.message) == (400, "InvalidParameter", message)
    assert streamed(emulator, DATA, model=model).text == WHOLE


# The library takes output.text, the whole text so far, for what is to be appended; asked for snapshots it even appends
# snapshots to snapshots.
def test_sentences_are_doubled() -> None:
    sample = Sample(read("funasr_realtime_http_stream_two_sentences.sse"))
    one = "欢迎使用阿里云。"
    so_far = ["欢迎", "欢迎使用", one, one, one + "在见", one + "再见。"]
    doubled = "欢迎欢迎使用欢迎使用阿里云。欢迎使用阿里云。欢迎使用阿里云。在见欢迎使用阿里云。再见。"
    assert "".join(so_far) == doubled
    assert heard(sample) == (so_far, doubled)
    assert heard(sample, incremental_output=False) == (["".join(so_far[: n + 1]) for n in range(6)], doubled)
    with Emulator(sample) as emulator:
        ours = streamed(emulator, model=REALTIME)
    assert [sentence.text for sentence in ours.sentences] == [one, "再见。"]
    assert ours.text == one + "再见。"


# And where there is no output.text, it has nothing: no sentence, no word, no error.
def test_sentences_are_dropped() -> None:
    body = b'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"output":{"sentence":{"sentence_id":1,"sentence_end":true,' \
        b'"begin_time":160,"end_time":1680,"text":"Hello.","words":[]}},"request_id":"r"}\n\n'  # fmt: skip
    assert heard(Sample(body)) == ([], "")
    with Emulator(Sample(body)) as emulator, connect(emulator) as client:
        chunks = list(client.multimodal.chat.create(model=UNKNOWN, messages=messages(), stream=True))
        assert [(chunk.choices, chunk.model_extra) for chunk in chunks] == [([], {})]
        assert streamed(emulator, model=REALTIME).text == "Hello."


@pytest.mark.parametrize("envelope", ["doc", "public", "workspace"])
def test_by_its_transport(envelope: Any) -> None:
    body = {
        "model": REALTIME,
        "input": {"messages": []},
        "parameters": {"audio_address": URL, "format": "wav"},
        "resources": [],
    }
    with Emulator(SCRIPT, envelope=envelope) as emulator, connect(emulator) as client:
        path = "/services/aigc/multimodal-generation/generation"
        response = client.transport.open_stream("POST", path, json=body, headers={"X-DashScope-SSE": "enable"})
        try:
            theirs = [event.json() for event in httpx_sse.EventSource(response).iter_sse()]
        finally:
            response.close()
        ours = streamed(emulator, model=REALTIME)
        by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them
    table = {event["output"]["sentence"]["sentence_id"]: event["output"]["sentence"] for event in theirs}
    assert [sentence["text"] for sentence in table.values()] == [one.text for one in ours.sentences] == TEXTS
    assert theirs[-1]["output"]["text"] == ours.text
    assert theirs[-1]["usage"] == (ours.usage and ours.usage.raw) == {"duration": 8}


# == framing and errors ================================================================================================

TEXT = "欢迎使用阿里云。"


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("funasr_realtime_http_stream.sse", TEXT),
        ("framing_crlf_keepalive.sse", TEXT),
        ("framing_no_final_blank.sse", "欢迎使用"),  # the final sentence is lost without a word
        ("framing_no_blank_lines.sse", None),  # everything is
    ],
)
def test_framing(name: str, last: str | None) -> None:
    sample = Sample(read(name))
    pieces, _ = heard(sample)
    assert (pieces[-1] if pieces else None) == last
    with Emulator(sample) as emulator:
        ours = streamed(emulator, model=REALTIME)
    assert (ours.text, ours.complete) == (TEXT, True)


def test_frames_run_together() -> None:
    sample = Sample(read("framing_no_blank_lines.sse") + b"\n\n")
    with pytest.raises(errors.DashScopeError, match="malformed SSE payload"):
        heard(sample)
    with Emulator(sample) as emulator:
        assert streamed(emulator, model=REALTIME).text == TEXT


def test_json_in_answer_to_a_request_for_a_stream() -> None:
    sample = Sample(read("funasr_flash_response.json"))
    with pytest.raises(httpx_sse.SSEError, match="got 'application/json'"):
        heard(sample)
    with Emulator(sample) as emulator:
        assert streamed(emulator, model=REALTIME).text == "Hello World，这里是阿里巴巴语音实验室。"


# The status of an error inside a stream stands in a comment, :HTTP_STATUS/429. The library reads past it, says 200.
@pytest.mark.parametrize("space", [b"", b" "])
def test_an_error_in_the_stream(space: bytes) -> None:
    sample = Sample(read("error_midstream_429.sse").replace(b"event:error", b"event:" + space + b"error"))
    with pytest.raises(errors.RateLimitError) as theirs:
        heard(sample)
    assert (theirs.value.status_code, theirs.value.code) == (200, "Throttling.AllocationQuota")
    with Emulator(sample) as emulator, pytest.raises(ServiceError) as ours:
        streamed(emulator, model=REALTIME)
    assert (ours.value.http_status, ours.value.code) == (429, "Throttling.AllocationQuota")


# An error event without a code is an ordinary chunk to the library: the stream ends, and ends well.
def test_an_error_in_the_stream_without_a_code() -> None:
    sample = Sample(b'id:1\nevent:error\n:HTTP_STATUS/500\ndata:{"message":"it broke","request_id":"r"}\n\n')
    assert heard(sample) == ([], "")
    with Emulator(sample) as emulator, pytest.raises(ServiceError, match="it broke") as ours:
        streamed(emulator, model=REALTIME)
    assert (ours.value.http_status, ours.value.code) == (500, None)


@pytest.mark.parametrize(
    ("name", "status", "kind", "code"),
    [
        ("error_body_arrearage_http400.sse", 400, errors.PermissionDeniedError, "Arrearage"),
        ("error_native_429.json", 429, errors.RateLimitError, "Throttling.RateQuota"),
    ],
)
def test_errors(name: str, status: int, kind: type[errors.APIStatusError], code: str) -> None:
    sample = Sample(read(name), status)
    with pytest.raises(kind) as theirs:
        heard(sample)
    with Emulator(sample) as emulator, pytest.raises(HTTPStatusError) as ours:
        streamed(emulator, model=REALTIME)
    assert (theirs.value.status_code, theirs.value.code) == (ours.value.http_status, ours.value.code) == (status, code)
    assert theirs.value.message in str(ours.value)


def test_no_key(emulator: Emulator) -> None:
    with connect(emulator) as client:
        client.transport.http_client.headers["Authorization"] = "Basic QWxhZGRpbg=="
        with pytest.raises(errors.AuthenticationError) as caught:
            client.multimodal.chat.create(model=QWEN, messages=messages())
    assert (caught.value.status_code, caught.value.code) == (401, "InvalidApiKey")
    assert caught.value.request_id == emulator.sent[-1].request_id


def test_a_field_that_is_not_there(emulator: Emulator, client: Client) -> None:
    with pytest.raises(errors.BadRequestError) as theirs:
        client.multimodal.chat.create(model=QWEN, messages=messages(), temperature=0.5)
    with pytest.raises(HTTPStatusError) as ours:
        transcribed(emulator, model=QWEN, protocol="dashscope", extra={"temperature": 0.5})
    message = "parameters.temperature: is not a parameter here"
    assert (theirs.value.status_code, theirs.value.code, theirs.value.message) == (400, "InvalidParameter", message)
    assert (ours.value.http_status, ours.value.code) == (400, "InvalidParameter")
    assert message in str(ours.value)


# == file tasks ========================================================================================================


@pytest.fixture
def tasks(timed: Emulator) -> Iterator[Client]:
    with connect(timed) as client:
        yield client


def asr_of(client: Client | AsyncClient) -> Any:
    with pytest.warns(FutureWarning, match="audio API is a preview"):
        return client.audio.asr


def read_file(url: str | None, task_id: str) -> FileResult:
    """The result file that a URL of theirs leads to, fetched without asrwire."""
    assert url is not None
    response = httpx.get(url)
    assert response.status_code == 200
    return replace(read_result(response.content), task_id=task_id)


def usage_of(job: Any) -> dict[str, Any] | None:
    """The usage as it came, without the counts the library adds."""
    if job.usage is None:
        return None
    usage: dict[str, Any] = job.usage.model_dump()
    assert {name: usage.pop(name) for name in INVENTED} == INVENTED
    return usage


def test_fun_asr_from_submission_to_text(timed: Emulator, tasks: Client) -> None:
    jobs = asr_of(tasks).jobs
    options = {"language_hints": ["zh"], "diarization_enabled": True}
    theirs = jobs.create(model="fun-asr", file_urls=[ONE, MISSING, TWO], parameters=options)
    submitted(timed, ONE, MISSING, TWO, model="fun-asr", **options)
    by_them, by_us = (request.json for request in timed.requests[-2:])
    assert by_us == by_them
    assert (theirs.status, theirs.finished) == ("PENDING", False)

    for status, seconds in (("PENDING", 0.5), ("RUNNING", 1.0), ("SUCCEEDED", 0)):
        state = jobs.fetch(theirs.task_id)
        ours = seen(timed, theirs.task_id)
        assert state.status == status
        assert state.finished == ours.done == (status == "SUCCEEDED")
        check_same(state.output, usage_of(state), ours)
        assert (state.submitted_at, state.scheduled_at, state.finished_at) == (
            ours.submit_time, ours.scheduled_time, ours.end_time
        )  # fmt: skip
        timed.advance(seconds)

    done = jobs.wait(theirs.task_id)
    first, failed, last = done.results
    ours_fetched = fetched(timed, theirs.task_id)
    assert ours_fetched[0] == read_file(first.transcription_url, theirs.task_id)
    assert ours_fetched[2] == read_file(last.transcription_url, theirs.task_id)
    assert [one.transcripts[0].text for one in ours_fetched if isinstance(one, FileResult)] == [WHOLE, WHOLE]
    assert isinstance(ours_fetched[1], FileFailed)
    assert failed.transcription_url is None
    assert failed.code == ours_fetched[1].code == "FILE_404_NOT_FOUND"


def test_no_parameters_are_sent_as_empty_ones(timed: Emulator, tasks: Client) -> None:
    asr_of(tasks).jobs.create(model="fun-asr", file_urls=[ONE])
    submitted(timed, ONE, model="fun-asr")
    by_them, by_us = (request.json for request in timed.requests[-2:])
    assert by_us == by_them == {"model": "fun-asr", "input": {"file_urls": [ONE]}, "parameters": {}}


def test_submit_and_wait_in_one_call() -> None:
    with Emulator(SCRIPT, queue_time=0, run_time=0) as emulator, connect(emulator) as client:
        theirs = asr_of(client).transcribe([ONE], poll_interval=0.01)
        assert emulator.tasks[0].model == "qwen-audio-3.1-asr-flash-filetrans"
        [ours] = fetched(emulator, theirs.task_id)
        assert ours == read_file(theirs.results[0].transcription_url, theirs.task_id)


def test_tasks_with_asyncio() -> None:
    async def scenario(emulator: Emulator) -> Any:
        async with AsyncClient(api_key=KEY, base_url=emulator.base_url, max_retries=0) as client:
            jobs = asr_of(client).jobs
            job = await jobs.create(model="fun-asr", file_urls=[ONE])
            return await jobs.wait(job, poll_interval=0.01)

    with Emulator(SCRIPT, queue_time=0, run_time=0) as emulator:
        theirs = asyncio.run(scenario(emulator))
        check_same(theirs.output, usage_of(theirs), seen(emulator, theirs.task_id))
        [ours] = fetched(emulator, theirs.task_id)
        assert ours == read_file(theirs.results[0].transcription_url, theirs.task_id)


# The library cannot submit to this model, which takes file_url; and of a task of it, the typed result holds nothing.
def test_filetrans_has_a_result_but_no_results(timed: Emulator, tasks: Client) -> None:
    jobs = asr_of(tasks).jobs
    with pytest.raises(errors.BadRequestError) as caught:
        jobs.create(model=FILETRANS, file_urls=[ONE])
    assert caught.value.message == "input.file_urls: one URL goes into input.file_url here"
    ours = submitted(timed, ONE, model=FILETRANS, enable_words=True)
    timed.advance(2)
    theirs = jobs.wait(ours.task_id)
    check_same(theirs.output, usage_of(theirs), seen(timed, ours.task_id))
    assert (theirs.succeeded, theirs.results, theirs.result_url) == (True, [], None)
    [result] = fetched(timed, ours.task_id)
    assert isinstance(result, FileResult)
    assert result == read_file(theirs.output["result"]["transcription_url"], ours.task_id)
    assert [sentence.text for sentence in result.transcripts[0].sentences] == TEXTS


def test_filetrans_that_fails(timed: Emulator, tasks: Client) -> None:
    task_id = submitted(timed, MISSING, model=FILETRANS).task_id
    timed.advance(2)
    with pytest.raises(errors.DashScopeError) as caught:
        asr_of(tasks).jobs.fetch(task_id)
    ours = seen(timed, task_id)
    assert (ours.status, ours.code) == ("FAILED", caught.value.code) == ("FAILED", "FILE_404_NOT_FOUND")
    check_same(caught.value.body["output"], None, ours)


def test_a_task_that_nobody_knows(timed: Emulator, tasks: Client) -> None:
    theirs = asr_of(tasks).jobs.wait("11111111-2222-3333-4444-555555555555")
    check_same(theirs.output, usage_of(theirs), seen(timed, "11111111-2222-3333-4444-555555555555"))
    assert (theirs.status, theirs.finished, theirs.succeeded) == ("UNKNOWN", True, False)


# Only the jobs of other resources can cancel and list, and the list, whose tasks stand in "data", they read as empty.
def test_cancel_and_list(timed: Emulator, tasks: Client) -> None:
    jobs = asr_of(tasks).jobs
    assert not hasattr(jobs, "cancel")
    assert not hasattr(jobs, "list")
    job = jobs.create(model="fun-asr", file_urls=[ONE])
    tasks.videos.jobs.cancel(job.task_id)
    with pytest.raises(errors.DashScopeError, match="was canceled while waiting"):
        jobs.wait(job.task_id)
    assert seen(timed, job.task_id).status == "CANCELED"
    with pytest.raises(errors.BadRequestError) as caught:
        tasks.videos.jobs.cancel(job.task_id)
    assert caught.value.code == "UnsupportedOperation"
    jobs.create(model="fun-asr", file_urls=[TWO])
    theirs = tasks.videos.jobs.list()
    assert (theirs.total, theirs.tasks) == (2, [])
    assert [one.status for one in listed(timed)] == ["PENDING", "CANCELED"]


def test_no_file_at_all(timed: Emulator, tasks: Client) -> None:
    with pytest.raises(ValueError, match="file_urls must not be empty"):
        asr_of(tasks).jobs.create(model="fun-asr", file_urls=[])
    assert timed.requests == []
