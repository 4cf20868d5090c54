"""Options that `gleann estimate` and `gleann estimate-groups` share."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar, get_args

import click

from gleann.selection.estimate.result import INTERVALS
from gleann.selection.estimate.stratified.allocate import TargetName
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
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


def question_options(
    *,
    budget: str,
    todo: str,
    among: Callable[[Any], Any] = options.among_options,
) -> Callable[[Callback], Callback]:
    """Options for the target, the label budget and the file of label requests.

    Args:
        budget: help text of --budget.
        todo: columns of the --todo file.
        among: options of the items that the estimate is over.
    """
    question: tuple[Callable[[Any], Any], ...] = (
        target_option,
        click.option("--budget", type=int, required=True, help=budget),
        click.option(
            "--strata", default=5, show_default=True, help="Number of proxy strata."
        ),
        click.option(
            "--confidence", default=0.95, show_default=True, help="Confidence level."
        ),
        value_range_option,
        among,
        options.seed_option,
        todo_option(todo),
    )

    def add(function: Callback) -> Callback:
        return reduce(lambda wrapped, option: option(wrapped), question[::-1], function)

    return add


def round_options(function: Callback) -> Callback:
    """Options for strata, rounds, the interval and when to stop."""
    rounds: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--strata-cut",
            type=click.Choice(tuple(STRATA_CUTS)),
            help="Rule for strata bounds; sqrt_mass, but geometric for a count whose"
            " proxies an index computes, as these only rank.",
        ),
        click.option(
            "--rounds",
            type=int,
            help="Labelling rounds; 2. Where labelling may stop early the labels"
            " decide.",
        ),
        click.option(
            "--pilot-share",
            type=float,
            help="Budget share of the first round; 0.2, but 50 labels or half the"
            " budget at least, and 100 labels at most if it may stop early.",
        ),
        click.option(
            "--interval",
            type=click.Choice(tuple(INTERVALS)),
            default="auto",
            show_default=True,
            help="Method for the confidence interval; auto is delta for a count that"
            " few positives do not skew, else polya, which reaches to what was not"
            " labelled.",
        ),
        stop_options,
    )
    return reduce(lambda wrapped, option: option(wrapped), rounds[::-1], function)


def stop_options(function: Callback) -> Callback:
    """Options for a width to stop at, and intervals of which whoever asks may stop."""
    decorators = (
        click.option(
            "--stop-at-width",
            type=float,
            help="Stop labelling when the interval is at most this wide.",
        ),
        click.option(
            "--stop-at-relative-width",
            type=float,
            help="The same width, relative to the estimate.",
        ),
        click.option(
            "--anytime",
            is_flag=True,
            help="Widen the intervals so that those of all rounds hold together. For"
            " whoever looks after every round and stops by the number; --stop-at-width"
            " does not need it.",
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
