"""The options of commands that start and resume active-learning sessions."""

from collections.abc import Callable
from typing import TypeVar, get_args

import click

from gleann.selection.active.params import ActiveParams, PoolName, Strategy
from gleann.service.cli import options

Callback = TypeVar("Callback", bound=Callable[..., None])

DEFAULTS = ActiveParams()


def _integers(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Parse comma-separated integers."""
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"must be like 0,1,2; got {text!r}") from error


def _names(
    _context: click.Context, _option: click.Parameter, text: str
) -> tuple[str, ...]:
    """Parse comma-separated names; "" has none."""
    names = tuple(word.strip() for word in text.split(",")) if text else ()
    if not all(names):
        raise click.BadParameter(f"must be like city,river; got {text!r}")
    return names


_OPTIONS = (
    click.option(
        "--labels",
        type=options.PATH,
        required=True,
        help="csv or parquet with all labels so far: the columns id and label, or id"
        " and one of 0 and 1 for each of --concepts.",
    ),
    click.option(
        "--state",
        type=options.PATH,
        required=True,
        help="File for the session state; --resume continues from it.",
    ),
    click.option(
        "--resume", is_flag=True, help="Continue from --state and rewrite it."
    ),
    options.out_option("batch.parquet"),
    click.option(
        "--strategy",
        type=click.Choice(get_args(Strategy)),
        default=DEFAULTS.strategy,
        show_default=True,
        help="Query strategy: the score by which items are chosen.",
    ),
    click.option(
        "--pool",
        type=click.Choice(get_args(PoolName)),
        default=DEFAULTS.pool,
        show_default=True,
        help="Candidates: every item where that costs no more, else classifier (auto);"
        " neighbours of the labelled items (seals), these plus index results for the"
        " classifier (classifier), AnchorAL's (anchors), every item (global), or random"
        " draws. Seals, classifier and anchors need an index.",
    ),
    click.option(
        "--batch", default=DEFAULTS.batch, show_default=True, help="Items per batch."
    ),
    click.option(
        "--neighbours",
        default=DEFAULTS.neighbours,
        show_default=True,
        help="Neighbours of each labelled item that enter the pool.",
    ),
    click.option(
        "--regularisation",
        "-C",
        default=1.0,
        show_default=True,
        help="Inverse strength of the logistic regression's penalty.",
    ),
    click.option(
        "--class-weight",
        type=click.Choice(["balanced"]),
        help="Give rare classes a higher weight.",
    ),
    click.option(
        "--classes",
        callback=_integers,
        help="All labels, ascending, as 0,1,2; by default those in --labels.",
    ),
    click.option(
        "--concepts",
        callback=_names,
        default="",
        help="Several yes-or-no questions, as city,river: they share the pool and"
        " pick in turns.",
    ),
    click.option(
        "--probabilities",
        type=options.PATH,
        help="Probabilities of your own model as .npy, in row order, instead of"
        " training: (n, c) by class, or with --concepts (n, q). Required for every"
        " batch.",
    ),
    click.option(
        "--anchors",
        default=10,
        show_default=True,
        help="Anchors per class: labelled items whose neighbours form the pool.",
    ),
    click.option(
        "--subpool",
        default=10_000,
        show_default=True,
        help="Maximum size of the anchors pool.",
    ),
    click.option(
        "--ignore",
        type=options.PATH,
        help="Ids to exclude from all batches (.npy, or csv with a column id).",
    ),
)


def active_options(function: Callback) -> Callback:
    """The options from --labels to --ignore: of the session, its files, its model."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
