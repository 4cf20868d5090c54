"""Bootstrap interval: resamples of the labels within each stratum."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.stratified.allocate import Target
from gleann.selection.estimate.stratified.estimators import Design, Totals
from gleann.selection.estimate.stratified.intervals import Interval, point_estimate
from gleann.selection.estimate.stratified.polya import proxy_trend, stretch_of
from gleann.selection.estimate.stratified.tally import (
    Evidence,
    PerStratum,
    Tally,
    Trend,
    trend_of,
)

RESAMPLES = 1000
TAIL_RESAMPLES = 20
"""Minimum number of resamples beyond each end of the interval."""

BLOCK = 1000
"""Resamples whose weights, one number per positive, are held at a time."""

Replicates = NDArray[np.float64]
"""One number per resample and stratum, (b, K)."""


def bootstrap_interval(
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """Interval by the Bayesian bootstrap of a finite population, within strata.

    Rubin (1981, The Bayesian bootstrap) and, for finite populations, Lo (1988): each
    resample completes every stratum with rows that its labels make plausible. Their
    rate is drawn from Beta(positives, negatives + 1/2) for the low end of a count and
    from Beta(positives + 1/2, negatives) for the high end: Jeffreys' half row counts
    against the end that is sought, as a whole one does in Clopper and Pearson's (1934)
    interval. Their mean value comes from Dirichlet weights over the labelled positives
    and one positive of any stratum. The interval reaches over what both give.

    ABae resamples the labels themselves (`baselines.abae.percentile_interval`): a
    stratum without a positive then never has one, a fully labelled one still varies,
    and few labels give too narrow an interval. Here the first has Jeffreys' rate above,
    the second no spread, and the third the shrunken spread.

    Args:
        design: of the session.
        found: totals of each stratum.
        evidence: the labels, with at least two positives unless the target is a count.
        confidence: of the interval.
        rng: draws the resamples.
    """
    count = max(RESAMPLES, int(np.ceil(2 * TAIL_RESAMPLES / (1 - confidence))))
    seen = evidence.total
    left = design.sizes - seen.labelled
    ends = [
        _ends(
            design,
            found,
            evidence,
            _unseen(left, seen, more=more, count=count, rng=rng),
            confidence=confidence,
            rng=rng,
        )
        for more in ((0.0, 0.5), (0.5, 0.0))
    ]
    value = point_estimate(found, target=design.target)
    return Interval(
        value=value,
        low=min(value, *(low for low, _ in ends)),
        high=max(value, *(high for _, high in ends)),
    )


def _unseen(
    left: PerStratum,
    seen: Tally,
    *,
    more: tuple[float, float],
    count: int,
    rng: np.random.Generator,
) -> Replicates:
    """Positives (count, K) among the rows left, from the labels and `more` of each."""
    positives = seen.positives + more[0]
    negatives = seen.labelled - seen.positives + more[1]
    # Beta has no member with a parameter of 0; its limit lies on that side whole.
    rates = rng.beta(
        np.where(positives > 0, positives, 1.0),
        np.where(negatives > 0, negatives, 1.0),
        size=(count, len(left)),
    )
    rates = np.where(positives > 0, np.where(negatives > 0, rates, 1.0), 0.0)
    return rng.binomial(left.astype(np.int64), rates).astype(np.float64)


def _ends(
    design: Design,
    found: Totals,
    evidence: Evidence,
    unseen: Replicates,
    *,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Ends of the interval if `unseen` (b, K) further rows are positive."""
    seen = evidence.total
    scale = design.sizes / np.maximum(seen.labelled, 1)
    stretch = stretch_of(design, found, seen.labelled)
    counts = found.counts + stretch * (unseen + seen.positives * (1 - scale))
    sums = np.zeros_like(counts)
    if design.target != "count":
        values = _unseen_sums(unseen, evidence, _trend(design, evidence), rng)
        sums = found.sums + stretch * (values + seen.sums * (1 - scale))
    low, high = np.quantile(
        _statistic(design, counts, sums, seen=seen),
        [(1 - confidence) / 2, (1 + confidence) / 2],
    )
    return float(low), float(high)


def _trend(design: Design, evidence: Evidence) -> Trend:
    """The values' line; sessions begun before 1.1 keep that over stratum numbers."""
    if design.allocation == "even":
        return trend_of(evidence.total)
    return proxy_trend(design, evidence)


def _unseen_sums(
    unseen: Replicates, evidence: Evidence, trend: Trend, rng: np.random.Generator
) -> Replicates:
    """Sum of the values of `unseen` (b, K) positives of each stratum."""
    residuals = np.concatenate(
        [own - trend.line[k] for k, own in enumerate(evidence.values)]
    )
    blocks = range(0, len(unseen), BLOCK)
    return np.concatenate(
        [
            _block_of_sums(
                unseen[first : first + BLOCK], evidence.values, trend, residuals, rng
            )
            for first in blocks
        ]
    )


def _block_of_sums(
    unseen: Replicates,
    values: Sequence[PerStratum],
    trend: Trend,
    residuals: PerStratum,
    rng: np.random.Generator,
) -> Replicates:
    sums = np.empty_like(unseen)
    for k, own in enumerate(values):
        weights = rng.exponential(size=(len(unseen), len(own) + 1))
        weights /= weights.sum(axis=1, keepdims=True)
        error = trend.step * rng.standard_normal(len(unseen))
        borrowed = trend.line[k] + rng.choice(residuals, size=len(unseen)) + error
        means = weights[:, :-1] @ own + weights[:, -1] * borrowed
        squares = weights[:, :-1] @ own**2 + weights[:, -1] * borrowed**2
        spread = np.sqrt(np.maximum(squares - means**2, 0) * unseen[:, k])
        sums[:, k] = unseen[:, k] * means + spread * rng.standard_normal(len(unseen))
    return sums


def _statistic(
    design: Design, counts: Replicates, sums: Replicates, *, seen: Tally
) -> NDArray[np.float64]:
    target: Target = design.target
    known = design.known
    if target == "count":
        return counts.sum(axis=1) + known.positives
    total: NDArray[np.float64] = sums.sum(axis=1) + known.total
    if target == "sum":
        return total
    # A combination of rounds can fall below what was found; a ratio must not.
    least = float(seen.positives.sum()) + known.positives
    return total / np.maximum(counts.sum(axis=1) + known.positives, least)
