"""`gleann select k-center|farthest-first|margin|random`: subsets to train on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows, Vectors
from gleann.index.errors import InvalidInputError
from gleann.selection import Coreset, coreset, margin_costs
from gleann.selection.uniform import uniform_rows
from gleann.service.cli import inputs, options, outputs, sources
from gleann.service.cli.answers import rows_named
from gleann.service.cli.manifest import JobRecord, manifest_path
from gleann.service.cli.progress import Report, progress_bars

Callback = TypeVar("Callback", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresetJob:
    """What one of the coreset commands was asked."""

    source: Path
    out: Path
    k: int
    vectors_column: str | None
    id_column: str | None
    locked: Path | None
    coverage: Path | None
    overwrite: bool
    progress: bool
    costs: Path | None = None
    probabilities: Path | None = None
    cost_weight: float = 0.0
    eps: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What the files of a job hold."""

    source: sources.Source
    vectors: Vectors
    costs: NDArray[np.float64] | None
    locked: Rows


Choose = Callable[[CoresetJob, Inputs, Report], Coreset]


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
            "--coverage",
            type=options.PATH,
            help="Also write each item's nearest chosen one to this parquet file.",
        ),
        options.column_options,
        options.overwrite_option,
        options.progress_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def cost_options(function: Callback) -> Callback:
    """Say what each item costs: small where the model is unsure."""
    costs = click.option(
        "--costs",
        type=options.PATH,
        help="One cost an item, in row order (.npy, or a column cost).",
    )
    probabilities = click.option(
        "--probabilities",
        type=options.PATH,
        help="Class probabilities (n, c) as .npy; the cost is p1 - p2.",
    )
    weight = click.option(
        "--cost-weight",
        default=1.0,
        show_default=True,
        help="How much a unit of cost weighs against a unit of radius.",
    )
    return costs(probabilities(weight(function)))


@click.command(
    "k-center",
    short_help="Cover the rest and prefer uncertain items (weighted k-center).",
    epilog=options.examples(
        "gleann select k-center items.gleann --k 500 --probabilities p.npy"
        " --cost-weight 0.1 --out picks.parquet",
    ),
)
@shared_options
@cost_options
@click.option(
    "--eps", default=0.1, show_default=True, help="Step between radius guesses."
)
@options.takes(CoresetJob)
def weighted_k_center(job: CoresetJob) -> None:
    """Choose K items of SOURCE with a small radius + COST_WEIGHT * sum of costs.

    Prints a certificate: how far from the best possible the choice is at most.
    """
    _run("k-center", job, _weighted_k_center)


@click.command(
    "farthest-first",
    short_help="Cover the rest (k-center greedy).",
    epilog=options.examples(
        "gleann select farthest-first items.npy --k 500 --out picks.parquet"
    ),
)
@shared_options
@options.seed_option
@options.takes(CoresetJob)
def farthest_first(job: CoresetJob) -> None:
    """Choose the item of SOURCE farthest from those chosen, K times."""
    _run("farthest-first", job, _farthest_first)


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
    _run("margin", job, _margin)


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
    _run("random", job, _random)


def _run(name: str, job: CoresetJob, choose: Choose) -> None:
    written = [job.out, manifest_path(job.out)] + (
        [job.coverage] if job.coverage else []
    )
    outputs.refuse_existing(*written, overwrite=job.overwrite)
    record = JobRecord(f"select {name}", job)
    with record.timed("read"):
        given = _read(job, record)
    with record.timed("select"), progress_bars(wanted=job.progress) as report:
        chosen = choose(job, given, report)
    outputs.write_parquet(job.out, _picks(chosen, given))
    if job.coverage:
        outputs.write_parquet(job.coverage, _coverage(chosen, given.source.ids))
    results = {
        "chosen": len(chosen.rows),
        "radius": chosen.radius,
        "cost": chosen.cost,
        "objective": chosen.objective,
        "lower_bound": chosen.lower_bound,
        "ratio": chosen.ratio,
    }
    record.write(job.out, results)
    click.echo(
        f"{job.out}: {len(chosen.rows):,} of {len(given.vectors):,} items in"
        f" {record.seconds('select'):.2f} s, radius {chosen.radius:.4g}"
        + (f", cost {chosen.cost:.4g}" if given.costs is not None else "")
    )
    if chosen.ratio is not None:
        click.echo(f"at most {chosen.ratio:.2f} times the best possible objective")


def _read(job: CoresetJob, record: JobRecord) -> Inputs:
    source = sources.open_source(
        job.source,
        record,
        vectors_column=job.vectors_column,
        id_column=job.id_column,
    )
    locked = np.empty(0, np.int64)
    if job.locked:
        locked = rows_named(source.names, sources.read_ids(job.locked))
        record.add_file(job.locked)
    return Inputs(
        source=source,
        vectors=source.metric_vectors(),
        costs=_read_costs(job, record, len(source.ids)),
        locked=locked,
    )


def _read_costs(
    job: CoresetJob, record: JobRecord, n: int
) -> NDArray[np.float64] | None:
    if job.costs and job.probabilities:
        raise InvalidInputError("give --costs or --probabilities, not both")
    if job.costs:
        record.add_file(job.costs)
        return inputs.read_scores(job.costs, n=n, name="cost")
    if job.probabilities:
        record.add_file(job.probabilities)
        costs = margin_costs(inputs.read_array(job.probabilities))
        if len(costs) != n:
            raise InvalidInputError(
                f"{job.probabilities} has {len(costs)} rows for {n} items"
            )
        return costs
    return None


def _require_costs(given: Inputs) -> NDArray[np.float64]:
    if given.costs is None:
        raise InvalidInputError("costs are needed: give --costs or --probabilities")
    return given.costs


def _weighted_k_center(job: CoresetJob, given: Inputs, report: Report) -> Coreset:
    return coreset.weighted_k_center(
        given.vectors,
        k=job.k,
        costs=_require_costs(given),
        cost_weight=job.cost_weight,
        locked=given.locked,
        eps=job.eps,
        progress=report,
    )


def _farthest_first(job: CoresetJob, given: Inputs, _report: Report) -> Coreset:
    return coreset.k_center(given.vectors, k=job.k, locked=given.locked, seed=job.seed)


def _margin(job: CoresetJob, given: Inputs, _report: Report) -> Coreset:
    return coreset.margin(
        given.vectors,
        k=job.k,
        costs=_require_costs(given),
        cost_weight=job.cost_weight,
        locked=given.locked,
    )


def _random(job: CoresetJob, given: Inputs, _report: Report) -> Coreset:
    rows = uniform_rows(
        len(given.vectors), k=job.k, seed=job.seed, excluded=given.locked
    )
    return coreset.measure(given.vectors, rows, locked=given.locked, method="random")


def _picks(chosen: Coreset, given: Inputs) -> dict[str, NDArray[Any]]:
    selection = chosen.to_selection(given.source.ids)
    return {
        "id": selection.ids,
        "rank": np.arange(len(selection), dtype=np.int32),
        "score": selection.scores,
        "weight": selection.weights,
        **selection.why,
    }


def _coverage(chosen: Coreset, ids: Ids) -> dict[str, NDArray[Any]]:
    by_chosen = chosen.nearest >= 0
    picked = ids[chosen.rows]
    none = "" if ids.dtype.kind == "U" else -1
    nearest = np.where(by_chosen, picked[np.maximum(chosen.nearest, 0)], none)
    return {
        "id": ids,
        "nearest_selected_id": nearest,
        "distance": chosen.distances,
    }
