"""The page of a coreset job."""

from dataclasses import replace

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.ids.held import take_ids
from gleann.selection import Coreset, Selection
from gleann.selection.among import Among
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
    """The page of a measured choice, of the items that were looked at."""
    within = _within(given)
    ids, locked = given.source.ids, given.locked
    if within is not None:
        answer = _numbered_within(answer, within)
        ids, locked = take_ids(ids, within.rows), _places(within, locked)
    return coreset_page(
        CoresetReport(
            asked=asked,
            chosen=answer.chosen,
            baselines=answer.baselines,
            ids=np.asarray(ids.tolist(), object),
            locked=locked,
            priced=given.costs is not None,
            groups=_groups(given, within),
            items=items.limited(within),
            steps=_steps(job),
        )
    )


def draw_page(
    job: CoresetJob, given: Inputs, drawn: Selection, items: FileItems, asked: Asked
) -> str:
    """The page of a random draw without distances."""
    within = _within(given)
    n, locked = len(given.source.ids), given.locked
    if within is not None:
        drawn = replace(drawn, rows=_places(within, drawn.rows))
        n, locked = len(within), _places(within, locked)
    return drawn_page(
        DrawnReport(
            asked=asked,
            drawn=drawn,
            n=n,
            locked=locked,
            groups=_groups(given, within),
            items=items.limited(within),
            steps=_steps(job),
        )
    )


def _within(given: Inputs) -> Among | None:
    """The items that the page is about: those to choose from, and the locked ones."""
    return None if given.among is None else given.among.besides(given.locked)


def _places(within: Among, rows: Rows) -> Rows:
    return np.searchsorted(within.rows, rows)


def _numbered_within(answer: CoresetAnswer, within: Among) -> CoresetAnswer:
    """The answer with rows counted among these items, as if there were no others."""

    def some(one: Coreset) -> Coreset:
        return replace(
            one,
            rows=_places(within, one.rows),
            nearest=one.nearest[within.rows],
            distances=one.distances[within.rows],
        )

    beside = answer.baselines
    if beside is not None:
        strongest = None if beside.strongest is None else some(beside.strongest)
        beside = replace(
            beside,
            drawn=some(beside.drawn),
            stratified=some(beside.stratified),
            strongest=strongest,
        )
    return replace(answer, chosen=some(answer.chosen), baselines=beside)


def _groups(given: Inputs, within: Among | None) -> Classes | None:
    if given.groups is None:
        return None
    values = given.groups if within is None else given.groups[within.rows]
    return Classes(name="group", values=values)


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
