# What is kept of every exchange, for a test to read: the request as received, the answer as far as it has left.
#
# Knows: nothing but these two values. Must not know: who makes them, threads, sockets.

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._model import Sentence
from ._answers import Answer
from ._faults import Fault


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received.

    Attributes:
        method: ``"POST"``, ``"GET"``.
        path: path and query as sent.
        headers: names in lower case; not shown by ``repr``, because they hold the key.
        json: the parsed body, or None where it was not JSON.
    """

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What has left as the answer to a request; it grows while the answer is under way.

    Attributes:
        request_id: as in the body and in ``x-request-id``.
        status: HTTP status.
        model: the model asked for, or None where the request was refused or names none.
        stream: the answer is an event stream.
        events: events that have left whole so far, the last byte of each included (for ``data: [DONE]`` too); 1 for
            a JSON body.
        sentences: the sentences made final so far by events that have left whole and that a client can read, each
            once, as on the wire; empty for the dialects that send text only. An event that a fault has broken, and
            what comes after it, says nothing; nor does one that ``replace`` has changed.
        text: the whole text as of the last such event; None where nothing of it was sent, and for samples and errors.
        complete: everything there was to send has left.
        faults: what has befallen the answer, with the numbers that were drawn.
        rest: what has left of an event that did not leave whole, up to 64 KiB; with gzip it is compressed.
        size: with ``faults``, how many bytes have left, head and framing included; else 0.
    """

    request_id: str
    status: int
    model: str | None
    stream: bool
    events: int
    sentences: tuple[Sentence, ...]
    text: str | None
    complete: bool
    faults: tuple[Fault, ...] = ()
    rest: bytes = field(default=b"", repr=False)
    size: int = 0


def record(answer: Answer) -> Sent:
    """What is to be said of an answer now."""
    return Sent(
        request_id=answer.request_id,
        status=answer.status,
        model=answer.model,
        stream=answer.stream,
        events=answer.left,
        sentences=tuple(answer.finals),
        text=answer.text,
        complete=answer.complete,
        faults=tuple(answer.faults),
        rest=answer.rest,
        size=answer.size,
    )
