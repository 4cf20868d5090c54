"""Strata that are alike and sampled alike, taken as one stratum by an interval."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.stratified.estimators import Design, Totals
from gleann.selection.estimate.stratified.rates import probability_alike
from gleann.selection.estimate.stratified.tally import Evidence, PerStratum, Tally

SAME_SHARE = 3.0
"""Strata whose sampled shares differ by at most this factor may be merged."""
LIKELIER_ALIKE = 0.5
"""Probability of one rate above which such strata are merged."""


def alike_strata(counts: Tally, inverse_shares: PerStratum) -> NDArray[np.int64]:
    """A number (K,) for each stratum, the same for neighbours that may be merged.

    Args:
        counts: the labels.
        inverse_shares: (K,) variance factor of each stratum's total over its size,
            about the rows that a label stands for.
    """
    numbers = np.zeros(len(inverse_shares), np.int64)
    first = 0
    for k in range(1, len(numbers)):
        part = slice(first, k + 1)
        shares = inverse_shares[part]
        alike = shares.max() <= SAME_SHARE * shares.min() and (
            probability_alike(counts.labelled[part], counts.positives[part])
            > LIKELIER_ALIKE
        )
        if not alike:
            first = k
        numbers[k] = numbers[k - 1] + (not alike)
    return numbers


def merged_rates(counts: Tally, inverse_shares: PerStratum) -> PerStratum:
    """Jeffreys' rates (K,), those of merged strata in common."""
    numbers = alike_strata(counts, inverse_shares)
    labelled = np.bincount(numbers, weights=counts.labelled)
    positives = np.bincount(numbers, weights=counts.positives)
    rates: PerStratum = ((positives + 0.5) / (labelled + 1))[numbers]
    return rates


def merged(
    design: Design, found: Totals, evidence: Evidence
) -> tuple[Design, Totals, Evidence]:
    """The same with neighbouring strata merged that are alike and sampled alike.

    The variance of one sample over several strata, taken as one, is at least that of
    the stratified sample; and an interval that doubts every stratum by half a positive
    doubts them once. Without this, an interval from a proxy that says nothing would be
    wider than that of uniform sampling for the number of its strata alone.
    """
    counts = evidence.total
    numbers = alike_strata(counts, found.spread_factors / design.sizes)
    if numbers[-1] == len(numbers) - 1:
        return design, found, evidence
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))

    def added(values: PerStratum) -> PerStratum:
        sums: PerStratum = np.add.reduceat(values, firsts)
        return sums

    sizes = added(design.sizes)
    values = [evidence.values[first] for first in firsts]
    for k in np.flatnonzero(np.diff(numbers, prepend=-1) == 0):
        values[numbers[k]] = np.concatenate([values[numbers[k]], evidence.values[k]])
    return (
        replace(
            design,
            sizes=sizes,
            proxy_means=added(design.proxy_means * design.sizes) / sizes,
            row_shares=added(design.row_shares * counts.labelled)
            / added(counts.labelled),
        ),
        replace(
            found,
            counts=added(found.counts),
            sums=added(found.sums),
            spread_factors=added(found.spread_factors),
        ),
        Evidence(
            rounds=tuple(
                Tally(
                    labelled=added(one.labelled),
                    positives=added(one.positives),
                    sums=added(one.sums),
                    squares=added(one.squares),
                )
                for one in evidence.rounds
            ),
            values=tuple(values),
        ),
    )
