"""`gleann index`: list, describe, make, fill, compact and delete indexes."""

from dataclasses import dataclass
from typing import get_args

import click

from gleann.index.errors import InvalidParamsError
from gleann.index.params import Metric
from gleann.index.payload.schema import Column
from gleann.service.cli import options
from gleann.service.cli.collections import tuning
from gleann.service.cli.collections.declared import declared_columns, shown_column
from gleann.service.cli.collections.index_report import (
    index_line,
    index_lines,
    index_values,
)
from gleann.service.cli.collections.index_work import (
    build_command,
    import_command,
    optimize_command,
)
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.place import (
    Place,
    confirm,
    opened,
    place_options,
)
from gleann.service.cli.say import result, say
from gleann.service.client.client import Client
from gleann.service.values import IndexInfo

NAME = click.argument("name")


@click.group(
    "index",
    cls=SuggestingGroup,
    short_help="List, make, fill, compact and delete served indexes.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann index create docs --dim 384 --column split:string --data library",
        "gleann index import docs items.parquet --id-column id --data library",
        "gleann index list --server grpc://127.0.0.1:50051",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work on the indexes of a server or of a data directory."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJob(Place):
    """Parameters of `gleann index list`."""


@command.command(
    "list",
    short_help="List all indexes.",
    epilog=options.examples("gleann index list --data library"),
)
@place_options
@options.takes(ListJob)
def list_command(job: ListJob) -> None:
    """List all indexes by name, also those that cannot be served."""
    with opened(job) as client:
        infos = client.list_indexes()
    for info in infos:
        say(index_line(info))
    result(indexes=[index_values(info) for info in infos])


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoJob(Place):
    """Parameters of `gleann index info`."""

    name: str


@command.command(
    "info",
    short_help="Describe an index.",
    epilog=options.examples("gleann index info docs --data library --json"),
)
@NAME
@place_options
@options.takes(InfoJob)
def info_command(job: InfoJob) -> None:
    """Describe the index NAME: its size, its columns and its compaction."""
    with opened(job) as client:
        _describe(client.get_index(job.name))


def _describe(info: IndexInfo) -> None:
    for line in index_lines(info):
        say(line)
    result(**index_values(info))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob(Place):
    """Parameters of `gleann index create`."""

    name: str
    dim: int
    metric: Metric
    column: tuple[str, ...]
    optimizer: tuple[str, ...]
    dry_run: bool


COLUMN_OPTION = click.option(
    "--column",
    multiple=True,
    metavar="NAME:TYPE",
    help="Column of payload, such as split:string or tenant:string:indexed; repeat for"
    " more. Types: string, int64, float64, bool, timestamp, strings, json.",
)
METRIC_OPTION = click.option(
    "--metric",
    type=click.Choice(get_args(Metric)),
    default="cosine",
    show_default=True,
    help="Distance that the index ranks by.",
)


@command.command(
    "create",
    short_help="Make an empty index.",
    epilog=options.examples(
        "gleann index create docs --dim 384 --data library",
        "gleann index create docs --dim 384 --metric l2 --column split:string --column"
        " score:float64 --data library",
        "gleann index create docs --dim 384 --optimizer off --data library",
    ),
)
@NAME
@click.option("--dim", type=int, required=True, help="Numbers in a vector.")
@METRIC_OPTION
@COLUMN_OPTION
@tuning.OPTION
@options.dry_run_option
@place_options
@options.takes(CreateJob)
def create_command(job: CreateJob) -> None:
    """Make the empty index NAME; a data directory is made if it is missing."""
    columns = declared_columns(job.column)
    optimizer = tuning.declared_optimizer(job.optimizer)
    with opened(job, create=not job.dry_run) as client:
        create = client.plans.create_index if job.dry_run else client.create_index
        info = create(
            job.name,
            dim=job.dim,
            metric=job.metric,
            columns=columns,
            optimizer=optimizer,
        )
    _describe(info)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateJob(Place):
    """Parameters of `gleann index update`."""

    name: str
    optimizer: tuple[str, ...]


@command.command(
    "update",
    short_help="Set when an index is compacted by itself.",
    epilog=options.examples(
        "gleann index update docs --optimizer off --data library",
        "gleann index update docs --optimizer on --optimizer pending_share=0.1"
        " --optimizer min_seconds=60 --server grpc://127.0.0.1:50051",
    ),
)
@NAME
@tuning.OPTION
@place_options
@options.takes(UpdateJob)
def update_command(job: UpdateJob) -> None:
    """Set when the index NAME is compacted by itself; what is not named stays."""
    optimizer = tuning.declared_optimizer(job.optimizer)
    if optimizer is None:
        raise InvalidParamsError("nothing to set: give --optimizer, once or more")
    with opened(job) as client:
        _describe(client.update_index(job.name, optimizer=optimizer))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob(Place):
    """Parameters of `gleann index delete`."""

    name: str
    yes: bool


@command.command(
    "delete",
    short_help="Delete an index and its rows.",
    epilog=options.examples("gleann index delete docs --yes --data library"),
)
@NAME
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@place_options
@options.takes(DeleteJob)
def delete_command(job: DeleteJob) -> None:
    """Delete the index NAME with all its rows. Nothing brings them back."""
    with opened(job) as client:
        count = client.get_index(job.name).count
        if not job.yes:
            confirm(f"Delete {job.name} with its {count:,} rows?")
        client.delete_index(job.name)
    say(f"{job.name} deleted with its {count:,} rows")
    result(name=job.name, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsJob(Place):
    """Parameters of `gleann index columns`."""

    name: str
    add: tuple[str, ...]
    drop: tuple[str, ...]


@command.command(
    "columns",
    short_help="List, add or remove columns of payload.",
    epilog=options.examples(
        "gleann index columns docs --data library",
        "gleann index columns docs --add licence:string --drop score --data library",
        "gleann index columns docs --add tenant:string:indexed --data library",
    ),
)
@NAME
@click.option(
    "--add",
    multiple=True,
    metavar="NAME:TYPE",
    help="Column to add, as in `gleann index create`; one that is there with this type"
    " keeps its values, and NAME:TYPE:indexed indexes it. Repeat for more.",
)
@click.option(
    "--drop",
    multiple=True,
    metavar="NAME",
    help="Column to remove with its values; repeat for more.",
)
@place_options
@options.takes(ColumnsJob)
def columns_command(job: ColumnsJob) -> None:
    """List the columns of payload of the index NAME, after adding and removing some."""
    added = declared_columns(job.add)
    with opened(job) as client:
        info = _changed_columns(client, job, added)
    for column in info.columns:
        say(shown_column(column))
    result(columns=index_values(info)["columns"])


def _changed_columns(client: Client, job: ColumnsJob, added: list[Column]) -> IndexInfo:
    if not added and not job.drop:
        return client.get_index(job.name)
    if both := {column.name for column in added} & set(job.drop):
        raise InvalidParamsError(f"column {min(both)!r} is both added and removed")
    return client.update_index(job.name, add_columns=added, drop_columns=list(job.drop))


for _work in (build_command, import_command, optimize_command):
    command.add_command(_work)
