# Answer: what a recorded call shows of a service that its documents leave open: framing, line ends, layout, envelope.
#
# Knows: what of it is worth a look. Must not know: sentences (the replay's), where the rows go. Of JSON only the names
# of members are shown, never values.

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import Any, Literal, NamedTuple

from .. import _decode
from .._errors import ASRWireError, DecodeError
from .._sse import EventStreamParser, ServerSentEvent
from ..capture import Capture, Response

_SKEW = 60  # seconds two clocks may differ before it is worth a note
_DEEPEST = 8  # levels of JSON whose names are shown


class Row(NamedTuple):
    """One line of a table."""

    name: str
    value: str
    state: Literal["ok", "note", "wrong"] = "ok"


def answer(capture: Capture) -> list[Row]:
    """What came, from the response head to how it ended."""
    rows: list[Row] = []
    if capture.request is not None:
        rows.append(Row("request", f"{capture.request.method} {capture.request.url}"))
    if (response := capture.response) is not None:
        rows += [Row("status", f"{response.status}"), *_head(response), *_date(response, capture.recorded)]
    body = b"".join(read.data for read in capture.reads)
    rows.append(Row("body", f"{len(body)} bytes in {len(capture.reads)} reads"))
    if body:
        rows += _body(body)
    return [*rows, *_end(capture, body)]


def _head(response: Response) -> list[Row]:
    fields = {name.lower(): value for name, value in response.headers}
    length, coding = fields.get("content-length"), fields.get("content-encoding")
    framing = fields.get("transfer-encoding") or (f"{length} bytes" if length else "until the connection ends")
    return [
        Row("type", response.content_type or "none"),
        Row("framing", f"{framing}, {coding}" if coding else framing),
        Row("headers", ", ".join(name for name, _ in response.headers)),
        Row("head after", f"{response.ms:.0f} ms"),
    ]


def _date(response: Response, recorded: str | None) -> list[Row]:
    try:
        said = parsedate_to_datetime(next(value for name, value in response.headers if name.lower() == "date"))
        off = (datetime.fromisoformat(recorded or "") - said).total_seconds()
    except (StopIteration, ValueError, TypeError):  # no such field; either is no date; one of them without its zone
        return []
    if abs(off) <= _SKEW:
        return [Row("clocks", "this one and the service's agree")]
    return [Row("clocks", f"this one is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the service's", "note")]


def _body(body: bytes) -> list[Row]:
    if body.lstrip()[:1] in (b"{", b"["):
        return [Row("layout", "JSON in one piece, no event stream"), Row("envelope", _envelope([body]))]
    ends = Counter(re.findall(rb"\r\n|\r|\n", body))
    names = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}
    found: list[ServerSentEvent] = []
    parser = EventStreamParser()
    try:
        found += parser.feed(body)
        found += parser.close(flush=True)
    except ASRWireError as error:
        found += error.output or []
    return [
        Row("layout", f"an event stream, {len(found)} events"),
        Row("line ends", ", ".join(f"{count} {names[end]}" for end, count in ends.most_common()) or "none"),
        Row("lines", _lines(body)),
        Row("ids", _ids(found)),
        Row("envelope", _envelope([event.data_bytes for event in found])),
    ]


def _lines(body: bytes) -> str:
    """What the lines of events look like, values left out: each kind of event once, and how often it came."""
    body = re.sub(rb"\r\n?", b"\n", body)
    kinds: Counter[str] = Counter()
    for block in re.split(rb"\n{2,}", body):
        starts = [re.match(rb":HTTP_STATUS/|:|[a-z]{1,20}:?", line) for line in block.split(b"\n")]
        if told := [start[0].decode() for start in starts if start]:
            kinds[" ".join(told)] += 1
    spaced = [bool(space) for space in re.findall(rb"^[a-z]{1,20}:( ?)", body, re.MULTILINE)]
    space = "a space" if all(spaced) else "both" if any(spaced) else "no space"
    return "; ".join(f"{count} x {kind}" for kind, count in kinds.most_common(4)) + f"; {space} after the colon"


def _ids(events: list[ServerSentEvent]) -> str:
    ids = [event.id for event in events]
    if not any(ids):
        return "none"
    numbers = [int(one) if re.fullmatch("[0-9]{1,9}", one) else None for one in ids]
    if None not in numbers and numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers))):
        return f"{ids[0]} to {ids[-1]}, one by one"
    runs = [one if len(list(same)) == 1 else f"{one} repeated" for one, same in groupby(ids)]
    return ", ".join(runs[:12]) + (", ..." if len(runs) > 12 else "")


def _envelope(payloads: list[bytes]) -> str:
    values: list[Any] = []
    others = 0
    for payload in payloads:
        try:
            values.append(_decode.loads(payload)[0])
        except DecodeError:
            others += payload.strip() != b"[DONE]"
    shape = _shape(values, _DEEPEST) or "none"
    return f"{shape}, and {others} that are not JSON" if others else shape


def _shape(values: list[Any], deepest: int) -> str:
    objects = [value for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    if not deepest:
        return ""
    if objects:
        names = dict.fromkeys(name for one in objects for name in one)
        inner = (f"{name}{_shape([one[name] for one in objects if name in one], deepest - 1)}" for name in names)
        return "{" + ", ".join(inner) + "}"
    return f"[{_shape(items, deepest - 1)}]" if items else ""


def _end(capture: Capture, body: bytes) -> list[Row]:
    end = capture.end
    done = ", after [DONE]" if re.search(rb"(?:^|[\r\n])data: ?\[DONE\]", body) else ""
    if end is None:
        told = "the recording was cut off"
    elif end.kind != "eof":
        told = f"{end.kind}: {end.message}"
    else:
        told = f"by itself after {end.ms:.0f} ms{', with the connection' if end.unframed else ''}{done}"
    rows = [Row("end", told, "ok" if end is not None and end.kind == "eof" else "note")]
    replay = capture.replay(partials=False)
    try:
        for _ in replay:
            pass
    except ASRWireError:
        pass
    transcript, usage = replay.transcript, replay.transcript.usage
    count = len(transcript.sentences)
    heard = "no speech" if transcript.no_speech else f"{count} sentence{'' if count == 1 else 's'}"
    rows.append(Row("result", heard if transcript.complete else f"incomplete: {transcript.incomplete_reason}"))
    if transcript.issues:
        told = ", ".join(f"{count} {name}" for name, count in sorted(transcript.issues.items()))
        rows.append(Row("unusual", told, "note"))
    if usage is not None and usage.seconds is not None:
        rows.append(Row("billed", f"{usage.seconds:g} s"))
    if transcript.request_id:
        rows.append(Row("request id", transcript.request_id))
    return rows
