"""The power with which a count grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, t


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A power law through some points.

    Attributes:
        exponent: of the least squares line through the logarithms.
        low: of its 95 % interval (Student's t, from the scatter around the line); None
            of two points, which have no scatter.
        high: likewise.
        last: exponent between the two largest sizes.
    """

    exponent: float
    low: float | None
    high: float | None
    last: float


def growth_of(sizes: Sequence[int], counts: Sequence[float]) -> Growth | None:
    """How counts grow with sizes, which ascend; None of fewer than two."""
    if len(sizes) < 2:
        return None
    x, y = np.log(np.array(sizes, float)), np.log(np.array(counts, float))
    last = float((y[-1] - y[-2]) / (x[-1] - x[-2]))
    if len(sizes) == 2:
        return Growth(exponent=last, low=None, high=None, last=last)
    line = linregress(x, y)
    reach = float(t.ppf(0.975, len(sizes) - 2) * line.stderr)
    slope = float(line.slope)
    return Growth(exponent=slope, low=slope - reach, high=slope + reach, last=last)
