"""SQLite store of acknowledged state: one connection, one writer, durable commits."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from threading import Lock, RLock, Thread, get_ident

from gleann.index.errors import (
    CorruptDataError,
    GleannError,
    InvalidInputError,
    NotReadyError,
    ServiceError,
    StorageError,
)
from gleann.index.storage.manifest import MANIFEST as INDEX_MANIFEST
from gleann.service.calls.context import current_call
from gleann.service.state.commits.acknowledged import Acknowledged
from gleann.service.state.commits.commit import commit
from gleann.service.state.commits.group import (
    Group,
    Pending,
    Transaction,
    Turns,
    nothing_pending,
)
from gleann.service.state.commits.showing import Showing
from gleann.service.state.damage.checksums import CHECKED, damaged_rows
from gleann.service.state.database import (
    NAME,
    commits,
    disk_errors,
    open_database,
    open_read_only,
    shrink,
)
from gleann.service.state.disk import Disk
from gleann.service.state.permissions import PRIVATE, keep_private

PAGES_A_STEP = 256
"""Pages given back while nobody else can write; 1 MiB, a millisecond or two."""

SHRINKING_SECONDS = 60.0
"""Longest that the files are shrunk at once; the next time goes on."""

CLOSING_SECONDS = 5.0
"""Longest that closing waits for the files to be shrunk; the next start goes on."""

_log = logging.getLogger(__name__)

Committed = Callable[[int, float], None]
"""Called with the number of transactions in a commit, and its seconds."""


def _count_nothing(_members: int, _seconds: float) -> None:
    """The default of `Committed`."""


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

    Any number of threads may use it. Transactions run one after the other; those that
    wait for their turn at the same time are committed together. Reads outside of a
    transaction see what is committed; they wait for no writer, but for the end of a
    commit that is under way.
    """

    def __init__(
        self,
        directory: Path,
        *,
        min_free_bytes: int = 0,
        committed: Committed = _count_nothing,
    ) -> None:
        """Open the database in `directory`; both are created if missing.

        Args:
            directory: the data directory.
            min_free_bytes: free bytes below which changes are refused, see `Disk`.
            committed: called with the transactions and the seconds of each commit.

        Raises:
            NotReadyError: another process has the directory open.
            StorageError: the directory cannot be created or written.
            InvalidInputError: it is a file, or a saved index.
            CorruptDataError: as `open_database`.
        """
        self._lock, self._reading, self._showing = RLock(), Lock(), Showing()
        self._turns = Turns(self._lock)
        self._group: Group | None = None
        self._open: Transaction | None = None
        self._owner: int | None = None
        self._pending: Pending = nothing_pending
        self._shrinking: Thread | None = None
        self._close_before = inf
        self._committed = committed
        self.file = directory / NAME
        self.disk = Disk(directory, min_free_bytes=min_free_bytes)
        with disk_errors(self.file):
            _refuse_file(directory)
            refuse_index(directory)
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir(mode=PRIVATE, exist_ok=True)
            self._directory_lock: int | None = lock_directory(directory)
        try:
            self._connection = open_database(directory)
            with disk_errors(self.file):
                self._reader = open_read_only(self.file)
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

    def follow(self, pending: Pending) -> None:
        """Register the state in memory that follows the transactions.

        It is published when they are committed, before they are acknowledged, and
        otherwise goes back.
        """
        self._pending = pending

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit on leaving, or roll back on an exception; inside one, join it.

        Transactions of other threads that wait for their turn share the commit. An
        exception in one of them rolls back that one only.

        Raises:
            StorageError: a disk error; nothing was changed.
            DeadlineError, CancelledError: nobody waits for the call any more when its
                turn comes; nothing was changed.
            OutcomeUnknownError: the commit failed; no change is visible, but it may
                reappear after a crash before the next commit.
        """
        if self._is_inside():
            assert self._open is not None
            yield self._open
            return
        with self._disk_errors():
            with self._turns.next():
                current_call().require_awaited()
                group = self._group or self._begin()
                try:
                    with self._member(group) as transaction:
                        yield transaction
                finally:
                    if self._group is group and self._is_due(group):
                        self._end(group)
            if not group.wait():
                with self._lock:
                    if self._group is group:
                        self._end(group)
            group.require_committed()
        for callback in transaction.committed:
            callback()

    @contextmanager
    def long_transaction(self) -> Iterator[Transaction]:
        """As `transaction`, for much work: no other one waits to share its commit."""
        if self._is_inside():
            assert self._open is not None
            yield self._open
            return
        with self._disk_errors():
            with self._lock:
                current_call().require_awaited()
                if self._group is not None:
                    self._end(self._group)
                group = self._begin()
                try:
                    with self._member(group) as transaction:
                        yield transaction
                finally:
                    if self._group is group:
                        self._end(group)
            group.require_committed()
        for callback in transaction.committed:
            callback()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """As `disk_errors`; the disk is looked at where it was full."""
        try:
            with disk_errors(self.file):
                yield
        except GleannError as error:
            self.disk.note(error)
            raise

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with disk_errors(self.file):
            if self._is_inside():
                return self._connection.execute(sql, values).fetchall()
            with self._reading:
                found = self._reader.execute(sql, values).fetchall()
            self._showing.wait()
            return found

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def give_back_space(self, *, seconds: float = SHRINKING_SECONDS) -> None:
        """Shrink the files by the space of deleted rows, for at most `seconds`.

        Other threads may write between the steps.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < min(deadline, self._close_before):
            with self._lock, disk_errors(self.file):
                if self._group is None:
                    if not self._free_pages():
                        break
                    shrink(self._connection, pages=PAGES_A_STEP)
            # Without a pause the same thread would get the lock again.
            time.sleep(0.001)
        with self._lock, disk_errors(self.file):
            if self._group is None:
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
        self._close_before = time.monotonic() + CLOSING_SECONDS
        if self._shrinking is not None:
            self._shrinking.join()
        with self._lock, self._reading:
            if self._group is not None:
                self._end(self._group)
            self._reader.close()
            self._connection.close()
            # A closed file descriptor may have been reused.
            if self._directory_lock is not None:
                self._acknowledged.close()
                os.close(self._directory_lock)
                self._directory_lock = None

    def _begin(self) -> Group:
        self._connection.execute("BEGIN IMMEDIATE")
        self._group = Group(changes_before=self._connection.total_changes)
        return self._group

    @contextmanager
    def _member(self, group: Group) -> Iterator[Transaction]:
        """A transaction of the thread that has the lock, as a member of a group."""
        transaction = self._open = Transaction(self._connection)
        self._owner = get_ident()
        mark = self._pending.mark()
        try:
            yield transaction
            transaction.keep()
            group.members += 1
        except BaseException:
            self._undo(group, transaction, mark)
            raise
        finally:
            self._open = self._owner = None

    def _is_inside(self) -> bool:
        """Whether this thread has a transaction open."""
        return self._open is not None and self._owner == get_ident()

    def _undo(self, group: Group, transaction: Transaction, mark: int) -> None:
        """Roll back the transaction that failed, and not the others of its group."""
        if self._connection.in_transaction:
            self._pending.rewind(mark)
            transaction.undo()
            return
        # Some disk errors make SQLite roll back all of it.
        self._group = None
        self._pending.rewind(0)
        group.end(StorageError(f"{self.file}: the disk failed"))

    def _is_due(self, group: Group) -> bool:
        """Whether to commit now: nobody waits to join, or the group is large or old."""
        return not self._turns.waiting or group.is_full

    def _end(self, group: Group) -> None:
        """Commit a group, publish its state, and wake the threads that wait for it."""
        self._group = None
        if not group.members:
            self._connection.execute("ROLLBACK")
            group.end(None)
            return
        with self._showing.commit():
            self._commit_and_show(group)

    def _commit_and_show(self, group: Group) -> None:
        error: GleannError | None = ServiceError("the commit was interrupted")
        try:
            with disk_errors(self.file):
                self._require_open()
                began = time.monotonic()
                self._pending.settle(Transaction(self._connection))
                total = self._connection.total_changes
                self._commit(changed=total != group.changes_before)
                self._committed(group.members, time.monotonic() - began)
            error = None
        except GleannError as refusal:
            error = refusal
        except Exception as bug:  # noqa: BLE001  the edge: all of the group are told
            _log.exception("a change was not committed")
            error = _refusal_of(bug)
        finally:
            self._show(group, error)

    def _require_open(self) -> None:
        """Refuse to commit a group of which SQLite has rolled back the transaction."""
        if not self._connection.in_transaction:
            raise StorageError(f"{self.file}: the disk failed")

    def _show(self, group: Group, error: GleannError | None) -> None:
        """Publish the state of a committed group, or go back; wake its threads."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        finally:
            try:
                if error is None:
                    self._pending.publish()
                else:
                    self._pending.rewind(0)
            finally:
                group.end(error)

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


def _refusal_of(error: Exception) -> GleannError:
    if isinstance(error, MemoryError):
        return NotReadyError("there is not enough memory for a change: it is not made")
    return ServiceError(f"a change is not made: {type(error).__name__}: {error}")


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
