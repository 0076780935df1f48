# Lines of text: how wide they are, and where they may be broken.
#
# Knows: columns (Unicode UAX #11), scripts written without spaces, what punctuation ends and what clings to what.
# Must not know: sentences, words, times.

from __future__ import annotations

import re
import unicodedata

from .._timeline import needs_space

# White space at which text may be broken, so not the three that forbid it, and control characters, which no subtitle
# format can hold.
BLANK = re.compile(r"(?:[^\S\xa0\u2007\u202f]|[\x00-\x1f\x7f-\x9f])+")

_SENTENCE_END = re.compile(r"[.?!…。．？！｡؟।][^\w\s]*\s*$")
_CLAUSE_END = re.compile(r"[,;:，、；：､،؛—–][^\w\s]*\s*$")
_UNBROKEN = "\xa0\u2007\u202f\u2060\ufeff\u200d"
_AFTER_A_SPACE = "?!:;,."  # as it stands before them in French, which must not be broken there
_SMALL_KANA = "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
# Thai, Lao, Burmese, Khmer: no spaces, and only a dictionary knows the words; the service's word borders do too.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


def columns(text: str) -> int:
    """Columns the text takes: two for wide and full-width characters (Unicode UAX #11), none for combining and other
    invisible ones, one for all others, ambiguous ones included."""
    if text.isascii():
        return len(text)
    return sum(map(_column, text))


def _column(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def may_break(left: str, right: str, word_border: bool) -> bool:
    """Whether a line may end between two neighbouring characters: after white space, and beside Han, kana and
    full-width punctuation; beside scripts without spaces only where a word ends (``word_border``). Nothing is torn from
    the punctuation, mark or prolonging sound that belongs to it."""
    if left in _UNBROKEN or right in _UNBROKEN or BLANK.match(right):
        return False
    kind = unicodedata.category(right)
    if BLANK.match(left):
        return kind not in ("Pe", "Pf") and right not in _AFTER_A_SPACE
    if kind in ("Pe", "Pf", "Po", "Lm", "Mn", "Me", "Mc", "Cf") or right in _SMALL_KANA:
        return False
    if unicodedata.category(left) in ("Ps", "Pi"):
        return False
    return not needs_space(left, right) or (word_border and bool(_UNSPACED.match(left) or _UNSPACED.match(right)))


def rank(text: str) -> int:
    """What the text ends with: 2 the end of a sentence, 1 that of a clause, 0 neither."""
    return 2 if _SENTENCE_END.search(text) else 1 if _CLAUSE_END.search(text) else 0
