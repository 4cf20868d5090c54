"""`gleann restore`: make a new index of a snapshot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from gleann.index.errors import GleannError
from gleann.index.progress import Progress
from gleann.service.cli import options
from gleann.service.cli.collections.index_report import index_line, index_values
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say, warn
from gleann.service.client.client import Client
from gleann.service.values import IndexInfo

PREFIX = "snapshots/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreJob(Place):
    """Parameters of `gleann restore`."""

    source: str
    name: str
    keep: bool
    progress: bool


@click.command(
    "restore",
    short_help="Make a new index of a snapshot.",
    epilog=options.examples(
        "gleann restore snapshots/docs-3f2a9c418d20 docs-2 --data library",
        "gleann restore docs.tar docs --data other",
        "gleann restore /backup/docs.tar docs --server grpc://127.0.0.1:50051",
    ),
)
@click.argument("source")
@click.argument("name")
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the snapshot beside the index, where SOURCE is a path.",
)
@place_options
@options.progress_option
@options.takes(RestoreJob)
def command(job: RestoreJob) -> None:
    """Make the index NAME of SOURCE: the same rows, payload and answers.

    SOURCE is a snapshot, such as snapshots/docs-3f2a9c418d20, or the path of a tar file
    or directory that `gleann snapshot export` wrote. A data directory is made if it is
    missing; a server reads the path itself, under one of its import roots.
    """
    is_path = not job.source.startswith(PREFIX)
    with (
        opened(job, create=is_path) as client,
        progress_bars(wanted=job.progress) as report,
    ):
        if is_path:
            info = _restore_file(client, job, report)
        else:
            info = client.snapshots.restore(job.source, job.name).wait(report)
    say(index_line(info))
    result(**index_values(info))


def _restore_file(
    client: Client, job: RestoreJob, report: Callable[[Progress], None]
) -> IndexInfo:
    path = Path(job.source).resolve() if job.data is not None else job.source
    before = {one.name for one in client.snapshots.list()}
    snapshot = client.snapshots.import_from(path).wait(report)
    try:
        return client.snapshots.restore(snapshot.name, job.name).wait(report)
    finally:
        if not job.keep and snapshot.name not in before:
            _remove(client, snapshot.name)


def _remove(client: Client, snapshot: str) -> None:
    """Remove a snapshot, or say that it is left; the result or the error stands."""
    try:
        client.snapshots.delete(snapshot)
    except GleannError as error:
        warn(f"{snapshot} is left there: {error}")
