"""SQLite store of acknowledged state: one connection, one writer, durable commits."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock, Thread

from gleann.index.errors import (
    CorruptDataError,
    GleannError,
    InvalidInputError,
    NotReadyError,
    StorageError,
)
from gleann.index.storage.manifest import MANIFEST as INDEX_MANIFEST
from gleann.service.state.acknowledged import Acknowledged
from gleann.service.state.checksums import CHECKED, damaged_rows
from gleann.service.state.commit import commit
from gleann.service.state.database import (
    NAME,
    commits,
    disk_errors,
    open_database,
    shrink,
)
from gleann.service.state.permissions import PRIVATE, keep_private

PAGES_A_STEP = 256
"""Pages given back while nobody else can write; 1 MiB, a millisecond or two."""

SHRINKING_SECONDS = 60.0
"""Longest that the files are shrunk at once; the next time goes on."""

_log = logging.getLogger(__name__)


class Transaction:
    """Statements that are committed together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.committed: list[Callable[[], None]] = []

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(sql, values)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after the commit, before the next transaction begins."""
        self.committed.append(callback)


def refuse_index(directory: Path) -> None:
    """Refuse a saved index, into which a database would be written.

    Raises:
        InvalidInputError: naming the directory.
    """
    if (directory / INDEX_MANIFEST).exists() and not (directory / NAME).exists():
        raise InvalidInputError(
            f"{directory} is a saved index, not a data directory: `gleann search` reads"
            " it; a server imports vectors into a directory of its own"
        )


def _refuse_file(directory: Path) -> None:
    for path in (directory, *directory.parents):
        if path.exists():
            if not path.is_dir():
                raise StorageError(
                    f"the data directory cannot be {directory}: {path} is a file"
                )
            return


class Store:
    """The database of one data directory, which is locked while open.

    Any number of threads may use it; transactions run one after the other.
    """

    def __init__(self, directory: Path) -> None:
        """Open the database in `directory`; both are created if missing.

        Raises:
            NotReadyError: another process has the directory open.
            StorageError: the directory cannot be created or written.
            InvalidInputError: it is a file, or a saved index.
            CorruptDataError: as `open_database`.
        """
        self._lock = RLock()
        self._open: Transaction | None = None
        self._shrinking: Thread | None = None
        self._closing = False
        self.file = directory / NAME
        with disk_errors(self.file):
            _refuse_file(directory)
            refuse_index(directory)
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir(mode=PRIVATE, exist_ok=True)
            self._directory_lock: int | None = lock_directory(directory)
        try:
            self._connection = open_database(directory)
            with disk_errors(self.file):
                self._commits = commits(self._connection)
                self._damaged = {
                    table: damaged_rows(self._connection, table) for table in CHECKED
                }
                self._acknowledged = Acknowledged(directory)
                self._acknowledged.write(self._commits)
                keep_private(directory)
        except BaseException:
            os.close(self._directory_lock)
            raise

    def require_whole(self, table: str, key: int | str) -> None:
        """Refuse a row that did not match its checksum when the database was opened.

        Raises:
            CorruptDataError: checksum mismatch.
        """
        if key in self._damaged[table]:
            raise self.mismatch(table, key)

    def mismatch(self, table: str, key: int | str) -> CorruptDataError:
        """The error for a row that does not match its checksum."""
        return CorruptDataError(
            f"{self.file}: the row {key!r} of the table {table} does not match its"
            " checksum"
        )

    def mended(self, table: str, key: int | str) -> None:
        """Mark a row as undamaged, after it was rewritten or removed."""
        self._damaged[table].discard(key)

    def damaged(self, table: str) -> set[int | str]:
        """Keys of the rows of a table that did not match their checksum."""
        return set(self._damaged[table])

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on leaving, or roll back on an exception; inside one, join it.

        Raises:
            StorageError: a disk error; nothing was changed.
            OutcomeUnknownError: the commit failed; no change is visible, but it may
                reappear after a crash before the next commit.
        """
        with self._lock, disk_errors(self.file):
            if self._open is not None:
                yield self._open
                return
            transaction = self._open = Transaction(self._connection)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                before = self._connection.total_changes
                yield transaction
                self._commit(changed=self._connection.total_changes != before)
            finally:
                self._open = None
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            for callback in transaction.committed:
                callback()

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock, disk_errors(self.file):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._lock, disk_errors(self.file):
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def give_back_space(self, *, seconds: float = SHRINKING_SECONDS) -> None:
        """Shrink the files by the space of deleted rows, for at most `seconds`.

        Other threads may write between the steps.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._closing:
            with self._lock, disk_errors(self.file):
                if self._open is not None or not self._free_pages():
                    break
                shrink(self._connection, pages=PAGES_A_STEP)
            # Without a pause the same thread would get the lock again.
            time.sleep(0.001)
        with self._lock, disk_errors(self.file):
            if self._open is None and not self._closing:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def give_back_space_soon(self) -> None:
        """Shrink the files in the background, without a wait for the caller."""
        if self._shrinking is None or not self._shrinking.is_alive():
            self._shrinking = Thread(
                target=self._shrink, name="gleann-space", daemon=True
            )
            self._shrinking.start()

    def _shrink(self) -> None:
        try:
            self.give_back_space()
        except GleannError as error:
            _log.warning("space was not given back: %s", error)

    def close(self) -> None:
        """Close the database and unlock the directory."""
        self._closing = True
        if self._shrinking is not None:
            self._shrinking.join()
        with self._lock:
            self._connection.close()
            # A closed file descriptor may have been reused.
            if self._directory_lock is not None:
                self._acknowledged.close()
                os.close(self._directory_lock)
                self._directory_lock = None

    def _commit(self, *, changed: bool) -> None:
        count = self._commits + changed
        if changed:
            self._connection.execute("UPDATE commits SET count = ?", (count,))
        commit(self._connection, file=self.file)
        self._commits = count
        if changed:
            self._acknowledged.write(count)

    def _free_pages(self) -> int:
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (mode,) = self._connection.execute("PRAGMA auto_vacuum").fetchone()
        return int(free) if mode else 0


def lock_directory(directory: Path) -> int:
    """Lock the directory; the kernel unlocks it when the process ends."""
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
