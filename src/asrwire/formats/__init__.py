# Text formats of sentences: the join rule, SubRip, WebVTT, Advanced SubStation, tab-separated values.
#
# Knows: how cues are spelled in each format and what must be escaped. Must not know: where sentences come from, how
# they are cut (_cues), files on disk. Pure functions. Other formats are made from these by pysubs2.

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from .._timeline import join_texts
from ._cues import LAYOUT, Cue, Layout, Line, Source, Track, cues, cut, name
from ._text import columns

__all__ = [
    "Cue", "LAYOUT", "Layout", "Line", "Source", "Subtitles", "SUBTITLES", "Track", "columns", "cues", "cut", "join",
    "to_ass", "to_srt", "to_tsv", "to_vtt",
]  # fmt: skip

_ASS_HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,60,&H00FFFFFF,&H000000FF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,50,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_BRACES = str.maketrans("{}", "｛｝")  # neither format can escape them for every player, and both take them for codes
_JOINER = "\u2060"  # of no width; keeps two characters from being read as a code


def join(texts: Iterable[str]) -> str:
    """The texts as one: nothing between two where a neighbour is white space, Han, kana or full-width punctuation, else
    one space. Empty texts add nothing."""
    return join_texts((text, True) for text in texts)


def to_srt(source: Source, layout: Layout = LAYOUT) -> str:
    """SubRip subtitles of a `Transcript`, several, or sentences; see `cues`.

    Its text has no escapes: ``-->`` is written ``-- >``, braces full-width, and an invisible U+2060 after ``<`` keeps
    ``<i>`` from being a tag, as one after a last line of digits keeps that from being a number. Raises `NoTimes` where
    a sentence with text has no begin or no end time.
    """
    return SUBTITLES["srt"].write(source, layout)


def to_vtt(source: Source, layout: Layout = LAYOUT) -> str:
    """WebVTT subtitles of a `Transcript`, several, or sentences; see `cues`. A voice span names the speaker where there
    is one. An invisible U+2060 after a last line of digits keeps that from being a number.

    Raises `NoTimes` where a sentence with text has no begin or no end time.
    """
    return SUBTITLES["vtt"].write(source, layout)


def to_ass(source: Source, layout: Layout = LAYOUT) -> str:
    """Advanced SubStation subtitles of a `Transcript`, several, or sentences; see `cues`. Times are rounded to 10 ms;
    the field Name has the speakers. From 100 hours on a time has three digits of hours, which pysubs2 does not read.

    Its text has no escapes: braces are written full-width, and an invisible U+2060 follows each backslash. Raises
    `NoTimes` where a sentence with text has no begin or no end time.
    """
    return SUBTITLES["ass"].write(source, layout)


def to_tsv(source: Source, layout: Layout = LAYOUT) -> str:
    """Tab-separated values: a header, then start and end in ms, speaker and text of each cue; a cue that several share
    has a row for each. See `cues`. Raises `NoTimes` where a sentence with text has no begin or no end time."""
    return SUBTITLES["tsv"].write(source, layout)


@dataclass(frozen=True, slots=True)
class Subtitles:
    """A subtitle format.

    Attributes:
        head: what the file begins with.
        spell: the text of a cue, given its number (from 1); a file is its head and these.
        unit: ms that its times are multiples of.
    """

    head: str
    spell: Callable[[int, Cue], str]
    unit: int = 1

    def write(self, source: Source, layout: Layout = LAYOUT) -> str:
        """The whole file."""
        found = cues(source, layout, self.unit)
        return self.head + "".join(self.spell(number, cue) for number, cue in enumerate(found, 1))


def _srt(number: int, cue: Cue) -> str:
    text = "\n".join(line.text for line in _no_number(cue).lines).translate(_BRACES).replace("-->", "-- >")
    text = re.sub(r"<(?=[\s/]*[A-Za-z])", "<" + _JOINER, text)
    blank = "\n" if number > 1 else ""
    return f"{blank}{number}\n{_clock(cue.begin_time, ',')} --> {_clock(cue.end_time, ',')}\n{text}\n"


def _vtt(number: int, cue: Cue) -> str:
    said = [(who, _escape("\n".join(texts))) for who, texts in _by_speaker(_no_number(cue))]
    close = "</v>" if len(said) > 1 else ""
    voices = [text if who is None else f"<v {_escape(name(who))}>{text}{close}" for who, text in said]
    return "\n".join(["", f"{_clock(cue.begin_time, '.')} --> {_clock(cue.end_time, '.')}", *voices, ""])


def _ass(number: int, cue: Cue) -> str:
    text = r"\N".join(line.text.replace("\\", "\\" + _JOINER) for line in cue.lines).translate(_BRACES)
    begin, end = (_clock(time, ".").removeprefix("0")[:-1] for time in (cue.begin_time, cue.end_time))
    who = "; ".join(dict.fromkeys(name(who) for who, _ in _by_speaker(cue) if who is not None)).replace(",", ";")
    return f"Dialogue: 0,{begin},{end},Default,{who},0,0,0,,{text}\n"


def _tsv(number: int, cue: Cue) -> str:
    rows = [("" if who is None else name(who), join(texts)) for who, texts in _by_speaker(cue)]
    return "".join(f"{cue.begin_time}\t{cue.end_time}\t{who}\t{text}\n" for who, text in rows)


SUBTITLES = {
    "srt": Subtitles("", _srt),
    "vtt": Subtitles("WEBVTT\n", _vtt),
    "ass": Subtitles(_ASS_HEAD, _ass, 10),
    "tsv": Subtitles("start\tend\tspeaker\ttext\n", _tsv),
}


def _no_number(cue: Cue) -> Cue:
    """The cue; pysubs2 would take a last line of digits for the number of the next one, and drop it."""
    *lines, last = cue.lines
    if lines and last.text.isdecimal():
        return replace(cue, lines=(*lines, last._replace(text=last.text + _JOINER)))
    return cue


def _by_speaker(cue: Cue) -> list[tuple[int | str | None, list[str]]]:
    """The lines of a cue, those of one speaker together."""
    return [(who, [line.text for line in lines]) for who, lines in groupby(cue.lines, key=lambda line: line.speaker_id)]


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
