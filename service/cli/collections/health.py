"""`gleann health`: whether a server serves."""

from dataclasses import dataclass

import click

from gleann.index.errors import InvalidParamsError
from gleann.service.cli import options
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.say import result, say


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthJob(Place):
    """Parameters of `gleann health`."""

    seconds: float


@click.command(
    "health",
    short_help="Tell whether a server serves; for probes and scripts.",
    epilog=options.examples(
        "gleann health --server grpc://127.0.0.1:50051",
        "gleann health --server grpc://127.0.0.1:50051 --seconds 60 && ./load.sh",
    ),
)
@place_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Seconds to wait until it serves.",
)
@options.takes(HealthJob)
def command(job: HealthJob) -> None:
    """Exit with 0 once a server serves, with 1 if it does not in time.

    A health check needs no API key.
    """
    if job.server is None:
        raise InvalidParamsError("--server says which server is asked: it is not given")
    with opened(job) as client:
        client.wait_ready(job.seconds)
    say(f"{job.server} serves")
    result(server=job.server, serving=True)
