# The journal: what has become of each file and of each submission, in an SQLite file that outlives the process.
#
# Knows: states and which may follow which, the tables, what must hold of them. Must not know: when something is done
# and why (_machine), services, clocks. Each method that changes anything is one transaction, on the disk when it
# returns.

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import orjson

from .._errors import ConfigError
from ._manifest import Item

STATES: Final = ("pending", "submitting", "submitted", "done", "failed", "uncertain", "expired")
_VERSION: Final = 1
_ID: Final = 0x61737277  # PRAGMA application_id: "asrw"

_TABLES: Final = """
CREATE TABLE submissions (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('submitting', 'uncertain', 'submitted', 'over', 'void')),
    model TEXT NOT NULL,
    begun REAL NOT NULL,
    task_id TEXT UNIQUE,
    seconds REAL,
    CHECK ((task_id IS NOT NULL) = (state IN ('submitted', 'over')))
);
CREATE TABLE service (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    root TEXT NOT NULL
);
CREATE INDEX submissions_open ON submissions (state) WHERE state IN ('submitting', 'uncertain', 'submitted');
CREATE TABLE files (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    sent TEXT,
    id TEXT,
    model TEXT NOT NULL,
    parameters TEXT NOT NULL,
    name TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    state TEXT NOT NULL CHECK
        (state IN ('pending', 'submitting', 'submitted', 'done', 'failed', 'uncertain', 'expired')),
    submission INTEGER REFERENCES submissions,
    code TEXT,
    message TEXT,
    CHECK (submission IS NOT NULL OR state IN ('pending', 'failed')),
    CHECK (sent IS NOT NULL OR state = 'pending')
);
CREATE INDEX files_next ON files (state, wanted, model, parameters, number);
CREATE INDEX files_open ON files (sent) WHERE state IN ('submitting', 'uncertain');
CREATE INDEX files_submission ON files (submission);
"""

_NEXT: Final = """
SELECT number, key, url, name, model, parameters FROM files
WHERE state = 'pending' AND wanted = 1 AND url NOT IN
    (SELECT sent FROM files WHERE state IN ('submitting', 'uncertain'))
ORDER BY model, parameters, number LIMIT ?
"""


class File(NamedTuple):
    """A file of a submission, ``url`` as it was sent."""

    number: int
    key: str
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class Submission:
    """Files that are, or were, sent in one request.

    Attributes:
        number: in the journal.
        urls: of all its files, as they were sent.
        files: those that have not ended.
        begun: when, in seconds since 1970.
        task_id: the task that was made of them, or None: not known.
    """

    number: int
    model: str
    parameters: dict[str, Any]
    urls: tuple[str, ...]
    files: tuple[File, ...]
    begun: float
    task_id: str | None = None


class Told(NamedTuple):
    """What is to be said of a file: ``name`` is its result's, ``seconds`` were billed for all of its task."""

    url: str
    id: str | None
    state: str
    code: str | None
    message: str | None
    task_id: str | None
    key: str
    name: str
    seconds: float | None


class JournalOpen(ConfigError):
    """Another process, or another `Journal` of this one, has the file open."""


class Journal:
    """A context manager. Only one process at a time has it open; a killed one leaves it as it was committed.

    Args:
        path: the file; made where there is none, for its owner only: URLs may hold signatures.
        timeout: seconds for another process to close it; nothing else happens in this thread meanwhile.

    Raises ConfigError: another process has it open, or it is something else.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 1.0) -> None:
        self._path = os.fspath(path)
        with self._explained():
            if self._path != ":memory:":
                with suppress(FileExistsError):
                    os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(self._path, timeout=timeout, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        run = self._db.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        run("BEGIN EXCLUSIVE")
        version, made_by = (run(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
        if not version and not made_by and not run("SELECT 1 FROM sqlite_schema").fetchone():
            for statement in _TABLES.split(";"):
                run(statement)
            run(f"PRAGMA user_version = {_VERSION}")
            run(f"PRAGMA application_id = {_ID}")
        elif (version, made_by) != (_VERSION, _ID):
            raise ConfigError(f"{self._path} is not a journal of this version")
        run("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalOpen(f"another process has the journal {self._path} open") from None
            raise ConfigError(f"the journal {self._path}: {error}") from None
        except sqlite3.Error as error:
            raise ConfigError(f"the journal {self._path}: {error}") from None

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db.execute
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:  # a full disk, for one, has ended it by itself
                    self._db.execute("ROLLBACK")

    def _rows(self, query: str, *arguments: object) -> list[Any]:
        with self._explained():
            return self._db.execute(query, arguments).fetchall()

    # == what changes it ==============================================================================================

    def keep_to(self, root: str) -> None:
        """The service this journal is of: the one asked first, until something was sent there that may have been taken.

        Raises ConfigError: it is of another one, which alone knows its tasks.
        """
        with self._transaction() as run:
            kept = run("SELECT root FROM service").fetchone()
            if kept not in (None, (root,)) and run("SELECT 1 FROM submissions WHERE state != 'void'").fetchone():
                raise ConfigError(
                    f"the journal {self._path} is of {kept[0]}, which alone knows its tasks, not of {root}:"
                    " give the region, workspace or base_url of its first run, or another journal"
                )
            run("INSERT OR REPLACE INTO service VALUES (1, ?)", (root,))

    def want(self, items: Iterable[Item]) -> None:
        """From now on these are to be transcribed; of files that were wanted before, only what is open goes on."""
        with self._transaction() as run:
            run("UPDATE files SET wanted = 0 WHERE wanted = 1")
            self._db.executemany(
                "INSERT INTO files (key, url, id, model, parameters, name, wanted, state)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, 'pending') ON CONFLICT (key)"
                " DO UPDATE SET wanted = 1, url = excluded.url",
                ((item.key, item.url, item.id, item.model, item.parameters, item.name) for item in items),
            )

    def retry(self) -> None:
        """The wanted files that have failed or expired are pending again, but for those of a task that is open."""
        with self._transaction() as run:
            run(
                "UPDATE files SET state = 'pending', submission = NULL, code = NULL, message = NULL"
                " WHERE wanted = 1 AND state IN ('failed', 'expired')"
                " AND submission IN (SELECT number FROM submissions WHERE state IN ('over', 'void'))"
            )

    def begin(self, most: int, now: float) -> Submission | None:
        """The next files to be sent in one request, `most` at most: ``submitting`` when this returns. None: there are
        none (but for files whose URL is in a submission that may or may not have been taken: they wait for it)."""
        with self._transaction() as run:
            rows = run(_NEXT, (most,)).fetchall()
            if not rows:
                return None
            model, parameters = rows[0][4:]
            by_url = {row[2]: File(*row[:4]) for row in reversed(rows) if row[4:] == rows[0][4:]}
            found = tuple(reversed(by_url.values()))
            number = run(
                "INSERT INTO submissions (state, model, begun) VALUES ('submitting', ?, ?)", (model, now)
            ).lastrowid
            assert number is not None
            self._db.executemany(
                "UPDATE files SET state = 'submitting', submission = ?, sent = url, code = NULL, message = NULL"
                " WHERE number = ?",
                ((number, file.number) for file in found),
            )
        return Submission(number, model, orjson.loads(parameters), tuple(file.url for file in found), found, now)

    def move(self, number: int, state: str, task_id: str | None = None) -> None:
        """A submission's reply has come, or not: ``submitted`` (with its task), ``uncertain``, or ``void``: nothing
        was made of it, and its files are pending again."""
        with self._transaction() as run:
            run(
                "UPDATE submissions SET state = ?, task_id = ?"
                " WHERE number = ? AND state IN ('submitting', 'uncertain')",
                (state, task_id, number),
            )
            if state == "void":
                run("UPDATE files SET state = 'pending', submission = NULL WHERE submission = ?", (number,))
            else:
                run("UPDATE files SET state = ? WHERE submission = ?", (state, number))

    def refuse(self, number: int, code: str | None, message: str) -> None:
        """The service did not take a submission, and will not."""
        with self._transaction() as run:
            run("UPDATE submissions SET state = 'void' WHERE number = ?", (number,))
            run(
                "UPDATE files SET state = 'failed', code = ?, message = ? WHERE submission = ?",
                (code, message, number),
            )

    def end(self, file: int, state: str, code: str | None = None, message: str | None = None) -> None:
        """A submitted file is ``done`` (its result is on the disk), ``failed``, ``expired``, or stays ``submitted``."""
        with self._transaction() as run:
            run(
                "UPDATE files SET state = ?, code = ?, message = ? WHERE number = ? AND state = 'submitted'",
                (state, code, message, file),
            )

    def over(self, number: int, seconds: float | None) -> None:
        """Every file of a submission is; ``seconds``: what was billed for it, as far as the service said."""
        with self._transaction() as run:
            run("UPDATE submissions SET state = 'over', seconds = ? WHERE number = ?", (seconds, number))

    # == what it says =================================================================================================

    def submissions(self, state: str) -> list[Submission]:
        """All that are in this state, the oldest first."""
        found = []
        for number, model, begun, task_id in self._rows(
            "SELECT number, model, begun, task_id FROM submissions WHERE state = ? ORDER BY number", state
        ):
            files = self._rows(
                "SELECT number, key, sent, name, parameters, state FROM files WHERE submission = ? ORDER BY number",
                number,
            )
            parameters, urls = orjson.loads(files[0][4]), tuple(row[2] for row in files)
            left = tuple(File(*row[:4]) for row in files if row[5] == state)
            found.append(Submission(number, model, parameters, urls, left, begun, task_id))
        return found

    def knows(self, task_id: str) -> bool:
        """Whether a task is one of this journal's."""
        return bool(self._rows("SELECT 1 FROM submissions WHERE task_id = ?", task_id))

    def tasks(self, model: str, since: float, until: float) -> set[str]:
        """Ids of the newest tasks of a model that were submitted in this time, 100 at most."""
        query = "SELECT task_id FROM submissions WHERE model = ? AND task_id IS NOT NULL AND begun BETWEEN ? AND ?"
        return {task_id for (task_id,) in self._rows(f"{query} ORDER BY number DESC LIMIT 100", model, since, until)}

    def unclear(self) -> set[str]:
        """URLs of submissions that may or may not have been taken."""
        return {url for (url,) in self._rows("SELECT sent FROM files WHERE state IN ('submitting', 'uncertain')")}

    def counts(self) -> Counter[str]:
        """Files by state: those that are wanted, and those that are open besides."""
        rows = self._rows(
            "SELECT state, count(*) FROM files"
            " WHERE wanted = 1 OR state IN ('submitting', 'submitted', 'uncertain') GROUP BY state"
        )
        return Counter(dict(rows))

    def seconds(self) -> float:
        """Seconds billed, as far as the service said."""
        found: float = self._rows("SELECT total(seconds) FROM submissions")[0][0]
        return found

    def told(self, *states: str) -> Iterator[Told]:
        """The files in these states: those that are wanted, and those that are open besides."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(
            "SELECT url, id, files.state, code, message, task_id, key, name, seconds FROM files"
            f" LEFT JOIN submissions ON submissions.number = submission WHERE files.state IN ({marks})"
            " AND (wanted = 1 OR files.state IN ('submitting', 'submitted', 'uncertain')) ORDER BY files.number",
            *states,
        )
        return (Told(*row) for row in rows)

    def check(self) -> None:
        """Raises AssertionError where something does not hold that must."""

        def one(query: str) -> Any:
            return self._db.execute(query).fetchone()[0]

        assert one("PRAGMA integrity_check") == "ok"
        assert self._db.execute("PRAGMA foreign_key_check").fetchall() == []
        joined = "SELECT count(*) FROM files JOIN submissions ON submissions.number = submission WHERE "
        for state in ("submitting", "uncertain"):
            assert one(f"{joined} (files.state = '{state}') != (submissions.state = '{state}')") == 0
        assert one(f"{joined} files.state = 'submitted' AND submissions.state != 'submitted'") == 0
        assert one(f"{joined} files.state IN ('done', 'expired') AND task_id IS NULL") == 0
        assert one(f"{joined} submissions.state = 'void' AND files.state != 'failed'") == 0
