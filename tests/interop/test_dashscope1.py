# dashscope's 1.x interface (module-level classes, requests and aiohttp) against the native half of the emulator.
#
# Where the library loses, doubles or misreads something, what it does stands here beside asrwire's answer: a version
# that does better fails the test and is noticed.

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import dashscope
import pytest
import requests
from dashscope import AioMultiModalConversation, MultiModalConversation
from dashscope.audio.asr import Transcription
from dashscope.audio.qwen_asr import QwenTranscription
from dashscope.common.error import InvalidTask

from asrwire import (
    ASRWireError,
    Client,
    FileFailed,
    FileResult,
    HTTPStatusError,
    ServiceError,
    Transcript,
    read_result,
)
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
    canceled,
    check_same,
    fetched,
    listed,
    seen,
    streamed,
    submitted,
    transcribed,
)

QWEN = "qwen3-asr-flash"
FLASH = "fun-asr-flash-2026-06-15"
REALTIME = "fun-asr-realtime"
FILETRANS = "qwen3-asr-flash-filetrans"
SAMPLES = Path(__file__).parents[1] / "samples"
INVENTED = {"input_tokens": 0, "output_tokens": 0, "characters": 0}  # where the answer holds no such counts
QWEN_USAGE = {
    "output_tokens_details": {"text_tokens": 20},
    "input_tokens_details": {"text_tokens": 0},
    "seconds": 8,
}


@pytest.fixture(autouse=True)
def own_pool() -> Iterator[None]:
    yield
    dashscope.close_shared_sync_session()


def point_at(emulator: Emulator) -> None:
    dashscope.base_http_api_url = emulator.base_url


def qwen(emulator: Emulator, **options: Any) -> Any:
    point_at(emulator)
    messages = [
        {"role": "system", "content": [{"text": "names: Ada"}]},
        {"role": "user", "content": [{"audio": URL}]},
    ]
    return MultiModalConversation.call(
        model=QWEN, api_key=KEY, messages=messages, result_format="message", **options
    )


def fun_asr(emulator: Emulator, model: str, *, stream: bool, **options: Any) -> Any:
    point_at(emulator)
    by_value = [{"audio": DATA}]
    by_reference = [{"type": "input_audio", "input_audio": {"data": URL}}]
    messages = [{"role": "user", "content": by_value if model == REALTIME else by_reference}]
    # Without the header the request is refused, and in one piece the library does not send it.
    headers = {} if stream else {"X-DashScope-SSE": "disable"}
    given = {"format": "wav", "stream": stream, "headers": headers, **options}
    return MultiModalConversation.call(model=model, api_key=KEY, messages=messages, **given)


def our_fun_asr(emulator: Emulator, model: str, *, stream: bool) -> Transcript:
    audio = DATA if model == REALTIME else URL
    return (streamed if stream else transcribed)(emulator, audio, model=model)


def parts(response: Any) -> list[dict[str, str]]:
    content: list[dict[str, str]] = response.output.choices[0].message.content
    return content


def text(response: Any) -> str:
    return "".join(part["text"] for part in parts(response))


# == qwen3-asr-flash ===================================================================================================


def test_one_answer(emulator: Emulator) -> None:
    options = {"language": "en", "enable_itn": True}
    theirs = qwen(emulator, asr_options=options)
    ours = transcribed(emulator, model=QWEN, protocol="dashscope", context="names: Ada", **options)
    assert theirs.status_code == 200
    assert parts(theirs) == [{"text": WHOLE}]
    assert ours.text == WHOLE
    choice = theirs.output.choices[0]
    assert choice.finish_reason == ours.finish_reason == "stop"
    assert choice.message["annotations"] == [{"type": "audio_info", "language": "en", "emotion": "neutral"}]
    assert (ours.language, ours.emotion) == ("en", "neutral")
    assert ours.usage is not None
    assert ours.usage.raw == QWEN_USAGE
    assert dict(theirs.usage) == {**INVENTED, **QWEN_USAGE}
    assert (ours.usage.seconds, ours.usage.output_tokens, ours.usage.input_tokens) == (8, None, None)
    assert theirs.request_id == emulator.sent[-2].request_id
    assert ours.request_id == emulator.sent[-1].request_id
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them


def test_cumulative_stream(emulator: Emulator) -> None:
    theirs = list(qwen(emulator, stream=True))
    ours = streamed(emulator, model=QWEN, protocol="dashscope", context="names: Ada")
    assert text(theirs[-1]) == ours.text == WHOLE
    assert all(text(later).startswith(text(sooner)) for sooner, later in pairwise(theirs))
    assert theirs[-1].output.choices[0].finish_reason == ours.finish_reason == "stop"
    assert (ours.usage and ours.usage.raw) == QWEN_USAGE
    assert dict(theirs[-1].usage) == {**INVENTED, **QWEN_USAGE}
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them


def test_incremental_stream(emulator: Emulator) -> None:
    theirs = list(qwen(emulator, stream=True, incremental_output=True))
    extra = {"incremental_output": True}
    ours = streamed(emulator, model=QWEN, protocol="dashscope", context="names: Ada", extra=extra)
    assert "".join(map(text, theirs)) == ours.text == WHOLE
    assert ours.finish_reason == "stop"
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them


# Asked for snapshots, the library asks the service for increments and adds them up itself.
def test_snapshots_made_by_the_library(emulator: Emulator) -> None:
    theirs = list(qwen(emulator, stream=True, incremental_output=False))
    assert emulator.requests[-1].json["parameters"]["incremental_output"] is True
    ours = streamed(emulator, model=QWEN, protocol="dashscope", extra={"incremental_output": False})
    assert emulator.requests[-1].json["parameters"]["incremental_output"] is False
    assert ours.text == WHOLE
    assert [text(response) for response in theirs[-2:]] == [WHOLE, WHOLE]
    assert theirs[-1].output.choices[0].finish_reason == "stop"


def test_asyncio(emulator: Emulator) -> None:
    point_at(emulator)
    messages = [{"role": "user", "content": [{"audio": URL}]}]
    options: Any = {"model": QWEN, "api_key": KEY, "messages": messages, "result_format": "message"}

    async def scenario() -> tuple[Any, list[Any]]:
        try:
            one = await AioMultiModalConversation.call(**options)
            frames = await AioMultiModalConversation.call(**options, stream=True, incremental_output=True)
            return one, [frame async for frame in frames]
        finally:
            await dashscope.close_shared_aio_session()

    one, frames = asyncio.run(scenario())
    ours = transcribed(emulator, model=QWEN, protocol="dashscope")
    assert text(one) == "".join(map(text, frames)) == ours.text == WHOLE


# == fun-asr: the library hands output.sentence through as it came =====================================================


@pytest.fixture(params=["doc", "public", "workspace"])
def enveloped(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    with Emulator(SCRIPT, envelope=request.param) as running:
        yield running


@pytest.mark.parametrize("model", [FLASH, REALTIME])
def test_fun_asr(enveloped: Emulator, model: str) -> None:
    theirs = fun_asr(enveloped, model, stream=False)
    ours = our_fun_asr(enveloped, model, stream=False)
    sentence = theirs.output["sentence"]
    assert theirs.output.text == sentence["text"] == ours.text == WHOLE
    words = [(word["begin_time"], word["end_time"], word["text"], word["punctuation"]) for word in sentence["words"]]
    assert words == [(word.begin_time, word.end_time, word.text, word.punctuation) for word in ours.words]
    assert (sentence["begin_time"], sentence["end_time"]) == (ours.sentences[0].begin_time, ours.sentences[0].end_time)
    assert dict(theirs.usage) == {**INVENTED, "duration": 8}
    assert (ours.usage and ours.usage.raw) == {"duration": 8}


@pytest.mark.parametrize("model", [FLASH, REALTIME])
def test_fun_asr_stream(enveloped: Emulator, model: str) -> None:
    theirs = list(fun_asr(enveloped, model, stream=True))
    ours = our_fun_asr(enveloped, model, stream=True)
    table = {response.output["sentence"]["sentence_id"]: response.output["sentence"] for response in theirs}
    assert [sentence["text"] for sentence in table.values()] == [one.text for one in ours.sentences] == TEXTS
    assert list(table) == [one.sentence_id for one in ours.sentences] == [1, 2, 3, 4]
    assert all(sentence["sentence_end"] for sentence in table.values())
    assert [(sentence["begin_time"], sentence["end_time"]) for sentence in table.values()] == [
        (one.begin_time, one.end_time) for one in ours.sentences
    ]
    assert [word["text"] + word["punctuation"] for one in table.values() for word in one["words"]] == [
        word.text + word.punctuation for word in ours.words
    ]
    assert theirs[-1].output.text == ours.text == WHOLE


@pytest.mark.parametrize("model", ["qwen-audio-3.0-asr-flash", "qwen-audio-3.1-asr-flash"])
def test_qwen_audio_stream(enveloped: Emulator, model: str) -> None:
    theirs = list(fun_asr(enveloped, model, stream=True))
    ours = our_fun_asr(enveloped, model, stream=True)
    assert theirs[-1].output.text == ours.text == WHOLE
    raw = ours.usage and ours.usage.raw
    assert raw
    assert dict(theirs[-1].usage) == {**INVENTED, **raw}


def test_the_same_requests(emulator: Emulator) -> None:
    for model in (FLASH, REALTIME):
        list(fun_asr(emulator, model, stream=True))
        our_fun_asr(emulator, model, stream=True)
        by_them, by_us = (request.json for request in emulator.requests[-2:])
        # "resources" stands in the documents' request of this model; the library cannot send it.
        assert by_us == ({**by_them, "resources": []} if model == REALTIME else by_them)


# What the library cannot say: an empty list of messages, which a URL for fun-asr-realtime needs, and the header that
# the documents require of answers in one piece.
def test_what_the_library_cannot_ask_for(emulator: Emulator) -> None:
    point_at(emulator)
    request: Any = {"model": REALTIME, "api_key": KEY, "format": "wav"}
    with pytest.raises(ValueError, match="Input data is required"):
        MultiModalConversation.call(messages=[], audio_address=URL, stream=True, **request)
    theirs = MultiModalConversation.call(messages=[{"role": "user", "content": [{"audio": DATA}]}], **request)
    assert (theirs.status_code, theirs.code) == (400, "InvalidParameter")
    assert theirs.message == "X-DashScope-SSE: is required: enable or disable"
    assert streamed(emulator, URL, model=REALTIME).text == WHOLE
    assert transcribed(emulator, DATA, model=REALTIME).text == WHOLE


# The library's merge of increments is meant for chat: asked for snapshots it asks these models for a parameter they
# do not have.
def test_snapshots_of_sentences_are_refused(emulator: Emulator) -> None:
    theirs = list(fun_asr(emulator, REALTIME, stream=True, incremental_output=False))
    assert [(response.status_code, response.code, response.message) for response in theirs] == [
        (400, "InvalidParameter", "parameters.incremental_output: is not a parameter here")
    ]


# == errors ============================================================================================================


def test_refusals(emulator: Emulator) -> None:
    theirs = qwen(emulator, asr_options={"language": "tlh"})
    with pytest.raises(HTTPStatusError) as ours:
        transcribed(emulator, model=QWEN, protocol="dashscope", extra={"asr_options": {"language": "tlh"}})
    assert (theirs.status_code, theirs.code) == (400, "InvalidParameter")
    assert theirs.message.startswith("parameters.asr_options.language: must be one of ")
    assert (ours.value.http_status, ours.value.code) == (400, "InvalidParameter")
    assert theirs.message in str(ours.value)
    assert theirs.request_id == emulator.sent[-2].request_id
    assert ours.value.request_id == emulator.sent[-1].request_id


def test_no_key(emulator: Emulator) -> None:
    theirs = qwen(emulator, headers={"Authorization": "Basic QWxhZGRpbg=="})
    assert (theirs.status_code, theirs.code) == (401, "InvalidApiKey")
    assert theirs.message == "No API-key provided or invalid API-key provided."


def both(sample: Sample) -> tuple[list[tuple[int, Any, Any]], Transcript | ASRWireError]:
    """Status, code and text or message of each of the library's responses; asrwire's transcript or error."""
    with Emulator(sample) as emulator:
        theirs = [
            (one.status_code, one.code, one.message if one.output is None else one.output["sentence"]["text"])
            for one in fun_asr(emulator, REALTIME, stream=True)
        ]
        try:
            return theirs, streamed(emulator, model=REALTIME)
        except ASRWireError as error:
            return theirs, error


def read(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


PARTIAL = (200, "", "欢迎")
PARTIALS = [(200, "", ""), PARTIAL, (200, "", "欢迎使用")]
FINAL = (200, "", "欢迎使用阿里云。")


@pytest.mark.parametrize(
    "name", ["funasr_realtime_http_stream.sse", "framing_no_final_blank.sse", "framing_no_blank_lines.sse",
             "framing_crlf_keepalive.sse"]
)  # fmt: skip
def test_framing(name: str) -> None:
    theirs, ours = both(Sample(read(name)))
    assert theirs == [*PARTIALS, FINAL]
    assert isinstance(ours, Transcript)
    assert (ours.text, ours.complete) == ("欢迎使用阿里云。", True)


def test_json_in_answer_to_a_request_for_a_stream() -> None:
    theirs, ours = both(Sample(read("funasr_flash_response.json")))
    assert theirs == [(200, "", "Hello World，这里是阿里巴巴语音实验室。")]
    assert isinstance(ours, Transcript)
    assert ours.text == "Hello World，这里是阿里巴巴语音实验室。"


# The status of an error inside a stream stands in a comment, :HTTP_STATUS/429. The library reads past it, says 400.
def test_an_error_in_the_stream() -> None:
    theirs, ours = both(Sample(read("error_midstream_429.sse")))
    assert theirs == [PARTIAL, (400, "Throttling.AllocationQuota", "Allocated quota exceeded")]
    assert isinstance(ours, ServiceError)
    assert (ours.http_status, ours.code) == (429, "Throttling.AllocationQuota")
    assert ours.partial is not None
    assert ours.partial.text == "欢迎"


# "event: error" and "event:error" are the same to the standard. To the library the first is a result, without output.
def test_an_error_in_the_stream_after_a_space() -> None:
    sample = Sample(read("error_midstream_429.sse").replace(b"event:error", b"event: error"))
    with Emulator(sample) as emulator:
        theirs = fun_asr(emulator, REALTIME, stream=True)
        assert next(theirs).output["sentence"]["text"] == "欢迎"
        with pytest.raises(TypeError, match="must be a mapping, not NoneType"):
            next(theirs)
        with pytest.raises(ServiceError) as ours:
            streamed(emulator, model=REALTIME)
    assert (ours.value.http_status, ours.value.code) == (429, "Throttling.AllocationQuota")


def test_an_error_whose_body_is_an_event() -> None:
    theirs, ours = both(Sample(read("error_body_arrearage_http400.sse"), 400))
    message = "Access denied, please make sure your account is in good standing."
    assert theirs == [(400, "Arrearage", message)]
    assert isinstance(ours, HTTPStatusError)
    assert (ours.http_status, ours.code) == (400, "Arrearage")
    assert message in str(ours)


def test_too_many_requests() -> None:
    theirs, ours = both(Sample(read("error_native_429.json"), 429))
    message = "Requests rate limit exceeded, please try again later."
    assert theirs == [(429, "Throttling.RateQuota", message)]
    assert isinstance(ours, HTTPStatusError)
    assert (ours.http_status, ours.code) == (429, "Throttling.RateQuota")
    assert message in str(ours)


# == file tasks ========================================================================================================


@pytest.fixture
def tasks(timed: Emulator) -> Emulator:
    point_at(timed)
    return timed


def fun_asr_task(*urls: str, **options: Any) -> Any:
    return Transcription.async_call(model="fun-asr", file_urls=list(urls), api_key=KEY, **options)


def filetrans_task(url: str, **options: Any) -> Any:
    return QwenTranscription.async_call(model=FILETRANS, file_url=url, api_key=KEY, **options)


def read_file(url: str, task_id: str) -> FileResult:
    """The result file that a URL of theirs leads to, fetched without asrwire."""
    response = requests.get(url, timeout=8)
    assert response.status_code == 200
    return replace(read_result(response.content), task_id=task_id)


def test_fun_asr_from_submission_to_text(tasks: Emulator) -> None:
    options = {"language_hints": ["zh"], "diarization_enabled": True, "speaker_count": 2}
    theirs = fun_asr_task(ONE, MISSING, TWO, **options)
    submitted(tasks, ONE, MISSING, TWO, model="fun-asr", **options)
    by_them, by_us = (request.json for request in tasks.requests[-2:])
    assert by_us == by_them
    assert (theirs.status_code, theirs.output.task_status) == (200, "PENDING")

    for status, seconds in (("PENDING", 0.5), ("RUNNING", 1.0), ("SUCCEEDED", 0)):
        state = Transcription.fetch(theirs, api_key=KEY)
        assert state.output.task_status == status
        check_same(state.output, state.usage, seen(tasks, theirs.output.task_id))
        tasks.advance(seconds)

    done = Transcription.wait(theirs, api_key=KEY)
    assert done.usage == {"duration": 12}
    first, failed, last = done.output.results
    task_id = theirs.output.task_id
    ours = fetched(tasks, task_id)
    assert ours[0] == read_file(first["transcription_url"], task_id)
    assert ours[2] == read_file(last["transcription_url"], task_id)
    assert [one.transcripts[0].text for one in ours if isinstance(one, FileResult)] == [WHOLE, WHOLE]
    assert isinstance(ours[1], FileFailed)
    assert (failed["code"], failed["file_url"]) == (ours[1].code, ours[1].file_url) == ("FILE_404_NOT_FOUND", MISSING)


def test_filetrans_from_submission_to_text(tasks: Emulator) -> None:
    options = {"language": "zh", "enable_itn": True, "enable_words": True, "text": "names: Ada", "channel_id": [0]}
    theirs = filetrans_task(ONE, **options)
    submitted(tasks, ONE, model=FILETRANS, **options)
    by_them, by_us = (request.json for request in tasks.requests[-2:])
    assert by_us == by_them
    for status, seconds in (("PENDING", 0.5), ("RUNNING", 1.0), ("SUCCEEDED", 0)):
        state = QwenTranscription.fetch(theirs, api_key=KEY)
        assert state.output.task_status == status
        check_same(state.output, state.usage, seen(tasks, theirs.output.task_id))
        tasks.advance(seconds)
    done = QwenTranscription.wait(theirs, api_key=KEY)
    assert done.usage == {"seconds": 8}
    [ours] = fetched(tasks, theirs.output.task_id)
    assert ours == read_file(done.output["result"]["transcription_url"], theirs.output.task_id)
    assert isinstance(ours, FileResult)
    assert [sentence.text for sentence in ours.transcripts[0].sentences] == TEXTS
    assert ours.transcripts[0].timed


def test_filetrans_that_fails(tasks: Emulator) -> None:
    theirs = filetrans_task(MISSING)
    tasks.advance(2)
    done = QwenTranscription.wait(theirs, api_key=KEY)
    check_same(done.output, done.usage, seen(tasks, theirs.output.task_id))
    assert (done.status_code, done.output.task_status, done.output["code"]) == (200, "FAILED", "FILE_404_NOT_FOUND")


# The class for fun-asr says file_urls whatever the model; the documents of this model say file_url.
def test_filetrans_by_the_wrong_class(tasks: Emulator) -> None:
    theirs = Transcription.async_call(model=FILETRANS, file_urls=[ONE], api_key=KEY)
    assert (theirs.status_code, theirs.code) == (400, "InvalidParameter")
    assert theirs.message == "input.file_urls: one URL goes into input.file_url here"
    with pytest.raises(InvalidTask):
        Transcription.wait(theirs, api_key=KEY)
    assert tasks.tasks == []


def test_submit_and_wait_in_one_call() -> None:
    with Emulator(SCRIPT, queue_time=0, run_time=0) as emulator:
        point_at(emulator)
        theirs = Transcription.call(model="paraformer-v2", file_urls=[ONE], api_key=KEY)
        [ours] = fetched(emulator, theirs.output.task_id)
        assert ours == read_file(theirs.output.results[0]["transcription_url"], theirs.output.task_id)


def test_cancel(tasks: Emulator) -> None:
    theirs, ours = fun_asr_task(ONE), submitted(tasks, ONE, model="fun-asr")
    assert Transcription.cancel(theirs, api_key=KEY).status_code == 200
    canceled(tasks, ours.task_id)
    for task_id in (theirs.output.task_id, ours.task_id):
        state = Transcription.wait(task_id, api_key=KEY)
        assert state.output.task_status == "CANCELED"
        check_same(state.output, state.usage, seen(tasks, task_id))
    again = Transcription.cancel(theirs, api_key=KEY)
    assert (again.status_code, again.code) == (400, "UnsupportedOperation")
    with pytest.raises(HTTPStatusError) as caught:
        canceled(tasks, ours.task_id)
    assert (caught.value.http_status, caught.value.code) == (400, "UnsupportedOperation")
    assert again.message in str(caught.value)


def test_list(tasks: Emulator) -> None:
    for url in (ONE, TWO, MISSING):
        fun_asr_task(url)
    tasks.advance(2)
    filetrans_task(ONE)
    by_filters: list[tuple[dict[str, str], int]] = [
        ({}, 4), ({"model_name": FILETRANS}, 1), ({"status": "SUCCEEDED"}, 3), ({"status": "RUNNING"}, 0)
    ]  # fmt: skip
    for filters, total in by_filters:
        theirs = Transcription.list(api_key=KEY, **filters).output
        ours = listed(tasks, **filters)
        rows = [(one["task_id"], one["status"], one["model_name"], one["gmt_create"]) for one in theirs["data"]]
        assert rows == [(one.task_id, one.status, one.model, one.submit_time) for one in ours]
        assert len(ours) == theirs["total"] == total
    pages = [Transcription.list(api_key=KEY, page_no=page, page_size=3).output for page in (1, 2)]
    assert [page["total_page"] for page in pages] == [2, 2]
    together = [one["task_id"] for page in pages for one in page["data"]]
    assert together == [one.task_id for one in listed(tasks, page_size=3)] == [one.task_id for one in listed(tasks)]


def test_a_task_that_nobody_knows(tasks: Emulator) -> None:
    theirs = Transcription.wait("11111111-2222-3333-4444-555555555555", api_key=KEY)
    check_same(theirs.output, theirs.usage, seen(tasks, "11111111-2222-3333-4444-555555555555"))
    assert (theirs.status_code, theirs.output.task_status) == (200, "UNKNOWN")


# One 429 in answer to a poll, and the library stops waiting for a task that goes on and is billed.
def test_a_poll_too_many() -> None:
    with Emulator(SCRIPT, rate_limit=1, clock="virtual") as emulator:
        point_at(emulator)
        task = fun_asr_task(ONE)
        assert Transcription.fetch(task, api_key=KEY).status_code == 200
        theirs = Transcription.wait(task, api_key=KEY)
        assert (theirs.status_code, theirs.code, theirs.output) == (429, "Throttling.RateQuota", None)
    with Emulator(SCRIPT, rate_limit=1, queue_time=0, run_time=0) as emulator:
        task = submitted(emulator, ONE, model="fun-asr")
        seen(emulator, task.task_id)
        with Client(KEY, base_url=emulator.base_url) as client:
            assert client.tasks.wait(task).status == "SUCCEEDED"
