"""The options of commands that have a cluster hold an index in shards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from gleann.service.cluster.search.cluster_shards import Waiting

Callback = TypeVar("Callback", bound=Callable[..., None])

LOST_SECONDS = 120.0
"""As that of `service/cluster/search/cluster_shards.py`, which loads more than help
needs."""


@dataclass(frozen=True, kw_only=True)  # no slots: jobs have another base with them
class HoldingOptions:
    """Parameters of who holds shards, and of waiting for them; jobs inherit them."""

    workers: int | None
    address: str | None
    replicas: int
    partial: bool
    seconds: float | None
    lost_seconds: float

    @property
    def waiting(self) -> "Waiting":
        """What to do where a shard does not answer."""
        from gleann.service.cluster.search.cluster_shards import Waiting

        return Waiting(
            seconds=self.seconds,
            partial=self.partial,
            lost_seconds=self.lost_seconds,
        )


def holding_options(function: Callback) -> Callback:
    """The options --replicas, --partial, --seconds and --lost-seconds."""
    replicas = click.option(
        "--replicas",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes that hold each shard.",
    )
    partial = click.option(
        "--partial",
        is_flag=True,
        help="Answer without a shard that does not answer, and say which share of the"
        " rows is covered. Without it, a lost shard is waited for.",
    )
    seconds = click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Most time to wait for an answer; as long as it takes by default.",
    )
    lost_seconds = click.option(
        "--lost-seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=LOST_SECONDS,
        show_default=True,
        help="Most time to wait for a lost shard until it is back, without --partial;"
        " then it is an error. All of its files are read again: give more where that"
        " takes longer.",
    )
    return replicas(partial(seconds(lost_seconds(function))))
