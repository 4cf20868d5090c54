"""Options that `gleann estimate` and `gleann estimate-groups` share."""

from collections.abc import Callable
from functools import reduce
from typing import TypeVar, get_args

import click

from gleann.selection.estimate.stratified.allocate import TargetName
from gleann.service.cli import options
from gleann.service.cli.labelling import todo_option

Callback = TypeVar("Callback", bound=Callable[..., None])

target_option = click.option(
    "--target",
    type=click.Choice(get_args(TargetName)),
    default="count",
    show_default=True,
    help="Count the positives, give their share of all, or average (mean) or sum the"
    " values over them.",
)


class RangeType(click.ParamType[tuple[float, float]]):
    """Two numbers with a comma between them, such as 0,120."""

    name = "LO,HI"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, float]:
        """The two numbers, or a message that shows what was given."""
        try:
            low, high = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} must be two numbers such as 0,120", param, ctx)
        return low, high


value_range_option = click.option(
    "--value-range",
    type=RangeType(),
    help="Least and greatest value that an item may have, such as 0,120. With it the"
    " interval of an average or a sum holds for any values inside.",
)


def question_options(*, budget: str, todo: str) -> Callable[[Callback], Callback]:
    """Options for the target, the label budget and the file of label requests.

    Args:
        budget: help text of --budget.
        todo: columns of the --todo file.
    """
    question = (
        target_option,
        click.option("--budget", type=int, required=True, help=budget),
        click.option(
            "--strata", default=5, show_default=True, help="Number of proxy strata."
        ),
        click.option(
            "--confidence", default=0.95, show_default=True, help="Confidence level."
        ),
        value_range_option,
        options.among_options,
        options.seed_option,
        todo_option(todo),
    )

    def add(function: Callback) -> Callback:
        return reduce(lambda wrapped, option: option(wrapped), question[::-1], function)

    return add
