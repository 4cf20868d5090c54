"""The report of an audit: a choice beside random ones and the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows
from gleann.index.nouns import counted
from gleann.selection.curation.audit import Audit, Audited, CoverageCurve, GroupTable
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.items import Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.measures.some import some_of
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
from gleann.service.report.pages.parts import (
    examples_section,
    groups_section,
    left_out_section,
)
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, best_of, table

MOST_PARTS = 20
MOST_COLUMNS = 8
"""Orders, and shares of the pool, that are shown."""
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the audit.
        chosen: rows of the choice among the pool's, in the order they were picked.
        distances: (m,) of each item of the pool to its nearest chosen one.
        nearest: (m,) id of that one.
        items: contents of the items of the pool.
        steps: commands to go on with.
    """

    asked: Asked
    found: Audit
    chosen: Rows
    distances: Distances
    nearest: NDArray[np.generic]
    items: Items
    steps: Sequence[Step]


def audit_page(report: AuditReport) -> str:
    """One self-contained HTML document."""
    found = report.found
    lead = (
        f"{found['chosen'].rows:,} of {counted(found['pool'].rows, 'items')} of"
        f" {report.asked.data}, beside as many random ones, in"
        f" {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(tiles(glance(found)), *(note(one) for one in caveats(found))),
        ),
        asked_section(report.asked),
        _diversity(found),
        _coverage(found),
        *(_groups(one) for one in found.tables),
        *_classes(report),
        *_parts(found),
        examples_section(
            "Chosen items",
            "The first chosen items.",
            report.chosen,
            (),
            report.items,
        ),
        left_out_section(report.distances, report.items, nearest=report.nearest),
        next_section(report.steps),
    ]
    return page("gleann curate audit", lead, sections)


def glance(found: Audit) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    chosen, drawn, pool = found["chosen"], found["random"], found["pool"]
    number = _middle(found)
    order = f"{found.orders[number]:g}"
    ours, theirs = _last(chosen), _last(drawn)
    return [
        (
            f"{chosen.rows:,}",
            f"chosen, {percent(chosen.rows / pool.rows)} of the items",
        ),
        (
            short(chosen.vendi[number]),
            f"Vendi score of order {order}, the effective number of different items;"
            f" {short(drawn.vendi[number])} for as many random ones,"
            f" {short(pool.vendi[number])} for all",
        ),
        (
            short(float(ours.means[-1])),
            "mean distance of an item to its nearest chosen one;"
            f" {short(float(theirs.means[-1]))} for random ones",
        ),
        (
            short(float(ours.radii[-1, -1])),
            f"distance within which {percent(ours.shares[-1])} of the items have one;"
            f" {short(float(theirs.radii[-1, -1]))} for random ones",
        ),
    ]


def caveats(found: Audit) -> list[str]:
    """Where the choice is worse than a random one, in sentences."""
    words = []
    worse = [
        f"{order:g}"
        for order, share in zip(found.orders, found.vendi_shares, strict=True)
        if share < 1
    ]
    if worse:
        left = len(worse) - MOST_COLUMNS
        more = f" and {left:,} more" if left > 0 else ""
        words.append(
            "Less diverse than as many random items, by the orders"
            f" {', '.join(worse[:MOST_COLUMNS])}{more}."
        )
    ours, theirs = _last(found["chosen"]), _last(found["random"])
    if float(ours.means[-1]) > float(theirs.means[-1]):
        words.append("Random items of this number cover the others better on average.")
    bare = [(one, int((one.chosen == 0).sum())) for one in found.tables]
    words += [
        f"{count:,} of {len(one.groups):,} values of {one.column} have no chosen item."
        for one, count in bare
        if count
    ]
    return words


def _middle(found: Audit) -> int:
    """The number of the order 1, or of the first."""
    return found.orders.index(1.0) if 1.0 in found.orders else 0


def _last(one: Audited) -> CoverageCurve:
    assert one.coverage is not None, "only the pool has none"
    return one.coverage


def _diversity(found: Audit) -> Section:
    shown = some_of(len(found.orders), [_middle(found)], most=MOST_COLUMNS)
    names = [f"order {found.orders[number]:g}" for number in shown]
    scores = {one.name: [one.vendi[number] for number in shown] for one in found.sets}
    words = (
        "A Vendi score is an effective number of different items: 1 where all are"
        " alike. Orders below 1 count rare items more, order infinity tells how much"
        " the commonest direction dominates. Only sets of one size are comparable; the"
        f" pool has {counted(found['pool'].rows, 'items')}. Eigenvalues below"
        f" {found.floor:g} of the largest are rounding, and dropped."
    )
    of_one_size = {name: of for name, of in scores.items() if name != "pool"}
    pictures = [_vendi_bars(of_one_size, names), _vendi_table(found, scores, names)]
    return Section(
        title="Diversity",
        body=(
            paragraph(words),
            side_by_side(pictures),
            *_left_out(len(found.orders), shown, what="orders", where="--out"),
        ),
    )


def _vendi_bars(scores: Mapping[str, Sequence[float]], names: Sequence[str]) -> Html:
    """A bar for each set and order."""
    bars = [
        Bars(
            name=one,
            values=values,
            notes=[
                f"{one}, {name}: {short(score)}"
                for name, score in zip(names, values, strict=True)
            ],
        )
        for one, values in scores.items()
    ]
    axis = Axis(
        label="Vendi score", low=0.0, high=max(map(max, scores.values())) * 1.05
    )
    caption = "Vendi scores of sets of one size; higher is more diverse."
    return figure(bar_chart(names, bars, x=axis), caption=caption)


def _vendi_table(
    found: Audit, scores: Mapping[str, Sequence[float]], names: Sequence[str]
) -> Html:
    """The scores of all sets; the best of one size are marked."""
    lines = [values for name, values in scores.items() if name != "pool"]
    best = set().union(
        *(
            best_of([values[n] for values in lines], column=2 + n, want="high")
            for n in range(len(names))
        )
    )
    rows: list[list[Cell]] = [
        [one.name, one.rows, *scores[one.name]] for one in found.sets
    ]
    return table(["set", "items", *names], rows, best=best)


def _coverage(found: Audit) -> Section:
    sets = {one.name: _last(one) for one in found.sets if one.coverage is not None}
    shares = _last(found["chosen"]).shares
    pictured = sorted({_nearest(shares, 0.9), len(shares) - 1})
    figures = [_mean_figure(sets)]
    figures += [_radius_figure(sets, number) for number in pictured]
    shown = some_of(len(shares), pictured, most=MOST_COLUMNS)
    far = [
        [float(one.means[-1]), *one.radii[-1, shown].tolist()] for one in sets.values()
    ]
    best = set().union(
        *(
            best_of([line[n] for line in far], column=1 + n, want="low")
            for n in range(1 + len(shown))
        )
    )
    rows: list[list[Cell]] = [
        [name, *line] for name, line in zip(sets, far, strict=True)
    ]
    within = [f"{percent(shares[number])} within" for number in shown]
    caption = "Distance of every item to its nearest chosen one"
    return Section(
        title="Coverage",
        body=(
            side_by_side(figures),
            table(["set", "mean", *within], rows, best=best, caption=caption),
            *_left_out(len(shares), shown, what="shares", where="--coverage-out"),
        ),
    )


def _left_out(
    count: int, shown: Sequence[int], *, what: str, where: str
) -> tuple[Html, ...]:
    """A note that some columns are not on the page; nothing if all are."""
    left = count - len(shown)
    if not left:
        return ()
    return (note(f"{left:,} of {count:,} {what} are not shown; {where} has them all."),)


def _nearest(shares: Sequence[float], wanted: float) -> int:
    return int(np.abs(np.array(shares) - wanted).argmin())


def _mean_figure(sets: dict[str, CoverageCurve]) -> Html:
    return _curve_figure(
        {name: curve.means.tolist() for name, curve in sets.items()},
        sets,
        label="mean distance",
        caption="Mean distance of an item to the nearest of the first chosen ones.",
    )


def _radius_figure(sets: dict[str, CoverageCurve], number: int) -> Html:
    share = percent(next(iter(sets.values())).shares[number])
    return _curve_figure(
        {name: curve.radii[:, number].tolist() for name, curve in sets.items()},
        sets,
        label=f"radius of {share}",
        caption=f"Distance within which {share} of the items have one of the first"
        " chosen ones.",
    )


def _curve_figure(
    values: dict[str, list[float]],
    sets: dict[str, CoverageCurve],
    *,
    label: str,
    caption: str,
) -> Html:
    series = [
        Series(name=name, x=[float(one) for one in sets[name].sizes], y=heights)
        for name, heights in values.items()
    ]
    sizes = [size for one in series for size in one.x]
    heights = [height for one in series for height in one.y]
    chart = line_chart(
        series,
        x=axis_over("first chosen items", sizes, scale="log"),
        y=axis_over(label, heights, zero=True),
    )
    return figure(chart, caption=caption)


def _groups(one: GroupTable) -> Section:
    values = np.repeat(np.array([str(g) for g in one.groups], object), one.pool)
    firsts = np.cumsum(one.pool) - one.pool
    chosen = np.concatenate(
        [
            np.arange(first, first + count)
            for first, count in zip(firsts.tolist(), one.chosen.tolist(), strict=True)
        ]
    ).astype(np.int64)
    return groups_section(
        count_groups(values, chosen), name=one.column, chosen="chosen"
    )


def _classes(report: AuditReport) -> list[Section]:
    classes = report.items.classes
    if classes is None or classes.name in {one.column for one in report.found.tables}:
        return []
    counts = count_groups(classes.values, report.chosen)
    return [groups_section(counts, name=classes.name, chosen="chosen")]


def _parts(found: Audit) -> list[Section]:
    if not found.parts:
        return []
    number = _middle(found)
    shown = some_of(len(found.orders), [number], most=MOST_COLUMNS)
    parts = sorted(found.parts, key=lambda one: -one.gains[number])
    rows: list[list[Cell]] = [
        [str(one.part), one.rows, *(_gain(one.gains[n]) for n in shown)]
        for one in parts[:MOST_PARTS]
    ]
    column = found.tables[0].column
    words = (
        f"What the chosen items of each {column} add to the score of the choice:"
        " its score over that without them, less 1. Below 0, a part repeats what the"
        " others have."
    )
    head = [column, "chosen", *(f"order {found.orders[n]:g}" for n in shown)]
    body: list[Html] = [paragraph(words), table(head, rows)]
    if (left := len(parts) - len(rows)) > 0:
        body.append(note(f"{left:,} more parts are not shown, which add less."))
    return [Section(title="What each part adds", body=tuple(body))]


def _gain(gain: float) -> str:
    if not np.isfinite(gain):
        return "all of it"
    sign = "+" if gain >= 0 else "\N{MINUS SIGN}"
    return f"{sign}{100 * abs(gain):.2f} %"
