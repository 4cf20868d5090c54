"""The job of `gleann curate target`: choose, compare with draws, write."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.selection import Selection
from gleann.selection.curation.target import (
    Comparison,
    Distilled,
    DistilRequest,
    Mode,
    compare,
    distil,
    for_target,
)
from gleann.selection.progress import ProgressCallback
from gleann.service.cli import reports
from gleann.service.cli.curate.similar.inputs import index_of
from gleann.service.cli.curate.training.by_name import by_label
from gleann.service.cli.curate.training.target_inputs import (
    OPTIONS_OF,
    TargetAnswer,
    TargetInputs,
    TargetJob,
    read,
)
from gleann.service.cli.curate.training.target_report import answer_page
from gleann.service.cli.files import inputs, output_paths, outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say, warn
from gleann.service.report.asked import Asked
from gleann.service.report.pages.graph import UNITS


def run(job: TargetJob) -> None:
    """Choose items for a target; print them beside a random and a stratified draw."""
    job.require_options()
    _require_outputs(job)
    record = JobRecord("curate target", job)
    with record.timed("read"):
        given = read(job, record)
    with progress_bars(wanted=job.progress) as report:
        index = index_of(given.source, record, report)
        with record.timed("choose"):
            chosen, distilled = _choose(index, job, given, report)
        with record.timed("compare"):
            compared = _compared(index, chosen, given, seed=job.seed)
    answer = TargetAnswer(chosen=chosen, distilled=distilled, compared=compared)
    results = _write(job, given, answer, record)
    _say(job, given, answer, seconds=record.seconds("choose"))
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        page = answer_page(job, given, answer, given.items, asked)
        reports.write(given.items, page)


def _require_outputs(job: TargetJob) -> None:
    out = output_paths.table("--out", job.out)
    scores = [output_paths.table("--scores", job.scores)] if job.scores else []
    groups = None
    if job.groups:
        groups, _ = inputs.split_column(job.groups, inputs.GROUP_COLUMN)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *scores,
        *reports.pages_of(job, own=job.source),
        inputs=(
            job.source,
            job.targets,
            job.target_ids,
            job.exclude,
            job.payload,
            groups,
        ),
        overwrite=job.overwrite,
    )


def _choose(
    index: SoarIndex, job: TargetJob, given: TargetInputs, report: ProgressCallback
) -> tuple[Selection, Distilled | None]:
    options = _options(job, given)
    if job.mode != "distil":
        chosen = for_target(
            index,
            given.targets,
            budget=job.budget,
            mode=cast(Mode, job.mode.replace("-", "_")),
            limits=given.limits,
            options=options,
            progress=report,
        )
        return chosen, None
    request = DistilRequest(
        targets=given.targets, budget=job.budget, limits=given.limits, **options
    )
    distilled = distil(index, request, progress=report)
    return distilled.chosen, distilled


def _options(job: TargetJob, given: TargetInputs) -> dict[str, Any]:
    """The fields of the mode's request that were given."""
    names = [name for name in OPTIONS_OF[job.mode] if name != "scores"]
    options = {name: getattr(job, name) for name in names}
    if job.mode != "round-robin":
        options["seed"] = job.seed
    if job.shares is not None and given.tasks is not None:
        options["shares"] = by_label(job.shares, given.tasks)
    return {name: value for name, value in options.items() if value is not None}


def _compared(
    index: SoarIndex, chosen: Selection, given: TargetInputs, *, seed: int
) -> Comparison | None:
    if not len(chosen):
        return None
    return compare(index, chosen, given.targets, limits=given.limits, seed=seed)


def _write(
    job: TargetJob, given: TargetInputs, answer: TargetAnswer, record: JobRecord
) -> dict[str, object]:
    """Write the chosen items, the scores and the record; return its results."""
    chosen, distilled = answer.chosen, answer.distilled
    results: dict[str, object] = {
        **chosen.summary,
        "chosen": len(chosen),
        **({} if answer.compared is None else answer.compared.summary()),
        "distances": UNITS[given.source.metric],
        "provenance": chosen.provenance,
    }
    with outputs.staged() as files:
        files.add_table(job.out, chosen_columns(chosen, given))
        if job.scores is not None and distilled is not None:
            scores = {"id": given.source.ids, "proxy": distilled.scores}
            files.add_table(job.scores, scores)
        record.add_to(files, job.out, results)
    return results


def chosen_columns(
    chosen: Selection, given: TargetInputs
) -> dict[str, NDArray[np.generic]]:
    """One line per chosen item; targets by their names."""
    why: Mapping[str, NDArray[Any]] = chosen.why
    if "target" in why:
        why = {**why, "target": given.names[why["target"]]}
    return {
        "id": chosen.ids,
        "rank": np.arange(len(chosen), dtype=np.int32),
        "weight": chosen.weights,
        **why,
    }


def _say(
    job: TargetJob, given: TargetInputs, answer: TargetAnswer, *, seconds: float
) -> None:
    chosen, compared = answer.chosen, answer.compared
    room = said_of(given.among, len(given.source.ids))
    tasks = "" if given.tasks is None else f" of {len(set(given.tasks.tolist()))} tasks"
    say(
        f"{job.out}: {len(chosen):,} of {room} for {len(given.names):,} targets{tasks}"
        f" by {job.mode} in {seconds:.2f} s (metric {given.source.metric})"
    )
    if compared is not None:
        for name, one in (
            ("chosen", compared.chosen),
            ("as many random items", compared.random),
            ("as many, in proportion to lists", compared.stratified),
        ):
            say(
                f"{name}: nearest target at {one.mean_distance:.4g} on average,"
                f" divergence of the targets' lists {one.divergence:.4g} nats"
            )
    if answer.distilled is not None:
        _say_probe(job, answer.distilled)
    if shortfall := int(chosen.summary["shortfall"]):
        warn(
            f"{shortfall:,} of the budget of {job.budget:,} are missing: no further"
            " item may be chosen"
        )


def _say_probe(job: TargetJob, distilled: Distilled) -> None:
    auc = distilled.held_out_auc
    judged = "not measured" if auc is None else f"{auc:.3f}"
    say(f"probe of {len(distilled.sample):,} items: held-out AUC {judged}")
    if job.scores is not None:
        say(f"{job.scores}: a proxy of {len(distilled.scores):,} items, in 0..1")
