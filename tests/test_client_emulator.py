# Every synchronous system, from the real client over a real socket to the emulator and back: model x envelope x
# streaming or not x colour x TCP or TLS.

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asrwire import Final, HTTPStatusError, Partial, TextDelta
from asrwire.emulator import Emulator, Script
from tests.servers import KEY, URL, Colour

pytestmark = pytest.mark.transport

TEXTS = ["欢迎使用阿里云。", "Hello world, this is a test.", "再见。"]
SCRIPT = Script.from_texts(TEXTS)
WHOLE = "".join(TEXTS)

# model, protocol, whether its event stream is made of timed sentences, whether its whole answer has times
SYSTEMS = [
    ("qwen3-asr-flash", "openai", False, False),
    ("qwen3-asr-flash", "dashscope", False, False),
    ("fun-asr-flash-2026-06-15", None, True, True),
    ("fun-asr-realtime", None, True, True),
    ("qwen-audio-3.0-asr-flash", None, False, True),
    ("qwen-audio-3.1-asr-flash", None, False, True),
]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    secure: bool = request.param
    return secure


@pytest.fixture(scope="module", params=["doc", "public", "workspace"])
def emulator(request: pytest.FixtureRequest, tls: bool) -> Iterator[Emulator]:
    with Emulator(SCRIPT, envelope=request.param, tls=tls) as running:
        yield running


def client(colour: Colour, emulator: Emulator) -> Any:
    return colour.client(base_url=emulator.base_url, ssl_context=emulator.ssl_context)


@pytest.mark.parametrize(("model", "protocol", "sentences", "timed"), SYSTEMS)
def test_streams(
    colour: Colour, emulator: Emulator, model: str, protocol: str | None, sentences: bool, timed: bool
) -> None:
    async def scenario() -> tuple[list[Any], Any]:
        async with client(colour, emulator) as it, it.stream(URL, model=model, protocol=protocol) as stream:
            return [update async for update in stream], stream

    updates, stream = colour.run(scenario)
    transcript = stream.transcript
    expected = TEXTS if sentences else [WHOLE]
    assert [update.sentence.text for update in updates if isinstance(update, Final)] == expected
    assert [sentence.text for sentence in transcript.sentences] == expected
    assert any(isinstance(update, Partial if sentences else TextDelta) for update in updates)
    assert (transcript.complete, transcript.timed, dict(transcript.issues)) == (True, sentences, {})
    if sentences:
        assert [word.begin_time for word in transcript.words] == [
            word.begin_time for sentence in SCRIPT.sentences for word in sentence.words
        ]
    assert stream.request_id


@pytest.mark.parametrize(("model", "protocol", "sentences", "timed"), SYSTEMS)
def test_sentences_without_partials(
    colour: Colour, emulator: Emulator, model: str, protocol: str | None, sentences: bool, timed: bool
) -> None:
    async def scenario() -> list[str]:
        async with client(colour, emulator) as it, it.stream(URL, model=model, protocol=protocol) as stream:
            return [sentence.text async for sentence in stream.sentences()]

    assert colour.run(scenario) == (TEXTS if sentences else [WHOLE])


@pytest.mark.parametrize(("model", "protocol", "sentences", "timed"), SYSTEMS)
def test_transcribes(
    colour: Colour, emulator: Emulator, model: str, protocol: str | None, sentences: bool, timed: bool
) -> None:
    async def scenario() -> Any:
        async with client(colour, emulator) as it:
            return await it.transcribe(URL, model=model, protocol=protocol)

    transcript = colour.run(scenario)
    assert (transcript.text, transcript.complete, transcript.timed) == (WHOLE, True, timed)
    assert transcript.usage is not None


def test_audio_from_a_file_and_from_memory(colour: Colour, tmp_path: Path) -> None:
    audio = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(200_000)
    path = tmp_path / "talk.wav"
    path.write_bytes(audio)

    async def scenario() -> list[str]:
        async with client(colour, emulator) as it:
            return [(await it.transcribe(given, model=MODEL)).text for given in (path, audio, memoryview(audio))]

    MODEL = "fun-asr-flash-2026-06-15"
    with Emulator(SCRIPT) as emulator:
        assert colour.run(scenario) == [WHOLE] * 3
        sent = [request.json["input"]["messages"][-1]["content"][0] for request in emulator.requests]
    assert sent[0] == sent[1] == sent[2]
    assert sent[0]["input_audio"]["data"].startswith("data:audio/wav;base64,")


def test_the_emulator_refuses_and_says_what(colour: Colour) -> None:
    async def scenario() -> None:
        async with client(colour, emulator) as it:
            with pytest.raises(HTTPStatusError) as caught:
                await it.transcribe(URL, model="fun-asr-flash-2026-06-15", extra={"nonsense": 1})
            assert (caught.value.http_status, caught.value.code) == (400, "InvalidParameter")
            assert "nonsense" in str(caught.value)

    with Emulator(SCRIPT) as emulator:
        colour.run(scenario)


def test_events_that_come_in_their_time(colour: Colour) -> None:
    async def scenario() -> list[str]:
        async with client(colour, emulator) as it, it.stream(URL, model="fun-asr-realtime") as stream:
            return [sentence.text async for sentence in stream.sentences()]

    with Emulator(SCRIPT, speed=50.0) as emulator:
        assert colour.run(scenario) == TEXTS


def test_one_connection_serves_every_model(colour: Colour) -> None:
    async def scenario() -> None:
        async with client(colour, emulator) as it:
            for model, protocol, _, _ in SYSTEMS:
                assert (await it.transcribe(URL, model=model, protocol=protocol)).text == WHOLE
            assert len(it._transport._slots._idle) == 1

    with Emulator(SCRIPT) as emulator:
        colour.run(scenario)
        assert len(emulator.requests) == len(SYSTEMS)
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in emulator.requests)
