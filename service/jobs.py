"""Long work: a queue on disk and one worker, with progress, cancelling and resuming.

Work runs one piece at a time, in the order it was asked for. A piece that a crash or a
stop cut off runs again from its request at the next start.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from sqlite3 import Row
from threading import Condition, Thread

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from gleann.index import Progress
from gleann.index.errors import (
    CancelledError,
    GleannError,
    NotReadyError,
    ServiceError,
    UnknownJobError,
)
from gleann.service.operation_message import Live, operation_message
from gleann.service.status import status_of
from gleann.service.store import Store

MAX_ATTEMPTS = 3
"""Starts of one piece of work, in case the work is what stops the server."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work as the worker hands it out.

    Attributes:
        operation: its name, "operations/3f2a".
        request: the request that asked for it, serialised.
        progress: to be called as it advances; raises when it must stop.
    """

    operation: str
    request: bytes
    progress: Callable[[Progress], None]


Work = Callable[[Task], Message]


class _StoppingError(Exception):
    """The server is stopping; the work goes on at the next start."""


class Jobs:
    """The operations of one data directory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._works: Mapping[str, Work] = {}
        self._live: dict[str, Live] = {}
        self._queue: list[str] = []
        self._news = Condition()
        self._stopping = False
        self._worker = Thread(target=self._serve, name="gleann-jobs", daemon=True)

    def open(self, works: Mapping[str, Work]) -> None:
        """Start the worker, with what was cut off at the head of its queue.

        Args:
            works: what to do for each kind of operation.
        """
        self._works = works
        stale = f"the server stopped {MAX_ATTEMPTS} times while this ran"
        with self._store.transaction() as transaction:
            transaction.run(
                "UPDATE operations SET state = 'failed', ended = ?, error = ?"
                " WHERE state = 'running' AND attempts >= ?",
                time.time(),
                status_of(ServiceError(stale)).SerializeToString(),
                MAX_ATTEMPTS,
            )
            transaction.run(
                "UPDATE operations SET state = 'queued' WHERE state = 'running'"
            )
        for row in self._store.rows(
            "SELECT name FROM operations WHERE state = 'queued' ORDER BY number"
        ):
            self._enqueue(row["name"])
        self._worker.start()

    def start(
        self, kind: str, *, index: str, request: Message
    ) -> operations_pb2.Operation:
        """Put work on disk and into the queue."""
        name = f"operations/{token_hex(8)}"
        with self._store.transaction() as transaction:
            transaction.run(
                "INSERT INTO operations (name, kind, index_name, request, state,"
                " created) VALUES (?, ?, ?, ?, 'queued', ?)",
                name,
                kind,
                index,
                request.SerializeToString(),
                time.time(),
            )
            transaction.after_commit(lambda: self._enqueue(name))
            return self.get(name)

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation as it is now.

        Raises:
            UnknownJobError: there is none of that name.
        """
        return self._message(self._row(name))

    def list(
        self, *, after: int, limit: int
    ) -> list[tuple[int, operations_pb2.Operation]]:
        """Operations numbered above `after`, oldest first, with their numbers."""
        rows = self._store.rows(
            "SELECT * FROM operations WHERE number > ? ORDER BY number LIMIT ?",
            after,
            limit,
        )
        return [(row["number"], self._message(row)) for row in rows]

    def wait(self, name: str, *, seconds: float) -> operations_pb2.Operation:
        """The operation when it has ended, or after `seconds`."""
        deadline = time.monotonic() + seconds
        operation = self.get(name)
        while not operation.done and (left := deadline - time.monotonic()) > 0:
            with self._news:
                if name in self._live:
                    self._news.wait(left)
            operation = self.get(name)
        return operation

    def cancel(self, name: str) -> None:
        """Ask it to stop; nothing happens when it has ended."""
        with self._store.transaction() as transaction:
            self._row(name)
            ended = transaction.run(
                "UPDATE operations SET state = 'cancelled', ended = ?, error = ?"
                " WHERE name = ? AND state = 'queued'",
                time.time(),
                status_of(_cancelled(name)).SerializeToString(),
                name,
            ).rowcount
            if ended:
                transaction.after_commit(lambda: self._forget(name))
        if (live := self._live.get(name)) is not None:
            live.cancelled = True

    def delete(self, name: str) -> None:
        """Forget an operation that has ended.

        Raises:
            NotReadyError: it has not.
        """
        with self._store.transaction() as transaction:
            if not self.get(name).done:
                raise NotReadyError(f"{name} is not done: cancel it first")
            transaction.run("DELETE FROM operations WHERE name = ?", name)

    def close(self, *, seconds: float) -> None:
        """Stop the worker, waiting for it at most `seconds`."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._worker.join(seconds)

    def _row(self, name: str) -> Row:
        row = self._store.row("SELECT * FROM operations WHERE name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no operation {name[:80]!r}")
        return row

    def _enqueue(self, name: str) -> None:
        with self._news:
            self._live[name] = Live()
            self._queue.append(name)
            self._news.notify_all()

    def _forget(self, name: str) -> None:
        with self._news:
            self._live.pop(name, None)
            self._news.notify_all()

    def _serve(self) -> None:
        while (name := self._next()) is not None:
            try:
                self._run(name)
            except GleannError:
                # The outcome could not be written: it runs again at the next start.
                _log.exception("%s: the store refused", name)
            self._forget(name)

    def _next(self) -> str | None:
        with self._news:
            while not self._queue and not self._stopping:
                self._news.wait()
            return None if self._stopping else self._queue.pop(0)

    def _run(self, name: str) -> None:
        if not self._begin(name):
            return
        row = self._row(name)
        task = Task(
            operation=name,
            request=row["request"],
            progress=lambda news: self._advance(name, news),
        )
        try:
            response = AnyMessage()
            response.Pack(self._works[row["kind"]](task))
        except _StoppingError:
            self._set(name, "state = 'queued', started = ?, attempts = attempts - 1")
        except CancelledError:
            self._fail(name, "cancelled", _cancelled(name))
        except GleannError as error:
            self._fail(name, "failed", error)
        except Exception:  # noqa: BLE001  the edge: a bug ends one operation, not all
            _log.exception("%s failed inside", name)
            self._fail(name, "failed", ServiceError("internal error"))
        else:
            self._set(
                name,
                "state = 'done', ended = ?, response = ?",
                response.SerializeToString(),
            )

    def _begin(self, name: str) -> bool:
        """Mark it as running, unless it was cancelled in the queue."""
        with self._store.transaction() as transaction:
            begun = transaction.run(
                "UPDATE operations SET state = 'running', started = ?,"
                " attempts = attempts + 1 WHERE name = ? AND state = 'queued'",
                time.time(),
                name,
            )
            return begun.rowcount == 1

    def _advance(self, name: str, news: Progress) -> None:
        live = self._live[name]
        if self._stopping:
            raise _StoppingError
        if live.cancelled:
            raise CancelledError(f"{name} was cancelled")
        live.take(news)

    def _fail(self, name: str, state: str, error: GleannError) -> None:
        status = status_of(error).SerializeToString()
        self._set(name, f"state = '{state}', ended = ?, error = ?", status)

    def _set(self, name: str, assignments: str, *values: bytes) -> None:
        with self._store.transaction() as transaction:
            transaction.run(
                f"UPDATE operations SET {assignments} WHERE name = ?",
                time.time(),
                *values,
                name,
            )

    def _message(self, row: Row) -> operations_pb2.Operation:
        return operation_message(row, self._live.get(row["name"], Live()))


def _cancelled(name: str) -> CancelledError:
    return CancelledError(f"{name} was cancelled")
