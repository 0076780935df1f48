# The catalogue of faults: their names, parameters and defaults, and the rows of the fault matrix they stand for.
#
# Knows: what a parameter may be, and how it is written. In the order of an answer's making: its kind, its events, its
# coding, its head, its framing, its bytes. Must not know: how a fault is made, and which requests it meets (_faults).

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._errors import ConfigError

#: What a parameter of a fault may be; two whole numbers are the bounds of one drawn anew for every request.
Value: TypeAlias = bool | int | float | str | tuple[int, int] | None

#: What a request is: a synchronous call answered by events or by JSON, the four of tasks, or one for a result file.
REQUEST_KINDS = ("stream", "sync", "submit", "poll", "list", "cancel", "result")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kind of fault.

    Attributes:
        name: as written.
        type: ``"count"`` (a whole number, or the bounds of one: ``(0, 500)``, written ``0-500``), ``"seconds"``,
            ``"text"``, ``"flag"``, or the values to choose from.
        default: what holds where it is not given.
        least: the smallest count.
    """

    name: str
    type: Literal["count", "seconds", "text", "flag"] | tuple[str, ...]
    default: Value = None
    least: int = 0

    def check(self, value: object) -> Value:
        """The value, or ConfigError or TypeError with what it should be."""
        match self.type, value:
            case "count", (int() as low, int() as high) if self.least <= low <= high and isinstance(value, tuple):
                return (low, high)
            case "count", int() if not isinstance(value, bool) and value >= self.least:
                return value
            case "seconds", int() | float() if not isinstance(value, bool) and math.isfinite(value) and value >= 0:
                return value
            case "text", str() if value.isprintable() and value.isascii():
                return value
            case "flag", bool():
                return value
            case tuple(), str() if value in self.type:
                return value
        raise ConfigError(f"{self.name} is {self.wants}, not {value!r}")

    def read(self, text: str) -> Value:
        """The value written as `text` on a command line."""
        value: object = text
        if self.type == "count" and (number := re.fullmatch(r"(-?[0-9]+)(?:-([0-9]+))?", text)):
            value = int(number[1]) if number[2] is None else (int(number[1]), int(number[2]))
        elif self.type == "seconds":
            try:
                value = float(text)
            except ValueError:
                pass
        elif self.type == "flag":
            value = {"true": True, "false": False}.get(text, text)
        return self.check(value)

    @property
    def wants(self) -> str:
        words = {
            "count": f"a whole number from {self.least}, or two as its bounds",
            "seconds": "a number of seconds, 0 or more",
            "text": "printable ASCII",
            "flag": "true or false",
        }
        return f"one of {', '.join(self.type)}" if isinstance(self.type, tuple) else words[self.type]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """An entry of the catalogue.

    Attributes:
        name: of the fault.
        rows: what it stands for in the fault matrix, such as ``F050``.
        says: what it does.
        parameters: those of its own.
        on: the requests it meets unless told otherwise.
    """

    name: str
    rows: tuple[str, ...]
    says: str
    parameters: tuple[Parameter, ...] = ()
    on: tuple[str, ...] = REQUEST_KINDS


_P = Parameter
_PLACE = (_P("at", "count", 64), _P("events", "count"), _P("part", ("body", "head"), "body"))
_END = ("fin", "rst", "bare")
_EVENT = _P("event", "count", 2, 1)
_AFTER = _P("after", "count", 1)
_HEADS = (
    "garbage", "word", "099", "999", "nul", "cr", "two_lengths", "negative", "plus", "long", "both", "coding", "twice",
    "lf", "fold", "space",
)  # fmt: skip
_SIZES = ("text", "empty", "minus", "plus", "hex", "underscore", "space", "overflow", "huge", "lf", "no_crlf", "short")
_JSON = (
    "cut", "trailing", "comment", "escape", "nul", "utf8", "surrogate", "nan", "digits", "deep", "array", "string",
    "null", "type",
)  # fmt: skip
_ENDLESS = ("line", "event", "lines", "comment", "comments", "body", "fields", "field", "extension", "trailers")


def _k(name: str, rows: str, says: str, *parameters: Parameter, on: tuple[str, ...] = REQUEST_KINDS) -> FaultKind:
    return FaultKind(name, tuple(rows.split()), says, parameters, on)


_KINDS = (
    # -- answers in place of the service's: nothing has been done, no task was created
    _k("status", "F031 F032 F033 F034 F035 F036 F039 F111 F116 F119 F145",
       "an error status; 429, 503 and so on are short for status:code=429",
       _P("code", "count", 503, 300), _P("retry_after", "text"), _P("date", "flag", False),
       _P("body", ("json", "html", "text", "xml", "empty", "cut", "utf8"), "json")),
    _k("html", "F061 F119", "status 200 with an HTML page", _P("code", "count", 200, 200)),
    _k("redirect", "F029 F030 F121", "a redirect; to=self is a loop, to= has no Location",
       _P("code", "count", 307, 300), _P("to", "text", "http://127.0.0.1:9/elsewhere")),
    _k("echo", "F139", "an error that repeats the key of the request", _P("code", "count", 401, 400)),
    _k("empty", "F028 F097 F117", "a success without a byte of body", _P("code", "count", 200, 200)),
    _k("whole", "F062", "a stream is answered by one JSON body", on=("stream",)),
    # -- the service has done it, and the client does not hear of it
    _k("lost", "F011 F012 F013 F110 F116 F123 F124",
       "what was asked for is done (a task exists), and the reply is lost",
       _P("how", ("rst", "fin", "stall", "500"), "rst")),
    # -- events
    _k("error", "F105 F106 F107 F109", "an error inside a stream, or a body of 200 that is an error",
       _AFTER, _P("status", "count", 429, 100), _P("code", "text", "Throttling.RateQuota"),
       _P("spelled", ("event", "space", "result", "bare"), "event"), on=("stream", "sync")),
    _k("duplicate", "F098", "an event comes again", _EVENT, _P("copies", "count", 1, 1), on=("stream",)),
    _k("reorder", "F099", "an event comes later than it should", _EVENT, _P("by", "count", 1, 1), on=("stream",)),
    _k("omit", "F096 F100 F108 F109", "an event is left out, or the last ones are",
       _P("event", "count", None, 1), _P("last", "count", 1, 1), on=("stream",)),
    _k("invalid_json", "F078 F085 F086 F087 F088 F090 F092 F093 F094 F117 F120",
       "the JSON of an event, or of the body, is broken",
       _EVENT, _P("how", _JSON, "cut")),
    _k("replace", "F089 F091 F094 F095 F100 F101 F103 F104 F112 F113 F114 F115 F121",
       "one text stands for another in the body",
       _P("old", "text", ""), _P("new", "text", "")),
    _k("keepalive", "F058 F074 F084 F102", "comments or heartbeat events after some events; without a count, for ever",
       _P("after", "count", 0), _P("every", "seconds", 1.0), _P("count", "count"),
       _P("kind", ("comment", "event"), "comment"), on=("stream",)),
    _k("bom", "F072", "the stream, or the body, begins with a byte order mark"),
    _k("line_ends", "F071", "lines end otherwise", _P("to", ("cr", "crlf", "mixed"), "cr"), on=("stream",)),
    _k("noise", "F073 F074", "comments, unknown fields, retry:, spaces after colons, events without data",
       on=("stream",)),
    _k("split_data", "F075", "the JSON of each event is spread over two data lines", on=("stream",)),
    _k("no_blank_lines", "F079", "no blank line between events, as older gateways had it", on=("stream",)),
    _k("unterminated", "F079", "no blank line after the last event", on=("stream",)),
    _k("endless", "F016 F037 F069 F070 F081 F082 F083 F120", "something that does not end, up to size bytes",
       _P("what", _ENDLESS, "line"), _AFTER, _P("size", "count", 2**30, 1)),
    # -- head and content coding
    _k("type", "F063 F061", "another Content-Type; value= has none", _P("value", "text", "text/html")),
    _k("coding", "F066 F068", "a Content-Encoding that is not true", _P("name", "text", "br")),
    _k("gzip", "F064 F065", "gzip nobody asked for; cut: so many bytes of it are missing, the framing whole",
       _P("cut", "count", 0)),
    _k("gzip_bomb", "F067", "gzip that grows to size bytes before the body", _P("size", "count", 2**30, 1)),
    _k("informational", "F018 F019 F020", "responses of status 1xx before the answer",
       _P("code", "count", 103, 100), _P("count", "count", 1, 1)),
    _k("slow_head", "F014", "the head comes byte by byte", _P("every", "seconds", 0.2)),
    _k("bad_head", "F021 F022 F023 F024 F025 F026", "a head that is not HTTP, or that two readers read differently",
       _P("how", _HEADS, "garbage")),
    _k("fields", "F017", "many fields in the head", _P("count", "count", 500, 1)),
    _k("close", "F126", "the answer says Connection: close, and the socket stays open"),
    # -- framing
    _k("http10", "F027 F054 F055", "HTTP/1.0: the body ends with the connection"),
    _k("chunks", "F041 F042 F043", "chunks of so many bytes, spelled in all the ways that are allowed",
       _P("size", "count", 1, 1), _P("spelled", ("plain", "extension", "zeros", "upper", "bws"), "plain")),
    _k("bad_chunk", "F044 F045 F046 F047", "a chunk that is none", _AFTER, _P("how", _SIZES, "text")),
    _k("unended", "F048 F058", "the last chunk does not come", _P("how", ("fin", "rst", "stall"), "fin")),
    _k("length", "F052 F053", "a Content-Length that many bytes too long, or too short (a negative number)",
       _P("by", "count", 10, -(2**30)), _P("how", ("fin", "rst", "stall"), "fin")),
    _k("extra", "F053 F143", "a forged response follows the answer, in the same segment"),
    _k("trailers", "F056", "trailers after the last chunk", _P("count", "count", 1, 1), _P("forbidden", "flag", False)),
    # -- bytes
    _k("cut", "F009 F011 F048 F049 F055 F117 F120", "the connection is closed at a byte; bare: without close_notify",
       *_PLACE, _P("how", _END, "fin")),
    _k("rst", "F012 F050 F116", "the connection is reset at a byte", *_PLACE),
    _k("stall", "F007 F013 F015 F038 F057 F116 F120 F127", "silence from a byte on; without seconds, for ever",
       *_PLACE, _P("seconds", "seconds")),
    _k("drip", "F041 F059 F060", "so many bytes at a time from a byte on",
       *_PLACE, _P("size", "count", 1, 1), _P("every", "seconds", 0.2)),
    _k("drop", "F051 F122", "the connection ends after the whole answer, unannounced", _P("how", _END, "fin")),
)  # fmt: skip

#: Every kind of fault there is, by name.
CATALOGUE: dict[str, FaultKind] = {kind.name: kind for kind in _KINDS}
