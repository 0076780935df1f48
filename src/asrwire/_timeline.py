# The word timeline: the words of a transcript as columns of numbers and one pool of text, in the order of time.
#
# Knows: words, their order, how to find one by time, how words are joined to text. Must not know: JSON, files, streams,
# or how sentences come to be. Columns, because a 12-hour file has 150,000 words: some 30 bytes a word here, some 460 as
# dataclasses; a `Word` is made when it is asked for.

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import Any, overload

from ._errors import ConfigError
from ._model import Sentence, Word

NO_TIME = -(2**31)
"""What `WordTimeline.begin` and `.end` hold where the service sent no time."""

_FIXED = (None, False, True)
_BLOCK = 5  # 2**5 entries under one entry of the next level
# Han, kana and full-width punctuation; full-width letters and digits, Hangul and half-width quotation marks are not.
_UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe10-\ufe1f\ufe30-\ufe4f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)


def needs_space(left: str, right: str) -> bool:
    """Whether a space belongs between two neighbouring characters: not beside white space, Han, kana or full-width
    punctuation."""
    return not (left.isspace() or right.isspace() or _UNSPACED.match(left) or _UNSPACED.match(right))


def join_words(words: Iterable[Word]) -> str:
    """The words as one text: each with its own spacing, its punctuation after it unless the word already ends with it,
    and one space between neighbours that bring none and need one (`needs_space`)."""
    return join_texts((_punctuated(word), bool(word.text)) for word in words)


def _punctuated(word: Word) -> str:
    text, punctuation = word.text, word.punctuation
    stem, mark = text.rstrip(), punctuation.rstrip()
    if not punctuation or (mark and stem.endswith(mark)):
        return text
    return stem + punctuation + ("" if punctuation[-1].isspace() else text[len(stem) :])


def join_texts(texts: Iterable[tuple[str, bool]]) -> str:
    """The texts as one; where the bool allows it, with a space before those that need one (`needs_space`)."""
    pieces: list[str] = []
    last = ""
    for text, spaced in texts:
        if text:
            if last and spaced and needs_space(last, text[0]):
                pieces.append(" ")
            pieces.append(text)
            last = text[-1]
    return "".join(pieces)


class WordColumns:
    """Words as columns, sentence after sentence as they are added. What a `WordTimeline` is built from.

    Attributes:
        begin, end: ms, `NO_TIME` where none.
        key: what the order goes by: `begin`, and where there is none that of the word before in the sentence.
        at: 2n + 1 offsets into `pool`: word i's text is between entries 2i and 2i + 1, its punctuation up to 2i + 2.
        pool: UTF-8.
        fixed: 0, 1, 2 for None, False, True.
        speaker: numbers into `speakers`.
        sentence: the position of the word's sentence, a number into `channels`.
    """

    __slots__ = ("_numbers", "at", "begin", "channels", "end", "fixed", "key", "pool", "sentence", "speaker",
                 "speakers")

    def __init__(self) -> None:
        self.begin, self.end, self.key = array("i"), array("i"), array("i")
        self.at = array("I", [0])
        self.pool: bytearray | bytes = bytearray()
        self.fixed = array("B")
        self.speaker = array("I")
        self.speakers: list[Any] = [None]
        self._numbers: dict[Any, int] = {None: 0}
        self.sentence = array("I")
        self.channels = array("q")

    def __len__(self) -> int:
        return len(self.begin)

    def add(self, channel: int, begin: int | None, words: Sequence[Word]) -> None:
        """Append the words of the next sentence. Times fit int32; `begin` (ms) is the sentence's."""
        position = len(self.channels)
        self.channels.append(channel)
        # Leading words without a time stay before the first word that has one.
        key = next((word.begin_time for word in words if word.begin_time is not None), begin)
        if key is None:
            key = self.key[-1] if self.key else NO_TIME
        for word in words:
            if word.begin_time is not None:
                key = word.begin_time
            self.begin.append(NO_TIME if word.begin_time is None else word.begin_time)
            self.end.append(NO_TIME if word.end_time is None else word.end_time)
            self.key.append(key)
            self.pool += word.text.encode("utf-8", "surrogatepass")
            self.at.append(len(self.pool))
            self.pool += word.punctuation.encode("utf-8", "surrogatepass")
            self.at.append(len(self.pool))
            self.fixed.append(0 if word.fixed is None else 2 if word.fixed else 1)
            self.speaker.append(self._speaker(word.speaker_id))
            self.sentence.append(position)

    def _speaker(self, speaker_id: Any) -> int:
        number = self._numbers.setdefault(speaker_id, len(self.speakers))
        if number == len(self.speakers):
            self.speakers.append(speaker_id)
        return number

    def word(self, i: int) -> Word:
        start, middle, stop = self.at[2 * i : 2 * i + 3]
        begin, end = self.begin[i], self.end[i]
        text, punctuation = self.pool[start:middle], self.pool[middle:stop]
        return Word(
            None if begin == NO_TIME else begin, None if end == NO_TIME else end,
            text.decode("utf-8", "surrogatepass"), punctuation.decode("utf-8", "surrogatepass"),
            _FIXED[self.fixed[i]], self.speakers[self.speaker[i]],
        )  # fmt: skip

    def channel(self, i: int) -> int:
        return self.channels[self.sentence[i]]

    def seal(self) -> None:
        """Give back the memory kept for growth, and the columns that say nothing; nothing is added after this."""
        self.begin, self.end, self.at, self.fixed = self.begin[:], self.end[:], self.at[:], self.fixed[:]
        self.key = self.begin if self.key == self.begin else self.key[:]
        self.pool = bytes(self.pool)
        self.speaker = array("B" if len(self.speakers) <= 256 else "I", self.speaker)
        self.sentence, self.channels = self.sentence[:], self.channels[:]
        self._numbers = {}

    def take(self, numbers: Iterable[int]) -> WordColumns:
        """The words with these numbers, in this order; sentence positions stay what they are."""
        taken = WordColumns()
        taken.speakers, taken.channels = self.speakers, self.channels
        order = list(numbers)
        for name in ("begin", "end", "key", "fixed", "speaker", "sentence"):
            column = getattr(self, name)
            setattr(taken, name, array(column.typecode, map(column.__getitem__, order)))
        for i in order:
            start, middle, stop = self.at[2 * i : 2 * i + 3]
            taken.at.append(len(taken.pool) + middle - start)
            taken.pool += self.pool[start:stop]
            taken.at.append(len(taken.pool))
        taken.seal()
        return taken

    def sorted(self) -> WordColumns:
        """The same words by (begin, channel), stably; itself where they are in that order already."""
        order = list(range(len(self)))
        if len({self.channels[position] for position in set(self.sentence)}) > 1:
            order.sort(key=self.channel)
        order.sort(key=self.key.__getitem__)
        return self if order == list(range(len(self))) else self.take(order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WordColumns):
            return NotImplemented
        same = ("begin", "end", "at", "pool", "fixed", "sentence")
        return all(getattr(self, name) == getattr(other, name) for name in same) and all(
            self.speakers[self.speaker[i]] == other.speakers[other.speaker[i]] and self.channel(i) == other.channel(i)
            for i in range(len(self))
        )

    __hash__ = None  # type: ignore[assignment]


class WordTimeline(Sequence[Word]):
    """The words of a transcript, sorted by (begin time, channel); immutable.

    A sequence of `Word`: `timeline[i]` makes the word, `timeline[i:j]` is a `WordTimeline` (steps are positive). A word
    without a begin time stays after the word before it in its sentence. Words that began at the same time on the same
    channel keep the order of the transcript. Made by `from_sentences` or read from a transcript's ``words``.
    """

    __slots__ = ("_columns", "_levels")

    def __init__(self, columns: WordColumns) -> None:
        """columns: sealed; sorted here if they are not."""
        self._columns = columns.sorted()
        self._levels: list[array[int]] | None = None

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sentence]) -> WordTimeline:
        """The timeline of these sentences' words. Times must fit int32 (24 days in ms), or it is an OverflowError.

        Sentences that keep their words in columns already (an attribute ``columns``) share them.
        """
        columns = getattr(sentences, "columns", None)
        if columns is None:
            columns = WordColumns()
            for sentence in sentences:
                columns.add(sentence.channel_id, sentence.begin_time, sentence.words)
            columns.seal()
        return cls(columns)

    @property
    def begin(self) -> memoryview:
        """Begin times: read-only int32, shape (len,), ms, `NO_TIME` where none; ``numpy.asarray`` shares its memory."""
        return memoryview(self._columns.begin).toreadonly()

    @property
    def end(self) -> memoryview:
        """End times: read-only int32, shape (len,), ms, `NO_TIME` where none; ``numpy.asarray`` shares its memory."""
        return memoryview(self._columns.end).toreadonly()

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, i: int) -> Word: ...
    @overload
    def __getitem__(self, i: slice) -> WordTimeline: ...
    def __getitem__(self, i: int | slice) -> Word | WordTimeline:
        if isinstance(i, slice):
            numbers = range(*i.indices(len(self)))
            if numbers.step < 0:
                raise ConfigError("a word timeline is in the order of time: the step of a slice must be positive")
            return WordTimeline(self._columns.take(numbers))
        return self._columns.word(self._number(i))

    def __iter__(self) -> Iterator[Word]:
        return map(self._columns.word, range(len(self)))

    def _number(self, i: int) -> int:
        i = index(i)
        number = i + len(self) if i < 0 else i
        if not 0 <= number < len(self):
            raise IndexError(f"word {i} of a timeline of {len(self)} words")
        return number

    def locate(self, ms: int) -> int | None:
        """The number of the word spoken at `ms`, the one whose [begin, end) holds it; None in a gap.

        Of words that overlap, the one that began last. A word of no length, or without an end, counts at its begin
        only; a word without a begin never. O(log n).
        """
        ms = index(ms)
        k, i = 0, bisect_right(self._columns.key, ms) - 1
        while i >= 0:  # to the left and up: the newest block that has a word reaching past ms
            start = i >> _BLOCK << _BLOCK
            while i >= start and self._reach(k, i) <= ms:
                i -= 1
            if i >= start:
                break
            k, i = k + 1, (start >> _BLOCK) - 1
        else:
            return None
        while k:  # down again: the last entry of the block that does (blocks to the left are full)
            k -= 1
            i = (i + 1 << _BLOCK) - 1
            while self._reach(k, i) <= ms:
                i -= 1
        return i

    def _reach(self, level: int, i: int) -> int:
        """The first ms that entry i of a level is past: of a word on level 0, of 32 entries of the level below else."""
        if level:
            return self._tree()[level - 1][i]
        begin = self._columns.begin[i]
        return NO_TIME if begin == NO_TIME else max(self._columns.end[i], begin + 1)

    def _tree(self) -> list[array[int]]:
        """The latest reach of every 32 words, of every 32 of those, and so on; made when a look-up first needs it."""
        if self._levels is None:
            levels: list[array[int]] = []
            below: Sequence[int] = [self._reach(0, i) for i in range(len(self))]
            while len(below) > 1 << _BLOCK:
                below = array("q", [max(below[i : i + (1 << _BLOCK)]) for i in range(0, len(below), 1 << _BLOCK)])
                levels.append(below)
            self._levels = levels
        return self._levels

    def text(self, start: int = 0, stop: int | None = None) -> str:
        """The text of the words [start, stop), bounds as in a slice.

        Words keep their own spacing. Where they bring none, one space goes between them, but none beside Han, kana or
        full-width punctuation. Punctuation follows its word, unless it only repeats how the word ends.
        """
        return join_words(map(self._columns.word, range(*slice(start, stop).indices(len(self)))))

    def sentence_of(self, i: int) -> int:
        """The position of word i's sentence among the sentences the timeline was made from (``transcript.sentences``);
        slices and channels keep it."""
        return self._columns.sentence[self._number(i)]

    def channel(self, channel_id: int) -> WordTimeline:
        """The words of one channel; empty where it has none."""
        columns = self._columns
        return WordTimeline(columns.take(i for i in range(len(self)) if columns.channel(i) == channel_id))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WordTimeline):
            return NotImplemented
        return self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<WordTimeline of {len(self)} words>"

    def __reduce__(self) -> tuple[type[WordTimeline], tuple[WordColumns]]:
        return WordTimeline, (self._columns,)
