# From what was heard, event by event, to sentences that stay: a pure state machine, the readable truth of section
# "Sentences" in the documentation.
#
# Knows: which sentence an event belongs to, what is final, repeated, late, cumulative or amended, and which text of it
# is new. Must not know: JSON, envelopes, bytes, how a stream ends (it is told).
#
# The books balance: `table[u.sentence.index] = u.sentence` for every update (deleting the other indexes of
# `Amended.replaced`) is at every moment what `sentences` holds.

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import replace
from operator import attrgetter
from typing import TypeAlias

from ._books import Books, Done, Open
from ._decode import Heard
from ._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage, Word
from ._timeline import NO_TIME, needs_space

Key: TypeAlias = tuple[int, int | None, int]  # channel, sentence_id or None, number of a sentence without id
Said: TypeAlias = Heard | Sentence  # what of an event is still needed after it; both have the same names
Update: TypeAlias = Partial | Final | Amended | Incomplete | TextDelta

TOLERANCE = 20  # ms by which neighbouring sentences may overlap and still be two


class Assembler(Books):
    """Sentences from `Heard` values.

    Args:
        issues: counted into: what was dropped, inferred or odd.
        partials: hand out `Partial` updates. Without them nothing else changes but ``kept``, which is relative to what
            was handed out.
    """

    def __init__(self, issues: Counter[str], partials: bool = True) -> None:
        self.silent = False  # an answer "nothing was heard" was seen
        self._aliases: dict[Key, Said] = {}  # what was said under keys that another final stands for

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Finals in the order handed out (an amended one keeps its place), then the open ones."""
        return (*self.finals.values(), *(open_.sentence for open_ in list(self.open.values())))

    @property
    def has_open(self) -> bool:
        return bool(self.open)

    def hear(self, heard: Heard, *, usage: Usage | None, raw: bytes, whole: bool) -> list[Update]:
        """Takes one sentence object in; ``whole``: from a whole JSON body, not from an event stream."""
        updates: list[Update] = []
        if heard.heartbeat:
            self.issues["heartbeat"] += 1
            return updates
        inferred = heard.end is None and whole and heard.end_time is not None
        finality = "sentence_end" if heard.end else "end_time" if inferred else None
        said = heard.text or heard.words or (heard.begin and heard.sentence_id != 0)
        if finality is None and not said and not self._is_open(heard):
            self.silent = True  # a heartbeat, or the answer to silence; of an open sentence, a text taken back
        elif (update := self._sentence(heard, finality, usage, raw)) is not None:
            updates.append(update)
        if heard.stash is not None and heard.stash.text:
            stash = replace(heard.stash, channel_id=heard.channel_id, end=False)
            updates += self.hear(stash, usage=None, raw=raw, whole=whole)
        return updates

    def end(self, reason: str) -> list[Update]:
        """Hands out every open sentence as `Incomplete`; never as final."""
        updates: list[Update] = []
        for open_ in self.open.values():
            text, words = self._new_part(open_.heard)
            if text != open_.sentence.text:
                old = open_.sentence
                open_.sentence = _sentence(open_.heard, old.index, text, words, old.revision + self.partials, old.raw)
            updates.append(Incomplete(open_.sentence, reason, _common(open_.shown, text)))
        return updates

    def _sentence(self, heard: Heard, finality: str | None, usage: Usage | None, raw: bytes) -> Update | None:
        key = self._key(heard)
        done = self._find(key)
        if finality is not None:
            return self._final(key, done, heard, finality, usage, raw)
        if done is None:
            return self._partial(key, heard, raw)
        self.issues["late_partial"] += 1
        return None

    # -- which sentence ------------------------------------------------------------------------------------------------

    def _key(self, heard: Heard) -> Key:
        channel = self.channel(heard.channel_id)
        if heard.sentence_id is not None:
            key = (heard.channel_id, heard.sentence_id, 0)
            if key not in self.open and key not in self.done:
                if channel.last_id is not None and heard.sentence_id > channel.last_id + 1:
                    self.issues["id_gap"] += 1
                channel.last_id = max(heard.sentence_id, channel.last_id or 0)
            return key
        # Without an id: what begins inside a final sentence belongs to it (a repeat, or late), unless it goes on where
        # that sentence ended; all else belongs to the open sentence of the channel, or opens one.
        if heard.begin_time is not None and channel.finals:
            at = bisect_right(channel.begins, heard.begin_time) - 1
            if at >= 0:
                done = channel.finals[at]
                if heard.begin_time == done.heard.begin_time:
                    if heard.end and _same(heard, done.heard):
                        return done.key
                    last = (self.chains.get((heard.channel_id, heard.begin_time)) or [done])[-1]
                    if _split(heard, last.heard) is None or _covered(heard, last.heard):
                        return last.key
                elif done.heard.end_time is not None and heard.begin_time < done.heard.end_time - TOLERANCE:
                    return done.key
            if not heard.end and at + 1 < len(channel.finals):  # before a final sentence: its begin was moved since
                return channel.finals[at + 1].key
        if channel.open is None:
            channel.count += 1
            self.issues["missing_id"] += 1
            channel.open = (heard.channel_id, None, channel.count)
        return channel.open

    def _is_open(self, heard: Heard) -> bool:
        if heard.sentence_id is not None:
            return (heard.channel_id, heard.sentence_id, 0) in self.open
        channel = self.channels.get(heard.channel_id)
        return channel is not None and channel.open in self.open

    # -- partials ------------------------------------------------------------------------------------------------------

    def _partial(self, key: Key, heard: Heard, raw: bytes) -> Update | None:
        open_ = self.open.get(key)
        text, words = self._new_part(heard)
        if open_ is None:
            if not text and not words and not heard.begin:  # all of it is final already
                self.issues["late_partial"] += 1
                return None
            sentence = _sentence(heard, self.new_index(), text, words, 0, raw)
            stable, kept = _stable(sentence, None), 0
            self.open[key] = open_ = Open(key, sentence, _kept(heard, sentence), "")
        else:
            before = open_.sentence
            if self.partials and _same(heard, open_.heard) and text == before.text:
                self.issues["repeated_partial"] += 1
                return None
            sentence = _sentence(heard, before.index, text, words, before.revision + self.partials, raw)
            stable, kept = _stable(sentence, before), _common(open_.shown, text)
            open_.sentence, open_.heard = sentence, _kept(heard, sentence)
        if not self.partials:
            return None
        open_.shown = text
        return Partial(sentence, stable, kept)

    # -- finals --------------------------------------------------------------------------------------------------------

    def _final(
        self, key: Key, done: Done | None, heard: Heard, finality: str, usage: Usage | None, raw: bytes
    ) -> Update | None:
        if done is not None:
            alias = self._aliases.get(key)
            if _same(heard, done.heard) or (alias is not None and _same(heard, alias)):
                self.issues["repeated_final"] += 1
                return None
            if (alias is not None or key[1] is None) and (
                _covered(heard, done.heard) or (alias is not None and _ends_before(heard, done.heard))
            ):
                self.issues["late_final"] += 1
                return None
            return self._amend_again(done, heard, finality, raw)
        chain = self._chain(heard)
        text, words, begin = heard.text, heard.words, heard.begin_time
        if chain:
            rest = _split(heard, chain[-1].heard)
            if _covered(heard, chain[-1].heard):  # an earlier state of what is final, or the same under another id
                return self._drop(key, heard, chain)
            if rest is None:
                return self._amend_chain(key, heard, finality, raw, chain)
            text, words = rest
            begin = words[0].begin_time if words else None
        open_ = self.open.pop(key, None)
        index = open_.sentence.index if open_ else self.new_index()
        revision = open_.sentence.revision + self.partials if open_ else 0
        if open_ is not None and open_.sentence.text and not text:
            self.issues["emptied"] += 1
        sentence = _sentence(heard, index, text, words, revision, raw, finality=finality, begin=begin)
        self.finals[index] = sentence
        self._remember(Done(key, _kept(heard, sentence), sentence))
        return Final(sentence, usage, 0 if open_ is None else _common(open_.shown, text))

    def _chain(self, heard: Said) -> list[Done] | None:
        # The finals that a cumulative sentence would repeat: same channel, same begin. Two sentences that only share
        # their begin (a server that knows no times) are told apart by their first word, or else by their text.
        if heard.begin_time is None or not (heard.text or heard.words):
            return None
        chain = self.chains.get((heard.channel_id, heard.begin_time))
        if not chain:
            return None
        last = chain[-1].heard
        if heard.words and heard.words[0].begin_time is not None and last.end_time is not None:
            return chain if heard.words[0].begin_time < last.end_time - TOLERANCE else None
        return chain if 2 * _common(heard.text, last.text) >= min(len(last.text), len(heard.text)) else None

    def _new_part(self, heard: Said) -> tuple[str, tuple[Word, ...]]:
        """What of a partial is not final yet. Where a revision blurs that, word times decide, then its prefix."""
        chain = self._chain(heard)
        if not chain:
            return heard.text, heard.words
        last = chain[-1].heard
        rest = _split(heard, last)
        if rest is not None:
            return rest
        if _covered(heard, last):
            return "", ()
        self.issues["unaligned"] += 1
        end = last.end_time
        if end is not None and heard.words:
            begins = (NO_TIME if word.begin_time is None else word.begin_time for word in heard.words)
            first = next((i for i, begin in enumerate(begins) if begin >= end - TOLERANCE), len(heard.words))
            return _from_word(heard, first)
        return heard.text[_common(heard.text, last.text):].lstrip(), ()

    def _amend_again(self, done: Done, heard: Heard, finality: str, raw: bytes) -> Update | None:
        # A final of a known key with other content.
        chain = self.chains.get((done.heard.channel_id, done.heard.begin_time))
        if not chain or done not in chain:
            return self._amend([done], done.key, heard, finality, raw, None)
        at = chain.index(done)
        if at:
            before = chain[at - 1].heard
            if _covered(heard, before):
                self.issues["late_final"] += 1
                return None
            rest = _split(heard, before)
            if rest is not None:
                return self._amend([done], done.key, heard, finality, raw, chain, rest)
        return self._amend(chain[: at + 1], done.key, heard, finality, raw, chain)

    def _amend_chain(self, key: Key, heard: Heard, finality: str, raw: bytes, chain: list[Done]) -> Update | None:
        # A cumulative final that rewrites what was final: it stands for all it covers.
        end = heard.end_time
        covered = [done for done in chain if end is None or done.heard.end_time is None or done.heard.end_time <= end]
        if not covered:
            return self._drop(key, heard, chain)
        return self._amend(covered, key, heard, finality, raw, chain)

    def _amend(
        self, covered: list[Done], key: Key, heard: Heard, finality: str, raw: bytes, chain: list[Done] | None,
        part: tuple[str, tuple[Word, ...]] | None = None,
    ) -> Update:  # fmt: skip
        # One sentence for all that is covered: the whole of `heard`, or the part of it that is not final elsewhere.
        text, words = part or (heard.text, heard.words)
        begin = heard.begin_time if part is None else words[0].begin_time if words else None
        replaced = [done.sentence for done in covered]
        open_ = self.open.pop(key, None)
        if open_ is not None:
            replaced.append(open_.sentence)
        revision = max(sentence.revision for sentence in replaced) + 1
        sentence = _sentence(heard, replaced[0].index, text, words, revision, raw, finality=finality, begin=begin)
        self.finals[sentence.index] = sentence
        for old in replaced[1:]:
            self.finals.pop(old.index, None)
        self.issues["amended"] += 1
        done = Done(key, heard, sentence)
        for old_done in covered:
            self._aliases[old_done.key] = old_done.heard
            old_done.into = done
            self._forget(old_done)
        self._aliases.pop(key, None)
        chained = chain is not None and heard.begin_time == covered[0].heard.begin_time
        if chain is not None:
            at = chain.index(covered[0])
            chain[at : at + len(covered)] = [done] if chained else []
        self._remember(done, chained)
        return Amended(sentence, tuple(replaced))

    def _drop(self, key: Key, heard: Heard, chain: list[Done]) -> Update | None:
        # Nothing in this final is new. Was it shown as a partial, that has to go from the books.
        self.issues["late_final"] += 1
        last = chain[-1]
        self.done[key] = last
        self._aliases[key] = heard
        open_ = self.open.pop(key, None)
        channel = self.channels[heard.channel_id]
        if channel.open == key:
            channel.open = None
        if open_ is None:
            return None
        old = last.sentence
        again = _sentence(last.heard, old.index, old.text, old.words, old.revision + 1, old.raw,
                          finality=old.finality, begin=old.begin_time)
        last.sentence = self.finals[old.index] = again
        return Amended(again, (old, open_.sentence))

    def _remember(self, done: Done, chained: bool = False) -> None:
        channel, begin = done.heard.channel_id, done.heard.begin_time
        self.done[done.key] = done
        if begin is not None and done.heard.text and not chained:
            chain = self.chains.setdefault((channel, begin), [])
            if not chain or _split(done.heard, chain[-1].heard) is not None:
                chain.append(done)
        state = self.channels[channel]
        if begin is not None and begin > state.newest:
            state.newest = begin
        if state.open == done.key:
            state.open = None
        if done.key[1] is None and begin is not None:
            at = bisect_right(state.begins, begin)
            state.begins.insert(at, begin)
            state.finals.insert(at, done)

    def _forget(self, done: Done) -> None:
        if done.key[1] is None and done.heard.begin_time is not None:
            state = self.channels[done.heard.channel_id]
            at = state.finals.index(done, bisect_left(state.begins, done.heard.begin_time))
            del state.begins[at], state.finals[at]

    def _find(self, key: Key) -> Done | None:
        done = self.done.get(key)
        while done is not None and done.into is not None:
            done.into = done.into.into or done.into  # halves the way for the next who asks
            done = done.into
        return done




def _sentence(
    heard: Said, index: int, text: str, words: tuple[Word, ...], revision: int, raw: bytes | None, *,
    finality: str | None = None, begin: int | None = None,
) -> Sentence:  # fmt: skip
    if finality is None:
        begin = heard.begin_time if text == heard.text else words[0].begin_time if words else None
    return Sentence(
        index, heard.sentence_id, heard.channel_id, begin, heard.end_time, text, words, heard.language, heard.emotion,
        heard.speaker_id, finality is not None, finality, revision, raw,
    )  # fmt: skip


def _kept(heard: Heard, sentence: Sentence) -> Said:
    # All of an event that is new is in its sentence, and kept once.
    return sentence if sentence.words is heard.words and sentence.text == heard.text else heard


_labels = attrgetter("begin_time", "end_time", "language", "emotion", "speaker_id")


def _same(a: Said, b: Said) -> bool:
    # Everything but the marks of the event itself: a repeat may come without sentence_begin or stash.
    return a.text == b.text and a.words == b.words and _labels(a) == _labels(b)


def _split(heard: Said, before: Said) -> tuple[str, tuple[Word, ...]] | None:
    """What of a cumulative sentence goes beyond ``before``; None where it does not start with it (or adds nothing)."""
    known = len(before.words)
    longer = 0 < known < len(heard.words)
    if longer and heard.words[:known] == before.words:
        return _from_word(heard, known, before.text)
    at = len(before.text)
    if at and len(heard.text) > at and heard.text.startswith(before.text):
        spans = Sentence(0, text=heard.text, words=heard.words).spans()
        inside = any(span and span[0] < at < span[1] for span in spans) if spans else _inside_word(heard.text, at)
        if not inside:
            first = next((i for i, span in enumerate(spans) if span and span[0] >= at), len(spans))
            return heard.text[at:].lstrip(), heard.words[first:]
    if longer and all(map(_alike, heard.words, before.words)):
        return _from_word(heard, known, before.text)
    return None


def _inside_word(text: str, at: int) -> bool:
    # Of a text without words: "I can" is not where "I cannot" may be cut. Han and kana need no such care.
    return text[at - 1].isalnum() and text[at].isalnum() and needs_space(text[at - 1], text[at])


def _alike(a: Word, b: Word) -> bool:
    # `fixed` and the times' last digits may settle between two events; what was said may not change.
    return a.text == b.text and a.punctuation == b.punctuation and a.begin_time == b.begin_time


def _covered(heard: Said, final: Said) -> bool:
    """Whether ``final`` already says all that ``heard`` says."""
    if heard.words and final.words and len(heard.text) <= len(final.text):
        return len(heard.words) <= len(final.words) and all(map(_alike, heard.words, final.words))
    return final.text.startswith(heard.text)


def _ends_before(heard: Said, final: Said) -> bool:
    return heard.end_time is not None and final.end_time is not None and heard.end_time < final.end_time


def _from_word(heard: Said, first: int, before: str = "") -> tuple[str, tuple[Word, ...]]:
    """Text and words of a sentence from its word number ``first`` on."""
    words = heard.words[first:]
    if before and heard.text.startswith(before):
        return heard.text[len(before) :].lstrip(), words
    spans = Sentence(0, text=heard.text, words=heard.words).spans()
    span = spans[first] if words else (len(heard.text), 0)
    if span is not None:
        return heard.text[span[0] :].lstrip(), words
    return "".join([w.text + w.punctuation for w in words]).strip(), words


def _common(a: str, b: str) -> int:
    """Length of the longest common prefix, in O(log n) comparisons of slices."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while low + 1 < high:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _stable(sentence: Sentence, before: Sentence | None) -> int:
    """Leading characters that will not change, by our reckoning: up to the end of the leading words that the service
    calls ``fixed``, or that the last two events agree on (LocalAgreement-2), whichever reaches further."""
    words = sentence.words
    if before is not None and not words:
        return _common(before.text, sentence.text)
    fixed = agreed = 0
    while fixed < len(words) and words[fixed].fixed:
        fixed += 1
    for a, b in zip(words, before.words if before else (), strict=False):
        if a.text != b.text or a.punctuation != b.punctuation:
            break
        agreed += 1
    settled = max(fixed, agreed)
    for span in reversed(sentence.spans()[:settled] if settled else ()):
        if span:
            return span[1]
    return 0


class TextAssembler:
    """The text of a dialect that has no sentences and no times.

    Args:
        books: of the stream; ``pieces`` are kept here.
        incremental: for ``choices[].message`` streams: True, each text is appended; False, it replaces all before it;
            None, the stream shows it: cumulative (the service's default) when a text starts with the one before it.
    """

    def __init__(self, books: Books, incremental: bool | None) -> None:
        self.incremental = incremental
        self._books = books

    @property
    def text(self) -> str:
        pieces = self._books.pieces
        if len(pieces) > 1:
            pieces[:] = ["".join(pieces)]
        return pieces[0] if pieces else ""

    def hear(self, text: str, mode: str) -> list[Update]:
        """``mode`` is `Body.mode`. Returns at most one `TextDelta`."""
        books = self._books
        if mode == "delta" or (mode == "message" and self._appends(text)):
            books.pieces.append(text)
            books.text_size += len(text)
            return [TextDelta(text, books.text_size - len(text))] if text else []
        before = self.text
        offset = _common(before, text)
        books.pieces[:], books.text_size = [text], len(text)
        return [] if text == before else [TextDelta(text[offset:], offset)]  # shorter text: an empty delta cuts it

    def _appends(self, text: str) -> bool:
        if self.incremental is None and self.text and text:
            # The second text decides. Every answer but the default is a doubt, and so is a repeated text.
            longer = len(text) > len(self.text)
            self.incremental = not (text.startswith(self.text) or (longer and _common(text, self.text) > 0))
            if self.incremental or not longer:
                self._books.issues["incremental_guessed"] += 1
        elif self.incremental is False and not text.startswith(self.text):
            self._books.issues["revised_text"] += 1
        return bool(self.incremental)
