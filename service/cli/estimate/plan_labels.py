"""`gleann plan-labels`: how many labels an interval will take, before the first."""

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from gleann.index.errors import InvalidParamsError
from gleann.selection import EstimateParams, LabelPlan, plan_labels
from gleann.selection.estimate.stratified.allocate import Target
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.service.cli import options
from gleann.service.cli.estimate.estimate_options import target_option
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.proxies import by_file_name, read_proxies
from gleann.service.cli.say import result, say


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJob(options.AmongOptions):
    """Parameters of `gleann plan-labels`."""

    proxy: Path
    target: Target
    width: float | None
    relative_width: float | None
    prevalence: float | None
    mean: float
    deviation: float
    strata: int
    strata_cut: str
    confidence: float


@click.command(
    "plan-labels",
    short_help="Say how many labels an interval of some width will take.",
    epilog=options.examples(
        "gleann plan-labels --proxy scores.npy --relative-width 0.2",
        "gleann plan-labels --proxy scores.npy --width 500 --prevalence 0.03",
        "gleann plan-labels --proxy scores.npy --target avg --width 2 --deviation 6",
        "gleann plan-labels --proxy scores.npy --payload items.csv --where"
        " \"split = 'test'\" --relative-width 0.2",
    ),
)
@click.option(
    "--proxy",
    type=options.PATH,
    required=True,
    help="Proxy score of every item: .npy (n,), or parquet/csv with id, proxy.",
)
@target_option
@click.option("--width", type=float, help="Width of the interval (high - low).")
@click.option(
    "--relative-width", type=float, help="The same, relative to the estimate."
)
@click.option(
    "--prevalence",
    type=float,
    help="Guessed share of positive items; the mean proxy where that is a probability.",
)
@click.option(
    "--mean",
    type=float,
    default=1.0,
    show_default=True,
    help="Guessed mean value of positives, for sum, or avg with --relative-width.",
)
@click.option(
    "--deviation",
    type=float,
    default=1.0,
    show_default=True,
    help="Guessed standard deviation of that value, for avg and sum.",
)
@click.option("--strata", default=5, show_default=True, help="Number of proxy strata.")
@click.option(
    "--strata-cut",
    type=click.Choice(tuple(STRATA_CUTS)),
    default="sqrt_mass",
    show_default=True,
    help="Rule for strata bounds.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Confidence level.")
@options.among_options
@options.takes(PlanJob)
def command(job: PlanJob) -> None:
    """Say how many labels `gleann estimate` will need for an interval.

    Nothing is labelled: the number rests on the proxy and on guesses, which are listed,
    with a range for guesses that are off and a proxy that does not help.
    """
    if (job.width is None) == (job.relative_width is None):
        raise InvalidParamsError("give --width or --relative-width, one of them")
    names, proxies = read_proxies(by_file_name([job.proxy]))
    (proxy,) = proxies.values()
    among = rows_among(job, None, names, own=job.proxy)
    params = EstimateParams(
        target=job.target,
        budget=len(proxy),
        strata=job.strata,
        strata_cut=job.strata_cut,
        confidence=job.confidence,
    )
    plan = plan_labels(
        proxy,
        params,
        width=job.width,
        relative_width=job.relative_width,
        prevalence=job.prevalence,
        mean=job.mean,
        deviation=job.deviation,
        among=among,
    )
    if among is not None:
        say(f"over {said_of(among, len(names))}")
    for line in plan_lines(plan):
        say(line)
    result(**asdict(plan))


def plan_lines(plan: LabelPlan) -> list[str]:
    """A plan as lines."""
    return [
        f"about {plan.labels:,} labels ({plan.low:,} to {plan.high:,}) for an interval"
        f" of width {plan.width:,.6g}; a uniform sample needs {plan.uniform_labels:,}",
        *(f"- {text}" for text in plan.assumptions),
    ]
