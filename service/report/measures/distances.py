"""Coverage curves, histograms and the farthest rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows

POINTS = 41
"""Points of a coverage curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Distances of all rows to their nearest selected row, in a few numbers.

    Attributes:
        median: half of the rows are as near.
        most: 90 % of the rows are as near.
        radius: all rows are as near.
    """

    median: float
    most: float
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of values in bins.

    Attributes:
        edges: (bins + 1,) ascending; a bin holds its lower edge, the last one both.
        counts: (bins,).
        left_out: values that are not finite, in no bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    left_out: int


def spread(distances: ArrayLike) -> Spread:
    """Median, 90th percentile and largest of distances (n,), n at least 1."""
    values = np.asarray(distances, np.float64)
    return Spread(
        median=float(np.median(values)),
        most=float(np.quantile(values, 0.9, method="higher")),
        radius=float(values.max()),
    )


def curve_grid(*sets: ArrayLike, points: int = POINTS) -> NDArray[np.float64]:
    """Distances from 0 to the largest of all `sets` of distances, evenly spaced."""
    largest = max((float(np.max(one)) for one in sets if np.size(one)), default=0.0)
    return np.linspace(0.0, largest or 1.0, points)


def shares_within(distances: ArrayLike, grid: ArrayLike) -> NDArray[np.float64]:
    """Share of rows whose distance is at most each entry of `grid`.

    Args:
        distances: (n,) of every row to its nearest selected row.
        grid: (m,) distances, ascending.
    """
    values = np.sort(np.asarray(distances, np.float64))
    if not values.size:
        return np.zeros(np.size(grid))
    within = np.searchsorted(values, np.asarray(grid, np.float64), side="right")
    return within / values.size


def histogram(values: ArrayLike, *, bins: int = 24) -> Histogram:
    """Counts of the finite values; whole numbers have bins of whole width."""
    return histograms({"": values}, bins=bins)[""]


def histograms(
    named: Mapping[str, ArrayLike], *, bins: int = 24
) -> dict[str, Histogram]:
    """Histograms by name, all in the same bins: their heights are comparable."""
    given = {name: np.asarray(values) for name, values in named.items()}
    finite = {name: one[np.isfinite(one)] for name, one in given.items()}
    together = np.concatenate(list(finite.values()))
    edges = _edges(together, bins) if together.size else np.array([0.0, 1.0])
    return {
        name: Histogram(
            edges=tuple(edges.tolist()),
            counts=tuple(np.histogram(one.astype(np.float64), edges)[0].tolist()),
            left_out=int(given[name].size - one.size),
        )
        for name, one in finite.items()
    }


def farthest(distances: ArrayLike, *, most: int) -> Rows:
    """Rows with the largest positive distance, at most `most`; ties by lower row."""
    values = np.asarray(distances, np.float64)
    order = np.argsort(-values, kind="stable")[:most]
    return order[values[order] > 0]


def _edges(finite: NDArray[np.generic], bins: int) -> NDArray[np.float64]:
    low, high = float(finite.min()), float(finite.max())
    if finite.dtype.kind in "iub":
        width = max(1, -(-(int(high) - int(low) + 1) // bins))
        count = int(high - low) // width + 1
        return low - 0.5 + width * np.arange(count + 1, dtype=np.float64)
    if low == high:
        return np.array([low, np.nextafter(high, np.inf)])
    return np.linspace(low, high, bins + 1)
