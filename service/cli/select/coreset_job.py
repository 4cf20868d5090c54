"""The job of the coreset commands: read inputs, call the library, write."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.selection import Coreset, Selection
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.coreset import (
    CoresetAnswer,
    CoresetRequest,
    MethodName,
    draw,
    select,
)
from gleann.service.cli import reports
from gleann.service.cli.files import inputs, output_paths, outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.cli.select.coreset_inputs import CoresetJob, Inputs, read
from gleann.service.cli.select.coreset_report import answer_page, draw_page
from gleann.service.cli.select.quota_option import quotas_of
from gleann.service.devices.devices import Devices
from gleann.service.report.asked import Asked

_NAMES = {"farthest_first": "farthest-first", "margin": "the cheapest"}
"""Names of the baselines in summaries."""


def run(
    method: MethodName,
    job: CoresetJob,
    *,
    options: tuple[str, ...] = (),
    needs_costs: bool = True,
) -> None:
    """Run a coreset command; print a summary with its baselines.

    Args:
        method: name in the library.
        job: parameters of the command.
        options: fields of `job` that are options of the method.
        needs_costs: whether costs are required.
    """
    if needs_costs:
        _require_costs(method, job)
    _require_outputs(job)
    devices = Devices(job.device)
    record = JobRecord(f"select {_command(method)}", job)
    with record.timed("read"):
        measured = method != "random" or job.coverage is not None
        given = read(job, record, measured=measured)
    request = _request(method, job, given, options)
    vectors = given.vectors
    if vectors is None:
        _run_draw(job, request, given, record)
        return
    with (
        progress_bars(wanted=job.progress) as bars,
        record.timed_until("select", bars, then="compare") as report,
    ):
        where, answer = devices.run(
            lambda device: (
                device or "cpu",
                select(request, vectors, device=device, progress=report),
            )
        )
    results = _write(job, given, answer, record, where=where)
    if method == "weighted_k_center" and not _is_priced(job):
        say("without --costs or --probabilities: coverage alone")
    _say(job, given, answer, seconds=record.seconds("select"))
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        reports.write(given.items, answer_page(job, given, answer, given.items, asked))


def _is_priced(job: CoresetJob) -> bool:
    return job.costs is not None or job.probabilities is not None


def _require_costs(method: MethodName, job: CoresetJob) -> None:
    if not _is_priced(job):
        raise InvalidInputError(
            f"{_command(method)} needs costs: give --costs or --probabilities"
            " (farthest-first needs none)"
        )


def _command(method: MethodName) -> str:
    return method.replace("_", "-")


def _require_outputs(job: CoresetJob) -> None:
    out = output_paths.table("--out", job.out)
    coverage = [output_paths.table("--coverage", job.coverage)] if job.coverage else []
    groups = None
    if job.groups:
        groups, _ = inputs.split_column(job.groups, inputs.GROUP_COLUMN)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *coverage,
        *reports.pages_of(job, own=job.source),
        inputs=(
            job.source,
            job.locked,
            job.costs,
            job.probabilities,
            job.payload,
            groups,
        ),
        overwrite=job.overwrite,
    )


def _request(
    method: MethodName, job: CoresetJob, given: Inputs, options: tuple[str, ...]
) -> CoresetRequest:
    return CoresetRequest(
        method=method,
        k=job.k,
        costs=given.costs,
        cost_weight=job.cost_weight,
        cost_on=job.cost_on,
        locked=given.locked,
        among=given.among,
        groups=given.groups,
        quotas=quotas_of(job.quotas, given.groups),
        seed=job.seed,
        options={name: getattr(job, name) for name in options},
    )


def _run_draw(
    job: CoresetJob, request: CoresetRequest, given: Inputs, record: JobRecord
) -> None:
    """Draw at random without distances, where there is no metric."""
    with record.timed("select"):
        drawn = draw(request, n=len(given.source.ids), ids=given.source.ids)
    results = {"chosen": len(drawn), "provenance": drawn.provenance}
    with outputs.staged() as files:
        files.add_table(job.out, picks_table(drawn))
        record.add_to(files, job.out, results)
    room = said_of(given.among, len(given.source.ids))
    say(
        f"{job.out}: {len(drawn):,} of {room}; inner product is no metric, so nothing"
        " is said of their radius"
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        reports.write(given.items, draw_page(job, given, drawn, given.items, asked))


def _write(
    job: CoresetJob,
    given: Inputs,
    answer: CoresetAnswer,
    record: JobRecord,
    *,
    where: str,
) -> dict[str, object]:
    """Write the picks and the record; return the record's results."""
    chosen, baselines = answer.chosen, answer.baselines
    compared = {} if baselines is None else baselines.summary()
    results = results_of(chosen) | compared | {"device": where}
    results["metric"] = given.source.metric
    with outputs.staged() as files:
        files.add_table(job.out, picks_table(chosen.to_selection(given.source.ids)))
        if job.coverage:
            coverage = _coverage(chosen, given.source.names, given.among)
            files.add_table(job.coverage, coverage)
        record.add_to(files, job.out, results)
    return results


def _say(
    job: CoresetJob, given: Inputs, answer: CoresetAnswer, *, seconds: float
) -> None:
    chosen, baselines = answer.chosen, answer.baselines
    priced = _is_priced(job)

    def shown(coreset: Coreset) -> str:
        numbers = f"radius {coreset.radius:.4g}"
        return numbers + (f", cost {coreset.cost:.4g}" if priced else "")

    room = said_of(given.among, len(chosen.nearest))
    say(
        f"{job.out}: {len(chosen.rows):,} of {room} in {seconds:.2f} s,"
        f" {shown(chosen)} (metric {given.source.metric})"
    )
    within = " of each group" if job.groups else ""
    if baselines is not None:
        say(f"as many random items{within}: {shown(baselines.drawn)}")
        say(f"as many, in proportion to cells{within}: {shown(baselines.stratified)}")
        if baselines.strongest is not None:
            name, numbers = _NAMES[baselines.name], shown(baselines.strongest)
            say(f"strongest simple choice{within}, {name}: {numbers}")
    if chosen.ratio is not None:
        say(f"at most {chosen.ratio:.2f} times the best possible objective")
    if chosen.note:
        say(chosen.note)


def results_of(chosen: Coreset) -> dict[str, object]:
    """The numbers of a choice, for its record."""
    return {
        "chosen": len(chosen.rows),
        "radius": chosen.radius,
        "cost": chosen.cost,
        "objective": chosen.objective,
        "lower_bound": chosen.lower_bound,
        "ratio": chosen.ratio,
        "winners": chosen.winners,
        "note": chosen.note,
        "provenance": chosen.provenance,
    }


def picks_table(selection: Selection) -> dict[str, NDArray[np.generic]]:
    """The columns of the file with the chosen items."""
    return {
        "id": selection.ids,
        "rank": np.arange(len(selection), dtype=np.int32),
        "score": selection.scores,
        "weight": selection.weights,
        **selection.why,
    }


def _coverage(
    chosen: Coreset, names: IdMap, among: Among | None
) -> dict[str, outputs.Values]:
    """Each item's nearest chosen one, of the items that were looked at."""
    if among is not None:
        rows = among.rows
        return {
            "id": take_ids(names.held, rows),
            **{
                name: values[rows]
                for name, values in _coverage(chosen, names, None).items()
                if name != "id"
            },
        }
    by_chosen = chosen.nearest >= 0
    nearest = np.where(by_chosen, chosen.rows[np.maximum(chosen.nearest, 0)], -1)
    return {
        "id": names.held,
        "nearest_selected_id": names.ids_of(nearest),
        "distance": chosen.distances,
    }
