"""Charts as inline SVG: lines with bands, dots with whiskers, scatter.

Colours are classes (`c0`, `c1`, ...) that the page's style sheet fills, so that a chart
follows the reader's light or dark theme. Every point shows its numbers on hover.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gleann.service.report.markup import Html, element, join
from gleann.service.report.scales import Axis

WIDTH, HEIGHT = 560, 350
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 14, 50


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
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    notes: Sequence[str] = field(default=())
    colour: int | None = None


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
    plot = _Plot(x, y)
    parts = [plot.frame()]
    for number, one in enumerate(series):
        colour = number if one.colour is None else one.colour
        parts.append(_band(plot, one, colour))
        parts.append(_line(plot, one, colour))
        parts.append(_dots(plot, one, f"c{colour}", radius=3.2))
    return join([_legend(series), plot.svg(parts)])


def scatter_chart(
    background: Sequence[Series], chosen: Series, *, x: Axis, y: Axis
) -> Html:
    """Pale point clouds, with the chosen points ringed on top."""
    plot = _Plot(x, y)
    parts = [plot.frame()]
    parts += [
        _dots(plot, one, f"pale c{number if one.colour is None else one.colour}", 2.6)
        for number, one in enumerate(background)
    ]
    parts.append(_dots(plot, chosen, "ring", radius=4.6))
    return join([_legend(background), plot.svg(parts)])


def whisker_chart(
    whiskers: Sequence[Whisker], *, x: Axis, truth: float | None = None
) -> Html:
    """Estimates with intervals, one per row, and the truth as a dashed line."""
    row_height, left = 17, 130
    height = TOP + BOTTOM + row_height * len(whiskers)
    rows = Axis(label="", low=len(whiskers) - 0.5, high=-0.5)
    plot = _Plot(x, rows, height=height, left=left, bottom=BOTTOM)
    parts = [plot.frame(y_ticks=False)]
    if truth is not None:
        parts.append(plot.vertical(truth, f"truth: {x.write(truth)}"))
    for number, one in enumerate(whiskers):
        parts.append(_whisker(plot, one, number))
    return plot.svg(parts)


class _Plot:
    """The plot rectangle, and its mapping from numbers to pixels."""

    def __init__(
        self,
        x: Axis,
        y: Axis,
        *,
        height: int = HEIGHT,
        left: int = LEFT,
        bottom: int = BOTTOM,
    ) -> None:
        self.x_axis, self.y_axis = x, y
        self.left, self.right = float(left), float(WIDTH - RIGHT)
        self.top, self.bottom = float(TOP), float(height - bottom)
        self.height = height

    def x(self, value: float) -> float:
        return self.left + self.x_axis.position(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - self.y_axis.position(value) * (self.bottom - self.top)

    def frame(self, *, y_ticks: bool = True) -> Html:
        """Grid lines, tick texts and axis labels."""
        parts = [self._x_tick(t) for t in self.x_axis.ticks()]
        if y_ticks:
            parts += [self._y_tick(t) for t in self.y_axis.ticks()]
        middle = (self.left + self.right) / 2
        parts.append(_text(self.x_axis.label, middle, self.height - 8.0, "label"))
        if self.y_axis.label:
            half = (self.top + self.bottom) / 2
            turn = {"transform": f"translate(14 {half:.0f}) rotate(-90)"}
            parts.append(element("text", {"class": "label", **turn}, self.y_axis.label))
        return join(parts)

    def vertical(self, value: float, note: str) -> Html:
        """A dashed line across the plot."""
        at = self.x(value)
        ends = {"x1": at, "x2": at, "y1": self.top, "y2": self.bottom}
        return element("line", {"class": "truth", **ends}, element("title", {}, note))

    def svg(self, parts: list[Html]) -> Html:
        """Wrap `parts` in one SVG element."""
        box = {"viewBox": f"0 0 {WIDTH} {self.height}", "role": "img"}
        return element("svg", box, *parts)

    def _x_tick(self, value: float) -> Html:
        at = self.x(value)
        ends = {"x1": at, "x2": at, "y1": self.top, "y2": self.bottom}
        line = element("line", {"class": "grid", **ends})
        text = _text(self.x_axis.write(value), at, self.bottom + 17, "tick")
        return join([line, text])

    def _y_tick(self, value: float) -> Html:
        at = self.y(value)
        ends = {"x1": self.left, "x2": self.right, "y1": at, "y2": at}
        line = element("line", {"class": "grid", **ends})
        written = self.y_axis.write(value)
        return join([line, _text(written, self.left - 7, at + 4, "tick end")])


def _band(plot: _Plot, one: Series, colour: int) -> Html:
    if not one.low:
        return Html()
    upper = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.high, strict=True)]
    lower = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.low, strict=True)]
    corners = _path(upper + lower[::-1]) + "Z"
    return element("path", {"class": f"band c{colour}", "d": corners})


def _line(plot: _Plot, one: Series, colour: int) -> Html:
    points = [(plot.x(a), plot.y(b)) for a, b in zip(one.x, one.y, strict=True)]
    return element("path", {"class": f"line c{colour}", "d": _path(points)})


def _dots(plot: _Plot, one: Series, look: str, radius: float) -> Html:
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


def _whisker(plot: _Plot, one: Whisker, number: int) -> Html:
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
        _text(one.label, plot.left - 9, at + 4, "tick end"),
        element("line", {"class": f"whisker c{one.colour}", **ends}),
        element("circle", {"class": f"dot c{one.colour}", **centre}),
    )


def _legend(series: Sequence[Series]) -> Html:
    items = [
        element(
            "li",
            {"class": f"c{number if one.colour is None else one.colour}"},
            one.name,
        )
        for number, one in enumerate(series)
    ]
    return element("ul", {"class": "legend"}, *items)


def _text(words: str, x: float, y: float, look: str) -> Html:
    return element("text", {"class": look, "x": x, "y": y}, words)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) if points else ""
