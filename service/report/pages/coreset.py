"""The report of a coreset job."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Ids, Rows
from gleann.index.nouns import counted
from gleann.selection import Coreset
from gleann.selection.coreset.baselines import Baselines
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.items import Classes, Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.distances import spread
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import (
    Section,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import (
    best_spreads,
    coverage_figure,
    examples_section,
    groups_section,
    histogram_figure,
    left_out_section,
)
from gleann.service.report.tables import Cell, best_of, table

NAMES = {"farthest_first": "farthest-first", "margin": "cheapest"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoresetReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        chosen: the selection.
        baselines: of the same problem, or None.
        ids: (n,) of all rows.
        locked: rows that counted as chosen.
        priced: whether there were costs.
        groups: the groups it chose within, or None.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    chosen: Coreset
    baselines: Baselines | None
    ids: Ids
    locked: Rows
    priced: bool
    groups: Classes | None
    items: Items
    steps: Sequence[Step]

    def sets(self) -> dict[str, Coreset]:
        """The selection and its baselines by name."""
        named = {"chosen": self.chosen}
        if self.baselines is not None:
            named["random"] = self.baselines.drawn
            named["stratified"] = self.baselines.stratified
            if self.baselines.strongest is not None:
                named[NAMES[self.baselines.name]] = self.baselines.strongest
        return named


def coreset_page(report: CoresetReport) -> str:
    """One self-contained HTML document."""
    chosen, n = report.chosen, len(report.ids)
    lead = (
        f"{len(chosen.rows):,} of {counted(n, 'items')} of {report.asked.data}, chosen"
        f" by {report.asked.command.rpartition('select ')[2]} in"
        f" {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(
                tiles(glance(report)),
                _sets_table(report),
                _words(report),
                *(note(words) for words in caveats(report)),
            ),
        ),
        asked_section(report.asked),
        _coverage(report),
        *_groups(report),
        _examples(report),
        left_out_section(chosen.distances, report.items, nearest=_nearest(report)),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def glance(report: CoresetReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    chosen, n = report.chosen, len(report.ids)
    shown = [
        (
            f"{len(chosen.rows):,}",
            f"chosen, {percent(len(chosen.rows) / n)} of the items",
        )
    ]
    radius = f"radius: every item has a chosen{_or_locked(report)} one as near"
    if report.baselines is not None:
        radius += f"; {short(report.baselines.drawn.radius)} for a random choice"
    shown.append((short(chosen.radius), radius))
    shown.append(
        (
            short(spread(chosen.distances).median),
            "distance within which half of the items have one",
        )
    )
    if chosen.ratio is not None:
        shown.append(
            (
                f"\N{LESS-THAN OR EQUAL TO} {chosen.ratio:.2f} \N{MULTIPLICATION SIGN}",
                "the best possible objective: the certificate",
            )
        )
    return shown


def caveats(report: CoresetReport) -> list[str]:
    """Where the choice is that of a simple method, in sentences."""
    if report.chosen.note:
        return [f"{report.chosen.note[0].upper()}{report.chosen.note[1:]}."]
    rows = np.sort(report.chosen.rows)
    return [
        f"The same items as by the simple choice {name}: with these parameters the"
        " method adds nothing to it."
        for name, one in report.sets().items()
        if name != "chosen" and np.array_equal(np.sort(one.rows), rows)
    ]


def _or_locked(report: CoresetReport) -> str:
    return " or locked" if len(report.locked) else ""


def _sets_table(report: CoresetReport) -> Html:
    sets = report.sets()
    spreads = [spread(one.distances) for one in sets.values()]
    rows: list[list[Cell]] = []
    for (name, one), far in zip(sets.items(), spreads, strict=True):
        cost = [one.cost / max(len(one.rows), 1)] if report.priced else []
        rows.append([name, far.median, far.most, far.radius, *cost])
    best = best_spreads(spreads, first=1)
    head = ["selection", "half within", "90 % within", "all within (radius)"]
    if report.priced:
        head.append("mean cost")
        costs = [one.cost for one in sets.values()]
        best |= best_of(costs, column=len(head) - 1, want="low")
    caption = "Distance of every item to its nearest selected one"
    return table(head, rows, best=best, caption=caption)


def _words(report: CoresetReport) -> Html:
    cost = (
        " A low cost is an uncertain item: it is the better one to choose."
        if report.priced
        else ""
    )
    return paragraph(f"The best of each column is marked.{cost}{_epochs(report)}")


def _epochs(report: CoresetReport) -> str:
    if report.baselines is None:
        return ""
    return (
        " Stratified is random too, with its share from each cell of the space. Random"
        " items drawn anew for each epoch of training have been all items after"
        f" {counted(report.baselines.random_epochs, 'epochs')}: that is what a fixed"
        " choice has to beat."
    )


def _coverage(report: CoresetReport) -> Section:
    sets = {name: one.distances for name, one in report.sets().items()}
    figures = [coverage_figure(sets)]
    apart = report.chosen.apart
    if np.isfinite(apart).any():
        figures.append(
            histogram_figure(
                {"chosen": apart},
                label="distance to the nearest other chosen item",
                of="chosen items",
                caption="How far apart the chosen items are.",
            )
        )
    return Section(title="Coverage", body=(side_by_side(figures),))


def _groups(report: CoresetReport) -> list[Section]:
    named = [one for one in (report.groups, report.items.classes) if one is not None]
    return [
        groups_section(
            count_groups(one.values, report.chosen.rows, locked=report.locked),
            name=one.name,
            chosen="chosen",
        )
        for one in named
    ]


def _examples(report: CoresetReport) -> Section:
    chosen = report.chosen
    covered = np.bincount(
        chosen.nearest[chosen.nearest >= 0], minlength=len(chosen.rows)
    )
    facts: list[Facts] = [(("covers", f"{count:,}"),) for count in covered.tolist()]
    return examples_section(
        "Chosen items",
        "The first chosen items, and how many items each is the nearest chosen one of.",
        chosen.rows,
        facts,
        report.items,
    )


def _nearest(report: CoresetReport) -> Ids:
    """Id of the chosen row nearest to each row; "locked" where that is a locked one."""
    chosen = report.chosen
    ids = np.asarray(report.ids, object)
    names = np.append(ids[chosen.rows], "a locked one")
    return names[chosen.nearest]
