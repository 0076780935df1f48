# Captions: updates as lines of a terminal. The line of the open sentence is redrawn in place, finished ones stay.
#
# Knows: how a line is cut and wrapped, the control codes for it (ECMA-48: CR, EL, SGR).
# Must not know: streams, files, the terminal itself: updates go in, the text to write comes out.

from __future__ import annotations

import unicodedata
from typing import TypeAlias

from .._assembler import Update
from .._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta
from ..formats import columns

Span: TypeAlias = tuple[str, str]  # text, and the SGR code it is shown in, or ""

_ERASE = "\x1b[K"
_BRIGHT, _DIM, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_SPEAKERS = ("\x1b[36m", "\x1b[35m", "\x1b[32m", "\x1b[33m")
_NARROW = 40  # columns; where less is left beside a sentence's times, its text goes below them
_BELOW: Span = ("  ", "")

# What a service sends must not steer the terminal. One character for one, so that places in the text hold.
_HARMLESS = {**dict.fromkeys([*range(32), *range(127, 160)], "\ufffd"), 9: " ", 10: " ", 13: " "}


class Captions:
    """Updates of one stream as text for a terminal, or for a file.

    Args:
        live: draw the open sentence and redraw it in place: what is settled bright, what may still change dim. Without,
            only finished sentences are shown, and no control code is ever used.
    """

    def __init__(self, live: bool) -> None:
        self._live = live
        self._drawn = False  # the cursor stands behind an open line
        self._text = ""  # of a dialect that sends text only

    def show(self, update: Update, width: int | None) -> str:
        """What to write for this update, possibly nothing.

        ``width``: columns of the terminal; None: lines are neither cut nor wrapped.
        """
        match update:
            case Partial(sentence, stable):
                return self._draw(head(sentence), sentence.text.translate(_HARMLESS), stable, width)
            case TextDelta(text, offset):
                self._text = self._text[:offset] + text.translate(_HARMLESS)
                return self._draw([], self._text, offset, width)
            case Final(sentence):
                return self._finish(sentence, "", width)
            case Amended(sentence):
                return self._finish(sentence, "amended", width)
            case Incomplete(sentence, reason):
                return self._finish(sentence, reason, width)

    def first(self, text: str, width: int | None) -> str:
        """What to write before there is an update: a dim line that the first one takes away."""
        return self._draw([], text.translate(_HARMLESS), 0, width)

    def end(self) -> str:
        """What to write where nothing follows: an open line is left as it stands."""
        drawn, self._drawn = self._drawn, False
        return "\n" if drawn else ""

    def _draw(self, before: list[Span], text: str, stable: int, width: int | None) -> str:
        if not self._live:
            return ""
        first = 0
        if width is not None:
            if before and _room(before, width) < _NARROW:
                before = [_BELOW]
            first = first_shown(text, _room(before, width))
        self._drawn = True
        cut = [("…", _DIM)] if first else []
        spans = [*before, *cut, (text[first:stable], _BRIGHT), (text[max(first, stable) :], _DIM)]
        return "\r" + _paint(spans) + _ERASE

    def _finish(self, sentence: Sentence, note: str, width: int | None) -> str:
        start, erase = ("\r", _ERASE) if self._drawn else ("", "")
        self._drawn = False
        text = sentence.text.translate(_HARMLESS)
        if not text:
            return start + erase
        first, *others = finished(head(sentence), f"{text} [{note}]" if note else text, width, paint=self._live)
        return start + first + erase + "".join("\n" + line for line in others) + "\n"


def head(sentence: Sentence) -> list[Span]:
    """What stands before a sentence's text: times, speaker, emotion; only what the service sent."""
    cells: list[Span] = []
    if times := time_range(sentence):
        cells.append((f"{times:<13}", _DIM))
    if sentence.speaker_id is not None:
        cells.append((speaker(sentence), _SPEAKERS[_number(sentence.speaker_id) % len(_SPEAKERS)]))
    if sentence.emotion is not None:
        cells.append((f"{sentence.emotion.translate(_HARMLESS):<9}", _DIM))
    return [span for cell in cells for span in (cell, ("  ", ""))]


def finished(before: list[Span], text: str, width: int | None, *, paint: bool = False) -> list[str]:
    """The lines of something that will not change: ``text`` wrapped beside what stands before it, or below it where
    there is no room."""
    start = _paint(before) if paint else "".join(span for span, _ in before)
    if width is None:
        return [start + text]
    room = _room(before, width)
    if before and room < _NARROW:
        return [start.rstrip(), *(_BELOW[0] + line for line in wrap(text, _room([_BELOW], width)))]
    indent = " " * (width - 1 - room)
    first, *others = wrap(text, room)
    return [start + first, *(indent + line for line in others)]


def time_range(sentence: Sentence) -> str:
    """``0:07.0–0:11.0``; a time the service did not send is left out; "" where it sent none."""
    begin, end = _clock(sentence.begin_time), _clock(sentence.end_time)
    return f"{begin}–{end}" if begin or end else ""


def speaker(sentence: Sentence) -> str:
    """``S0`` for a number, the name as it is, "" for None."""
    who = sentence.speaker_id
    return "" if who is None else f"S{who}" if isinstance(who, int) else who.translate(_HARMLESS)


def _number(speaker_id: int | str) -> int:
    return speaker_id if isinstance(speaker_id, int) else sum(map(ord, speaker_id))


def _clock(time: int | None) -> str:
    if time is None:
        return ""
    minutes, ms = divmod(time, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{ms // 1000:02}.{ms % 1000 // 100}"


def _paint(spans: list[Span]) -> str:
    return "".join(f"{code}{text}{_OFF}" if code else text for text, code in spans if text)


def _room(before: list[Span], width: int) -> int:
    """Columns left on a line. The last one stays free: a terminal that waits there to wrap would lose it to EL."""
    return width - 1 - sum(columns(text) for text, _ in before)


# == wrapping ==========================================================================================================


def first_shown(text: str, width: int) -> int:
    """How many leading characters to leave out so that the rest, behind an ellipsis, fits; 0 where all of it fits."""
    if columns(text) <= width:
        return 0
    first, left = len(text), width - 1
    for place in range(len(text) - 1, -1, -1):
        left -= columns(text[place])
        if left < 0:
            break
        if columns(text[place]):  # never begin with a mark whose letter is cut off
            first = place
    return first


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns: broken at spaces and beside wide characters, but no line begins
    with closing punctuation; a word longer than a line is broken anywhere. At least one line."""
    pieces: list[str] = []
    for character in text:
        if pieces and not _may_break(pieces[-1][-1], character):
            pieces[-1] += character
        else:
            pieces.append(character)
    lines = [""]
    for piece in pieces:
        if lines[-1] and columns((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while (fits := _fitting(lines[-1], width)) < len(lines[-1].rstrip()):
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return [line.rstrip() for line in lines]


def _may_break(left: str, right: str) -> bool:
    if right == " " or unicodedata.category(right) in ("Pe", "Pf", "Po"):
        return False
    return left == " " or (2 in (columns(left), columns(right)) and unicodedata.category(left) not in ("Ps", "Pi"))


def _fitting(text: str, width: int) -> int:
    """How many leading characters fit; at least one."""
    used = 0
    for place, character in enumerate(text):
        used += columns(character)
        if used > width and place:
            return place
    return len(text)
