"""The report of near-duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.nouns import counted
from gleann.selection.curation.duplicates import (
    CurvePoint,
    Duplicates,
    Example,
    curve,
    examples,
    group_size_counts,
)
from gleann.service.report.asked import (
    SEARCHED,
    Asked,
    Step,
    asked_section,
    next_section,
)
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.examples import example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html, element
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import apart, percent, short
from gleann.service.report.page import (
    Section,
    figure,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.graph import UNITS
from gleann.service.report.pages.parts import groups_section, picture_note
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table

GROUPS, MEMBERS = 10, 5
"""Groups that are shown, and rows of each besides the one that stays."""

MOST_SIZES = 12
"""Bars of sizes; larger groups share the last one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DuplicatesReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the near-duplicates.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    found: Duplicates
    items: Items
    steps: Sequence[Step]


def duplicates_page(report: DuplicatesReport) -> str:
    """One self-contained HTML document."""
    found, asked = report.found, report.asked
    facts = found.summary()
    lead = (
        f"{facts['dropped']:,} of {counted(int(facts['rows']), 'rows')} of {asked.data}"
        f" go within {short(found.radius)} ({UNITS[found.metric]}), in"
        f" {asked.total:.1f} s."
    )
    sections = [
        Section(title="At a glance", body=(tiles(glance(found)),)),
        asked_section(asked, distances=SEARCHED),
        _curve_section(found),
        _sizes_section(found),
        *_classes(report),
        _examples_section(report),
        *([next_section(report.steps)] if report.steps else []),
    ]
    return page(f"gleann {asked.command}", lead, sections)


def glance(found: Duplicates) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    facts = found.summary()
    rows, dropped = int(facts["rows"]), int(facts["dropped"])
    figures = [
        (f"{facts['kept']:,}", f"rows stay, of {rows:,}"),
        (percent(dropped / rows if rows else 0.0), f"of the rows go ({dropped:,})"),
        (f"{facts['groups']:,}", "rows stand for others too"),
        (f"{facts['largest_group']:,}", "rows are in the largest group"),
        (f"{facts['pairs']:,}", f"pairs are within {short(found.radius)}"),
    ]
    if found.outside is not None:
        number = f"{facts['dropped_for_outside']:,}"
        figures.append((number, "rows go for one of the other collection"))
    return figures


def _curve_section(found: Duplicates) -> Section:
    points = curve(found)
    return Section(
        title="How many go at each radius",
        body=(
            side_by_side([_curve_figure(found, points), _curve_table(points)]),
            paragraph(
                "A steep step is a mass of copies at that distance; where the curve"
                " bends up towards the right, rows are near without being copies."
            ),
        ),
    )


def _curve_figure(found: Duplicates, points: Sequence[CurvePoint]) -> Html:
    radii = [one.radius for one in points]
    dropped = [float(one.dropped) for one in points]
    chart = line_chart(
        [
            Series(
                name="rows that go",
                x=radii,
                y=dropped,
                notes=[
                    f"radius {short(one.radius)}: {one.dropped:,} go, {one.kept:,} stay"
                    for one in points
                ],
            )
        ],
        x=axis_over(f"radius ({UNITS[found.metric]})", radii, zero=True),
        y=axis_over("rows that go", dropped, zero=True),
    )
    return figure(
        chart, caption="Rows that go at each radius, up to the one asked for."
    )


def _curve_table(points: Sequence[CurvePoint]) -> Html:
    radii = apart([one.radius for one in points])
    rows: list[list[Cell]] = [
        [radius, one.dropped, one.kept, one.groups, one.largest_group]
        for radius, one in zip(radii, points, strict=True)
    ]
    return table(["radius", "go", "stay", "groups", "largest group"], rows)


def _sizes_section(found: Duplicates) -> Section:
    counts = {k: n for k, n in group_size_counts(found).items() if k > 1}
    if not counts:
        return Section(
            title="Sizes of groups",
            body=(paragraph("No row stands for another one of this collection."),),
        )
    names, values, notes = _size_bars(counts)
    chart = bar_chart(
        names,
        [Bars(name="groups", values=values, notes=notes)],
        x=axis_over("groups", values, zero=True),
    )
    caption = "Groups by the rows they have, the one that stays included."
    return Section(title="Sizes of groups", body=(figure(chart, caption=caption),))


def _size_bars(counts: dict[int, int]) -> tuple[list[str], list[float], list[str]]:
    sizes = sorted(counts)
    alone, rest = sizes[:MOST_SIZES], sizes[MOST_SIZES:]
    names = [f"{counted(size, 'rows')}" for size in alone]
    values = [float(counts[size]) for size in alone]
    if rest:
        names.append(f"{rest[0]:,} to {counted(rest[-1], 'rows')}")
        values.append(float(sum(counts[size] for size in rest)))
    notes = [
        f"{counted(int(value), 'groups')} of {name}"
        for name, value in zip(names, values, strict=True)
    ]
    return names, values, notes


def _classes(report: DuplicatesReport) -> list[Section]:
    """Shares by class before and after, of the rows that take part."""
    classes, found = report.items.classes, report.found
    if classes is None:
        return []
    rows = found.rows
    kept = np.flatnonzero(found.kept[rows])
    counts = count_groups(classes.values[rows], kept)
    return [groups_section(counts, name=classes.name, chosen="rows that stay")]


def _examples_section(report: DuplicatesReport) -> Section:
    shown = examples(report.found, groups=GROUPS, members=MEMBERS)
    words = (
        "The largest groups: first the row that stays, then the nearest of those that"
        " go for it."
    )
    body = [paragraph(words)]
    for one in shown:
        body += [_heading(one), _group(report, one)]
    if not shown:
        body.append(paragraph("There is none."))
    body += picture_note(report.items)
    return Section(title="Examples", body=tuple(body))


def _heading(one: Example) -> Html:
    return element("h3", {}, f"{counted(one.size, 'rows')}, of which {one.kept} stays")


def _group(report: DuplicatesReport, one: Example) -> Html:
    rows = np.concatenate([np.array([one.row], np.int64), one.dropped_rows])
    facts: list[Facts] = [(("stays", ""),)]
    facts += [(("distance", short(float(near))),) for near in one.distances.tolist()]
    return example_grid(report.items.examples(rows, facts), of=one.size)
