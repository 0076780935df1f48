# From a script and an accepted request to the bytes of the answer: envelopes, framing, errors, samples.
#
# Knows: how each service wraps what a model says, and what it says when it refuses. Must not know: sockets, clocks,
# the members of a dialect (_dialects).

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import orjson

from .._model import Sentence
from ._dialects import (
    Frame,
    openai_chunks,
    openai_completion,
    qwen_frame,
    qwen_frames,
    sentence_frames,
    text_frames,
    whole_frame,
)
from ._documents import COMPLETIONS, Call
from ._faults import Fault
from ._schema import Refusal
from ._script import Sample, Script

Envelope = Literal["doc", "public", "workspace"]
EVENT_STREAM = "text/event-stream;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Event:
    """Some bytes of a body that leave together.

    Attributes:
        at: when they are due, in ms of audio.
        data: the bytes.
        text: the whole transcript as of this event; None for an error or a sample, which have none.
        finals: the sentences this event makes final.
        wait: seconds of silence before them.
        role: ``"broken"``: no client can read it, nor what follows; ``"filler"``: it is no event, only bytes.
    """

    at: int
    data: bytes
    text: str | None = None
    finals: tuple[Sentence, ...] = ()
    wait: float = 0.0
    role: Literal["event", "broken", "filler"] = "event"


@dataclass(slots=True)
class Answer:
    """One response, and how much of it has left.

    Attributes:
        events: the body in the pieces it leaves in, made as they are asked for; one piece unless ``stream``.
        stream: the body is sent chunked, each piece when it is due.
        headers: besides Content-Type, Date and X-Request-Id.
        label: what a log line calls it.
        model: the model it is an answer of, or None.
        faults: what befalls it on its way (`_wire`).
        left: how many events have left so far.
        text: of the last event that has left and can be read.
        finals: of all events that have left and can be read.
        rest: what has left of an event that has not left whole.
        size: how many bytes have left, head and framing included.
        complete: the last event has left, and nothing was kept back.
        readable: nothing has left so far that no client can read on from.
    """

    request_id: str
    status: int
    content_type: str
    events: Iterable[Event]
    stream: bool = False
    headers: list[tuple[str, str]] = field(default_factory=list)
    label: str = ""
    model: str | None = None
    faults: Sequence[Fault] = ()
    left: int = 0
    text: str | None = None
    finals: list[Sentence] = field(default_factory=list)
    rest: bytes = b""
    size: int = 0
    complete: bool = False
    readable: bool = True

    def count(self, event: Event, *, last: bool) -> None:
        """The event has left whole."""
        self.complete = last
        self.rest = b""
        if event.role == "filler":
            return
        self.left += 1
        self.readable = self.readable and event.role == "event"
        if self.readable:
            self.finals += event.finals
            self.text = event.text


def answer_sample(sample: Sample, request_id: str) -> Answer:
    """The sample as it is; an event stream leaves event by event."""
    content_type = sample.content_type
    if content_type is None:
        content_type = "application/json" if sample.body.lstrip()[:1] in (b"{", b"[") else EVENT_STREAM
    if not content_type.startswith("text/event-stream"):
        return Answer(request_id, sample.status, content_type, [Event(0, sample.body)] if sample.body else [])
    parts = re.findall(rb".+?(?:\r?\n\r?\n|\Z)", sample.body, re.DOTALL)
    return Answer(request_id, sample.status, content_type, [Event(0, part) for part in parts], stream=True)


def answer_error(request_id: str, status: int, code: str, message: str, *, openai: str | None = None) -> Answer:
    """An error body. ``openai``: the value of ``error.param``, where the error is of the OpenAI-compatible shape."""
    body: dict[str, Any]
    if openai is None:
        body = {"code": code, "message": message, "request_id": request_id}
    else:
        error = {"message": message, "type": "invalid_request_error", "param": openai or None, "code": code}
        body = {"error": error, "request_id": request_id}
    return Answer(request_id, status, "application/json", [Event(0, orjson.dumps(body))])


def answer_refusal(path: str, refusal: Refusal, request_id: str) -> Answer:
    """What a request is told that is not as documented."""
    if path != COMPLETIONS:
        return answer_error(request_id, refusal.status, refusal.code, str(refusal))
    names = {"InvalidApiKey": "invalid_api_key", "InvalidParameter": "invalid_parameter_error"}
    code = names.get(refusal.code, refusal.code)
    return answer_error(request_id, refusal.status, code, str(refusal), openai=refusal.field)


def answer_call(
    script: Script, call: Call, *, envelope: Envelope, request_id: str, created: int, revisions: random.Random
) -> Answer:
    """What the model of ``call`` says of the audio that ``script`` stands for.

    Args:
        envelope: layout of Fun-ASR and Qwen-Audio answers; the other dialects have one layout each.
        created: UNIX seconds, for the OpenAI-compatible dialect.
        revisions: decides which partial results are taken back.
    """
    events: Iterable[Event]
    match call.family, call.stream:
        case "openai", True:
            chunks = openai_chunks(script, call, request_id, created)
            events = (_event(chunk, b"data: %b\n\n" % orjson.dumps(chunk.node)) for chunk in chunks)
            events = chain(events, [Event(script.duration, b"data: [DONE]\n\n", script.text)])
        case "openai", False:
            completion = openai_completion(script, call, request_id, created)
            events = [_event(completion, orjson.dumps(completion.node))]
        case "qwen", True:
            events = _stream(qwen_frames(script, call), "doc", request_id)
        case "qwen", False:
            events = _body(qwen_frame(script, call), "doc", request_id)
        case "qwen-audio", True:
            events = _stream(text_frames(script, call, revisions), envelope, request_id)
        case _, True:
            events = _stream(sentence_frames(script, revisions), envelope, request_id)
        case _:
            events = _body(whole_frame(script, call), envelope, request_id)
    content_type = EVENT_STREAM if call.stream else "application/json"
    return Answer(request_id, 200, content_type, events, stream=call.stream)


# == native bodies and their envelopes =================================================================================


def _event(frame: Frame, data: bytes) -> Event:
    return Event(frame.at, data, frame.text, frame.finals)


def _stream(frames: Iterable[Frame], envelope: Envelope, request_id: str) -> Iterator[Event]:
    framing = b"id:%d\nevent:result\n:HTTP_STATUS/200\ndata:%b\n\n"
    for number, frame in enumerate(frames, 1):
        yield _event(frame, framing % (number, _envelop(frame, envelope, request_id)))


def _body(frame: Frame, envelope: Envelope, request_id: str) -> list[Event]:
    return [_event(frame, _envelop(frame, envelope, request_id))]


def _envelop(frame: Frame, envelope: Envelope, request_id: str) -> bytes:
    node = frame.node
    usage = {} if frame.usage is None else {"usage": frame.usage}
    body: dict[str, Any]
    if envelope == "public":
        body = {"output": {**node, **usage, "output": node}, **usage, "request_id": request_id}
    elif envelope == "workspace":
        result = {**node, "request_id": request_id}
        body = {**result, "output": result, **usage}
    else:
        body = {"output": node, **usage, "request_id": request_id}
    return orjson.dumps(body)
