"""The report of a random draw from rows without a metric."""

from collections.abc import Sequence
from dataclasses import dataclass

from gleann.index.arrays import Rows
from gleann.index.nouns import counted
from gleann.selection import Selection
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.items import Classes, Items
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, note, page, tiles
from gleann.service.report.pages.parts import (
    examples_section,
    groups_section,
    picture_note,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        drawn: the rows.
        n: rows in all.
        locked: rows that counted as chosen.
        groups: the groups it drew within, or None.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    drawn: Selection
    n: int
    locked: Rows
    groups: Classes | None
    items: Items
    steps: Sequence[Step]


def drawn_page(report: DrawnReport) -> str:
    """One self-contained HTML document."""
    drawn = report.drawn
    items = counted(report.n, "items")
    lead = f"{len(drawn):,} of {items} of {report.asked.data}, at random."
    shown = [
        (f"{len(drawn):,}", f"drawn, {percent(len(drawn) / report.n)} of the items")
    ]
    words = "Inner product is no metric, so nothing is said of distances and coverage."
    named = [one for one in (report.groups, report.items.classes) if one is not None]
    groups = [
        groups_section(
            count_groups(one.values, drawn.rows, locked=report.locked),
            name=one.name,
            chosen="drawn",
        )
        for one in named
    ]
    made = examples_section(
        "Drawn items", "The first ones.", drawn.rows, (), report.items
    )
    sections = [
        Section(title="At a glance", body=(tiles(shown), note(words))),
        asked_section(report.asked),
        *groups,
        Section(title=made.title, body=(*made.body, *picture_note(report.items))),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)
