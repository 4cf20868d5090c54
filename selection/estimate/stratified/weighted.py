"""Labels drawn with unequal probabilities, and their weighted moments by stratum."""

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
"""Probability of each row to be drawn, or its expected number of draws."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChancedLabels:
    """Labels, and the probability that each row had of being drawn.

    Attributes:
        rows: int64 (m,).
        positives: bool (m,).
        values: float64 (m,), 0 where not positive.
        chances: (m,) the probability of each to be drawn.
    """

    rows: Rows
    positives: Mask
    values: NDArray[np.float64]
    chances: Chances

    @property
    def count(self) -> float:
        """Estimated number of positive rows among those that could be drawn.

        Unbiased if `chances` are inclusion probabilities, as in the pilot of a proxy
        choice, the samples of groups and `refreshed.rounds.whole_chances_of`. With
        `refreshed.rounds.chances_of` it misses positives drawn early.
        """
        return float((self.positives / self.chances).sum())

    @property
    def sum(self) -> float:
        """Estimated sum of the values of positive rows; as `count`."""
        return float((self.values / self.chances).sum())

    def rate_among(self, n: int) -> float:
        """`count` as a share of `n` rows; half a label's share without any positive.

        For shrinkage only; it may exceed 1 by chance, as `count` may exceed `n`.
        """
        return self.count / n or 0.5 / (len(self.rows) + 1)


def weighted_moments(
    drawn: NDArray[np.int64], labels: ChancedLabels, *, strata: int, rate: float
) -> Moments:
    """Moments of strata other than those the labels were drawn from.

    Jeffreys' half positive per stratum would drown a rare predicate and make all cuts
    look alike, so a stratum is shrunk by one row to the overall rate instead. For
    comparison only: no interval uses it.

    Args:
        drawn: (m,) stratum of each labelled row.
        labels: (m,).
        strata: number of strata.
        rate: estimated share of positives among all rows. Estimated from the chances it
            may exceed 1; strata are then shrunk to 1.
    """
    weighted = weighted_tally(drawn, labels, strata=strata)
    rates = (weighted.positives + min(rate, 1.0)) / (weighted.labelled + 1)
    # Nor may rounding leave one above 1.
    return replace(moments(weighted), rates=np.minimum(rates, 1.0))


def weighted_tally(
    drawn: NDArray[np.int64], labels: ChancedLabels, *, strata: int
) -> Tally:
    """Weighted tally; weights average 1 within each stratum."""
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
