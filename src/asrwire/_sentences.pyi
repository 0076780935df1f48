"""The sentences of one channel of a result file, as columns, and how they are read straight from the file's bytes."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias, final, overload

from ._decode import Heard
from ._model import Sentence
from ._timeline import WordColumns

MOST: Final[int]
"""Transcripts of a file."""

_Label: TypeAlias = tuple[str | None, str | None, int | str | None, bool, str | None]

@final
class FileSentences(Sequence[Sentence]):
    """The sentences of one channel of a file; each `Sentence` is made when it is asked for, and not kept.

    Attributes:
        columns: their words, in the order of the file.
        labels: what few different values exist of: (language, emotion, speaker_id, final, finality).
        timed: some sentence has a begin time.
        agrees: the file's own text is theirs, joined; `read` left it out of the rest.
        joined_size: of their texts, joined, in bytes of UTF-8.
    """

    columns: Final[WordColumns]
    labels: Final[tuple[_Label, ...]]
    timed: Final[bool]
    agrees: Final[bool]
    joined_size: Final[int]
    def add(self, heard: Heard) -> None:
        """Append a sentence. It is final unless its ``sentence_end`` denies it: nothing more will come."""

    def seal(self, channel_id: int) -> None:
        """Of this channel; nothing is added after this."""

    def keep_raw(self, data: bytes, spans: Iterable[tuple[int, int]]) -> None:
        """Where in `data` each sentence's JSON is."""

    def joined(self) -> str:
        """Their texts, joined (`formats.join`)."""

    def label_numbers(self) -> array[int]:
        """The number of each sentence's label."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, i: int, /) -> Sentence: ...
    @overload
    def __getitem__(self, i: slice, /) -> tuple[Sentence, ...]: ...
    def __iter__(self) -> Iterator[Sentence]: ...
    def index(self, value: object, start: int = 0, stop: int | None = None) -> int: ...
    def count(self, value: object) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__ = None  # type: ignore[assignment]

def read(data: bytes, keep_raw: bool = False) -> tuple[bytes, list[FileSentences]] | None:
    """The sentences of each item of ``transcripts``, not yet sealed, and the file without them, which is still to be
    decoded: only if that succeeds, unrepaired, do they count. None where anything about them is unusual."""
