"""Options of weighted k-center that it has on one machine and in shards."""

import click

from gleann.selection.coreset.methods import defaults
from gleann.service.cli.options import Callback

_WEIGHT = click.option(
    "--cost-weight",
    default=defaults.COST_WEIGHT,
    show_default=True,
    help="Weight of one unit of cost relative to one unit of radius.",
)
_COST_ON = click.option(
    "--cost-on",
    type=click.Choice(["sum", "mean"]),
    default="sum",
    show_default=True,
    help="Weight the sum or the mean of the chosen items' costs.",
)
_EPS = click.option(
    "--eps",
    default=defaults.RADIUS_STEP,
    show_default=True,
    help="Relative step between radius guesses.",
)


def weight_options(function: Callback) -> Callback:
    """Add `--cost-weight`, `--cost-on` and `--eps`."""
    return _WEIGHT(_COST_ON(_EPS(function)))
