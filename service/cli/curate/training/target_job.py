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
from gleann.service.cli.curate.training.target_outputs import (
    require_outputs,
    say_target,
)
from gleann.service.cli.curate.training.target_report import answer_page
from gleann.service.cli.files import inputs, outputs
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.report.asked import Asked
from gleann.service.report.pages.graph import UNITS


def run(job: TargetJob) -> None:
    """Choose items for a target; print them beside a random and a stratified draw."""
    job.require_options()
    groups = job.groups and inputs.split_column(job.groups, inputs.GROUP_COLUMN)[0]
    require_outputs(
        job,
        pages=reports.pages_of(job, own=job.source),
        more=(job.source, groups or None),
    )
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
    say_target(
        job,
        results,
        targets=len(given.names),
        tasks=None if given.tasks is None else len(set(given.tasks.tolist())),
        scores=None if distilled is None else len(distilled.scores),
        room=said_of(given.among, len(given.source.ids)),
        seconds=record.seconds("choose"),
        metric=given.source.metric,
    )
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        page = answer_page(job, given, answer, given.items, asked)
        reports.write(given.items, page)


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
