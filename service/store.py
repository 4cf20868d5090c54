"""SQLite: what is acknowledged. One connection, one writer, every commit on disk."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from gleann.index.errors import (
    CorruptDataError,
    NotReadyError,
    ServiceError,
    StorageError,
)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- names its directory, never used again
    name TEXT NOT NULL UNIQUE,
    dim INTEGER NOT NULL,
    metric TEXT NOT NULL,
    id_type TEXT,
    sequence INTEGER NOT NULL DEFAULT 0,       -- of the last acknowledged change
    version INTEGER NOT NULL DEFAULT 0,        -- of the sealed version, 0 for none
    sealed_sequence INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    built REAL
);
CREATE TABLE changes (                         -- newer than the sealed version
    number INTEGER PRIMARY KEY,
    index_number INTEGER NOT NULL REFERENCES indexes (number) ON DELETE CASCADE,
    sequence INTEGER,                          -- NULL while an import is under way
    operation TEXT,                            -- the import that brought it
    ids BLOB NOT NULL,                         -- a serialised gleann.v1.Ids
    vectors BLOB                               -- float32 rows; NULL for a deletion
);
CREATE INDEX changes_by_sequence ON changes (index_number, sequence);
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    index_name TEXT NOT NULL,
    request BLOB NOT NULL,                     -- serialised, to run it again
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    error BLOB,                                -- a serialised google.rpc.Status
    response BLOB                              -- a serialised google.protobuf.Any
);
CREATE TABLE selections (
    name TEXT PRIMARY KEY,
    description BLOB NOT NULL,                 -- a serialised gleann.v1.Selection
    items BLOB NOT NULL                        -- a serialised gleann.v1.SelectedItems
);
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    index_number INTEGER NOT NULL REFERENCES indexes (number),
    version INTEGER NOT NULL,
    labelled INTEGER NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    state TEXT NOT NULL,                       -- JSON
    proxy BLOB                                 -- float64, estimates only
);
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    response BLOB NOT NULL,
    created REAL NOT NULL
);
"""


class Transaction:
    """Statements that are committed together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.committed: list[Callable[[], None]] = []
        self.rolled_back: list[Callable[[], None]] = []

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(sql, values)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it is on disk, before the next transaction begins."""
        self.committed.append(callback)

    def after_rollback(self, callback: Callable[[], None]) -> None:
        """Call `callback` if the transaction comes to nothing."""
        self.rolled_back.append(callback)


class Store:
    """The database of one data directory, which it keeps locked.

    Any number of threads may use it; transactions run one after the other.
    """

    def __init__(self, directory: Path) -> None:
        """Open the database in `directory`; both are made when missing.

        Raises:
            NotReadyError: another process has the directory open.
            StorageError: the directory cannot be made or written.
            CorruptDataError: the database cannot be read, or is from another version.
        """
        self._lock = RLock()
        self._open: Transaction | None = None
        with _disk_errors():
            directory.mkdir(parents=True, exist_ok=True)
            self._directory_lock: int | None = _lock_directory(directory)
            self._connection = sqlite3.connect(
                directory / "gleann.sqlite3",
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.row_factory = sqlite3.Row
            self._prepare()

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction() as transaction:
            (version,) = transaction.run("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    transaction.run(statement)
                transaction.run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise CorruptDataError(
                    f"the database has version {version}, this gleann reads"
                    f" version {SCHEMA_VERSION}"
                )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on leaving, or roll back on an exception; inside one, join it.

        Raises:
            StorageError: the disk refused; nothing was changed.
        """
        with self._lock, _disk_errors():
            if self._open is not None:
                yield self._open
                return
            transaction = self._open = Transaction(self._connection)
            callbacks = transaction.rolled_back
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield transaction
                self._connection.execute("COMMIT")
                callbacks = transaction.committed
            finally:
                self._open = None
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                for callback in callbacks:
                    callback()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock, _disk_errors():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._lock, _disk_errors():
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def close(self) -> None:
        """Close the database and let others open the directory."""
        with self._lock:
            self._connection.close()
            # A number that was closed may be another file's by now.
            if self._directory_lock is not None:
                os.close(self._directory_lock)
                self._directory_lock = None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Raise what SQLite and the operating system say as exceptions of ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(f"the database refused: {error}") from error
    except sqlite3.ProgrammingError as error:
        raise ServiceError("the data directory was closed") from error
    except sqlite3.DatabaseError as error:
        raise CorruptDataError(f"the database cannot be used: {error}") from error
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}") from error


def _lock_directory(directory: Path) -> int:
    """Take the directory for this process; the kernel lets go when the process ends."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 32, 0).decode(errors="replace")
        os.close(lock)
        raise NotReadyError(
            f"{directory} is in use by process {owner or 'unknown'}"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock
