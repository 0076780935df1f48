# The vocabulary the request tables are written in, and the reader that holds a JSON value against a table.
#
# Knows: JSON types, paths, how audio may be given. Must not know: which model takes which field.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


class Refusal(Exception):
    """The request is not what the documents allow. ``field``: path of the wrong member or name of the wrong header."""

    def __init__(self, field: str, reason: str, *, status: int = 400, code: str = "InvalidParameter") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Text:
    choices: frozenset[str] | None = None
    pattern: str | None = None
    empty: bool = True


@dataclass(frozen=True, slots=True)
class Flag:
    pass


@dataclass(frozen=True, slots=True)
class Audio:
    """Audio by reference or by value: an ``http(s)://`` or ``oss://`` URL, a ``data:`` URI, or either.

    ``hint``: where a data URI goes instead.
    """

    url: bool = True
    data: bool = True
    hint: str = "a data URI goes into input.messages"


@dataclass(frozen=True, slots=True)
class Number:
    least: float | None = None
    most: float | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Hotwords:
    """``{word: weight}``; weights 1 to 5, or 50 for at most 50 words."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value of the form ``node``, or its JSON in a string."""

    node: Node


@dataclass(frozen=True, slots=True)
class Array:
    item: Node
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Object:
    """``instead``: names of other families' fields that are easily put here, and what belongs here."""

    fields: Mapping[str, Node]
    required: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Union:
    """An object whose form the value of its member ``tag`` decides."""

    tag: str
    forms: Mapping[str, Object]
    instead: Mapping[str, str] = field(default_factory=dict)


Node = Text | Flag | Number | Audio | Hotwords | Written | Array | Object | Union

# Schemes are case-insensitive (RFC 3986 3.1).
_DATA_URI = re.compile(r"(?i:data:)[\w.+-]+/[\w.+-]+;base64,(?P<data>.+)", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PLACEHOLDER = re.compile(r"\{[A-Z0-9_]+\}")  # the documents' own "{BASE64_ENCODED_DATA}"
_URL = re.compile(r"(?i:https?)://[^\s/]+\S*")
_OSS = re.compile(r"(?i:oss)://\S+")


def _at(path: str, name: str | int) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _parsed(text: str, path: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refusal(path, "is not JSON") from None


def _places(node: Node, name: str, path: str = "") -> Iterator[str]:
    """Where else in a table a field of that name is at home."""
    match node:
        case Object():
            for key, inner in node.fields.items():
                if key == name:
                    yield _at(path, key)
                yield from _places(inner, name, _at(path, key))
        case Array():
            yield from _places(node.item, name, path + "[]")
        case Union():
            for form in node.forms.values():
                yield from _places(form, name, path)


class Reader:
    """Holds values against the nodes of one table; ``resolve_oss``: ``oss://`` URLs may be given."""

    def __init__(self, table: Object, resolve_oss: bool) -> None:
        self.table = table
        self.resolve_oss = resolve_oss

    def read(self, node: Node, value: Any, path: str) -> None:
        match node:
            case Text():
                self.text(node, value, path)
            case Flag():
                if not isinstance(value, bool):
                    raise Refusal(path, "must be true or false")
            case Number():
                self.number(node, value, path)
            case Audio():
                self.audio(node, value, path)
            case Hotwords():
                self.hotwords(value, path)
            case Written():
                self.read(node.node, _parsed(value, path) if isinstance(value, str) else value, path)
            case Array():
                if not isinstance(value, list):
                    raise Refusal(path, "must be an array")
                if len(value) < node.least:
                    raise Refusal(path, f"needs at least {node.least} element")
                if node.most is not None and len(value) > node.most:
                    raise Refusal(path, f"takes at most {node.most} elements, got {len(value)}")
                for index, item in enumerate(value):
                    self.read(node.item, item, _at(path, index))
            case Object():
                self.object(node, value, path)
            case Union():
                self.union(node, value, path)

    def text(self, node: Text, value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise Refusal(path, "must be a string")
        if node.choices is not None and value not in node.choices:
            raise Refusal(path, f"must be one of {', '.join(sorted(node.choices))}")
        if node.pattern is not None and not re.fullmatch(node.pattern, value):
            raise Refusal(path, f"does not match {node.pattern}")
        if not value and not node.empty:
            raise Refusal(path, "must not be empty")

    def number(self, node: Number, value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int if node.whole else (int, float)):
            raise Refusal(path, "must be a whole number" if node.whole else "must be a number")
        if node.least is not None and value < node.least:
            raise Refusal(path, f"must be at least {node.least}")
        if node.most is not None and value > node.most:
            raise Refusal(path, f"must be at most {node.most}")

    def audio(self, node: Audio, value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise Refusal(path, "must be a string")
        if value[:5].lower() == "data:":
            if not node.data:
                raise Refusal(path, f"takes a URL; {node.hint}")
            uri = _DATA_URI.fullmatch(value)
            if uri is None:
                raise Refusal(path, "is not data:<mediatype>;base64,<data>")
            data = uri["data"]
            if not _PLACEHOLDER.fullmatch(data) and (len(data) % 4 or not _BASE64.fullmatch(data)):
                raise Refusal(path, "the data URI's payload is not base64")
        elif not node.url:
            raise Refusal(path, "takes a data URI; a URL goes into parameters.audio_address")
        elif _OSS.fullmatch(value):
            if not self.resolve_oss:
                raise Refusal("X-DashScope-OssResourceResolve", f"must be enable for the oss:// URL in {path}")
        elif not _URL.fullmatch(value):
            raise Refusal(path, "is neither a URL" + (" nor a data URI" if node.data else ""))

    def hotwords(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise Refusal(path, "must be an object of words and weights")
        for word, weight in value.items():
            if type(weight) is not int or not (1 <= weight <= 5 or weight == 50):
                raise Refusal(_at(path, word), "the weight must be 1 to 5, or 50")
        if sum(weight == 50 for weight in value.values()) > 50:
            raise Refusal(path, "takes at most 50 words of weight 50")

    def object(self, node: Object, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise Refusal(path, "must be an object")
        for name, reason in node.instead.items():
            if name in value and name not in node.fields:
                raise Refusal(_at(path, name), reason)
        for name in value:
            if name not in node.fields:
                places = list(dict.fromkeys(_places(self.table, name)))
                raise Refusal(_at(path, name), f"belongs at {places[0]}" if places else "is not a parameter here")
        for name in node.required:
            if name not in value:
                raise Refusal(_at(path, name), "is required")
        for name, inner in node.fields.items():
            if name in value:
                self.read(inner, value[name], _at(path, name))

    def union(self, node: Union, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise Refusal(path, "must be an object")
        for name, reason in node.instead.items():
            if name in value:
                raise Refusal(_at(path, name), reason)
        if node.tag not in value:
            raise Refusal(_at(path, node.tag), "is required")
        tag = value[node.tag]
        if not isinstance(tag, str) or tag not in node.forms:
            raise Refusal(_at(path, node.tag), f"must be one of {', '.join(node.forms)}")
        self.object(node.forms[tag], value, path)
