"""`gleann curate target`: choose the items that help with a target."""

import click

from gleann.selection.curation.target.distil import POSITIVE_FRACTION, SAMPLE_SIZE
from gleann.selection.curation.target.resample import SMOOTHING
from gleann.selection.heads import TARGET_RECALL
from gleann.service.cli import options
from gleann.service.cli.curate.served.options import served_by, served_options
from gleann.service.cli.curate.training.by_name import CapsType, SharesType
from gleann.service.cli.curate.training.target_inputs import OPTIONS_OF, TargetJob
from gleann.service.cli.curate.training.target_job import run


@click.command(
    "target",
    short_help="Choose items for a target, such as a benchmark's training set.",
    epilog=options.examples(
        "gleann curate target items.gleann --targets wanted.npy --budget 1000"
        " --out picks.parquet",
        "gleann curate target items.gleann --target-ids seeds.csv --tasks seeds.csv"
        " --mode best-rank --budget 1000 --out picks.csv --report picks.html",
        "gleann curate target pages.gleann --targets wanted.npy --mode resample"
        " --budget 5000 --groups pages.csv:site --caps 50 --out picks.parquet",
        "gleann curate target items.gleann --targets wanted.npy --mode distil"
        " --budget 1000 --scores proxy.parquet --out picks.parquet",
    ),
)
@click.argument("source", type=options.PATH)
@click.option(
    "--targets",
    type=options.PATH,
    help="Vectors of examples of what is wanted (.npy or parquet).",
)
@click.option(
    "--target-ids",
    type=options.PATH,
    help="Or ids of such items of SOURCE (.npy, or a column id).",
)
@click.option("--budget", type=int, required=True, help="Items to choose.")
@click.option(
    "--mode",
    type=click.Choice(list(OPTIONS_OF)),
    default="round-robin",
    show_default=True,
    help="Nearest items of each target or task in turns; by the best rank that any"
    " target gives; a draw that is distributed over the lists of the index as the"
    " targets are; or by a probe that learns best ranks from a sample.",
)
@options.out_option("picks.parquet")
@click.option(
    "--tasks",
    metavar="FILE[:COLUMN]",
    help="One task per target (.npy, or a column, task by default), by a column id or"
    " in their order: tasks share the budget and are never compared by distance.",
)
@click.option(
    "--allow-targets", is_flag=True, help="Items of --target-ids may be chosen too."
)
@click.option(
    "--exclude",
    type=options.PATH,
    help="Ids of items that are never chosen (.npy, or a column id).",
)
@click.option(
    "--groups",
    metavar="FILE[:COLUMN]",
    help="One group per item (.npy, or a column, group by default), by a column id or"
    " in row order: --caps limits the items of each.",
)
@click.option(
    "--caps",
    type=CapsType(),
    help="Most items of every group, or of some groups, such as web=100,books=20.",
)
@click.option(
    "--target-recall",
    type=float,
    help=f"Recall of the searches; {TARGET_RECALL} by default, 1 compares all items.",
)
@click.option(
    "--shares",
    type=SharesType(),
    help="Share of the budget of each task in --mode resample; even by default.",
)
@click.option(
    "--smoothing",
    type=float,
    help="In --mode resample: entries of the distribution of all items that are added"
    f" to those of the targets; {SMOOTHING:g} by default.",
)
@click.option(
    "--sample-size",
    type=int,
    help=f"Items that the probe of --mode distil learns from; {SAMPLE_SIZE:,} by"
    " default.",
)
@click.option(
    "--positive-fraction",
    type=float,
    help=f"Share of them that it learns as positive; {POSITIVE_FRACTION:g} by default.",
)
@click.option(
    "--scores",
    type=options.PATH,
    help="In --mode distil: also write the probe's score of every item, as id and"
    " proxy, for `gleann estimate --proxy`.",
)
@options.among_options
@options.column_options
@options.metric_option
@served_options
@options.seed_option
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(TargetJob)
@served_by("training.target_served:target_served")
def command(job: TargetJob) -> None:
    """Choose items of SOURCE that resemble examples of what is wanted.

    Writes a table with id, rank, weight and the reasons of the mode: the target and its
    task, the distance, the rank. Prints the distance to the nearest target beside that
    of as many random items and of a draw in proportion to the lists of the index. Of a
    file of vectors an index is built first, in memory. With --server or --data, SOURCE
    is the name of an index there, and --groups a column of its payload, as :COLUMN.

    Use examples of training sets as targets and keep tests out: what resembles a target
    is chosen.
    """
    run(job)
