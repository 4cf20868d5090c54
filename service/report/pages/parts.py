"""Sections that the reports of several jobs have."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows
from gleann.index.nouns import counted
from gleann.service.report.bars import Bars, Counts, bar_chart, histogram_chart
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.examples import example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.distances import (
    Spread,
    curve_grid,
    farthest,
    histograms,
    shares_within,
    spread,
)
from gleann.service.report.measures.groups import GroupCount, GroupCounts
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import (
    Section,
    figure,
    note,
    paragraph,
    side_by_side,
)
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, best_of, table

EXAMPLES = 12


def coverage_figure(sets: Mapping[str, Distances]) -> Html:
    """Share of rows within a distance of each selection, by name of the selection."""
    grid = curve_grid(*sets.values())
    series = [
        Series(
            name=name,
            x=grid.tolist(),
            y=(shares := shares_within(distances, grid)).tolist(),
            notes=_curve_notes(name, grid, shares),
            marked=False,
        )
        for name, distances in sets.items()
    ]
    chart = line_chart(
        series,
        x=Axis(label="distance", low=0.0, high=float(grid[-1])),
        y=Axis(label="rows within it", low=0.0, high=1.0, write=percent),
    )
    caption = "Rows within a distance of the selection; higher covers more."
    return figure(chart, caption=caption)


def spread_table(sets: Mapping[str, Distances]) -> Html:
    """Median, 90th percentile and radius of each selection."""
    spreads = [spread(distances) for distances in sets.values()]
    rows: list[list[Cell]] = [
        [name, one.median, one.most, one.radius]
        for name, one in zip(sets, spreads, strict=True)
    ]
    best = best_spreads(spreads, first=1)
    head = ["selection", "half within", "90 % within", "all within (radius)"]
    caption = "Distance of every row to its nearest selected one"
    return table(head, rows, best=best, caption=caption)


def best_spreads(spreads: Sequence[Spread], *, first: int) -> set[tuple[int, int]]:
    """Cells with the smallest distances; the columns start at `first`."""
    columns = ("median", "most", "radius")
    return set().union(
        *(
            best_of(
                [getattr(one, name) for one in spreads],
                column=first + place,
                want="low",
            )
            for place, name in enumerate(columns)
        )
    )


def groups_section(counts: GroupCounts, *, name: str, chosen: str) -> Section:
    """Shares by group before and after a choice.

    Args:
        counts: of all rows and of the chosen ones.
        name: what the groups are, such as "label".
        chosen: what the chosen rows are called in the legend.
    """
    shown = counts.shown
    chart = figure(
        _group_chart(counts, shown, chosen),
        caption=f"Shares by {name}: of all {counted(counts.before, 'rows')}, and of the"
        f" {counts.after:,} {chosen}.",
    )
    body = [side_by_side([chart, _group_table(counts, name, chosen)])]
    if counts.empty_count:
        body.append(note(_empty_words(counts, name, chosen)))
    return Section(title=f"Before and after, by {name}", body=tuple(body))


def left_out_section(
    distances: Distances, items: Items, *, nearest: NDArray[np.generic] | None = None
) -> Section:
    """The rows farthest from every selected row.

    Args:
        distances: (n,) of every row to its nearest selected row.
        items: contents of rows.
        nearest: (n,) id of that row, or None.
    """
    rows = farthest(distances, most=EXAMPLES)
    facts: list[Facts] = [
        (("distance", short(float(distances[row]))),)
        + (() if nearest is None else (("nearest selected", str(nearest[row])),))
        for row in rows.tolist()
    ]
    uncovered = int((np.asarray(distances) > 0).sum())
    return Section(
        title="What was left out",
        body=(
            paragraph("The rows farthest from any selected one, the farthest first."),
            example_grid(items.examples(rows, facts), of=uncovered),
            *picture_note(items),
        ),
    )


def examples_section(
    title: str, words: str, rows: Rows, facts: Sequence[Facts], items: Items
) -> Section:
    """The first of some rows as cards."""
    shown = rows[:EXAMPLES]
    grid = example_grid(items.examples(shown, facts[:EXAMPLES]), of=len(rows))
    return Section(title=title, body=(paragraph(words), grid))


def histogram_figure(
    named: Mapping[str, NDArray[np.generic]], *, label: str, of: str, caption: str
) -> Html:
    """Histograms of one quantity in the same bins, one colour each.

    Args:
        named: the values by name.
        label: of the quantity.
        of: what is counted, such as "rows".
        caption: of the figure.
    """
    made = histograms(named)
    edges = [edge for one in made.values() for edge in (one.edges[0], one.edges[-1])]
    highest = max(max(one.counts) for one in made.values())
    chart = histogram_chart(
        [Counts(name=name, values=one) for name, one in made.items()],
        x=axis_over(label, edges),
        y=axis_over(of, [0.0, float(highest)], zero=True),
    )
    left_out = sum(one.left_out for one in made.values())
    words = f" {left_out:,} values are not finite and left out." if left_out else ""
    return figure(chart, caption=caption + words)


def picture_note(items: Items) -> list[Html]:
    """A line on the pictures that are not shown, if any."""
    words = items.note()
    return [note(words + ".")] if words else []


def _curve_notes(
    name: str, grid: NDArray[np.float64], shares: NDArray[np.float64]
) -> list[str]:
    return [
        f"{name}: {percent(share)} of the rows within {short(distance)}"
        for distance, share in zip(grid.tolist(), shares.tolist(), strict=True)
    ]


def _group_chart(counts: GroupCounts, shown: Sequence[GroupCount], chosen: str) -> Html:
    before = [counts.share_before(one) for one in shown]
    after = [counts.share_after(one) for one in shown]
    highest = max([*before, *after, 1e-9])
    return bar_chart(
        [one.name for one in shown],
        [
            Bars(
                name="all rows",
                values=before,
                notes=[f"{one.name}: {one.before:,} of all rows" for one in shown],
            ),
            Bars(
                name=chosen,
                values=after,
                notes=[f"{one.name}: {one.after:,} {chosen}" for one in shown],
            ),
        ],
        x=Axis(label="share", low=0.0, high=highest * 1.05, write=percent),
    )


def _group_table(counts: GroupCounts, name: str, chosen: str) -> Html:
    listed = [*counts.shown, *([counts.rest] if counts.rest else [])]
    locked = any(one.locked for one in listed)
    rows: list[list[Cell]] = [
        [
            one.name,
            one.before,
            percent(counts.share_before(one)),
            *([one.locked] if locked else []),
            one.after,
            percent(counts.share_after(one)),
            _times(counts, one),
        ]
        for one in listed
    ]
    head = [name, "rows", "share", *(["chosen before"] if locked else [])]
    return table([*head, chosen, "share", "times its share"], rows)


def _times(counts: GroupCounts, one: GroupCount) -> str | None:
    before = counts.share_before(one)
    return f"{counts.share_after(one) / before:.2f}" if before else None


def _empty_words(counts: GroupCounts, name: str, chosen: str) -> str:
    names = ", ".join(counts.empty)
    more = counts.empty_count - len(counts.empty)
    return (
        f"{counts.empty_count:,} values of {name} are not among the {chosen}: {names}"
        + (f" and {more:,} more" if more else "")
        + "."
    )
