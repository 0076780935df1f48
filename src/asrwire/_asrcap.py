# The lines of a capture (docs/asrcap.md): values to lines, lines to values.
#
# Knows: the members of each line, where a file may have been cut off, what is wrong with one. Must not know: files,
# clocks, what is done with what was recorded.

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from ._errors import DecodeError

VERSION: Final = 1
MAGIC: Final = b'{"asrcap":'


# == values ============================================================================================================


class Read(NamedTuple):
    """Bytes of the body, content without chunks and compression, and the ms at which they came."""

    ms: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, without secrets: of ``headers`` the names only, ``url`` without query, of the body its ``size``.

    ``incremental``: what ``parameters.incremental_output`` asked for, or None.
    """

    method: str
    url: str
    headers: tuple[str, ...] = ()
    size: int = 0
    model: str | None = None
    incremental: bool | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """The response head, credentials in ``headers`` (name, value) masked, and when it came.

    ``sending``: ms that connecting and sending the request took, before ms 0; None where it is not known.
    """

    ms: float
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    sending: float | None = None

    @property
    def content_type(self) -> str | None:
        return next((value for name, value in self.headers if name.lower() == "content-type"), None)


@dataclass(frozen=True, slots=True)
class End:
    """How the body ended: ``kind`` is ``"eof"`` where it did by itself, else `ASRWireError.kind` of what ended it, and
    ``message`` its text. ``unframed``: the end of the connection was the body's."""

    ms: float
    kind: str = "eof"
    message: str = ""
    unframed: bool = False


# == the file ==========================================================================================================


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def header_line(recorded: str | None) -> bytes:
    return _line({"asrcap": VERSION, "recorded": recorded})


def request_line(request: Request) -> bytes:
    return _line({"request": request})


def response_line(response: Response) -> bytes:
    told = {"status": response.status, "headers": response.headers, "sending": response.sending}
    return _line({"ms": response.ms, "response": told})


def read_line(read: Read) -> bytes:
    try:
        return _line({"ms": read.ms, "text": read.data.decode()})
    except UnicodeDecodeError:  # a character is cut, or it is no text
        return _line({"ms": read.ms, "base64": base64.b64encode(read.data).decode()})


def end_line(end: End) -> bytes:
    return _line({"ms": end.ms, "end": end.kind, "message": end.message, "unframed": end.unframed})


class Lines:
    """Reads a file, line by line."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._number = self._offset = 0
        self._line: Mapping[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """The attributes of a `Capture`."""
        found: dict[str, Any] = {}
        reads: list[Read] = []
        attempts = 0
        for line in self._lines():
            self._line = line
            if self._number == 1:
                found["recorded"] = self._header()
            elif "request" in line:
                attempts += 1
                for name in ("response", "end"):
                    found.pop(name, None)
                reads.clear()
                found["request"] = self._request()
            elif "response" in line:
                found["response"] = self._response()
            elif "text" in line or "base64" in line:
                reads.append(Read(self._ms(reads[-1].ms if reads else 0.0), self._content()))
            elif "end" in line:
                found["end"] = self._end(reads[-1].ms if reads else 0.0)
        return {**found, "reads": tuple(reads), "attempts": max(1, attempts)}

    def _lines(self) -> Iterator[dict[str, Any]]:
        while self._offset < len(self._data):
            stop = self._data.find(b"\n", self._offset)
            line = self._data[self._offset : stop if stop >= 0 else None]
            self._number += 1
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if stop < 0 and self._number > 1:
                    return  # cut off while it was written
                self._wrong(f"not JSON: {error.msg}")
            if not isinstance(value, dict):
                self._wrong("a line is a JSON object")
            yield value
            if stop < 0:
                return
            self._offset = stop + 1

    def _wrong(self, what: str, path: str | None = None) -> NoReturn:
        raise DecodeError(f"line {self._number} of the capture: {what}", offset=self._offset, path=path) from None

    def _member(self, holder: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        value = holder.get(name)
        if value is None and default is not ...:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self._wrong(f"{name} is missing or of a wrong type", name)
        return value

    def _header(self) -> str | None:
        version = self._member(self._line, "asrcap", int)
        if version != VERSION:
            self._wrong(f"the format has version {version}, and this is asrwire for version {VERSION}", "asrcap")
        recorded: str | None = self._member(self._line, "recorded", str, None)
        return recorded

    def _request(self) -> Request:
        told = self._member(self._line, "request", dict)
        headers = self._member(told, "headers", list, [])
        if not all(isinstance(name, str) for name in headers):
            self._wrong("headers are names", "headers")
        return Request(
            self._member(told, "method", str), self._member(told, "url", str), tuple(headers),
            self._member(told, "size", int, 0), self._member(told, "model", str, None),
            self._member(told, "incremental", bool, None),
        )  # fmt: skip

    def _response(self) -> Response:
        told = self._member(self._line, "response", dict)
        pairs = self._member(told, "headers", list, [])
        if not all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in pairs):
            self._wrong("headers are pairs of name and value", "headers")
        status = self._member(told, "status", int)
        sending = self._member(told, "sending", (int, float), None)
        return Response(self._ms(0.0), status, tuple((name, value) for name, value in pairs), sending)

    def _content(self) -> bytes:
        if "text" in self._line:
            text: str = self._member(self._line, "text", str)
            return text.encode()
        try:
            return base64.b64decode(self._member(self._line, "base64", str), validate=True)
        except (binascii.Error, ValueError):
            self._wrong("base64 is not base64", "base64")

    def _end(self, before: float) -> End:
        kind, message = self._member(self._line, "end", str), self._member(self._line, "message", str, "")
        return End(self._ms(before), kind, message, self._member(self._line, "unframed", bool, False))

    def _ms(self, before: float) -> float:
        ms: float = self._member(self._line, "ms", (int, float))
        if not ms >= before:
            self._wrong("ms goes back", "ms")
        return float(ms)
