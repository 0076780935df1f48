# Text formats of sentences: the join rule, SRT, WebVTT.
#
# Knows: how sentences become one text and timed cues. Must not know: where sentences come from, files on disk.
# Pure functions. Times are never invented: what has none cannot be a subtitle and says so.

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ._errors import NoTimes
from ._model import Sentence
from ._timeline import join_texts

__all__ = ["join", "to_srt", "to_vtt"]


def join(texts: Iterable[str]) -> str:
    """The texts as one: nothing between two where a neighbour is white space, Han, kana or full-width punctuation, else
    one space. Empty texts add nothing."""
    return join_texts((text, True) for text in texts)


def to_srt(cues: Iterable[Sentence]) -> str:
    """SubRip subtitles, one cue per sentence that has text, by begin time.

    Blank lines inside a text would end its cue and are left out; ``-->`` is written ``-- >``.
    Raises `NoTimes` where a sentence with text has no begin or no end time.
    """
    return "\n".join(
        f"{number}\n{_clock(begin, ',')} --> {_clock(end, ',')}\n{_lines(sentence.text).replace('-->', '-- >')}\n"
        for number, (begin, end, sentence) in enumerate(_timed(cues), 1)
    )


def to_vtt(cues: Iterable[Sentence]) -> str:
    """WebVTT subtitles, one cue per sentence that has text, by begin time; a voice span names the speaker where there
    is one.

    Raises `NoTimes` where a sentence with text has no begin or no end time.
    """
    blocks = ["WEBVTT\n"]
    for begin, end, sentence in _timed(cues):
        text = _escape(_lines(sentence.text))
        if sentence.speaker_id is not None:
            text = f"<v Speaker {_escape(' '.join(str(sentence.speaker_id).split()))}>{text}"
        blocks.append(f"{_clock(begin, '.')} --> {_clock(end, '.')}\n{text}\n")
    return "\n".join(blocks)


def _timed(cues: Iterable[Sentence]) -> Iterator[tuple[int, int, Sentence]]:
    """(begin, end, sentence) of all sentences with text, sorted by begin: WebVTT wants begins that do not go back."""
    timed = []
    for sentence in cues:
        if sentence.text.strip():
            begin, end = _begin(sentence), _end(sentence)
            if begin is None or end is None:
                missing = "begin" if begin is None else "end"
                raise NoTimes(f"sentence {sentence.index} has no {missing} time, and subtitles need one")
            timed.append((begin, max(begin, end), sentence))
    timed.sort(key=lambda cue: cue[0])
    return iter(timed)


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


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


def _lines(text: str) -> str:
    return "\n".join(line for line in re.split(r"[\r\n]+", text.strip()) if line.strip())


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
