"""The options of all commands that work on a cluster."""

from collections.abc import Callable
from typing import TypeVar

import click

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
