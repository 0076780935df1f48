# Result files: what a transcription_url answers, both schemas, read into transcripts.
#
# Knows: the layout of the files (Qwen filetrans: audio_info; Fun-ASR and paraformer: properties). Must not know: tasks,
# URLs, streams. Words go to columns and sentences are made when asked for: a 12-hour file is 14 MB of JSON.

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from . import _decode, _scan, _sentences
from ._errors import ASRWireError, DecodeError, LimitExceeded, ServiceError
from ._sentences import FileSentences
from ._transcript import Transcript

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
_Span: TypeAlias = tuple[int, int]  # (start, stop)
_Given: TypeAlias = FileSentences | list[_Span]  # the sentences of a transcript, or where they are
MOST = _sentences.MOST
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

    def to_arrow(self, *, file: str | None = None) -> pa.Table:
        """The transcripts of all channels as one table of `asrwire.integrations.arrow` (`Transcript.to_arrow`).

        `file` is what the column of that name holds; None: `file_url` without its query, which may be a signature.
        Raises ConfigError: pyarrow is not installed.
        """
        from .integrations.arrow import of_file

        return of_file(self, file)

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
        LimitExceeded: more than 1024 transcripts; each costs some 200 times its JSON.
        TypeError: `data` is not bytes-like.
    """
    return read(data, keep_raw)


def read(data: bytes | bytearray | memoryview, keep_raw: bool = False, direct: bool = True) -> FileResult:
    """`read_result`; not `direct`: by orjson alone, which is what every file must be read as.

    Straight into columns takes 1/20 of the time of orjson and dataclasses, sentence by sentence through orjson 5/4.
    """
    if type(data) is not bytes:
        data = bytes(memoryview(data))
    skipped = len(_BOM) if data.startswith(_BOM) else 0
    content = data[skipped:] if skipped else data
    found = _sentences.read(content, keep_raw) if direct else None
    if found is not None:
        try:
            body, repair = _decode.loads(found[0])
        except DecodeError:
            repair = "not JSON"
        if repair is None:
            return _result(data, body, None, content, found[1], keep_raw)
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
    data: bytes, body: object, repair: str | None, content: bytes, given: Sequence[_Given] | None, keep_raw: bool
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
    if len(entries or ()) > MOST:
        raise LimitExceeded(f"a result file of more than {MOST} transcripts, of one channel each")
    transcripts = tuple(
        _transcript(item, f"transcripts[{i}]", repair, content, given[i] if given else None, keep_raw)
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
    value: object, path: str, repair: str | None, data: bytes, given: _Given | None, keep_raw: bool
) -> Transcript:
    entry, dot = _decode.entry(value, path), path + "."
    channel_id = _decode.integer(entry, "channel_id", dot) or 0
    text = _either(_decode.string(entry, "text", dot), _decode.string(entry, "transcript", dot))
    issues: Counter[str] = Counter()
    listed = _decode.array(entry, "sentences", dot) or ()
    sentences = given if isinstance(given, FileSentences) else FileSentences()
    if sentences is not given:
        for i, item in enumerate(listed if given is None else given):
            if given is not None:
                item, repaired = _decode.loads(data[slice(*item)])
                repair = repair or repaired
            sentences.add(_decode.sentence(item, f"{dot}sentences[{i}]"))
        if keep_raw and isinstance(given, list):
            sentences.keep_raw(data, given)
    sentences.seal(channel_id)
    if repair is not None:
        issues[repair] = 1
    if sentences.agrees or (text is not None and text == sentences.joined()):
        text = None  # made when it is asked for, like the sentences
    elif text is not None:
        issues["text_mismatch"] += 1
    complete = all(final for *_, final, _ in sentences.labels)
    languages, emotions = {label[0] for label in sentences.labels}, {label[1] for label in sentences.labels}
    silent = not text and not sentences.joined_size
    return Transcript(
        sentences=sentences, text=text or "", issues=issues, channel_id=channel_id, channels=(channel_id,),
        language=languages.pop() if len(languages) == 1 else None,
        emotion=emotions.pop() if len(emotions) == 1 else None,
        complete=complete, incomplete_reason=None if complete else "open_sentence",
        no_speech=complete and silent, timed=sentences.timed or silent,
        speech_duration=_either(
            _decode.time(entry, "content_duration_in_milliseconds", dot), _decode.time(entry, "content_duration", dot)
        ),
    )  # fmt: skip


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
    for (start, stop), value in zip(spans[::2], spans[1::2], strict=False):  # of a list there may be an odd number
        if stop - start >= len(name) and _decode.loads(data[start:stop])[0] == name:
            found = value
    return found
