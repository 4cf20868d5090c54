"""The report of a set that keeps a promise of recall or precision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.nouns import counted
from gleann.selection.promises import PromisedSet
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.examples import ExampleSet, example_grid
from gleann.service.report.items import Classes
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.measures.rates import RateBin, rate_bins
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
from gleann.service.report.pages.parts import groups_section, histogram_figure
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromiseReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        made: the set.
        proxy: (n,) of the population.
        labelled_proxy: (b,) of the labelled rows, in the order of `made.labels`.
        shown: items around the threshold, and labels that the proxy misses.
        classes: the class of each row of the population, or None.
        kept_rows: rows of the set, numbered in the population.
        picture_note: which pictures are not shown, or "".
        steps: commands to go on with.
    """

    asked: Asked
    made: PromisedSet
    proxy: NDArray[np.float64]
    labelled_proxy: NDArray[np.float64]
    shown: Sequence[ExampleSet]
    classes: Classes | None
    kept_rows: Rows
    picture_note: str
    steps: Sequence[Step]


def promise_page(report: PromiseReport) -> str:
    """One self-contained HTML document."""
    made = report.made
    lead = (
        f"{len(made):,} of {counted(made.out_of, 'items')}{_of_data(report)}, chosen"
        f" from {counted(len(made.labels), 'labels')}: {_promise(made)}."
    )
    sections = [
        Section(title="At a glance", body=_glance(made)),
        asked_section(report.asked),
        _threshold(report),
        *_classes(report),
        *_examples(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def _of_data(report: PromiseReport) -> str:
    return f" of {report.asked.data}" if report.asked.data else ""


def _promise(made: PromisedSet) -> str:
    share = percent(made.target)
    of = {
        "recall": f"at least {share} of all positives are in the set",
        "precision": f"at least {share} of the set are positive",
    }[made.promise]
    return f"{of}, with {percent(made.confidence)} confidence"


def _glance(made: PromisedSet) -> tuple[Html, ...]:
    positives = int(made.labels.sum())
    shown = [
        (f"{len(made):,}", f"items in the set, {percent(len(made) / made.out_of)}"),
        (percent(made.target), f"{made.promise}, promised"),
        (percent(made.confidence), "confidence of the promise"),
        (f"{len(made.labels):,}", f"labels, {positives:,} of them positive"),
    ]
    if made.threshold is not None:
        shown.append((short(made.threshold), "lowest proxy that is kept"))
    body = [tiles(shown)]
    if made.note:
        body.append(note(f"{made.note}."))
    return tuple(body)


def _threshold(report: PromiseReport) -> Section:
    made = report.made
    words = (
        "Items are kept from the highest proxy down to the threshold, without those"
        " labelled negative; items labelled positive are kept wherever they are. The"
        " promise holds for a proxy of any quality, a better one makes the set"
        f" {'smaller' if made.promise == 'recall' else 'larger'}."
    )
    sets = {"all items": report.proxy}
    if len(made):
        sets["in the set"] = made.proxy
    proxies = histogram_figure(
        sets, label="proxy", of="items", caption="The proxies of the items."
    )
    bins = rate_bins(report.labelled_proxy, made.labels)
    body = [
        paragraph(words),
        side_by_side([proxies, _rates_figure(bins)]),
        _rates_table(bins, made),
    ]
    return Section(title="Where the set ends", body=tuple(body))


def _rates_figure(bins: Sequence[RateBin]) -> Html:
    series = Series(
        name="labelled positive",
        x=[one.mean for one in bins],
        y=[one.rate for one in bins],
        notes=[
            f"proxy {short(one.low)} to {short(one.high)}: {one.positives:,} of"
            f" {counted(one.labels, 'labels')} positive"
            for one in bins
        ],
    )
    chart = line_chart(
        [series],
        x=axis_over("proxy", [one.mean for one in bins]),
        y=Axis(label="share of positives", low=0.0, high=1.0, write=percent),
    )
    caption = "Share of positives among labels with about the same proxy."
    return figure(chart, caption=caption)


def _rates_table(bins: Sequence[RateBin], made: PromisedSet) -> Html:
    rows: list[list[Cell]] = [
        [
            f"{short(one.low)} to {short(one.high)}",
            one.labels,
            one.positives,
            percent(one.rate),
            _side(one, made.threshold),
        ]
        for one in reversed(bins)
    ]
    head = ["proxy", "labels", "positive", "rate", "threshold"]
    return table(head, rows, caption="Labels by proxy, the highest first")


def _side(one: RateBin, threshold: float | None) -> str:
    if threshold is None or one.high < threshold:
        return "below"
    return "above" if one.low >= threshold else "in between"


def _classes(report: PromiseReport) -> list[Section]:
    if report.classes is None:
        return []
    counts = count_groups(report.classes.values, report.kept_rows)
    return [groups_section(counts, name=report.classes.name, chosen="kept")]


def _examples(report: PromiseReport) -> list[Section]:
    body: list[Html] = []
    for one in report.shown:
        if one.examples:
            body.append(paragraph(f"{one.title}:"))
            body.append(example_grid(one.examples, of=one.count))
    if report.picture_note:
        body.append(note(report.picture_note + "."))
    return [Section(title="Items", body=tuple(body))] if body else []
