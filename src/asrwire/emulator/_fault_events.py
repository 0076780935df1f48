# What faults make of the events of a body: repeated, moved, left out, misspelled, without an end, compressed.
#
# Knows: the framing of both event streams, JSON as bytes, gzip. Pure: events in, events out, one by one. Must not
# know: which request it is, HTTP framing, sockets.

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from ._answers import Answer, Event
from ._faults import Fault

_BLOCK = 65536
Events = Iterable[Event]


def _filler(data: bytes, at: int = 0, wait: float = 0.0) -> Event:
    return Event(at, data, wait=wait, role="filler")


# == which events ======================================================================================================


def _duplicate(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    for number, event in enumerate(events, 1):
        yield event
        if number == fault["event"]:
            yield from [replace(event, finals=())] * fault["copies"]


def _reorder(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    events = iter(events)
    yield from islice(events, fault["event"] - 1)
    late = next(events, None)
    yield from islice(events, fault["by"])
    if late is not None:
        yield late
    yield from events


def _omit(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    if fault["event"] is not None:
        events = iter(events)
        yield from islice(events, fault["event"] - 1)
        next(events, None)
        yield from events
        return
    kept = list(events)
    yield from kept[: max(0, len(kept) - fault["last"])]


# == what is in them ===================================================================================================

_MORE = {
    "escape": b'"\\x"',
    "nul": b'"\0"',
    "utf8": b'"\xff\xfe"',
    "surrogate": b'"\\ud800"',
    "nan": b"NaN",
    "digits": b"1" * 5001,
    "deep": b"[" * 100_000 + b"]" * 100_000,
}
_READABLE = ("utf8", "surrogate")  # with U+FFFD, by a decoder that does so (WHATWG Encoding)
_INSTEAD = {"array": b"[1,2]", "string": b'"text"', "null": b"null"}


def _invalid_json(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    chosen = fault["event"] if answer.stream else 1
    for number, event in enumerate(events, 1):
        begin, stop = event.data.find(b"{"), event.data.rfind(b"}") + 1
        if number == chosen and stop:
            broken = _broken(event.data[begin:stop], fault["how"])
            event = replace(event, data=event.data[:begin] + broken + event.data[stop:])
            if fault["how"] not in _READABLE:
                event = replace(event, role="broken")
        yield event


def _broken(json: bytes, how: str) -> bytes:
    if how in _MORE:
        return json[:-1] + b',"emulator":' + _MORE[how] + b"}"
    if how == "type":
        return re.sub(rb'"(text|content|task_id|task_status)":"(?:[^"\\]|\\.)*"', rb'"\1":7', json)
    return {"cut": json[: len(json) // 2], "trailing": json + b"]", "comment": json + b"/**/", **_INSTEAD}[how]


def _replace(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    old, new = fault["old"].encode(), fault["new"].encode()
    for event in events:
        if old and old in event.data:
            event = replace(event, data=event.data.replace(old, new), finals=())
        yield event


# == what is between them ==============================================================================================


def _keepalive(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    events = iter(events)
    yield from islice(events, fault["after"])
    data = b": keepalive\n\n"
    if fault["kind"] == "event" and not openai:
        data = (
            b"event:result\n:HTTP_STATUS/200\n"
            b'data:{"output":{"sentence":{"sentence_id":0,"begin_time":0,"end_time":null,"text":"","words":[],'
            b'"heartbeat":true,"sentence_end":false}},"request_id":"%b"}\n\n' % answer.request_id.encode()
        )
    count = fault["count"]
    while count is None or count > 0:
        count = None if count is None else count - 1
        yield _filler(data, wait=fault["every"])
    yield from events


def _noise(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    for event in events:
        yield _filler(b": noise\nretry: 3000\nunknown: field\nid\n\n", event.at)
        spaced = b"data:" if event.data.startswith(b"data: ") else b"data: "
        yield replace(event, data=re.sub(b"^data: ?", spaced, event.data, flags=re.MULTILINE))


def _endless(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    block = {
        "line": b"x" * _BLOCK,
        "event": (b"data:" + b"x" * 1018 + b"\n") * 64,
        "lines": b"data:\n" * (_BLOCK // 6),
        "comment": b"x" * _BLOCK,
        "comments": b":\n" * (_BLOCK // 2),
        "body": b"x" * _BLOCK,
    }.get(fault["what"])
    if block is None:  # not of the body: _wire
        yield from events
        return
    events = iter(events)
    yield from islice(events, fault["after"])
    left = fault["size"]
    yield _filler({"line": b"data:", "comment": b":"}.get(fault["what"], b""))
    while left > 0:
        yield _filler(block[:left])
        left -= len(block)
    if fault["what"] == "comments":
        yield from events


# == how they are spelled ==============================================================================================


def _bom(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    events = iter(events)
    for event in islice(events, 1):
        yield replace(event, data=b"\xef\xbb\xbf" + event.data)
    yield from events


def _line_ends(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    ends = {"cr": [b"\r"], "crlf": [b"\r\n"], "mixed": [b"\r\n", b"\r", b"\n"]}[fault["to"]]
    number = 0
    for event in events:
        lines = event.data.split(b"\n")
        data = lines[0]
        for line in lines[1:]:
            # About a blank line always CRLF: a CR and the LF after it would be one line end.
            data += (ends[number % len(ends)] if line or len(ends) == 1 else b"\r\n") + line
            number += 1
        yield replace(event, data=data)


def _split_data(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    for event in events:
        yield replace(event, data=re.sub(b"^data:( ?){", rb"data:\1{\ndata:\1", event.data, flags=re.MULTILINE))


def _no_blank_lines(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    for event in events:
        yield replace(event, data=event.data.rstrip(b"\r\n") + b"\n")


def _unterminated(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    before: Event | None = None
    for event in events:
        if before is not None:
            yield before
        before = event
    if before is not None:
        yield replace(before, data=before.data.rstrip(b"\r\n"))


# == compressed ========================================================================================================


def _gzip(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    """Every event can be decompressed as soon as its last byte is there."""
    if not fault["cut"]:
        yield from _compressed(events)
        return
    plain = list(events)
    coded = list(_compressed(plain))
    missing = fault["cut"]
    for index in reversed(range(len(coded))):
        data = coded[index].data
        coded[index] = replace(coded[index], data=data[: max(0, len(data) - missing)])
        missing -= min(missing, len(data))
    left = len(zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(b"".join(event.data for event in coded)))
    for event in coded:
        if plain:
            left -= len(plain.pop(0).data)
        yield replace(event, role="broken") if left < 0 and event.role == "event" else event


def _compressed(events: Events) -> Iterator[Event]:
    coder = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    for event in events:
        yield replace(event, data=coder.compress(event.data) + coder.flush(zlib.Z_SYNC_FLUSH))
    yield _filler(coder.flush())


def _gzip_bomb(events: Events, fault: Fault, answer: Answer, openai: bool) -> Iterator[Event]:
    block = (b":" + b"-" * 1022 + b"\n") * 1024 if answer.stream else b" " * 2**20
    coder = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    left = fault["size"]
    while left > 0:
        yield _filler(coder.compress(block[:left]))
        left -= len(block)
    for event in events:
        yield replace(event, data=coder.compress(event.data) + coder.flush(zlib.Z_SYNC_FLUSH))
    yield _filler(coder.flush())


def _of_streams(edit: Callable[[Events, Fault, Answer, bool], Events]) -> Callable[..., Events]:
    """Leaves bodies of JSON, such as a refusal in place of a stream, as they are."""

    def edited(events: Events, fault: Fault, answer: Answer, openai: bool) -> Events:
        return edit(events, fault, answer, openai) if answer.stream else events

    return edited


#: By name: (events, fault, the answer they belong to, whether it is OpenAI-compatible) -> events.
EDITS: dict[str, Callable[[Events, Fault, Answer, bool], Events]] = {
    "duplicate": _of_streams(_duplicate),
    "reorder": _of_streams(_reorder),
    "omit": _of_streams(_omit),
    "invalid_json": _invalid_json,
    "replace": _replace,
    "keepalive": _of_streams(_keepalive),
    "bom": _bom,
    "line_ends": _of_streams(_line_ends),
    "noise": _of_streams(_noise),
    "split_data": _of_streams(_split_data),
    "no_blank_lines": _of_streams(_no_blank_lines),
    "unterminated": _of_streams(_unterminated),
    "endless": _endless,
    "gzip": _gzip,
    "gzip_bomb": _gzip_bomb,
}
