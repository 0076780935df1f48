# Cues: sentences cut to what can be read at once, one after another.
#
# Knows: how a sentence is cut at its words and wrapped into lines, when a cue ends. Must not know: file formats.
# Begins and ends are the service's own; only how long a cue stays to be read may be chosen (`Layout`).

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple, Protocol, TypeAlias

from .._errors import ConfigError, NoTimes
from .._model import Sentence
from ._text import BLANK, columns, may_break, rank

_Speaker: TypeAlias = int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How sentences become cues.

    Attributes:
        max_chars: columns of a line; Han, kana and other wide characters take two, combining marks none. Only a single
            word may be wider.
        max_lines: lines of a cue. More only where nothing says when a later part of the text begins: a sentence without
            words or times of words is never cut.
        max_cps: columns per second to be read at most, or None: a cue stays longer for that, as far as the next one
            leaves room.
        min_duration: ms a cue stays at least, as far as the next one leaves room.
        max_duration: ms after which a cue's last word must have ended, or None; only a single word may be longer.
        gap: ms between a cue and the next, taken from the end of the first.
        speakers: begin the text of a sentence, and each change of speaker in it, with ``Speaker 1: `` where the
            service named one. WebVTT and ASS name the speaker in fields of their own anyway, TSV in a column.

    Raises ConfigError: a value that is out of range.
    """

    max_chars: int = 42
    max_lines: int = 2
    max_cps: float | None = None
    min_duration: int = 0
    max_duration: int | None = 7000
    gap: int = 0
    speakers: bool = False

    def __post_init__(self) -> None:
        for name, least in (("max_chars", 1), ("max_lines", 1), ("min_duration", 0), ("max_duration", 1), ("gap", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}, must be at least {least}")
        if self.max_cps is not None and not self.max_cps > 0:
            raise ConfigError(f"max_cps is {self.max_cps}, must be more than 0")
        if self.max_duration is not None and self.min_duration > self.max_duration:
            raise ConfigError(f"min_duration is {self.min_duration}, must be at most max_duration {self.max_duration}")


LAYOUT = Layout()


class Line(NamedTuple):
    """One line of a cue: its text, and who speaks (as in `Sentence.speaker_id`)."""

    text: str
    speaker_id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from ``begin_time`` to ``end_time`` (ms)."""

    begin_time: int
    end_time: int
    lines: tuple[Line, ...]


class Sentences(Protocol):
    """What has sentences: a `Transcript`."""

    @property
    def sentences(self) -> Sequence[Sentence]: ...


Source: TypeAlias = Sentences | Iterable[Sentence | Sentences]


def cues(source: Source, layout: Layout = LAYOUT, unit: int = 1) -> list[Cue]:
    """The cues of a `Transcript`, of several (the channels of a `FileResult`) or of sentences, by begin time.

    Every word is in exactly one cue, in order. A sentence is cut after a full stop or a comma rather than elsewhere,
    and never inside a word. Begins grow and no two cues overlap: what begins together, or would lie within the cue
    before, shares its cue, and one that is still there when the next begins ends then. Times are rounded to `unit` ms,
    and a cue lasts at least one.

    Raises `NoTimes` where a sentence with text has no begin or no end time.
    """
    found = [cue for sentence in _sentences(source) for cue in cut(sentence, layout, unit)]
    found.sort(key=lambda cue: cue.begin_time)
    track = Track(layout, unit)
    return [*track.add(found), *track.last()]


def _sentences(source: Source) -> Iterator[Sentence]:
    for item in source.sentences if hasattr(source, "sentences") else source:
        if isinstance(item, Sentence):
            yield item
        else:
            yield from item.sentences


class Track:
    """Cues added by begin time, each settled when the next is known."""

    def __init__(self, layout: Layout, unit: int) -> None:
        self._layout, self._unit = layout, unit
        self._open: Cue | None = None
        self._begin = 0  # of the cue that was added last: that it shares may have begun before

    def takes(self, found: list[Cue]) -> bool:
        """Whether these can still be added."""
        return self._open is None or not found or found[0].begin_time >= self._begin

    def add(self, found: Iterable[Cue]) -> list[Cue]:
        """The cues that this settles."""
        settled = []
        for cue in found:
            held = self._open
            self._begin = cue.begin_time
            if held is not None:
                if cue.begin_time == held.begin_time or cue.begin_time < held.end_time >= cue.end_time:
                    cue = Cue(held.begin_time, max(held.end_time, cue.end_time), held.lines + cue.lines)
                else:
                    settled.append(self._ended(held, cue.begin_time))
            self._open = cue
        return settled

    def last(self) -> list[Cue]:
        """The cue after which nothing is known yet, if there is one."""
        return [] if self._open is None else [self._ended(self._open, None)]

    def _ended(self, cue: Cue, following: int | None) -> Cue:
        layout, unit, begin = self._layout, self._unit, cue.begin_time
        stay = layout.min_duration
        if layout.max_cps is not None:
            wide = sum(columns(line.text) for line in cue.lines)
            stay = max(stay, int(1000 * wide / layout.max_cps))
        if layout.max_duration is not None:
            stay = min(stay, layout.max_duration)
        end = max(cue.end_time, begin + unit, begin + _up(stay, unit))
        if following is not None:
            end = min(end, max(following - _up(layout.gap, unit), begin + unit))
        return replace(cue, end_time=end)


def _up(ms: int, unit: int) -> int:
    return -(-ms // unit) * unit


# == cutting ===========================================================================================================


class _Cell(NamedTuple):
    """What is never broken: a word with its punctuation and the space after it. Times that nobody sent are None."""

    text: str
    begin: int | None
    end: int | None
    speaker: _Speaker
    rank: int
    width: int


def cut(sentence: Sentence, layout: Layout, unit: int) -> list[Cue]:
    """The cues of one sentence, as if there were no other."""
    if not sentence.text.strip():
        return []
    first, end = (_rounded(ms, unit) for ms in (_begin(sentence), _end(sentence)))
    if first is None or end is None:
        missing = "begin" if first is None else "end"
        raise NoTimes(f"sentence {sentence.index} has no {missing} time, and subtitles need one")
    cells = _cells(sentence, layout.speakers, unit)
    size = len(cells)
    widths, stops = _measure(cells, layout.max_chars)
    found: list[Cue] = []
    start, turn, begin = 0, 0, first

    def begins(place: int) -> bool:
        # A cue needs to know when it begins, and must not begin before the one before it.
        time = cells[place].begin
        return time is not None and time > begin

    while start < size:
        if start >= turn:  # the next change of speaker
            others = (i for i in range(start + 1, size) if cells[i].speaker != cells[i - 1].speaker)
            turn = next(filter(begins, others), size)
        stop = start
        for _ in range(layout.max_lines):
            stop = stops[stop]
        if layout.max_duration is not None:
            late = begin + layout.max_duration
            stop = next((i for i in range(start + 1, min(stop, turn)) if (cells[i].end or 0) > late), stop)
        if stop >= turn:
            stop = turn
        else:
            whole, most = widths[turn] - widths[start], max(1, widths[stop] - widths[start])
            ideal = whole / max(1, -(-whole // most))
            places = [i for i in range(start + 1, stop + 1) if begins(i) and 4 * (widths[i] - widths[start]) >= ideal]
            if places:
                stop = _best(cells, widths, start, places, ideal)
            else:  # the times are missing to cut in time
                stop = next(filter(begins, range(stop + 1, turn)), turn)
        following = cells[stop].begin if stop < size else end
        assert following is not None
        left = end if stop == size else cells[stop - 1].end
        found.append(Cue(begin, max(begin, following if left is None else left), _lines(cells[start:stop], layout)))
        start, begin = stop, following
    return found


def _rounded(ms: int | None, unit: int) -> int | None:
    return None if ms is None else (ms + unit // 2) // unit * unit


def _begin(sentence: Sentence) -> int | None:
    """The sentence's begin, else that of its first word with one, as in the later part of a cumulative sentence."""
    begins = (word.begin_time for word in sentence.words if word.begin_time is not None)
    return next(begins, None) if sentence.begin_time is None else sentence.begin_time


def _end(sentence: Sentence) -> int | None:
    """The sentence's end, else (it was cut off) the last time known of its words."""
    if sentence.end_time is not None:
        return sentence.end_time
    for word in reversed(sentence.words):
        time = word.begin_time if word.end_time is None else word.end_time
        if time is not None:
            return time
    return None


def _cells(sentence: Sentence, speakers: bool, unit: int) -> list[_Cell]:
    text = sentence.text
    spans = zip(sentence.spans(), sentence.words, strict=True)
    # Some models send words with the space before them: there a line may be broken, it is no part of the word.
    bare = ((span[1] - len(text[slice(*span)].lstrip()), span[1], word) for span, word in spans if span)
    placed = [(start, stop, word) for start, stop, word in bare if start < stop]
    inside = {place for start, stop, _ in placed for place in range(start + 1, stop)}
    borders = {start for start, *_ in placed}
    cuts = [i for i in range(1, len(text)) if i not in inside and may_break(text[i - 1], text[i], i in borders)]
    cells: list[_Cell] = []
    at, speaker, last = 0, sentence.speaker_id, None
    for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
        words = []
        while at < len(placed) and placed[at][0] < stop:
            words.append(placed[at])
            at += 1
        shown = BLANK.sub(" ", text[start:stop]).lstrip(" ")
        if not shown.strip():
            continue
        begin, end = None, None if _says(text[start:stop]) else last  # punctuation takes no time
        if words:
            (head, _, opening), (_, tail, closing) = words[0], words[-1]
            speaker = sentence.speaker_id if opening.speaker_id is None else opening.speaker_id
            begin = None if _says(text[start:head]) else _rounded(opening.begin_time, unit)
            end = None if _says(text[tail:stop]) else _rounded(closing.end_time, unit)
        last = end
        if speakers and speaker is not None and (not cells or speaker != cells[-1].speaker):
            label = f"{name(speaker)}: "
            cells.append(_Cell(label, begin, end, speaker, 0, columns(label)))
            begin = None
        cells.append(_Cell(shown, begin, end, speaker, rank(shown), columns(shown)))
    return cells


def _says(text: str) -> bool:
    """Whether there is anything in it that is spoken."""
    return any(map(str.isalnum, text))


def name(speaker_id: int | str) -> str:
    """How a speaker is called."""
    return f"Speaker {BLANK.sub(' ', str(speaker_id)).strip()}"


# == choosing where ====================================================================================================


def _measure(cells: list[_Cell], room: int) -> tuple[list[int], list[int]]:
    """For each cell the columns before it, and where a line stops that begins with it and takes what fits; for the end
    of the cells too."""
    widths = list(accumulate((cell.width for cell in cells), initial=0))
    stops, stop = [], 0
    for start in range(len(cells)):
        stop = max(stop, start + 1)
        while stop < len(cells) and widths[stop] + columns(cells[stop].text.rstrip(" ")) - widths[start] <= room:
            stop += 1
        stops.append(stop)
    return widths, [*stops, len(cells)]


def _best(cells: list[_Cell], widths: list[int], start: int, places: Sequence[int], ideal: float) -> int:
    """Of the places to cut at, not too early, one after the strongest punctuation; of these the nearest to ideal."""

    def worth(place: int) -> tuple[int, float]:
        width = widths[place] - widths[start]
        return cells[place - 1].rank if 2 * width >= ideal else -1, -abs(width - ideal)

    return max(places, key=worth)


def _lines(cells: list[_Cell], layout: Layout) -> tuple[Line, ...]:
    return tuple(
        Line(text, speaker)
        for speaker, said in groupby(cells, key=lambda cell: cell.speaker)
        for text in _wrapped(list(said), layout)
    )


def _wrapped(cells: list[_Cell], layout: Layout) -> list[str]:
    widths, stops = _measure(cells, layout.max_chars)
    size, edges = len(cells), [0]
    while edges[-1] < size:
        edges.append(stops[edges[-1]])
    if len(edges) - 1 <= layout.max_lines:  # as many lines, but well broken
        for i in range(1, len(edges) - 1):
            start, left = edges[i - 1], len(edges) - 1 - i
            places = [p for p in range(start + 1, min(stops[start] + 1, size)) if _reaches(stops, p, left)]
            edges[i] = _best(cells, widths, start, places, (widths[size] - widths[start]) / (left + 1))
    return ["".join(cell.text for cell in cells[a:b]).rstrip(" ") for a, b in pairwise(edges)]


def _reaches(stops: list[int], place: int, lines: int) -> bool:
    """Whether what begins there fits into so many lines."""
    for _ in range(lines):
        place = stops[place]
    return place == len(stops) - 1
