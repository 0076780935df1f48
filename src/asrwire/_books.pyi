"""The books of one stream: what is open, what is final, what belongs to the whole."""

from collections import Counter
from typing import TypeAlias

from typing_extensions import disjoint_base

from ._decode import Heard
from ._model import Sentence, Usage

_Key: TypeAlias = tuple[int, int | None, int]

@disjoint_base
class Open:
    """A sentence begun and not final.

    Attributes:
        key: channel, sentence_id or None, number of a sentence without id.
        sentence: its state.
        heard: the whole of the newest event: `sentence` itself where all of it is new.
        shown: its text as last handed out.
    """

    @property
    def key(self) -> _Key: ...
    sentence: Sentence
    heard: Heard | Sentence
    shown: str
    def __new__(cls, key: _Key, sentence: Sentence, heard: Heard | Sentence, shown: str) -> Open: ...

@disjoint_base
class Done:
    """A final sentence: ``heard`` is the whole event, ``sentence`` the part of it that was new. ``into``: the one that
    replaced it."""

    @property
    def key(self) -> _Key: ...
    @property
    def heard(self) -> Heard | Sentence: ...
    sentence: Sentence
    into: Done | None
    def __new__(cls, key: _Key, heard: Heard | Sentence, sentence: Sentence) -> Done: ...

@disjoint_base
class Channel:
    """Sentences without ids are told apart by time: ``finals`` are in order of ``begins``.

    Attributes:
        open: of sentences without ids, the open one.
        last_id: the largest sentence_id so far.
        newest: ms, the latest begin of a final; -1 before. What begins later repeats none.
    """

    open: _Key | None
    count: int
    @property
    def begins(self) -> list[int]: ...
    @property
    def finals(self) -> list[Done]: ...
    last_id: int | None
    newest: int
    def __new__(cls) -> Channel: ...

@disjoint_base
class Books:
    """What is shared by the readers of a stream's events.

    Attributes:
        issues: counted into: what was dropped, inferred or odd.
        partials: partials are handed out.
        finals: by index, in the order handed out.
        open: sentences begun and not final, in the order begun.
        done: final sentences by every key they came under, some replaced since.
        chains: finals of one channel and begin, each beyond the last.
        channels: by id.
        events: complete events so far.
        request_id, usage, running_text: of the stream as a whole; ``running_text`` is the newest ``output.text``.
        pieces, text_size, text_raw: of a dialect without sentences: its text, joined only when asked for, so that a
            long one in many deltas stays linear; how long it is; the newest event.
    """

    @property
    def issues(self) -> Counter[str]: ...
    @property
    def partials(self) -> bool: ...
    @property
    def finals(self) -> dict[int, Sentence]: ...
    @property
    def open(self) -> dict[_Key, Open]: ...
    @property
    def done(self) -> dict[_Key, Done]: ...
    @property
    def chains(self) -> dict[tuple[int, int | None], list[Done]]: ...
    @property
    def channels(self) -> dict[int, Channel]: ...
    events: int
    request_id: str | None
    usage: Usage | None
    running_text: str | None
    @property
    def pieces(self) -> list[str]: ...
    text_size: int
    text_raw: bytes | None
    def __new__(cls, issues: Counter[str], partials: bool = True) -> Books: ...
    def new_index(self) -> int: ...
    def channel(self, channel_id: int) -> Channel:
        """The channel of this id, made when first asked for."""
