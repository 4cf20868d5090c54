"""The page of `gleann curate target`."""

import numpy as np

from gleann.service.cli.curate.training.target_inputs import (
    TargetAnswer,
    TargetInputs,
    TargetJob,
)
from gleann.service.cli.reports import (
    FileItems,
    command_with,
    in_python,
    quoted,
    sibling,
)
from gleann.service.report.asked import Asked, Step
from gleann.service.report.measures.groups import GroupCounts, count_groups
from gleann.service.report.pages.target import TargetReport, target_page


def answer_page(
    job: TargetJob,
    given: TargetInputs,
    answer: TargetAnswer,
    items: FileItems,
    asked: Asked,
) -> str:
    """The page of a choice, of the items that may be chosen."""
    n = len(given.source.ids)
    return target_page(
        TargetReport(
            asked=asked,
            mode=job.mode,
            chosen=answer.chosen,
            compared=answer.compared,
            distilled=answer.distilled,
            metric=given.source.metric,
            n=n if given.among is None else len(given.among),
            targets=np.asarray(given.names, object),
            target_rows=given.rows,
            tasks=given.tasks,
            counts=_counts(given, answer, items),
            items=items,
            steps=_steps(job),
        )
    )


def _counts(
    given: TargetInputs, answer: TargetAnswer, items: FileItems
) -> list[tuple[str, GroupCounts]]:
    """Items by group and by class, among those that may be chosen."""
    named: list[tuple[str, np.ndarray[tuple[int], np.dtype[np.generic]]]] = []
    if given.limits.groups is not None:
        named.append(("group", np.asarray(given.limits.groups)))
    if items.classes is not None:
        named.append((items.classes.name, items.classes.values))
    rows = answer.chosen.rows
    if given.among is None:
        return [(name, count_groups(values, rows)) for name, values in named]
    some = given.among.rows
    places = np.searchsorted(some, rows)
    return [(name, count_groups(values[some], places)) for name, values in named]


def _steps(job: TargetJob) -> list[Step]:
    read = f"import pyarrow.parquet as pq; print(pq.read_table({str(job.out)!r}))"
    steps = []
    if job.out.suffix == ".parquet":
        steps.append(
            Step(
                what="Read the chosen ids, in the order of their choice:",
                command=in_python(read),
            )
        )
    if job.exclude is None and job.out.suffix != ".npz":
        more = command_with(
            {
                "exclude": job.out,
                "out": sibling(job.out, "more"),
                "report": sibling(job.report, "more"),
                "scores": None,
            }
        )
        steps.append(Step(what="Choose as many more, without these:", command=more))
    if job.scores is not None:
        steps.append(
            Step(
                what="Estimate from few labels how many items are wanted, with the"
                " scores as the proxy (answers.csv: the columns id and positive):",
                command=f"gleann estimate --proxy {quoted(job.scores)} --oracle-csv"
                " answers.csv --budget 500 --out share.json",
            )
        )
    return steps
