"""Group commit: transactions of several threads that share one commit.

A sync takes milliseconds, so a commit for each of many small changes is slow. Threads
run their transactions one after the other, each in a savepoint of one transaction of
SQLite; the last one that was waiting for its turn commits for all. A lone thread
commits at once: nobody waits for others to arrive.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Lock, RLock
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
    """Statements that are committed together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.committed: list[Callable[[], None]] = []

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(sql, values)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` in this thread after the commit.

        Other threads may be in their transactions by then.
        """
        self.committed.append(callback)


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """Transactions that are committed together.

    Attributes:
        changes_before: `total_changes` of the connection when it began.
        began: when it began, seconds of the monotonic clock.
        members: transactions in it that have not failed.
        has_ended: whether it was committed, or refused.
        error: why it was refused.
    """

    changes_before: int
    began: float = field(default_factory=time.monotonic)
    members: int = 0
    has_ended: bool = False
    error: GleannError | None = None

    @property
    def is_full(self) -> bool:
        """Whether to commit it even if others wait to join."""
        return (
            self.members >= MOST_MEMBERS
            or time.monotonic() - self.began >= MOST_SECONDS
        )

    def require_committed(self) -> None:
        """Raise the error that refused the commit; each thread its own."""
        if self.error is not None:
            raise type(self.error)(*self.error.args) from self.error


class GroupEnds:
    """Wakes the threads whose transactions wait for the commit of their group."""

    def __init__(self) -> None:
        self._ended = Condition(Lock())

    def end(self, group: Group, error: GleannError | None) -> None:
        """Record how a group ended."""
        with self._ended:
            group.error = error
            group.has_ended = True
            self._ended.notify_all()

    def wait(self, group: Group) -> bool:
        """Wait for the end of a group, at most `PATIENCE`; return whether it ended."""
        if group.has_ended:
            return True
        with self._ended:
            return self._ended.wait_for(lambda: group.has_ended, PATIENCE)


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
