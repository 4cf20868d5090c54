"""Start a curation job where the index is, wait for it, and take its tables."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import pyarrow as pa

from gleann.index.errors import (
    InvalidInputError,
    ServiceError,
    StorageError,
    UnknownIndexError,
    UnknownJobError,
)
from gleann.index.nouns import counted
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.outputs import Values
from gleann.service.cli.place import opened
from gleann.service.cli.planned import show_plan
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.reports import command_with
from gleann.service.cli.say import say
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation

OPERATIONS, CURATIONS = "operations/", "curations/"

Start = Callable[[Client], Operation[Curation]]
"""Sends the request of a command."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """The stored answer of a job.

    Attributes:
        client: open until the command ends.
        curation: its tables are read while the client is open.
        operation: its name.
        metric: of the index; "" where it was deleted, and the answer does not tell.
        count: vectors of the index.
    """

    client: Client
    curation: Curation
    operation: str
    metric: str
    count: int

    @property
    def summary(self) -> dict[str, Any]:
        """Figures about the whole."""
        return self.curation.summary

    @property
    def results(self) -> dict[str, Any]:
        """What the record says of every answer."""
        return {
            **self.summary,
            "metric": self.metric,
            "provenance": self.curation.provenance,
            "curation": self.curation.name,
            "operation": self.operation,
        }

    def room(self, what: str) -> str:
        """How many vectors there were to choose from, in words."""
        return among_words(self.curation.provenance, self.count, what)

    def columns(self, table: str) -> dict[str, Values]:
        """The columns of a table; see `columns_of`."""
        return columns_of(self.curation.table(table))


def among_words(provenance: Mapping[str, Any], count: int, what: str) -> str:
    """How many vectors took part, in words.

    Args:
        provenance: of an answer; it has the condition and what passed it.
        count: of all vectors.
        what: they are called, such as "rows".
    """
    among = provenance.get("among")
    if among is None:
        return counted(count, what)
    return (
        f"{counted(among['rows'], what)} (those of {among['of']:,} that pass --where)"
    )


def columns_of(table: pa.Table) -> dict[str, Values]:
    """The columns of a table as a command here writes them.

    NaN for numbers that there are not, and texts of the common type.
    """
    return {
        name: _plain(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    if pa.types.is_floating(column.type) and column.null_count:
        return column.fill_null(float("nan"))
    return column


@contextmanager
def curated(
    job: ServedOptions,
    record: JobRecord,
    start: Start,
    *,
    index: str | None,
    method: str | tuple[str, ...],
    progress: bool,
) -> Iterator[Served]:
    """The answer of a job, or of the operation that --operation names.

    Who stops waiting is told how to come back: the work goes on. With --dry-run its
    plan is printed, and the command ends.

    Args:
        job: of the command.
        record: has the index, the operation, and the seconds of "serve".
        start: sends the request.
        index: the name of the index; None takes that of the operation.
        method: of the curation, or those that it may have.
        progress: whether bars are wanted where stderr is no terminal.

    Raises:
        InvalidInputError: --operation names work of another kind or index.
        GleannError: what the work failed with.
    """
    with opened(job.place) as client:
        if job.dry_run:
            client.curation = client.plans.curation  # it ends with the command
            show_plan(start(client))
            click.get_current_context().exit()
        name, operation = _begun(job, client, start)
        with _telling(job, name, operation):
            with record.timed("serve"):
                found = _result(client, name, operation, progress=progress)
            _require_same(name, found, index=index, method=method)
            record.add_served(
                found.info.index,
                place=job.shown_place,
                data_hash=found.provenance.get("data_hash"),
            )
            metric, count = _index_of(client, found)
            yield Served(
                client=client,
                curation=found,
                operation=name,
                metric=metric,
                count=count,
            )
    say(f"{found.name} has all tables, until the server forgets it")


def _index_of(client: Client, found: Curation) -> tuple[str, int]:
    """Metric and count of the index of an answer, which outlives it."""
    try:
        info = client.get_index(found.info.index)
    except UnknownIndexError:
        metric = str(found.provenance.get("metric", ""))
        return metric, int(found.summary.get("rows", 0))
    return info.metric, info.count


def _begun(
    job: ServedOptions, client: Client, start: Start
) -> tuple[str, Operation[Curation] | None]:
    """An operation and its name; None where the server has its result alone.

    Raises:
        InvalidInputError: --operation is of other work.
    """
    if job.operation is None:
        operation = start(client)
        return operation.name, operation
    name = full_name(job.operation, OPERATIONS)
    try:
        operation = client.operations.get(name)
    except UnknownJobError:  # operations are forgotten before what they made
        return name, None
    if operation.kind != "curate":
        raise InvalidInputError(
            f"--operation {name} is a {operation.kind}, not a curation"
        )
    return name, operation


def _result(
    client: Client,
    name: str,
    operation: Operation[Curation] | None,
    *,
    progress: bool,
) -> Curation:
    """Wait for the answer of an operation."""
    if operation is None:
        try:
            return client.curation.get(CURATIONS + name.removeprefix(OPERATIONS))
        except UnknownJobError as error:
            raise UnknownJobError(
                f"there is no {name}, nor a curation that it made"
            ) from error
    with progress_bars(wanted=progress) as report:
        return operation.wait(report)


@contextmanager
def _telling(
    job: ServedOptions, name: str, operation: Operation[Curation] | None
) -> Iterator[None]:
    """Tell who cannot wait, or cannot write the answer, how to come back to it."""
    try:
        yield
    except (KeyboardInterrupt, ServiceError, StorageError):
        if operation is None or operation.error is None:
            is_done = operation is None or operation.done
            state = "is done" if is_done else "goes on"
            if job.data is not None and not is_done:
                state = "goes on when the directory is opened again"
            again = command_with({"operation": name})
            click.echo(
                f"gleann: {name} {state}; to write its result: {again}", err=True
            )
        raise


def full_name(given: str, prefix: str) -> str:
    """A name, also where its prefix was left out."""
    return given if given.startswith(prefix) else prefix + given


def _require_same(
    name: str, found: Curation, *, index: str | None, method: str | tuple[str, ...]
) -> None:
    """Refuse the operation of another command, or of another index."""
    methods = (method,) if isinstance(method, str) else method
    if found.info.method not in methods:
        raise InvalidInputError(
            f"--operation {name} is of {found.info.method}, not of"
            f" {' or '.join(methods)}"
        )
    if index is not None and found.info.index != index:
        raise InvalidInputError(
            f"--operation {name} is of the index {found.info.index!r}, not of {index!r}"
        )


def renamed(columns: Mapping[str, Values], **names: str) -> dict[str, Values]:
    """Columns with other names, in the same order."""
    return {names.get(name, name): values for name, values in columns.items()}
