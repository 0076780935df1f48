# A folder of journals: for batches that come in pieces, to several processes, in another order each time.
#
# Knows: which file is in which journal. Must not know: what a journal says of it, when something is done.

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import orjson

from .._errors import ConfigError
from ._journal import Journal
from ._manifest import Item

_LOCKED: Final = 60.0  # seconds to wait for another process's transaction


class JournalFolder:
    """Every file is in the journal of the piece that had it first, whichever piece has it later.

    So is what has its URL and model and asks for something else: the account's tasks do not tell the two apart, only a
    journal that has both does.

    Args:
        path: made where there is none, for its owner only. All processes of all machines see the same one: on a
            network drive its locks must work.

    Attributes:
        results: the folder for result files.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.results = self._path / "results"

    def shared(self, items: Iterable[Item]) -> dict[str, list[Item]]:
        """Items by the name of their journal; those that are in none go into a new one. On the disk when this returns.

        Raises ConfigError: something else is there, or it cannot be written.
        """
        by_key = {item.key: item for item in items}
        new = secrets.token_hex(8)
        found: dict[str, list[Item]] = {}
        index = self._path / "index.db"
        try:
            # Not WAL, which needs memory that the processes share.
            with closing(sqlite3.connect(index, timeout=_LOCKED, isolation_level=None)) as file:
                file.execute("PRAGMA synchronous = FULL")
                file.execute("BEGIN IMMEDIATE")
                file.execute("CREATE TABLE IF NOT EXISTS asrwire_files (key TEXT PRIMARY KEY, journal TEXT NOT NULL)")
                for key, item in by_key.items():
                    keys = key, hashlib.sha256(orjson.dumps([item.url, item.model])).hexdigest()
                    query = "SELECT journal FROM asrwire_files WHERE key IN (?, ?) ORDER BY key != ?"
                    (name,) = file.execute(query, (*keys, key)).fetchone() or (new,)
                    for one in keys:
                        file.execute("INSERT OR IGNORE INTO asrwire_files VALUES (?, ?)", (one, name))
                    found.setdefault(name, []).append(item)
                file.execute("COMMIT")
        except sqlite3.Error as error:
            raise ConfigError(f"the journals' index {index}: {error}") from None
        return found

    def open(self, name: str) -> Journal:
        """A journal by its name. Raises ConfigError; `JournalOpen` at once, for the thread has other batches too."""
        return Journal(self._path / f"{name}.db", timeout=0)
