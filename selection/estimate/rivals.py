"""What the strongest simple rival would be expected to reach with as many labels."""

from dataclasses import replace

import numpy as np

from gleann.selection.estimate.abae_allocation import abae_design, abae_spreads
from gleann.selection.estimate.allocate import capped
from gleann.selection.estimate.estimators import (
    KnownTotals,
    pilot_draws,
    row_factor,
)
from gleann.selection.estimate.intervals import row_variances
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.strata import Proxy, equal_size
from gleann.selection.estimate.weighted import ChancedLabels, weighted_moments


def abae_width(
    proxy: Proxy,
    labels: ChancedLabels,
    params: EstimateParams,
    *,
    quantile: float,
    known: KnownTotals,
) -> float | None:
    """Width to be expected of ABae as its authors wrote it, by the same proxy.

    Of the rivals that need no more than a proxy it is the strongest (decision 12). From
    the labels at hand, drawn otherwise and weighed for it: the deviation that they show
    in strata of equal size decides its draws, and what is left to average out.

    Args:
        proxy: (n,) of the rows that could be drawn.
        labels: those drawn; `rows` are positions in `proxy`.
        params: of the estimate.
        quantile: standard errors on each side of the interval.
        known: rows counted exactly, which are beside ABae too.

    Returns:
        None where no positive was drawn, or a pilot takes all.
    """
    budget, count = len(labels.rows), labels.count
    numbers = equal_size(proxy, strata=params.strata)
    strata = int(numbers.max()) + 1
    pilot = max(round(params.pilot_share * budget), strata)
    if not count or pilot >= budget:
        return None
    design = abae_design(proxy, numbers, replace(params, budget=budget))
    drawn = numbers[labels.rows]
    first = pilot_draws(design)
    seen = weighted_moments(drawn, labels, strata=strata, rate=count / len(proxy))
    # Doubt about a mean is no part of the error itself.
    seen = replace(seen, doubts=np.zeros(strata))
    later = capped(
        abae_spreads(seen, design),
        budget=design.round_budgets[1],
        room=design.sizes.astype(np.int64) - first,
    )
    positives = count + known.positives
    average = (labels.sum + known.total) / positives
    of_a_row = row_variances(seen, target=params.target, average=average)
    draws = (first + later).astype(np.float64)
    variance = float((row_factor(draws, design.sizes) * of_a_row).sum())
    scale = positives if params.target == "avg" else 1.0
    return 2 * quantile * variance**0.5 / scale
