# The benchmarks' input: seeded, deterministic, standard library only, each piece with its ground truth.
#
# Knows: what the services send (native framing, cumulative partials, text deltas) and what a correct reader must find
# in it. Must not know: asrwire or any peer. Field names and their order follow captures of Fun-ASR streams; how many
# partials a sentence has and how long it is are assumptions. Only Random.random() is drawn from: its sequence is the
# one thing the random module promises to keep, so the same seed gives the same bytes on every Python.

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias, TypeVar

T = TypeVar("T")
Language: TypeAlias = Literal["zh", "en", "mixed"]  # mixed: Chinese and English sentences in turn

PARTIALS = 20  # a sentence
WORDS = (18, 30)  # a sentence
READ = 65536  # bytes; what transports ask a socket for
REQUEST_ID = "372d19b3-993f-9288-adf0-a99f7606bd30"

_CHINESE = (
    "今天 我们 讨论 一下 语音 识别 的 结果 每 一个 句子 都 有 开始 和 结束 时间 网络 断开 以后 已经 收到 的 部分 "
    "不能 丢失 模型 会 修改 前面 文字 所以 字幕 需要 更新 会议 记录 客服 质检 很 重要 谢谢 大家 阿里云 支持 多种 方言"
)
_ENGLISH = (
    "every partial result repeats the sentence so far and the reader must not say a word twice when it comes again "
    "we look at times speakers and channels of this recording while people keep talking about what happens next"
)
CHINESE, ENGLISH = _CHINESE.split(), _ENGLISH.split()


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One item of ``words``; times in ms."""

    begin_time: int
    end_time: int
    text: str
    punctuation: str
    fixed: bool


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """What one event says of a sentence; ``end_time`` is None until ``final``."""

    sentence_id: int
    begin_time: int
    end_time: int | None
    text: str
    words: tuple[SpokenWord, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class Framed:
    """An event as a reader of the standard must see it, and ``wire``, its bytes with the blank line that ends it."""

    event: str
    data: bytes
    id: str
    comments: tuple[str, ...]
    wire: bytes


@dataclass(frozen=True, slots=True)
class EventStream:
    """A body of events. ``states``: one a sentence event, in order; ``deltas``: one a text event."""

    events: tuple[Framed, ...]
    states: tuple[SpokenSentence, ...] = ()
    deltas: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        return b"".join([event.wire for event in self.events])

    @property
    def finals(self) -> tuple[SpokenSentence, ...]:
        return tuple([state for state in self.states if state.final])

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    def reads(self, size: int | None = READ) -> list[bytes]:
        """The body in reads of ``size`` bytes, or one event a read (None)."""
        return [event.wire for event in self.events] if size is None else cut(self.body, size)


@dataclass(frozen=True, slots=True)
class ChunkedBody:
    """A chunked body (RFC 9112 7.1): ``chunks`` are the chunk-data, the zero chunk left out."""

    chunks: tuple[bytes, ...]

    @property
    def wire(self) -> bytes:
        return b"".join(self.reads(None))

    def reads(self, size: int | None = READ) -> list[bytes]:
        """The coded body in reads of ``size`` bytes, or one chunk a read (None)."""
        wire = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in self.chunks] + [b"0\r\n\r\n"]
        return wire if size is None else cut(b"".join(wire), size)


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result file and the words in it, as (begin_time, end_time, text, punctuation)."""

    data: bytes
    words: tuple[tuple[int, int, str, str], ...]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def fun_asr(sentences: int, *, seed: int = 7, language: Language = "mixed") -> EventStream:
    """A Fun-ASR stream: per sentence 20 cumulative partials and a final, native framing, the documented envelope.

    A partial shows the words begun so far; the last one is cut short while it is being said, and its end moves. Words
    turn ``fixed`` two words later. Payloads are about 1.7 kB on average, finals about 3 kB.
    """
    rng = Random(seed)
    events: list[Framed] = []
    states: list[SpokenSentence] = []
    clock = 160
    for number in range(1, sentences + 1):
        chinese = language == "zh" or (language == "mixed" and number % 2 == 1)
        words = _words(rng, clock, chinese)
        begin, end = clock, words[-1].end_time
        for step in range(1, PARTIALS + 1):
            now = begin + (end - begin) * step // (PARTIALS + 1)
            heard = _heard_by(now, words)
            states.append(SpokenSentence(number, begin, None, _text(heard), heard, False))
        states.append(SpokenSentence(number, begin, end, _text(words), words, True))
        clock = end + 200 + _below(rng, 800)
    for at, state in enumerate(states, 1):
        data = _dumps(_envelope(state))
        events.append(_native(at, data))
    return EventStream(tuple(events), states=tuple(states))


def openai(deltas: int, *, seed: int = 7, language: Language = "mixed") -> EventStream:
    """A Qwen3-ASR-Flash stream of the OpenAI-compatible dialect: one text delta an event, about 290 B each.

    Before the deltas comes the role chunk (an empty delta), after them the stop chunk, the usage chunk and ``[DONE]``.
    """
    rng = Random(seed)
    texts: list[str] = []
    sentence = 0
    while len(texts) < deltas:
        chinese = language == "zh" or (language == "mixed" and sentence % 2 == 0)
        texts += [word.text + word.punctuation for word in _words(rng, 0, chinese)]
        sentence += 1
    texts = texts[:deltas]
    notes = [{"type": "audio_info", "language": "zh", "emotion": "neutral"}]
    first = {"logprobs": None, "index": 0, "delta": {"content": "", "role": "assistant"}}
    choices: list[list[dict[str, Any]]] = [[first]]
    for text in texts:
        choices.append([{"delta": {"annotations": notes, "content": text, "role": None}, "index": 0}])
    choices += [[{"delta": {"role": None}, "index": 0, "finish_reason": "stop"}], []]
    events: list[Framed] = []
    for choice in choices:
        usage = None if choice else {"prompt_tokens": 42, "completion_tokens": deltas, "total_tokens": 42 + deltas}
        chunk = {
            "model": "qwen3-asr-flash",
            "id": "chatcmpl-" + REQUEST_ID,
            "choices": choice,
            "created": 1767685989,
            "object": "chat.completion.chunk",
            "usage": usage,
        }
        events.append(_plain(_dumps(chunk)))
    events.append(_plain(b"[DONE]"))
    return EventStream(tuple(events), deltas=tuple(texts))


def framing(count: int, size: int, *, seed: int = 7) -> EventStream:
    """``count`` events of native framing, each of exactly ``size`` bytes (at least 128) on the wire, zh/en text."""
    rng = Random(seed)
    events = []
    for number in range(1, count + 1):
        room = size - len(_native(number, b'{"text":""}').wire)
        parts: list[str] = []
        vocabulary = CHINESE if number % 2 else ENGLISH
        while True:
            word = _pick(rng, vocabulary) + ("" if number % 2 else " ")
            if len(word.encode()) > room:
                break
            parts.append(word)
            room -= len(word.encode())
        data = _dumps({"text": "".join(parts) + "." * room})
        events.append(_native(number, data))
    return EventStream(tuple(events))


def chunked(count: int, size: int = 300, *, seed: int = 7) -> ChunkedBody:
    """``count`` chunks of ``size`` bytes, each one event of `framing`."""
    return ChunkedBody(tuple([event.wire for event in framing(count, size, seed=seed).events]))


def result_file(words: int, *, seed: int = 7) -> ResultFile:
    """A Fun-ASR result file of so many words, 288 ms each (150,000 are 12 hours), Chinese and English sentences of 25
    in turn. The vocabulary has 8,000 words, used as unevenly as words are (Zipf)."""
    rng = Random(seed)
    spoken: list[tuple[int, int, str, str]] = []
    sentences: list[dict[str, Any]] = []
    while len(spoken) < words:
        chinese = len(sentences) % 2 == 0
        count = min(25, words - len(spoken))
        said: list[tuple[int, int, str, str]] = []
        for i in range(count):
            rank = int(8000 ** rng.random())
            text = chr(0x4E00 + rank % 4999) + chr(0x4E00 + rank % 89) if chinese else f"word{rank} "
            begin = (len(spoken) + i) * 288
            said.append((begin, begin + 240, text, ("。" if chinese else ".") if i == count - 1 else ""))
        items = [dict(zip(("begin_time", "end_time", "text", "punctuation"), word, strict=True)) for word in said]
        text = "".join([word[2] + word[3] for word in said])
        times = {"begin_time": said[0][0], "end_time": said[-1][1]}
        sentences.append({**times, "text": text, "sentence_id": len(sentences) + 1, "words": items})
        spoken += said
    transcript = {
        "channel_id": 0,
        "content_duration_in_milliseconds": words * 288,
        "text": "".join([sentence["text"] for sentence in sentences]),
        "sentences": sentences,
    }
    properties = {"audio_format": "pcm_s16le", "channels": [0], "original_sampling_rate": 16000}
    head = {"file_url": "https://example.com/a.wav", "properties": properties}
    return ResultFile(_dumps({**head, "transcripts": [transcript]}), tuple(spoken))


def _words(rng: Random, begin: int, chinese: bool) -> tuple[SpokenWord, ...]:
    # English words carry the space before them, as in the services' samples, so a text is its words joined.
    count = WORDS[0] + _below(rng, WORDS[1] - WORDS[0] + 1)
    words = []
    for i in range(count):
        text = _pick(rng, CHINESE if chinese else ENGLISH)
        end = begin + (120 if chinese else 70) * max(2, len(text))
        comma = rng.random() < 0.12
        if i == count - 1:
            punctuation = "。" if chinese else "."
        else:
            punctuation = ("，" if chinese else ",") if comma else ""
        if not chinese:
            text = " " + text if i else text.capitalize()
        words.append(SpokenWord(begin, end, text, punctuation, True))
        begin = end
    return tuple(words)


def _heard_by(now: int, words: tuple[SpokenWord, ...]) -> tuple[SpokenWord, ...]:
    begun = [word for word in words if word.begin_time < now]
    heard = [
        SpokenWord(word.begin_time, word.end_time, word.text, word.punctuation, i < len(begun) - 2)
        for i, word in enumerate(begun[:-1])
    ]
    last = begun[-1]
    half = last.text[: (len(last.text) + 1) // 2]
    text = half if 2 * (now - last.begin_time) < last.end_time - last.begin_time and half.strip() else last.text
    heard.append(SpokenWord(last.begin_time, min(now, last.end_time), text, "", False))
    return tuple(heard)


def _text(words: tuple[SpokenWord, ...]) -> str:
    return "".join([word.text + word.punctuation for word in words])


def _envelope(state: SpokenSentence) -> dict[str, Any]:
    words = [
        {
            "begin_time": word.begin_time,
            "end_time": word.end_time,
            "text": word.text,
            "punctuation": word.punctuation,
            "fixed": word.fixed,
            "speaker_id": None,
        }
        for word in state.words
    ]
    sentence = {
        "sentence_id": state.sentence_id,
        "begin_time": state.begin_time,
        "end_time": state.end_time,
        "text": state.text,
        "channel_id": 0,
        "speaker_id": None,
        "sentence_end": state.final,
        "words": words,
    }
    value: dict[str, Any] = {"output": {"sentence": sentence, "text": state.text}}
    if state.end_time is not None:
        value["usage"] = {"duration": -(-state.end_time // 1000)}
    value["request_id"] = REQUEST_ID
    return value


def _native(number: int, data: bytes) -> Framed:
    wire = b"id:%d\nevent:result\n:HTTP_STATUS/200\ndata:%b\n\n" % (number, data)
    return Framed("result", data, str(number), ("HTTP_STATUS/200",), wire)


def _plain(data: bytes) -> Framed:
    return Framed("message", data, "", (), b"data: %b\n\n" % data)


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _below(rng: Random, bound: int) -> int:
    return int(rng.random() * bound)


def _pick(rng: Random, choices: list[T]) -> T:
    return choices[_below(rng, len(choices))]
