"""Charts as inline SVG: lines with bands, dots with whiskers, scatter.

Colours are classes (`c0`, `c1`, ...) that the page's style sheet fills, so that a chart
follows the reader's light or dark theme. Every point shows its numbers on hover.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gleann.service.report.markup import Html, element, join
from gleann.service.report.plot import BOTTOM, TOP, Plot, text_at
from gleann.service.report.scales import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, or one cloud of points.

    Attributes:
        name: text in the legend.
        x: one number per point.
        y: one number per point.
        low: lower edge of a band around the line, or None.
        high: upper edge of the band.
        notes: hover text per point, in addition to its numbers.
        colour: index of its colour; None uses its position in the chart.
        marked: whether dots mark the points; otherwise they show on hover only.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    notes: Sequence[str] = field(default=())
    colour: int | None = None
    marked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """One estimate with its interval.

    Attributes:
        label: text at its left; empty below a row of the same kind.
        name: text on hover.
        value: the estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        colour: index of its colour.
    """

    label: str
    name: str
    value: float
    low: float
    high: float
    colour: int = 0


def line_chart(series: Sequence[Series], *, x: Axis, y: Axis) -> Html:
    """Lines with a dot at every point, a legend above."""
    plot = Plot(x, y)
    parts = [plot.frame()]
    for number, one in enumerate(series):
        colour = number if one.colour is None else one.colour
        parts.append(_band(plot, one, colour))
        parts.append(_line(plot, one, colour))
        look, radius = ("", 3.2) if one.marked else ("hover ", 6.0)
        parts.append(_dots(plot, one, f"{look}c{colour}", radius=radius))
    about = f"Lines of {y.label} by {x.label}: {_names(series)}"
    return join([_legend(series), plot.svg(parts, about=about)])


def scatter_chart(
    background: Sequence[Series], chosen: Series, *, x: Axis, y: Axis
) -> Html:
    """Pale point clouds, with the chosen points ringed on top."""
    plot = Plot(x, y)
    parts = [plot.frame()]
    parts += [
        _dots(plot, one, f"pale c{number if one.colour is None else one.colour}", 2.6)
        for number, one in enumerate(background)
    ]
    parts.append(_dots(plot, chosen, "ring", radius=4.6))
    about = f"Points by {x.label} and {y.label}: {_names(background)}"
    return join([_legend(background), plot.svg(parts, about=about)])


def whisker_chart(
    whiskers: Sequence[Whisker], *, x: Axis, truth: float | None = None
) -> Html:
    """Estimates with intervals, one per row, and the truth as a dashed line."""
    row_height, left = 17, 150
    height = TOP + BOTTOM + row_height * len(whiskers)
    rows = Axis(label="", low=len(whiskers) - 0.5, high=-0.5)
    plot = Plot(x, rows, height=height, left=left, bottom=BOTTOM)
    parts = [plot.frame(y_ticks=False)]
    if truth is not None:
        parts.append(plot.vertical(truth, f"truth: {x.write(truth)}"))
    for number, one in enumerate(whiskers):
        parts.append(_whisker(plot, one, number))
    return plot.svg(parts, about=f"Estimates of {x.label} with their intervals")


def _band(plot: Plot, one: Series, colour: int) -> Html:
    if not one.low:
        return Html()
    upper = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.high, strict=True)]
    lower = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.low, strict=True)]
    corners = _path(upper + lower[::-1]) + "Z"
    return element("path", {"class": f"band c{colour}", "d": corners})


def _line(plot: Plot, one: Series, colour: int) -> Html:
    points = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.y, strict=True)]
    look = "line" if one.marked else "line plain"  # then dashes tell lines apart too
    return element("path", {"class": f"{look} c{colour}", "d": _path(points)})


def _dots(plot: Plot, one: Series, look: str, radius: float) -> Html:
    x, y = plot.x_axis, plot.y_axis
    plain = [
        f"{one.name}: {x.write(a)}, {y.write(b)}"
        for a, b in zip(one.x, one.y, strict=True)
    ]
    notes = one.notes or plain
    return join(
        [
            element(
                "circle",
                {"class": f"dot {look}", "cx": plot.x(a), "cy": plot.y(b), "r": radius},
                element("title", {}, note),
            )
            for a, b, note in zip(one.x, one.y, notes, strict=True)
        ]
    )


def _whisker(plot: Plot, one: Whisker, number: int) -> Html:
    at = plot.y(number)
    write = plot.x_axis.write
    note = f"{one.name}: {write(one.value)}, {write(one.low)} to {write(one.high)}"
    ends = {"x1": plot.x(one.low), "x2": plot.x(one.high), "y1": at, "y2": at}
    centre = {"cx": plot.x(one.value), "cy": at, "r": 4.5}
    title = element("title", {}, note)
    return element(
        "g",
        {},
        title,
        text_at(one.label, plot.left - 9, at + 4, "tick end"),
        element("line", {"class": f"whisker c{one.colour}", **ends}),
        element("circle", {"class": f"dot c{one.colour}", **centre}),
    )


def legend(names: Sequence[str], colours: Sequence[int] | None = None) -> Html:
    """Names with their colours; by default colours in order."""
    numbers = range(len(names)) if colours is None else colours
    items = [
        element("li", {"class": f"c{number}"}, name)
        for number, name in zip(numbers, names, strict=True)
    ]
    return element("ul", {"class": "legend"}, *items)


def _legend(series: Sequence[Series]) -> Html:
    colours = [n if one.colour is None else one.colour for n, one in enumerate(series)]
    return legend([one.name for one in series], colours)


def _names(series: Sequence[Series]) -> str:
    return ", ".join(one.name for one in series)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) if points else ""
