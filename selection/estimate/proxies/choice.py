"""The choice among several proxies, by a pilot that is fair to all of them.

The pilot is drawn with known probabilities that are even over the strata of every
proxy, so no proxy is compared on a sample that another one drew. Its labels are then
known rows: they are counted exactly, and the estimate is over the others. So the
choice, which depends on labels, cannot bias the estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.tabular import Record
from gleann.selection.checks import as_scores
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.stratified.estimators import (
    Design,
    next_draws,
    row_factor,
)
from gleann.selection.estimate.stratified.intervals import row_variances
from gleann.selection.estimate.stratified.strata import STRATA_CUTS, Proxy
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    Chances,
    weighted_moments,
)


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


def as_proxies(proxies: Mapping[str, ArrayLike]) -> dict[str, Proxy]:
    """Check proxies by name.

    Raises:
        InvalidInputError: fewer than two, or numbers that are not finite.
        DimensionMismatchError: lengths differ.
    """
    if len(proxies) < 2:
        raise InvalidInputError(
            f"choosing needs at least 2 proxies, got {len(proxies)}"
        )
    checked = {
        name: as_scores(proxy, name=f"proxy {name!r}")
        for name, proxy in proxies.items()
    }
    sizes = {name: len(proxy) for name, proxy in checked.items()}
    if len(set(sizes.values())) > 1:
        raise DimensionMismatchError(f"proxies have different lengths: {sizes}")
    return checked


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


def choose_proxy(
    proxies: Mapping[str, Proxy], labels: ChancedLabels, params: EstimateParams
) -> ProxyChoice:
    """Choose the proxy with the smallest expected error.

    ABae's authors compare (sum sqrt(p) * sigma)^2 / (sum p)^2 of the strata; this is
    the same comparison with exhausted strata and the floor: the error if the pilot
    allocated the rest of the budget at once. The session that follows spends
    `pilot_share` of it evenly first, so its error is likely to be larger with any
    proxy. Ties go to the first.

    Args:
        proxies: (n,) each, by name.
        labels: of the pilot.
        params: of the following session; its budget is the rest.
    """
    first = next(iter(proxies))
    drawn, found = len(labels.rows), int(labels.positives.sum())
    if not found:
        return ProxyChoice(
            name=first,
            errors={},
            pilot_labels=drawn,
            reason=(
                f"no positive among {drawn} pilot labels: nothing to compare by, so"
                f" the first proxy, {first!r}, is taken"
            ),
        )
    errors = {
        name: _expected_error(proxy, labels, params) for name, proxy in proxies.items()
    }
    best = min(errors, key=lambda name: errors[name])
    others = ", ".join(
        f"{error:.4g} by {name!r}" for name, error in errors.items() if name != best
    )
    return ProxyChoice(
        name=best,
        errors=errors,
        pilot_labels=drawn,
        reason=(
            f"proxy {best!r} was chosen from {drawn} pilot labels ({found} positive):"
            f" expected standard error {errors[best]:.4g}, against {others}"
        ),
    )


def _expected_error(
    proxy: Proxy, labels: ChancedLabels, params: EstimateParams
) -> float:
    numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
    drawn = numbers[labels.rows]
    strata = int(numbers.max()) + 1
    left = np.bincount(numbers) - np.bincount(drawn, minlength=strata)
    count = labels.count
    seen = weighted_moments(drawn, labels, strata=strata, rate=count / len(proxy))
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
