# Words and sentences as columns of Arrow.
#
# Knows: the columns of words and of sentences, pyarrow. Must not know: files, streams, Parquet's own settings. Words
# are never looked at one by one: their columns are handed to pyarrow as they are, and what has to be rearranged is
# rearranged there.

"""Words as an Arrow table, for Parquet, pandas, polars, DuckDB and whatever else reads columns; needs pyarrow
(``pip install "asrwire[arrow]"``).

`WordTimeline.to_arrow`, `Transcript.to_arrow` and `FileResult.to_arrow` make the tables. All have the same columns, so
that tables of many files can be put together and go to one Parquet file:

| column | type | what it holds |
|---|---|---|
| `file` | string, dictionary | the audio file, as its caller names it |
| `channel` | int64 | `Sentence.channel_id` |
| `sentence` | int64 | `Sentence.index`; in the table of a timeline, `WordTimeline.sentence_of` |
| `word` | int64 | the number of the word in its sentence, from 0; null: a sentence without words, in a row of its own |
| `text` | string | `Word.text`, with the white space the service put around it; of such a sentence all of its text |
| `punctuation` | string, dictionary | what follows the word, or `""` |
| `begin_ms`, `end_ms` | int32 | ms from the start of the audio |
| `speaker` | string, dictionary | of the word, else of its sentence; a number as its digits |
| `language`, `emotion` | string, dictionary | of the sentence, else of the transcript |
| `request_id` | string, dictionary | `Transcript.request_id` |
| `billed_seconds` | double | `Usage.seconds` of the request, the same in each of its rows: nothing to be added up |

`file`, `word`, `begin_ms`, `end_ms` and all from `speaker` on are null where nothing is known. The schema's metadata
have `SCHEMA_VERSION` under ``asrwire.schema_version``; it grows when a column changes its meaning or goes.

Times share the memory of the `WordTimeline` where a transcript has no other rows; text is copied once. No Python object
is made for a word.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._errors import ConfigError
from .._masks import without_queries
from .._model import Sentence, Word
from .._sentences import FileSentences
from .._timeline import NO_TIME, WordColumns, WordTimeline, columns_of

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    raise ConfigError("Arrow tables need pyarrow: pip install 'asrwire[arrow]'") from None

if TYPE_CHECKING:
    from .._files import FileResult
    from .._transcript import Transcript

__all__ = ["SCHEMA", "SCHEMA_VERSION", "of_file", "of_timeline", "of_transcript", "write_parquet"]

SCHEMA_VERSION: Final = 1

_CODED: Final = pa.dictionary(pa.int32(), pa.string())  # as Parquet gives dictionaries back

SCHEMA: Final = pa.schema(
    [
        pa.field("file", _CODED),
        pa.field("channel", pa.int64(), nullable=False),
        pa.field("sentence", pa.int64(), nullable=False),
        pa.field("word", pa.int64()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("punctuation", _CODED, nullable=False),
        pa.field("begin_ms", pa.int32()),
        pa.field("end_ms", pa.int32()),
        pa.field("speaker", _CODED),
        pa.field("language", _CODED),
        pa.field("emotion", _CODED),
        pa.field("request_id", _CODED),
        pa.field("billed_seconds", pa.float64()),
    ],
    metadata={"asrwire.schema_version": str(SCHEMA_VERSION)},
)
"""The columns of every table: a ``pyarrow.Schema``."""

_GROUP: Final = 100_000  # rows
_UNSIGNED: Final = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32()}  # by the bytes of a number
_SURROGATE: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def of_timeline(timeline: WordTimeline) -> pa.Table:
    """`WordTimeline.to_arrow`."""
    columns = timeline._columns
    return _table(_words(columns), columns)


def of_transcript(transcript: Transcript, file: str | None = None) -> pa.Table:
    """`Transcript.to_arrow`."""
    sentences, usage = transcript.sentences, transcript.usage
    columns = columns_of(sentences)
    words = _words(columns)
    bare = [i for i in _without_words(columns) if sentences[i].text]
    if bare:
        words = _with_sentences(words, sentences, bare, len(columns.kinds))
    labels: list[tuple[Any, ...]]
    if isinstance(sentences, FileSentences):
        labels, numbers, index = [*sentences.labels], sentences.label_numbers(), None
    else:
        found: dict[tuple[Any, ...], int] = {}
        said = [(sentence.language, sentence.emotion, sentence.speaker_id) for sentence in sentences]
        numbers, labels = array("I", [found.setdefault(label, len(found)) for label in said]), [*found]
        index = pa.array([sentence.index for sentence in sentences], pa.int64())
    return _table(
        words, columns, index, labels, _numbers(numbers, pa.uint32()).take(words["place"]), file=file,
        language=transcript.language, emotion=transcript.emotion, request_id=transcript.request_id,
        billed_seconds=None if usage is None else usage.seconds,
    )  # fmt: skip


def of_file(result: FileResult, file: str | None = None) -> pa.Table:
    """`FileResult.to_arrow`."""
    if file is None and result.file_url is not None:
        file = without_queries(result.file_url)
    tables = [of_transcript(transcript, file) for transcript in result.transcripts]
    return pa.concat_tables([SCHEMA.empty_table(), *tables]).unify_dictionaries()


def write_parquet(results: Iterable[tuple[str, FileResult]], path: Path) -> None:
    """One Parquet file of the words of many, each with what its column ``file`` is to hold, in row groups of 100,000
    words or more. It is whole when it is there: until then it has another name. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            held: list[pa.Table] = []
            rows = 0
            for file, result in results:
                held.append(of_file(result, file))
                rows += held[-1].num_rows
                if rows >= _GROUP:
                    writer.write_table(pa.concat_tables(held).unify_dictionaries())
                    held, rows = [], 0
            if held:
                writer.write_table(pa.concat_tables(held).unify_dictionaries())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


# -- rows: what differs from word to word ------------------------------------------------------------------------------


def _words(columns: WordColumns) -> dict[str, Any]:
    """Of each word: ``place``, the position of its sentence; ``kind``, its number in `WordColumns.kinds`; the rest as
    in the table."""
    count = len(columns)
    place, word = _places(columns, count)
    return {
        "place": place, "word": word, "text": _texts(columns, count), "begin_ms": _times(columns.begin),
        "end_ms": _times(columns.end), "kind": _narrow(columns.kind, count).cast(pa.int32()),
    }  # fmt: skip


def _places(columns: WordColumns, count: int) -> tuple[pa.Array, pa.Array]:
    """The position of each word's sentence, and how many of its words came before it."""
    if columns.first:
        return _counted(_numbers(columns.first, pa.uint32()).cast(pa.int32()), count)
    place = _narrow(columns.sentence, count).cast(pa.int64())
    if not count:
        return place, place
    order = pc.sort_indices(place)  # stable
    ends = pc.run_end_encode(place.take(order)).run_ends
    _, word = _counted(pa.concat_arrays([pa.array([0], ends.type), ends]), count)
    return place, word.take(pc.sort_indices(order))


def _counted(first: pa.Array, count: int) -> tuple[pa.Array, pa.Array]:
    """Of groups that begin at these positions: the number of each member's group, and its number within."""
    group = pc.list_parent_indices(pa.ListArray.from_arrays(first, pa.nulls(count)))
    upto = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count))
    return group, pc.subtract(pc.subtract(upto, 1), first.take(group))


def _texts(columns: WordColumns, count: int) -> pa.Array:
    """Each word's piece of the pool, one after the other."""
    pool = _utf8(columns.pool)
    at = _numbers(columns.at, pa.uint32()).cast(pa.int64())
    size = _narrow(columns.size, count).cast(pa.int64())
    pieces = pa.LargeListViewArray.from_arrays(at, size, _numbers(pool, pa.uint8()))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(size)])
    if offsets[-1].as_py() > 0x7FFFFFFF:
        raise OverflowError("more than 2 GiB of text")
    joined = pieces.flatten()
    assert joined.offset == 0
    texts = pa.StringArray.from_buffers(count, offsets.cast(pa.int32()).buffers()[1], joined.buffers()[1])
    texts.validate(full=True)  # that it is UTF-8: columns may come from a pickle
    return texts


def _times(column: bytes) -> pa.Array:
    """The column itself, and beside it which of its times are none."""
    times = _numbers(column, pa.int32())
    known = pc.not_equal(times, NO_TIME)
    return pa.Array.from_buffers(pa.int32(), len(times), [known.buffers()[1], times.buffers()[1]])


def _without_words(columns: WordColumns) -> list[int]:
    """The positions of the sentences that have none."""
    first = _numbers(columns.first, pa.uint32())
    sizes = pc.subtract(first[1:], first[:-1])
    positions: list[int] = pc.indices_nonzero(pc.equal(sizes, 0)).to_pylist()
    return positions


def _with_sentences(
    words: dict[str, Any], sentences: Sequence[Sentence], bare: list[int], kind: int
) -> dict[str, Any]:
    """The rows, and where they belong a row for each of these sentences, with a kind of their own."""
    said = [sentences[i] for i in bare]
    rows = _words(columns_of([Sentence(0, words=(Word(s.begin_time, s.end_time, s.text),)) for s in said]))
    rows["place"], rows["word"] = pa.array(bare, pa.int64()), pa.nulls(len(bare), pa.int64())
    rows["kind"] = pa.repeat(pa.scalar(kind, pa.int32()), len(bare))
    joined = {name: pa.concat_arrays([column, rows[name]]) for name, column in words.items()}
    order = pc.sort_indices(joined["place"])  # stable
    return {name: column.take(order) for name, column in joined.items()}


# -- the table ---------------------------------------------------------------------------------------------------------


def _table(
    words: dict[str, Any], columns: WordColumns, index: pa.Array | None = None,
    labels: Sequence[tuple[Any, ...]] = ((None, None, None),), label: pa.Array | None = None, *,
    file: str | None = None, language: str | None = None, emotion: str | None = None, request_id: str | None = None,
    billed_seconds: float | None = None,
) -> pa.Table:  # fmt: skip
    """`index`: of the sentences, where it is not their position. `labels`: (language, emotion, speaker, ...), of which
    each row has the one with the number in `label`."""
    place = words["place"]
    same = pa.repeat(pa.scalar(0, pa.int32()), len(place))
    if label is None:
        label = same
    channels = _numbers(columns.channels, pa.int64())
    kinds = [*columns.kinds, ("", None, None)]  # the last: of sentences without words
    languages, emotions, speakers, *_ = zip(*labels, strict=True) if labels else ((), (), ())
    seconds = pa.scalar(billed_seconds, pa.float64())
    return pa.Table.from_arrays(
        [
            _coded(([file], same)),
            channels.take(same if len(channels) == 1 else place),
            place if index is None else index.take(place),
            words["word"],
            words["text"],
            _coded(([punctuation for punctuation, _, _ in kinds], words["kind"])),
            words["begin_ms"],
            words["end_ms"],
            _coded(([speaker for _, _, speaker in kinds], words["kind"]), (speakers, label)),
            _coded((languages, label), ([language], same)),
            _coded((emotions, label), ([emotion], same)),
            _coded(([request_id], same)),
            pa.repeat(seconds, len(place)),
        ],
        schema=SCHEMA,
    )


def _coded(*choices: tuple[Sequence[str | int | None], pa.Array]) -> pa.DictionaryArray:
    """Of each row the first choice that is not null; a choice is some values, and the number of each row's value."""
    codes: dict[bytes, int] = {}
    column = None
    for values, numbers in choices:
        known = [None if v is None else _utf8(str(v).encode("utf-8", "surrogatepass")) for v in values]
        coded = pa.array([None if v is None else codes.setdefault(v, len(codes)) for v in known], pa.int32())
        chosen = coded.take(numbers)
        column = chosen if column is None else pc.coalesce(column, chosen)
        if not column.null_count:
            break
    return pa.DictionaryArray.from_arrays(column, pa.array([*codes], pa.string()))


# -- columns as they are -----------------------------------------------------------------------------------------------


def _numbers(column: bytes | array[int], kind: pa.DataType) -> pa.Array:
    buffer = pa.py_buffer(column)
    return pa.Array.from_buffers(kind, buffer.size * 8 // kind.bit_width, [None, buffer])


def _narrow(column: bytes, count: int) -> pa.Array:
    """A column as wide as its largest number; without bytes all are 0."""
    if not column:
        return pa.repeat(pa.scalar(0, pa.uint8()), count)
    return _numbers(column, _UNSIGNED[len(column) // count])


def _utf8(data: bytes) -> bytes:
    """Lone surrogates, which Arrow has no place for, as U+FFFD: as many bytes."""
    return _SURROGATE.sub(b"\xef\xbf\xbd", data) if b"\xed" in data else data
