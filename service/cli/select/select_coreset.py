"""The coreset commands of `gleann select`."""

from collections.abc import Callable
from typing import TypeVar

import click

from gleann.selection.coreset.methods import defaults
from gleann.service.cli import options
from gleann.service.cli.select.coreset_inputs import COSTS_OF, CoresetJob
from gleann.service.cli.select.coreset_job import run
from gleann.service.cli.select.quota_option import (
    METAVAR,
    complete_rules,
    read_quotas,
)
from gleann.service.cli.select.weight_options import weight_options

Callback = TypeVar("Callback", bound=Callable[..., None])

MAX_PARTS = 100_000
"""Shards or strata; each takes time, also if it is empty."""


def shared_options(function: Callback) -> Callback:
    """Arguments and options of every coreset command."""
    decorators = [
        click.argument("source", type=options.PATH),
        click.option("--k", type=int, required=True, help="Items to choose."),
        options.out_option("picks.parquet"),
        click.option(
            "--locked",
            type=options.PATH,
            help="Ids that count as already chosen (.npy, or csv with a column id).",
        ),
        click.option(
            "--groups",
            metavar="FILE[:COLUMN]",
            help="One class or group per item (.npy, or a column, group by default), by"
            " a column id or in row order: choose within each.",
        ),
        click.option(
            "--quotas",
            callback=read_quotas,
            metavar=METAVAR,
            shell_complete=complete_rules,
            default="proportional",
            show_default=True,
            help="Split of the K items among --groups: a rule, or numbers and shares"
            " of K by group, such as cat=10,dog=0.2.",
        ),
        click.option(
            "--coverage",
            type=options.PATH,
            help="Also write each item's nearest chosen item to this table.",
        ),
        options.among_options,
        options.column_options,
        options.metric_option,
        options.device_option("distances are measured"),
        options.report_options,
        options.overwrite_option,
        options.progress_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def cost_options(function: Callback) -> Callback:
    """Options for item costs: low where the model is uncertain."""
    decorators = [
        click.option(
            "--costs",
            type=options.PATH,
            help="One cost per item (.npy, or a column cost), by a column id or in row"
            " order; also of items that do not pass --where.",
        ),
        click.option(
            "--probabilities",
            type=options.PATH,
            help="Class probabilities (n, c) as .npy, from which costs are computed.",
        ),
        click.option(
            "--uncertainty",
            type=click.Choice(list(COSTS_OF)),
            default="margin",
            show_default=True,
            help="Costs from probabilities: p1 - p2, or 1 - entropy / log(c).",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@click.command(
    "weighted-k-center",
    short_help="Cover the rest and prefer uncertain items (weighted k-center).",
    epilog=options.examples(
        "gleann select weighted-k-center items.gleann --k 500 --probabilities p.npy"
        " --cost-weight 0.1 --cost-on mean --out picks.parquet",
        "gleann select weighted-k-center items.parquet --k 500 --costs c.npy --out"
        " picks.parquet --report picks.html --image-column image --class-column label",
    ),
)
@shared_options
@cost_options
@weight_options
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_PARTS),
    default=1,
    show_default=True,
    help="Parts to process one at a time, to use less memory; the factor is then 5.",
)
@options.takes(CoresetJob)
def weighted_k_center(job: CoresetJob) -> None:
    """Choose K items of SOURCE with a small radius + COST_WEIGHT * cost.

    Without costs it is k-center: coverage alone.

    Prints a certificate: an upper bound on the ratio to the optimum.
    """
    run("weighted_k_center", job, options=("eps", "shards"), needs_costs=False)


@click.command(
    "farthest-first",
    short_help="Cover the rest (farthest-first traversal).",
    epilog=options.examples(
        "gleann select farthest-first items.npy --k 500 --out picks.parquet",
        "gleann select farthest-first items.npy --k 500 --payload items.csv --where"
        " \"split = 'train' AND score > $1\" --param 0.5 --out picks.parquet",
        "gleann select farthest-first items.parquet --k 500 --out picks.parquet"
        " --report picks.html --show-column text",
    ),
)
@shared_options
@options.seed_option
@options.takes(CoresetJob)
def farthest_first(job: CoresetJob) -> None:
    """Choose K times the item of SOURCE farthest from the chosen items."""
    run("farthest_first", job, needs_costs=False)


@click.command(
    "gist",
    short_help="Choose uncertain items that are far apart (GIST).",
    epilog=options.examples(
        "gleann select gist items.npy --k 500 --probabilities p.npy --diversity 50"
        " --out picks.parquet"
    ),
)
@shared_options
@cost_options
@click.option(
    "--diversity",
    default=defaults.DIVERSITY,
    show_default=True,
    help="Weight of the minimum distance between two chosen items.",
)
@click.option(
    "--eps",
    default=defaults.THRESHOLD_STEP,
    show_default=True,
    help="Relative step between distance thresholds.",
)
@options.takes(CoresetJob)
def gist(job: CoresetJob) -> None:
    """Choose K items of SOURCE that are far apart, with a large sum of 1 - cost."""
    run("gist", job, options=("diversity", "eps"))


@click.command(
    "ccs",
    short_help="Sample evenly from easy to hard items (coverage-centric selection).",
    epilog=options.examples(
        "gleann select ccs items.npy --k 500 --probabilities p.npy --out picks.parquet"
    ),
)
@shared_options
@cost_options
@click.option(
    "--hardest-share",
    default=defaults.HARDEST_SHARE,
    show_default=True,
    help="Share of the items with the lowest costs that is dropped first.",
)
@click.option(
    "--strata",
    type=click.IntRange(1, MAX_PARTS),
    default=defaults.STRATA,
    show_default=True,
    help="Number of cost strata.",
)
@options.seed_option
@options.takes(CoresetJob)
def ccs(job: CoresetJob) -> None:
    """Choose K items of SOURCE at random, evenly over strata of cost."""
    run("ccs", job, options=("hardest_share", "strata"))


@click.command(
    "margin",
    short_help="Choose the most uncertain items.",
    epilog=options.examples(
        "gleann select margin items.npy --k 500 --costs costs.npy --out picks.parquet"
    ),
)
@shared_options
@cost_options
@options.takes(CoresetJob)
def margin(job: CoresetJob) -> None:
    """Choose the K items of SOURCE with the smallest costs."""
    run("margin", job)


@click.command(
    "random",
    short_help="Draw items at random: the baseline.",
    epilog=options.examples(
        "gleann select random items.npy --k 500 --seed 7 --out picks.parquet"
    ),
)
@shared_options
@options.seed_option
@options.takes(CoresetJob)
def random(job: CoresetJob) -> None:
    """Choose K items of SOURCE at random, all equally likely."""
    run("random", job, needs_costs=False)
