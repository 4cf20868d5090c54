"""The report of training rows that are divided by how near they are to tests."""

from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.nouns import counted
from gleann.service.report.asked import SEARCHED, Asked, asked_section
from gleann.service.report.examples import example_grid
from gleann.service.report.items import Items
from gleann.service.report.markup import Html, element
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, page, paragraph, tiles
from gleann.service.report.pages.parts import groups_section, picture_note

SHOWN_ROWS = 6
"""Rows that are shown of each part."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DividedReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        tests: int64 (t,), the test rows.
        near: int64 (m,), training rows among the nearest of a test row.
        far: int64 (l,), all other training rows.
        per_test: nearest training rows of each test row.
        items: contents of rows.
    """

    asked: Asked
    tests: Rows
    near: Rows
    far: Rows
    per_test: int
    items: Items


def divided_page(report: DividedReport) -> str:
    """One self-contained HTML document."""
    asked, near, far = report.asked, report.near, report.far
    training = len(near) + len(far)
    lead = (
        f"{len(near):,} of {counted(training, 'training rows')} of {asked.data} are"
        f" among the {report.per_test} nearest of any of"
        f" {counted(len(report.tests), 'test rows')}, in {asked.total:.1f} s."
    )
    glance = [
        (f"{len(report.tests):,}", "test rows"),
        (
            f"{len(near):,}",
            f"training rows near to tests, {percent(len(near) / training)}",
        ),
        (
            f"{len(far):,}",
            f"training rows far from tests, {percent(len(far) / training)}",
        ),
    ]
    sections = [
        Section(title="At a glance", body=(tiles(glance),)),
        asked_section(asked, distances=SEARCHED),
        *_classes(report),
        _examples_section(report),
    ]
    return page("gleann curate split", lead, sections)


def _classes(report: DividedReport) -> list[Section]:
    """Shares by class, of the training rows and of the near ones."""
    classes = report.items.classes
    if classes is None:
        return []
    training = np.sort(np.concatenate([report.near, report.far]))
    places = np.searchsorted(training, report.near)
    counts = count_groups(classes.values[training], places)
    return [groups_section(counts, name=classes.name, chosen="rows near to tests")]


def _examples_section(report: DividedReport) -> Section:
    words = (
        "Training on the near rows measures interpolation, on the far ones"
        " extrapolation. The first rows of each part:"
    )
    body: list[Html] = [paragraph(words)]
    parts = {"Tests": report.tests, "Near": report.near, "Far": report.far}
    for name, rows in parts.items():
        body.append(element("h3", {}, name))
        shown = report.items.examples(rows[:SHOWN_ROWS], [])
        body.append(example_grid(shown, of=len(rows)))
    body += picture_note(report.items)
    return Section(title="Examples", body=tuple(body))
