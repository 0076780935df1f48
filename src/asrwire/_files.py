# Result files: what a transcription_url answers, both schemas, read into transcripts.
#
# Knows: the layout of the files (Qwen filetrans: audio_info; Fun-ASR and paraformer: properties). Must not know: tasks,
# URLs, streams. Words go to columns and sentences are made when asked for: a 12-hour file is 14 MB of JSON.

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import eq, index
from typing import Any, NamedTuple, TypeAlias, TypeVar, overload

from . import _decode, _scan, formats
from ._errors import ASRWireError, DecodeError, ServiceError
from ._model import Sentence
from ._timeline import NO_TIME, WordColumns
from ._transcript import Transcript

_T = TypeVar("_T")
_Span: TypeAlias = tuple[int, int]  # (start, stop)
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_BRACE, _BRACKET = b"{["


def _repr(self: FileResult | FileFailed) -> str:
    # As dataclasses have it, but without the queries of URLs, which may be signatures.
    pairs = [f"{field.name}={_decode.shown(repr(getattr(self, field.name)))}" for field in fields(self) if field.repr]
    return f"{type(self).__name__}({', '.join(pairs)})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FileResult:
    """The result file of one audio file.

    Attributes:
        file_url: the audio file, as the service names it.
        audio_format: ``"wav"``, ``"pcm_s16le"``, ...
        sample_rate: Hz.
        duration: ms of the audio.
        channels: ids of the channels in the audio; where the file does not say, those it has transcripts of.
        transcripts: one `Transcript` per channel, in the file's order.
        task_id: the task it came from, or None.
        raw: the file as received, where it was to be kept.

    What a file does not say is None.
    """

    file_url: str | None = None
    audio_format: str | None = None
    sample_rate: int | None = None
    duration: int | None = None
    channels: tuple[int, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    task_id: str | None = None
    raw: bytes | None = field(default=None, repr=False)

    __repr__ = _repr


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FileFailed:
    """One audio file of a task that has no result.

    Attributes:
        file_url: the audio file.
        code, message: the service's own words, or None.
        error: the error that stands for it.
        task_id: the task it was in, or None.
    """

    file_url: str | None = None
    code: str | None = None
    message: str | None = None
    error: ASRWireError | None = None
    task_id: str | None = None

    __repr__ = _repr


def read_result(data: bytes | bytearray | memoryview, *, keep_raw: bool = False) -> FileResult:
    """Reads the JSON of a result file, of either schema, into one transcript per channel, sentence by sentence: at no
    time is there more of it as Python objects than one sentence.

    `keep_raw` keeps the file in `FileResult.raw`, and each `Sentence.raw` is its JSON as received. A UTF-8 BOM is
    accepted. Differences between a transcript's own text and its sentences are counted in ``issues["text_mismatch"]``,
    repaired characters in ``issues["lone_surrogate"]`` or ``["invalid_utf8"]``.

    Raises:
        DecodeError: not JSON (``offset``), or a member has the wrong type or is out of range (``path``).
        ServiceError: the service put an error in its place.
        TypeError: `data` is not bytes-like.
    """
    if not isinstance(data, bytes):
        data = bytes(memoryview(data))
    skipped = len(_BOM) if data.startswith(_BOM) else 0
    content = data[skipped:] if skipped else data
    try:
        spans = _sentence_spans(content)
        if spans is not None:
            return _result(data, *_decode.loads(_without(content, spans)), content, spans, keep_raw)
    except DecodeError as error:
        if error.path is not None:
            raise
    try:  # not JSON, or not laid out as it should be: one decoding of the whole says which, and where
        body, repair = _decode.loads(content)
    except DecodeError as error:
        if error.offset is not None:
            error.offset += skipped
        raise
    return _result(data, body, repair, content, None, keep_raw)


def _result(
    data: bytes, body: object, repair: str | None, content: bytes, spans: list[list[_Span]] | None, keep_raw: bool
) -> FileResult:
    if not isinstance(body, dict):
        raise _decode.wrong("$", body, "an object")
    entries = _decode.array(body, "transcripts", "")
    if entries is None:
        failure = _decode.failure(body)
        if failure is not None:
            raise ServiceError(failure.said, code=failure.code, request_id=failure.request_id)
        if "transcripts" not in body:
            raise DecodeError("not a result file: it has no transcripts", path="transcripts")
    transcripts = tuple(
        _transcript(item, f"transcripts[{i}]", repair, content, spans[i] if spans else None, keep_raw)
        for i, item in enumerate(entries or ())
    )
    info, properties = _decode.mapping(body, "audio_info", "") or {}, _decode.mapping(body, "properties", "") or {}
    dot = "properties."
    return FileResult(
        file_url=_decode.string(body, "file_url", ""),
        audio_format=_either(
            _decode.string(info, "format", "audio_info."), _decode.string(properties, "audio_format", dot)
        ),
        sample_rate=_either(
            _decode.integer(info, "sample_rate", "audio_info."),
            _decode.integer(properties, "original_sampling_rate", dot),
        ),
        duration=_decode.time(properties, "original_duration_in_milliseconds", dot),
        channels=_channels(properties, transcripts), transcripts=transcripts, raw=data if keep_raw else None,
    )  # fmt: skip


def _either(one: _T | None, other: _T | None) -> _T | None:
    return other if one is None else one


def _channels(properties: dict[str, Any], transcripts: tuple[Transcript, ...]) -> tuple[int, ...]:
    channels = _decode.array(properties, "channels", "properties.")
    if channels is None:
        return tuple(channel for transcript in transcripts for channel in transcript.channels)
    for i, channel in enumerate(channels):
        if isinstance(channel, bool) or not isinstance(channel, int):
            raise _decode.wrong(f"properties.channels[{i}]", channel, "an integer")
    return tuple(channels)


def _without(data: bytes, spans: list[list[_Span]]) -> bytes:
    """The file with no sentences in it: what is left is small and is decoded at once."""
    pieces, at = [], 0
    for sentences in spans:
        if sentences:
            pieces.append(data[at : sentences[0][0]])
            at = sentences[-1][1]
    return b"".join([*pieces, data[at:]])


def _transcript(
    value: object, path: str, repair: str | None, data: bytes, spans: list[_Span] | None, keep_raw: bool
) -> Transcript:
    entry, dot = _decode.entry(value, path), path + "."
    channel_id = _decode.integer(entry, "channel_id", dot) or 0
    text = _either(_decode.string(entry, "text", dot), _decode.string(entry, "transcript", dot))
    sentences = FileSentences(channel_id)
    issues: Counter[str] = Counter()
    listed = _decode.array(entry, "sentences", dot) or ()
    for i, item in enumerate(listed if spans is None else spans):
        if spans is not None:
            item, repaired = _decode.loads(data[slice(*item)])
            repair = repair or repaired
        sentences.add(_decode.sentence(item, f"{dot}sentences[{i}]"))
    sentences.seal()
    if keep_raw and spans is not None:
        sentences.keep_raw(data, spans)
    if repair is not None:
        issues[repair] = 1
    joined = formats.join(sentences.texts())
    if text is not None and text != joined:
        issues["text_mismatch"] += 1
    labels = sentences.labels()
    complete = all(label.final for label in labels)
    languages, emotions = {label.language for label in labels}, {label.emotion for label in labels}
    text = text or joined
    return Transcript(
        sentences=sentences, text=text, issues=issues, channel_id=channel_id, channels=(channel_id,),
        language=languages.pop() if len(languages) == 1 else None,
        emotion=emotions.pop() if len(emotions) == 1 else None,
        complete=complete, incomplete_reason=None if complete else "open_sentence",
        no_speech=complete and not text, timed=sentences.timed or not text,
        speech_duration=_either(
            _decode.time(entry, "content_duration_in_milliseconds", dot), _decode.time(entry, "content_duration", dot)
        ),
    )  # fmt: skip


class _Label(NamedTuple):
    """What few different values exist of in a file: shared by the sentences that have the same."""

    language: str | None
    emotion: str | None
    speaker_id: int | str | None
    final: bool
    finality: str | None


class FileSentences(Sequence[Sentence]):
    """The sentences of one channel of a file; each `Sentence` is made when it is asked for, and not kept."""

    __slots__ = ("_at", "_begin", "_channel_id", "_data", "_end", "_first", "_ids", "_labels", "_pool", "_spans",
                 "columns")

    def __init__(self, channel_id: int) -> None:
        self.columns = WordColumns()  # in the order of the file
        self._channel_id = channel_id
        self._ids: list[int | None] = []
        self._begin, self._end = array("i"), array("i")
        self._pool: bytearray | bytes = bytearray()
        self._at, self._first = array("I", [0]), array("I", [0])
        self._labels: list[_Label] = []
        self._data = b""
        self._spans = array("Q")

    def add(self, heard: _decode.Heard) -> None:
        """Append a sentence. It is final unless its ``sentence_end`` denies it: nothing more will come."""
        finality = "sentence_end" if heard.end is not None else "end_time" if heard.end_time is not None else None
        label = _Label(heard.language, heard.emotion, heard.speaker_id, heard.end is not False, finality)
        self._labels.append(self._labels[-1] if self._labels and self._labels[-1] == label else label)
        self._ids.append(heard.sentence_id)
        self._begin.append(NO_TIME if heard.begin_time is None else heard.begin_time)
        self._end.append(NO_TIME if heard.end_time is None else heard.end_time)
        self._pool += heard.text.encode()
        self._at.append(len(self._pool))
        self.columns.add(self._channel_id, heard.begin_time, heard.words)
        self._first.append(len(self.columns))

    def seal(self) -> None:
        """Give back the memory kept for growth."""
        self.columns.seal()
        self._pool = bytes(self._pool)
        self._begin, self._end, self._at, self._first = self._begin[:], self._end[:], self._at[:], self._first[:]

    def keep_raw(self, data: bytes, spans: list[_Span]) -> None:
        """Where in `data` each sentence's JSON is."""
        self._data = data
        self._spans = array("Q", [offset for span in spans for offset in span])

    @property
    def timed(self) -> bool:
        return any(begin != NO_TIME for begin in self._begin)

    def labels(self) -> set[_Label]:
        return set(self._labels)

    def texts(self) -> Iterator[str]:
        return map(self._text, range(len(self)))

    def _text(self, i: int) -> str:
        return self._pool[self._at[i] : self._at[i + 1]].decode()

    def _sentence(self, i: int) -> Sentence:
        begin, end, label = self._begin[i], self._end[i], self._labels[i]
        words = tuple(map(self.columns.word, range(self._first[i], self._first[i + 1])))
        raw = self._data[self._spans[2 * i] : self._spans[2 * i + 1]] if self._spans else None
        return Sentence(i, self._ids[i], self._channel_id, None if begin == NO_TIME else begin,
                        None if end == NO_TIME else end, self._text(i), words, *label, revision=0, raw=raw)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, i: int) -> Sentence: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Sentence, ...]: ...
    def __getitem__(self, i: int | slice) -> Sentence | tuple[Sentence, ...]:
        if isinstance(i, slice):
            return tuple(map(self._sentence, range(*i.indices(len(self)))))
        i = index(i)
        number = i + len(self) if i < 0 else i
        if not 0 <= number < len(self):
            raise IndexError(f"sentence {i} of {len(self)}")
        return self._sentence(number)

    def __iter__(self) -> Iterator[Sentence]:
        return map(self._sentence, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (tuple, FileSentences)):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} sentences of a file>"


def _sentence_spans(data: bytes) -> list[list[_Span]] | None:
    """For each item of ``transcripts``, where its sentences are; None where the layout is not what it should be."""
    top = _scan.items(data)
    if top is None or data[top[1] :].strip(_BLANK):
        return None
    place = _member(data, top[0], "transcripts")
    entries = place and _scan.items(data, place[0])
    if not entries:
        return None
    found: list[list[_Span]] = []
    for start, stop in entries[0]:
        entry = _scan.items(data, start) if data[start] == _BRACE else None
        place = entry and _member(data, entry[0], "sentences")
        sentences = _scan.items(data, place[0]) if place and data[place[0]] == _BRACKET else ([], stop)
        if (entry is None and data[start] == _BRACE) or sentences is None:
            return None
        found.append(sentences[0])
    return found


def _member(data: bytes, spans: list[_Span], name: str) -> _Span | None:
    """Where the value of this member of an object is; of repeated ones the last, as JSON readers do."""
    found = None
    for (start, stop), value in zip(spans[::2], spans[1::2], strict=True):
        if stop - start >= len(name) and _decode.loads(data[start:stop])[0] == name:
            found = value
    return found
