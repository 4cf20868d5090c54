"""Coverage-centric selection: random rows, spread evenly over how hard they are.

Zheng, Liu, Lai and Prakash 2023, Coverage-centric Coreset Selection for High Pruning
Rates, https://arxiv.org/abs/2210.15809.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.selection.checks import require_between, require_count
from gleann.selection.coreset.problem import CostOn, as_problem
from gleann.selection.coreset.result import Coreset


def ccs(  # noqa: PLR0913 (the common arguments, and three of its own)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    hardest_share: float = 0.1,
    strata: int = 50,
    seed: int = 0,
    device: str | None = None,
) -> Coreset:
    """Drop the hardest rows, cut the rest into strata by cost, draw from each.

    Strata are equal stretches of cost. From the smallest to the largest each gives the
    same number of rows, or all it has, whose part the others then share. It is meant
    for small k, where taking the hardest rows alone covers too little.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        costs: (n,) at least 0, small where a row is hard, as `margin_costs`. The paper
            takes the area under the margin of the true label over training.
        cost_weight: lambda of the objective, for comparison.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already, never chosen.
        hardest_share: share of the rows with the smallest costs that is dropped first,
            as many are mislabelled; fewer where fewer than k would be left. The paper
            tunes it, up to 0.3 where nine tenths are pruned.
        strata: how many.
        seed: the only source of randomness.
        device: as `farthest_first`.

    Raises:
        InvalidInputError: vectors, costs or locked rows that cannot be used.
        InvalidParamsError: k, hardest_share or strata out of range.
    """
    require_between("hardest_share", hardest_share, low=0, high=1)
    require_count("strata", strata)
    problem = as_problem(
        vectors,
        k=k,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        device=device,
    )
    order = problem.by_cost()
    dropped = min(int(hardest_share * len(order)), len(order) - k)
    require_count("seed", seed, at_least=0)
    open_rows = np.random.default_rng(seed).permutation(order[dropped:])
    stratum = _strata(problem.costs[open_rows], strata)
    # Of those with a row only, however many there are: an empty one gives nothing.
    _, place, sizes = np.unique(stratum, return_inverse=True, return_counts=True)
    taken = _ranks(stratum) < _quotas(sizes, k)[place]
    rows = open_rows[taken]
    return problem.finished(
        problem.measure(rows, method="ccs"),
        seed=seed,
        params={"hardest_share": hardest_share, "strata": strata},
        why={"stratum": stratum[taken]},
    )


def _strata(costs: NDArray[np.float64], count: int) -> Rows:
    """Which of `count` equal stretches each cost lies in; 0 where all are equal."""
    low, width = costs.min(), np.ptp(costs)
    if not width:
        return np.zeros(len(costs), np.int64)
    places = ((costs - low) / width * count).astype(np.int64)
    return np.minimum(places, count - 1)


def _quotas(sizes: Rows, k: int) -> Rows:
    """Rows from each stratum, k in all (sum(sizes) >= k), as even as sizes allow."""
    quotas = np.zeros(len(sizes), np.int64)
    left = k
    for done, stratum in enumerate(np.argsort(sizes, kind="stable")):
        quotas[stratum] = min(sizes[stratum], left // (len(sizes) - done))
        left -= quotas[stratum]
    return quotas


def _ranks(labels: Rows) -> Rows:
    """How many of the same label come before each."""
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - first
    return ranks
