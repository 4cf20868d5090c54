"""The page of a coreset job."""

import numpy as np

from gleann.selection import Selection
from gleann.selection.coreset import CoresetAnswer
from gleann.service.cli.reports import (
    FileItems,
    command_with,
    in_python,
    quoted,
    sibling,
)
from gleann.service.cli.select.coreset_inputs import CoresetJob, Inputs
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Classes
from gleann.service.report.pages.coreset import CoresetReport, coreset_page
from gleann.service.report.pages.drawn import DrawnReport, drawn_page


def answer_page(
    job: CoresetJob,
    given: Inputs,
    answer: CoresetAnswer,
    items: FileItems,
    asked: Asked,
) -> str:
    """The page of a measured choice."""
    return coreset_page(
        CoresetReport(
            asked=asked,
            chosen=answer.chosen,
            baselines=answer.baselines,
            ids=np.asarray(given.source.ids.tolist(), object),
            locked=given.locked,
            priced=given.costs is not None,
            groups=_groups(given),
            items=items,
            steps=_steps(job),
        )
    )


def draw_page(
    job: CoresetJob, given: Inputs, drawn: Selection, items: FileItems, asked: Asked
) -> str:
    """The page of a random draw without distances."""
    return drawn_page(
        DrawnReport(
            asked=asked,
            drawn=drawn,
            n=len(given.source.ids),
            locked=given.locked,
            groups=_groups(given),
            items=items,
            steps=_steps(job),
        )
    )


def _groups(given: Inputs) -> Classes | None:
    return None if given.groups is None else Classes(name="group", values=given.groups)


def _steps(job: CoresetJob) -> list[Step]:
    read = f"import pyarrow.parquet as pq; print(pq.read_table({str(job.out)!r}))"
    steps = [
        Step(
            what="Read the chosen ids, in the order of their choice:",
            command=in_python(read),
        )
    ]
    if job.locked is None:
        more = command_with(
            {
                "locked": job.out,
                "out": sibling(job.out, "more"),
                "report": sibling(job.report, "more"),
                "coverage": None,
            }
        )
        steps.append(
            Step(what="Choose as many more, with these as locked:", command=more)
        )
    steps.append(
        Step(
            what="Once they are labelled (a csv file with the columns id and label),"
            " choose the most informative next ones:",
            command=_active(job),
        )
    )
    return steps


def _active(job: CoresetJob) -> str:
    words = ["gleann select active", quoted(job.source)]
    for option, column in (
        ("--vectors-column", job.vectors_column),
        ("--id-column", job.id_column),
        ("--metric", job.metric),
    ):
        words += [option, quoted(column)] if column else []
    return " ".join(
        [*words, "--labels labels.csv --state session.json --out batch-1.parquet"]
    )
