# The openai library, plain and streaming, threads and asyncio, against the OpenAI-compatible half of the emulator.

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from asrwire import HTTPStatusError
from asrwire.emulator import Emulator, Sample
from tests.interop import DATA, KEY, URL, WHOLE, streamed, transcribed

MODEL = "qwen3-asr-flash"
SAMPLES = Path(__file__).parents[1] / "samples"
USAGE = {
    "completion_tokens": 20,
    "completion_tokens_details": {"text_tokens": 20},
    "prompt_tokens": 200,
    "prompt_tokens_details": {"audio_tokens": 200, "text_tokens": 0},
    "seconds": 8,
    "total_tokens": 220,
}


def connect(emulator: Emulator) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=emulator.compatible_base_url, max_retries=0)


def connect_async(emulator: Emulator) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=emulator.compatible_base_url, max_retries=0)


def messages(audio: str = URL, context: str | None = None) -> Any:
    system = [] if context is None else [{"role": "system", "content": [{"text": context}]}]
    return [*system, {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": audio}}]}]


def usage(completion: Any) -> dict[str, Any] | None:
    return None if completion.usage is None else completion.usage.model_dump(exclude_none=True)


def stream(client: openai.OpenAI, **options: Any) -> list[Any]:
    with client.chat.completions.create(model=MODEL, messages=messages(), stream=True, **options) as chunks:
        return list(chunks)


def text(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# == in one piece ======================================================================================================


@pytest.mark.parametrize("audio", [URL, DATA])
def test_one_answer(emulator: Emulator, audio: str) -> None:
    with connect(emulator) as client:
        theirs = client.chat.completions.create(model=MODEL, messages=messages(audio))
    ours = transcribed(emulator, audio, model=MODEL)
    assert theirs.choices[0].message.content == ours.text == WHOLE
    assert theirs.choices[0].finish_reason == ours.finish_reason == "stop"
    assert ours.usage is not None
    assert usage(theirs) == ours.usage.raw == USAGE
    assert (ours.usage.seconds, ours.usage.total_tokens) == (8, 220)


def test_the_annotation_and_the_options(emulator: Emulator) -> None:
    options = {"language": "en", "enable_itn": True}
    with connect(emulator) as client:
        theirs = client.chat.completions.create(
            model=MODEL, messages=messages(context="names: Ada"), extra_body={"asr_options": options}
        )
    ours = transcribed(emulator, model=MODEL, context="names: Ada", **options)
    annotations: Any = theirs.choices[0].message.annotations
    assert [one.model_dump(exclude_none=True) for one in annotations] == [
        {"type": "audio_info", "language": "en", "emotion": "neutral"}
    ]
    assert (ours.language, ours.emotion) == ("en", "neutral")
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == {**by_them, "stream": False}


def test_the_request_id(emulator: Emulator) -> None:
    with connect(emulator) as client:
        theirs = client.chat.completions.create(model=MODEL, messages=messages())
    assert theirs._request_id == emulator.sent[-1].request_id
    assert theirs.id == f"chatcmpl-{theirs._request_id}"
    assert (theirs.model, theirs.object) == (MODEL, "chat.completion")


# == as a stream =======================================================================================================


@pytest.mark.parametrize("include_usage", [False, True])
def test_stream(emulator: Emulator, include_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    with connect(emulator) as client:
        chunks = stream(client, **options)
    ours = streamed(emulator, model=MODEL, **({"include_usage": True} if include_usage else {}))
    by_them, by_us = (request.json for request in emulator.requests[-2:])
    assert by_us == by_them
    assert text(chunks) == ours.text == WHOLE
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == ours.finish_reason == "stop"
    assert [usage(chunk) for chunk in chunks if chunk.usage] == ([USAGE] if include_usage else [])
    assert (ours.usage and ours.usage.raw) == (USAGE if include_usage else None)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(sent.complete for sent in emulator.sent[-2:])  # [DONE] has left, and both have seen it


def test_stream_with_language(emulator: Emulator) -> None:
    with connect(emulator) as client:
        chunks = stream(client, extra_body={"asr_options": {"language": "zh"}})
    ours = streamed(emulator, model=MODEL, language="zh")
    said = [chunk.choices[0].delta.model_extra for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    annotation = {"type": "audio_info", "language": "zh", "emotion": "neutral"}
    assert said
    assert all(extra == {"annotations": [annotation]} for extra in said)
    assert (ours.language, ours.emotion) == ("zh", "neutral")


def test_a_stream_left_early_leaves_the_emulator_well(emulator: Emulator) -> None:
    with connect(emulator) as client:
        with client.chat.completions.create(model=MODEL, messages=messages(), stream=True) as chunks:
            next(iter(chunks))
        assert text(stream(client)) == WHOLE


# What the library itself gets wrong: its helper cannot add up the annotations that the service repeats on every chunk.
def test_the_stream_helper_dies_of_the_annotations() -> None:
    with Emulator(Sample.from_file(SAMPLES / "qwen_asr_openai_stream.sse")) as emulator:
        with (
            connect(emulator) as client,
            client.chat.completions.stream(model=MODEL, messages=messages()) as events,
            pytest.raises(RuntimeError, match="Expected list delta entry to have an `index` key") as caught,
        ):
            for _ in events:
                pass
        assert "audio_info" in str(caught.value)
        with connect(emulator) as client:
            assert text(stream(client)) == streamed(emulator, model=MODEL).text == "欢迎使用阿里云。"


# == asyncio ===========================================================================================================


def test_asyncio(emulator: Emulator) -> None:
    async def scenario() -> tuple[Any, list[Any]]:
        async with connect_async(emulator) as client:
            one = await client.chat.completions.create(model=MODEL, messages=messages())
            options: Any = {"stream": True, "stream_options": {"include_usage": True}}
            async with await client.chat.completions.create(model=MODEL, messages=messages(), **options) as chunks:
                return one, [chunk async for chunk in chunks]

    one, chunks = asyncio.run(scenario())
    assert one.choices[0].message.content == text(chunks) == transcribed(emulator, model=MODEL).text
    assert usage(one) == usage(chunks[-1]) == USAGE


def test_many_at_once(emulator: Emulator) -> None:
    async def one(client: openai.AsyncOpenAI) -> str:
        async with await client.chat.completions.create(model=MODEL, messages=messages(), stream=True) as chunks:
            return text([chunk async for chunk in chunks])

    async def scenario() -> list[str]:
        async with connect_async(emulator) as client:
            return await asyncio.gather(*(one(client) for _ in range(20)))

    assert asyncio.run(scenario()) == [WHOLE] * 20


# == errors ============================================================================================================


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("change", "kind", "status", "code", "param", "message"),
    [
        (
            {"extra_headers": {"Authorization": "Basic QWxhZGRpbg=="}},
            openai.AuthenticationError,
            401,
            "invalid_api_key",
            None,
            "No API-key provided or invalid API-key provided.",
        ),
        (
            {"temperature": 0.5},
            openai.BadRequestError,
            400,
            "invalid_parameter_error",
            "temperature",
            "temperature: is not a parameter here",
        ),
        (
            {"extra_body": {"language": "zh"}},
            openai.BadRequestError,
            400,
            "invalid_parameter_error",
            "language",
            "language: belongs at asr_options.language",
        ),
        (
            {"model": "fun-asr-realtime"},
            openai.NotFoundError,
            404,
            "model_not_supported",
            None,
            "Unsupported model `fun-asr-realtime` for OpenAI compatibility mode.",
        ),
    ],
    ids=["401", "400", "400-misplaced", "404"],
)
def test_refusals(
    emulator: Emulator,
    change: dict[str, Any],
    kind: type[openai.APIStatusError],
    status: int,
    code: str,
    param: str | None,
    message: str,
    streaming: bool,
) -> None:
    request: Any = {"model": MODEL, "messages": messages(), "stream": streaming, **change}
    with connect(emulator) as client, pytest.raises(kind) as caught:
        client.chat.completions.create(**request)
    error = caught.value
    assert (error.status_code, error.code, error.param, error.type) == (status, code, param, "invalid_request_error")
    assert error.body == {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert error.request_id == error.response.json()["request_id"] == emulator.sent[-1].request_id


def test_stream_options_without_a_stream(emulator: Emulator) -> None:
    options: Any = {"stream_options": {"include_usage": True}}
    with connect(emulator) as client, pytest.raises(openai.BadRequestError, match="must not be set unless stream"):
        client.chat.completions.create(model=MODEL, messages=messages(), **options)
    assert emulator.sent[-1].status == 400


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_both_read_the_same_error(status: int, kind: type[openai.APIStatusError]) -> None:
    body = (SAMPLES / "qwen_asr_openai_error.json").read_bytes()
    with Emulator(Sample(body, status)) as emulator:
        with connect(emulator) as client, pytest.raises(kind) as theirs:
            client.chat.completions.create(model=MODEL, messages=messages())
        with pytest.raises(HTTPStatusError) as ours:
            transcribed(emulator, model=MODEL)
    assert theirs.value.code == ours.value.code == "invalid_api_key"
    assert theirs.value.status_code == ours.value.http_status == status
    assert theirs.value.message.removeprefix(f"Error code: {status} - ").strip() == "Incorrect API key provided."
    assert "Incorrect API key provided." in str(ours.value)
