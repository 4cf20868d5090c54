"""Long-running operations: stored on disk, run by three workers, paused, resumed.

Work interrupted by a crash or a stop is rerun from its request at the next start. An
operation is paused on disk at once; one that runs stops at its next report of progress,
and later begins again where its kind of work can go on.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from sqlite3 import Row
from typing import TypeAlias

from google.longrunning import operations_pb2
from google.protobuf.message import DecodeError, Message

from gleann.index.errors import NotReadyError
from gleann.service.calls.context import current_call
from gleann.service.jobs import table
from gleann.service.jobs.listing import passing
from gleann.service.jobs.operation_message import ENDED, Live, operation_message
from gleann.service.jobs.queue import Demand, Entry
from gleann.service.jobs.run import Outcome, packed
from gleann.service.jobs.run_log import MOST_LINES, lines_of, log_line
from gleann.service.jobs.schedule import PAUSED, RESUMED, Schedule
from gleann.service.jobs.table import NewOperation, OperationTable, has_started
from gleann.service.jobs.workers import FIRST_PAUSE, Work, Workers
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.store import Store
from gleann.service.telemetry.telemetry import Telemetry

Demands = Mapping[str, Callable[[bytes], Demand]]
"""What is known of a serialised request before it runs, by kind of operation."""

Visible = Callable[[str, str], bool]
"""Whether operations of an owner on an index are listed."""

Rows: TypeAlias = list[Row]
Lines: TypeAlias = list[str]
Numbered: TypeAlias = list[tuple[int, operations_pb2.Operation]]

KEEP_SECONDS = 7 * 24 * 3600.0

PAGE = 200
"""Rows that are read at once to find those that pass a condition."""


class Jobs:
    """The operations of one data directory."""

    def __init__(
        self,
        store: Store,
        *,
        keep_seconds: float = KEEP_SECONDS,
        telemetry: Telemetry | None = None,
    ) -> None:
        """Make it; nothing runs before `open`.

        Args:
            store: the database.
            keep_seconds: how long an operation is kept once it has ended.
            telemetry: counts work; None counts nothing that is read.
        """
        self._store = store
        self._keep_seconds = keep_seconds
        self._demands: Demands = {}
        self._table = OperationTable(store)
        self._schedule = Schedule()
        self._workers = Workers(
            store,
            self._schedule,
            entry_of=self._entry,
            telemetry=telemetry or Telemetry(),
        )
        self._control = self._schedule.control

    def open(self, works: Mapping[str, Work], demands: Demands | None = None) -> None:
        """Start the workers, with interrupted work at the head of the queue.

        Args:
            works: the function for each kind of operation.
            demands: estimators of demand; None treats all work as long.
        """
        self._demands = demands or {}
        with self._store.transaction() as transaction:
            table.recover(transaction)
            if changes.drop_given_up(transaction):
                transaction.after_commit(self._store.give_back_space_soon)
        for row in self._table.in_state("paused"):
            self._schedule.set_aside(self._entry(row), started=has_started(row))
        for row in self._table.in_state("queued"):
            self._schedule.enqueue(self._entry(row))
        self._workers.start(works)

    def start(
        self, kind: str, *, index: str, request: Message
    ) -> operations_pb2.Operation:
        """Store work on disk and enqueue it."""
        return self.asked(kind, index=index, request=request)()

    def asked(
        self, kind: str, *, index: str, request: Message
    ) -> Callable[[], operations_pb2.Operation]:
        """The function that stores work on disk and enqueues it; it is quick.

        Args:
            kind: of the operation.
            index: that it works on.
            request: to run it.
        """
        new = NewOperation.of(kind, index=index, request=request, owner=_caller())
        demand = self._demand(kind, new.request)
        entry = Entry(name=new.name, index=index, demand=demand, kind=kind)

        def start() -> operations_pb2.Operation:
            self._store.disk.require_room()
            with self._store.transaction() as transaction:
                table.insert(transaction, new)
                transaction.after_commit(lambda: self._schedule.enqueue(entry))
                return self.get(new.name)

        return start

    def answered(
        self, kind: str, *, index: str, request: Message, response: Message
    ) -> operations_pb2.Operation:
        """An operation that is done from the start, since no work is needed."""
        new = NewOperation.of(kind, index=index, request=request, owner=_caller())
        with self._store.transaction() as transaction:
            table.insert(transaction, new, response=packed(response))
            return self.get(new.name)

    def is_settled(self, index: str) -> bool:
        """Whether no work that changes an index is running or queued, or holds it."""
        return self._schedule.is_settled(index)

    def under_way(self, kind: str, *, index: str | None = None) -> str | None:
        """An operation of this kind that is running or queued, of one index or any."""
        return self._schedule.under_way(kind, index)

    def paused(self, kind: str, *, index: str) -> str | None:
        """An operation of this kind on an index that is paused."""
        return self._schedule.paused(kind, index)

    def get(self, name: str) -> operations_pb2.Operation:
        """The current state of the operation.

        Raises:
            UnknownJobError: no operation has this name.
        """
        return self._message(self._table.shown(name))

    def list(
        self, *, after: int, limit: int, where: str = "", visible: Visible | None = None
    ) -> Numbered:
        """Operations with numbers above `after`, oldest first, and their numbers.

        Args:
            after: the number.
            limit: most operations to return.
            where: a condition on state, kind, index, owner and created; "" for all.
            visible: which of them the caller may see; None for all.

        Raises:
            InvalidFilterError: a condition that names something else, or is none.
        """
        flags = passing(where)
        found: Numbered = []
        for rows in self._pages(after, limit):
            for row, is_listed in zip(rows, flags(rows), strict=True):
                allowed = visible is None or visible(row["owner"], row["index_name"])
                if is_listed and allowed:
                    found.append((row["number"], self._message(row)))
                if len(found) == limit:
                    return found
        return found

    def _pages(self, after: int, limit: int) -> Iterator[Rows]:
        size = min(limit, PAGE)
        while rows := self._table.page(after, size):
            yield rows
            after = rows[-1]["number"]

    def log(self, name: str, *, after: int) -> tuple[Lines, int]:
        """The lines of an operation's log that are kept, and the number of the last.

        Args:
            name: the operation.
            after: only lines with larger numbers; they are counted from 1.

        Raises:
            UnknownJobError: no operation has this name.
        """
        row = self._table.shown(name)
        lines, last = lines_of(row["log"]), row["log_last"]
        more = self._unwritten(row)
        lines, last = [*lines, *more], last + len(more)
        new = max(0, min(last - after, len(lines), MOST_LINES))
        return lines[len(lines) - new :], last

    def wait(self, name: str, *, seconds: float) -> operations_pb2.Operation:
        """The operation when it has ended, or after `seconds`."""
        deadline = time.monotonic() + seconds
        operation = self.get(name)
        while not operation.done and (left := deadline - time.monotonic()) > 0:
            # An operation outside this process's queue sends no notification.
            self._schedule.wait(name, left, unknown=FIRST_PAUSE)
            operation = self.get(name)
        return operation

    def cancel(self, name: str) -> None:
        """Request a stop; no effect on an ended operation.

        Work shared with other operations continues for those.

        Raises:
            UnknownJobError: no operation has this name.
        """
        with self._control, self._store.transaction() as transaction:
            row = self._table.row(name)
            if row["state"] in ENDED:
                return
            if self._is_alone(row):
                self._schedule.cancel_run(name)
                return
            if table.end(transaction, name, Outcome.cancelled(name)):
                transaction.after_commit(self._store.give_back_space_soon)
            transaction.after_commit(lambda: self._schedule.forget(name))

    def pause(self, name: str) -> operations_pb2.Operation:
        """Stop an operation until it is resumed, also over restarts.

        Nothing happens to one that is paused already.

        Raises:
            UnknownJobError: no operation has this name.
            NotReadyError: it has ended.
        """
        with self._control:
            with self._store.transaction() as transaction:
                row = self._open_row(name)
                if row["state"] != "paused":
                    table.set_state(transaction, name, "paused")
                    transaction.after_commit(self._pausing(transaction, row))
            operation = self.get(name)
            if operation.done:  # its run ended before it was stopped
                self._schedule.forget(name)
        return operation

    def _pausing(self, transaction: Transaction, row: Row) -> Callable[[], None]:
        """What pauses an operation in the schedule, once that is on disk."""
        entry, started = self._entry(row), has_started(row)
        if self._is_alone(row):
            return lambda: self._schedule.pause_run(entry)
        table.add_lines(transaction, row["name"], [log_line(PAUSED)])
        return lambda: self._schedule.set_aside(entry, started=started)

    def resume(self, name: str) -> operations_pb2.Operation:
        """Queue an operation again that was paused; nothing happens to others.

        Raises:
            UnknownJobError: no operation has this name.
            NotReadyError: it has ended.
        """
        with self._control, self._store.transaction() as transaction:
            row = self._open_row(name)
            if row["state"] == "paused" and self._schedule.go_on(name):
                table.set_state(transaction, name, "running")
            elif row["state"] == "paused":
                entry, started = self._entry(row), has_started(row)
                table.set_state(transaction, name, "queued")
                table.add_lines(transaction, name, [log_line(RESUMED)])
                transaction.after_commit(
                    lambda: self._schedule.readmit(entry, started=started)
                )
        return self.get(name)

    def retryable(self, name: str) -> Row:
        """The whole row of an operation that may be asked for again.

        Raises:
            UnknownJobError: no operation has this name.
            NotReadyError: it has neither failed nor was it cancelled.
        """
        row = self._table.row(name)
        if row["state"] not in ("failed", "cancelled"):
            raise NotReadyError(
                f"{name} is {row['state']}: only what has failed or was cancelled can"
                " be asked for again"
            )
        return row

    def note(self, name: str, text: str) -> None:
        """Add a line to the log of an operation that is not begun yet."""
        with self._store.transaction() as transaction:
            table.add_lines(transaction, name, [log_line(text)])

    def delete(self, name: str) -> None:
        """Delete an operation that has ended.

        Raises:
            UnknownJobError: no operation has this name.
            NotReadyError: it has not ended.
        """
        with self._store.transaction() as transaction:
            if not self.get(name).done:
                raise NotReadyError(f"{name} is not done: cancel it first")
            transaction.run("DELETE FROM operations WHERE name = ?", name)

    def close(self, *, seconds: float) -> None:
        """Stop the workers; wait at most `seconds` for them."""
        self._schedule.stop()
        self._workers.join(seconds=seconds)

    def _open_row(self, name: str) -> Row:
        row = self._table.row(name)
        if row["state"] in ENDED:
            raise NotReadyError(f"{name} has ended: it is {row['state']}")
        return row

    def _is_alone(self, row: Row) -> bool:
        """Whether work that runs, or stops to be paused, has to stop for this alone."""
        run = self._schedule.run_of(row["name"])
        if run is None or len(run.names) > 1:
            return False
        return row["state"] == "running" or run.paused

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

    def _unwritten(self, row: Row) -> Lines:
        """The lines of an operation's run that its row does not have yet."""
        name = row["name"]
        run = self._schedule.run_of(name)
        first = None if run is None else run.first_line.get(name)
        if run is None or first is None:
            return []
        return run.log.after(row["log_last"] - first)

    def _message(self, row: Row) -> operations_pb2.Operation:
        run = self._schedule.run_of(row["name"])
        unwritten = self._unwritten(row)
        return operation_message(
            row,
            Live() if run is None else run.live,
            last_line=unwritten[-1] if unwritten else None,
            keep_seconds=self._keep_seconds,
        )


def _caller() -> str:
    """Name of the key of whoever asks; "" in process."""
    return current_call().caller.name
