"""The options of all commands that work on a cluster, and what they join."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli.progress import progress_bars

if TYPE_CHECKING:
    from gleann.service.cluster.search.cluster_shards import Waiting
    from gleann.service.cluster.search.replicas import Holding
    from gleann.service.cluster.session import Cluster

Callback = TypeVar("Callback", bound=Callable[..., None])


def cluster_options(function: Callback) -> Callback:
    """The options --workers and --address."""
    workers = click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Tasks at once; by default all cores of this machine, or all CPUs of the"
        " cluster at --address.",
    )
    address = click.option(
        "--address",
        metavar="ADDRESS",
        help="A Ray cluster that runs: auto, HOST:PORT or ray://HOST:PORT. Without it,"
        " Ray runs on this machine until the command ends.",
    )
    return workers(address(function))


class ClusterOptions(Protocol):
    """Parameters of such a command."""

    @property
    def workers(self) -> int | None:
        """Tasks at once; None for all CPUs."""

    @property
    def address(self) -> str | None:
        """Of a Ray that runs; None starts one on this machine."""


@contextmanager
def joined_by(job: ClusterOptions) -> Iterator["Cluster"]:
    """Join or start the Ray of a command; says on stderr when it waits for CPUs.

    Of a Ray of its own no other command has any: that one may take some seconds.

    Raises:
        EngineUnavailableError, UnavailableError: no Ray.
    """
    from gleann.service.cluster.room import Patience
    from gleann.service.cluster.session import joined

    def tell(text: str) -> None:
        click.echo(f"gleann: note: {text}", err=True)

    patience = Patience() if job.address is None else Patience(tell=tell)
    with joined(job.address, workers=job.workers, patience=patience) as cluster:
        yield cluster


@contextmanager
def held_by(
    job: ClusterOptions,
    path: Path,
    *,
    holding: "Holding | None" = None,
    waiting: "Waiting | None" = None,
    bars: bool = False,
) -> Iterator[ShardedIndex]:
    """The index of a command, held by its cluster until the end of the block.

    Args:
        job: what is joined.
        path: of the index.
        holding: as `held`.
        waiting: as `held`.
        bars: show how many shards are open even where stderr is not a terminal.

    Raises:
        EngineUnavailableError, UnavailableError: no Ray.
        GleannError: as `held`.
    """
    from gleann.service.cluster.search.opened import held

    with joined_by(job) as cluster, ExitStack() as stack:
        with progress_bars(wanted=bars) as report:
            there = held(
                cluster, path, holding=holding, waiting=waiting, progress=report
            )
            index = stack.enter_context(there)
        yield index
