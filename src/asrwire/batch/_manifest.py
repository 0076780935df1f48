# Manifests: which files a batch is of, line by line.
#
# Knows: how a line is written (a URL, or a JSON object with url, id and parameters), what makes two lines one file.
# Must not know: what has become of a file (_journal), services.

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .. import _requests
from .._errors import ConfigError
from .._options import check_options


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a batch.

    Attributes:
        url: what the service is to fetch.
        id: what the file is known by, if not by its URL: a content hash, a path. It stays the same where a URL is
            signed anew.
        model: as submitted.
        parameters: JSON of what is asked of the service besides, names sorted.
    """

    url: str
    id: str | None
    model: str
    parameters: str

    @property
    def key(self) -> str:
        """SHA-256 of id (or URL), model and parameters: two items with one key are one file, transcribed once."""
        return hashlib.sha256(orjson.dumps([self.id or self.url, self.model, self.parameters])).hexdigest()

    @property
    def name(self) -> str:
        """What its result is called: after the id or the URL's last part, made unique by the key."""
        last = (self.id or self.url.partition("?")[0].partition("#")[0]).rstrip("/").rpartition("/")[2]
        shown = re.sub(r"[^A-Za-z0-9.-]+", "_", last).strip("._-")[:60].rstrip("._-")
        return f"{shown or 'file'}-{self.key[:16]}.json"


def read_manifest(
    lines: Iterable[str], *, model: str, family: str | None = None, options: Mapping[str, object] | None = None,
    name: str = "the manifest",
) -> Iterator[Item]:  # fmt: skip
    """The files of a manifest: a URL a line, or a JSON object a line: ``{"url": ..., "id": ..., "channel_id": ...}``.

    Empty lines are skipped. What an object names besides ``url`` and ``id`` goes before `options` (`FileOptions`).
    Raises ConfigError with the number of the first line that is wrong; no line is taken before all are read.
    """
    chosen = known_family(model, family)
    common = dict(options or {})
    check_options(chosen, common)
    items, urls, ids = [], dict[str, tuple[int, str]](), dict[str, tuple[int, str]]()
    for number, line in enumerate(lines, 1):
        if not (text := line.strip().removeprefix("\ufeff")):
            continue
        try:
            one = _item(text, model, chosen, common)
            for what, value, seen in (("URL", one.url, urls), ("id", one.id, ids)):
                if value is not None and seen.setdefault(value, (number, one.key))[1] != one.key:
                    raise ConfigError(f"line {seen[value][0]} has the same {what} and is another file")
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"{name}, line {number}: {error}") from None
        items.append(one)
    if not items:
        raise ConfigError(f"{name} names no file")
    return iter({one.key: one for one in items}.values())


def known_family(model: str, family: str | None) -> str:
    """The family of a file-task model. Raises ConfigError."""
    chosen = _requests.file_family(model, family)
    if chosen is None:
        raise ConfigError(f"{model!r} is not known as a file-task model: give one such as fun-asr, or its family")
    return chosen


def _item(text: str, model: str, family: str, common: dict[str, Any]) -> Item:
    told: dict[str, Any] = {"url": text}
    if text.startswith("{"):
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from None
    url, given = told.pop("url", None), told.pop("id", None)
    return item(url, given, model, family, common | told)


def item(url: object, given: object, model: str, family: str, options: dict[str, Any]) -> Item:
    """The item of a URL and an id, or None. Raises ConfigError, TypeError."""
    if not isinstance(url, str):
        raise ConfigError("url is missing" if url is None else "url is not a string")
    if given is not None and not (isinstance(given, str) and given):
        raise ConfigError("id is a string that is not empty")
    _requests.file_urls(url)
    parameters = check_options(family, options)
    return Item(url, given, model, orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS).decode())
