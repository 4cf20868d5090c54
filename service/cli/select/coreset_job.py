"""What the coreset commands share: choose, measure beside the baselines, write."""

from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection import Coreset, Selection, coreset, uniform
from gleann.selection.checks import IdMap
from gleann.service.cli.files import outputs
from gleann.service.cli.files.manifest import JobRecord, manifest_path
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.cli.select.coreset_inputs import CoresetJob, Inputs, read
from gleann.service.devices.devices import Devices

QUOTAS = {
    "proportional": coreset.proportional_quotas,
    "equal": coreset.equal_quotas,
}
"""How k items are shared among groups."""

Bind = Callable[[CoresetJob, Report], Any]
"""Give a method of the library the parameters of a job, but for the seed."""

DRAWING = ("farthest-first", "ccs", "random")
"""Commands whose methods take a seed."""

_NAMES = {"k_center": "farthest-first", "margin": "the cheapest"}
"""What summaries call a baseline."""


def run(name: str, job: CoresetJob, bind: Bind, *, needs_costs: bool) -> None:
    """Read, choose, write; prints a summary, and what simple methods achieve."""
    written = [job.out, manifest_path(job.out)] + (
        [job.coverage] if job.coverage else []
    )
    outputs.refuse_existing(*written, overwrite=job.overwrite)
    devices = Devices(job.device)
    record = JobRecord(f"select {name}", job)
    with record.timed("read"):
        given = read(job, record, measured=name != "random" or job.coverage is not None)
    if given.vectors is None:
        _run_draw(job, given, record)
        return
    if needs_costs and given.costs is None:
        raise InvalidInputError("costs are needed: give --costs or --probabilities")
    beside: dict[str, float | str] = {}
    with progress_bars(wanted=job.progress) as report:
        with record.timed("select"):
            seed = job.seed if name in DRAWING else None
            method = bind(job, report)
            where, chosen = _choose(job, given, method, seed=seed, devices=devices)
        if name != "random":
            with record.timed("compare"):
                beside = _beside(name, job, given, report, devices)
    outputs.write_parquet(job.out, _picks(chosen.to_selection(given.source.ids)))
    if job.coverage:
        outputs.write_parquet(job.coverage, _coverage(chosen, given.source.names))
    record.write(job.out, _results(chosen) | beside | {"device": where})
    _say(job, chosen, beside, seconds=record.seconds("select"))


def _run_draw(job: CoresetJob, given: Inputs, record: JobRecord) -> None:
    """Draw at random and measure nothing: there is no metric to measure by."""
    with record.timed("select"):
        drawn = _draw(job, given)
    outputs.write_parquet(job.out, _picks(drawn))
    record.write(job.out, {"chosen": len(drawn), "provenance": drawn.provenance})
    click.echo(
        f"{job.out}: {len(drawn):,} of {len(given.source.ids):,} items; inner product"
        " is no metric, so nothing is said of their radius"
    )


def _draw(job: CoresetJob, given: Inputs) -> Selection:
    ids = given.source.ids
    if given.groups is None:
        return uniform(len(ids), k=job.k, seed=job.seed, ids=ids, excluded=given.locked)
    return coreset.draw_within_groups(
        given.groups,
        quotas=_quotas(job, given.groups, given),
        locked=given.locked,
        seed=job.seed,
        ids=ids,
    )


def _beside(
    name: str, job: CoresetJob, given: Inputs, report: Report, devices: Devices
) -> dict[str, float | str]:
    """What random items and the strongest simple method achieve, as many."""
    weighing = {"cost_weight": job.cost_weight, "cost_on": job.cost_on}

    def choose(method: Any, *, seed: int | None) -> Coreset:
        weighed = partial(method, **weighing)
        return _choose(job, given, weighed, seed=seed, devices=devices)[1]

    return coreset.choose_baselines(
        choose,
        asked="k_center" if name == "farthest-first" else name,
        priced=given.costs is not None,
        seed=job.seed,
        progress=report,
    ).told()


def _say(
    job: CoresetJob,
    chosen: Coreset,
    beside: dict[str, Any],
    *,
    seconds: float,
) -> None:
    priced = job.costs is not None or job.probabilities is not None

    def shown(radius: float, cost: float) -> str:
        return f"radius {radius:.4g}" + (f", cost {cost:.4g}" if priced else "")

    click.echo(
        f"{job.out}: {len(chosen.rows):,} of {len(chosen.nearest):,} items in"
        f" {seconds:.2f} s, {shown(chosen.radius, chosen.cost)}"
    )
    within = " of each group" if job.groups else ""
    if beside:
        numbers = shown(beside["random_radius"], beside["random_cost"])
        click.echo(f"as many random items{within}: {numbers}")
    if "baseline" in beside:
        numbers = shown(beside["baseline_radius"], beside["baseline_cost"])
        named = _NAMES[beside["baseline"]]
        click.echo(f"strongest simple choice{within}, {named}: {numbers}")
    if chosen.ratio is not None:
        click.echo(f"at most {chosen.ratio:.2f} times the best possible objective")


def _choose(
    job: CoresetJob,
    given: Inputs,
    method: Any,
    *,
    seed: int | None,
    devices: Devices,
) -> tuple[str, Coreset]:
    """Where distances were measured, and what `method` chooses, within any groups.

    Args:
        job: says how many, and how groups share.
        given: what the files hold.
        method: of the library, with its own parameters bound but for the seed.
        seed: None for a method that draws nothing.
        devices: where it may be done.
    """

    def choose(device: str | None) -> tuple[str, Coreset]:
        where, there = device or "cpu", partial(method, device=device)
        if given.groups is not None:
            chosen = _within_groups(job, given, there, seed=seed, device=device)
            return where, chosen
        drawing = {} if seed is None else {"seed": seed}
        chosen = there(
            given.vectors, k=job.k, costs=given.costs, locked=given.locked, **drawing
        )
        return where, chosen

    return devices.run(choose)


def _within_groups(
    job: CoresetJob,
    given: Inputs,
    method: Any,
    *,
    seed: int | None,
    device: str | None,
) -> Coreset:
    assert given.vectors is not None  # `run` draws where nothing can be measured
    assert given.groups is not None
    return coreset.within_groups(
        method,
        given.vectors,
        groups=given.groups,
        quotas=_quotas(job, given.groups, given),
        costs=given.costs,
        cost_weight=job.cost_weight,
        cost_on=job.cost_on,
        locked=given.locked,
        seed=seed,
        device=device,
    )


def _quotas(
    job: CoresetJob, groups: NDArray[Any], given: Inputs
) -> dict[int | str, int]:
    return QUOTAS[job.quotas](np.delete(groups, given.locked), k=job.k)


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


def _picks(selection: Selection) -> dict[str, NDArray[Any]]:
    return {
        "id": selection.ids,
        "rank": np.arange(len(selection), dtype=np.int32),
        "score": selection.scores,
        "weight": selection.weights,
        **selection.why,
    }


def _coverage(chosen: Coreset, names: IdMap) -> dict[str, outputs.Values]:
    by_chosen = chosen.nearest >= 0
    nearest = np.where(by_chosen, chosen.rows[np.maximum(chosen.nearest, 0)], -1)
    return {
        "id": names.held,
        "nearest_selected_id": names.ids_of(nearest),
        "distance": chosen.distances,
    }
