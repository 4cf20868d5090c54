"""Long-running operations: stored on disk, run by three workers, cancelled, resumed.

One worker takes any work; one takes short work only, so that short work never waits for
long work of other indexes; and one takes work of the background. Work interrupted by a
crash or a stop is rerun from its request at the next start.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from secrets import token_hex
from sqlite3 import Row
from threading import Condition, Thread
from typing import TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import DecodeError, Message

from gleann.index import Progress
from gleann.index.errors import (
    CancelledError,
    GleannError,
    LimitError,
    NotReadyError,
    ServiceError,
    UnknownJobError,
)
from gleann.service.jobs.operation_message import Live, operation_message
from gleann.service.jobs.queue import Demand, Entry, JobQueue
from gleann.service.jobs.run import Outcome, Run, packed
from gleann.service.jobs.task import EarlyEndError, Task
from gleann.service.state.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.store import Store
from gleann.service.status import status_of

MAX_ATTEMPTS = 3
"""Starts of one piece of work, in case the work is what stops the server."""

NO_MEMORY = "the server has not enough memory for this work"

MOST_WAYS_GIVEN = 3
"""Times that one piece of background work gives way; then others wait for it."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 10.0
"""Seconds between two tries of a write that the store refuses."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


Work = Callable[[Task], Message]
Take = Callable[[], list[Entry]]
"""Takes the requests of the next run from the queue; none if there is nothing to do."""
Demands = Mapping[str, Callable[[bytes], Demand]]
"""What is known of a serialised request before it runs, by kind of operation."""


class _StoppingError(EarlyEndError):
    """The server is stopping; the work resumes at the next start."""


class _GivingWayError(EarlyEndError):
    """Background work gives way to a request; it is queued again."""


class Jobs:
    """The operations of one data directory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._works: Mapping[str, Work] = {}
        self._demands: Demands = {}
        self._queue = JobQueue()
        self._runs: dict[str, Run] = {}
        self._news = Condition()
        self._stopping = False
        self._ways_given: Counter[str] = Counter()
        queue = self._queue
        takes = {
            "gleann-jobs": lambda: queue.take(short=False),
            "gleann-short-jobs": lambda: queue.take(short=True),
            "gleann-background-jobs": queue.take_background,
        }
        self._workers = [
            Thread(target=self._serve, args=(take,), name=name, daemon=True)
            for name, take in takes.items()
        ]

    def open(self, works: Mapping[str, Work], demands: Demands | None = None) -> None:
        """Start the workers, with interrupted work at the head of the queue.

        Args:
            works: the function for each kind of operation.
            demands: estimators of demand; None treats all work as long.
        """
        self._works = works
        self._demands = demands or {}
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
            if changes.drop_given_up(transaction):
                transaction.after_commit(self._store.give_back_space_soon)
        for row in self._store.rows(
            "SELECT * FROM operations WHERE state = 'queued' ORDER BY number"
        ):
            self._enqueue(self._entry(row))
        for worker in self._workers:
            worker.start()

    def start(
        self, kind: str, *, index: str, request: Message
    ) -> operations_pb2.Operation:
        """Store work on disk and enqueue it."""
        return self.asked(kind, index=index, request=request)()

    def asked(
        self, kind: str, *, index: str, request: Message
    ) -> Callable[[], operations_pb2.Operation]:
        """The function that stores work on disk and enqueues it; it is quick."""
        name = f"operations/{token_hex(8)}"
        packed = request.SerializeToString()
        demand = self._demand(kind, packed)
        entry = Entry(name=name, index=index, demand=demand, kind=kind)

        def start() -> operations_pb2.Operation:
            self._store.disk.require_room()
            with self._store.transaction() as transaction:
                transaction.run(
                    "INSERT INTO operations (name, kind, index_name, request, state,"
                    " created) VALUES (?, ?, ?, ?, 'queued', ?)",
                    name,
                    kind,
                    index,
                    packed,
                    time.time(),
                )
                transaction.after_commit(lambda: self._enqueue(entry))
                return self.get(name)

        return start

    def answered(
        self, kind: str, *, index: str, request: Message, response: Message
    ) -> operations_pb2.Operation:
        """An operation that is done from the start, since no work is needed."""
        name = f"operations/{token_hex(8)}"
        now = time.time()
        with self._store.transaction() as transaction:
            transaction.run(
                "INSERT INTO operations (name, kind, index_name, request, state,"
                " created, started, ended, response)"
                " VALUES (?, ?, ?, ?, 'done', ?, ?, ?, ?)",
                name,
                kind,
                index,
                request.SerializeToString(),
                now,
                now,
                now,
                packed(response),
            )
            return self.get(name)

    def is_settled(self, index: str) -> bool:
        """Whether no work that changes an index is running or queued."""
        with self._news:
            return self._queue.is_settled(index)

    def under_way(self, kind: str, *, index: str | None = None) -> str | None:
        """An operation of this kind that is running or queued, of one index or any."""
        with self._news:
            for name, run in self._runs.items():
                if run.kind == kind and index in (None, run.index):
                    return name
        return None

    def get(self, name: str) -> operations_pb2.Operation:
        """The current state of the operation.

        Raises:
            UnknownJobError: no operation has this name.
        """
        return self._message(self._row(name))

    def list(
        self, *, after: int, limit: int
    ) -> list[tuple[int, operations_pb2.Operation]]:
        """Operations with numbers above `after`, oldest first, and their numbers."""
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
                # An operation outside this process's queue sends no notification.
                self._news.wait(left if name in self._runs else min(left, FIRST_PAUSE))
            operation = self.get(name)
        return operation

    def cancel(self, name: str) -> None:
        """Request a stop; no effect on an ended operation.

        Work shared with other operations continues for those.
        """
        with self._store.transaction() as transaction:
            state = self._row(name)["state"]
            run = self._runs.get(name)
            shared = state == "running" and run is not None and len(run.names) > 1
            if state == "queued" or shared:
                self._write_end(transaction, name, Outcome.cancelled(name))
                transaction.after_commit(lambda: self._forget(name))
            elif run is not None:
                run.cancelled = True

    def delete(self, name: str) -> None:
        """Delete an operation that has ended.

        Raises:
            NotReadyError: it has not ended.
        """
        with self._store.transaction() as transaction:
            if not self.get(name).done:
                raise NotReadyError(f"{name} is not done: cancel it first")
            transaction.run("DELETE FROM operations WHERE name = ?", name)

    def close(self, *, seconds: float) -> None:
        """Stop the workers; wait at most `seconds` for them."""
        deadline = time.monotonic() + seconds
        with self._news:
            self._stopping = True
            self._news.notify_all()
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _row(self, name: str) -> Row:
        row = self._store.row("SELECT * FROM operations WHERE name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no operation {name[:80]!r}")
        return row

    def _demand(self, kind: str, request: bytes) -> Demand:
        known = self._demands.get(kind)
        try:
            return Demand() if known is None else known(request)
        except (DecodeError, TypeError):
            return Demand()  # an invalid request; it fails by itself when it runs

    def _entry(self, row: Row) -> Entry:
        kind, demand = row["kind"], self._demand(row["kind"], row["request"])
        index = row["index_name"]
        return Entry(name=row["name"], index=index, demand=demand, kind=kind)

    def _enqueue(self, entry: Entry) -> None:
        with self._news:
            self._runs[entry.name] = Run.of([entry])
            self._queue.add(entry)
            self._news.notify_all()

    def _forget(self, name: str) -> None:
        """Remove an ended operation from the queue or from its run."""
        with self._news:
            self._queue.drop(name)
            if (run := self._runs.pop(name, None)) is not None:
                run.names.remove(name)
            self._news.notify_all()

    def _serve(self, take: Take) -> None:
        while (run := self._next(take)) is not None:
            again: list[Entry] = []
            try:
                self._do(run)
            except _StoppingError:
                pass
            except _GivingWayError:
                again = [self._entry(self._row(name)) for name in run.names]
            except GleannError:
                # It is rerun at the next start.
                _log.exception("%s: the store refused", ", ".join(run.names))
            except Exception:  # noqa: BLE001  the edge: the worker goes on
                _log.exception("%s failed inside", ", ".join(run.names))
            finally:
                self._end(run)
            if not again:
                self._ways_given.pop(run.first, None)
            for entry in again:
                self._enqueue(entry)

    def _next(self, take: Take) -> Run | None:
        with self._news:
            while not self._stopping:
                if entries := take():
                    run = Run.of(entries)
                    self._runs.update(dict.fromkeys(run.names, run))
                    return run
                self._news.wait()
            return None

    def _end(self, run: Run) -> None:
        with self._news:
            for name in run.names:
                self._runs.pop(name, None)
            if run.demand.background:
                self._queue.done_background()
            else:
                self._queue.done(run.index)
            self._news.notify_all()

    def _do(self, run: Run) -> None:
        if not self._insist(lambda: self._begin_all(run)):
            return
        first = run.names[0]
        try:
            row = self._insist(lambda: self._row(first))
            outcome = self._outcome(run, row)
        except _StoppingError:
            self._put_back(run)
        except _GivingWayError:
            self._insist(lambda: self._put_back(run))
            raise
        else:
            self._insist(lambda: self._write_all(run, outcome))

    def _outcome(self, run: Run, row: Row) -> Outcome:
        """Do the work and return its outcome."""
        task = Task(
            operation=row["name"],
            request=row["request"],
            progress=lambda news: self._advance(run, news),
            conclude=lambda response: self._write_all(run, Outcome.done(response)),
            is_rerun=row["attempts"] > 1,
        )
        try:
            response = self._works[row["kind"]](task)
        except CancelledError:
            return Outcome.cancelled(run.names[0])
        except GleannError as error:
            return Outcome.failed(error)
        except EarlyEndError:
            raise
        except MemoryError:
            _log.error("%s: out of memory", row["name"])
            return Outcome.failed(LimitError(NO_MEMORY))
        except Exception:  # noqa: BLE001  the edge: a bug ends one operation, not all
            _log.exception("%s failed inside", row["name"])
            return Outcome.failed(ServiceError("internal error"))
        return Outcome.done(response)

    def _advance(self, run: Run, news: Progress) -> None:
        if self._stopping:
            raise _StoppingError
        if run.cancelled:
            raise CancelledError("the operation was cancelled")
        if run.demand.background:
            self._give_way(run)
        run.live.take(news)

    def _give_way(self, run: Run) -> None:
        """Stop background work that delays a request, unless it did so too often."""
        with self._news:
            in_the_way = self._queue.is_in_the_way(run.index)
        if in_the_way and self._ways_given[run.first] < MOST_WAYS_GIVEN:
            self._ways_given[run.first] += 1
            raise _GivingWayError

    def _insist(self, write: Callable[[], T]) -> T:
        """Write to the store; retry on errors.

        Raises:
            _StoppingError: the server stops first.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                return write()
            except GleannError as error:
                _log.warning(
                    "the store refused, tried again in %.1f s: %s", pause, error
                )
            with self._news:
                if self._news.wait_for(lambda: self._stopping, pause):
                    raise _StoppingError
            pause = min(2 * pause, LAST_PAUSE)

    def _begin_all(self, run: Run) -> bool:
        """Mark a run's operations as running, except cancelled ones."""
        with self._store.transaction():
            begun = [name for name in run.names if self._begin(name)]
        with self._news:
            run.names[:] = [name for name in begun if name in run.names]
        return bool(run.names)

    def _begin(self, name: str) -> bool:
        """Mark an operation as running, unless it was cancelled in the queue."""
        with self._store.transaction() as transaction:
            begun = transaction.run(
                "UPDATE operations SET state = 'running', started = ?,"
                " attempts = attempts + 1 WHERE name = ? AND state = 'queued'",
                time.time(),
                name,
            )
            return begun.rowcount == 1

    def _put_back(self, run: Run) -> None:
        with self._store.transaction() as transaction:
            for name in run.names:
                transaction.run(
                    "UPDATE operations SET state = 'queued', started = NULL,"
                    " attempts = attempts - 1 WHERE name = ?",
                    name,
                )

    def _write_all(self, run: Run, outcome: Outcome) -> None:
        with self._store.transaction() as transaction:
            for name in run.names:
                self._write_end(transaction, name, outcome)

    def _write_end(self, transaction: Transaction, name: str, outcome: Outcome) -> None:
        """Store the outcome of an operation; drop staged parts of a failed import."""
        transaction.run(
            "UPDATE operations SET state = ?, ended = ?, error = ?, response = ?"
            " WHERE name = ?",
            outcome.state,
            time.time(),
            outcome.error,
            outcome.response,
            name,
        )
        if changes.drop_staged(transaction, name):
            transaction.after_commit(self._store.give_back_space_soon)

    def _message(self, row: Row) -> operations_pb2.Operation:
        run = self._runs.get(row["name"])
        return operation_message(row, Live() if run is None else run.live)
