"""The report of labels that were allocated under class shares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.nouns import counted, noun, verb
from gleann.selection.curation.graph_labels import Allocation
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
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
    EXAMPLES,
    examples_section,
    histogram_figure,
    picture_note,
)
from gleann.service.report.scales import Axis
from gleann.service.report.tables import table

MOST_CLASSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """One class of an allocation.

    Attributes:
        name: of the class.
        bound: share of the items that it may have.
        mass: of the plan.
        labels: items whose label it is.
        likeliest: items whose likeliest class it is by the probabilities alone.
    """

    name: str
    bound: float
    mass: float
    labels: int
    likeliest: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllocationReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the labels.
        counts: of the classes, in their order.
        likeliest: int64 (n,), number of the likeliest class of every item; -1 where all
            probabilities are 0.
        without_evidence: items whose probabilities are all 0.
        items: contents of all items, by row.
        steps: commands to go on with.
    """

    asked: Asked
    found: Allocation
    counts: Sequence[ClassCount]
    likeliest: NDArray[np.int64]
    without_evidence: int
    items: Items
    steps: Sequence[Step]


def class_counts(found: Allocation, likeliest: NDArray[np.int64]) -> list[ClassCount]:
    """What each class has.

    Args:
        found: the labels.
        likeliest: (m,) numbers of the likeliest classes of the items with evidence.
    """
    bounds = found.provenance["params"]["upper_bounds"]
    labels = np.bincount(found.numbers, minlength=len(found.words)).tolist()
    alone = np.bincount(likeliest[likeliest >= 0], minlength=len(found.words)).tolist()
    return [
        ClassCount(
            name=str(word), bound=bound, mass=mass, labels=count, likeliest=without
        )
        for word, bound, mass, count, without in zip(
            found.classes, bounds, found.totals.tolist(), labels, alone, strict=True
        )
    ]


def allocation_page(report: AllocationReport) -> str:
    """One self-contained HTML document."""
    found = report.found
    lead = (
        f"{len(found):,} of {counted(int(found.summary['rows']), 'items')} of"
        f" {report.asked.data} have a label, in {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(
                tiles(glance(report)),
                *(note(words) for words in caveats(report)),
            ),
        ),
        asked_section(report.asked),
        _classes(report),
        _weights(report),
        _examples(report, surest=True),
        _examples(report, surest=False),
        _moved(report),
        next_section(report.steps),
    ]
    return page("gleann curate allocate", lead, sections)


def glance(report: AllocationReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    found = report.found
    moved = int((found.numbers != report.likeliest[found.rows]).sum())
    return [
        (f"{len(found):,}", "items have a label, the surest ones"),
        (short(float(found.summary["mass"])), "mass of the plan on all classes"),
        (f"{moved:,}", "labels are not the likeliest class: shares decide there"),
        (short(float(found.weights.min())), "lowest weight of a label"),
        (f"{found.summary['sweeps']:,}", "sweeps to meet the totals"),
    ]


def caveats(report: AllocationReport) -> list[str]:
    """What a reader must not miss, in sentences."""
    words = []
    if report.without_evidence:
        words.append(
            f"{counted(report.without_evidence, 'items')}"
            f" {verb(report.without_evidence, 'has', 'have')} no label: all"
            " probabilities are 0."
        )
    if above := int(report.found.summary["above_bounds"]):
        words.append(
            f"{counted(above, 'labels')} {verb(above, 'is', 'are')} above the bounds of"
            " their classes: masses keep the"
            " bounds, but items that are alike all get one label."
        )
    return words


def _classes(report: AllocationReport) -> Section:
    shown = sorted(report.counts, key=lambda one: -one.bound)[:MOST_CLASSES]
    rows = int(report.found.summary["rows"])
    columns = {
        "at most": [one.bound for one in shown],
        "labels": [one.labels / rows for one in shown],
        "likeliest alone": [one.likeliest / rows for one in shown],
    }
    numbers = {
        "at most": [f"{one.bound:.4g} of the items" for one in shown],
        "labels": [f"{counted(one.labels, 'items')}" for one in shown],
        "likeliest alone": [f"{counted(one.likeliest, 'items')}" for one in shown],
    }
    highest = max(max(values) for values in columns.values()) or 1.0
    chart = bar_chart(
        [one.name for one in shown],
        [
            Bars(
                name=name,
                values=values,
                notes=[
                    f"{one.name}, {name}: {words}"
                    for one, words in zip(shown, numbers[name], strict=True)
                ],
            )
            for name, values in columns.items()
        ],
        x=Axis(label="share of the items", low=0.0, high=highest * 1.05, write=percent),
    )
    listed = table(
        ["class", "at most", "mass", "labels", "likeliest alone"],
        [
            [one.name, percent(one.bound), one.mass, one.labels, one.likeliest]
            for one in shown
        ],
    )
    caption = (
        "What each class may have, what it got, and how many items it would have by the"
        " likeliest class alone."
    )
    body: list[Html] = [side_by_side([figure(chart, caption=caption), listed])]
    if (left := len(report.counts) - len(shown)) > 0:
        more = f"{counted(left, 'more classes')} {verb(left, 'is', 'are')}"
        body.append(note(f"{more} not shown, the smaller {noun(left, 'ones')}."))
    return Section(title="Classes", body=tuple(body))


def _weights(report: AllocationReport) -> Section:
    chart = histogram_figure(
        {"labels": report.found.weights},
        label="weight",
        of="items",
        caption="Mass of each labelled item on all classes: weights for training.",
    )
    return Section(title="How sure the labels are", body=(side_by_side([chart]),))


def _examples(report: AllocationReport, *, surest: bool) -> Section:
    found = report.found
    places = np.arange(len(found)) if surest else np.arange(len(found))[::-1]
    return examples_section(
        "Surest" if surest else "Least sure",
        "Labelled items of the largest weight."
        if surest
        else "Labelled items of the smallest weight.",
        found.rows[places],
        _facts(report, places[:EXAMPLES]),
        report.items,
    )


def _moved(report: AllocationReport) -> Section:
    """Labels that are not the likeliest class."""
    found = report.found
    places = np.flatnonzero(found.numbers != report.likeliest[found.rows])
    if not len(places):
        words = "Every label is the likeliest class of its item."
        body: tuple[Html, ...] = (paragraph(words),)
    else:
        body = examples_section(
            "",
            "Labels that the shares moved from the likeliest class, the surest first.",
            found.rows[places],
            _facts(report, places[:EXAMPLES]),
            report.items,
        ).body
    return Section(
        title="Moved by the shares", body=(*body, *picture_note(report.items))
    )


def _facts(report: AllocationReport, places: Rows) -> list[Facts]:
    found = report.found
    words: list[Facts] = []
    for place in places.tolist():
        likeliest = int(report.likeliest[found.rows[place]])
        number = int(found.numbers[place])
        facts: Facts = (
            ("label", str(found.classes[number])),
            ("weight", short(float(found.weights[place]))),
        )
        if likeliest != number:
            facts += (("likeliest", str(found.classes[likeliest])),)
        words.append(facts)
    return words
