"""The pages of the estimate commands."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection import Estimate
from gleann.selection.checks import IdMap
from gleann.service.cli.estimate.estimate_job import EstimateJob
from gleann.service.cli.files.answers import Answers
from gleann.service.cli.files.proxies import read_proxies
from gleann.service.cli.options import ReportOptions
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.examples import ExampleSet
from gleann.service.report.items import Facts
from gleann.service.report.measures.strata import half_width_words, labels_for_half
from gleann.service.report.pages.estimate import (
    EstimateReport,
    LabelledClasses,
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
    items: FileItems,
    made: tuple[Estimate, Estimate | None],
    asked: Asked,
) -> str:
    """The page of one estimate, `made` with the one of uniform draws."""
    estimate, uniform = made
    proxy = first_scores(job.proxy, answers.names)
    samples = [
        _sample(answers, items, proxy, positive=positive) for positive in (True, False)
    ]
    return estimate_page(
        EstimateReport(
            asked=asked,
            made={"": estimate},
            uniform={"": uniform},
            n=len(answers.names),
            samples=samples,
            classes=None
            if items.classes is None
            else LabelledClasses(
                classes=items.classes, rows=np.flatnonzero(answers.known)
            ),
            picture_note=items.note(),
            steps=steps(
                job.out,
                job.report,
                estimate.labels_used,
                n=len(answers.names),
                changed=_half_widths(job),
            ),
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
            classes=None,
            picture_note="",
            steps=steps(Path(asked.output), job.report, used, n=len(names), changed={}),
        )
    )


def steps(
    out: Path,
    report: Path | None,
    labels: int,
    *,
    n: int,
    changed: Mapping[str, object],
) -> list[Step]:
    """The numbers in Python, and half the width.

    Args:
        out: file with the numbers.
        report: the page.
        labels: behind the estimate.
        n: items in all, which bound the labels.
        changed: further options of the command with half the width.
    """
    load = f"import json; print(json.load(open({str(out)!r})))"
    made = [Step(what="Read the numbers in Python:", command=in_python(load))]
    if labels >= n:
        return made
    narrower = command_with(
        {
            "budget": min(labels_for_half(labels), n),
            "out": sibling(out, "narrower"),
            "report": sibling(report, "narrower"),
            "state": None,  # of a session with another budget
            "resume": None,
            **changed,
        }
    )
    return [*made, Step(what=half_width_words(labels, n=n), command=narrower)]


def _half_widths(job: EstimateJob) -> dict[str, object]:
    widths = {
        "stop_at_width": job.stop_at_width,
        "stop_at_relative_width": job.stop_at_relative_width,
    }
    return {name: width / 2 for name, width in widths.items() if width is not None}


def first_scores(paths: Sequence[Path], names: IdMap) -> NDArray[np.float64] | None:
    """The scores of the first proxy file in the order of `names`, or None."""
    if not paths:
        return None
    held, proxies = read_proxies({"": paths[0]})
    return proxies[""][held.rows_of(names.held)]


def surprising(
    rows: Rows, proxy: NDArray[np.float64] | None, *, positive: bool
) -> Rows:
    """Labelled rows in order of surprise: low proxies of positives, high of negatives.

    Args:
        rows: ascending; their order stays without a proxy, and among equals.
        proxy: (n,) or None.
        positive: whether the rows are positive.
    """
    if proxy is None:
        return rows
    return rows[np.argsort(proxy[rows] * (1 if positive else -1), kind="stable")]


def _sample(
    answers: Answers,
    items: FileItems,
    proxy: NDArray[np.float64] | None,
    *,
    positive: bool,
) -> ExampleSet:
    rows = np.flatnonzero(answers.known & (answers.positive == positive))
    shown = surprising(rows, proxy, positive=positive)[:SHOWN]
    facts = [_facts(answers, proxy, row) for row in shown.tolist()]
    kind = "Positive" if positive else "Negative"
    order = "lowest" if positive else "highest"
    title = f"{kind} items" + (
        f", those with the {order} proxy" if proxy is not None else ""
    )
    return ExampleSet(
        title=title, examples=items.examples(shown, facts), count=len(rows)
    )


def _facts(answers: Answers, proxy: NDArray[np.float64] | None, row: int) -> Facts:
    scored = () if proxy is None else (("proxy", f"{proxy[row]:.4g}"),)
    if answers.value is None or not answers.positive[row]:
        return scored
    return (*scored, ("value", f"{answers.value[row]:.6g}"))
