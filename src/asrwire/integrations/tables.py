# Tables of files: a row with a URL becomes the same row with what was said in the file.
#
# Knows: the columns, which rows are one file, where results are kept. Must not know: when something is submitted
# (asrwire.batch), which engine the tables come from.

"""Files as rows of an Arrow table, for engines that work on tables; needs pyarrow (``pip install "asrwire[arrow]"``).

The table that `transcribe_table` returns has the rows and columns of the one it was given, in their order, and these:

| column | type | what it holds |
|---|---|---|
| `state` | string | ``done``, ``failed``, ``expired``; ``uncertain``: maybe submitted, see `asrwire.batch`; ``submitted``, ``pending``: an error ended the work before it was over |
| `text` | string | of all channels, a line each |
| `language` | string | of the first transcript or sentence that has one |
| `duration_ms` | int64 | of the audio |
| `billed_seconds` | double | of the whole task, the same in each of its rows: add it up once for a `task_id` |
| `task_id` | string | |
| `words` | list of structs | the columns of `asrwire.integrations.arrow` from `channel` to `emotion` |
| `error_code`, `error_message` | string | why it is not done; URLs without their queries |

Columns of these names in the table that is given are replaced: what was returned may be given again.
"""  # noqa: E501

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import _decode
from .._client import AsyncClient
from .._errors import ASRWireError, ConfigError
from .._files import FileResult, read_result
from .._options import check_options
from ..batch import Item, Journal, RateLimiter
from ..batch._calls import ClientCalls
from ..batch._folder import JournalFolder
from ..batch._journal import STATES, File, JournalOpen, Told
from ..batch._machine import SETTLE
from ..batch._manifest import item as checked
from ..batch._manifest import known_family
from ..batch._run import Folder
from ..batch._transcribe import begun
from . import arrow

if TYPE_CHECKING:
    import pyarrow as pa
else:
    from .arrow import pa  # which says what is to be done where there is none

__all__ = ["COLUMNS", "transcribe_table"]

_WORD: Final = pa.struct(
    [
        pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type, field.nullable)
        for field in arrow.SCHEMA
        if field.name not in ("file", "request_id", "billed_seconds")
    ]
)

COLUMNS: Final = pa.schema(
    [
        pa.field("state", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("language", pa.string()),
        pa.field("duration_ms", pa.int64()),
        pa.field("billed_seconds", pa.float64()),
        pa.field("task_id", pa.string()),
        pa.field("words", pa.list_(_WORD)),
        pa.field("error_code", pa.string()),
        pa.field("error_message", pa.string()),
    ]
)
"""The columns that are added: a ``pyarrow.Schema``."""

_BUSY: Final = 1.0  # seconds between two attempts at a journal that another process has open
_JOURNALS: Final = 64  # open at once: two files each, of the 1,024 that a process may have as a rule
_CHUNK: Final = 1_000_000  # words in one array of Arrow's, which holds 2 GiB of text at most


class _Said(NamedTuple):
    """What is in a file: columns of its rows."""

    text: str | None = None
    language: str | None = None
    duration_ms: int | None = None
    words: pa.StructArray | None = None


class _Row(NamedTuple):
    """What became of a file: the other columns of its rows."""

    state: str
    said: _Said | None = None
    billed_seconds: float | None = None
    task_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


async def transcribe_table(
    table: pa.Table | Mapping[str, Any], *, model: str, client: AsyncClient, limiter: RateLimiter,
    queries: RateLimiter | None = None, url: str = "url", id: str | None = None, family: str | None = None,
    options: Mapping[str, object] | None = None, journals: str | os.PathLike[str] | None = None,
    settle: float = SETTLE, resubmit: bool = False, retry_failed: bool = False,
) -> pa.Table:  # fmt: skip
    """Transcribe the files that a table names, each once; on asyncio.

    Args:
        table: a row for each file, or a mapping of columns (lists, arrays of numpy or Arrow). A file that is in several
            rows is submitted once.
        model: a file-task model.
        client: stays open.
        limiter: of submissions, shared by all that use the account.
        queries: of questions after tasks, likewise; the service answers 20 a second. None: 20 a second for this client.
        url: name of the column with the URLs.
        id: name of the column with what the files are known by, where URLs are signed anew, or None.
        family: whose request shape to use for a model not known here.
        options: asked of the service for every file (`FileOptions`).
        journals: a folder. With it a file is submitted once, however often and in whatever company its row is given;
            all machines must see it. Without it what is under way when the process dies is lost, and submitted and
            billed again.
        settle, resubmit, retry_failed: as `transcribe_batch`.

    What befalls files, and the service's refusal of all of them, is in their rows. Raises what no row could be told of:
    ConfigError (no such column, an unknown option or model), TypeError.
    """
    if not isinstance(table, pa.Table):
        table = pa.table({name: _column(values) for name, values in table.items()})
    if not hasattr(limiter, "acquire"):
        raise TypeError(f"limiter is a RateLimiter, not {type(limiter).__name__}")
    keys, items = _items(table, model, url, id, family, dict(options or {}))
    work = _Work(
        ClientCalls(client, family, queries), limiter, family=family, settle=settle, resubmit=resubmit,
        retry_failed=retry_failed,
    )  # fmt: skip
    if journals is None:
        with Journal(":memory:") as journal:
            await work.transcribe([*items.values()], journal, None)
    else:
        await work.go_on([*items.values()], Path(journals))
    rows = [key if isinstance(key, _Row) else work.rows[key] for key in keys]
    nothing = _Said()
    for field in COLUMNS:
        values = [getattr(row.said or nothing if field.name in _Said._fields else row, field.name) for row in rows]
        column = _lists(values) if field.name == "words" else pa.array(values, field.type)
        place = table.column_names.index(field.name) if field.name in table.column_names else table.num_columns
        table = (table.set_column if place < table.num_columns else table.add_column)(place, field, column)
    return table


def _column(values: Any) -> Any:
    # In arrays of objects pandas has NaN for what is not there.
    return pa.array(values, from_pandas=True) if str(getattr(values, "dtype", "")) == "object" else values


def _items(
    table: pa.Table, model: str, url: str, id: str | None, family: str | None, options: dict[str, Any]
) -> tuple[list[str | _Row], dict[str, Item]]:
    """For each row its item's key, or what is wrong with it; the items by key."""
    chosen = known_family(model, family)
    check_options(chosen, options)
    for column in (url, id):
        if column is not None and column not in table.column_names:
            raise ConfigError(f"the table has no column {column!r}; it has {', '.join(table.column_names)}")
    urls = table.column(url).to_pylist()
    ids = [None] * len(urls) if id is None else table.column(id).to_pylist()
    keys, items, of_url = list[str | _Row](), dict[str, Item](), dict[str, str]()
    for where, known_by in zip(urls, ids, strict=True):
        try:
            item = checked(where, known_by, model, chosen, options)
            if of_url.setdefault(item.url, item.key) != item.key:
                raise ConfigError("another row has the same URL and another id")
        except (ConfigError, TypeError) as error:
            keys.append(_Row("failed", error_code="ConfigError", error_message=str(error)))
        else:
            keys.append(item.key)
            items[item.key] = item
    return keys, items


class _Work:
    """Files of one table. ``asked``: what `begun` is told besides."""

    def __init__(self, calls: ClientCalls, limiter: RateLimiter, **asked: Any) -> None:
        self.rows: dict[str, _Row] = {}  # by the item's key
        self._calls, self._limiter, self._asked = calls, limiter, asked

    async def go_on(self, items: list[Item], path: Path) -> None:
        """`transcribe` with the journals of a folder."""
        try:
            folder = JournalFolder(path)
            shared = await asyncio.to_thread(folder.shared, items)
        except (ASRWireError, OSError) as error:
            self._not_begun(items, error)
            return
        gate = asyncio.Semaphore(_JOURNALS)
        async with asyncio.TaskGroup() as group:
            for name, some in shared.items():
                group.create_task(self._go_on(some, folder, name, gate))

    async def _go_on(self, items: list[Item], folder: JournalFolder, name: str, gate: asyncio.Semaphore) -> None:
        while True:
            try:
                async with gate:
                    with folder.open(name) as journal:
                        return await self.transcribe(items, journal, folder.results)
            except JournalOpen:
                await asyncio.sleep(_BUSY)
            except (ASRWireError, OSError) as error:
                return self._not_begun(items, error)

    def _not_begun(self, items: list[Item], error: ASRWireError | OSError) -> None:
        told = _decode.shown(str(error))
        for item in items:
            self.rows[item.key] = _Row("pending", error_code=type(error).__name__, error_message=told)

    async def transcribe(self, items: list[Item], journal: Journal, results: Path | None) -> None:
        """Fill `rows`."""
        if not items:
            return
        keep = None if results is None else Folder(results)
        found: dict[str, _Said] = {}  # not the results, which have the JSON too

        def write(file: File, result: FileResult) -> None:
            if keep is not None:
                keep.write(file, result)
            found[file.key] = _said(result)

        broken: ASRWireError | OSError | None = None
        run = begun(items, journal, self._calls, write, self._limiter, **self._asked)
        try:
            await run.run()
        except (ASRWireError, OSError) as error:
            broken = error
        wanted = {item.key for item in items}
        for told in journal.told(*STATES):
            if told.key in wanted:  # results of earlier runs may be many, and large
                self.rows[told.key] = await asyncio.to_thread(_row, told, found.get(told.key), results, broken)


def _row(told: Told, said: _Said | None, results: Path | None, broken: ASRWireError | OSError | None) -> _Row:
    code, message = told.code, told.message
    if told.state == "done" and said is None:  # in an earlier run
        assert results is not None
        try:
            said = _said(read_result((results / told.name).read_bytes()))
        except (OSError, ASRWireError) as error:
            code, message = type(error).__name__, f"its result cannot be read: {error}"
    elif told.state == "uncertain" and code is None and message is None:
        message = "its submission was not answered, and the account's tasks do not show whether it was taken"
    elif told.state not in ("done", "failed", "expired") and message is None and broken is not None:
        code, message = getattr(broken, "code", None) or type(broken).__name__, str(broken)
    return _Row(
        "uncertain" if told.state == "submitting" else told.state, said, told.seconds, told.task_id, code,
        None if message is None else _decode.shown(message),
    )  # fmt: skip


def _said(result: FileResult) -> _Said:
    languages = [transcript.language for transcript in result.transcripts]
    languages += [sentence.language for transcript in result.transcripts for sentence in transcript.sentences[:1]]
    return _Said(
        _text("\n".join(transcript.text for transcript in result.transcripts)),
        next((language for language in languages if language), None), result.duration, _words(arrow.of_file(result)),
    )  # fmt: skip


def _text(text: str) -> str:
    # Arrow has no place for lone surrogates.
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _words(table: pa.Table) -> pa.StructArray:
    columns = [table.column(field.name).cast(field.type).combine_chunks() for field in _WORD]
    return pa.StructArray.from_arrays(columns, fields=[*_WORD])


def _lists(words: Sequence[pa.StructArray | None]) -> pa.ChunkedArray:
    """A list for each row. What is in one array is bounded."""
    kind = COLUMNS.field("words").type
    chunks, lists, size = [], list[pa.Array](), 0
    for one in words:
        rows = 0 if one is None else len(one)
        if size + rows > _CHUNK and lists:
            chunks.append(pa.concat_arrays(lists))
            lists, size = [], 0
        if one is None:
            lists.append(pa.nulls(1, kind))
        else:
            lists.append(pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), one, type=kind))
        size += rows
    return pa.chunked_array([*chunks, *([pa.concat_arrays(lists)] if lists else [])], type=kind)
