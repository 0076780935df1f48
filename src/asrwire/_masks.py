# Masks: what takes secrets out of texts and bytes: a key wherever it is repeated, the queries of URLs.
#
# Knows: what a secret looks like. Must not know: where a text comes from, who shows or keeps it.

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

MASK: Final = "***"
_SHORTEST = 5  # characters; a shorter key is none of the services', and a part of ordinary words

# A URL up to its query or fragment, and those. In JSON, slashes may be escaped; no escaped quote belongs to it, so that
# JSON stays JSON without them.
_URL = r"""(:\\?/\\?/[^\s?#"'<>]*+)([?#](?:[^\s"'<>\\]|\\(?:[^"]|\Z))*+)?+"""
_IN_TEXT: Final = re.compile(_URL)
_IN_BYTES: Final = re.compile(_URL.encode())
_BEGUN: Final = re.compile(rb":\\?/?\\?\Z")

# Of a field's value what is secret by itself: credentials behind their scheme (RFC 9110 11.4), the values of cookies.
_PART: Final = re.compile(r'[\s=]"?([^\s;,"=]+=*)"?(?=[\s;,]|\Z)')

_CREDENTIALS: Final = re.compile(r"auth|cookie|token|secret|signature|credential|password|key$|^x-dashscope-", re.I)


def without_queries(text: str) -> str:
    """The text, its URLs without query and fragment, which may be signatures."""
    return _IN_TEXT.sub(r"\1", text)


def masked(value: Any, key: str) -> Any:
    """A str or bytes with ``***`` in place of the key; anything else as it is."""
    if len(key) >= _SHORTEST:
        if isinstance(value, str):
            return value.replace(key, MASK)
        if isinstance(value, bytes):
            return value.replace(key.encode("latin-1", "replace"), MASK.encode())
    return value


def is_credential(name: str) -> bool:
    """Whether the value of a header field of this name may be a credential: by its name, or because it is the
    service's own (``X-DashScope-``)."""
    return _CREDENTIALS.search(name) is not None


def secrets(value: str) -> list[str]:
    """The value of a header field that is a credential, and those parts of it that are secret without the rest."""
    return [value, *_PART.findall(value)]


class Mask:
    """Takes secrets out of bytes that come in pieces, wherever they are cut.

    Args:
        secrets: texts to put ``***`` in place of; those of fewer than 5 characters are none.

    The queries and fragments of URLs are taken out too.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret.encode("latin-1", "replace") for secret in secrets if len(secret) >= _SHORTEST}
        self._secrets = sorted(known, key=len, reverse=True)
        self._any = re.compile(b"|".join(map(re.escape, self._secrets)))
        self._held = b""  # the beginning of a secret, or what only looks like one
        self._url = b""  # that the piece before ended in: as much of it as decides how it goes on

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """The next piece without secrets. What may be the beginning of one comes with the piece after, or with the
        ``last``."""
        data = self._held + data
        if self._secrets:
            data = self._any.sub(MASK.encode(), data)
        cut = 0 if last else self._begun(data)
        self._held = data[len(data) - cut :]
        return self._without_queries(data[: len(data) - cut])

    def _begun(self, data: bytes) -> int:
        """Bytes at the end that may be the beginning of a secret."""
        sizes = (
            size for secret in self._secrets for size in range(len(secret) - 1, 0, -1) if data[-size:] == secret[:size]
        )
        return max(sizes, default=0)

    def _without_queries(self, data: bytes) -> bytes:
        known = 3 if b"//" in self._url else len(self._url)  # of these, bytes that were handed out before
        data = self._url + data
        pieces, at, self._url = [], 0, b""
        for match in _IN_BYTES.finditer(data):
            pieces.append(data[at : match.end(1)])
            at = match.end()
            if at == len(data):
                query = match[2]
                self._url = b"://" if query is None else b"://?" + b"\\" * (_trailing(query) % 2)
        if not self._url and (begun := _BEGUN.search(data, max(0, len(data) - 4))):
            self._url = begun[0]
        return b"".join([*pieces, data[at:]])[known:]


def _trailing(query: bytes) -> int:
    return len(query) - len(query.rstrip(b"\\"))
