"""ABae as its authors wrote it, to compare with.

Kang et al. 2021, https://arxiv.org/abs/2108.06313, algorithm 1 of the proof note
https://arxiv.org/abs/2107.12525: equal strata, an even pilot, one allocation by
sqrt(p) * sigma, both stages pooled, and a percentile bootstrap. `estimate` departs from
each of these (`selection/DEPARTURES.md`).
"""

from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask
from gleann.index.errors import InvalidParamsError
from gleann.selection.among import AmongLike, origin_of
from gleann.selection.estimate.baselines.abae_allocation import (
    abae_design,
    abae_spreads,
    plain_moments,
    second_draws,
)
from gleann.selection.estimate.labels.answers import (
    Oracle,
    as_positives,
    as_values,
    given_by,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.population import Population, count_of
from gleann.selection.estimate.result import Estimate, Precision, conclude_from
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.estimators import Design, Totals, pilot_draws
from gleann.selection.estimate.stratified.intervals import Interval, point_estimate
from gleann.selection.estimate.stratified.strata import (
    StratumNos,
    drawing_order,
    equal_size,
    next_rows,
)
from gleann.selection.estimate.stratified.tally import Evidence, Tally, gather
from gleann.selection.provenance import fingerprint, provenance

RESAMPLES = 1000


def abae_estimate(
    proxy: ArrayLike,
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
) -> Estimate:
    """Estimate by ABae's own two stages.

    Three defects of the authors' code are not repeated: what rounding leaves of the
    budget is spent, a full stratum passes its draws on instead of raising, and where
    every weight is 0 stage 2 is spent evenly instead of not at all. Their text has
    averages only; a count and a sum are allocated by the deviation of I and I * f.

    Args:
        proxy: (n,) cheap scores.
        oracle: labels rows; never asked twice for one.
        params: target, budget, strata, pilot_share, confidence and seed; the rest is
            not used.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `EstimateSession.start`.

    Raises:
        InvalidInputError: as `EstimateSession.start`.
        InvalidParamsError: a budget above n, or a pilot that takes all of it.
    """
    population = Population.of(ids, among, n=count_of(proxy))
    scores, names = population.proxy(proxy), population.names
    if params.budget > len(scores):
        raise InvalidParamsError(
            f"budget is {params.budget}, but there are {len(scores)} rows"
        )
    numbers = equal_size(scores, strata=params.strata)
    design = abae_design(scores, numbers, params)
    order = drawing_order(numbers, seed=params.seed)
    sizes = np.bincount(numbers)

    def label(
        draws: Draws, *, after: Draws
    ) -> tuple[StratumNos, Mask, NDArray[np.float64]]:
        rows = next_rows(order, sizes, draws, after=after)
        positives, values = given_by(oracle(names.ids_of(rows)))
        held = as_positives(positives, n=len(rows))
        return numbers[rows], held, as_values(values, held, target=params.statistic)

    pilot = pilot_draws(design)
    rounds = [label(pilot, after=np.zeros_like(pilot))]
    seen = gather(rounds, strata=len(pilot)).total
    rounds.append(label(second_draws(design, seen), after=pilot))
    origin = provenance(
        "abae-as-written",
        params=asdict(params),
        seed=params.seed,
        data_hash=fingerprint(scores),
    ) | origin_of(population.among)
    made = conclude_from(
        design,
        pooled(design, evidence := gather(rounds, strata=len(pilot))),
        evidence,
        precision=Precision(
            interval=percentile_interval,
            confidence=params.confidence,
            seed=params.seed,
        ),
        provenance=origin,
    )
    return params.presented(made)


def pooled(design: Design, evidence: Evidence) -> Totals:
    """Totals (K,) of each stratum from all its labels, as one sample."""
    seen = evidence.total
    n = np.maximum(seen.labelled, 1)
    return Totals(
        counts=design.sizes * seen.positives / n,
        sums=design.sizes * seen.sums / n,
        spread_factors=design.sizes * (design.sizes - seen.labelled) / n,
    )


def percentile_interval(
    design: Design,
    found: Totals,
    evidence: Evidence,
    confidence: float,
    rng: np.random.Generator,
) -> Interval:
    """ABae's interval: both stages resampled from the labels, with replacement.

    Each resample draws the pilot from all labels of a stratum, allocates stage 2 by
    it, draws that too, and pools. Nothing is corrected for rows that are labelled
    already, nor for strata without a positive, as in the paper.
    """
    seen = evidence.total
    pilot = np.broadcast_to(evidence.rounds[0].labelled, (RESAMPLES, len(design.sizes)))
    first = _redrawn(pilot, evidence, rng)
    wanted = abae_spreads(plain_moments(first), design)
    later = _second_redraws(wanted, design)
    both = first + _redrawn(np.where(seen.labelled > 0, later, 0), evidence, rng)
    n = np.maximum(both.labelled, 1)
    counts = (design.sizes * both.positives / n).sum(axis=1)
    sums = (design.sizes * both.sums / n).sum(axis=1)
    value = point_estimate(found, target=design.target)
    drawn = {"count": counts, "sum": sums}.get(design.target)
    if drawn is None:
        drawn = np.divide(sums, counts, out=np.full_like(sums, value), where=counts > 0)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(
        value=value, low=min(float(low), value), high=max(float(high), value)
    )


def _second_redraws(wanted: NDArray[np.float64], design: Design) -> NDArray[np.int64]:
    """Stage 2 of every resample (b, K), summing to its budget."""
    totals = wanted.sum(axis=1, keepdims=True)
    even = np.full_like(wanted, 1 / wanted.shape[1])
    part = np.divide(wanted, totals, out=even, where=totals > 0)
    # Rounding the running sum spends the budget exactly.
    ends = np.rint(np.cumsum(part, axis=1) * design.round_budgets[1]).astype(np.int64)
    return np.diff(ends, axis=1, prepend=0)


def _redrawn(
    draws: NDArray[np.float64] | NDArray[np.int64],
    evidence: Evidence,
    rng: np.random.Generator,
) -> Tally:
    """Draw (b, K) labels with replacement from those of each stratum."""
    seen = evidence.total
    rates = seen.positives / np.maximum(seen.labelled, 1)
    positives = rng.binomial(draws.astype(np.int64), rates)
    sums, squares = np.zeros(draws.shape), np.zeros(draws.shape)
    for k, values in enumerate(evidence.values):
        if len(values):
            even = np.full(len(values), 1 / len(values))
            times = rng.multinomial(positives[:, k], even)
            sums[:, k], squares[:, k] = times @ values, times @ values**2
    return Tally(
        labelled=draws.astype(np.float64),
        positives=positives.astype(np.float64),
        sums=sums,
        squares=squares,
    )
