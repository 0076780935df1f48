# Ledger: when what of one stream came, and how much of what was shown did not last.
#
# Knows: updates, and the time at which each came, as it is told. Must not know: clocks, bodies, whether it is told
# while the stream runs or afterwards.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import takewhile
from typing import Any, Final

from ._assembler import Update
from ._model import Amended, Incomplete, Partial, Sentence, TextDelta
from ._model import Final as FinalUpdate

STALL: Final = 1000.0  # ms between two events, or the last and the end, from which on it is called a stall


@dataclass(slots=True)
class SentenceTimes:
    """One sentence, as it came. Times are ms since the request had left, but for the two of the audio.

    Attributes:
        index: `Sentence.index`.
        begin_time, end_time: ms in the audio, as sent last, or None.
        shown: when its first characters came, or None: it has no text.
        final: when it was final, or None: it never was.
        lag: finalisation lag in ms: from when its words (letters and digits) last changed to when it was final; 0 where
            they changed with that, None where it never was.
        behind: ms from ``end_time`` to ``final``, had the audio begun with the request and run in real time; negative
            where the service was faster than the audio; None where one of the two is.
        updates: how many it had, the final one among them.
        revisions: how many of them took back characters that were shown.
    """

    index: int
    begin_time: int | None = None
    end_time: int | None = None
    shown: float | None = None
    final: float | None = None
    lag: float | None = None
    behind: float | None = None
    updates: int = 0
    revisions: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing came for longer than `STALL`: ``duration`` ms from ``ms`` on."""

    ms: float
    duration: float


@dataclass(slots=True)
class _Open:
    # What is on the screen of one sentence: how long it is, its letters and digits, since when those are what they are.
    length: int = 0
    words: str = ""
    since: float | None = None


@dataclass(slots=True)
class Ledger:
    """What one stream cost in time, and how steady it was. Times are ms since the request had left.

    Attributes:
        sending: ms that connecting and sending the request took, before that; None where it is not known.
        head: when the response head had come, or None.
        first_byte: when the first bytes of the body came, or None.
        first_partial: when the first characters came, partial or final, or None.
        ended: when the body had ended, or None: it has not.
        reads, bytes, events: pieces the body came in, their bytes, and complete events.
        sentences: `SentenceTimes`, by index.
        stalls: in the order of time.
        updates, revisions: how many came, and how many of them took back characters that were shown.
        characters_shown: all that were put on the screen, those of each update that the one before had not.
        characters_changed: those that did not stay there.
        issues: the stream's anomalies and how often each came, as `Transcript.issues`.
        end: ``"eof"`` where the body ended by itself, else the ``kind`` of the error that ended it; None as ``ended``.
    """

    sending: float | None = None
    head: float | None = None
    first_byte: float | None = None
    first_partial: float | None = None
    ended: float | None = None
    end: str | None = None
    reads: int = 0
    bytes: int = 0
    events: int = 0
    updates: int = 0
    revisions: int = 0
    characters_shown: int = 0
    characters_changed: int = 0
    stalls: list[Stall] = field(default_factory=list)
    issues: Counter[str] = field(default_factory=Counter)
    _sentences: dict[int, SentenceTimes] = field(default_factory=dict, init=False, repr=False)
    _open: dict[int, _Open] = field(default_factory=dict, init=False, repr=False)
    # of a dialect without sentences, until all of it is said to be one
    _text: _Open | None = field(default=None, init=False, repr=False)
    _text_times: SentenceTimes = field(default_factory=lambda: SentenceTimes(0), init=False, repr=False)
    _last_event: float | None = field(default=None, init=False, repr=False)

    @property
    def sentences(self) -> list[SentenceTimes]:
        return [self._sentences[index] for index in sorted(self._sentences)]

    @property
    def flicker(self) -> float:
        """Flicker rate, 0 to 1: the share of the characters shown that were changed later."""
        return self.characters_changed / self.characters_shown if self.characters_shown else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, strings and numbers, ready for JSON; ``flicker`` and ``version`` 1 among it."""
        known = {one.name: getattr(self, one.name) for one in fields(self) if not one.name.startswith("_")}
        return {
            "version": 1,
            **known,
            "flicker": round(self.flicker, 6),
            "stalls": [_fields(stall) for stall in self.stalls],
            "issues": dict(self.issues),
            "sentences": [_fields(sentence) for sentence in self.sentences],
        }

    # -- what it is told -----------------------------------------------------------------------------------------------

    def received(self, ms: float, size: int, updates: Iterable[Update], events: int) -> None:
        """A read of ``size`` bytes came at ``ms`` and brought ``updates``; there are ``events`` now."""
        if self.first_byte is None:
            self.first_byte = ms
        self.reads += 1
        self.bytes += size
        if events > self.events:
            self._heard(ms)
            self.events, self._last_event = events, ms
        self._take(ms, updates)

    def finished(self, ms: float, end: str, updates: Iterable[Update], events: int) -> None:
        """The body ended at ``ms``, and with it came ``updates``."""
        self._heard(ms)
        self.events = events
        self.ended, self.end = ms, end
        self._take(ms, updates)

    def _heard(self, ms: float) -> None:
        if self._last_event is not None and ms - self._last_event > STALL:
            self.stalls.append(Stall(self._last_event, _round(ms - self._last_event)))

    def _take(self, ms: float, updates: Iterable[Update]) -> None:
        for update in updates:
            self.updates += 1
            if isinstance(update, TextDelta):
                self._take_text(update, ms)
            elif isinstance(update, Amended):
                self._take_amended(update, ms)
            else:
                self._take_sentence(update, ms)

    def _take_sentence(self, update: Partial | FinalUpdate | Incomplete, ms: float) -> None:
        sentence, kept = update.sentence, update.kept
        text, self._text = self._text, None
        if text is not None:  # what the deltas said is one sentence now
            self._sentences[sentence.index], self._open[sentence.index] = self._text_times, text
            kept = min(text.length, len(sentence.text))
        times = self._sentences.setdefault(sentence.index, SentenceTimes(sentence.index))
        seen = self._open.setdefault(sentence.index, _Open())
        self._show(times, seen, len(sentence.text), kept, ms)
        words = seen.words if text is not None else _words(sentence.text)
        if seen.since is None or words != seen.words:
            seen.words, seen.since = words, ms
        self._time(times, sentence)
        if isinstance(update, FinalUpdate):
            times.final, times.lag = ms, _round(ms - seen.since)
            times.behind = None if times.end_time is None else _round(ms - times.end_time)
        if not isinstance(update, Partial):
            del self._open[sentence.index]

    def _take_amended(self, update: Amended, ms: float) -> None:
        sentence = update.sentence
        for replaced in update.replaced:
            if replaced.index != sentence.index:
                self._sentences.pop(replaced.index, None)
        before = "".join([replaced.text for replaced in update.replaced])
        times = self._sentences.setdefault(sentence.index, SentenceTimes(sentence.index))
        self._show(times, _Open(len(before)), len(sentence.text), _common(before, sentence.text), ms)
        self._time(times, sentence)

    def _take_text(self, update: TextDelta, ms: float) -> None:
        if self._text is None:
            self._text = _Open()
        length = update.offset + len(update.text)
        self._show(self._text_times, self._text, length, update.offset, ms)
        self._text.since = ms

    def _show(self, times: SentenceTimes, seen: _Open, length: int, kept: int, ms: float) -> None:
        """Where ``seen.length`` characters stood, ``length`` stand now, the first ``kept`` as they were."""
        changed, seen.length = max(0, seen.length - kept), length
        times.updates += 1
        times.revisions += changed > 0
        self.revisions += changed > 0
        self.characters_changed += changed
        self.characters_shown += length - kept
        if length and times.shown is None:
            times.shown = ms
            self.first_partial = ms if self.first_partial is None else self.first_partial

    def _time(self, times: SentenceTimes, sentence: Sentence) -> None:
        times.begin_time, times.end_time = sentence.begin_time, sentence.end_time


def _words(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _common(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _round(ms: float) -> float:
    return round(ms, 3)


def _fields(value: SentenceTimes | Stall) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in fields(value)}
