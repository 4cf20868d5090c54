"""`gleann status`: what a server does now."""

from dataclasses import asdict, dataclass

import click

from gleann.service.cli import options
from gleann.service.cli.collections.status_lines import status_lines
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.say import result, say


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusJob(Place):
    """Parameters of `gleann status`."""


@click.command(
    "status",
    short_help="Show what a server does: queues, memory, indexes.",
    epilog=options.examples(
        "gleann status --server grpc://127.0.0.1:50051",
        "gleann status --data library --json",
    ),
)
@place_options
@options.takes(StatusJob)
def command(job: StatusJob) -> None:
    """Show calls that run and wait, memory, disk, indexes and operations.

    Memory of an index is that of its arrays and of its mapped files, as far as these
    are in memory; --json has it by part. Recall is measured on a sample of the queries
    that were asked.
    """
    with opened(job) as client:
        status = client.server_status()
    for line in status_lines(status):
        say(line)
    result(**asdict(status))
