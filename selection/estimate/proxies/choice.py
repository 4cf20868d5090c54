"""The choice among several proxies, by a pilot that is fair to all of them.

The pilot is drawn with known probabilities that are even over the strata of every
proxy, so no proxy is compared on a sample that another one drew. Its labels are then
known rows: they are counted exactly, and the estimate is over the others. So the
choice, which depends on labels, cannot bias the estimate, nor make its interval too
narrow: whatever was chosen, the rows that are left are sampled anew.

Where the pilot cannot tell which proxy is best, their mixture is taken: rows in the
order of their mean rank.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.tables.tabular import Record
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.estimators import (
    Design,
    next_draws,
    row_factor,
)
from gleann.selection.estimate.stratified.intervals import row_variances
from gleann.selection.estimate.stratified.strata import (
    STRATA_CUTS,
    Proxy,
    StratumNos,
)
from gleann.selection.estimate.stratified.tally import Moments, PerStratum
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    Chances,
    weighted_moments,
)

MIXTURE = "mean rank of all"
"""Name of the mixture of the proxies."""
RESAMPLES = 40
"""Reweighings of the pilot's labels by which proxies are compared."""
SURE = 0.6
"""Share of the resamples that a proxy must win, or the mixture is taken."""
MIXTURE_COST = 1.1
"""Expected error of the mixture, in the best proxy's, above which it is not taken."""
SHRUNK_BY = 10.0
"""Positives by which a stratum's mean is shrunk to that of all, for comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyChoice(Record):
    """Which proxy was chosen, and why.

    Attributes:
        name: of the proxy.
        errors: expected standard error by proxy, in the unit of the estimate (of the
            count, where a share is estimated), if the
            pilot allocated the rest of the budget at once. Lower than that of the
            session, for comparison only. Empty if no positive was drawn.
        pilot_labels: number of labels of the pilot.
        reason: of the choice, as a sentence.
    """

    name: str
    errors: dict[str, float]
    pilot_labels: int
    reason: str


def pilot_chances(
    proxies: Mapping[str, Proxy], params: EstimateParams, *, pilot: int
) -> Chances:
    """Probabilities (n,) that sum to `pilot`, even over the strata of all proxies."""
    chances = np.zeros(len(next(iter(proxies.values()))))
    for proxy in proxies.values():
        numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
        sizes = np.bincount(numbers)
        chances += 1 / (len(sizes) * sizes[numbers])
    return _capped_at_one(chances, total=pilot)


def draw_pilot(chances: Chances, *, rng: np.random.Generator) -> Rows:
    """Draw as many distinct rows as `chances` sum to, each with its probability.

    Systematic sampling in random order: one random start, then steps of one along the
    running sum of the chances.
    """
    order = rng.permutation(len(chances))
    ends = np.floor(np.cumsum(chances[order]) + rng.random())
    # Rounding must not cost or add a row at the end.
    ends = np.minimum(ends, np.rint(chances.sum()))
    rows: Rows = order[np.diff(ends, prepend=0) > 0]
    return rows


def mixture_of(proxies: Mapping[str, Proxy]) -> Proxy:
    """One proxy (n,) of several: rows by their mean rank, with their mean quantiles."""
    ranks = np.zeros(len(next(iter(proxies.values()))))
    quantiles = np.zeros_like(ranks)
    for proxy in proxies.values():
        order = np.argsort(proxy, kind="stable")
        ranks[order] += np.arange(len(order))
        quantiles += proxy[order] / len(proxies)
    mixed = np.empty_like(ranks)
    mixed[np.argsort(ranks, kind="stable")] = quantiles
    return mixed


def candidates_of(
    proxies: Mapping[str, Proxy], params: EstimateParams
) -> dict[str, Proxy]:
    """What is chosen from: the proxies and, but for even allocation, their mixture."""
    if params.allocation == "even" or MIXTURE in proxies:
        return dict(proxies)
    return {**proxies, MIXTURE: mixture_of(proxies)}


def choose_proxy(
    proxies: Mapping[str, Proxy], labels: ChancedLabels, params: EstimateParams
) -> ProxyChoice:
    """Choose the proxy with the smallest expected error of the number asked for.

    ABae's authors compare (sum sqrt(p) * sigma)^2 / (sum p)^2 of the strata; this is
    the same comparison with exhausted strata and the floor: the error if the pilot
    allocated the rest of the budget at once. It is averaged over reweighings of the
    pilot's labels (Rubin 1981, The Bayesian bootstrap). The session that follows spends
    `pilot_share` of it first, so its error is likely to be larger with any proxy. Ties
    go to the first.

    Args:
        proxies: (n,) each, by name, as of `candidates_of`.
        labels: of the pilot.
        params: of the following session; its budget is the rest.
    """
    drawn, found = len(labels.rows), int(labels.positives.sum())
    if not found:
        last = MIXTURE if MIXTURE in proxies else next(iter(proxies))
        return ProxyChoice(
            name=last,
            errors={},
            pilot_labels=drawn,
            reason=(
                f"no positive among {drawn} pilot labels: nothing to compare by, so"
                f" {last!r} is taken"
            ),
        )
    wins, errors = _compared(proxies, labels, params)
    single = {name: error for name, error in errors.items() if name != MIXTURE}
    name = min(single, key=lambda one: single[one])
    why = f"expected standard error {errors[name]:.4g}"
    if MIXTURE in errors:
        mixed = errors[MIXTURE]
        if mixed < errors[name]:
            name, why = MIXTURE, f"expected standard error {mixed:.4g}"
        elif wins[name] < SURE and mixed <= MIXTURE_COST * errors[name]:
            name, why = MIXTURE, f"the pilot does not tell them apart: {mixed:.4g}"
    others = ", ".join(
        f"{error:.4g} by {one!r}" for one, error in errors.items() if one != name
    )
    return ProxyChoice(
        name=name,
        errors=errors,
        pilot_labels=drawn,
        reason=(
            f"proxy {name!r} was chosen from {drawn} pilot labels ({found} positive):"
            f" {why}, against {others}"
        ),
    )


def _compared(
    proxies: Mapping[str, Proxy], labels: ChancedLabels, params: EstimateParams
) -> tuple[dict[str, float], dict[str, float]]:
    """Share of resamples won by each single proxy, and expected errors."""
    cuts = {
        name: STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
        for name, proxy in proxies.items()
    }
    rng = np.random.default_rng([params.seed, len(labels.rows)])
    count = 0 if params.allocation == "even" else RESAMPLES
    weights = [
        np.ones(len(labels.rows)),
        *rng.exponential(size=(count, len(labels.rows))),
    ]
    tried = [replace(labels, chances=labels.chances / weight) for weight in weights]
    table = np.array(
        [
            [
                _expected_error(proxy, cuts[name], one, params)
                for name, proxy in proxies.items()
            ]
            for one in tried
        ]
    )
    means = np.exp(np.log(np.maximum(table, 1e-300)).mean(axis=0))
    single = [k for k, name in enumerate(proxies) if name != MIXTURE]
    best = np.asarray(single)[table[:, single].argmin(axis=1)]
    wins = {name: float((best == k).mean()) for k, name in enumerate(proxies)}
    return wins, dict(zip(proxies, means.tolist(), strict=True))


def _expected_error(
    proxy: Proxy,
    numbers: StratumNos,
    labels: ChancedLabels,
    params: EstimateParams,
) -> float:
    drawn = numbers[labels.rows]
    strata = int(numbers.max()) + 1
    left = np.bincount(numbers) - np.bincount(drawn, minlength=strata)
    count = labels.count
    seen = weighted_moments(drawn, labels, strata=strata, rate=count / len(proxy))
    if params.allocation != "even":
        held = labels.positives.astype(np.float64)
        found = np.bincount(drawn, weights=held, minlength=strata).astype(np.float64)
        seen = _shrunk(seen, labels, found)
    design = Design(
        sizes=left.astype(np.float64),
        proxy_means=np.bincount(numbers, weights=proxy) / np.bincount(numbers),
        round_budgets=(params.budget,),
        target=params.statistic,
        floor=params.floor,
    )
    draws = next_draws(design, seen, labelled=np.zeros_like(left), budget=params.budget)
    of_a_row = row_variances(seen, target=params.statistic, average=labels.sum / count)
    variance = (row_factor(draws.astype(np.float64), design.sizes) * of_a_row).sum()
    scale = count if params.statistic == "avg" else 1.0
    return float(np.sqrt(variance) / scale)


def _shrunk(seen: Moments, labels: ChancedLabels, found: PerStratum) -> Moments:
    """Moments for a comparison: values are those of all but where many were found.

    A line through the means of strata with few positives would say more against the
    proxy that separates the values best than its errors do.
    """
    held = labels.positives
    weights = (1 / labels.chances)[held]
    average = float((weights * labels.values[held]).sum() / weights.sum())
    spread = float((weights * (labels.values[held] - average) ** 2).sum())
    trust = found / (found + SHRUNK_BY)
    whole = np.full_like(found, spread / float(weights.sum()))
    return replace(
        seen,
        means=average + trust * (seen.means - average),
        mean_variances=np.zeros_like(found),
        variances=trust * seen.variances + (1 - trust) * whole,
    )


def _capped_at_one(chances: Chances, *, total: int) -> Chances:
    """Scale to `total`; probabilities above 1 are capped, others take the excess."""
    certain = np.zeros(len(chances), np.bool_)
    while True:
        rest = np.where(certain, 0.0, chances)
        scaled = rest * ((total - certain.sum()) / max(rest.sum(), 1e-300))
        over = scaled > 1
        if not over.any():
            return np.where(certain, 1.0, scaled)
        certain |= over
