"""`gleann curate`: clean, split and order training data with an index."""

import click

from gleann.service.cli import options
from gleann.service.cli.groups import Entry, SectionedGroup

SECTIONS = {
    "Similar rows": {
        "duplicates": Entry(
            "similar.duplicates", "Find near-duplicates, and which rows stay."
        ),
        "rethreshold": Entry(
            "similar.rethreshold",
            "Duplicates or leakage for a smaller radius, without another search.",
        ),
        "join": Entry(
            "similar.join", "Find the near pairs of two collections, or within one."
        ),
        "leakage": Entry(
            "similar.leakage",
            "Find rows whose near-duplicates are in the training data.",
        ),
        "split": Entry(
            "similar.split",
            "Split rows so that test rows are near to training rows, or far.",
        ),
    },
    "What to train on": {
        "target": Entry(
            "training.target",
            "Choose items for a target, such as a benchmark's training set.",
        ),
        "plan": Entry(
            "training.plan",
            "Plan epochs of training, each with a fresh share of the items.",
        ),
        "negatives": Entry(
            "training.negatives",
            "Mine hard negatives of queries, to train a retriever.",
        ),
        "audit": Entry(
            "audit", "Measure a choice: diversity, coverage, classes and groups."
        ),
    },
    "Labels of all items from few": {
        "propagate": Entry(
            "labels.propagate", "Spread the labels of a few items to all others."
        ),
        "allocate": Entry(
            "labels.allocate",
            "Label the surest items, no class above its share (Sinkhorn).",
        ),
    },
    "What a sample promises": {
        "promise": Entry(
            "sampled.promise", "Keep a set that holds a recall or a precision (SUPG)."
        ),
        "acceptance": Entry(
            "sampled.acceptance",
            "Bound the failures in a batch from an audit of a part.",
        ),
        "means": Entry(
            "sampled.means",
            "Estimate several means and shares from one labelled sample.",
        ),
    },
}
"""The commands, by what they are for."""


@click.group(
    "curate",
    cls=SectionedGroup,
    package=__package__,
    sections=SECTIONS,
    short_help="Clean, split and order training data.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann curate duplicates words.gleann --similarity 0.95 --out found.parquet"
        " --report found.html",
        "gleann curate leakage items.gleann --splits items.csv:split --similarity 0.9"
        " --out leaked.csv",
        "gleann curate duplicates docs --similarity 0.95 --out found.parquet --server"
        " grpc://127.0.0.1:50051",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Curate the training data of an index or of a file of vectors.

    With --server or --data, the work is a job where the index is: the same answer is
    written here, Ctrl-C says how to come back to it, and it is kept by its name;
    --dry-run says beforehand what it would compare and take.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
