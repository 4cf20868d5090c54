"""Expected interval width of the strongest simple baseline with as many labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.baselines.abae_allocation import (
    abae_design,
    abae_spreads,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.allocate import (
    PerPair,
    capped,
    shares,
    split_over_cuts,
)
from gleann.selection.estimate.stratified.estimators import (
    Design,
    KnownTotals,
    pilot_draws,
    row_factor,
)
from gleann.selection.estimate.stratified.intervals import row_variances
from gleann.selection.estimate.stratified.strata import Proxy, StratumNos, equal_size
from gleann.selection.estimate.stratified.tally import Moments
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    weighted_moments,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _EqualCut:
    """Strata of equal size by one group's proxy.

    Attributes:
        design: with a part of the pilot.
        seen: moments of each group in its strata.
        own: number of that group, whose spreads decide the draws.
    """

    design: Design
    seen: Sequence[Moments]
    own: int

    @property
    def spreads(self) -> NDArray[np.float64]:
        """Deviation (K,) that decides the draws."""
        return abae_spreads(self.seen[self.own], self.design)


def abae_width(
    proxy: Proxy,
    labels: ChancedLabels,
    params: EstimateParams,
    *,
    quantile: float,
    known: KnownTotals,
) -> float | None:
    """Expected interval width of ABae as its authors wrote it, with the same proxy.

    It is the strongest baseline that needs no more than a proxy
    (selection/DECISIONS.md 12). It is estimated from the labels of another design,
    reweighted: their deviation in strata of equal size determines the draws of ABae and
    its remaining variance.

    Args:
        proxy: (n,) of the rows that could be drawn.
        labels: those drawn; `rows` are positions in `proxy`, and `chances` such that
            `count` and `sum` estimate all these rows.
        params: of the estimate.
        quantile: standard errors on each side of the interval.
        known: rows counted exactly, by ABae too.

    Returns:
        None if no positive was drawn, or the pilot takes the whole budget.
    """
    (width,) = abae_group_widths(
        [proxy], [labels], params, quantile=quantile, known=[known]
    )
    return width


def abae_group_widths(
    proxies: Sequence[Proxy],
    labels: Sequence[ChancedLabels],
    params: EstimateParams,
    *,
    quantile: float,
    known: Sequence[KnownTotals],
) -> list[float | None]:
    """Expected interval width of ABae's group-by with one oracle, for each group.

    As `abae_width`, for the sample of every proxy: strata of equal size, even pilots,
    what is left split over the proxies by the linear program, and each group merged
    from all samples by inverse variance. A row that several samples draw is taken to
    cost as many labels.

    Args:
        proxies: (n,) of each group, of the rows that could be drawn.
        labels: those drawn, for each group.
        params: of the estimates.
        quantile: standard errors on each side of the interval.
        known: of each group, rows counted exactly, by ABae too.

    Returns:
        None for a group without a positive, and for all if pilots take the budget.
    """
    budget = len(labels[0].rows)
    even = replace(params, budget=budget // len(proxies))
    numbers = [equal_size(proxy, strata=params.strata) for proxy in proxies]
    strata = int(numbers[0].max()) + 1
    if max(round(params.even_pilot_share * even.budget), strata) >= even.budget:
        return [None] * len(proxies)
    cuts = [
        _cut(proxy, numbers[own], labels, even, own=own)
        for own, proxy in enumerate(proxies)
    ]
    counts, averages = _whole(labels, known)
    # One sample without an error leaves none.
    with np.errstate(divide="ignore"):
        merged = 1 / (1 / _variances(cuts, averages, budget=budget)).sum(axis=0)
    scales = counts if params.statistic == "avg" else np.ones_like(counts)
    widths = 2 * quantile * np.sqrt(merged) / np.maximum(scales, 1e-300)
    return [
        float(width) if one.positives.any() else None
        for width, one in zip(widths, labels, strict=True)
    ]


def _whole(
    labels: Sequence[ChancedLabels], known: Sequence[KnownTotals]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimated rows (G,) of each group, and the average of their values."""
    counts = np.array([one.count for one in labels])
    counts += [before.positives for before in known]
    sums = np.array([one.sum for one in labels]) + [before.total for before in known]
    return counts, sums / np.maximum(counts, 1e-300)


def _cut(
    proxy: Proxy,
    numbers: StratumNos,
    labels: Sequence[ChancedLabels],
    params: EstimateParams,
    *,
    own: int,
) -> _EqualCut:
    strata = int(numbers.max()) + 1
    seen = [
        weighted_moments(
            numbers[one.rows], one, strata=strata, rate=one.rate_among(len(proxy))
        )
        for one in labels
    ]
    return _EqualCut(
        design=abae_design(proxy, numbers, params),
        # The sampling variance of a mean is no part of the error itself.
        seen=[replace(one, mean_variances=np.zeros(strata)) for one in seen],
        own=own,
    )


def _variances(
    cuts: Sequence[_EqualCut], averages: NDArray[np.float64], *, budget: int
) -> PerPair:
    """Squared error (L, G) of each group's total by the sample of each proxy."""
    pilots = [pilot_draws(cut.design) for cut in cuts]
    spent = sum(int(pilot.sum()) for pilot in pilots)
    rows = np.array([int(cut.design.sizes.sum()) for cut in cuts])
    later = capped(
        split_over_cuts(_costs(cuts, averages)),
        budget=budget - spent,
        room=rows - np.array([int(pilot.sum()) for pilot in pilots]),
    )
    found = np.empty((len(cuts), len(cuts)))
    for number, (cut, pilot) in enumerate(zip(cuts, pilots, strict=True)):
        room = cut.design.sizes.astype(np.int64) - pilot
        drawn = pilot + capped(cut.spreads, budget=int(later[number]), room=room)
        factors = row_factor(drawn.astype(np.float64), cut.design.sizes)
        found[number] = _of_rows(cut, averages) @ factors
    return found


def _costs(cuts: Sequence[_EqualCut], averages: NDArray[np.float64]) -> PerPair:
    """Squared error times labels (L, G); for an average, over the group squared."""
    costs = np.empty((len(cuts), len(cuts)))
    for number, cut in enumerate(cuts):
        sizes = cut.design.sizes
        part = shares(sizes, cut.spreads, floor=0.0)
        scale = [
            (sizes * one.rates).sum() if cut.design.target == "avg" else 1.0
            for one in cut.seen
        ]
        # A stratum without draws gives no information about the other groups.
        costs[number] = (
            _of_rows(cut, averages) @ (sizes**2 / np.maximum(part, 1e-12))
        ) / np.square(scale)
    return costs


def _of_rows(cut: _EqualCut, averages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance (G, K) of one row's contribution."""
    return np.stack(
        [
            row_variances(one, target=cut.design.target, average=average)
            for one, average in zip(cut.seen, averages, strict=True)
        ]
    )
