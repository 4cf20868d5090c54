"""The report of a choice for targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.nouns import counted
from gleann.selection import Selection
from gleann.selection.curation.target import Comparison, Distilled
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.examples import Example, example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import GroupCounts
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
from gleann.service.report.pages.parts import (
    EXAMPLES,
    examples_section,
    groups_section,
    histogram_figure,
    picture_note,
)
from gleann.service.report.scales import Axis
from gleann.service.report.tables import Cell, best_of, table

SHOWN_TARGETS = 6
"""Targets that are shown with what was chosen for them."""

SHOWN_EACH = 3
"""Rows that are shown of each."""

REASONS = {
    "depth": ("rows nearer to its target", "How deep the turns of the targets went."),
    "best_rank": ("best rank", "The best rank that any target gives a chosen item."),
    "log_weight": ("log-weight", "The importance of the lists of the chosen items."),
}
"""Label and caption of the reasons that are drawn, by their column."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        mode: as it was asked, such as "round-robin".
        chosen: the selection.
        compared: with draws of the same size; None where nothing was chosen.
        distilled: the probe and its scores; None for other modes.
        metric: of the index.
        n: items to choose from.
        targets: (m,) what the targets are called.
        target_rows: int64 (m,), the row of each; None where they are vectors only.
        tasks: (m,) the task of each; None where there is one.
        counts: items by class or group before and after, with the name of these.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    mode: str
    chosen: Selection
    compared: Comparison | None
    distilled: Distilled | None
    metric: str
    n: int
    targets: Ids
    target_rows: Rows | None
    tasks: NDArray[np.generic] | None
    counts: Sequence[tuple[str, GroupCounts]]
    items: Items
    steps: Sequence[Step]


def target_page(report: TargetReport) -> str:
    """One self-contained HTML document."""
    chosen = report.chosen
    lead = (
        f"{len(chosen):,} of {counted(report.n, 'items')} of {report.asked.data},"
        f" chosen for {counted(len(report.targets), 'targets')} by {report.mode} in"
        f" {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(tiles(glance(report)), *map(note, caveats(report))),
        ),
        asked_section(report.asked),
        *_nearness(report),
        *_tasks(report),
        *(
            groups_section(counts, name=name, chosen="chosen")
            for name, counts in report.counts
        ),
        *_by_target(report),
        _examples(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def glance(report: TargetReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    count, compared = len(report.chosen), report.compared
    shown = [(f"{count:,}", f"chosen, {percent(count / report.n)} of the items")]
    if compared is not None:
        unit = UNITS[report.metric]
        shown.append(
            (
                short(compared.chosen.mean_distance),
                f"mean distance ({unit}) to the nearest target;"
                f" {short(compared.random.mean_distance)} for random items",
            )
        )
        shown.append(
            (
                short(compared.chosen.divergence),
                "divergence in nats of the targets' lists from those of the choice;"
                f" {short(compared.random.divergence)} for random items",
            )
        )
    if report.distilled is not None and report.distilled.held_out_auc is not None:
        shown.append(
            (
                f"{report.distilled.held_out_auc:.3f}",
                "AUC of the probe on items that it did not learn from",
            )
        )
    return shown


def caveats(report: TargetReport) -> list[str]:
    """What a reader must not miss, in sentences."""
    words = []
    if shortfall := int(report.chosen.summary["shortfall"]):
        words.append(
            f"{shortfall:,} of the budget are missing: no further item may be chosen."
        )
    compared = report.compared
    if compared is not None and len(report.chosen) and not _is_nearer(compared):
        words.append(
            "The choice is no nearer to the targets than random items. A draw by"
            " importance may be so; a choice by rank or turns then is worth nothing."
        )
    return words


def _is_nearer(compared: Comparison) -> bool:
    return compared.chosen.mean_distance < compared.random.mean_distance


def _nearness(report: TargetReport) -> list[Section]:
    """How near the choice is to the targets, beside draws of the same size."""
    compared = report.compared
    if compared is None:
        return []
    sets = {
        "chosen": compared.chosen,
        "random": compared.random,
        "stratified": compared.stratified,
    }
    figures = [
        histogram_figure(
            {name: one.distances for name, one in sets.items()},
            label=f"distance to the nearest target ({UNITS[report.metric]})",
            of="items",
            caption="How near the chosen items are to the targets, beside as many"
            " random ones and as many in proportion to the lists of the index.",
        ),
        *_reason_figures(report),
    ]
    rows: list[list[Cell]] = [
        [name, one.rows, one.mean_distance, one.divergence]
        for name, one in sets.items()
    ]
    best = best_of([one.mean_distance for one in sets.values()], column=2, want="low")
    best |= best_of([one.divergence for one in sets.values()], column=3, want="low")
    words = paragraph(
        "A small distance means that each item resembles some target; a small"
        " divergence means that the items are distributed over the lists as the targets"
        " are. A choice of the nearest has the first, a draw by importance the second."
    )
    head = ["selection", "items", "mean distance", "divergence (nats)"]
    return [
        Section(
            title="How near to the targets",
            body=(table(head, rows, best=best), words, side_by_side(figures)),
        )
    ]


def _reason_figures(report: TargetReport) -> list[Html]:
    chosen = report.chosen
    made = [
        histogram_figure(
            {"chosen": chosen.why[name]}, label=label, of="items", caption=caption
        )
        for name, (label, caption) in REASONS.items()
        if name in chosen.why
    ]
    if report.distilled is not None:
        made.append(
            histogram_figure(
                {
                    "all items": report.distilled.scores,
                    "chosen": report.distilled.scores[chosen.rows],
                },
                label="score of the probe",
                of="items",
                caption="The score of every item of the index: a proxy for estimates.",
            )
        )
    return made


def _tasks(report: TargetReport) -> list[Section]:
    """What each task got, where there are tasks."""
    if report.tasks is None or "task" not in report.chosen.why:
        return []
    names, targets = np.unique(report.tasks.astype(np.str_), return_counts=True)
    owners = report.chosen.why["task"].astype(np.str_)
    got = [int((owners == name).sum()) for name in names]
    rows: list[list[Cell]] = [
        [str(name), int(count), chosen]
        for name, count, chosen in zip(names, targets, got, strict=True)
    ]
    chart = bar_chart(
        [str(name) for name in names[:EXAMPLES]],
        [
            Bars(
                name="chosen",
                values=got[:EXAMPLES],
                notes=[
                    f"{name}: {one:,} chosen"
                    for name, one in zip(names, got, strict=True)
                ][:EXAMPLES],
            )
        ],
        x=Axis(label="items", low=0.0, high=max([*got, 1]) * 1.05),
    )
    made = [
        figure(chart, caption="Items that were chosen for each task."),
        table(["task", "targets", "chosen"], rows),
    ]
    return [Section(title="By task", body=(side_by_side(made),))]


def _by_target(report: TargetReport) -> list[Section]:
    """Some targets, each before what was chosen for it."""
    chosen = report.chosen
    if "target" not in chosen.why:
        return []
    owners = chosen.why["target"]
    _, first = np.unique(owners, return_index=True)
    body: list[Html] = []
    for target in owners[np.sort(first)][:SHOWN_TARGETS].tolist():
        places = np.flatnonzero(owners == target)
        facts = [_facts(chosen, place) for place in places[:SHOWN_EACH].tolist()]
        cards = report.items.examples(chosen.rows[places[:SHOWN_EACH]], facts)
        owner = _target_card(report, target)
        body.append(example_grid(cards, of=len(places), before=[owner]))
    words = paragraph("A target, and the first items that were chosen for it.")
    return [Section(title="Targets and items", body=(words, *body))]


def _target_card(report: TargetReport, target: int) -> Example:
    """The card of a target: its own contents where it is an item."""
    facts: Facts = (("a", "target"),)
    if report.tasks is not None:
        facts = (("target of", str(report.tasks[target])),)
    if report.target_rows is None:
        return Example(id=f"target {report.targets[target]}", facts=facts)
    row = report.target_rows[target : target + 1]
    return report.items.examples(row, [facts])[0]


def _facts(chosen: Selection, place: int) -> Facts:
    why: Mapping[str, NDArray[np.generic]] = chosen.why
    return tuple(
        (name.replace("_", " "), short(float(why[name][place])))
        for name in ("distance", "best_rank", "log_weight", "probe_score")
        if name in why
    )


def _examples(report: TargetReport) -> Section:
    chosen = report.chosen
    facts = [_facts(chosen, place) for place in range(min(EXAMPLES, len(chosen)))]
    made = examples_section(
        "Chosen items", "The first ones.", chosen.rows, facts, report.items
    )
    return Section(title=made.title, body=(*made.body, *picture_note(report.items)))
