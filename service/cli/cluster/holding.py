"""The options of commands that have a cluster hold an index in shards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

Callback = TypeVar("Callback", bound=Callable[..., None])


@dataclass(frozen=True, kw_only=True)  # no slots: jobs have another base with them
class HoldingOptions:
    """Parameters of who holds shards, and of waiting for them; jobs inherit them."""

    workers: int | None
    address: str | None
    replicas: int
    partial: bool
    seconds: float | None


def holding_options(function: Callback) -> Callback:
    """The options --replicas, --partial and --seconds."""
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
    return replicas(partial(seconds(function)))
