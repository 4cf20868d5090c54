"""The report of a split by similarity."""

from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.nouns import counted, number_of
from gleann.selection.curation.leakage import SimilaritySplit
from gleann.service.report.asked import SEARCHED, Asked, asked_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.examples import example_grid
from gleann.service.report.items import Items
from gleann.service.report.markup import Html, element
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.page import (
    Section,
    figure,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import groups_section, picture_note
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table

SHOWN_BUCKETS, SHOWN_ROWS = 8, 6
"""Buckets with examples, and rows of each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        split: the buckets.
        items: contents of rows.
    """

    asked: Asked
    split: SimilaritySplit
    items: Items


def split_page(report: SplitReport) -> str:
    """One self-contained HTML document."""
    split, asked = report.split, report.asked
    lead = (
        f"{counted(len(_rows(split)), 'rows')} of {asked.data} in"
        f" {number_of(split.folds, 'buckets')} of similar rows, in {asked.total:.1f} s."
    )
    sections = [
        Section(title="At a glance", body=(tiles(_glance(split)),)),
        asked_section(asked, distances=SEARCHED),
        _buckets_section(split),
        *_classes(report),
        _examples_section(report),
    ]
    return page("gleann curate split", lead, sections)


def _rows(split: SimilaritySplit) -> Rows:
    """The rows that are split."""
    return np.flatnonzero(split.buckets >= 0)


def _glance(split: SimilaritySplit) -> list[tuple[str, str]]:
    sizes = np.bincount(split.buckets[_rows(split)], minlength=split.folds)
    return [
        (str(split.folds), "buckets of similar rows"),
        (f"{int(sizes.max()):,}", "rows are in the largest bucket"),
        (f"{int(sizes.min()):,}", "rows are in the smallest bucket"),
        (f"{int(split.held_out.sum()):,}", "rows are held out inside their bucket"),
    ]


def _buckets_section(split: SimilaritySplit) -> Section:
    folds = [split.fold(bucket) for bucket in range(split.folds)]
    names = [f"bucket {bucket}" for bucket in range(split.folds)]
    sizes = [float(len(one.extrapolation)) for one in folds]
    chart = bar_chart(
        names,
        [
            Bars(
                name="rows",
                values=sizes,
                notes=[
                    f"{name}: {counted(int(size), 'rows')}"
                    for name, size in zip(names, sizes, strict=True)
                ],
            )
        ],
        x=axis_over("rows", sizes, zero=True),
    )
    rows: list[list[Cell]] = [
        [name, len(one.train), len(one.interpolation), len(one.extrapolation)]
        for name, one in zip(names, folds, strict=True)
    ]
    head = ["never trained on", "train", "interpolation", "extrapolation"]
    return Section(
        title="Buckets",
        body=(
            side_by_side(
                [figure(chart, caption="Rows of each bucket."), table(head, rows)]
            ),
        ),
    )


def _classes(report: SplitReport) -> list[Section]:
    classes, split = report.items.classes, report.split
    if classes is None:
        return []
    rows = _rows(split)
    held = np.flatnonzero(split.held_out[rows])
    counts = count_groups(classes.values[rows], held)
    return [groups_section(counts, name=classes.name, chosen="rows held out")]


def _examples_section(report: SplitReport) -> Section:
    split = report.split
    body: list[Html] = [paragraph("The first rows of each bucket that are held out.")]
    for bucket in range(min(split.folds, SHOWN_BUCKETS)):
        rows = np.flatnonzero((split.buckets == bucket) & split.held_out)
        shown = report.items.examples(rows[:SHOWN_ROWS], [])
        body.append(element("h3", {}, f"Bucket {bucket}"))
        body.append(example_grid(shown, of=len(rows)))
    body += picture_note(report.items)
    return Section(title="Examples", body=tuple(body))
