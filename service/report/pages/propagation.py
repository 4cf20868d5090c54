"""The report of labels that were spread over the neighbour graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.nouns import counted, noun, verb
from gleann.selection.curation.graph_labels import Propagation
from gleann.service.report.asked import (
    SEARCHED,
    Asked,
    Step,
    asked_section,
    next_section,
)
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.items import Classes, Facts, Items
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
from gleann.service.report.tables import Cell, table

MOST_CLASSES = 20
MOST_PIECES = 8
BINS = 10
"""Groups of items of equal size, by confidence, whose accuracy is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PropagationReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the labels.
        given: object (m,), the given label of each item of the graph; None for none.
        caveats: why items have no label, in sentences.
        items: contents of the items of the graph.
        steps: commands to go on with.
    """

    asked: Asked
    found: Propagation
    given: NDArray[np.object_]
    caveats: Sequence[str]
    items: Items
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checked:
    """Labels of items without a given one, beside those that a column has.

    Attributes:
        right: bool (p,).
        confidence: (p,).
    """

    right: NDArray[np.bool_]
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, found: Propagation, classes: Classes) -> "Checked":
        """Compare labels and classes as texts; items without a class are left out."""
        truth = np.array([str(value) for value in classes.values.tolist()], object)
        labels = np.array([str(one) for one in found.labels.tolist()], object)
        kept = ~found.given & (truth != "")
        return cls(
            right=(found.has_label & (labels == truth))[kept],
            confidence=found.confidence[kept],
        )


def propagation_page(report: PropagationReport) -> str:
    """One self-contained HTML document."""
    found = report.found
    lead = (
        f"{int(found.has_label.sum()):,} of {counted(len(found), 'items')} of"
        f" {report.asked.data} have a label, from {int(found.given.sum()):,} given"
        f" ones, in {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(
                tiles(glance(report)),
                *(note(f"{words}.") for words in report.caveats),
            ),
        ),
        asked_section(report.asked, distances=SEARCHED),
        _sure(report),
        *_checked(report),
        _classes(report),
        *_pieces(report),
        _uncertain(report),
        _surest(report),
        *_outvoted(report),
        *_unlabelled(report),
        next_section(report.steps),
    ]
    return page("gleann curate propagate", lead, sections)


def glance(report: PropagationReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    found = report.found
    spread = found.has_label & ~found.given
    shown = [
        (percent(float(found.has_label.mean())), "of the items have a label"),
        (
            f"{int(found.given.sum()):,}",
            f"given labels of {counted(len(found.words), 'classes')}",
        ),
        (f"{int((~found.has_label).sum()):,}", "items have no label"),
    ]
    if spread.any():
        median = float(np.median(found.confidence[spread]))
        shown.append((short(median), "median confidence of the labels that spread"))
    shown.append(
        (f"{found.summary['outvoted']:,}", "given labels are outvoted by neighbours")
    )
    if report.items.classes is not None:
        checked = Checked.of(found, report.items.classes)
        if len(checked.right):
            name = report.items.classes.name
            words = f"of the items without a given label have that of {name}"
            shown.append((percent(float(checked.right.mean())), words))
    return shown


def _sure(report: PropagationReport) -> Section:
    found = report.found
    spread = found.has_label & ~found.given
    if not spread.any():
        return Section(
            title="How sure the labels are",
            body=(paragraph("No item without a given label has one."),),
        )
    named = {"confidence": found.confidence[spread], "margin": found.margins[spread]}
    captions = {
        "confidence": "Probability of the likeliest class, of items without a given"
        " label.",
        "margin": "Gap between the likeliest classes; a small one deserves a label.",
    }
    figures = [
        histogram_figure({name: values}, label=name, of="items", caption=captions[name])
        for name, values in named.items()
    ]
    return Section(title="How sure the labels are", body=(side_by_side(figures),))


def _checked(report: PropagationReport) -> list[Section]:
    """How right the labels are, where a column has the classes."""
    classes = report.items.classes
    if classes is None:
        return []
    checked = Checked.of(report.found, classes)
    if not len(checked.right):
        return []
    order = np.argsort(checked.confidence, kind="stable")
    parts = [one for one in np.array_split(order, BINS) if one.size]
    sure = [float(checked.confidence[one].mean()) for one in parts]
    right = [float(checked.right[one].mean()) for one in parts]
    notes = [
        f"{counted(len(one), 'items')} of confidence {short(mean)}: {percent(share)}"
        " right"
        for one, mean, share in zip(parts, sure, right, strict=True)
    ]
    chart = line_chart(
        [
            Series(name="labels", x=sure, y=right, notes=notes),
            Series(name="as sure as right", x=[0, 1], y=[0, 1], marked=False),
        ],
        x=Axis(label="mean confidence", low=0.0, high=1.0, write=percent),
        y=Axis(label="right", low=0.0, high=1.0, write=percent),
    )
    words = (
        f"{percent(float(checked.right.mean()))} of"
        f" {counted(len(checked.right), 'items')}"
        f" without a given label have the class of column {classes.name}; an item"
        " without a label counts as wrong."
    )
    caption = "Share of right labels, in tenths of the items by confidence."
    return [
        Section(
            title=f"Beside {classes.name}",
            body=(paragraph(words), figure(chart, caption=caption)),
        )
    ]


def _classes(report: PropagationReport) -> Section:
    found = report.found
    after = np.bincount(found.numbers[found.has_label], minlength=len(found.words))
    given = np.zeros(len(found.words), np.int64)
    for word in report.given[found.given].tolist():
        given[found.words.places[word]] += 1
    order = np.argsort(-after, kind="stable")[:MOST_CLASSES].tolist()
    names = [str(found.classes[number]) for number in order]
    shares = [counts / max(int(counts.sum()), 1) for counts in (given, after)]
    highest = max(float(one.max()) for one in shares) or 1.0
    bars = [
        Bars(
            name=name,
            values=[float(share[number]) for number in order],
            notes=[f"{found.classes[n]}: {int(counts[n]):,} {name}" for n in order],
        )
        for name, counts, share in (
            ("given labels", given, shares[0]),
            ("all labels", after, shares[1]),
        )
    ]
    axis = Axis(label="share", low=0.0, high=highest * 1.05, write=percent)
    caption = "Shares of the classes among given and among all labels."
    rows: list[list[Cell]] = [
        [
            str(found.classes[number]),
            int(given[number]),
            int(after[number]),
            percent(float(shares[1][number])),
        ]
        for number in order
    ]
    listed = table(["class", "given", "labels", "share"], rows)
    body: list[Html] = [
        side_by_side([figure(bar_chart(names, bars, x=axis), caption=caption), listed])
    ]
    if (left := len(found.words) - len(order)) > 0:
        more = f"{counted(left, 'more classes')} {verb(left, 'is', 'are')}"
        body.append(note(f"{more} not shown, the smaller {noun(left, 'ones')}."))
    return Section(title="Classes", body=tuple(body))


def _pieces(report: PropagationReport) -> list[Section]:
    """The connected parts of the graph, where there are several."""
    found = report.found
    sizes = np.bincount(found.pieces)
    if len(sizes) < 2:
        return []
    given = np.bincount(found.pieces[found.given], minlength=len(sizes))
    labelled = np.bincount(found.pieces[found.has_label], minlength=len(sizes))
    order = np.argsort(-sizes, kind="stable")
    bare = int((given == 0).sum())
    rows: list[list[Cell]] = [
        [f"{number}", int(sizes[number]), int(given[number]), int(labelled[number])]
        for number in order[:MOST_PIECES].tolist()
    ]
    words = (
        f"The graph has {len(sizes):,} pieces without an edge between them, of which"
        f" {bare:,} have no given label: one label in a piece reaches all of it."
    )
    caption = "The largest pieces"
    listed = table(["piece", "items", "given", "labels"], rows, caption=caption)
    return [Section(title="Pieces of the graph", body=(paragraph(words), listed))]


def _uncertain(report: PropagationReport) -> Section:
    found = report.found
    open_count = int((~found.given).sum())
    if not open_count:
        return Section(
            title="Most uncertain", body=(paragraph("All items have a given label."),)
        )
    picked = found.most_uncertain(min(EXAMPLES, open_count))
    places = np.searchsorted(found.rows, picked.rows)
    return examples_section(
        "Most uncertain",
        "Items without a given label whose two likeliest classes are nearest to each"
        " other: the ones to label next.",
        places,
        _facts(report, places),
        report.items,
    )


def _surest(report: PropagationReport) -> Section:
    found = report.found
    spread = np.flatnonzero(found.has_label & ~found.given)
    order = spread[np.argsort(-found.confidence[spread], kind="stable")][:EXAMPLES]
    return examples_section(
        "Surest",
        "The labels of the highest confidence that were not given.",
        order,
        _facts(report, order),
        report.items,
    )


def _outvoted(report: PropagationReport) -> list[Section]:
    found = report.found
    places = np.flatnonzero(found.given & (found.labels != report.given))
    if not len(places):
        return []
    order = places[np.argsort(-found.confidence[places], kind="stable")]
    facts: list[Facts] = [
        (("given", str(report.given[place])), *known)
        for place, known in zip(
            order[:EXAMPLES].tolist(), _facts(report, order[:EXAMPLES]), strict=True
        )
    ]
    return [
        examples_section(
            "Outvoted",
            "Items whose neighbours lead to another class than the given one: look for"
            " wrong labels here.",
            order,
            facts,
            report.items,
        )
    ]


def _unlabelled(report: PropagationReport) -> list[Section]:
    found = report.found
    places = np.flatnonzero(~found.has_label)
    if not len(places):
        return [_pictures(report)] if report.items.note() else []
    sizes = np.bincount(found.pieces)
    order = places[np.argsort(-sizes[found.pieces[places]], kind="stable")]
    facts: list[Facts] = [
        (("in a piece of", f"{sizes[found.pieces[place]]:,}"),)
        for place in order[:EXAMPLES].tolist()
    ]
    section = examples_section(
        "Without a label",
        "Items that no label reaches, those of the largest pieces first: a label of any"
        " of them reaches its whole piece.",
        order,
        facts,
        report.items,
    )
    body = (*section.body, *picture_note(report.items))
    return [Section(title=section.title, body=body)]


def _pictures(report: PropagationReport) -> Section:
    return Section(title="Pictures", body=tuple(picture_note(report.items)))


def _facts(report: PropagationReport, places: Rows) -> list[Facts]:
    found = report.found
    labels, margins = found.labels, found.margins
    return [
        (
            ("label", "none" if labels[place] is None else str(labels[place])),
            ("confidence", short(float(found.confidence[place]))),
            ("margin", short(float(margins[place]))),
        )
        for place in places.tolist()
    ]
