"""Options that builds of one index and builds in shards share."""

from collections.abc import Callable
from typing import get_args

import click

from gleann.index.params import CodesChoice, Metric, Spill
from gleann.service.cli import options

_METRIC = click.option(
    "--metric",
    type=click.Choice(get_args(Metric)),
    default="cosine",
    show_default=True,
    help="Distance metric.",
)
_SPILL = click.option(
    "--spill",
    type=click.Choice(get_args(Spill)),
    default="auto",
    show_default=True,
    help="Rule for a row's second list; auto measures whether spilling pays off.",
)
_CODES = click.option(
    "--codes",
    type=click.Choice(get_args(CodesChoice)),
    default="auto",
    show_default=True,
    help="Codes that are scanned; auto takes int8 if it preserves the ranking.",
)
_TARGET_RECALL = click.option(
    "--target-recall",
    type=float,
    help="Recall@10 to choose spilling for; both 0.95 and 0.99 by default.",
)
_QUERIES = click.option(
    "--queries",
    type=options.PATH,
    help="A .npy file of typical queries to measure with; rows by default.",
)


def layout_of_lists(function: options.Callback) -> options.Callback:
    """Add `--metric`, `--spill` and `--codes`."""
    return _METRIC(_SPILL(_CODES(function)))


def measured(nlist: str) -> Callable[[options.Callback], options.Callback]:
    """Add `--target-recall`, `--queries` and `--nlist`, the last with this help."""

    def decorate(function: options.Callback) -> options.Callback:
        lists = click.option(
            "--nlist",
            callback=options.parse_nlist,
            metavar="auto|N",
            default="auto",
            show_default=True,
            help=nlist,
        )
        return _TARGET_RECALL(_QUERIES(lists(function)))

    return decorate
