"""Which of several proxies to estimate by: a pilot that all of them can be judged from.

The pilot is drawn with known chances that are even over the strata of every proxy at
once, so no proxy is judged by a sample that another one drew. Its labels are then known
rows: they are counted exactly, and the estimate is over the others. So the choice, which
looks at labels, cannot bias what follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.checks import as_scores
from gleann.selection.estimate.estimators import Design, next_draws, row_factor
from gleann.selection.estimate.intervals import row_variances
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.strata import STRATA_CUTS, Proxy
from gleann.selection.estimate.tally import Tally, moments, tally

Chances = NDArray[np.float64]
"""Chance of each row to be in the pilot, (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyChoice:
    """Which proxy was chosen, and why.

    Attributes:
        name: of the proxy.
        errors: standard error that the rest of the budget is expected to reach, by
            proxy; of the estimate's own unit. Empty where no positive was drawn.
        pilot_labels: labels that the choice rests on.
        reason: in a sentence.
    """

    name: str
    errors: dict[str, float]
    pilot_labels: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PilotLabels:
    """A labelled pilot.

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
    """Chances (n,) that sum to `pilot` and are even over the strata of all proxies."""
    chances = np.zeros(len(next(iter(proxies.values()))))
    for proxy in proxies.values():
        numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
        sizes = np.bincount(numbers)
        chances += 1 / (len(sizes) * sizes[numbers])
    return _capped_at_one(chances, total=pilot)


def draw_pilot(chances: Chances, *, rng: np.random.Generator) -> Rows:
    """Draw as many distinct rows as `chances` sum to, each with its chance.

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
    proxies: Mapping[str, Proxy], labels: PilotLabels, params: EstimateParams
) -> ProxyChoice:
    """Choose the proxy by which the budget is expected to leave the smallest error.

    ABae's authors compare (sum sqrt(p) * sigma)^2 / (sum p)^2 of the strata; this is
    the same comparison by the allocation that would be made, exhausted strata, floor
    and all. Ties go to the first.

    Args:
        proxies: (n,) each, by name.
        labels: the pilot's.
        params: of the estimate to come; its budget is what is left.
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
    proxy: Proxy, labels: PilotLabels, params: EstimateParams
) -> float:
    numbers = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
    drawn = numbers[labels.rows]
    strata = int(numbers.max()) + 1
    left = np.bincount(numbers) - np.bincount(drawn, minlength=strata)
    count = (labels.positives / labels.chances).sum()
    weighted = _weighted_tally(drawn, labels, strata=strata)
    # Jeffreys' half positive a stratum would drown a rare predicate and make all proxies
    # alike: here a stratum is shrunk by one row to the rate of all.
    rate = count / len(proxy)
    seen = replace(
        moments(weighted),
        rates=(weighted.positives + rate) / (weighted.labelled + 1),
    )
    design = Design(
        sizes=left.astype(np.float64),
        proxy_means=np.bincount(numbers, weights=proxy) / np.bincount(numbers),
        round_budgets=(params.budget,),
        target=params.target,
        floor=params.floor,
    )
    draws = next_draws(
        design, seen, labelled=np.zeros_like(left), budget=params.budget
    )
    average = (labels.values / labels.chances).sum() / count
    of_a_row = row_variances(seen, target=params.target, average=average)
    variance = (row_factor(draws.astype(np.float64), design.sizes) * of_a_row).sum()
    scale = count if params.target == "avg" else 1.0
    return float(np.sqrt(variance) / scale)


def _weighted_tally(
    drawn: NDArray[np.int64], labels: PilotLabels, *, strata: int
) -> Tally:
    """Tally as if each stratum were drawn evenly: weights average 1 in each."""
    raw = 1 / labels.chances
    labelled = np.bincount(drawn, minlength=strata)
    sums = np.bincount(drawn, weights=raw, minlength=strata)
    weights = raw * (labelled / np.where(sums > 0, sums, 1))[drawn]
    plain = tally(drawn, labels.positives, labels.values, strata=strata)

    def added(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(drawn, weights=weights * numbers, minlength=strata)

    return Tally(
        labelled=plain.labelled,
        positives=added(labels.positives.astype(np.float64)),
        sums=added(labels.values),
        squares=added(labels.values**2),
    )


def _capped_at_one(chances: Chances, *, total: int) -> Chances:
    """Scale to `total`; what passes 1 is certain and leaves its rest to the others."""
    certain = np.zeros(len(chances), np.bool_)
    while True:
        rest = np.where(certain, 0.0, chances)
        scaled = rest * ((total - certain.sum()) / max(rest.sum(), 1e-300))
        over = scaled > 1
        if not over.any():
            return np.where(certain, 1.0, scaled)
        certain |= over
