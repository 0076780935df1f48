"""The public names of httpx-sse 0.4 on `asrwire.EventStreamParser`, for responses of httpx and of httpx2:

    from asrwire.integrations.httpx_sse import connect_sse

    with httpx.Client() as client, connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            ...

Names, signatures and exceptions are httpx-sse's. What differs, differs because WHATWG HTML 9.2 says so: streams are
UTF-8 whatever ``charset`` says, a byte order mark is no text, a block without data is no event, ``retry`` is digits,
and the media type is compared whole, in any case. Besides, an event over 8 MiB or 65536 lines is an `SSEError`; the
headers given to `connect_sse` are left as they were, and may be None or pairs too; an `SSEError` that is made, not
raised by an `EventSource`, is no ``TransportError`` and takes no ``request``.
"""

# Knows: httpx-sse's interface, what it needs of a response and a client. Must not know: httpx or httpx2; neither is
# imported, and what is raised is found by way of the response that was given.

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, Generic, Protocol, TypeVar, cast

from .._errors import ASRWireError, ContentTypeError, LimitExceeded
from .._sse import EventStreamParser
from .._sse import ServerSentEvent as _Event

__all__ = ["__version__", "EventSource", "connect_sse", "aconnect_sse", "ServerSentEvent", "SSEError"]

__version__ = "0.4.3"  # of httpx-sse: whose interface this is


class Response(Protocol):
    """What is needed of an ``httpx.Response`` or ``httpx2.Response``."""

    @property
    def headers(self) -> Any: ...
    def iter_bytes(self) -> Iterator[bytes]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


R = TypeVar("R", bound=Response)
R_co = TypeVar("R_co", bound=Response, covariant=True)


class Client(Protocol[R_co]):
    """What is needed of an ``httpx.Client`` or ``httpx2.Client``."""

    @property
    def headers(self) -> Any: ...
    def stream(self, method: str, url: str, *args: Any, **kwargs: Any) -> AbstractContextManager[R_co]: ...


class AsyncClient(Protocol[R_co]):
    """What is needed of an ``httpx.AsyncClient`` or ``httpx2.AsyncClient``."""

    @property
    def headers(self) -> Any: ...
    def stream(self, method: str, url: str, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[R_co]: ...


class SSEError(ASRWireError):
    """The response is no event stream, or an event is larger than the parser takes.

    What is raised is also a `ContentTypeError` or `LimitExceeded`, and a ``TransportError`` of the response's library.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return SSEError, self.args, self.__dict__


class ServerSentEvent:
    """One event.

    Attributes:
        event: the event type, "message" by default.
        data: the data, lines joined by LF.
        id: the last event ID when this event was dispatched, "" at first.
        retry: ms, where this event's block had a valid ``retry`` field.
    """

    def __init__(
        self, event: str | None = None, data: str | None = None, id: str | None = None, retry: int | None = None
    ) -> None:
        self._event = event or "message"
        self._data = data or ""
        self._id = id or ""
        self._retry = retry

    @property
    def event(self) -> str:
        return self._event

    @property
    def data(self) -> str:
        return self._data

    @property
    def id(self) -> str:
        return self._id

    @property
    def retry(self) -> int | None:
        return self._retry

    def json(self) -> Any:
        """The data decoded by the standard library's json. Raises json.JSONDecodeError where it is not JSON."""
        return json.loads(self.data)

    def __repr__(self) -> str:
        members = [f"event={self.event!r}"]
        members += [f"{name}={value!r}" for name, value in (("data", self.data), ("id", self.id)) if value]
        members += [] if self.retry is None else [f"retry={self.retry!r}"]
        return f"ServerSentEvent({', '.join(members)})"


class EventSource(Generic[R]):
    """The events of one response that is being streamed.

    Args:
        response: an ``httpx.Response``, an ``httpx2.Response``, or what has their headers and bytes.
    """

    def __init__(self, response: R) -> None:
        self._response = response

    @property
    def response(self) -> R:
        return self._response

    def iter_sse(self) -> Iterator[ServerSentEvent]:
        """The events, each as soon as it is complete; one that the end of the stream cuts short is none.

        Raises:
            SSEError: at the first event, where the media type is not ``text/event-stream``; at an event over a bound.
            Exception: what reading the response raises, as it is.
        """
        parser = self._parser()
        for data in self._response.iter_bytes():
            yield from self._feed(parser, data)

    async def aiter_sse(self) -> AsyncGenerator[ServerSentEvent, None]:
        """As `iter_sse`."""
        parser = self._parser()
        async with aclosing(cast(AsyncGenerator[bytes, None], self._response.aiter_bytes())) as body:
            async for data in body:
                for event in self._feed(parser, data):
                    yield event

    def _parser(self) -> EventStreamParser:
        content_type = self._response.headers.get("content-type", "")
        # The essence of the last of several: Fetch 2.2.2, "extract a MIME type".
        media_type = content_type.partition(";")[0].rpartition(",")[2].strip().lower()
        if media_type != "text/event-stream":
            raise self._error(ContentTypeError, f"Content-Type is {content_type!r}, not 'text/event-stream'")
        return EventStreamParser()

    def _feed(self, parser: EventStreamParser, data: bytes) -> Iterator[ServerSentEvent]:
        try:
            events = parser.feed(data)
        except LimitExceeded as limit:
            yield from map(_handed_out, limit.output)
            raise self._error(LimitExceeded, str(limit), offset=limit.offset) from None
        yield from map(_handed_out, events)

    def _error(self, kind: type[ASRWireError], message: str, **where: Any) -> SSEError:
        libraries = [sys.modules.get(base.__module__.partition(".")[0]) for base in type(self._response).__mro__]
        foreign = next(filter(None, (getattr(library, "TransportError", None) for library in libraries)), None)
        bases = (SSEError, kind) if foreign is None else (SSEError, kind, foreign)
        made: type[SSEError] = type("SSEError", bases, {"__module__": __name__})
        return made(message, **where)


def _handed_out(event: _Event) -> ServerSentEvent:
    return ServerSentEvent(event.event, event.data, event.id, event.retry)


@contextmanager
def connect_sse(client: Client[R], method: str, url: str, **kwargs: Any) -> Iterator[EventSource[R]]:
    """Sends a request and gives the `EventSource` of its response, which is closed at the end.

    Args:
        client: an ``httpx.Client`` or ``httpx2.Client``.
        kwargs: as for ``client.stream``; ``Accept`` and ``Cache-Control`` of its headers are replaced.
    """
    with client.stream(method, url, headers=_headers(client, kwargs), **kwargs) as response:
        yield EventSource(response)


@asynccontextmanager
async def aconnect_sse(client: AsyncClient[R], method: str, url: str, **kwargs: Any) -> AsyncIterator[EventSource[R]]:
    """As `connect_sse`, of an ``httpx.AsyncClient`` or ``httpx2.AsyncClient``."""
    async with client.stream(method, url, headers=_headers(client, kwargs), **kwargs) as response:
        yield EventSource(response)


def _headers(client: Client[R] | AsyncClient[R], kwargs: dict[str, Any]) -> Any:
    headers = type(client.headers)(kwargs.pop("headers", None))
    headers["Accept"] = "text/event-stream"
    headers["Cache-Control"] = "no-store"
    return headers
