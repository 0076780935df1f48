"""The word timeline: the words of a transcript as columns of numbers and one pool of text, in the order of time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, final, overload

import pyarrow as pa

from ._model import Sentence, Word

NO_TIME: Final = -2147483648
"""What `WordTimeline.begin` and `.end` hold where the service sent no time."""

def needs_space(left: str, right: str) -> bool:
    """Whether a space belongs between two neighbouring characters: not beside white space, Han, kana or full-width
    punctuation."""

def join_words(words: Iterable[Word]) -> str:
    """The words as one text: each with its own spacing, its punctuation after it unless the word already ends with it,
    and one space between neighbours that bring none and need one (`needs_space`)."""

def join_texts(texts: Iterable[tuple[str, bool]]) -> str:
    """The texts as one; where the bool allows it, with a space before those that need one (`needs_space`)."""

def columns_of(sentences: Iterable[Sentence]) -> WordColumns:
    """The words in the order of the sentences. Sentences that keep their words in columns already (an attribute
    ``columns``) share them. Raises OverflowError: a time does not fit int32."""

@final
class WordColumns:
    """Words as columns, each bytes of numbers in the machine's order; what they are is said where they are made."""

    begin: Final[bytes]
    end: Final[bytes]
    key: Final[bytes]
    at: Final[bytes]
    size: Final[bytes]
    kind: Final[bytes]
    sentence: Final[bytes]
    first: Final[bytes]
    channels: Final[bytes]
    pool: Final[bytes]
    kinds: Final[tuple[tuple[str, bool | None, int | str | None], ...]]
    def __new__(
        cls,
        begin: bytes,
        end: bytes,
        key: bytes,
        at: bytes,
        size: bytes,
        kind: bytes,
        sentence: bytes,
        first: bytes,
        channels: bytes,
        pool: bytes,
        kinds: tuple[Any, ...],
    ) -> WordColumns: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__ = None  # type: ignore[assignment]

@final
class WordWriter:
    """What extensions build columns with."""

@final
class WordTimeline(Sequence[Word]):
    """The words of a transcript, sorted by (begin time, channel); immutable.

    A sequence of `Word`: `timeline[i]` makes the word, `timeline[i:j]` is a `WordTimeline` (steps are positive). A word
    without a begin time stays after the word before it in its sentence. Words that began at the same time on the same
    channel keep the order of the transcript. Made by `from_sentences` or read from a transcript's ``words``.
    """

    _columns: Final[WordColumns]
    _looked: Final[int]
    def __new__(cls, columns: WordColumns) -> WordTimeline: ...
    @classmethod
    def from_sentences(cls, sentences: Iterable[Sentence]) -> WordTimeline:
        """The timeline of these sentences' words. Times must fit int32 (24 days in ms), or it is an OverflowError.

        Sentences that keep their words in columns already (an attribute ``columns``) share them.
        """

    @property
    def begin(self) -> memoryview:
        """Begin times: read-only int32, shape (len,), ms, `NO_TIME` where none; ``numpy.asarray`` shares its memory."""

    @property
    def end(self) -> memoryview:
        """End times: read-only int32, shape (len,), ms, `NO_TIME` where none; ``numpy.asarray`` shares its memory."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, i: int, /) -> Word: ...
    @overload
    def __getitem__(self, i: slice, /) -> WordTimeline: ...
    def __iter__(self) -> Iterator[Word]: ...
    def locate(self, ms: int) -> int | None:
        """The number of the word spoken at `ms`, the one whose [begin, end) holds it; None in a gap.

        Of words that overlap, the one that began last. A word of no length, or without an end, counts at its begin
        only; a word without a begin never. O(log n); the first time O(n).
        """

    def text(self, start: int = 0, stop: int | None = None) -> str:
        """The text of the words [start, stop), bounds as in a slice.

        Words keep their own spacing. Where they bring none, one space goes between them, but none beside Han, kana or
        full-width punctuation. Punctuation follows its word, unless it only repeats how the word ends.
        """

    def sentence_of(self, i: int) -> int:
        """The position of word i's sentence among the sentences the timeline was made from (``transcript.sentences``);
        slices and channels keep it."""

    def channel(self, channel_id: int) -> WordTimeline:
        """The words of one channel; empty where it has none."""

    def to_arrow(self) -> pa.Table:
        """The words in the order of time as a table of `asrwire.integrations.arrow` (a ``pyarrow.Table``).

        ``word`` counts the words of a sentence that are in this timeline. What sentences and the whole have beside
        words is null: `Transcript.to_arrow` knows it. Raises ConfigError: pyarrow is not installed.
        """

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int: ...
    def count(self, value: object) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__ = None  # type: ignore[assignment]
