"""The report of several means and shares from one labelled sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.nouns import counted
from gleann.selection.estimate.means import JointEstimates, MeanEstimate
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.charts import Whisker, whisker_chart
from gleann.service.report.examples import Example, example_grid
from gleann.service.report.items import Classes
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.measures.strata import half_width
from gleann.service.report.numerals import PLUS_MINUS, percent, short
from gleann.service.report.page import (
    Section,
    figure,
    note,
    page,
    paragraph,
    tiles,
)
from gleann.service.report.pages.parts import groups_section
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, best_of, table

WORDS = {
    "mean": "mean over all items",
    "share": "share of the items",
    "avg": "average over the items that have a value",
}
"""What each kind of statistic is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeansReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        made: the estimates.
        labelled: some of the labelled items.
        classes: the class of each row of the population, or None.
        labelled_rows: labelled rows, numbered in the population.
        picture_note: which pictures are not shown, or "".
        steps: commands to go on with.
    """

    asked: Asked
    made: JointEstimates
    labelled: Sequence[Example]
    classes: Classes | None
    labelled_rows: Rows
    picture_note: str
    steps: Sequence[Step]


def means_page(report: MeansReport) -> str:
    """One self-contained HTML document."""
    made = report.made
    of_data = f" of {report.asked.data}" if report.asked.data else ""
    lead = (
        f"{counted(len(made.estimates), 'numbers')} about"
        f" {counted(made.rows, 'items')}{of_data},"
        f" estimated from {counted(made.labels_used, 'labels')}. All intervals hold"
        f" together with {percent(made.confidence)} confidence."
    )
    sections = [
        Section(title="At a glance", body=_glance(made)),
        asked_section(report.asked),
        _widths(made),
        *_strata(made),
        *_correlations(made),
        *_classes(report),
        *_labelled(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def _writer(one: MeanEstimate) -> Callable[[float], str]:
    return percent if one.kind == "share" else short


def _glance(made: JointEstimates) -> tuple[Html, ...]:
    shown = [
        (
            "undefined" if one.value is None else _writer(one)(one.value),
            f"{one.name}, {WORDS[one.kind]}{_ends(one)}",
        )
        for one in made.estimates
    ]
    notes = [note(f"{one.name}: {one.note}.") for one in made.estimates if one.note]
    return (tiles(shown), *notes)


def _ends(one: MeanEstimate) -> str:
    if one.low is None or one.high is None:
        return ""
    return f": {_writer(one)(one.low)} to {_writer(one)(one.high)}"


def _widths(made: JointEstimates) -> Section:
    """Each interval beside those without controls and from uniform draws."""
    charts = [
        _whiskers(one)
        for one in made.estimates
        if one.value is not None and one.low is not None
    ]
    rows: list[list[Cell]] = []
    best: set[tuple[int, int]] = set()
    for place, one in enumerate(made.estimates):
        write, halves = _writer(one), _halves(one)
        rows.append(
            [
                one.name,
                one.kind,
                None if one.value is None else write(one.value),
                *(None if h is None else f"{PLUS_MINUS} {write(h)}" for h in halves),
                "yes" if one.interval_valid else "no",
            ]
        )
        narrowest = best_of(halves, column=0, want="low")
        best |= {(place, 3 + column) for column, _ in narrowest}
    head = [
        "statistic",
        "kind",
        "estimate",
        "half-width",
        "without controls",
        "uniform draws",
        "promised",
    ]
    words = (
        "Columns and groups that are known of every item correct the estimate. Beside"
        " each interval: the one that the same labels give without them, and the one"
        " to be expected from as many uniform draws."
    )
    return Section(
        title="Beside uniform sampling",
        body=(
            paragraph(words),
            *charts,
            _relative_widths(made),
            table(head, rows, best=best),
        ),
    )


def _halves(one: MeanEstimate) -> list[float | None]:
    """Half-widths: of the interval, without controls, of uniform draws."""
    others = (one.stratified_width, one.uniform_width)
    return [
        half_width(one.low, one.high),
        *(None if width is None else width / 2 for width in others),
    ]


def _whiskers(one: MeanEstimate) -> Html:
    assert one.value is not None
    assert one.low is not None
    assert one.high is not None
    whiskers = [
        Whisker(
            label=one.name, name=one.name, value=one.value, low=one.low, high=one.high
        )
    ]
    others = {
        "without controls": one.stratified_width,
        "uniform, expected": one.uniform_width,
    }
    for place, (name, width) in enumerate(others.items(), start=1):
        if width is not None:
            low, high = one.value - width / 2, one.value + width / 2
            whiskers.append(
                Whisker(
                    label=name,
                    name=name,
                    value=one.value,
                    low=low,
                    high=high,
                    colour=place,
                )
            )
    ends = [end for w in whiskers for end in (w.low, w.high)]
    axis = axis_over(f"{one.kind} of {one.name}", ends, write=_writer(one))
    caption = f"{one.name}: {WORDS[one.kind]}."
    return figure(whisker_chart(whiskers, x=axis), caption=caption)


def _relative_widths(made: JointEstimates) -> Html:
    """Widths as shares of that of uniform draws."""
    named = {
        one.name: halves
        for one in made.estimates
        if (halves := _halves(one))[2] and halves[0] is not None
    }
    if not named:
        return paragraph("No estimate has an interval to compare.")
    sets = {"this interval": 0, "without controls": 1}
    bars = []
    for name, place in sets.items():
        values = [
            None if halves[place] is None else halves[place] / halves[2]  # type: ignore[operator]  # both are numbers
            for halves in named.values()
        ]
        notes = [
            f"{one}: {'no interval' if v is None else percent(v)} of the width"
            for one, v in zip(named, values, strict=True)
        ]
        bars.append(Bars(name=name, values=values, notes=notes))
    highest = max(v for one in bars for v in one.values if v is not None)
    axis = Axis(
        label="width as a share of that of uniform draws",
        low=0.0,
        high=1.05 * max(highest, 1.0),
        write=percent,
    )
    caption = "Widths beside those of uniform draws; less is better."
    return figure(bar_chart(list(named), bars, x=axis), caption=caption)


def _strata(made: JointEstimates) -> list[Section]:
    """By how much each stratum uses the controls."""
    if not made.lambdas.size:
        return []
    rows: list[list[Cell]] = [
        [f"stratum\N{NO-BREAK SPACE}{place}", *map(percent, line)]
        for place, line in enumerate(made.lambdas.tolist(), start=1)
    ]
    words = (
        "How much of the prediction from the controls each stratum uses: 0 % ignores"
        " it, 100 % takes it whole. It is tuned on the labels, so a control that says"
        " nothing costs nothing."
    )
    head = ["stratum", *(one.name for one in made.estimates)]
    body = (paragraph(words), table(head, rows))
    return [Section(title="Use of the controls", body=body)]


def _correlations(made: JointEstimates) -> list[Section]:
    if len(made.estimates) == 1:
        return []
    errors = np.sqrt(np.diag(made.covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = made.covariance / np.outer(errors, errors)
    rows: list[list[Cell]] = [
        [one.name, *(f"{v:.2f}" if np.isfinite(v) else None for v in line)]
        for one, line in zip(made.estimates, matrix.tolist(), strict=True)
    ]
    words = (
        "Errors of estimates from one sample go together; the joint intervals take that"
        f" into account: each reaches {made.quantile:.2f} standard errors to both"
        " sides."
    )
    head = ["statistic", *(one.name for one in made.estimates)]
    caption = "Correlations of the errors"
    return [
        Section(
            title="How the errors go together",
            body=(paragraph(words), table(head, rows, caption=caption)),
        )
    ]


def _classes(report: MeansReport) -> list[Section]:
    if report.classes is None:
        return []
    counts = count_groups(report.classes.values, report.labelled_rows)
    return [groups_section(counts, name=report.classes.name, chosen="labelled")]


def _labelled(report: MeansReport) -> list[Section]:
    if not report.labelled:
        return []
    body = [
        paragraph("The first ones in the order they were drawn."),
        example_grid(report.labelled, of=report.made.labels_used),
    ]
    if report.picture_note:
        body.append(note(report.picture_note + "."))
    return [Section(title="Labelled items", body=tuple(body))]
