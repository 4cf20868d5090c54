"""`gleann rows`: read, store, count and remove rows of a served index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from gleann.index.arrays import Ids
from gleann.index.errors import InvalidParamsError
from gleann.service.cli import options
from gleann.service.cli.collections.put import put_command
from gleann.service.cli.collections.row_options import (
    NAME,
    columns_option,
    given_ids,
    ids_options,
    named_columns,
    require_out,
    rows_out_options,
)
from gleann.service.cli.collections.row_sinks import RowSink
from gleann.service.cli.collections.scroll import scroll_command
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.place import (
    Place,
    confirm,
    opened,
    place_options,
)
from gleann.service.cli.say import result, say
from gleann.service.client.bulk.scrolling import vector_column
from gleann.service.client.client import Client


@click.group(
    "rows",
    cls=SuggestingGroup,
    short_help="Read, store, count and remove rows of a served index.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann rows put docs items.parquet --data library",
        "gleann rows count docs --where \"split = 'train'\" --data library",
        "gleann rows scroll docs --out docs.parquet --server grpc://127.0.0.1:50051",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work on the rows of an index of a server or of a data directory."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJob(Place):
    """Parameters of `gleann rows get`."""

    name: str
    id: tuple[str, ...]
    ids: Path | None
    columns: str
    with_vectors: bool
    out: Path | None
    overwrite: bool


@command.command(
    "get",
    short_help="Write rows by id.",
    epilog=options.examples(
        "gleann rows get docs 17 42 --data library",
        "gleann rows get docs --ids wanted.csv --with-vectors --out rows.parquet --data"
        " library",
    ),
)
@NAME
@ids_options
@columns_option
@rows_out_options
@place_options
@options.takes(GetJob)
def get_command(job: GetJob) -> None:
    """Write the rows of the index NAME with these IDs, in their order."""
    require_out(job.out, overwrite=job.overwrite)
    with opened(job) as client:
        ids = given_ids(client, job.name, written=job.id, file=job.ids)
        sink = RowSink.of(job.out, client.get_index(job.name).columns)
        count = sink.write([_rows(client, job, ids)])
    result(count=count)
    if job.out is not None:
        say(f"{job.out}: {count:,} rows")


def _rows(client: Client, job: GetJob, ids: Ids) -> Any:
    table: pa.Table = client.get_payload(job.name, ids, named_columns(job.columns))
    if not job.with_vectors:
        return table
    vectors = vector_column(client.get_vectors(job.name, ids))
    names = table.column_names
    if "vector" in names:
        table = table.rename_columns(
            ["payload.vector" if name == "vector" else name for name in names]
        )
    return table.add_column(1, "vector", vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountJob(Place, options.FilterOptions):
    """Parameters of `gleann rows count`."""

    name: str


@command.command(
    "count",
    short_help="Count the rows of a filter.",
    epilog=options.examples(
        "gleann rows count docs --data library",
        "gleann rows count docs --where 'score > $1' --param 0.5 --data library",
    ),
)
@NAME
@options.filter_options
@place_options
@options.takes(CountJob)
def count_command(job: CountJob) -> None:
    """Count the rows of the index NAME, or those of a filter."""
    with opened(job) as client:
        count = client.count(job.name, job.where, job.parameters)
    say(str(count))
    result(count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob(Place, options.FilterOptions):
    """Parameters of `gleann rows delete`."""

    name: str
    id: tuple[str, ...]
    ids: Path | None
    missing_ok: bool
    yes: bool


@command.command(
    "delete",
    short_help="Remove rows by id or by a filter.",
    epilog=options.examples(
        "gleann rows delete docs 17 42 --data library",
        "gleann rows delete docs --where \"licence = 'unknown'\" --yes --data library",
    ),
)
@NAME
@ids_options
@options.filter_options
@click.option("--missing-ok", is_flag=True, help="Leave IDs out that are not there.")
@click.option("--yes", is_flag=True, help="Do not ask whether --where is meant.")
@place_options
@options.takes(DeleteJob)
def delete_command(job: DeleteJob) -> None:
    """Remove rows of the index NAME: these IDs, or the rows of a filter.

    All of them are removed or none. `--where true` removes all rows.
    """
    if job.where is not None and (job.id or job.ids is not None):
        raise InvalidParamsError("ID and --ids do not go with --where")
    with opened(job) as client:
        if job.where is not None:
            count = _delete_where(client, job)
        else:
            ids = given_ids(client, job.name, written=job.id, file=job.ids)
            count = client.delete_vectors(job.name, ids, missing_ok=job.missing_ok)
    say(f"{count:,} rows removed")
    result(count=count)


def _delete_where(client: Client, job: DeleteJob) -> int:
    where, parameters = job.where, job.parameters
    if not job.yes:
        count = client.count(job.name, where, parameters)
        confirm(f"Remove {count:,} rows of {job.name}?")
    return client.delete_vectors(job.name, where=where, parameters=parameters)


command.add_command(put_command)
command.add_command(scroll_command)
