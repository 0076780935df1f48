# Every literal sample that answers a synchronous call, and both result files, with the transcript it must become:
# whole, cut in two at every byte, and byte by byte. Expectations are worked out by hand from the samples.

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from asrwire._errors import ASRWireError, HTTPStatusError, ServiceError
from asrwire._files import read_result
from asrwire._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage, Word
from asrwire._stream import ResultStream, Update
from asrwire._transcript import Transcript
from tests import unrevised

SAMPLES = Path(__file__).parent / "samples"
SYNCHRONOUS = (
    "*.sse", "flash_*", "funasr_flash_response*", "funasr_realtime_http_response*", "qwen_*response*", "qwen_audio_31*",
    "error_*", "qwen_asr_openai_error*", "ws_*",
)  # fmt: skip
FILES = ("filetrans_result.json", "funasr_result.json")


@dataclass(frozen=True)
class Case:
    """What a sample is read with, and what must come of it."""

    updates: tuple[str, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    text: str = ""
    usage: Usage | None = None
    request_id: str | None = None
    incomplete_reason: str | None = None
    no_speech: bool = False
    timed: bool = True
    issues: dict[str, int] = field(default_factory=dict)
    language: str | None = None
    emotion: str | None = None
    model: str | None = None
    created: int | None = None
    finish_reason: str | None = None
    http_status: int = 200
    incremental: bool | None = None
    at_end: bool = False
    events: int = 1
    error: type[ASRWireError] | None = None
    code: str | None = None
    error_status: int | None = None
    error_id: str | None = None
    message: str = ""


def words(*items: tuple[Any, ...]) -> tuple[Word, ...]:
    return tuple(Word(*item) for item in items)


HELLO = "Hello World，这里是阿里巴巴语音实验室。"
HELLO_WORDS = words(
    (760, 1040, "Hello", "", True), (1040, 1240, " World", "，", True), (1360, 1880, "这里是", "", True),
    (1880, 2520, "阿里巴巴", "", True), (2520, 2840, "语音", "", True), (2840, 3800, "实验室", "。", True),
)  # fmt: skip
HELLO_SENTENCE = Sentence(0, 1, 0, 760, 3800, HELLO, HELLO_WORDS, final=True, finality="sentence_end")
FLASH = Case(
    (f"Final 0 {HELLO}",), (HELLO_SENTENCE,), HELLO, Usage(4, raw={"duration": 4}),
    "40e0734d-096f-9ae3-86c1-a8c013287561",
)  # fmt: skip

WELCOME = "欢迎使用阿里云。"
WELCOME_WORDS = words(
    (160, 520, "欢迎", "", True), (520, 880, "使用", "", True), (880, 1280, "阿里", "", True), (1280, 1680, "云", "。",
     True)
)  # fmt: skip
WELCOME_SENTENCE = Sentence(0, 1, 0, 160, 1680, WELCOME, WELCOME_WORDS, final=True, finality="sentence_end", revision=3)
WELCOME_UPDATES = ("Partial 0 ", "Partial 0 欢迎", "Partial 0 欢迎使用", f"Final 0 {WELCOME}")
REALTIME_ID = "372d19b3-993f-9288-adf0-a99f7606bd30"


def realtime(**changes: Any) -> Case:
    expected: dict[str, Any] = {
        "updates": WELCOME_UPDATES, "sentences": (WELCOME_SENTENCE,), "text": WELCOME,
        "usage": Usage(2, raw={"duration": 2}), "request_id": REALTIME_ID, "events": 4,
    }  # fmt: skip
    return Case(**{**expected, **changes})


def spoken(text: str, language: str | None = "zh", emotion: str | None = "neutral", *, final: bool = True) -> Sentence:
    """The one sentence of a text-only answer: no id, no times, no words."""
    return Sentence(0, text=text, language=language, emotion=emotion, final=final)


def openai(**changes: Any) -> Case:
    expected: dict[str, Any] = {
        "updates": (
            "TextDelta 0 欢迎", "TextDelta 2 使用", "TextDelta 4 阿里", "TextDelta 6 云", "TextDelta 7 。",
            f"Final 0 {WELCOME}"
        ),
        "sentences": (spoken(WELCOME),), "text": WELCOME, "request_id": "chatcmpl-3fb97803-d27f-9289-8889-xxxxx",
        "timed": False, "language": "zh", "emotion": "neutral", "model": "qwen3-asr-flash", "created": 1767685989,
        "finish_reason": "stop", "at_end": True, "events": 8,
    }  # fmt: skip
    return Case(**{**expected, **changes})


QWEN_USAGE = {"output_tokens_details": {"text_tokens": 6}, "input_tokens_details": {"text_tokens": 16}, "seconds": 1}
OPENAI_USAGE = {
    "completion_tokens": 12, "completion_tokens_details": {"text_tokens": 12}, "prompt_tokens": 42,
    "prompt_tokens_details": {"audio_tokens": 42, "text_tokens": 0}, "seconds": 1, "total_tokens": 54,
}  # fmt: skip
QWEN_ID = "e84128d5-4bae-4e7e-91ab-6fb33504d2e3"


def qwen(**changes: Any) -> Case:
    expected: dict[str, Any] = {
        "sentences": (spoken(WELCOME),), "text": WELCOME, "usage": Usage(1, raw=QWEN_USAGE), "request_id": QWEN_ID,
        "timed": False, "language": "zh", "emotion": "neutral", "finish_reason": "stop", "events": 4,
    }  # fmt: skip
    return Case(**{**expected, **changes})


CASES: dict[str, Case] = {
    "dashscope_generic_stream.sse": Case(
        ("TextDelta 0 Hello", "TextDelta 5 ! How can I assist you today?",
         "Final 0 Hello! How can I assist you today?"),
        (spoken("Hello! How can I assist you today?", None, None),),
        "Hello! How can I assist you today?",
        Usage(None, 92, None, 10, None, {"input_tokens": 92, "output_tokens": 10}),
        "e2edfd5d-f5c3-958b-b058-f8341b31af05", timed=False, finish_reason="stop", events=2,
    ),
    "error_audio_too_long_http400.json": Case(
        http_status=400, error=HTTPStatusError, code="AUDIO_DURATION_TOO_LONG", error_status=400, error_id="xxxx",
        message="audio duration (301008.0ms) over service process (300s)", incomplete_reason="error", events=0,
    ),
    "error_body_arrearage_http400.sse": Case(
        http_status=400, error=HTTPStatusError, code="Arrearage", error_status=400, error_id="req-1",
        message="Access denied, please make sure your account is in good standing.", incomplete_reason="error",
        events=0,
    ),
    "error_midstream_429.sse": Case(
        ("Partial 0 欢迎", "Incomplete 0 欢迎 error"),
        (Sentence(0, 1, 0, 160, None, "欢迎", words((160, 520, "欢迎", "", False))),), "欢迎",
        request_id=REALTIME_ID, incomplete_reason="error", events=2, error=ServiceError,
        code="Throttling.AllocationQuota", error_status=429, error_id="566e3621-xxxx",
        message="event 2: Throttling.AllocationQuota: Allocated quota exceeded",
    ),
    "error_native_429.json": Case(
        http_status=429, error=HTTPStatusError, code="Throttling.RateQuota", error_status=429,
        error_id="7574ee8f-xxxx-xxxx-xxxx-11c33ab46e51", incomplete_reason="error", events=0,
        message="Requests rate limit exceeded, please try again later.",
    ),
    "error_no_words_http400.json": Case(http_status=400, request_id="xxxx", no_speech=True, at_end=True, events=0),
    "flash_envelope_public_host.json": FLASH,
    "flash_envelope_workspace_host.json": FLASH,
    "flash_no_speech_tokenplan.json": Case(request_id="b2d-xxxx", no_speech=True),
    "framing_crlf_keepalive.sse": realtime(),
    "framing_no_blank_lines.sse": realtime(issues={"unterminated_event": 1}),
    "framing_no_final_blank.sse": realtime(issues={"unterminated_event": 1}),
    "funasr_flash_response.json": FLASH,
    "funasr_flash_stream.sse": Case(
        FLASH.updates, FLASH.sentences, HELLO, FLASH.usage, "fc1582e4-935c-9fc2-a482-a98bf43daa69"
    ),
    "funasr_flash_stream_cumulative_finals.sse": Case(
        ("Final 0 第一句。", "Final 1 第二句。", "Final 2 第三句。"),
        (
            Sentence(0, 1, 0, 1280, 20820, "第一句。", words((1280, 8000, "第", "", True), (8000, 20820, "一句", "。",
            True)),
                     final=True, finality="sentence_end"),
            Sentence(1, 2, 0, 20820, 32630, "第二句。",
                     words((20820, 24000, "第", "", True), (24000, 32630, "二句", "。", True)),
                     final=True, finality="sentence_end"),
            Sentence(2, 3, 0, 33000, 55030, "第三句。",
                     words((33000, 40000, "第", "", True), (40000, 55030, "三句", "。", True)),
                     final=True, finality="sentence_end"),
        ),
        "第一句。第二句。第三句。", Usage(56, raw={"duration": 56}), "fc1582e4-935c-9fc2-a482-a98bf43daa69", events=3,
    ),
    "funasr_realtime_http_response.json": Case(
        (f"Final 0 {WELCOME}",),
        (Sentence(0, 1, 0, 160, 1680, WELCOME, WELCOME_WORDS, final=True, finality="sentence_end"),), WELCOME,
        Usage(2, raw={"duration": 2}), "eff4c092-2289-9b43-a4cd-80e591fa90f5",
    ),
    "funasr_realtime_http_stream.sse": realtime(),
    "funasr_realtime_http_stream_two_sentences.sse": realtime(
        updates=(*WELCOME_UPDATES, "Partial 1 ", "Partial 1 在见", "Final 1 再见。"),
        sentences=(
            WELCOME_SENTENCE,
            Sentence(1, 2, 0, 2120, 2680, "再见。", words((2120, 2680, "再见", "。", True)), final=True,
                     finality="sentence_end", revision=2),
        ),
        text="欢迎使用阿里云。再见。", usage=Usage(3, raw={"duration": 3}), events=7,
    ),
    "qwen_asr_dashscope_response.json": Case(
        ("Final 0 Welcome to Alibaba Cloud.",), (spoken("Welcome to Alibaba Cloud."),), "Welcome to Alibaba Cloud.",
        Usage(1, raw={"input_tokens_details": {"text_tokens": 0}, "output_tokens_details": {"text_tokens": 6},
        "seconds": 1}),
        "568e2bf0-d6f2-97f8-9f15-a57b11dc6977", timed=False, language="zh", emotion="neutral", finish_reason="stop",
    ),
    "qwen_asr_dashscope_stream_cumulative.sse": qwen(
        updates=("TextDelta 0 欢迎", "TextDelta 2 使用", "TextDelta 4 阿里云。", f"Final 0 {WELCOME}"),
    ),
    "qwen_asr_dashscope_stream_frame.sse": qwen(  # one frame, and the service was not done
        updates=("TextDelta 0 欢迎与", "Incomplete 0 欢迎与 cut"), sentences=(spoken("欢迎与", final=False),),
        text="欢迎与",
        finish_reason=None, incomplete_reason="cut", events=1,
    ),
    "qwen_asr_dashscope_stream_incremental.sse": qwen(
        updates=("TextDelta 0 欢迎", "TextDelta 2 使用", "TextDelta 4 阿里云。", f"Final 0 {WELCOME}"),
        incremental=True,
    ),
    "qwen_asr_openai_error.json": Case(
        http_status=401, error=HTTPStatusError, code="invalid_api_key", error_status=401,
        error_id="c1b2e3d4-xxxx-xxxx-xxxx-xxxxxxxxxxxx", message="Incorrect API key provided.",
        incomplete_reason="error", events=0,
    ),
    "qwen_asr_openai_response.json": Case(
        ("Final 0 Welcome to Alibaba Cloud.",), (spoken("Welcome to Alibaba Cloud."),), "Welcome to Alibaba Cloud.",
        Usage(1, 42, 42, 12, 54, OPENAI_USAGE), "chatcmpl-487abe5f-d4f2-9363-a877-xxxxxxx", timed=False, language="zh",
        emotion="neutral", model="qwen3-asr-flash", created=1767683986, finish_reason="stop",
    ),
    "qwen_asr_openai_stream.sse": openai(),
    "qwen_asr_openai_stream_include_usage.sse": openai(usage=Usage(1, 42, 42, 12, 54, OPENAI_USAGE), events=9),
    "qwen_audio_31_diarized_workspace.json": Case(
        ("Final 0 第1段。", "Final 1 第2段。", "Final 2 第3段。"),
        (
            Sentence(0, 1, 0, 0, 4160, "第1段。", words((0, 4160, "第1段", "。", True, 0)), speaker_id=0, final=True,
                     finality="sentence_end"),
            Sentence(1, 2, 0, 4480, 9680, "第2段。", words((4480, 9680, "第2段", "。", True, 1)), speaker_id=1,
            final=True,
                     finality="sentence_end"),
            Sentence(2, 3, 0, 9840, 14880, "第3段。", words((9840, 14880, "第3段", "。", True, 0)), speaker_id=0,
            final=True,
                     finality="sentence_end"),
        ),
        "第1段。第2段。第3段。",
        Usage(15, 238, None, 80, 318, {"duration": 15, "input_tokens": 238, "output_tokens": 80, "total_tokens": 318}),
        "r-xxxx",
    ),
    "ws_heartbeat.json": Case(incomplete_reason="empty", issues={"heartbeat": 1}),
    "ws_result_begin.json": Case(
        ("Partial 0 ", "Incomplete 0  open_sentence"), (Sentence(0, 1, 0, 0, None, ""),),
        incomplete_reason="open_sentence",
    ),
    "ws_result_final_stash.json": Case(
        (f"Final 0 {WELCOME}",),
        (
            Sentence(0, 1, 0, 120, 1700, WELCOME,
                     words((120, 520, "欢迎", "", False), (520, 880, "使用", "", False), (880, 1700, "阿里云", "。",
                     False)),
                     final=True, finality="sentence_end"),
        ),
        WELCOME, Usage(2, 84, None, 4, 88, {"duration": 2, "input_tokens": 84, "output_tokens": 4, "total_tokens": 88}),
    ),
    "ws_result_funasr_final.json": Case(
        ("Final 0 好，我知道了",),
        (
            Sentence(0, 1, 0, 170, 920, "好，我知道了", words((170, 295, "好", "，"), (295, 503, "我", "")), final=True,
                     finality="sentence_end"),
        ),
        "好，我知道了", Usage(3, raw={"duration": 3}),
    ),
    "ws_task_failed.json": Case(
        error=ServiceError, code="CLIENT_ERROR", error_status=200, error_id="2bf83b9a-baeb-4fda-8d9a-xxxxxxxxxxxx",
        message="event 1: CLIENT_ERROR: request timeout after 23 seconds.", incomplete_reason="error",
    ),
    "ws_task_finished.json": Case(incomplete_reason="empty", at_end=True),
    "ws_task_started.json": Case(incomplete_reason="empty", issues={"empty_event": 1}),
}  # fmt: skip


def wire(name: str) -> bytes:
    data = (SAMPLES / name).read_bytes()
    if name.startswith("ws_"):  # a message of the WebSocket API, as `ResultStream` says to feed it
        return b"data:" + json.dumps(json.loads(data), ensure_ascii=False).encode() + b"\n\n"
    return data


def shown(update: Update) -> str:
    match update:
        case TextDelta(text, offset):
            return f"TextDelta {offset} {text}"
        case Incomplete(sentence, reason):
            return f"Incomplete {sentence.index} {sentence.text} {reason}"
        case Partial() | Final() | Amended():
            return f"{type(update).__name__} {update.sentence.index} {update.sentence.text}"
    raise AssertionError(update)


def without_raw(sentence: Sentence) -> Sentence:
    values = {name: getattr(sentence, name) for name in Sentence.__match_args__}
    return Sentence(**{**values, "raw": None})


@dataclass
class Outcome:
    updates: list[Update]
    transcript: Transcript
    at_end: bool
    events: int
    error: ASRWireError | None


def read(case: Case, reads: Iterable[bytes], *, partials: bool = True) -> Outcome:
    """The documented loop: after an error, what the call had found, then what was open."""
    stream = ResultStream(partials, incremental=case.incremental, http_status=case.http_status)
    updates: list[Update] = []
    error: ASRWireError | None = None
    try:
        for data in reads:
            updates += stream.receive_data(data)
    except ASRWireError as raised:
        updates += raised.output
        error = raised
    try:
        updates += stream.receive_eof(error)
    except ASRWireError as raised:
        updates += raised.output
        error = raised
    return Outcome(updates, stream.transcript, stream.at_end, stream.events, error)


def check(case: Case, outcome: Outcome) -> None:
    transcript = outcome.transcript
    assert tuple(map(shown, outcome.updates)) == case.updates
    assert tuple(map(without_raw, transcript.sentences)) == case.sentences
    assert transcript.text == case.text
    assert transcript.usage == case.usage
    assert transcript.request_id == case.request_id
    assert transcript.complete is (case.incomplete_reason is None)
    assert transcript.incomplete_reason == case.incomplete_reason
    assert transcript.no_speech is case.no_speech
    assert transcript.timed is case.timed
    assert dict(transcript.issues) == case.issues
    assert (transcript.language, transcript.emotion) == (case.language, case.emotion)
    assert (transcript.model, transcript.created) == (case.model, case.created)
    assert transcript.finish_reason == case.finish_reason
    assert outcome.at_end is case.at_end
    assert outcome.events == case.events
    check_error(case, outcome)


def check_error(case: Case, outcome: Outcome) -> None:
    error = outcome.error
    if case.error is None:
        assert error is None
        return
    assert type(error) is case.error
    assert (error.code, error.http_status, error.request_id) == (case.code, case.error_status, case.error_id)
    assert case.message in str(error)
    assert (error.sent, error.retry_safe) == ("complete", False)
    assert isinstance(error.output, list)
    assert isinstance(error.partial, Transcript)
    assert error.partial.sentences == outcome.transcript.sentences


def splits(data: bytes) -> Iterator[list[bytes]]:
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("name", CASES)
def test_sample_becomes_its_transcript(name: str) -> None:
    check(CASES[name], read(CASES[name], [wire(name)]))


@pytest.mark.parametrize("name", CASES)
def test_sample_cut_anywhere_is_the_same(name: str) -> None:
    whole = read(CASES[name], [wire(name)])
    for reads in splits(wire(name)):
        outcome = read(CASES[name], reads)
        assert outcome.updates == whole.updates
        assert outcome.transcript == whole.transcript
        assert (outcome.at_end, outcome.events) == (whole.at_end, whole.events)
        assert str(outcome.error) == str(whole.error)


@pytest.mark.parametrize("name", CASES)
def test_sample_without_partials(name: str) -> None:
    whole = read(CASES[name], [wire(name)])
    finals = read(CASES[name], [wire(name)], partials=False)
    assert unrevised.whole(finals.transcript) == unrevised.whole(whole.transcript)
    assert unrevised.without_partials(finals.updates) == unrevised.without_partials(whole.updates)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.http_status == 200])
def test_sample_as_a_body_of_another_content_type(name: str) -> None:
    # What the body begins with decides where it and the Content-Type disagree.
    data, case = wire(name), CASES[name]
    events = not data.startswith(b"{")
    for content_type, wrong in (("text/event-stream;charset=UTF-8", not events), ("application/json", events)):
        stream = ResultStream(incremental=case.incremental, content_type=content_type)
        with pytest.raises(case.error) if case.error else nullcontext():
            stream.receive_data(data)
            stream.receive_eof()
        transcript = stream.transcript
        assert tuple(map(without_raw, transcript.sentences)) == case.sentences
        issue = ("event_stream_as_other" if events else "json_in_event_stream") if wrong else None
        assert dict(transcript.issues) == {**case.issues, **({issue: 1} if issue else {})}


SMALL = b'{"output":{"text":"hi"},"request_id":"r"}'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream", b" \t\n" + SMALL), (None, b"\r\n" + SMALL), (None, b"id \0:1\n\n"), (None, b"id x"),
        (None, b"dat\v"), (None, b"i d:1"), (None, b"id :1\n\n"), ("text/event-stream", b"\n\ndata:x"),
    ],
)  # fmt: skip
def test_what_a_body_is_does_not_depend_on_where_it_is_cut(content_type: str | None, body: bytes) -> None:
    def outcome(reads: list[bytes]) -> Any:
        stream = ResultStream(content_type=content_type)
        error = None
        try:
            for data in reads:
                stream.receive_data(data)
            stream.receive_eof()
        except ASRWireError as caught:
            error = repr(caught)
        return error, stream.transcript

    whole = outcome([body])
    assert outcome([body[i : i + 1] for i in range(len(body))]) == whole
    for i in range(len(body)):
        assert outcome([body[:i], body[i:]]) == whole


def test_an_event_of_another_request_is_counted_each_time() -> None:
    # Deltas that repeat an event but for the text are read without decoding.
    frame = b'data: {"id":"%b","choices":[{"delta":{"content":"a"},"index":0}],"object":"chat.completion.chunk"}\n\n'
    stream = ResultStream()
    stream.receive_data(frame % b"one" + frame % b"two" * 5 + frame % b"one" * 3)
    assert stream.transcript.issues["request_id_changed"] == 5
    assert stream.transcript.text == "a" * 9


def test_raw_is_the_json_as_received() -> None:
    outcome = read(CASES["funasr_flash_stream.sse"], [wire("funasr_flash_stream.sse")])
    data = wire("funasr_flash_stream.sse")
    assert outcome.transcript.sentences[0].raw == data[data.index(b"{") : data.rindex(b"}") + 1]
    body = wire("funasr_flash_response.json")
    assert read(CASES["funasr_flash_response.json"], [body]).transcript.sentences[0].raw == body


def test_every_sample_of_a_synchronous_call_has_a_case() -> None:
    names = {path.name for path in SAMPLES.iterdir() if any(fnmatch(path.name, pattern) for pattern in SYNCHRONOUS)}
    assert names == set(CASES)


# -- result files ------------------------------------------------------------------------------------------------------


def test_filetrans_result() -> None:
    result = read_result(wire("filetrans_result.json"))
    assert (result.file_url, result.audio_format, result.sample_rate) == ("https://***.wav", "wav", 16000)
    assert (result.duration, result.channels, result.task_id, result.raw) == (None, (0,), None, None)
    (transcript,) = result.transcripts
    first = "Senior staff, Principal Doris Jackson, Wakefield faculty, and of course my fellow classmates."
    second = (
        "I am honored to have been chosen to speak before my classmates along with the students across America today."
    )
    assert tuple(transcript.sentences) == (
        Sentence(0, 0, 0, 240, 6720, first, words((240, 1120, "Senior ", ""), (1120, 1200, "staff", ",")), "en",
        "happy",
                 final=True, finality="end_time"),
        Sentence(1, 1, 0, 12268, 17388, second, words((12268, 12428, "I ", ""), (12428, 12508, "am ", "")), "en",
                 "neutral", final=True, finality="end_time"),
    )  # fmt: skip
    assert transcript.text == first + second  # the service's own text, without the space the join would put
    assert transcript.issues == {"text_mismatch": 1}
    assert (transcript.language, transcript.emotion, transcript.channel_id) == ("en", None, 0)
    assert (transcript.complete, transcript.no_speech, transcript.timed, transcript.channels) == (
        True,
        False,
        True,
        (0,),
    )
    assert transcript.speech_duration is None
    assert [word.text for word in transcript.words] == ["Senior ", "staff", "I ", "am "]
    assert transcript.words.locate(1150) == 1
    assert transcript.words.locate(12300) == 2


def test_funasr_result() -> None:
    result = read_result(wire("funasr_result.json"))
    url = "https://dashscope.oss-cn-beijing.aliyuncs.com/samples/audio/paraformer/hello_world_female2.wav"
    assert (result.file_url, result.audio_format, result.sample_rate) == (url, "pcm_s16le", 16000)
    assert (result.duration, result.channels) == (3834, (0,))
    (transcript,) = result.transcripts
    text = "Hello world, 这里是阿里巴巴语音实验室。"
    assert tuple(transcript.sentences) == (
        Sentence(0, 1, 0, 100, 3820, text, words((100, 596, "Hello ", ""), (596, 844, "world", ", ")), speaker_id=0,
                 final=True, finality="end_time"),
    )  # fmt: skip
    assert (transcript.text, dict(transcript.issues), transcript.speech_duration) == (text, {}, 3720)
    assert (transcript.language, transcript.emotion, transcript.complete) == (None, None, True)


@pytest.mark.parametrize("name", FILES)
def test_result_file_as_any_bytes_like(name: str) -> None:
    data = wire(name)
    whole = read_result(data)
    assert read_result(bytearray(data)) == whole
    assert read_result(memoryview(data)) == whole
    assert read_result(b"\xef\xbb\xbf" + data) == whole


@pytest.mark.parametrize("name", FILES)
def test_result_file_keeps_raw_when_asked(name: str) -> None:
    data = wire(name)
    result = read_result(data, keep_raw=True)
    assert result.raw == data
    for transcript in result.transcripts:
        for sentence in transcript.sentences:
            assert sentence.raw is not None
            assert sentence.raw in data
            assert json.loads(sentence.raw)["text"] == sentence.text


@pytest.mark.parametrize("name", FILES)
def test_result_file_cut_anywhere_is_a_decode_error(name: str) -> None:
    data = wire(name)
    for at in range(len(data.rstrip())):
        with pytest.raises(ASRWireError) as caught:
            read_result(data[:at])
        assert caught.value.kind == "decode"
        assert caught.value.offset is not None
        assert caught.value.offset <= at
