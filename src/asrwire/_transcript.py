# The transcript: everything the service said about one piece of audio, as a value.
#
# Knows: sentences, what belongs to all of them, how they read as text, dict, JSON and subtitles. Must not know: how
# they were received or put in order (the assembler and the result files make transcripts, nothing changes one).

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from . import _decode, formats
from ._errors import ConfigError, DecodeError, NoTimes
from ._model import Sentence, Usage, Word
from ._timeline import WordTimeline, join_words
from .formats import LAYOUT, Layout

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("txt", *formats.SUBTITLES, "json", "ndjson")
OVERLAP = 20  # ms two words may share before it is worth a finding

# The members of a transcript's dict that are its attributes, in order, and how they are read.
_MEMBERS: dict[str, Callable[[dict[str, Any], str, str], Any]] = {
    "text": _decode.string, "language": _decode.string, "emotion": _decode.string, "request_id": _decode.string,
    "model": _decode.string, "created": _decode.integer, "complete": _decode.boolean,
    "incomplete_reason": _decode.string, "finish_reason": _decode.string, "no_speech": _decode.boolean,
    "timed": _decode.boolean, "channel_id": _decode.integer, "channels": _decode.array,
    "speech_duration": _decode.integer,
}  # fmt: skip

FindingKind: TypeAlias = Literal["times_back", "overlap", "zero_length", "word_outside_sentence", "words_text_mismatch"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the service's answer that does not fit together, found by `Transcript.check`.

    Attributes:
        kind: ``"times_back"``: an end before its begin, or a begin before that of the word before on the channel;
            ``"overlap"``: a word begins more than 20 ms before the word before it on the channel ends;
            ``"zero_length"``: a word ends where it begins; ``"word_outside_sentence"``: a word begins before its
            sentence or ends after it; ``"words_text_mismatch"``: the words do not make up the sentence's text. A
            sentence without words counts as one for the first three.
        sentence: the sentence's ``index``.
        word: number of the word in the sentence, from 0; None where it is about the sentence as a whole.
        ms: by how much, for the kinds about times; else None.
        begin_time, end_time: of that word or sentence, as sent. Not compared.
        message: all of it in words.
    """

    kind: FindingKind
    sentence: int
    word: int | None = None
    ms: int | None = None
    begin_time: int | None = field(default=None, compare=False)
    end_time: int | None = field(default=None, compare=False)

    @property
    def message(self) -> str:
        who = f"sentence {self.sentence}" if self.word is None else f"word {self.word} of sentence {self.sentence}"
        said = {
            "times_back": f"goes back in time by {self.ms} ms",
            "overlap": f"begins {self.ms} ms before what comes before it has ended",
            "zero_length": "ends where it begins",
            "word_outside_sentence": f"is {self.ms} ms outside its sentence",
            "words_text_mismatch": "has text that is in no word" if self.word is None else "has no place in the text",
        }
        begin, end = ("?" if time is None else time for time in (self.begin_time, self.end_time))
        return f"{who} ({begin} to {end} ms) {said[self.kind]}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Transcript:
    """What the service said, so far or in the end. Immutable; compares by value and pickles.

    Attributes:
        sentences: in the order handed out; an amended one keeps its place.
        text: the service's own text of a result file, else the sentences' texts joined (`formats.join`).
        language, emotion: of the whole, as far as the service gave them.
        usage: the last `Usage`, or None.
        request_id: the service's id of the request, or None.
        complete: everything the service meant to send has arrived.
        incomplete_reason: ``"open_sentence" | "cut" | "empty" | "length" | "closed" | "error"``, None when complete.
        no_speech: the service heard nobody speak.
        timed: the service sent times; False for text-only dialects.
        issues: what was unusual in the answer and how often (``"duplicate_final"``, ``"text_mismatch"``, ...).
        model, finish_reason: as the service gave them, or None.
        created: seconds since 1970, or None.
        channel_id: the channel all of this is from; None where that was not singled out.
        channels: the channels present, ascending.
        speech_duration: ms of speech found in the audio (result files), or None.
    """

    sentences: Sequence[Sentence] = ()
    text: str = ""
    language: str | None = None
    emotion: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    complete: bool = True
    incomplete_reason: str | None = None
    no_speech: bool = False
    timed: bool = True
    issues: Counter[str] = field(default_factory=Counter)
    model: str | None = None
    created: int | None = None
    finish_reason: str | None = None
    channel_id: int | None = None
    channels: tuple[int, ...] = ()
    speech_duration: int | None = None
    _words: WordTimeline | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.sentences, list):
            object.__setattr__(self, "sentences", tuple(self.sentences))
        object.__setattr__(self, "issues", Counter(self.issues))
        if not self.text:
            object.__delattr__(self, "text")
        if not self.channels:
            object.__delattr__(self, "channels")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # An empty slot, filled when first asked for: transcripts are made in the middle of streams, for less.
            if name == "text":
                joined = getattr(self.sentences, "joined", None)  # of a file: without making the sentences
                value = joined() if joined else formats.join(sentence.text for sentence in self.sentences)
            elif name == "channels":
                value = tuple(sorted({sentence.channel_id for sentence in self.sentences}))
            else:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            object.__setattr__(self, name, value)
            return value

    @property
    def words(self) -> WordTimeline:
        """All words, sorted by (begin time, channel); made once, when first asked for."""
        if self._words is None:
            object.__setattr__(self, "_words", WordTimeline.from_sentences(self.sentences))
        assert self._words is not None
        return self._words

    @property
    def incomplete(self) -> tuple[Sentence, ...]:
        """The sentences that are not final: what was open when the stream ended, or is open now."""
        return tuple(sentence for sentence in self.sentences if not sentence.final)

    def channel(self, channel_id: int) -> Transcript:
        """The transcript of one channel: its sentences, with their index, and all that belongs to the whole; empty,
        with ``no_speech``, where nobody spoke on it."""
        if self.channel_id == channel_id:
            return self
        sentences = tuple(sentence for sentence in self.sentences if sentence.channel_id == channel_id)
        silent = self.complete and not any(sentence.text for sentence in sentences)
        return replace(self, sentences=sentences, text="", no_speech=silent, channel_id=channel_id,
                       channels=(channel_id,), speech_duration=None)

    def check(self) -> tuple[Finding, ...]:
        """What in the times and words does not fit together, in the order of the sentences; nothing is changed."""
        found: list[Finding] = []
        last: dict[int, tuple[int | None, int | None]] = {}  # per channel: the newest begin, the newest end
        for sentence in self.sentences:
            spoken: list[tuple[int | None, Word | Sentence]] = list(enumerate(sentence.words))
            if spoken or not sentence.text:
                if back := _behind(sentence.end_time, sentence.begin_time):
                    found.append(_finding("times_back", sentence, None, back))
            else:
                spoken = [(None, sentence)]
            newest = last.get(sentence.channel_id, (None, None))
            for number, said in spoken:
                begin, end = said.begin_time, said.end_time
                found += [_finding(kind, sentence, number, ms) for kind, ms in _faults(said, sentence, *newest)]
                newest = newest[0] if begin is None else begin, newest[1] if end is None else end
            last[sentence.channel_id] = newest
            found += [_finding("words_text_mismatch", sentence, number) for number in _mismatches(sentence)]
        return tuple(found)

    def to_srt(self, layout: Layout = LAYOUT) -> str:
        """SubRip subtitles (`formats.to_srt`). Raises `NoTimes` where the service sent no times."""
        return self.to_format("srt", layout)

    def to_vtt(self, layout: Layout = LAYOUT) -> str:
        """WebVTT subtitles (`formats.to_vtt`). Raises `NoTimes` where the service sent no times."""
        return self.to_format("vtt", layout)

    def to_format(self, format: str, layout: Layout = LAYOUT) -> str:
        """What a file of this format holds: one of `FORMATS`. ``txt`` is the text and a line end, ``json`` `to_json`
        and a line end, ``ndjson`` a line of JSON for each sentence, laid out as in `to_dict`; the others are subtitles
        (`formats`). For more, such as TTML, load one of these with pysubs2.

        Raises:
            NoTimes: subtitles, and the service sent no times.
            ConfigError: there is no such format.
        """
        if format in formats.SUBTITLES:
            if not self.timed:
                raise NoTimes("this service sends text without times, and subtitles need them")
            return formats.SUBTITLES[format].write(self.sentences, layout)
        match format:
            case "txt":
                return self.text + "\n"
            case "json":
                return self.to_json() + "\n"
            case "ndjson":
                return "".join(orjson.dumps(_sentence(said)).decode() + "\n" for said in self.sentences)
        raise ConfigError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, strings and numbers, ready for JSON. Times are ms, or None.

        ``version`` is 1 and grows when a key changes its meaning. The other keys are the attributes' names;
        ``sentences`` are dicts of `Sentence`'s fields without ``raw``, their ``words`` dicts of `Word`'s, ``usage`` of
        `Usage`'s without ``raw``.
        """
        return {
            "version": 1,
            **{name: getattr(self, name) for name in _MEMBERS},
            "channels": list(self.channels),
            "usage": None if self.usage is None else _fields(self.usage),
            "issues": dict(self.issues),
            "sentences": list(map(_sentence, self.sentences)),
        }

    def to_json(self) -> str:
        """`to_dict` as JSON text on one line."""
        return orjson.dumps(self.to_dict()).decode()

    def to_arrow(self, *, file: str | None = None) -> pa.Table:
        """A row for each word, sentence by sentence, and for each sentence without words that has text: a table of
        `asrwire.integrations.arrow`, where its columns are described. Sentences that are not final are among them.

        `file` is what the column of that name holds. Raises ConfigError: pyarrow is not installed.
        """
        from .integrations.arrow import of_transcript

        return of_transcript(self, file)

    @classmethod
    def from_json(cls, data: bytes | str) -> Transcript:
        """What `to_json` made of a transcript, as one again, but for ``raw``.

        Raises DecodeError: it is not what `to_json` makes; ``path`` names the member.
        """
        said = _decode.entry(_decode.loads(data.encode() if isinstance(data, str) else data)[0], "$")
        if said.get("version") != 1:
            raise DecodeError("version must be 1", path="version")
        members = {name: read(said, name, "") for name, read in _MEMBERS.items()}
        channels = {str(i): channel for i, channel in enumerate(members["channels"] or ())}
        members["channels"] = tuple([_decode.integer(channels, i, "channels.") or 0 for i in channels])
        issues, usage = (_decode.mapping(said, name, "") for name in ("issues", "usage"))
        if usage is not None:
            counts: list[Any] = [_decode.number(usage, name) for name in Usage.__match_args__ if name != "raw"]
            members["usage"] = Usage(*counts)
        if issues is not None:
            members["issues"] = Counter({name: _decode.integer(issues, name, "issues.") or 0 for name in issues})
        listed = _decode.array(said, "sentences", "") or ()
        members["sentences"] = [_read(item, f"sentences[{i}]") for i, item in enumerate(listed)]
        return cls(**{name: value for name, value in members.items() if value is not None})

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"incomplete: {self.incomplete_reason}"
        words = sum(len(sentence.words) for sentence in self.sentences) if self._words is None else len(self._words)
        return f"<Transcript of {len(self.sentences)} sentences, {words} words, {len(self.text)} characters; {state}>"


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {**_fields(sentence), "words": list(map(_fields, sentence.words))}


def _read(value: object, path: str) -> Sentence:
    heard, said, dot = _decode.sentence(value, path), _decode.entry(value, path), path + "."
    return Sentence(
        _decode.integer(said, "index", dot) or 0, heard.sentence_id, heard.channel_id, heard.begin_time, heard.end_time,
        heard.text, heard.words, heard.language, heard.emotion, heard.speaker_id,
        _decode.boolean(said, "final", dot) or False, _decode.string(said, "finality", dot),
        _decode.integer(said, "revision", dot) or 0,
    )  # fmt: skip


def _fields(value: Sentence | Word | Usage) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__match_args__ if name != "raw"}


def _behind(later: int | None, earlier: int | None) -> int:
    """How many ms `later` lies before `earlier`; 0 where it does not or one of them is unknown."""
    return 0 if later is None or earlier is None else max(0, earlier - later)


def _finding(kind: FindingKind, sentence: Sentence, number: int | None, ms: int | None = None) -> Finding:
    about = sentence if number is None else sentence.words[number]
    return Finding(kind, sentence.index, number, ms, about.begin_time, about.end_time)


def _faults(
    word: Word | Sentence, sentence: Sentence, begin_before: int | None, end_before: int | None
) -> list[tuple[FindingKind, int | None]]:
    """What is odd about one word's times, after a word with these times."""
    begin, end = word.begin_time, word.end_time
    faults: list[tuple[FindingKind, int | None]] = []
    if back := max(_behind(end, begin), _behind(begin, begin_before)):
        faults.append(("times_back", back))
    elif (overlap := _behind(begin, end_before)) > OVERLAP:
        faults.append(("overlap", overlap))
    if begin is not None and begin == end:
        faults.append(("zero_length", 0))
    if outside := max(_behind(begin, sentence.begin_time), _behind(sentence.end_time, end)):
        faults.append(("word_outside_sentence", outside))
    return faults


def _mismatches(sentence: Sentence) -> list[int | None]:
    """The words that have no place in the sentence's text; [None] where all have one but some of the text is left."""
    if not sentence.words or "".join(sentence.text.split()) == "".join(join_words(sentence.words).split()):
        return []
    misplaced = [number for number, span in enumerate(sentence.spans()) if span is None]
    return [*misplaced] or [None]
