"""`gleann select active`: which items to label next."""

from typing import get_args

import click

from gleann.selection.active.params import PoolName, Strategy
from gleann.service.cli import options
from gleann.service.cli.select.active_job import ActiveJob, run


def _integers(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, ...] | None:
    """Read integers between commas."""
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"must be like 0,1,2; got {text!r}") from error


def _names(
    _context: click.Context, _option: click.Parameter, text: str
) -> tuple[str, ...]:
    """Read names between commas; none of an empty text."""
    names = tuple(word.strip() for word in text.split(",")) if text else ()
    if not all(names):
        raise click.BadParameter(f"must be like city,river; got {text!r}")
    return names


@click.command(
    "active",
    short_help="Ask for the labels that teach a classifier most (SEALS).",
    epilog=options.examples(
        "gleann select active words.gleann --labels seed.csv --state session.json"
        " --out batch-1.parquet",
        "gleann select active words.gleann --labels labels.csv --state session.json"
        " --resume --out batch-2.parquet",
        "gleann select active words.gleann --labels seed.csv --concepts city,river"
        " --state both.json --out batch.parquet",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--labels",
    type=options.PATH,
    required=True,
    help="csv or parquet with all labels so far: the columns id and label, or id and"
    " one of 0 and 1 for each of --concepts.",
)
@click.option(
    "--state",
    type=options.PATH,
    required=True,
    help="File that keeps the session; --resume goes on from it.",
)
@click.option("--resume", is_flag=True, help="Go on from --state and rewrite it.")
@options.out_option("batch.parquet")
@click.option(
    "--strategy",
    type=click.Choice(get_args(Strategy)),
    default="entropy",
    show_default=True,
    help="What makes an item worth its label.",
)
@click.option(
    "--pool",
    type=click.Choice(get_args(PoolName)),
    default="classifier",
    show_default=True,
    help="Neighbours of the labelled (seals), these and what the classifier asks the"
    " index for (classifier), AnchorAL's (anchors), every item, or random draws. The"
    " first three need an index.",
)
@click.option("--batch", default=100, show_default=True, help="Items to ask for.")
@click.option(
    "--neighbours",
    default=100,
    show_default=True,
    help="Neighbours of each labelled item that enter the pool.",
)
@click.option(
    "--regularisation",
    "-C",
    default=1.0,
    show_default=True,
    help="Inverse strength of the logistic regression's penalty.",
)
@click.option(
    "--class-weight", type=click.Choice(["balanced"]), help="Weigh rare classes up."
)
@click.option(
    "--classes",
    callback=_integers,
    help="All labels there are, ascending, as 0,1,2; those of --labels without it.",
)
@click.option(
    "--concepts",
    callback=_names,
    default="",
    help="Several yes-or-no questions at once, as city,river: they share the pool, and"
    " take turns in picking.",
)
@click.option(
    "--probabilities",
    type=options.PATH,
    help="What your own model says, in row order as .npy, instead of training one:"
    " (n, c) of the classes, or with --concepts (n, q), how likely each is. Needed"
    " again for every batch.",
)
@click.option(
    "--anchors",
    default=10,
    show_default=True,
    help="Labelled items of each class that the anchors pool is made around.",
)
@click.option(
    "--subpool",
    default=10_000,
    show_default=True,
    help="Most items in the anchors pool.",
)
@click.option(
    "--ignore",
    type=options.PATH,
    help="Ids never to ask for (again) (.npy, or csv with a column id).",
)
@options.seed_option
@options.column_options
@options.overwrite_option
@options.takes(ActiveJob)
def active(job: ActiveJob) -> None:
    """Ask for labels of items of SOURCE, an index or a file of vectors.

    Labels are integers of at least two classes, the largest the positive one. Run it,
    label what OUT lists, add those labels to the file, and run it with --resume; the
    parameters are then those of the session, not of the command line, but for --ignore
    and --probabilities.

    Prints what the batch is worth by the strategy's score, compared with as many random
    items and the strongest simple choice: the items of highest score of all.
    """
    run(job)
