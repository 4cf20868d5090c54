"""`gleann select rounds`: choose a training set in rounds."""

from typing import get_args

import click

from gleann.selection.rounds import PickerName, RoundsParams
from gleann.service.cli import options
from gleann.service.cli.select.rounds_job import RoundsJob, run

_DEFAULT = RoundsParams()


def _numbers(
    _context: click.Context, _option: click.Parameter, text: str
) -> tuple[float, ...]:
    """Parse comma-separated numbers."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"must be like 0,0.3,1; got {text!r}") from error


@click.command(
    "rounds",
    short_help="Choose a training set in rounds of labelling and training.",
    epilog=options.examples(
        "gleann select rounds items.npy --labels labels.csv --picker badge"
        " --batch 200 --state rounds.json --out round-1.parquet",
        "gleann select rounds items.npy --labels labels.csv --state rounds.json"
        " --resume --out round-2.parquet",
        "gleann select rounds items.npy --payload items.csv --where \"split = 'pool'\""
        " --state rounds.json --out round-1.parquet",
        "gleann select rounds items.parquet --labels labels.csv --state rounds.json"
        " --out round-1.parquet --report round-1.html --show-column text",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--labels",
    type=options.PATH,
    help="csv or parquet with all labels so far: the columns id and label, integers."
    " Without labels the first round is drawn at random.",
)
@click.option(
    "--state",
    type=options.PATH,
    required=True,
    help="File for the session state; --resume continues from it.",
)
@click.option("--resume", is_flag=True, help="Continue from --state and rewrite it.")
@options.out_option("round.parquet")
@click.option(
    "--picker",
    type=click.Choice([name.replace("_", "-") for name in get_args(PickerName)]),
    default=_DEFAULT.picker.replace("_", "-"),
    show_default=True,
    help="How a round is picked: random draws, the smallest margins, coverage"
    " (farthest-first), coverage and margins (weighted-k-center), margins far apart"
    " (gist), k-means++ on gradients (badge), margins of many clusters"
    " (cluster-margin), or margins of labels propagated over the neighbour graph"
    " (graph-margin).",
)
@click.option(
    "--batch", default=_DEFAULT.batch, show_default=True, help="Items per round."
)
@click.option(
    "--weights",
    callback=_numbers,
    default=",".join(f"{weight:g}" for weight in _DEFAULT.weights),
    show_default=True,
    help="Weights of the mean margin for weighted-k-center, in mean distances; of"
    " several, each round chooses one on the labelled items.",
)
@click.option(
    "--diversity",
    default=_DEFAULT.diversity,
    show_default=True,
    help="Weight of the minimum distance against the mean of 1 - margin, for gist.",
)
@click.option(
    "--eps",
    default=_DEFAULT.eps,
    show_default=True,
    help="Relative step between radius guesses (weighted-k-center) and between"
    " distance thresholds (gist).",
)
@click.option(
    "--oversampling",
    default=_DEFAULT.oversampling,
    show_default=True,
    help="Smallest margins considered per item of a round, for cluster-margin.",
)
@click.option(
    "--cluster-items",
    default=_DEFAULT.cluster_rows,
    show_default=True,
    help="Mean number of items in a cluster, for cluster-margin.",
)
@click.option(
    "--regularisation",
    "-C",
    default=_DEFAULT.C,
    show_default=True,
    help="Inverse strength of the logistic regression's penalty.",
)
@click.option(
    "--class-weight",
    type=click.Choice(["balanced"]),
    help="Give rare classes a higher weight.",
)
@click.option(
    "--ignore",
    type=options.PATH,
    help="Ids to exclude from all rounds (.npy, or csv with a column id).",
)
@options.among_options
@options.seed_option
@options.column_options
@options.metric_option
@options.report_options
@options.progress_option
@options.overwrite_option
@options.takes(RoundsJob)
def rounds(job: RoundsJob) -> None:
    """Choose items of SOURCE, an index or a file of vectors, round after round.

    Each round trains a logistic regression on the items labelled so far and picks the
    next ones; the labelled items count as chosen already. Run it, label the items in
    OUT, add their labels to the file and run it with --resume. The parameters then come
    from the session, except --ignore, and so do the items that passed --where when it
    began, the only ones that are picked. New classes may appear in any round.
    """
    run(job)
