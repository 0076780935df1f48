# What each model says, piece by piece: the JSON of every synchronous dialect, without envelope and framing.
#
# Knows: the members of each dialect in the order the documents print them, when in the audio a piece is due, which
# partial results come first. Must not know: envelopes, bytes, HTTP.

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .._model import Sentence, Word
from ._documents import Call
from ._script import Script, separator


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of an answer.

    Attributes:
        at: when it is due, in ms of audio.
        node: what goes under ``output`` (native dialects), or the whole chunk (OpenAI-compatible).
        usage: what goes under ``usage``, or None where the frame has none.
        text: the whole transcript as of this frame.
        finals: the sentences this frame makes final.
    """

    at: int
    node: dict[str, Any]
    usage: dict[str, Any] | None
    text: str
    finals: tuple[Sentence, ...] = ()


def _seconds(ms: int) -> int:
    return max(1, -(-ms // 1000))


# == Fun-ASR-Flash, Fun-ASR-Realtime: sentences ========================================================================


def _ms(time: int | None) -> int:
    assert time is not None  # Script has checked it
    return time


def _word_json(word: Word, fixed: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "end_time": word.end_time,
        "punctuation": word.punctuation,
        "begin_time": word.begin_time,
        "fixed": fixed,
        "text": word.text,
    }
    if word.speaker_id is not None:
        body["speaker_id"] = word.speaker_id
    return body


def _extras(sentence: Sentence) -> dict[str, Any]:
    extras = {name: getattr(sentence, name) for name in ("speaker_id", "language", "emotion")}
    return {name: value for name, value in extras.items() if value is not None}


def _final_json(sentence: Sentence, sentence_id: int) -> dict[str, Any]:
    return {
        "sentence_id": sentence_id,
        "sentence_end": True,
        "end_time": sentence.end_time,
        "words": [_word_json(word, True) for word in sentence.words],
        "begin_time": sentence.begin_time,
        "text": sentence.text,
        "channel_id": sentence.channel_id,
        **_extras(sentence),
    }


def _open_json(sentence: Sentence, sentence_id: int, words: list[Word]) -> dict[str, Any]:
    return {
        "words": [_word_json(word, False) for word in words],
        "begin_time": sentence.begin_time,
        "text": "".join(word.text + word.punctuation for word in words),
        "channel_id": sentence.channel_id,
        "sentence_id": sentence_id,
        "sentence_end": False,
        **_extras(sentence),
    }


def _as_sent(sentence: Sentence, index: int, words: tuple[Word, ...]) -> Sentence:
    """The sentence with the index, id, words and finality it has on the wire."""
    return Sentence(
        index,
        sentence_id=index + 1,
        channel_id=sentence.channel_id,
        begin_time=sentence.begin_time,
        end_time=sentence.end_time,
        text="".join(word.text + word.punctuation for word in words),
        words=words,
        language=sentence.language,
        emotion=sentence.emotion,
        speaker_id=sentence.speaker_id,
        final=True,
        finality="sentence_end",
    )


def _fixed(word: Word, *, lead: str = "", speaker_id: int | str | None = None) -> Word:
    return Word(word.begin_time, word.end_time, lead + word.text, word.punctuation, True, speaker_id)


def _mistaken(word: Word) -> Word:
    """The word as first heard: another ending, no punctuation yet."""
    last = word.text[-1:]
    if last.isascii():
        text = word.text[:-1] if last == "s" else word.text + "s"
    else:
        text = word.text[:-1] + ("的" if last != "的" else "地")
    return Word(word.begin_time, word.end_time, text, "", False, word.speaker_id)


def _growth(sentence: Sentence, revisions: random.Random) -> Iterator[list[Word]]:
    """The words of each partial result: one more each time, now and then the last one wrong; never the whole."""
    words = list(sentence.words)
    for count in range(1, len(words)):
        yield words[: count - 1] + ([_mistaken(words[count - 1])] if revisions.random() < 0.15 else [words[count - 1]])


def sentence_frames(script: Script, revisions: random.Random) -> Iterator[Frame]:
    """For each sentence: its announcement, growing partial results, the final one with the usage so far."""
    said = ""
    silence = 0
    for index, sentence in enumerate(script.sentences):
        begin, end = _ms(sentence.begin_time), _ms(sentence.end_time)
        # A sentence is announced before its first word is placed: begin_time moves afterwards.
        node: dict[str, Any] = {
            "sentence_id": index + 1,
            "sentence_end": False,
            "sentence_begin": True,
            "words": [],
            "begin_time": max(silence, begin - 160),
            "text": "",
            "channel_id": sentence.channel_id,
        }
        yield Frame(begin, {"sentence": node, "text": said}, None, said)
        for words in _growth(sentence, revisions):
            node = _open_json(sentence, index + 1, words)
            text = said + separator(said, node["text"]) + node["text"]
            yield Frame(_ms(words[-1].end_time), {"sentence": node, "text": text}, None, text)
        final = _as_sent(sentence, index, tuple(_fixed(word, speaker_id=word.speaker_id) for word in sentence.words))
        if final == sentence:
            final = sentence  # every answer's record shares the script's own
        said += separator(said, final.text) + final.text
        usage = {"duration": _seconds(end)}
        yield Frame(end, {"sentence": _final_json(final, index + 1), "text": said}, usage, said, (final,))
        silence = end


def whole_frame(script: Script, call: Call) -> Frame:
    """An answer in one piece: ``sentence`` covers all the audio; with diarization ``sentences`` holds the parts."""
    words: list[Word] = []
    text = ""
    for sentence in script.sentences:
        lead = separator(text, sentence.text)
        speaker = sentence.speaker_id if call.diarization else None
        words += [_fixed(word, lead=lead * (not n), speaker_id=speaker) for n, word in enumerate(sentence.words)]
        text += lead + sentence.text
    first = script.sentences[0]
    whole = Sentence(
        0,
        sentence_id=1,
        channel_id=first.channel_id,
        begin_time=first.begin_time,
        end_time=script.duration,
        text=text,
        words=tuple(words),
        speaker_id=first.speaker_id if call.diarization else _common(script, "speaker_id"),
        language=_common(script, "language"),
        emotion=_common(script, "emotion"),
        final=True,
        finality="sentence_end",
    )
    node: dict[str, Any] = {"sentence": _final_json(whole, 1)}
    finals: tuple[Sentence, ...] = (whole,)
    if call.diarization:
        finals = tuple(
            _as_sent(part, index, tuple(_fixed(word, speaker_id=part.speaker_id) for word in part.words))
            for index, part in enumerate(script.sentences)
        )
        node["sentences"] = [_final_json(part, index + 1) for index, part in enumerate(finals)]
    return Frame(script.duration, {**node, "text": text}, _audio_usage(script, call, script.duration), text, finals)


def _common(script: Script, name: str) -> Any:
    values = {getattr(sentence, name) for sentence in script.sentences}
    return values.pop() if len(values) == 1 else None


# == Qwen-Audio-ASR-Flash: one text, cumulative and revisable ==========================================================


def _audio_usage(script: Script, call: Call, at: int) -> dict[str, Any]:
    usage = {"duration": _seconds(at)}
    if call.family == "qwen-audio" and not call.model.startswith("qwen-audio-3.0-"):
        tokens = {"input_tokens": _audio_tokens(at), "output_tokens": _text_tokens(script, at)}
        usage |= {**tokens, "total_tokens": sum(tokens.values())}
    return usage


def text_frames(script: Script, call: Call, revisions: random.Random) -> Iterator[Frame]:
    """The whole text so far, each time anew; its end may be taken back."""
    said = ""
    for sentence in script.sentences:
        for words in _growth(sentence, revisions):
            heard = "".join(word.text + word.punctuation for word in words)
            text = said + separator(said, heard) + heard
            yield Frame(_ms(words[-1].end_time), {"text": text}, None, text)
        said += separator(said, sentence.text) + sentence.text
        end = _ms(sentence.end_time)
        yield Frame(end, {"text": said}, _audio_usage(script, call, end), said)


# == Qwen3-ASR-Flash: choices ==========================================================================================


def _audio_tokens(at: int) -> int:
    return 25 * _seconds(at)


def _text_tokens(script: Script, at: int) -> int:
    words = [word for sentence in script.sentences for word in sentence.words if _ms(word.end_time) <= at]
    return len(words) + sum(bool(word.punctuation) for word in words)


def _annotations(script: Script, call: Call) -> list[dict[str, Any]]:
    first = script.sentences[0]
    language = call.language or first.language or ("en" if first.text.isascii() else "zh")
    return [{"type": "audio_info", "language": language, "emotion": first.emotion or "neutral"}]


def _pieces(script: Script) -> Iterator[tuple[int, str]]:
    """The transcript in appendable pieces, each with the end of its word: words, then their punctuation."""
    text = ""
    for sentence in script.sentences:
        lead = separator(text, sentence.text)
        for word in sentence.words:
            yield _ms(word.end_time), lead + word.text
            if word.punctuation:
                yield _ms(word.end_time), word.punctuation
            lead = ""
        text += sentence.text


def _qwen_usage(script: Script, at: int) -> dict[str, Any]:
    return {
        "output_tokens_details": {"text_tokens": _text_tokens(script, at)},
        "input_tokens_details": {"text_tokens": 0},
        "seconds": _seconds(at),
    }


def _qwen_output(script: Script, call: Call, content: list[dict[str, str]], finish_reason: str) -> dict[str, Any]:
    message = {"annotations": _annotations(script, call), "content": content, "role": "assistant"}
    return {"choices": [{"message": message, "finish_reason": finish_reason}]}


def qwen_frame(script: Script, call: Call) -> Frame:
    output = _qwen_output(script, call, [{"text": script.text}], "stop")
    return Frame(script.duration, output, _qwen_usage(script, script.duration), script.text)


def qwen_frames(script: Script, call: Call) -> Iterator[Frame]:
    """Cumulative text, or with ``incremental_output`` deltas; ``finish_reason`` is the string "null", then "stop"."""
    text = ""
    for at, piece in _pieces(script):
        text += piece
        output = _qwen_output(script, call, [{"text": piece if call.incremental else text}], "null")
        yield Frame(at, output, _qwen_usage(script, at), text)
    output = _qwen_output(script, call, [] if call.incremental else [{"text": text}], "stop")
    yield Frame(script.duration, output, _qwen_usage(script, script.duration), text)


def _openai_usage(script: Script) -> dict[str, Any]:
    completion, prompt = _text_tokens(script, script.duration), _audio_tokens(script.duration)
    return {
        "completion_tokens": completion,
        "completion_tokens_details": {"text_tokens": completion},
        "prompt_tokens": prompt,
        "prompt_tokens_details": {"audio_tokens": prompt, "text_tokens": 0},
        "seconds": _seconds(script.duration),
        "total_tokens": completion + prompt,
    }


def openai_completion(script: Script, call: Call, request_id: str, created: int) -> Frame:
    message = {"annotations": _annotations(script, call), "content": script.text, "role": "assistant"}
    body = {
        "choices": [{"finish_reason": "stop", "index": 0, "message": message}],
        "created": created,
        "id": f"chatcmpl-{request_id}",
        "model": call.model,
        "object": "chat.completion",
        "usage": _openai_usage(script),
    }
    return Frame(script.duration, body, None, script.text)


def openai_chunks(script: Script, call: Call, request_id: str, created: int) -> Iterator[Frame]:
    """The chunks before ``[DONE]``: the role, the content in deltas, the finish reason, the usage if it is wanted."""
    head = {"model": call.model, "id": f"chatcmpl-{request_id}"}
    kind = {"created": created, "object": "chat.completion.chunk"}
    role = {"logprobs": None, "index": 0, "delta": {"content": "", "role": "assistant"}}
    yield Frame(0, {**head, **kind, "usage": None, "choices": [role]}, None, "")
    annotations = _annotations(script, call)
    text = ""
    for at, piece in _pieces(script):
        text += piece
        delta = {"annotations": annotations, "content": piece, "role": None}
        yield Frame(at, {**head, "choices": [{"delta": delta, "index": 0}], **kind, "usage": None}, None, text)
    stop = {"delta": {"role": None}, "index": 0, "finish_reason": "stop"}
    yield Frame(script.duration, {**head, "choices": [stop], **kind, "usage": None}, None, text)
    if call.include_usage:
        usage = _openai_usage(script)
        yield Frame(script.duration, {**head, **kind, "choices": [], "usage": usage}, None, text)
