"""The three threads that run long work.

One takes any work; one takes short work only, so that short work never waits for long
work of other indexes; and one takes work of the background.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from sqlite3 import Row
from threading import Thread, main_thread
from typing import TypeVar

from google.protobuf.message import Message

from gleann.index import Progress
from gleann.index.errors import CancelledError, GleannError, LimitError, ServiceError
from gleann.index.parallel.priority import yield_to_others
from gleann.service.jobs import table
from gleann.service.jobs.queue import Entry, JobQueue
from gleann.service.jobs.run import Outcome, Run
from gleann.service.jobs.run_log import listening
from gleann.service.jobs.schedule import Schedule, Take
from gleann.service.jobs.table import OperationTable
from gleann.service.jobs.task import EarlyEndError, Task
from gleann.service.jobs.timed import Timed
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.store import Store
from gleann.service.telemetry.telemetry import Telemetry

NO_MEMORY = "the server has not enough memory for this work"

MOST_WAYS_GIVEN = 3
"""Times that one piece of background work gives way; then others wait for it."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 10.0
"""Seconds between two tries of a write that the store refuses."""

LOG_SECONDS = 5.0
"""Between two writes of the log of one run while it goes on."""

_log = logging.getLogger(__name__)
T = TypeVar("T")

Work = Callable[[Task], Message]


class _StoppingError(EarlyEndError):
    """The server is stopping; the work resumes at the next start."""


class _PausingError(EarlyEndError):
    """The work is paused; it begins again when it is resumed."""


class _GivingWayError(EarlyEndError):
    """Background work gives way to a request; it is queued again."""


NEED_NO_ROOM = ("export", "verify")
"""Kinds of operations that write nothing into the data directory."""


class Workers:
    """Threads that take work from the schedule, run it and store how it ended."""

    def __init__(
        self,
        store: Store,
        schedule: Schedule,
        *,
        entry_of: Callable[[Row], Entry],
        telemetry: Telemetry,
    ) -> None:
        """Make the threads; `start` starts them.

        Args:
            store: the database.
            schedule: where work is taken from.
            entry_of: the queued request of a row of the table `operations`.
            telemetry: counts work.
        """
        self._telemetry = telemetry
        self._store = store
        self._table = OperationTable(store)
        self._schedule = schedule
        self._entry_of = entry_of
        self._works: Mapping[str, Work] = {}
        self._ways_given: Counter[str] = Counter()
        takes: dict[str, Take] = {
            "gleann-jobs": lambda queue: queue.take(short=False),
            "gleann-short-jobs": lambda queue: queue.take(short=True),
            "gleann-background-jobs": JobQueue.take_background,
        }
        self._threads = [
            Thread(target=self._serve, args=(take,), name=name, daemon=True)
            for name, take in takes.items()
        ]

    def start(self, works: Mapping[str, Work]) -> None:
        """Start the threads, with the function for each kind of operation."""
        self._works = works
        for thread in self._threads:
            thread.start()

    def join(self, *, seconds: float) -> None:
        """Wait at most `seconds` for the threads."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self, take: Take) -> None:
        yield_to_others()
        while (run := self._schedule.next(take)) is not None:
            again: list[Entry] = []
            try:
                with listening(run.log):
                    again = self._do(run)
            except _StoppingError:
                pass
            except GleannError:
                # It is rerun at the next start.
                _log.exception("%s: the store refused", ", ".join(run.names))
            except Exception:  # noqa: BLE001  the edge: the worker goes on
                _log.exception("%s failed inside", ", ".join(run.names))
            finally:
                self._schedule.done(run)
            if not again:
                self._ways_given.pop(run.first, None)
            for entry in again:
                self._schedule.enqueue(entry)

    def _do(self, run: Run) -> list[Entry]:
        """Run work, and store how it ended; return what is to be queued again."""
        if not self._insist(run, lambda: self._begin_all(run)):
            return []
        first = run.names[0]
        try:
            row = self._insist(run, lambda: self._table.row(first))
            outcome = self._outcome(run, row)
        except _StoppingError:
            run.log.add("stopped with the server; it begins again at the next start")
            self._put_back(run)
            return []
        except EarlyEndError:
            return self._insist(run, lambda: self._put_back(run))
        self._insist(run, lambda: self._end_all(run, outcome))
        return []

    def _outcome(self, run: Run, row: Row) -> Outcome:
        """Do the work and return its outcome; count both."""
        timed = Timed(run.kind, self._telemetry)
        ended = "interrupted"
        try:
            outcome = self._worked(run, row, timed)
            ended = outcome.state
        finally:
            timed.end(ended)
        return outcome

    def _worked(self, run: Run, row: Row, timed: Timed) -> Outcome:
        """Do the work and return its outcome."""

        def progress(news: Progress) -> None:
            timed.take(news)
            self._advance(run, news)

        task = Task(
            operation=row["name"],
            request=row["request"],
            progress=progress,
            conclude=lambda response: self._end_all(run, Outcome.done(response)),
            is_rerun=row["attempts"] > 1,
        )
        try:
            if row["kind"] not in NEED_NO_ROOM:
                self._store.disk.require_room()
            response = self._works[row["kind"]](task)
        except CancelledError:
            return Outcome.cancelled(run.names[0])
        except GleannError as error:
            self._store.disk.note(error)
            return Outcome.failed(error)
        except EarlyEndError:
            raise
        except MemoryError:
            _log.error("%s: out of memory", row["name"])
            return Outcome.failed(LimitError(NO_MEMORY))
        except Exception:  # noqa: BLE001  the edge: a bug ends one operation, not all
            return _failed_inside(row["name"])
        return Outcome.done(response)

    def _advance(self, run: Run, news: Progress) -> None:
        if self._schedule.stopping:
            raise _StoppingError
        if run.cancelled:
            raise CancelledError("the operation was cancelled")
        if run.paused:
            raise _PausingError
        if run.demand.background:
            self._give_way(run)
        run.live.take(news)
        if run.log.heard(news):
            self._write_log(run)

    def _write_log(self, run: Run) -> None:
        """Write the lines of a run that goes on, now and then."""
        now = time.monotonic()
        if now - run.written < LOG_SECONDS:
            return
        run.written = now
        try:
            with self._store.transaction() as transaction:
                table.write_log(transaction, run, run.names)
        except GleannError as error:
            # They are written with the outcome.
            _log.info("%s: the log was not written: %s", run.first, error)

    def _give_way(self, run: Run) -> None:
        """Stop background work that delays a request, unless it did so too often."""
        in_the_way = self._schedule.is_in_the_way(run)
        if in_the_way and self._ways_given[run.first] < MOST_WAYS_GIVEN:
            self._ways_given[run.first] += 1
            run.log.add("gave way to a request that changes the index")
            raise _GivingWayError

    def _insist(self, run: Run, write: Callable[[], T]) -> T:
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
                    "%s: the store refused, tried again in %.1f s: %s",
                    run.first,
                    pause,
                    error,
                )
            if self._schedule.pause(pause):
                raise _StoppingError
            pause = min(2 * pause, LAST_PAUSE)

    def _begin_all(self, run: Run) -> bool:
        """Mark a run's operations as running, except cancelled and paused ones."""
        run.first_line.clear()
        with self._store.transaction() as transaction:
            begun = [name for name in list(run.names) if table.begin(transaction, name)]
            for name in begun:
                run.first_line[name] = self._table.row(name)["log_last"]
        self._schedule.keep(run, begun)
        run.log.add("begun")
        if len(run.names) > 1:
            run.log.add(f"one run for {', '.join(run.names)}")
        return bool(run.names)

    def _put_back(self, run: Run) -> list[Entry]:
        """Take back that a run began; return what is to be queued again."""
        run.log.end_phase()
        with self._schedule.control:
            rows = self._put_back_rows(run)
            for row in rows:
                if row["state"] == "paused":
                    entry, started = self._entry_of(row), table.has_started(row)
                    self._schedule.set_aside(entry, started=started)
        return [self._entry_of(row) for row in rows if row["state"] == "queued"]

    def _put_back_rows(self, run: Run) -> list[Row]:
        """Write to disk that a run has not ended; return the rows of its operations."""
        with self._store.transaction() as transaction:
            table.write_log(transaction, run, run.names)
            for name in run.names:
                if run.cancelled:
                    self._end(transaction, name, Outcome.cancelled(name))
                else:
                    table.put_back(transaction, name)
            if run.paused:  # the rows that an import staged are read again
                self._drop_staged(transaction, run.names)
            return [self._table.row(name) for name in run.names]

    def _end_all(self, run: Run, outcome: Outcome) -> None:
        run.log.end_phase()
        with self._store.transaction() as transaction:
            table.write_log(transaction, run, run.names)
            run.ended = list(run.names)
            for name in run.ended:
                self._end(transaction, name, outcome)

    def _end(self, transaction: Transaction, name: str, outcome: Outcome) -> None:
        if table.end(transaction, name, outcome):
            transaction.after_commit(self._store.give_back_space_soon)

    def _drop_staged(self, transaction: Transaction, names: list[str]) -> None:
        if sum(changes.drop_staged(transaction, name) for name in names):
            transaction.after_commit(self._store.give_back_space_soon)


def _failed_inside(name: str) -> Outcome:
    """The outcome of work that raised what nobody expects.

    Raises:
        _StoppingError: the interpreter is ending, and gives no more threads.
    """
    if not main_thread().is_alive():
        raise _StoppingError
    _log.exception("%s failed inside", name)
    return Outcome.failed(ServiceError("internal error"))
