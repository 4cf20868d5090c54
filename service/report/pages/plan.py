"""The report of a plan of epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.nouns import number_of
from gleann.selection.curation.plans import EpochPlan, epoch_rows
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.items import Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import GroupCounts
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, figure, page, paragraph, tiles
from gleann.service.report.pages.parts import (
    examples_section,
    groups_section,
    picture_note,
)
from gleann.service.report.scales import Axis
from gleann.service.report.tables import Cell, table

PASSES = 2
"""Passes of the plan that the curve of rows seen goes over."""

MOST_EPOCHS = 40
MOST_ROWS = 2_000_000
"""The curve ends where it has computed so many rows of epochs."""

SHOWN_EPOCHS = 8
"""Epochs whose common rows are counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        plan: of all epochs.
        epochs: the rows of those that were written, by epoch.
        mode: as it was asked, such as "in-turns".
        counts: items by stratum or class, of the plan and of the epochs written.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    plan: EpochPlan
    epochs: Mapping[int, Rows]
    mode: str
    counts: Sequence[tuple[str, GroupCounts]]
    items: Items
    steps: Sequence[Step]


def plan_page(report: PlanReport) -> str:
    """One self-contained HTML document."""
    first, rows = next(iter(report.epochs.items()))
    lead = (
        f"Epochs of {percent(float(report.plan.fraction))} of {report.plan.size:,}"
        f" items of {report.asked.data} by {report.mode}; {len(report.epochs):,} of"
        " them are written."
    )
    examples = examples_section(
        "Items",
        f"The first ones of epoch {first}, in the order of training.",
        rows,
        (),
        report.items,
    )
    sections = [
        Section(title="At a glance", body=(tiles(glance(report)),)),
        asked_section(report.asked),
        _seen(report),
        *_common(report),
        *(
            groups_section(counts, name=name, chosen="in the epochs")
            for name, counts in report.counts
        ),
        Section(
            title=examples.title, body=(*examples.body, *picture_note(report.items))
        ),
        next_section(report.steps),
    ]
    return page("gleann curate plan", lead, sections)


def glance(report: PlanReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    plan = report.plan
    counts = sorted({len(rows) for rows in report.epochs.values()})
    shown = [
        (" or ".join(f"{one:,}" for one in counts), "items of each epoch written"),
        (
            f"{plan.epochs_a_pass:,}",
            "epochs without a common item, one pass"
            if plan.epochs_a_pass > 1
            else "epoch a pass: each is drawn independently",
        ),
    ]
    if plan.strata is not None:
        shown.append((f"{len(plan.strata.labels):,}", "strata give their shares"))
    return shown


def seen_shares(plan: EpochPlan, *, epochs: int) -> NDArray[np.float64]:
    """Share (epochs + 1,) of the plan's rows that come in the first epochs."""
    seen = np.zeros(plan.n, np.bool_)
    shares = [0.0]
    for epoch in range(epochs):
        seen[epoch_rows(plan, epoch)] = True
        shares.append(float(np.count_nonzero(seen)) / plan.size)
    return np.array(shares)


def curve_epochs(plan: EpochPlan) -> int:
    """Epochs that the curve of rows seen has: two passes, unless that is too much."""
    wanted = ceil(PASSES / plan.fraction)
    affordable = floor(MOST_ROWS / max(1, plan.size * float(plan.fraction)))
    return max(1, min(wanted, affordable, MOST_EPOCHS))


def _seen(report: PlanReport) -> Section:
    plan = report.plan
    epochs = curve_epochs(plan)
    turns = replace(plan, epochs_a_pass=floor(1 / plan.fraction))
    plans = {"in turns": turns, "drawn again": replace(plan, epochs_a_pass=1)}
    numbers = list(range(epochs + 1))
    series = [
        Series(
            name=name,
            x=[float(one) for one in numbers],
            y=(shares := seen_shares(one, epochs=epochs)).tolist(),
            notes=[
                f"{name}: {percent(share)} of the items in"
                f" {number_of(number, 'epochs')}"
                for number, share in zip(numbers, shares.tolist(), strict=True)
            ],
        )
        for name, one in plans.items()
    ]
    chart = line_chart(
        series,
        x=Axis(label="epochs", low=0.0, high=float(epochs)),
        y=Axis(label="items seen", low=0.0, high=1.0, write=percent),
    )
    caption = "Share of the items that came at least once, with the seed of this plan."
    return Section(title="Items seen", body=(figure(chart, caption=caption),))


def _common(report: PlanReport) -> list[Section]:
    """How many rows each two of the first epochs have in common."""
    shown = dict(list(report.epochs.items())[:SHOWN_EPOCHS])
    if len(shown) == 1:
        return []
    rows: list[list[Cell]] = [
        [f"epoch {one}", *(_count_common(mine, other) for other in shown.values())]
        for one, mine in shown.items()
    ]
    made: list[Html] = [
        paragraph(
            "Items that two epochs have in common; on the diagonal, their items."
        ),
        table(["", *(f"epoch {one}" for one in shown)], rows),
    ]
    return [Section(title="Common items", body=tuple(made))]


def _count_common(one: Rows, other: Rows) -> int:
    return len(np.intersect1d(one, other, assume_unique=True))
