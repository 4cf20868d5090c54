"""`gleann snapshot`: keep states of indexes, list, delete, export and import them."""

from dataclasses import dataclass
from pathlib import Path

import click

from gleann.service.cli import options
from gleann.service.cli.collections.snapshot_report import (
    snapshot_line,
    snapshot_values,
)
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.place import (
    Place,
    confirm,
    opened,
    place_options,
)
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say
from gleann.service.values import SnapshotInfo

NAME = click.argument("name")


@click.group(
    "snapshot",
    cls=SuggestingGroup,
    short_help="Keep whole states of indexes, and move them to other machines.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann snapshot create docs --data library",
        "gleann snapshot export snapshots/docs-3f2a9c418d20 docs.tar --data library",
        "gleann restore docs.tar docs --data other",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work on the snapshots of a server or of a data directory."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob(Place):
    """Parameters of `gleann snapshot create`."""

    index: str
    where: str | None
    progress: bool


@command.command(
    "create",
    short_help="Keep the state of an index.",
    epilog=options.examples(
        "gleann snapshot create docs --data library",
        "gleann snapshot create docs --where \"split = 'test'\" --data library",
    ),
)
@click.argument("index")
@click.option("--where", help="Keep only rows for which this condition is true.")
@place_options
@options.progress_option
@options.takes(CreateJob)
def create_command(job: CreateJob) -> None:
    """Keep the state of INDEX as it is now; searches and changes go on."""
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        info = client.snapshots.create(job.index, where=job.where).wait(report)
    _describe(info)


def _describe(info: SnapshotInfo) -> None:
    say(snapshot_line(info))
    result(**snapshot_values(info))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJob(Place):
    """Parameters of `gleann snapshot list`."""

    index: str


@command.command(
    "list",
    short_help="List snapshots, oldest first.",
    epilog=options.examples(
        "gleann snapshot list --data library",
        "gleann snapshot list docs --server grpc://127.0.0.1:50051 --json",
    ),
)
@click.argument("index", default="")
@place_options
@options.takes(ListJob)
def list_command(job: ListJob) -> None:
    """List all snapshots, or those of INDEX."""
    with opened(job) as client:
        infos = client.snapshots.list(job.index)
    for info in infos:
        say(snapshot_line(info))
    result(snapshots=[snapshot_values(info) for info in infos])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob(Place):
    """Parameters of `gleann snapshot delete`."""

    name: str
    yes: bool


@command.command(
    "delete",
    short_help="Delete a snapshot.",
    epilog=options.examples(
        "gleann snapshot delete snapshots/docs-3f2a9c418d20 --yes --data library"
    ),
)
@NAME
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@place_options
@options.takes(DeleteJob)
def delete_command(job: DeleteJob) -> None:
    """Delete the snapshot NAME; indexes that were made of it stay."""
    with opened(job) as client:
        if not job.yes:
            confirm(f"Delete {job.name}?")
        client.snapshots.delete(job.name)
    say(f"{job.name} deleted")
    result(name=job.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob(Place):
    """Parameters of `gleann snapshot export`."""

    name: str
    path: Path
    progress: bool


@command.command(
    "export",
    short_help="Write a snapshot to a directory or a tar file.",
    epilog=options.examples(
        "gleann snapshot export snapshots/docs-3f2a9c418d20 docs.tar --data library"
    ),
)
@NAME
@click.argument("path", type=options.PATH)
@place_options
@options.progress_option
@options.takes(ExportJob)
def export_command(job: ExportJob) -> None:
    """Write the snapshot NAME to PATH: a new directory, or a tar file (.tar).

    A server writes PATH itself, under one of its export roots.
    """
    path = job.path.resolve() if job.data is not None else job.path
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        info = client.snapshots.export_to(job.name, path).wait(report)
    say(f"{job.path}: {snapshot_line(info)}")
    result(path=job.path, **snapshot_values(info))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob(Place):
    """Parameters of `gleann snapshot import`."""

    path: Path
    progress: bool


@command.command(
    "import",
    short_help="Take in a snapshot from a directory or a tar file.",
    epilog=options.examples("gleann snapshot import docs.tar --data other"),
)
@click.argument("path", type=options.PATH)
@place_options
@options.progress_option
@options.takes(ImportJob)
def import_command(job: ImportJob) -> None:
    """Take in the snapshot at PATH; a data directory is made if it is missing.

    A server reads PATH itself, under one of its import roots.
    """
    path = job.path.resolve() if job.data is not None else job.path
    with (
        opened(job, create=True) as client,
        progress_bars(wanted=job.progress) as report,
    ):
        info = client.snapshots.import_from(path).wait(report)
    _describe(info)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyJob(Place):
    """Parameters of `gleann snapshot verify`."""

    name: str
    progress: bool


@command.command(
    "verify",
    short_help="Compare every file of a snapshot with its checksum.",
    epilog=options.examples(
        "gleann snapshot verify snapshots/docs-3f2a9c418d20 --data library"
    ),
)
@NAME
@place_options
@options.progress_option
@options.takes(VerifyJob)
def verify_command(job: VerifyJob) -> None:
    """Compare every file of the snapshot NAME with its checksum."""
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        info = client.snapshots.verify(job.name).wait(report)
    say(f"{info.name} is whole: {info.size_bytes:,} bytes")
    result(**snapshot_values(info))
