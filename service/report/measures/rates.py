"""Shares of positives among labels, by the proxy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBin:
    """Labels with about the same proxy.

    Attributes:
        low: lowest proxy.
        high: highest proxy.
        mean: of their proxies.
        labels: number of them.
        positives: among them.
    """

    low: float
    high: float
    mean: float
    labels: int
    positives: int

    @property
    def rate(self) -> float:
        """Share of positives."""
        return self.positives / self.labels


def rate_bins(
    proxy: NDArray[np.float64], positive: NDArray[np.bool_], *, most: int = MOST_BINS
) -> list[RateBin]:
    """Labels (b,) in bins of about as many, by rising proxy; equal proxies share one.

    Args:
        proxy: (b,) of labelled rows, at least one.
        positive: (b,) their labels.
        most: bins.
    """
    cuts = np.quantile(proxy, np.linspace(0, 1, most + 1)[1:-1], method="higher")
    numbers = np.searchsorted(np.unique(cuts), proxy, side="right")
    bins = []
    for number in np.unique(numbers).tolist():
        own = numbers == number
        inside = proxy[own]
        bins.append(
            RateBin(
                low=float(inside.min()),
                high=float(inside.max()),
                mean=float(inside.mean()),
                labels=int(own.sum()),
                positives=int(positive[own].sum()),
            )
        )
    return bins
