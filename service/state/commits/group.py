"""Group commit: transactions of several threads that share one commit.

A sync takes milliseconds, so a commit for each of many small changes is slow. Threads
run their transactions one after the other, each in a savepoint of one transaction of
SQLite; the last one that was waiting for its turn commits for all. A lone thread
commits at once: nobody waits for others to arrive.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, RLock
from typing import Protocol

from gleann.index.errors import GleannError

MOST_MEMBERS = 256
MOST_SECONDS = 0.02
"""Age of a group that takes no more members: about as long as a slow sync."""

PATIENCE = 0.2
"""Seconds after which a thread commits itself, if the last one in turn has not."""


class Pending(Protocol):
    """State in memory that follows the transactions; used by the writer in turn."""

    def mark(self) -> int:
        """The place that `rewind` goes back to; 0 is the committed state."""
        ...

    def rewind(self, mark: int) -> None:
        """Undo what was done since `mark`."""
        ...

    def settle(self, transaction: "Transaction") -> None:
        """Make the statements that all transactions of a group need once."""
        ...

    def publish(self) -> None:
        """Show everybody the state, which is committed now."""
        ...


class _Nothing:
    """No state in memory follows the transactions."""

    def mark(self) -> int:
        return 0

    def rewind(self, mark: int) -> None:
        pass

    def settle(self, transaction: "Transaction") -> None:
        pass

    def publish(self) -> None:
        pass


nothing_pending = _Nothing()


class Transaction:
    """Statements that are kept together or not at all."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._has_savepoint = False
        self.committed: list[Callable[[], None]] = []

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Execute one statement."""
        self._save()
        return self._connection.execute(sql, values)

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        self._save()
        self._connection.executemany(sql, rows)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` in this thread after the commit.

        Other threads may be in their transactions by then.
        """
        self.committed.append(callback)

    def keep(self) -> None:
        """Keep the statements, for the commit of the group."""
        if self._has_savepoint:
            self._connection.execute("RELEASE member")

    def undo(self) -> None:
        """Roll back the statements, and not those before them."""
        if self._has_savepoint:
            self._connection.execute("ROLLBACK TO member")
            self._connection.execute("RELEASE member")

    def _save(self) -> None:
        """Set a savepoint before the first statement; many need none."""
        if not self._has_savepoint:
            self._connection.execute("SAVEPOINT member")
            self._has_savepoint = True


class Group:
    """Transactions that are committed together.

    Attributes:
        changes_before: `total_changes` of the connection when it began.
        members: transactions in it that have not failed.
    """

    def __init__(self, *, changes_before: int) -> None:
        self.changes_before = changes_before
        self.members = 0
        self._began = time.monotonic()
        self._guard = Lock()
        self._waiting: list[Lock] = []
        self._has_ended = False
        self._error: GleannError | None = None

    @property
    def is_full(self) -> bool:
        """Whether to commit it even if others wait to join."""
        age = time.monotonic() - self._began
        return self.members >= MOST_MEMBERS or age >= MOST_SECONDS

    def end(self, error: GleannError | None) -> None:
        """Record why it was not committed, or None, and wake those that wait."""
        with self._guard:
            self._error = error
            self._has_ended = True
        for waiting in self._waiting:
            waiting.release()

    def wait(self) -> bool:
        """Wait for the end, at most `PATIENCE`; return whether it came."""
        mine = Lock()
        mine.acquire()
        with self._guard:
            if self._has_ended:
                return True
            self._waiting.append(mine)
        mine.acquire(timeout=PATIENCE)
        return self._has_ended

    def require_committed(self) -> None:
        """Raise the error that refused the commit; each thread its own."""
        if self._error is not None:
            raise type(self._error)(*self._error.args) from self._error


class Turns:
    """The writers' lock, which knows how many threads wait for it."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._guard = Lock()
        self.waiting = 0

    @contextmanager
    def next(self) -> Iterator[None]:
        """Hold the lock."""
        self._count(1)
        try:
            self._lock.acquire()
        finally:
            self._count(-1)
        try:
            yield
        finally:
            self._lock.release()

    def _count(self, change: int) -> None:
        with self._guard:
            self.waiting += change
