"""The table `operations`: the statements that keep long work on disk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from sqlite3 import Row

from google.protobuf.message import Message

from gleann.index.errors import ServiceError, UnknownJobError
from gleann.service import steady_clock
from gleann.service.jobs.command_line import command_line
from gleann.service.jobs.run import Outcome, Run
from gleann.service.jobs.run_log import log_line, with_lines
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.store import Store

MAX_ATTEMPTS = 3
"""Starts of one piece of work, in case the work is what stops the server."""

STOPPED = "the server stopped while this ran"

# The request of a selection or a curation may have a million ids, and is not shown.
_SHOWN = (
    "SELECT number, name, kind, index_name, state, attempts, created, started, ended,"
    " error, response, owner, log, log_last, start_sequence,"
    " CASE WHEN kind IN ('curate', 'select') THEN x'' ELSE request END AS request"
    " FROM operations"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """Long work that was asked for.

    Attributes:
        name: "operations/3f2a", never used before.
        kind: such as "build".
        index: name of the index, or of what it works on.
        request: serialised, to run it.
        owner: name of the caller who asked for it; "" where no keys are in use.
    """

    name: str
    kind: str
    index: str
    request: bytes
    owner: str = ""

    @classmethod
    def of(
        cls, kind: str, *, index: str, request: Message, owner: str
    ) -> "NewOperation":
        """A new operation with a name of its own."""
        return cls(
            name=f"operations/{token_hex(8)}",
            kind=kind,
            index=index,
            request=request.SerializeToString(),
            owner=owner,
        )


class OperationTable:
    """The rows of the table `operations`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def row(self, name: str) -> Row:
        """The whole row of an operation.

        Raises:
            UnknownJobError: no operation has this name.
        """
        return self._found("SELECT * FROM operations WHERE name = ?", name)

    def shown(self, name: str) -> Row:
        """The row of an operation, without the request of a selection.

        Raises:
            UnknownJobError: no operation has this name.
        """
        return self._found(f"{_SHOWN} WHERE name = ?", name)

    def page(self, after: int, limit: int) -> list[Row]:
        """Rows as `shown` with numbers above `after`, oldest first."""
        return self._store.rows(
            f"{_SHOWN} WHERE number > ? ORDER BY number LIMIT ?", after, limit
        )

    def in_state(self, state: str) -> list[Row]:
        """The whole rows of a state: imports that have started first, then by age."""
        return self._store.rows(
            "SELECT * FROM operations WHERE state = ?"
            " ORDER BY start_sequence IS NULL, number",
            state,
        )

    def _found(self, sql: str, name: str) -> Row:
        row = self._store.row(sql, name)
        if row is None:
            raise UnknownJobError(f"there is no operation {name[:80]!r}")
        return row


def has_started(row: Row) -> bool:
    """Whether an operation is an import that has started: its rows are as old."""
    return row["start_sequence"] is not None


def insert(
    transaction: Transaction, new: NewOperation, *, response: bytes | None = None
) -> None:
    """Add an operation: queued, or done if there is a response."""
    now = steady_clock.now()
    ended = None if response is None else now
    line = log_line("queued" if response is None else "done: nothing had to be done")
    transaction.run(
        "INSERT INTO operations (name, kind, index_name, request, state, created,"
        " started, ended, response, owner, log, log_last)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new.name,
        new.kind,
        new.index,
        new.request,
        "queued" if response is None else "done",
        now,
        ended,
        ended,
        response,
        new.owner,
        with_lines("[]", [line]),
        1,
    )


def begin(transaction: Transaction, name: str) -> bool:
    """Mark an operation as running, unless it is not in the queue any more."""
    begun = transaction.run(
        "UPDATE operations SET state = 'running', started = ?,"
        " attempts = attempts + 1 WHERE name = ? AND state = 'queued'",
        steady_clock.now(),
        name,
    )
    return begun.rowcount == 1


def put_back(transaction: Transaction, name: str) -> None:
    """Take back that an operation was begun; one that is to pause stays paused."""
    transaction.run(
        "UPDATE operations SET state = CASE state WHEN 'paused' THEN 'paused'"
        " ELSE 'queued' END, started = NULL, attempts = attempts - 1 WHERE name = ?",
        name,
    )


def set_state(transaction: Transaction, name: str, state: str) -> None:
    """Pause an operation, or resume it."""
    transaction.run("UPDATE operations SET state = ? WHERE name = ?", state, name)


def end(transaction: Transaction, name: str, outcome: Outcome) -> bool:
    """Store an outcome; drop staged parts of a failed import.

    What has ended before, as by `Task.conclude`, stays as it is.

    Returns:
        Whether there were any parts.
    """
    now = steady_clock.now()
    ended = transaction.run(
        "UPDATE operations SET state = ?, ended = ?, error = ?, response = ?"
        " WHERE name = ? AND state NOT IN ('done', 'failed', 'cancelled')",
        outcome.state,
        now,
        outcome.error,
        outcome.response,
        name,
    )
    if not ended.rowcount:
        return False
    _log_end(transaction, name, outcome, now)
    return bool(changes.drop_staged(transaction, name))


def _log_end(transaction: Transaction, name: str, outcome: Outcome, now: float) -> None:
    row = transaction.run(
        "SELECT kind, request, started FROM operations WHERE name = ?", name
    ).fetchone()
    why = f": {outcome.why}" if outcome.why else ""
    took = "" if row["started"] is None else f" after {now - row['started']:.1f} s"
    lines = [log_line(f"{outcome.state}{took}{why}")]
    if outcome.state == "failed":
        again = command_line(row["kind"], row["request"], name=name, is_retryable=True)
        lines.append(log_line(f"to ask for it again: {again}"))
    add_lines(transaction, name, lines)


def add_lines(transaction: Transaction, name: str, lines: Sequence[str]) -> None:
    """Add lines to the log of an operation."""
    row = transaction.run("SELECT log FROM operations WHERE name = ?", name).fetchone()
    if row is not None and lines:
        transaction.run(
            "UPDATE operations SET log = ?, log_last = log_last + ? WHERE name = ?",
            with_lines(row["log"], lines),
            len(lines),
            name,
        )


def write_log(transaction: Transaction, run: Run, names: Iterable[str]) -> None:
    """Add the lines of a run that the logs of its operations do not have yet."""
    for name in names:
        row = transaction.run(
            "SELECT log_last FROM operations WHERE name = ?", name
        ).fetchone()
        if row is not None:
            written = row["log_last"] - run.first_line.get(name, row["log_last"])
            add_lines(transaction, name, run.log.after(written))


def recover(transaction: Transaction) -> None:
    """Put interrupted work back into the queue; give up what was too often begun."""
    interrupted = transaction.run(
        "SELECT name, attempts FROM operations WHERE state = 'running'"
    ).fetchall()
    given_up = f"the server stopped {MAX_ATTEMPTS} times while this ran"
    for row in interrupted:
        name = row["name"]
        if row["attempts"] < MAX_ATTEMPTS:
            set_state(transaction, name, "queued")
            add_lines(transaction, name, [log_line(STOPPED)])
        else:
            end(transaction, name, Outcome.failed(ServiceError(given_up)))
