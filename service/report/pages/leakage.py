"""The report of an audit of leakage."""

from dataclasses import dataclass

import numpy as np

from gleann.index.ids.held import ids_at
from gleann.index.nouns import counted
from gleann.selection.curation.leakage import GroupLeakage, Leakage
from gleann.service.report.asked import SEARCHED, Asked, asked_section
from gleann.service.report.bars import Bars, Counts, bar_chart, histogram_chart
from gleann.service.report.examples import example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.distances import Histogram
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import (
    Section,
    figure,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.graph import UNITS
from gleann.service.report.pages.parts import EXAMPLES, picture_note
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, table

MOST_GROUPS = 12
"""Groups that are shown one by one, those with the most leaked rows."""

HISTOGRAMS = 4
"""Groups whose histograms are shown over each other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeakageReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the audit.
        items: contents of the rows of the index that is audited.
        has_training: whether training rows are rows of that index too.
    """

    asked: Asked
    found: Leakage
    items: Items
    has_training: bool


def leakage_page(report: LeakageReport) -> str:
    """One self-contained HTML document."""
    found, asked = report.found, report.asked
    leaked = int(found.leaked.sum())
    lead = (
        f"{leaked:,} of {counted(len(found), 'audited rows')} of {asked.data} have a"
        f" training row within {short(found.radius)} ({UNITS[found.metric]}), in"
        f" {asked.total:.1f} s."
    )
    groups = sorted(found.by_group(), key=lambda one: (-one.leaked, str(one.group)))
    sections = [
        Section(title="At a glance", body=(tiles(_glance(found)),)),
        asked_section(asked, distances=SEARCHED),
        _groups_section(groups),
        _distances_section(found, groups),
        _examples_section(report),
    ]
    return page("gleann curate leakage", lead, sections)


def _glance(found: Leakage) -> list[tuple[str, str]]:
    leaked, pairs = int(found.leaked.sum()), int(found.pair_counts.sum())
    return [
        (percent(leaked / len(found)), f"of the audited rows leak ({leaked:,})"),
        (f"{pairs:,}", f"pairs are within {short(found.radius)}"),
        (
            short(float(np.median(found.distances))),
            "is the median distance to the nearest training row",
        ),
        (
            f"{int((found.distances == 0).sum()):,}",
            "audited rows are equal to a training row",
        ),
    ]


def _groups_section(groups: list[GroupLeakage]) -> Section:
    shown = groups[:MOST_GROUPS]
    shares = [one.share for one in shown]
    chart = bar_chart(
        [str(one.group) for one in shown],
        [
            Bars(
                name="leaked rows",
                values=shares,
                notes=[
                    f"{one.group}: {one.leaked:,} of {counted(one.rows, 'rows')}"
                    for one in shown
                ],
            )
        ],
        x=Axis(
            label="share of its audited rows",
            low=0.0,
            high=max([*shares, 1e-9]) * 1.05,
            write=percent,
        ),
    )
    rows: list[list[Cell]] = [
        [str(one.group), one.rows, one.leaked, percent(one.share), one.median]
        for one in shown
    ]
    head = ["group", "audited rows", "leaked", "share", "median distance"]
    body: list[Html] = [
        side_by_side(
            [figure(chart, caption="Leaked rows by group."), table(head, rows)]
        )
    ]
    if len(groups) > len(shown):
        body.append(
            note(f"{counted(len(groups) - len(shown), 'groups')} more are not shown.")
        )
    return Section(title="By group", body=tuple(body))


def _distances_section(found: Leakage, groups: list[GroupLeakage]) -> Section:
    shown = groups[:HISTOGRAMS]
    edges = tuple(found.edges.tolist())
    highest = max(max(one.histogram) for one in shown)
    chart = histogram_chart(
        [
            Counts(
                name=str(one.group),
                values=Histogram(edges=edges, counts=one.histogram, left_out=0),
            )
            for one in shown
        ],
        x=axis_over(f"distance ({UNITS[found.metric]})", list(edges), zero=True),
        y=axis_over("audited rows", [0.0, float(highest)], zero=True),
    )
    caption = (
        "Distance of audited rows to the nearest training row; the cut is at"
        f" {short(found.radius)}."
    )
    return Section(title="Distances", body=(figure(chart, caption=caption),))


def _examples_section(report: LeakageReport) -> Section:
    """The nearest leaked rows; the training row too where it is of the same index."""
    found = report.found
    leaked = np.flatnonzero(found.leaked)
    order = leaked[np.lexsort((found.rows[leaked], found.distances[leaked]))]
    shown = order[:EXAMPLES]
    near = ids_at(found.reference_ids, found.nearest[shown]).tolist()
    facts: list[Facts] = [
        (("distance", short(float(distance))), ("to training row", str(one)))
        for distance, one in zip(found.distances[shown].tolist(), near, strict=True)
    ]
    rows = found.rows[shown]
    if report.has_training:
        rows = np.stack([rows, found.nearest[shown]], axis=1).reshape(-1)
        trained: Facts = (("training row", "of the one before"),)
        facts = [one for fact in facts for one in (fact, trained)]
    return Section(
        title="Examples",
        body=(
            paragraph("The audited rows nearest to a training row, the nearest first."),
            example_grid(report.items.examples(rows, facts), of=len(rows)),
            *_left_out(len(shown), len(leaked)),
            *picture_note(report.items),
        ),
    )


def _left_out(shown: int, leaked: int) -> list[Html]:
    if shown == leaked:
        return []
    return [note(f"Shown: {shown:,} of {leaked:,} leaked rows.")]
