"""The report of an estimate, or of one per group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gleann.index.arrays import Rows
from gleann.index.nouns import counted, number_of
from gleann.selection import Estimate
from gleann.selection.estimate.result import Stratum
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.bars import Bars, bar_chart
from gleann.service.report.charts import Whisker, whisker_chart
from gleann.service.report.examples import ExampleSet, example_grid
from gleann.service.report.items import Classes
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.measures.strata import half_width, stratum_shares
from gleann.service.report.numerals import PLUS_MINUS, percent, short
from gleann.service.report.page import (
    Section,
    figure,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import groups_section
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, best_of, table

WORDS = {
    "count": "positives",
    "avg": "mean value of the positives",
    "mean": "mean value of the positives",
    "share": "share of positives",
    "sum": "sum of the values of the positives",
}
"""What each target estimates."""
VALUED = ("avg", "mean", "sum")
"""Targets that have values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledClasses:
    """The classes of all items, and which items have a label.

    Attributes:
        classes: of all items.
        rows: labelled rows.
    """

    classes: Classes
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        made: the estimates by group; one with the name "" without groups.
        uniform: the estimates from as many uniform draws, or None where the answers
            lack these.
        n: items in all.
        samples: labelled items to show.
        classes: the classes of all items and the labelled rows, or None.
        picture_note: which pictures are not shown, or "".
        steps: commands to go on with.
    """

    asked: Asked
    made: Mapping[str, Estimate]
    uniform: Mapping[str, Estimate | None]
    n: int
    samples: Sequence[ExampleSet]
    classes: LabelledClasses | None
    picture_note: str
    steps: Sequence[Step]


def estimate_page(report: EstimateReport) -> str:
    """One self-contained HTML document."""
    first = next(iter(report.made.values()))
    several = len(report.made) > 1
    labels = f"for {number_of(len(report.made), 'groups')}" if several else ""
    used = f"from {counted(first.labels_used, 'labels')}"
    lead = (
        f"The {WORDS[first.target]} among"
        f" {counted(report.n, 'items')}{_of_data(report)}, estimated {labels or used}."
    )
    sections = [
        Section(title="At a glance", body=_glance(report)),
        asked_section(report.asked),
        _comparison(report),
        *(_strata(name, one) for name, one in report.made.items()),
        *_classes(report),
        *_samples(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def glance(name: str, made: Estimate, *, n: int) -> list[tuple[str, str]]:
    """Key figures of one estimate, with their labels."""
    what = f"{name}: {WORDS[made.target]}" if name else WORDS[made.target]
    if made.value is None:
        return [("undefined", what)]
    write = _writer(made)
    shown = [(write(made.value), what + _share(made, n))]
    if made.low is not None and made.high is not None:
        ends = f"{write(made.low)} to {write(made.high)}"
        shown.append((ends, f"{100 * made.confidence:g} % interval"))
    shown.append(
        (f"{made.labels_used:,}", f"labels, {made.positives:,} of them positive")
    )
    return shown


def comparison(
    made: Estimate, uniform: Estimate | None
) -> list[tuple[str, float | None, float | None, int]]:
    """Method, value, half-width and labels: ABae and what it is compared with.

    A value is None where only the width to expect is known.
    """
    used = made.labels_used
    rows: list[tuple[str, float | None, float | None, int]] = [
        ("ABae", made.value, half_width(made.low, made.high), used)
    ]
    if uniform is not None:
        width = half_width(uniform.low, uniform.high)
        drawn = "uniform draws, measured"
        rows.append((drawn, uniform.value, width, uniform.labels_used))
    for what, width in (
        ("uniform draws, to be expected", made.uniform_width),
        ("ABae as published, to be expected", made.abae_width),
    ):
        if width is not None:
            rows.append((what, None, width / 2, used))
    return rows


def _of_data(report: EstimateReport) -> str:
    return f" of {report.asked.data}" if report.asked.data else ""


def _writer(made: Estimate) -> Callable[[float], str]:
    return percent if made.target == "share" else short


def _share(made: Estimate, n: int) -> str:
    if made.target != "count" or made.value is None or not n:
        return ""
    return f", {percent(made.value / n)} of {counted(n, 'items')}"


def _glance(report: EstimateReport) -> tuple[Html, ...]:
    body: list[Html] = []
    for name, made in report.made.items():
        body.append(tiles(glance(name, made, n=report.n)))
        if made.note:
            of = f"{name}: " if name else ""
            body.append(note(f"{of}{made.note}."))
    return tuple(body)


def _comparison(report: EstimateReport) -> Section:
    body: list[Html] = []
    if len(report.made) > 1:
        body.append(_whiskers(list(report.made.items()), dict(report.uniform)))
    for name, made in report.made.items():
        uniform = report.uniform.get(name)
        if len(report.made) == 1:
            body.append(_whiskers([(name, made)], {name: uniform}))
        body.append(_comparison_table(name, made, uniform))
    body.append(
        paragraph(
            "What is to be expected is computed from the same labels: the half-width of"
            " the interval of as many uniform draws, and of ABae as its authors wrote"
            " it. A narrower interval is better, and is marked."
        )
    )
    return Section(title="Beside uniform sampling", body=tuple(body))


def _comparison_table(name: str, made: Estimate, uniform: Estimate | None) -> Html:
    listed = comparison(made, uniform)
    write = _writer(made)
    rows: list[list[Cell]] = [
        [
            what,
            None if value is None else write(value),
            None if half is None else f"{PLUS_MINUS} {write(half)}",
            used,
        ]
        for what, value, half, used in listed
    ]
    best = best_of([half for _, _, half, _ in listed], column=2, want="low")
    head = ["method", "estimate", "half-width", "labels"]
    return table(head, rows, best=best, caption=name)


def _whiskers(
    made: Sequence[tuple[str, Estimate]], uniform: Mapping[str, Estimate | None]
) -> Html:
    whiskers = []
    for name, one in made:
        whiskers += _whisker(name or "ABae", one, colour=0)
        beside = uniform.get(name)
        if beside is not None:
            label = "" if name else "uniform draws"
            whiskers += _whisker(label, beside, colour=1)
    if not whiskers:
        return paragraph("No estimate has an interval.")
    ends = [end for one in whiskers for end in (one.low, one.high)]
    target = made[0][1].target
    words = "Intervals by ABae, and below by as many uniform draws where answers allow."
    axis = axis_over(WORDS[target], ends, write=_writer(made[0][1]))
    chart = whisker_chart(whiskers, x=axis)
    return figure(chart, caption=words)


def _whisker(label: str, made: Estimate, *, colour: int) -> list[Whisker]:
    if made.value is None or made.low is None or made.high is None:
        return []
    return [
        Whisker(
            label=label,
            name=label or "uniform draws",
            value=made.value,
            low=made.low,
            high=made.high,
            colour=colour,
        )
    ]


def _strata(name: str, made: Estimate) -> Section:
    title = f"By stratum: {name}" if name else "By stratum"
    words = (
        "Strata are cut by the proxy, the lowest first. Labels go where they narrow the"
        " interval most."
    )
    caption = "Where the items, the labels and the positives are."
    return Section(
        title=title,
        body=(
            paragraph(words),
            side_by_side(
                [
                    figure(_strata_chart(made.by_stratum), caption=caption),
                    _strata_table(made.by_stratum, valued=made.target in VALUED),
                ]
            ),
        ),
    )


def _strata_chart(strata: Sequence[Stratum]) -> Html:
    shares = stratum_shares(strata)
    groups = [f"stratum\N{NO-BREAK SPACE}{place + 1}" for place in range(len(shares))]
    sets: dict[str, list[float | None]] = {
        "items": [one.rows for one in shares],
        "labels": [one.labels for one in shares],
        "positives, estimated": [one.positives for one in shares],
    }
    bars = [
        Bars(
            name=name,
            values=values,
            notes=[
                f"{group}: {'none' if share is None else percent(share)} of the {name}"
                for group, share in zip(groups, values, strict=True)
            ],
        )
        for name, values in sets.items()
    ]
    highest = max((v for one in bars for v in one.values if v is not None), default=1)
    axis = Axis(label="share", low=0.0, high=1.05 * (highest or 1.0), write=percent)
    return bar_chart(groups, bars, x=axis)


def _strata_table(strata: Sequence[Stratum], *, valued: bool) -> Html:
    rows: list[list[Cell]] = [
        [
            f"stratum\N{NO-BREAK SPACE}{place}",
            one.size,
            one.proxy_mean,
            one.labelled,
            one.positives,
            percent(one.rate),
            *([one.mean] if valued else []),
        ]
        for place, one in enumerate(strata, start=1)
    ]
    head = ["stratum", "items", "mean proxy", "labels", "positive", "rate"]
    return table(head + ["mean value"] * valued, rows)


def _classes(report: EstimateReport) -> list[Section]:
    if report.classes is None:
        return []
    classes, rows = report.classes.classes, report.classes.rows
    counts = count_groups(classes.values, rows)
    return [groups_section(counts, name=classes.name, chosen="labelled")]


def _samples(report: EstimateReport) -> list[Section]:
    body: list[Html] = []
    for one in report.samples:
        if one.examples:
            body.append(paragraph(f"{one.title}:"))
            body.append(example_grid(one.examples, of=one.count))
    if report.picture_note:
        body.append(note(report.picture_note + "."))
    return [Section(title="Labelled items", body=tuple(body))] if body else []
