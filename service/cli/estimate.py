"""`gleann estimate`: a count, a mean or a sum over many items from few labels.

The oracle is a csv file that a person fills in. A run replays the session from its seed
and the answers, so nothing but that file has to be kept: when an answer is missing, the
ids to label are written and the command ends; answered, it goes further.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection import (
    ChoosingSession,
    Estimate,
    EstimateParams,
    EstimateSession,
    Known,
    metric_vectors,
    propagate_labels,
    representatives,
    run_estimate,
    uniform_estimate,
)
from gleann.selection.checks import IdMap
from gleann.selection.estimate.allocate import Target
from gleann.selection.estimate.result import INTERVALS
from gleann.selection.estimate.strata import STRATA_CUTS
from gleann.service.cli import options, outputs
from gleann.service.cli.answers import (
    Answers,
    LabelsNeeded,
    read_answers,
    read_examples,
)
from gleann.service.cli.manifest import JobRecord, manifest_path
from gleann.service.cli.proxies import read_proxies

LABELS_NEEDED = 3
"""Exit code when ids were written that somebody must label first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateJob:
    """What `gleann estimate` was asked."""

    proxy: tuple[Path, ...]
    index: Path | None
    labelled: Path | None
    representatives: int | None
    oracle_csv: Path
    target: Target
    budget: int
    strata: int
    strata_cut: str | None
    rounds: int | None
    pilot_share: float | None
    confidence: float
    interval: str
    stop_at_width: float | None
    stop_at_relative_width: float | None
    seed: int
    todo: Path
    out: Path
    overwrite: bool


@click.command(
    "estimate",
    short_help="Estimate a count, mean or sum from few labels (ABae).",
    epilog=options.examples(
        "gleann estimate --proxy scores.npy --oracle-csv answers.csv --budget 1000"
        " --todo todo.csv --out share.json",
        "gleann estimate --index words.gleann --representatives 300 --oracle-csv"
        " answers.csv --target avg --budget 1000 --todo todo.csv --out mean.json",
    ),
)
@click.option(
    "--proxy",
    type=options.PATH,
    multiple=True,
    help="A cheap guess for every item: .npy (n,), or parquet/csv with id, proxy. Of"
    " several a pilot, a fifth of the budget, chooses one.",
)
@click.option(
    "--index",
    type=options.PATH,
    help="Index that makes the proxy from labelled items instead.",
)
@click.option(
    "--labelled",
    type=options.PATH,
    help="csv (id, positive) with the labels that --index spreads to the rest; they are"
    " not asked for again.",
)
@click.option(
    "--representatives",
    type=int,
    help="Or label this many far-apart items for it first; they are asked for too,"
    " beside the budget.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, positive or label (0 or 1) and, for avg and sum, value.",
)
@click.option(
    "--target",
    type=click.Choice(get_args(Target)),
    default="count",
    show_default=True,
    help="Count the positives, or average or sum the values over them.",
)
@click.option("--budget", type=int, required=True, help="Labels to spend.")
@click.option("--strata", default=5, show_default=True, help="Strata by proxy.")
@click.option(
    "--strata-cut",
    type=click.Choice(tuple(STRATA_CUTS)),
    help="Where strata end; geometric for a count with --index, whose proxies only"
    " rank, else sqrt_mass.",
)
@click.option(
    "--rounds", type=int, help="Labelling rounds; 2, or 10 where labelling may stop."
)
@click.option(
    "--pilot-share",
    type=float,
    help="Share of the budget spent evenly first; 0.5, or 0.1 where it may stop.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Of the interval.")
@click.option(
    "--interval",
    type=click.Choice(tuple(INTERVALS)),
    default="delta",
    show_default=True,
    help="How the interval is made.",
)
@click.option(
    "--stop-at-width",
    type=float,
    help="Stop labelling once the interval is at most this wide.",
)
@click.option(
    "--stop-at-relative-width",
    type=float,
    help="The same as a share of the estimate.",
)
@options.seed_option
@click.option(
    "--todo",
    type=options.PATH,
    default=Path("todo.csv"),
    show_default=True,
    help="Where ids that need a label are written; rewritten by every run.",
)
@options.out_option("estimate.json")
@options.overwrite_option
@options.takes(EstimateJob)
def command(job: EstimateJob) -> None:
    """Estimate a number about all items, with its interval, from few labels.

    When the answers lack an item that is drawn, its id goes to the file of --todo and
    the command ends with exit code 3; answer, add the answers to the file, and run it
    again. The same seed draws the same items.
    """
    outputs.refuse_existing(job.out, manifest_path(job.out), overwrite=job.overwrite)
    record = JobRecord("estimate", job)
    params = _params(job)
    try:
        with record.timed("estimate"):
            proxies, known, answers = _read(job, record)
            session = _start(proxies, params, answers, known)
            # A whole round at a time, so that a person is asked for all of it at once.
            made = run_estimate(session, answers.ask, chunk=params.budget)
    except LabelsNeeded as needed:
        outputs.write_csv(job.todo, {"id": needed.ids})
        click.echo(
            f"{len(needed.ids):,} labels are needed: {job.todo} lists the ids; add them"
            f" to {job.oracle_csv} and run this again",
            err=True,
        )
        raise click.exceptions.Exit(LABELS_NEEDED) from needed
    proxy = next(iter(proxies.values()))
    # The labels behind the proxy are labels too.
    beside = _uniform(proxy, answers, replace(params, budget=made.labels_used))
    results = {
        "estimate": asdict(made),
        "uniform": None if beside is None else asdict(beside),
    }
    outputs.write_json(job.out, results)
    record.write(job.out, results)
    click.echo(_sentence(f"{job.target} by ABae", made))
    if beside is None:
        click.echo(_expected_uniform(made))
    else:
        click.echo(_sentence(f"{job.target} by uniform sampling", beside))


def _params(job: EstimateJob) -> EstimateParams:
    """Where labelling may stop early, there are more and smaller rounds to stop at."""
    plan = EstimateParams(
        target=job.target,
        budget=job.budget,
        strata=job.strata,
        strata_cut=job.strata_cut or _strata_cut(job),
        confidence=job.confidence,
        interval=job.interval,
        stop_at_width=job.stop_at_width,
        stop_at_relative_width=job.stop_at_relative_width,
        seed=job.seed,
    )
    rounds, pilot_share = (10, 0.1) if plan.may_stop else (2, 0.5)
    return replace(
        plan,
        rounds=rounds if job.rounds is None else job.rounds,
        pilot_share=pilot_share if job.pilot_share is None else job.pilot_share,
    )


def _start(
    proxies: dict[str, NDArray[np.float64]],
    params: EstimateParams,
    answers: Answers,
    known: Known | None,
) -> EstimateSession | ChoosingSession:
    ids = answers.names.ids
    if len(proxies) > 1:
        return ChoosingSession.start(proxies, params, ids=ids)
    (proxy,) = proxies.values()
    return EstimateSession.start(proxy, params, ids=ids, known=known)


def _strata_cut(job: EstimateJob) -> str:
    """Scores from an index rank the items; they are no probabilities.

    A mean, unlike a count, cannot do without the few positives that are ranked low.
    """
    ranked = job.index is not None and job.target == "count"
    return "geometric" if ranked else "sqrt_mass"


def _read(
    job: EstimateJob, record: JobRecord
) -> tuple[dict[str, NDArray[np.float64]], Known | None, Answers]:
    with_values = job.target != "count"
    known: Known | None = None
    if job.proxy and job.index is None:
        names, proxies = read_proxies(job.proxy)
        for path in job.proxy:
            record.add_file(path)
        answers = read_answers(job.oracle_csv, names, with_values=with_values)
    elif job.index is not None and not job.proxy:
        index = SoarIndex.load(job.index)
        record.add_index(job.index, index.data_hash)
        names = IdMap(index.ids, n=len(index))
        answers = read_answers(job.oracle_csv, names, with_values=with_values)
        proxy, known = _make_proxy(job, index, answers)
        proxies = {"index": proxy}
    else:
        raise InvalidInputError("give --proxy or --index, one of them")
    if job.oracle_csv.exists():
        record.add_file(job.oracle_csv)
    return proxies, known, answers


def _make_proxy(
    job: EstimateJob, index: SoarIndex, answers: Answers
) -> tuple[NDArray[np.float64], Known]:
    """Spread labels to the rest: those of a file, or of items chosen for it."""
    if (job.labelled is None) == (job.representatives is None):
        raise InvalidInputError(
            "with --index give --labelled or --representatives, one of them"
        )
    vectors = metric_vectors(index)
    if job.labelled is not None:
        rows, positives = read_examples(job.labelled, answers.names)
        known = _known(rows, positives, answers, target=job.target)
    else:
        rows = representatives(vectors, k=job.representatives or 0, seed=job.seed)
        positives, values = answers.ask(index.ids[rows])
        known = Known(ids=index.ids[rows], positives=positives, values=values)
    proxy = propagate_labels(vectors, rows=rows, labels=positives)
    return proxy.astype(np.float64), known


def _known(rows: Rows, positives: Mask, answers: Answers, *, target: Target) -> Known:
    """Labels of a file, which has no values: positives that need one are asked for."""
    told = np.ones(len(rows), np.bool_) if target == "count" else ~positives
    return Known(
        ids=answers.names.ids[rows[told]],
        positives=positives[told],
        values=np.zeros(int(told.sum())),
    )


def _uniform(
    proxy: NDArray[np.float64], answers: Answers, params: EstimateParams
) -> Estimate | None:
    """The same budget spent uniformly, if the answers happen to cover its draws."""
    try:
        return uniform_estimate(proxy, answers.ask, params, ids=answers.names.ids)
    except LabelsNeeded:
        return None


def _sentence(name: str, made: Estimate) -> str:
    used = f"{made.labels_used:,} labels, {made.positives:,} positive"
    if made.value is None:
        return f"{name}: undefined ({used}); {made.note}"
    return f"{name}: {made.value:,.6g}, {_interval(made)} ({used})" + (
        f"; {made.note}" if made.note else ""
    )


def _interval(made: Estimate) -> str:
    if made.low is None or made.high is None:
        return "no interval"
    return f"{made.confidence:.0%} interval {made.low:,.6g} to {made.high:,.6g}"


def _expected_uniform(made: Estimate) -> str:
    """What uniform sampling would be expected to give, where that can be told."""
    if made.uniform_width is None or made.low is None or made.high is None:
        return "uniform sampling beside it: the answers lack items that it draws"
    return (
        "uniform sampling would be expected to give an interval of"
        f" +- {made.uniform_width / 2:,.4g} with as many labels; this one is"
        f" +- {(made.high - made.low) / 2:,.4g}"
    )
