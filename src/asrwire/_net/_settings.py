# Settings: what a client was told, checked, and its connections.
#
# Knows: keys, endpoints, timers, bounds, the header fields a caller may add. Must not know: what is asked of the
# services, how an exchange goes.

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from .. import _requests
from .._errors import ConfigError
from .._limits import Limits, Timeouts
from .._talk import Pace, Service
from ._colour import Colour
from ._transport import Transport

if TYPE_CHECKING:
    Headers = Mapping[str, str] | Iterable[tuple[str, str]]

# Fields that carry the key, frame the message, or say what the call itself says.
_OURS: Final = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type"}
    | {"expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "x-dashscope-async", "x-dashscope-sse"}
)


class Settings:
    """What a client was told, checked, and its connections."""

    def __init__(
        self, colour: Colour, api_key: str | Callable[[], str] | None, headers: Headers | None, timeouts: Timeouts,
        limits: Limits, endpoints: dict[str, Any], transport: dict[str, Any],
    ) -> None:
        if not (api_key is None or isinstance(api_key, str) or callable(api_key)):
            raise TypeError(f"api_key must be a str, a callable or None, not {type(api_key).__name__}")
        for name, value, kind in (("timeouts", timeouts, Timeouts), ("limits", limits, Limits)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be asrwire.{kind.__name__}, not {type(value).__name__}")
        self._api_key = api_key
        self._timeouts = timeouts
        self._limits = limits
        self._headers = _check_headers(headers)
        self._endpoints = _requests.resolve(**endpoints, environ=os.environ)
        self._transport = Transport(colour, limits, **transport)
        self._service = Service(self._endpoints, limits)
        self._pace = Pace()

    def _timed(self, timeouts: Timeouts | None) -> Timeouts:
        """The timers of one call. Raises TypeError."""
        if not (timeouts is None or isinstance(timeouts, Timeouts)):
            raise TypeError(f"timeouts must be asrwire.Timeouts or None, not {type(timeouts).__name__}")
        return self._timeouts if timeouts is None else timeouts

    def _key(self) -> str:
        """The key for one request. Raises ConfigError, TypeError."""
        return _requests.api_key(self._api_key, os.environ)

    def __reduce__(self) -> NoReturn:
        name = f"asrwire.{type(self).__name__}"
        raise TypeError(
            f"a client holds connections and a key: it is neither copied nor pickled. functools.partial({name}, ...) "
            "pickles what it is told, without a key where that is a function or in the environment"
        )

    def __repr__(self) -> str:
        return f"<asrwire.{type(self).__name__} {self._endpoints.region} {urlsplit(self._endpoints.base_url).netloc}>"


def _check_headers(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers or ():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError("headers are pairs of str")
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigError("the name of a header field is not a token (RFC 9110 5.6.2)")
        if name.lower() in _OURS:
            raise ConfigError(f"the header field {name} is set by the client")
        if not re.fullmatch(r"([\x21-\x7e\xa0-\xff]([\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?", value):
            raise ConfigError(f"the value of the header field {name} holds a character it cannot have (RFC 9110 5.5)")
        pairs.append((name, value))
    return tuple(pairs)
