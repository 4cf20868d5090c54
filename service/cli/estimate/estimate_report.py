"""The pages of the estimate commands."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gleann.index.arrays import Rows
from gleann.selection import Estimate
from gleann.selection.checks import IdMap
from gleann.service.cli import reports
from gleann.service.cli.estimate.estimate_job import EstimateJob
from gleann.service.cli.files.answers import Answers
from gleann.service.cli.files.item_table import TABLE_SUFFIXES
from gleann.service.cli.options import ReportOptions
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Facts
from gleann.service.report.measures.strata import labels_for_half
from gleann.service.report.pages.estimate import (
    EstimateReport,
    Sample,
    estimate_page,
)

SHOWN = 8
"""Labelled items of each kind on the page."""


def first_proxy(paths: Sequence[Path]) -> Path | None:
    """The first proxy file, whose columns the report may show."""
    return paths[0] if paths else None


def answer_page(
    job: EstimateJob,
    answers: Answers,
    made: Estimate,
    uniform: Estimate | None,
    asked: Asked,
) -> str:
    """The page of one estimate."""
    own = first_proxy(job.proxy)
    items = open_items(job, answers.names, own)
    samples = [
        _sample("Items with the property", answers, items, positive=True),
        _sample("Items without it", answers, items, positive=False),
    ]
    return estimate_page(
        EstimateReport(
            asked=asked,
            made={"": made},
            uniform={"": uniform},
            n=len(answers.names),
            samples=samples,
            picture_note=items.note(),
            steps=steps(job.out, job.report, made.labels_used, rounds=job.rounds),
        )
    )


def groups_page(
    job: ReportOptions,
    names: IdMap,
    made: Mapping[str, Estimate],
    uniform: Mapping[str, Estimate | None],
    asked: Asked,
) -> str:
    """The page of one estimate per group."""
    used = max(one.labels_used for one in made.values())
    return estimate_page(
        EstimateReport(
            asked=asked,
            made=made,
            uniform=uniform,
            n=len(names),
            samples=(),
            picture_note="",
            steps=steps(Path(asked.output), job.report, used, rounds=None),
        )
    )


def open_items(job: ReportOptions, names: IdMap, own: Path | None) -> FileItems:
    """The rows as the proxy file or --show-from describes them."""
    named = own is not None and own.suffix in TABLE_SUFFIXES
    return reports.open_items(job, names, own=own, id_column="id" if named else None)


def steps(
    out: Path, report: Path | None, labels: int, *, rounds: int | None
) -> list[Step]:
    """Half the width, and the numbers in Python."""
    load = f"import json; print(json.load(open({str(out)!r})))"
    more = command_with(
        budget=labels_for_half(labels),
        out=sibling(out, "narrower"),
        report=sibling(report, "narrower"),
        rounds=rounds,
    )
    return [
        Step(
            what="Read the numbers in Python:",
            command=in_python(load),
        ),
        Step(
            what="An interval of about half the width takes four times the labels. The"
            " answers so far count where the design draws these items again:",
            command=more,
        ),
    ]


def _sample(
    title: str, answers: Answers, items: FileItems, *, positive: bool
) -> Sample:
    rows = np.flatnonzero(answers.known & (answers.positive == positive))
    shown: Rows = rows[:SHOWN]
    facts: list[Facts] = [_value(answers, row) for row in shown.tolist()]
    return Sample(title=title, examples=items.examples(shown, facts), count=len(rows))


def _value(answers: Answers, row: int) -> Facts:
    if answers.value is None or not answers.positive[row]:
        return ()
    return (("value", f"{answers.value[row]:.6g}"),)
