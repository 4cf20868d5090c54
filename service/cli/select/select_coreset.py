"""The coreset commands of `gleann select`: what to train on."""

from collections.abc import Callable
from typing import TypeVar

import click

from gleann.selection.coreset.methods import defaults
from gleann.selection.coreset.select import QUOTA_RULES
from gleann.service.cli import options
from gleann.service.cli.select.coreset_inputs import COSTS_OF, CoresetJob
from gleann.service.cli.select.coreset_job import run

Callback = TypeVar("Callback", bound=Callable[..., None])


def shared_options(function: Callback) -> Callback:
    """Arguments and options of every coreset command."""
    decorators = [
        click.argument("source", type=options.PATH),
        click.option("--k", type=int, required=True, help="Items to choose."),
        options.out_option("picks.parquet"),
        click.option(
            "--locked",
            type=options.PATH,
            help="Ids that count as chosen already (.npy, or csv with a column id).",
        ),
        click.option(
            "--groups",
            type=options.PATH,
            help="One class or group an item, in row order (.npy, or a column group):"
            " choose within each.",
        ),
        click.option(
            "--quotas",
            type=click.Choice(list(QUOTA_RULES)),
            default="proportional",
            show_default=True,
            help="How --groups share the K items.",
        ),
        click.option(
            "--coverage",
            type=options.PATH,
            help="Also write each item's nearest chosen one to this parquet file.",
        ),
        options.column_options,
        options.device_option("distances are measured"),
        options.overwrite_option,
        options.progress_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def cost_options(function: Callback) -> Callback:
    """Say what each item costs: small where the model is unsure."""
    decorators = [
        click.option(
            "--costs",
            type=options.PATH,
            help="One cost an item, in row order (.npy, or a column cost).",
        ),
        click.option(
            "--probabilities",
            type=options.PATH,
            help="Class probabilities (n, c) as .npy, which make the costs.",
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
    ),
)
@shared_options
@cost_options
@click.option(
    "--cost-weight",
    default=defaults.COST_WEIGHT,
    show_default=True,
    help="How much a unit of cost weighs against a unit of radius.",
)
@click.option(
    "--cost-on",
    type=click.Choice(["sum", "mean"]),
    default="sum",
    show_default=True,
    help="What COST_WEIGHT weighs: the sum of the chosen items' costs or their mean.",
)
@click.option(
    "--eps",
    default=defaults.RADIUS_STEP,
    show_default=True,
    help="Step between radius guesses.",
)
@click.option(
    "--shards",
    default=1,
    show_default=True,
    help="Parts to work on one by one, for less memory at work; the factor is then 5.",
)
@options.takes(CoresetJob)
def weighted_k_center(job: CoresetJob) -> None:
    """Choose K items of SOURCE with a small radius + COST_WEIGHT * cost.

    Prints a certificate: how far from the best possible the choice is at most.
    """
    run("weighted_k_center", job, options=("eps", "shards"))


@click.command(
    "farthest-first",
    short_help="Cover the rest (farthest-first traversal).",
    epilog=options.examples(
        "gleann select farthest-first items.npy --k 500 --out picks.parquet"
    ),
)
@shared_options
@options.seed_option
@options.takes(CoresetJob)
def farthest_first(job: CoresetJob) -> None:
    """Choose the item of SOURCE farthest from those chosen, K times."""
    run("farthest_first", job, needs_costs=False)


@click.command(
    "gist",
    short_help="Take uncertain items at a distance from each other (GIST).",
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
    help="Weight of the least distance between two chosen items.",
)
@click.option(
    "--eps",
    default=defaults.THRESHOLD_STEP,
    show_default=True,
    help="Step between thresholds.",
)
@options.takes(CoresetJob)
def gist(job: CoresetJob) -> None:
    """Choose K items of SOURCE with a large sum of 1 - cost, and far apart."""
    run("gist", job, options=("diversity", "eps"))


@click.command(
    "ccs",
    short_help="Spread over easy and hard items (coverage-centric selection).",
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
    help="Share of the items, those of least cost, that is dropped first.",
)
@click.option(
    "--strata",
    default=defaults.STRATA,
    show_default=True,
    help="Strata of cost.",
)
@options.seed_option
@options.takes(CoresetJob)
def ccs(job: CoresetJob) -> None:
    """Choose K items of SOURCE at random, evenly over stretches of cost."""
    run("ccs", job, options=("hardest_share", "strata"))


@click.command(
    "margin",
    short_help="Take the most uncertain items.",
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
