"""`gleann select active`: choose the items to label next."""

import click

from gleann.service.cli import options
from gleann.service.cli.select.active_job import ActiveJob, run
from gleann.service.cli.select.active_options import active_options


@click.command(
    "active",
    short_help="Choose the most informative items to label (SEALS).",
    epilog=options.examples(
        "gleann select active words.gleann --labels seed.csv --state session.json"
        " --out batch-1.parquet",
        "gleann select active words.gleann --labels labels.csv --state session.json"
        " --resume --out batch-2.parquet",
        "gleann select active words.gleann --labels seed.csv --where \"split = 'pool'\""
        " --state session.json --out batch-1.parquet",
        "gleann select active words.gleann --labels seed.csv --concepts city,river"
        " --state both.json --out batch.parquet",
        "gleann select active items.parquet --labels seed.csv --state s.json --out"
        " batch.parquet --report batch.html --show-column text",
    ),
)
@click.argument("source", type=options.PATH)
@active_options
@options.among_options
@options.seed_option
@options.column_options
@options.metric_option
@options.report_options
@options.overwrite_option
@options.takes(ActiveJob)
def active(job: ActiveJob) -> None:
    """Choose items of SOURCE, an index or a file of vectors, to label next.

    Labels are integers of at least two classes; the largest is the positive one. Run
    it, label the items in OUT, add their labels to the file and run it with --resume.
    The parameters then come from the session, except --ignore and --probabilities; so
    do the items that passed --where when it began, the only candidates.

    Prints the pool and why it was taken, the share of the items that were looked at,
    and the batch's strategy score, compared with as many random items and with the
    strongest simple baseline: the items with the highest score of all.
    """
    run(job)
