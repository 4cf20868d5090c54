"""Allocation of ABae as its authors wrote it: even, then by sqrt(p) * sigma."""

import numpy as np

from gleann.index.errors import InvalidParamsError
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.allocate import Draws, capped, spreads
from gleann.selection.estimate.stratified.estimators import Design
from gleann.selection.estimate.stratified.strata import Proxy, StratumNos
from gleann.selection.estimate.stratified.tally import Moments, PerStratum, Tally


def abae_design(proxy: Proxy, numbers: StratumNos, params: EstimateParams) -> Design:
    """Equal strata and two stages, without a floor.

    Raises:
        InvalidParamsError: a pilot that leaves nothing for stage 2.
    """
    sizes = np.bincount(numbers)
    pilot = min(
        max(round(params.even_pilot_share * params.budget), len(sizes)), params.budget
    )
    if pilot == params.budget:
        raise InvalidParamsError(
            f"the pilot takes all {params.budget} labels: give a larger budget or a"
            " smaller pilot_share"
        )
    return Design(
        sizes=sizes.astype(np.float64),
        proxy_means=np.bincount(numbers, weights=proxy) / sizes,
        round_budgets=(pilot, params.budget - pilot),
        target=params.statistic,
        floor=0.0,
    )


def second_draws(design: Design, seen: Tally) -> Draws:
    """Draws (K,) of stage 2: in proportion to the deviation of the pilot's labels."""
    return capped(
        abae_spreads(plain_moments(seen), design),
        budget=design.round_budgets[1],
        room=(design.sizes - seen.labelled).astype(np.int64),
    )


def abae_spreads(plain: Moments, design: Design) -> PerStratum:
    """sqrt(p) * sigma (K,) for an average, which takes the rates as known."""
    if design.target == "avg":
        return np.sqrt(plain.rates * plain.variances)
    return spreads(plain, target=design.target, sizes=design.sizes)


def plain_moments(seen: Tally) -> Moments:
    """Rates and moments without a prior; 0 for strata without labels or positives."""
    found = np.maximum(seen.positives, 1)
    means = seen.sums / found
    deviations = np.maximum(seen.squares - seen.positives * means**2, 0)
    return Moments(
        rates=seen.positives / np.maximum(seen.labelled, 1),
        means=means,
        mean_variances=np.zeros_like(means),
        variances=deviations / np.maximum(seen.positives - 1, 1),
    )
