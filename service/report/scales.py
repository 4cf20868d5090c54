"""Axes, their scales and their ticks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gleann.service.report.numerals import short


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a chart.

    Attributes:
        label: the quantity, with its unit.
        low: least value shown.
        high: greatest value shown, above `low`.
        scale: "linear", or "log" for positive values.
        write: formats a tick.
    """

    label: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    write: Callable[[float], str] = short

    def position(self, value: float) -> float:
        """Position of `value` between `low` (0.0) and `high` (1.0), not clipped."""
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, *, about: int = 6) -> list[float]:
        """Round numbers inside the axis, ascending."""
        if self.scale == "log":
            return _log_ticks(self.low, self.high)
        return _linear_ticks(self.low, self.high, about)


def axis_over(
    label: str,
    values: list[float],
    *,
    scale: Literal["linear", "log"] = "linear",
    write: Callable[[float], str] | None = None,
    zero: bool = False,
) -> Axis:
    """Make an axis that covers all finite `values` with a margin.

    Args:
        label: the quantity, with its unit.
        values: the values to draw; may be empty.
        scale: "linear" or "log".
        write: formats a tick; `short` by default.
        zero: start at zero.
    """
    finite = [v for v in values if math.isfinite(v)] or [1.0]
    low, high = min(finite), max(finite)
    if scale == "log":
        low, high = low / 1.15, high * 1.15
    else:
        air = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
        low, high = (min(0.0, low) if zero else low - air), high + air
    return Axis(label=label, low=low, high=high, scale=scale, write=write or short)


def _linear_ticks(low: float, high: float, about: int) -> list[float]:
    raw = (high - low) / max(about, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 3
    ticks = [m * 10.0**d for d in decades for m in ((1,) if wide else (1, 2, 5))]
    inside = [t for t in ticks if low * 0.999 <= t <= high * 1.001]
    return inside if len(inside) > 1 else _linear_ticks(low, high, 4)
