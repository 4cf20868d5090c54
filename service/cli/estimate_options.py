"""Options that `gleann estimate` and `gleann estimate-groups` share."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TypeVar, get_args

import click

from gleann.selection.estimate.allocate import Target
from gleann.service.cli import options

Callback = TypeVar("Callback", bound=Callable[..., None])

_QUESTION = (
    click.option(
        "--target",
        type=click.Choice(get_args(Target)),
        default="count",
        show_default=True,
        help="Count the positives (a group's items), or average or sum the values over"
        " them.",
    ),
    click.option(
        "--budget", type=int, required=True, help="Labels to spend, on all groups."
    ),
    click.option("--strata", default=5, show_default=True, help="Strata by proxy."),
    click.option(
        "--confidence", default=0.95, show_default=True, help="Of each interval."
    ),
    options.seed_option,
    click.option(
        "--todo",
        type=options.PATH,
        default=Path("todo.csv"),
        show_default=True,
        help="Where what needs a label is written: id, with --overlapping also group;"
        " rewritten by every run.",
    ),
)


def question_options(function: Callback) -> Callback:
    """Say what is estimated, from how many labels, and where they are asked for."""
    return reduce(lambda wrapped, option: option(wrapped), _QUESTION[::-1], function)
