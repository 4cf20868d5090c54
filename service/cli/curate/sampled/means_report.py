"""The page of `gleann curate means`."""

from pathlib import Path

import numpy as np

from gleann.index.arrays import Rows
from gleann.selection.estimate.means import JointEstimates, MeansSession
from gleann.service.cli.options import ReportOptions
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.measures.strata import half_width_words, labels_for_half
from gleann.service.report.pages.means import MeansReport, means_page

MOST_SHOWN = 12
"""Labelled items on the page."""


def means_report(
    job: ReportOptions,
    made: JointEstimates,
    session: MeansSession,
    items: FileItems,
    asked: Asked,
) -> str:
    """The page of joint estimates."""
    ids = session.labelled_ids
    rows = items.names.rows_of(ids[:MOST_SHOWN])
    return means_page(
        MeansReport(
            asked=asked,
            made=made,
            labelled=items.examples(rows, ()),
            classes=items.limited(session.among).classes,
            labelled_rows=_rows_among(session, items),
            picture_note=items.note(),
            steps=_steps(job, made, asked),
        )
    )


def _rows_among(session: MeansSession, items: FileItems) -> Rows:
    """Labelled rows, numbered in the population."""
    rows = items.names.rows_of(session.labelled_ids)
    among = session.among
    return rows if among is None else np.searchsorted(among.rows, rows)


def _steps(job: ReportOptions, made: JointEstimates, asked: Asked) -> list[Step]:
    manifest = f"{asked.output}.manifest.json"
    load = f"import json; print(json.load(open({manifest!r}))['results']['columns'])"
    steps = [Step(what="Read the numbers in Python:", command=in_python(load))]
    if made.labels_used >= made.rows:
        return steps
    more = command_with(
        {
            "budget": min(labels_for_half(made.labels_used), made.rows),
            "out": sibling(Path(asked.output), "narrower"),
            "report": sibling(job.report, "narrower"),
            "state": None,  # of a session with another budget
            "resume": None,
        }
    )
    words = half_width_words(made.labels_used, n=made.rows)
    return [*steps, Step(what=words, command=more)]
