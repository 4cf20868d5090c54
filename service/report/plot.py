"""The plot rectangle of a chart: its frame, and numbers mapped to pixels."""

from gleann.service.report.markup import Html, element, join
from gleann.service.report.scales import Axis

WIDTH, HEIGHT = 560, 350
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 14, 50


class Plot:
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
        """Horizontal pixel of a value."""
        return self.left + self.x_axis.position(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Vertical pixel of a value."""
        return self.bottom - self.y_axis.position(value) * (self.bottom - self.top)

    def frame(self, *, y_ticks: bool = True) -> Html:
        """Grid lines, tick texts and axis labels."""
        parts = [self._x_tick(t) for t in self.x_axis.ticks()]
        if y_ticks:
            parts += [self._y_tick(t) for t in self.y_axis.ticks()]
        middle = (self.left + self.right) / 2
        parts.append(text_at(self.x_axis.label, middle, self.height - 8.0, "label"))
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

    def svg(self, parts: list[Html], *, about: str) -> Html:
        """Wrap `parts` in one SVG element; a screen reader says `about`."""
        box = {"viewBox": f"0 0 {WIDTH} {self.height}", "role": "img"}
        return element("svg", {**box, "aria-label": about}, *parts)

    def _x_tick(self, value: float) -> Html:
        at = self.x(value)
        ends = {"x1": at, "x2": at, "y1": self.top, "y2": self.bottom}
        line = element("line", {"class": "grid", **ends})
        text = text_at(self.x_axis.write(value), at, self.bottom + 17, "tick")
        return join([line, text])

    def _y_tick(self, value: float) -> Html:
        at = self.y(value)
        ends = {"x1": self.left, "x2": self.right, "y1": at, "y2": at}
        line = element("line", {"class": "grid", **ends})
        written = self.y_axis.write(value)
        return join([line, text_at(written, self.left - 7, at + 4, "tick end")])


def text_at(words: str, x: float, y: float, look: str) -> Html:
    """One text of a chart; `look` is its class."""
    return element("text", {"class": look, "x": x, "y": y}, words)
