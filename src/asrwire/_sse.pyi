"""Event streams: WHATWG HTML 9.2.5 and 9.2.6, incremental at any byte."""

from typing import Any, final

from typing_extensions import Buffer, disjoint_base

@final
class ServerSentEvent:
    """One dispatched event. Made by `EventStreamParser` only.

    Attributes:
        event: the event type, "message" by default.
        data: the data as str, built when first asked for; bad UTF-8 is U+FFFD.
        data_bytes: the data as received, lines joined by LF.
        id: the last event ID when this event was dispatched, "" at first.
        retry: ms, where this event's block had a valid ``retry`` field.
        comments: the comments of this event's block, the text after the colon unchanged.
    """

    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def data_bytes(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    @property
    def retry(self) -> int | None: ...
    @property
    def comments(self) -> tuple[str, ...]: ...
    def json(self) -> Any:
        """The data decoded by orjson. Raises DecodeError where it is not JSON."""

@disjoint_base
class EventStreamParser:
    """An incremental parser of ``text/event-stream``, exact to WHATWG HTML 9.2.5-6 for every way the input is cut.

    A line ends at CR, LF or CRLF, at once; one leading BOM is dropped; a block without data dispatches nothing, but its
    ``id`` counts. One parser serves one stream in one thread.

    Args:
        max_event_size: bytes of one block: its open line (terminated or not), data and comments.
        max_event_lines: lines of one block.

    Attributes:
        last_event_id: as of the last blank line, "" at first.
        reconnection_time: ms, of the last valid ``retry`` field, or None.
        comments_seen: every comment line so far: a sign of life.
    """

    def __new__(cls, max_event_size: int = 8388608, max_event_lines: int = 65536) -> EventStreamParser: ...
    @property
    def last_event_id(self) -> str: ...
    @property
    def reconnection_time(self) -> int | None: ...
    @property
    def comments_seen(self) -> int: ...
    def feed(self, data: Buffer) -> list[ServerSentEvent]:
        """Takes the next bytes; returns the events they complete.

        Raises:
            LimitExceeded: a bound was passed; ``output`` has this call's events, ``offset`` the byte in the stream. The
                parser refuses input with the same error until `reset`.
            Closed: after `close`, or used from two threads at once.
        """

    def close(self, flush: bool = False) -> list[ServerSentEvent]:
        """End of stream: an unterminated event is dropped (the standard), or dispatched when ``flush`` is true."""

    def reset(self) -> None:
        """Makes the parser new; the limits stay."""

class ResultEventParser(EventStreamParser):
    """For the recognition services: an ``id`` line after data starts a new event, because older gateways leave out the
    blank lines between events."""

    def __new__(cls, max_event_size: int = 8388608, max_event_lines: int = 65536) -> ResultEventParser: ...
    @property
    def unfinished(self) -> bool:
        """A block or line other than comments was begun and has not ended."""
