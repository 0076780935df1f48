"""The direct reader: ordinary events of a recognition stream, read in place into the stream's books."""

from collections.abc import Callable

from typing_extensions import Buffer, disjoint_base

from ._assembler import Update
from ._books import Books
from ._sse import ResultEventParser, ServerSentEvent

def use(direct: bool) -> None:
    """For tests: whether parsers made from now on read ordinary events directly."""

@disjoint_base
class DirectParser(ResultEventParser):
    """Reads ordinary events into the books of a stream as they end, and hands out the others."""

    def __new__(cls, max_event_size: int = 8388608, max_event_lines: int = 65536) -> DirectParser: ...
    def keep(self, books: Books) -> None:
        """These are the books that `take` keeps."""

    def take(self, data: Buffer, updates: list[Update], slow: Callable[[ServerSentEvent, list[Update]], bool]) -> None:
        """Takes the next bytes, as `feed`; what events say is appended to `updates`.

        `slow` takes each event that is not ordinary; while it has returned False, all are its. What it raises ends the
        stream.
        """

    @property
    def may_learn(self) -> bool:
        """What was learnt so far was of use."""

    def learn(self, prefix: bytes, suffix: bytes) -> None:
        """Until an event is not ordinary: one that begins and ends like this is a text delta, and what lies between is
        its text as it stands in a JSON string."""

    def unread(self) -> list[bytes]:
        """The newest payload of each open sentence that was passed over, once."""
