"""`gleann top`: rates, queues, jobs and memory of a server, again and again."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gleann.service.cli import options
from gleann.service.cli.collections.status_lines import (
    index_lines,
    job_lines,
    method_lines,
    queue_lines,
    server_lines,
)
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.say import is_json_wanted, result, say

if TYPE_CHECKING:
    from gleann.service.client.client import Client

_CLEAR = "\x1b[H\x1b[2J"
_UNDER_WAY = "state IN ('running', 'queued', 'paused')"
LEAST_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TopJob(Place):
    """Parameters of `gleann top`.

    Attributes:
        once: show it once.
        seconds: between two looks.
    """

    once: bool
    seconds: float


@click.command(
    "top",
    short_help="Watch rates, queues, jobs and memory of a server.",
    epilog=options.examples(
        "gleann top --server grpc://127.0.0.1:50051",
        "gleann top --server grpc://127.0.0.1:50051 --once",
    ),
)
@place_options
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=LEAST_SECONDS),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@options.takes(TopJob)
def command(job: TopJob) -> None:
    """Show calls a second, their times, queues, jobs and memory until Ctrl-C.

    Rates and times are of the last minute. --json shows it once.
    """
    with opened(job) as client:
        if job.once or is_json_wanted():
            _show(client)
            return
        with suppress(KeyboardInterrupt):
            while True:
                click.echo(_CLEAR, nl=False)
                _show(client)
                time.sleep(job.seconds)


def _show(client: "Client") -> None:
    status = client.server_status()
    jobs = client.jobs.list(_UNDER_WAY)
    parts = [
        server_lines(status),
        queue_lines(status.queues) if status.queues else [],
        method_lines(status.methods) if status.methods else [],
        job_lines(jobs) if jobs else [],
        index_lines(status.indexes),
    ]
    say("\n\n".join("\n".join(part) for part in parts if part))
    result(
        methods=[
            {"method": one.method, "rate": one.rate, "p99_seconds": one.p99_seconds}
            for one in status.methods
        ],
        jobs=[{"name": one.name, "kind": one.kind, "index": one.index} for one in jobs],
        state=status.state,
    )
