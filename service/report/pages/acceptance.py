"""The report of an audit of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.nouns import counted
from gleann.selection.promises import AcceptanceBound, failures_bound
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.charts import Series, Whisker, line_chart, whisker_chart
from gleann.service.report.examples import Example, example_grid
from gleann.service.report.items import Classes
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent
from gleann.service.report.page import (
    Section,
    figure,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import groups_section
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table

SIZES = 9
"""Sizes of an audit in the chart."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcceptanceReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        bound: what the audit says.
        failed: some of the items that fail.
        classes: the class of each item of the batch, or None.
        failed_rows: rows of the batch that fail, in the order they were drawn.
        picture_note: which pictures are not shown, or "".
        steps: commands to go on with.
    """

    asked: Asked
    bound: AcceptanceBound
    failed: Sequence[Example]
    classes: Classes | None
    failed_rows: Rows
    picture_note: str
    steps: Sequence[Step]


def acceptance_page(report: AcceptanceReport) -> str:
    """One self-contained HTML document."""
    bound = report.bound
    lead = (
        f"{bound.audited:,} of the {counted(bound.batch, 'items')} of a batch were"
        f" checked. At most {bound.at_most:,} of the other {bound.rest:,} fail, with"
        f" {percent(bound.confidence)} confidence."
    )
    sections = [
        Section(title="At a glance", body=_glance(bound)),
        asked_section(report.asked),
        _sizes(bound),
        *_classes(report),
        *_failed(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def _glance(bound: AcceptanceBound) -> tuple[Html, ...]:
    shown = [
        (f"{bound.failed:,} of {bound.audited:,}", "checked items fail"),
        (f"{bound.at_most:,}", f"of the other {bound.rest:,} fail at most"),
        (percent(bound.batch_share_at_most), "of the whole batch fail at most"),
        (percent(bound.confidence), "confidence of the bound"),
    ]
    return (tiles(shown), _interval(bound))


def _interval(bound: AcceptanceBound) -> Html:
    """The share found, and the shares that the batch may have."""
    found = bound.failed / bound.audited
    ends = {
        "checked items": (found, found),
        "whole batch": (bound.failed / bound.batch, bound.batch_share_at_most),
    }
    whiskers = [
        Whisker(label=name, name=name, value=found, low=low, high=high, colour=colour)
        for colour, (name, (low, high)) in enumerate(ends.items())
    ]
    values = [0.0, *(end for pair in ends.values() for end in pair)]
    axis = axis_over("share that fails", values, write=percent, zero=True)
    caption = (
        "The share found, and how far the share of the whole batch may be from it: down"
        " to the failures that were found, and up to the bound."
    )
    return figure(whisker_chart(whiskers, x=axis), caption=caption)


def _sizes(bound: AcceptanceBound) -> Section:
    """What audits of other sizes would say."""
    sizes = np.unique(
        np.rint(np.geomspace(min(10, bound.batch), bound.batch, SIZES)).astype(int)
    ).tolist()
    share = bound.failed / bound.audited
    kinds = {"no failure": 0.0, "as many failures in proportion": share}
    kinds = dict(list(kinds.items())[: 2 if bound.failed else 1])
    bounds = {
        name: [_bound(bound, size, round(rate * size)) for size in sizes]
        for name, rate in kinds.items()
    }
    rows: list[list[Cell]] = [
        [size, *(percent(made[place].batch_share_at_most) for made in bounds.values())]
        for place, size in enumerate(sizes)
    ]
    words = (
        "The bound that an audit of each size would give for this batch. Choose the"
        " size before the audit: to check more because of what was found voids the"
        " bound. A batch that was mended needs a new audit with another seed."
    )
    head = ["items checked", *(f"bound, {name}" for name in kinds)]
    return Section(
        title="Other sizes of the audit",
        body=(
            paragraph(words),
            side_by_side([_sizes_figure(sizes, bounds), table(head, rows)]),
        ),
    )


def _sizes_figure(
    sizes: list[int], bounds: Mapping[str, Sequence[AcceptanceBound]]
) -> Html:
    """The bounds over the size of the audit, a line for each kind of outcome."""
    series = [
        Series(
            name=name,
            x=sizes,
            y=[one.batch_share_at_most for one in made],
            notes=[
                f"{one.failed:,} of {one.audited:,} fail: at most"
                f" {percent(one.batch_share_at_most)} of the batch"
                for one in made
            ],
        )
        for name, made in bounds.items()
    ]
    highest = [one for line in series for one in line.y]
    chart = line_chart(
        series,
        x=axis_over("items checked", [float(size) for size in sizes], scale="log"),
        y=axis_over("of the batch fail at most", highest, write=percent, zero=True),
    )
    caption = "The larger the audit, the nearer the bound is to what it finds."
    return figure(chart, caption=caption)


def _bound(bound: AcceptanceBound, size: int, failed: int) -> AcceptanceBound:
    return failures_bound(
        batch=bound.batch, audited=size, failed=failed, confidence=bound.confidence
    )


def _classes(report: AcceptanceReport) -> list[Section]:
    if report.classes is None:
        return []
    counts = count_groups(report.classes.values, report.failed_rows)
    return [groups_section(counts, name=report.classes.name, chosen="failed")]


def _failed(report: AcceptanceReport) -> list[Section]:
    if not report.failed:
        return []
    body = [
        paragraph("The first ones in the order they were drawn."),
        example_grid(report.failed, of=report.bound.failed),
    ]
    if report.picture_note:
        body.append(note(report.picture_note + "."))
    return [Section(title="Items that fail", body=tuple(body))]
