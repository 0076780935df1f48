# The two readers of a stream or file, the direct and the readable one, and all that can be seen of what they make.
#
# Knows: how either is switched on, and how values are taken apart. Must not know: how either works, or which of two
# outcomes is right (judge.py). Everything seen is brought to tuples of plain values, packed by marshal: it tells True
# from 1 from 1.0 and bytes from str, which `==` of values does not, and costs a tenth of a repr.

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from asrwire import _direct, _files
from asrwire._errors import ASRWireError
from asrwire._model import Amended, Final, Incomplete, Partial, Sentence, TextDelta, Usage, Word
from asrwire._sse import ResultEventParser
from asrwire._stream import ResultStream, Update
from asrwire._transcript import Transcript

Row: TypeAlias = tuple[Any, ...]
READ, PEEK, EOF, ERROR, END = "read", "peek", "eof", "error", "end"

_sentence = attrgetter(*Sentence.__match_args__)
_word = attrgetter(*Word.__match_args__)
_WORDS = Sentence.__match_args__.index("words")
_FINAL, _REVISION, _RAW = map(Sentence.__match_args__.index, ("final", "revision", "raw"))  # raw is the last


class Step(NamedTuple):
    """What one call did. ``kind`` READ, PEEK, EOF, ERROR or END; ``rows``: updates, or a transcript, or an error;
    ``number``: of the read, at the END of the events."""

    kind: str
    number: int
    rows: Row


Outcome: TypeAlias = list[Step]
StreamTwin: TypeAlias = Callable[[Sequence[bytes], bool, frozenset[int]], Outcome]
FileTwin: TypeAlias = Callable[[bytes, bool], Row]


def stream_updates(
    reads: Sequence[bytes], partials: bool, direct: bool, peeks: frozenset[int] = frozenset(),
    stream: Callable[[bool], ResultStream] = ResultStream,
) -> Outcome:  # fmt: skip
    """All that can be seen of a stream read this way. ``peeks``: the reads after which the transcript is looked at."""
    _direct.use(direct)
    try:
        results = stream(partials)
        return _watch(results, reads, peeks)
    finally:
        _direct.use(True)


def read_file(data: bytes, direct: bool, keep_raw: bool = False) -> Row:
    """All that can be seen of a result file read this way."""
    try:
        result = _files.read(data, keep_raw, direct)
    except ASRWireError as error:
        return ("error", *error_row(error))
    return (
        result.file_url, result.audio_format, result.sample_rate, result.duration, result.channels, result.raw,
        tuple([(transcript_row(transcript), *_timeline(transcript)) for transcript in result.transcripts]),
    )  # fmt: skip


def _watch(results: ResultStream, reads: Sequence[bytes], peeks: frozenset[int]) -> Outcome:
    steps: Outcome = []
    for number, read in enumerate(reads):
        try:
            updates = results.receive_data(read)
        except ASRWireError as error:
            steps.append(Step(ERROR, number, error_row(error)))
            break
        if updates:
            steps.append(Step(READ, number, update_rows(updates)))
        if number in peeks:
            steps.append(Step(PEEK, number, transcript_row(results.transcript)))
    try:
        updates = results.receive_eof()
        steps.append(Step(EOF, 0, update_rows(updates)))
    except ASRWireError as error:
        steps.append(Step(ERROR, -1, error_row(error)))
    steps.append(Step(END, results.events, transcript_row(results.transcript)))
    return steps


def has_direct() -> bool:
    return _direct is not None


def events(wire: bytes) -> list[bytes]:
    """The data of each event of a stream; framing is not what is judged here."""
    parser = ResultEventParser()
    return [event.data_bytes for event in parser.feed(wire) + parser.close(flush=True)]


def packed(value: Iterable[Any]) -> bytes:
    """An outcome, or what a file said. Version 2 knows no references: which objects are shared does not show."""
    return marshal.dumps([tuple(item) if isinstance(item, Step) else item for item in value], 2)


# -- values, taken apart -----------------------------------------------------------------------------------------------


def update_rows(updates: Iterable[Update]) -> Row:
    return tuple([_update(update) for update in updates])


def _update(update: Update) -> Row:
    if isinstance(update, Partial):
        return "Partial", (update.stable, update.kept), *sentence_row(update.sentence)
    if isinstance(update, Final):
        return "Final", (usage_row(update.usage), update.kept), *sentence_row(update.sentence)
    if isinstance(update, Amended):
        return "Amended", (tuple(map(sentence_row, update.replaced)),), *sentence_row(update.sentence)
    if isinstance(update, Incomplete):
        return "Incomplete", (update.reason, update.kept), *sentence_row(update.sentence)
    assert isinstance(update, TextDelta)
    return "TextDelta", (update.text, update.offset)


def sentence_row(sentence: Sentence) -> Row:
    fields = _sentence(sentence)
    words = tuple(map(_word, fields[_WORDS]))
    return (*fields[:_WORDS], words, *fields[_WORDS + 1 :])


def usage_row(usage: Usage | None) -> Row | None:
    return None if usage is None else tuple([repr(getattr(usage, name)) for name in Usage.__match_args__])


def transcript_row(transcript: Transcript) -> Row:
    return (
        tuple(map(sentence_row, transcript.sentences)), tuple(sorted(transcript.issues.items())),
        usage_row(transcript.usage), transcript.request_id, transcript.complete, transcript.incomplete_reason,
        transcript.language, transcript.emotion, transcript.no_speech, transcript.timed, transcript.model,
        transcript.created, transcript.finish_reason, transcript.text, transcript.channel_id, transcript.channels,
        transcript.speech_duration,
    )  # fmt: skip


def _timeline(transcript: Transcript) -> Row:
    words = transcript.words
    return (
        tuple(map(_word, words)), words.begin.tobytes(), words.end.tobytes(),
        tuple(map(words.sentence_of, range(len(words)))), tuple([words.locate(ms) for ms in (0, 1, 100, 250, 740)]),
    )  # fmt: skip


def error_row(error: ASRWireError) -> Row:
    partial = None if error.partial is None else transcript_row(error.partial)
    return (
        type(error).__name__, str(error), error.offset, error.event, error.path, error.code, error.http_status,
        error.request_id, error.sent, error.retry_safe, update_rows(error.output or ()), partial,
    )  # fmt: skip


# -- taken further apart, for what two modes have in common ------------------------------------------------------------


def finals(outcome: Outcome) -> list[Row]:
    """The updates of a stream that both modes hand out, without `kept` and `revision`, which count what was shown, and
    without the `raw` of a partial, which is the first of equal ones where they are shown, else the newest."""
    rows = []
    for row in updates(outcome):
        if row[0] in ("Final", "Amended"):
            details = row[1][:1] if row[0] == "Final" else tuple(map(_unnumbered, row[1][0]))
            rows.append((row[0], details, *_unnumbered(row[2:])))
    return rows


def updates(outcome: Outcome) -> list[Row]:
    """Every update in order, whichever read brought it."""
    rows: list[Row] = []
    for step in outcome:
        if step.kind in (READ, EOF):
            rows += step.rows
        elif step.kind == ERROR:
            rows += step.rows[10]
    return rows


def _unnumbered(row: Row) -> Row:
    return (*row[:_REVISION], row[_RAW] if row[_FINAL] else None)
