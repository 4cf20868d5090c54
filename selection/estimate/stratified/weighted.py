"""Labels drawn with unequal chances, weighed so that every stratum can read them."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows
from gleann.selection.estimate.stratified.tally import (
    Moments,
    PerStratum,
    Tally,
    moments,
    tally,
)

Chances: TypeAlias = NDArray[np.float64]
"""Chance of each row to be drawn, or how often it is expected to be."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChancedLabels:
    """Labels, and the chance that each row had to get one.

    Attributes:
        rows: int64 (m,).
        positives: bool (m,).
        values: float64 (m,), 0 where not positive.
        chances: (m,) that each of them had.
    """

    rows: Rows
    positives: Mask
    values: NDArray[np.float64]
    chances: Chances

    @property
    def count(self) -> float:
        """Rows for which the predicate seems to hold, among those that had a chance.

        As good as the chances: unbiased where they are those of being drawn at all, as
        a choice's pilot, the samples of groups and `refreshing.whole_chances_of` tell
        them. By `refreshing.chances_of` it falls short of positives drawn early.
        """
        return float((self.positives / self.chances).sum())

    @property
    def sum(self) -> float:
        """What their values seem to add up to; as `count`."""
        return float((self.values / self.chances).sum())

    def rate_among(self, n: int) -> float:
        """Share of `n` rows; that of half a label where no positive was drawn.

        For shrinking only; it may exceed 1 by chance, as `count` may exceed `n`.
        """
        return self.count / n or 0.5 / (len(self.rows) + 1)


def weighted_moments(
    drawn: NDArray[np.int64], labels: ChancedLabels, *, strata: int, rate: float
) -> Moments:
    """Moments of strata that did not draw the labels themselves.

    Jeffreys' half positive a stratum would drown a rare predicate and make all ways to
    cut alike, so a stratum is shrunk by one row to the rate of all instead. For
    comparing only: no interval rests on this.

    Args:
        drawn: (m,) stratum of each labelled row.
        labels: (m,).
        strata: number of strata.
        rate: share of all rows for which the predicate seems to hold. One that was told
            from the chances may exceed 1, which no stratum is shrunk to.
    """
    weighted = weighted_tally(drawn, labels, strata=strata)
    rates = (weighted.positives + min(rate, 1.0)) / (weighted.labelled + 1)
    # Nor may rounding leave one above 1.
    return replace(moments(weighted), rates=np.minimum(rates, 1.0))


def weighted_tally(
    drawn: NDArray[np.int64], labels: ChancedLabels, *, strata: int
) -> Tally:
    """Tally as if each stratum were drawn evenly: weights average 1 in each."""
    raw = 1 / labels.chances
    labelled = np.bincount(drawn, minlength=strata)
    sums = np.bincount(drawn, weights=raw, minlength=strata)
    weights = raw * (labelled / np.where(sums > 0, sums, 1))[drawn]
    plain = tally(drawn, labels.positives, labels.values, strata=strata)

    def added(numbers: NDArray[np.float64]) -> PerStratum:
        sums: PerStratum = np.zeros(strata)
        np.add.at(sums, drawn, weights * numbers)
        return sums

    return Tally(
        labelled=plain.labelled,
        positives=added(labels.positives.astype(np.float64)),
        sums=added(labels.values),
        squares=added(labels.values**2),
    )
