# docs/recipes: every block runs, and what the frameworks are handed is, item for item, what the service said.
#
# Knows: the recipes' names, the frameworks' own types. Must not know: how the recipes are written.

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asrwire import Amended, ASRWireError, Client, Final, Incomplete, Partial, Sentence, TextDelta, Update, Word
from asrwire.emulator import Emulator, Sample, Script
from tests.interop import KEY, TEXTS, URL, WHOLE

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
SAMPLES = Path(__file__).parents[1] / "samples"
MODEL = "fun-asr-flash-2026-06-15"
SCRIPT = Script.from_texts(TEXTS, speakers=(7, None), languages=("zh", "en"), emotions=("neutral", "happy"))
CUT = "cut:events=8,on=stream"


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (RECIPES / f"{name}.md").read_text(), re.MULTILINE | re.DOTALL)


def run(name: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, module: str = "recipe") -> dict[str, Any]:
    """A recipe's names, after its blocks have run in their order."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
    names: dict[str, Any] = {"__name__": module}
    for number, block in enumerate(blocks(name), 1):
        exec(compile(block, f"{name}.md block {number}", "exec"), names)
    return names


def test_every_recipe_is_here() -> None:
    ours = {"dask", "http-clients", "livekit", "pipecat"}
    assert {path.stem for path in RECIPES.glob("*.md")} == ours | {"ray"}  # whose test is in tests/cluster


def without_ids(update: Update) -> Any:
    """What an update says, but for its raw JSON (the request's id is in it) and the transport's own reason."""
    assert not isinstance(update, TextDelta | Amended)
    return type(update), update.sentence.__reduce__()[1][:-1], update.kept


def by_asrwire(emulator: Emulator) -> tuple[list[Update], ASRWireError | None]:
    """What asrwire's own client hands out, and raises."""
    updates: list[Update] = []
    try:
        with Client(KEY, base_url=emulator.base_url) as client, client.stream(URL, model=MODEL) as stream:
            updates.extend(stream)
    except ASRWireError as error:
        return updates, error
    return updates, None


# == other HTTP clients ================================================================================================

WAYS = {"with_httpx": False, "with_requests": False, "with_async_httpx": True, "with_aiohttp": True}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with Emulator(SCRIPT) as emulator:
        return run("http-clients", emulator, monkeypatch)


def fetch(clients: dict[str, Any], way: str, emulator: Emulator, show: Callable[[Update], None]) -> Any:
    clients["URL"] = emulator.base_url + "/services/aigc/multimodal-generation/generation"
    result = clients[way](show)
    return asyncio.run(result) if WAYS[way] else result


@pytest.mark.parametrize("way", WAYS)
def test_a_client_gets_the_updates_of_asrwires_own(clients: dict[str, Any], way: str) -> None:
    updates: list[Update] = []
    with Emulator(SCRIPT) as emulator:
        transcript = fetch(clients, way, emulator, updates.append)
        own, error = by_asrwire(emulator)
    assert error is None
    assert [without_ids(update) for update in updates] == [without_ids(update) for update in own]
    assert (transcript.text, transcript.complete) == (WHOLE, True)


@pytest.mark.parametrize("way", WAYS)
def test_a_client_whose_connection_is_cut(clients: dict[str, Any], way: str) -> None:
    updates: list[Update] = []
    with Emulator(SCRIPT, faults=[CUT]) as emulator:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            fetch(clients, way, emulator, updates.append)
        own, error = by_asrwire(emulator)
    assert raised.type.__module__.partition(".")[0] in way
    assert error is not None
    assert [without_ids(update) for update in updates] == [without_ids(update) for update in own]
    assert isinstance(updates[-1], Incomplete)
    assert updates[-1].sentence.text == "Hello world,"


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_is_refused(clients: dict[str, Any], way: str) -> None:
    with Emulator(SCRIPT, faults=["429"]) as emulator, pytest.raises(ASRWireError) as raised:
        fetch(clients, way, emulator, print)
    assert (raised.value.kind, raised.value.http_status) == ("http_status", 429)


@pytest.mark.parametrize("way", WAYS)
def test_a_client_whose_stream_ends_in_an_error(clients: dict[str, Any], way: str) -> None:
    sample = Sample.from_file(SAMPLES / "error_midstream_429.sse")
    updates: list[Update] = []
    with Emulator(sample) as emulator, pytest.raises(ASRWireError) as raised:
        fetch(clients, way, emulator, updates.append)
    assert (raised.value.kind, raised.value.http_status) == ("service", 429)
    assert updates


# == LiveKit ===========================================================================================================


@pytest.fixture
def livekit(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dict[str, Any], Emulator]]:
    with Emulator(SCRIPT) as emulator:
        yield run("livekit", emulator, monkeypatch), emulator


def silence(seconds: float) -> Any:
    from livekit import rtc

    samples = int(16000 * seconds)
    return rtc.AudioFrame(bytes(2 * samples), sample_rate=16000, num_channels=1, samples_per_channel=samples)


def test_livekit_hears_two_utterances(livekit: tuple[dict[str, Any], Emulator]) -> None:
    names, emulator = livekit
    heard = asyncio.run(names["hear"](silence(1.0), silence(0.5)))
    ends = [i for i, event in enumerate(heard) if event.type == "recognition_usage"]
    first, second = heard[: ends[0] + 1], heard[ends[0] + 1 :]
    for events, offset, sent in ((first, 0.0, emulator.sent[-2]), (second, 1.0, emulator.sent[-1])):
        kinds = [event.type.value for event in events]
        assert kinds[0] == "start_of_speech"
        assert kinds[-2:] == ["end_of_speech", "recognition_usage"]
        assert set(kinds[1:-2]) == {"interim_transcript", "final_transcript"}
        assert {event.request_id for event in events} == {sent.request_id}
        finals = [event.alternatives[0] for event in events if event.type == "final_transcript"]
        assert [data.text for data in finals] == TEXTS
        assert [data.language for data in finals] == ["zh", "en", "zh", "en"]
        assert [data.speaker_id for data in finals] == ["7", None, "7", None]
        counted = finals[0].words[0].start_time_offset  # LiveKit's own clock has a part in it
        assert counted == pytest.approx(offset, abs=0.5)
        times = [(0.2, 1.6), (2.2, 4.41), (5.01, 6.01), (6.61, 7.23)]
        assert [(data.start_time, data.end_time) for data in finals] == [(a + counted, b + counted) for a, b in times]
        assert [data.metadata for data in finals][:2] == [
            {"index": 0, "sentence_id": 1, "emotion": "neutral"},
            {"index": 1, "sentence_id": 2, "emotion": "happy"},
        ]
        words = [(str(word), word.start_time, word.end_time, word.start_time_offset) for word in finals[3].words]
        assert words == [
            ("See", 6.61 + counted, 6.92 + counted, counted),
            (" you!", 6.92 + counted, 7.23 + counted, counted),
        ]
        interim = [event.alternatives[0] for event in events if event.type == "interim_transcript"]
        assert [data.text for data in interim][:4] == ["欢迎", "欢迎使用", "欢迎使用阿里", "Hello"]
        assert (interim[1].start_time, interim[1].end_time) == (0.2 + counted, 1.0 + counted)
        assert events[-1].recognition_usage.audio_duration == 8.0
    by_us, again = (request.json for request in emulator.requests[-2:])
    assert len(str(by_us)) > len(str(again)) > 0.5 * 32000


def test_livekit_recognizes_one_utterance(livekit: tuple[dict[str, Any], Emulator]) -> None:
    names, _ = livekit

    async def scenario() -> Any:
        async with names["asrwire"].AsyncClient() as client:
            return await names["AsrwireSTT"](client, model=MODEL).recognize(silence(1.0))

    event = asyncio.run(scenario())
    assert event.type == "final_transcript"
    [data] = event.alternatives
    assert (data.text, data.start_time, data.end_time, data.language) == (WHOLE, 0.2, 7.23, "")
    assert "".join(data.words) == WHOLE


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [("401", "APIStatusError", 401), ("cut:events=8", "APIConnectionError", None), ("503", "APIStatusError", 503)],
)
def test_livekit_is_told_of_errors(monkeypatch: pytest.MonkeyPatch, fault: str, kind: str, status: int | None) -> None:
    from livekit import agents

    with Emulator(SCRIPT) as emulator:
        names = run("livekit", emulator, monkeypatch)
    heard: list[Any] = []
    with Emulator(SCRIPT, faults=[fault]) as emulator:
        monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)

        async def scenario() -> None:
            async with names["asrwire"].AsyncClient() as client:
                stt = names["AsrwireSTT"](client, model=MODEL)
                stt.on("error", heard.append)
                async with stt.stream() as stream:
                    stream.push_frame(silence(1.0))
                    stream.end_input()
                    async for event in stream:
                        heard.append(event)

        with pytest.raises(getattr(agents, kind)) as raised:
            asyncio.run(scenario())
        times = len(emulator.requests)
    assert (getattr(raised.value, "status_code", None), raised.value.retryable) == (status, False)
    assert isinstance(raised.value.__cause__, ASRWireError)
    assert [one.recoverable for one in heard if one.type == "stt_error"] == [False]
    texts = [event.alternatives[0].text for event in heard if event.type == "final_transcript"]
    assert texts == (TEXTS[:1] if fault.startswith("cut") else [])
    assert times == (1 if fault != "503" else times)


# What a final sentence becomes when the service takes it back, and text without sentences.
def test_livekit_events_of_every_update(livekit: tuple[dict[str, Any], Emulator]) -> None:
    events = livekit[0]["Events"](10.0)

    def told(update: Update) -> list[tuple[str, str]]:
        taken = events.take(update, "id")
        return [(event.type.value, *(data.text for data in event.alternatives)) for event in taken]

    word = Word(None, None, "a", ".")
    final = Sentence(0, 1, 0, None, None, "a.", (word,), final=True)
    assert told(Partial(Sentence(0))) == []
    assert told(TextDelta("say", 0)) == [("start_of_speech",), ("interim_transcript", "say")]
    assert told(TextDelta("id", 2)) == [("interim_transcript", "said")]
    assert told(Final(final)) == [("final_transcript", "a.")]
    assert told(Amended(final, (final,))) == []
    assert told(Incomplete(Sentence(1, text="b"), "cut")) == [("interim_transcript", "b")]
    data = events.data(final)
    assert (data.start_time, data.end_time, data.language, data.speaker_id) == (0.0, 0.0, "", None)
    from livekit.agents.types import NOT_GIVEN

    assert [(str(one), one.start_time, one.end_time) for one in data.words] == [("a.", NOT_GIVEN, NOT_GIVEN)]


# == pipecat ===========================================================================================================


@pytest.fixture
def pipecat(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own import of audioop
        import pipecat.audio.utils  # noqa: F401
    with Emulator(SCRIPT) as emulator:
        return run("pipecat", emulator, monkeypatch)


def segment(names: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    """The frames that come out of a pipeline, down and up, for one segment of speech."""
    from pipecat.frames import frames
    from pipecat.tests.utils import run_test

    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
    audio = frames.UserAudioRawFrame(audio=bytes(32000), sample_rate=16000, num_channels=1, user_id="caller")

    async def scenario() -> Any:
        async with names["asrwire"].AsyncClient() as client:
            service = names["AsrwireSTTService"](client, model=MODEL, sample_rate=16000)
            sent = [frames.VADUserStartedSpeakingFrame(), audio, frames.VADUserStoppedSpeakingFrame()]
            return await run_test(service, frames_to_send=sent, start_timeout=30)

    down, up = asyncio.run(scenario())
    return [f for f in down if isinstance(f, frames.TextFrame)], [f for f in up if isinstance(f, frames.ErrorFrame)]


def test_pipecat_gets_one_final_frame(pipecat: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from pipecat.frames.frames import InterimTranscriptionFrame, TranscriptionFrame

    with Emulator(SCRIPT) as emulator:
        down, up = segment(pipecat, emulator, monkeypatch)
        own, _ = by_asrwire(emulator)
    assert up == []
    *interim, final = down
    assert [type(frame) for frame in interim] == [InterimTranscriptionFrame] * len(interim)
    assert {frame.user_id for frame in down} == {"caller"}
    texts = [frame.text for frame in interim]
    assert texts[:3] == ["欢迎", "欢迎使用", "欢迎使用阿里"]
    assert texts[-1] == WHOLE
    with_text = [update for update in own if update is not own[0]]
    assert [without_ids(frame.result) for frame in interim] == [without_ids(update) for update in with_text]
    assert (type(final), final.text, final.finalized) == (TranscriptionFrame, WHOLE, True)
    assert [sentence.text for sentence in final.result.sentences] == TEXTS
    assert final.result.words[0].begin_time == 200
    assert final.result.complete
    assert interim[0].language == "zh"
    assert final.language is None  # several


def test_pipecat_is_told_the_language(pipecat: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for language, known in (("en", "en"), ("xx", None), (None, None)):
        with Emulator(Script.from_texts(["Hello there."], languages=(language,))) as emulator:
            down, _ = segment(pipecat, emulator, monkeypatch)
        assert (down[-1].text, down[-1].language) == ("Hello there.", known)


def test_pipecat_is_told_of_a_cut(pipecat: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(SCRIPT, faults=[CUT]) as emulator:
        down, [error] = segment(pipecat, emulator, monkeypatch)
    assert [type(frame).__name__ for frame in down] == ["InterimTranscriptionFrame"] * len(down)
    assert down[-1].text == "欢迎使用阿里云。Hello world,"
    assert error.exception.kind == "truncated"
    assert [sentence.text for sentence in error.exception.partial.sentences] == [TEXTS[0], "Hello world,"]


def test_pipecat_hears_no_speech(pipecat: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(Sample.from_file(SAMPLES / "flash_no_speech_tokenplan.json")) as emulator:
        assert segment(pipecat, emulator, monkeypatch) == ([], [])


def test_pipecats_text_so_far(pipecat: dict[str, Any]) -> None:
    heard = pipecat["Heard"]()

    def text(update: Update) -> str:
        heard.take(update)
        return str(heard.text)

    one, two = Sentence(0, text="Hello there.", language="en", final=True), Sentence(1, text="你好", language="zh")
    assert text(Final(one)) == "Hello there."
    assert text(Partial(two)) == "Hello there.你好"
    assert heard.language == "zh"
    assert text(Final(Sentence(2, text="Bye."))) == "Hello there.你好Bye."
    assert text(Amended(Sentence(0, text="Hello you.", final=True), (one, two))) == "Hello you. Bye."
    assert text(Incomplete(Sentence(3, text="And"), "cut")) == "Hello you. Bye. And"
    heard = pipecat["Heard"]()
    assert [text(TextDelta("say", 0)), text(TextDelta("id", 2))] == ["say", "said"]


# == Dask ==============================================================================================================


def test_dask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    missing = "https://example.com/lecture-7.mp3"
    with Emulator(SCRIPT, queue_time=0, run_time=0.05, files={missing: "FILE_404_NOT_FOUND"}) as emulator:
        first = run("dask", emulator, monkeypatch, "__main__")
        again = run("dask", emulator, monkeypatch, "__main__")
        made = [url for task in emulator.tasks for url in task.urls]
    assert again["rows"] == first["rows"]
    assert [row["url"] for row in first["rows"]] == first["urls"]
    assert [row["url"] for row in first["rows"] if row["state"] != "done"] == [missing]
    assert sorted(made) == sorted(first["urls"])
    assert first["rows"][0]["text"].startswith(TEXTS[0])
