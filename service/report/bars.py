"""Bars as inline SVG: by group, and histograms."""

from collections.abc import Sequence
from dataclasses import dataclass

from gleann.service.report.charts import legend
from gleann.service.report.markup import Html, element, join
from gleann.service.report.measures.distances import Histogram
from gleann.service.report.plot import BOTTOM, TOP, Plot
from gleann.service.report.scales import Axis

BAR = 11
GAP = 10
LABEL_LETTERS = 22
LABEL_WIDTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars of one colour, one per group.

    Attributes:
        name: text in the legend.
        values: one per group; None draws no bar.
        notes: hover text per group.
    """

    name: str
    values: Sequence[float | None]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One histogram of a chart.

    Attributes:
        name: text in the legend.
        values: its bins and counts.
    """

    name: str
    values: Histogram


def bar_chart(groups: Sequence[str], bars: Sequence[Bars], *, x: Axis) -> Html:
    """Horizontal bars from 0, those of one group below each other.

    Args:
        groups: their names, from the top.
        bars: one `Bars` per colour, each with a value per group.
        x: the axis of the values; it must start at 0 or below.
    """
    pitch = BAR * len(bars) + GAP
    height = TOP + BOTTOM + pitch * len(groups)
    rows = Axis(label="", low=float(len(groups)), high=0.0)
    plot = Plot(x, rows, height=height, left=LABEL_WIDTH)
    parts = [plot.frame(y_ticks=False)]
    for number, name in enumerate(groups):
        top = TOP + pitch * number + GAP / 2
        middle = top + BAR * len(bars) / 2 + 4
        parts.append(_label(name, middle))
        parts += [
            _bar(plot, one, number, top + BAR * place, place)
            for place, one in enumerate(bars)
        ]
    about = f"Bars of {x.label} by group: {_names([one.name for one in bars])}"
    return join([legend([one.name for one in bars]), plot.svg(parts, about=about)])


def histogram_chart(counts: Sequence[Counts], *, x: Axis, y: Axis) -> Html:
    """Histograms over each other as outlines filled pale, counted from 0."""
    plot = Plot(x, y)
    parts = [plot.frame()]
    for number, one in enumerate(counts):
        parts += [_column(plot, one, place, number) for place in _filled(one.values)]
    about = f"Histogram of {x.label}: {_names([one.name for one in counts])}"
    names = [one.name for one in counts]
    shown = [legend(names)] if len(names) > 1 else []
    return join([*shown, plot.svg(parts, about=about)])


def _filled(values: Histogram) -> list[int]:
    return [place for place, count in enumerate(values.counts) if count]


def _label(name: str, y: float) -> Html:
    cut = name if len(name) <= LABEL_LETTERS else name[: LABEL_LETTERS - 1] + "…"
    attributes = {"class": "tick end", "x": LABEL_WIDTH - 9.0, "y": y}
    return element("text", attributes, cut, element("title", {}, name))


def _bar(plot: Plot, one: Bars, group: int, y: float, colour: int) -> Html:
    value = one.values[group]
    if value is None:
        return Html()
    left = plot.x(max(0.0, plot.x_axis.low))
    width = max(1.0, plot.x(value) - left) if value else 0.0
    box = {"x": left, "y": y, "width": width, "height": BAR - 1.0}
    note = element("title", {}, one.notes[group])
    return element("rect", {"class": f"bar c{colour}", **box}, note)


def _column(plot: Plot, one: Counts, place: int, colour: int) -> Html:
    edges, count = one.values.edges, one.values.counts[place]
    left, right = plot.x(edges[place]), plot.x(edges[place + 1])
    top = min(plot.y(count), plot.bottom - 1)
    box = {
        "x": left,
        "y": top,
        "width": max(1.5, right - left - 1),
        "height": plot.bottom - top,
    }
    write = plot.x_axis.write
    note = f"{one.name}: {count:,} from {write(edges[place])} to"
    title = element("title", {}, f"{note} {write(edges[place + 1])}")
    return element("rect", {"class": f"column c{colour}", **box}, title)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
