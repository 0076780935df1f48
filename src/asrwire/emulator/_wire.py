# An answer as bytes on the wire, with what its faults make of head and framing.
#
# Knows: HTTP/1.1 messages (RFC 9112) and how to get them wrong; which bytes hold which event. Pure: made as it is asked
# for. Must not know: clocks, sockets, which request it is; what faults make of the content (_fault_answers).

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from itertools import chain

from ._answers import Answer, Event
from ._faults import Fault
from ._steps import Leave, Piece, Step, Wait, disturbed, end

_BLOCK = 65536
_FORGED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n" + b'{"forged": true }'


def steps(answer: Answer, *, http11: bool, body: bool) -> Iterator[Step]:
    """How an answer leaves.

    Args:
        http11: the request can be answered in chunks.
        body: the request wants a body (it is no HEAD).
    """
    faults = {fault.name: fault for fault in answer.faults}
    lost = faults.get("lost")
    if lost is not None and lost["how"] != "500":
        return iter([end(lost["how"])])
    made: Iterator[Step] = _Message(answer, faults, http11=http11, body=body).steps()
    for fault in answer.faults:
        made = disturbed(made, fault)
    return made


# == head and framing ==================================================================================================


class _Message:
    def __init__(self, answer: Answer, faults: dict[str, Fault], *, http11: bool, body: bool) -> None:
        self._answer = answer
        self._faults = faults
        self._http11 = http11 and "http10" not in faults
        bodiless = answer.status in (204, 304)
        self._framing = "none" if bodiless else self._choose()
        self._unended = self._framing == "chunked" and "unended" in faults
        self._short = "length" in faults and faults["length"]["by"] > 0
        kept_back = self._unended or self._short or ("gzip" in faults and faults["gzip"]["cut"] > 0)
        self._events = _marked(answer.events if body and not bodiless else (), kept_back)

    def _choose(self) -> str:
        endless = "gzip_bomb" in self._faults or "endless" in self._faults
        if "length" in self._faults:
            return "length"
        if "http10" in self._faults or ((self._answer.stream or endless) and not self._http11):
            return "close"
        return "chunked" if self._answer.stream or endless else "length"

    def steps(self) -> Iterator[Step]:
        length = 0
        if self._framing == "length":
            length = self._measure()
        first = next(self._events, None)
        yield from self._informational()
        events = chain([] if first is None else [first], self._events)
        body = self._chunks(events) if self._framing == "chunked" else self._plain(events)
        message: Iterator[Step] = chain(self._head(first, length), body)
        # Nothing comes after the end of a connection, and what comes after too few bytes is taken for more of it. What
        # drips in could come alone after a whole answer: that is the next request's, for all that a client can tell.
        if "extra" in self._faults and self._framing != "close" and not (self._short or "drip" in self._faults):
            message = _followed(message, _FORGED)
        yield from message
        yield from self._close()

    def _measure(self) -> int:
        """The Content-Length that is declared."""
        events = list(self._events)
        off = self._faults["length"]["by"] if "length" in self._faults else 0
        length = max(0, sum(len(event.data) for event, _ in events) + off)
        end = 0
        for index, (event, last) in enumerate(events):
            end += len(event.data)
            if end > length and event.role == "event":
                event = replace(event, role="broken")
            events[index] = event, last
        self._events = iter(events)
        return length

    def _informational(self) -> Iterator[Step]:
        fault = self._faults.get("informational")
        if fault is not None:
            fields = b"Upgrade: websocket\r\nConnection: upgrade\r\n" if fault["code"] == 101 else b""
            data = _status_line("1.1", fault["code"]) + b"\r\n" + fields + b"\r\n"
            for _ in range(fault["count"]):
                yield Piece(data, body=False)

    def _head(self, first: tuple[Event, bool] | None, length: int) -> Iterator[Step]:
        answer, faults = self._answer, self._faults
        fields = [
            *([("Content-Type", answer.content_type)] if answer.content_type else []),
            ("Date", formatdate(usegmt=True)),
            ("X-Request-Id", answer.request_id),
            *answer.headers,
        ]
        if self._framing == "length":
            fields.append(("Content-Length", str(length)))
        elif self._framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
        if "close" in faults or (not self._http11 and "http10" not in faults):
            fields.append(("Connection", "close"))
        if "fields" in faults:
            fields += [(f"X-Field-{number}", "x") for number in range(faults["fields"]["count"])]
        lines = [_status_line("1.1" if "http10" not in faults else "1.0", answer.status)]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in fields]
        # A body of JSON is sent when its last event is due, and so is its head.
        at = first[0].at if first is not None and not answer.stream else 0
        if "endless" in faults and faults["endless"]["what"] in ("field", "fields"):
            yield from _endless_head(lines, faults["endless"])
            return
        data = b"\r\n".join([*lines, b"", b""])
        if "bad_head" in faults:
            data = _bad_head(lines, faults["bad_head"]["how"])
        yield Piece(data, at, body=False, last=first is None)

    def _chunks(self, events: Iterable[tuple[Event, bool]]) -> Iterator[Step]:
        chunks, bad, endless = (self._faults.get(name) for name in ("chunks", "bad_chunk", "endless"))
        extension = endless if endless is not None and endless["what"] == "extension" else None
        number, broken = 0, False
        for event, last in events:
            yield from _waited(event)
            if not event.data:
                continue
            if broken and event.role == "event":
                event = replace(event, role="broken")
            if extension is not None and number == extension["after"]:
                yield Piece(b"%x;x=" % len(event.data))
                yield from _filled(b"x" * _BLOCK, extension["size"])
                yield Leave("fin")
            elif bad is not None and number == bad["after"]:
                broken = True
                yield _bad_chunk(event, bad["how"], last=last)
            elif chunks is not None:
                yield from _small_chunks(event, chunks["size"], chunks["spelled"], last=last)
            else:
                yield _chunk(event, b"%x\r\n" % len(event.data), last=last)
            number += event.role != "filler"
        if self._unended:
            yield end(self._faults["unended"]["how"])
        yield Piece(b"0\r\n")
        yield from self._trailers(endless)
        yield Piece(b"\r\n")

    def _plain(self, events: Iterable[tuple[Event, bool]]) -> Iterator[Step]:
        for event, last in events:
            yield from _waited(event)
            yield Piece(event.data, event.at, stop=len(event.data), event=event, last=last)

    def _trailers(self, endless: Fault | None) -> Iterator[Step]:
        fault = self._faults.get("trailers")
        if fault is not None:
            lines = [b"X-Trailer-%d: x\r\n" % number for number in range(fault["count"])]
            lines += [b"Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"] * fault["forbidden"]
            yield Piece(b"".join(lines))
        if endless is not None and endless["what"] == "trailers":
            yield from _filled((b"X-Trailer: " + b"x" * 1011 + b"\r\n") * 64, endless["size"])

    def _close(self) -> Iterator[Step]:
        faults = self._faults
        if self._short:
            yield end(faults["length"]["how"])
        if "drop" in faults:
            yield end(faults["drop"]["how"], whole=True)
        if self._framing == "close":
            yield Leave("fin", whole=True)
        if "close" in faults:
            yield Wait(None, whole=True)


def _marked(events: Iterable[Event], kept_back: bool) -> Iterator[tuple[Event, bool]]:
    """Each event, and whether it is the last of all there was to send."""
    events = iter(events)
    event = next(events, None)
    while event is not None:
        following = next(events, None)
        yield event, following is None and not kept_back
        event = following


def _waited(event: Event) -> Iterator[Step]:
    if event.wait:
        yield Wait(event.wait)


def _followed(steps: Iterable[Step], data: bytes) -> Iterator[Step]:
    """The steps, and the data in one segment with the last bytes of them, which are the head's where the body has none:
    whoever has read the message's end can know of it."""
    held: list[Step] = []
    for step in steps:
        if isinstance(step, Piece) and step.data:
            yield from held
            held = []
        held.append(step)
    last, *empty = held
    assert isinstance(last, Piece)
    yield replace(last, data=last.data + data)
    yield from empty


def _filled(block: bytes, size: int) -> Iterator[Step]:
    while size > 0:
        yield Piece(block[:size])
        size -= len(block)


def _status_line(version: str, status: int) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Emulated"
    return f"HTTP/{version} {status} {phrase}".encode()


def _endless_head(lines: list[bytes], fault: Fault) -> Iterator[Step]:
    yield Piece(b"\r\n".join([*lines, b""]), body=False)
    line = b"X-Endless: " + b"x" * 1011 + b"\r\n"
    if fault["what"] == "field":
        yield Piece(b"X-Endless: ", body=False)
        line = b"x" * 1024
    for piece in _filled(line * 64, fault["size"]):
        assert isinstance(piece, Piece)
        yield replace(piece, body=False)
    yield Leave("fin")


def _bad_head(lines: list[bytes], how: str) -> bytes:
    """The head with one thing wrong."""
    status, *fields = lines
    if how == "garbage":
        return b"SSH-2.0-OpenSSH_9.6\r\n\r\n"
    if how in ("word", "099", "999"):
        status = b"HTTP/1.1 " + {"word": b"OK fine"}.get(how, how.encode() + b" Emulated")
    if how in ("two_lengths", "negative", "plus", "long", "both", "coding", "twice"):
        fields = [line for line in fields if not line.startswith((b"Content-Length", b"Transfer-Encoding"))]
    fields += {
        "nul": [b"X-Bad: a\0b"],
        "cr": [b"X-Bad: a\rb"],
        "two_lengths": [b"Content-Length: 5", b"Content-Length: 6"],
        "negative": [b"Content-Length: -5"],
        "plus": [b"Content-Length: +5"],
        "long": [b"Content-Length: " + b"9" * 30],
        "both": [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        "coding": [b"Transfer-Encoding: rot13, chunked"],
        "twice": [b"Transfer-Encoding: chunked, chunked"],
        "fold": [b"X-Folded: a", b" b"],
        "space": [b"X-Bad : a"],
    }.get(how, [])
    end = b"\n" if how == "lf" else b"\r\n"
    return end.join([status, *fields, b"", b""])


# -- chunks ------------------------------------------------------------------------------------------------------------


def _chunk(event: Event, size_line: bytes, *, last: bool, end: bytes = b"\r\n") -> Piece:
    start = len(size_line)
    stop = start + len(event.data)
    return Piece(size_line + event.data + end, event.at, start=start, stop=stop, event=event, last=last)


def _small_chunks(event: Event, size: int, spelled: str, *, last: bool) -> Iterator[Step]:
    line = {
        "plain": b"%x\r\n",
        "extension": b'%x;name=value;flag;quoted="a;b"\r\n',
        "zeros": b"0000%x\r\n",
        "upper": b"%X\r\n",
        "bws": b"%x ; name = value\r\n",
    }[spelled]
    for begin in range(0, len(event.data), size):
        part = replace(event, data=event.data[begin : begin + size])
        piece = _chunk(part, line % len(part.data), last=last)
        if begin + size < len(event.data):
            piece = replace(piece, event=None, last=False)
        yield replace(piece, event=piece.event and event)


def _bad_chunk(event: Event, how: str, *, last: bool) -> Piece:
    size = len(event.data)
    if how == "no_crlf":  # all of it is there; what follows cannot be read
        return _chunk(event, b"%x\r\n" % size, last=last, end=b"")
    event = replace(event, role="broken") if event.role == "event" else event
    line = {
        "text": b"zz\r\n",
        "empty": b"\r\n",
        "minus": b"-%x\r\n" % size,
        "plus": b"+%x\r\n" % size,
        "hex": b"0x%x\r\n" % size,
        "underscore": b"1_0\r\n",
        "space": b" %x\r\n" % size,
        "overflow": b"1%016x\r\n" % size,
        "huge": b"7fffffffffffffff\r\n",
        "lf": b"%x\n" % size,
        "short": b"%x\r\n" % (size // 2),
    }[how]
    return _chunk(event, line, last=last, end=b"\n" if how == "lf" else b"\r\n")
