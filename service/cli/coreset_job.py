"""What the coreset commands share: read the files, choose, write what was chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows, Vectors
from gleann.index.errors import InvalidInputError
from gleann.selection import Coreset, coreset, entropy_costs, margin_costs
from gleann.service.cli import inputs, outputs, sources
from gleann.service.cli.answers import rows_named
from gleann.service.cli.manifest import JobRecord, manifest_path
from gleann.service.cli.progress import Report, progress_bars

COSTS_OF = {"margin": margin_costs, "entropy": entropy_costs}
"""How class probabilities become costs."""

QUOTAS = {
    "proportional": coreset.proportional_quotas,
    "equal": coreset.equal_quotas,
}
"""How k items are shared among groups."""


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
    groups: Path | None
    quotas: str
    overwrite: bool
    progress: bool
    costs: Path | None = None
    probabilities: Path | None = None
    uncertainty: str = "margin"
    cost_weight: float = 0.0
    cost_on: coreset.CostOn = "sum"
    eps: float = 0.1
    shards: int = 1
    diversity: float = 1.0
    hardest_share: float = 0.1
    strata: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What the files of a job hold."""

    source: sources.Source
    vectors: Vectors
    costs: NDArray[np.float64] | None
    locked: Rows
    groups: NDArray[Any] | None


Bind = Callable[[CoresetJob, Report], Any]
"""Give a method of the library the parameters of a job, but for the seed."""

DRAWING = ("farthest-first", "ccs", "random")
"""Commands whose methods take a seed."""


def run(name: str, job: CoresetJob, bind: Bind, *, needs_costs: bool) -> None:
    """Read, choose, write; prints a summary, and what random items achieve."""
    written = [job.out, manifest_path(job.out)] + (
        [job.coverage] if job.coverage else []
    )
    outputs.refuse_existing(*written, overwrite=job.overwrite)
    record = JobRecord(f"select {name}", job)
    with record.timed("read"):
        given = _read(job, record)
    if needs_costs and given.costs is None:
        raise InvalidInputError("costs are needed: give --costs or --probabilities")
    with record.timed("select"), progress_bars(wanted=job.progress) as report:
        seed = job.seed if name in DRAWING else None
        chosen = _choose(job, given, bind(job, report), seed=seed)
    beside: dict[str, float] = {}
    if name != "random":
        with record.timed("compare"):
            beside = coreset.beside_random(_drawn(job, given))
    outputs.write_parquet(job.out, _picks(chosen, given))
    if job.coverage:
        outputs.write_parquet(job.coverage, _coverage(chosen, given.source.ids))
    record.write(job.out, _results(chosen) | beside)
    _say(job, chosen, beside, seconds=record.seconds("select"))


def _say(
    job: CoresetJob, chosen: Coreset, beside: dict[str, float], *, seconds: float
) -> None:
    priced = job.costs is not None or job.probabilities is not None
    click.echo(
        f"{job.out}: {len(chosen.rows):,} of {len(chosen.nearest):,} items in"
        f" {seconds:.2f} s, radius {chosen.radius:.4g}"
        + (f", cost {chosen.cost:.4g}" if priced else "")
    )
    if beside:
        click.echo(
            f"as many random items{' of each group' if job.groups else ''}: radius"
            f" {beside['random_radius']:.4g}"
            + (f", cost {beside['random_cost']:.4g}" if priced else "")
        )
    if chosen.ratio is not None:
        click.echo(f"at most {chosen.ratio:.2f} times the best possible objective")


def _drawn(job: CoresetJob, given: Inputs) -> Coreset:
    """As many random items, measured as the chosen ones are."""
    method = partial(coreset.uniform, cost_weight=job.cost_weight, cost_on=job.cost_on)
    return _choose(job, given, method, seed=job.seed)


def _choose(
    job: CoresetJob, given: Inputs, method: Any, *, seed: int | None
) -> Coreset:
    """What `method` chooses, within groups if there are any.

    Args:
        job: says how many, and how groups share.
        given: what the files hold.
        method: of the library, with its own parameters bound but for the seed.
        seed: None for a method that draws nothing.
    """
    if given.groups is None:
        drawing = {} if seed is None else {"seed": seed}
        chosen: Coreset = method(
            given.vectors, k=job.k, costs=given.costs, locked=given.locked, **drawing
        )
        return chosen
    open_groups = np.delete(given.groups, given.locked)
    return coreset.within_groups(
        method,
        given.vectors,
        groups=given.groups,
        quotas=QUOTAS[job.quotas](open_groups, k=job.k),
        costs=given.costs,
        cost_weight=job.cost_weight,
        cost_on=job.cost_on,
        locked=given.locked,
        seed=seed,
    )


def _results(chosen: Coreset) -> dict[str, Any]:
    return {
        "chosen": len(chosen.rows),
        "radius": chosen.radius,
        "cost": chosen.cost,
        "objective": chosen.objective,
        "lower_bound": chosen.lower_bound,
        "ratio": chosen.ratio,
        "provenance": chosen.provenance,
    }


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
        groups=_read_groups(job, record, len(source.ids)),
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
        costs = COSTS_OF[job.uncertainty](inputs.read_array(job.probabilities))
        if len(costs) != n:
            raise InvalidInputError(
                f"{job.probabilities} has {len(costs)} rows for {n} items"
            )
        return costs
    return None


def _read_groups(job: CoresetJob, record: JobRecord, n: int) -> NDArray[Any] | None:
    if job.groups is None:
        return None
    record.add_file(job.groups)
    if job.groups.suffix == ".npy":
        groups = np.asarray(inputs.read_array(job.groups))
    else:
        table = inputs.read_table(job.groups, columns=("group",))
        groups = inputs.column_array(job.groups, table, "group")
    if groups.shape != (n,):
        raise InvalidInputError(
            f"{job.groups}: group must have shape ({n},), one an item,"
            f" got {groups.shape}"
        )
    return groups


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
