"""Coverage-centric selection: random rows, even over strata of difficulty.

Zheng, Liu, Lai and Prakash 2023, Coverage-centric Coreset Selection for High Pruning
Rates, https://arxiv.org/abs/2210.15809.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.checks import require_between, require_count
from gleann.selection.coreset.methods.defaults import HARDEST_SHARE, STRATA
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset


def ccs(
    problem: Problem,
    *,
    hardest_share: float = HARDEST_SHARE,
    strata: int = STRATA,
    seed: int = 0,
) -> Coreset:
    """Drop the hardest rows, cut the rest into strata by cost, draw from each.

    Strata are intervals of cost of equal width. From the smallest to the largest each
    gives the same number of rows, or all it has; the others share the rest. It is meant
    for small k, where the hardest rows alone cover too little.

    Args:
        problem: with costs that are small where a row is hard, as `margin_costs`. The
            paper takes the area under the margin of the true label over training.
        hardest_share: share of the rows with the smallest costs that is dropped first,
            as many are mislabelled; fewer if fewer than k would be left. The paper
            tunes it, up to 0.3 where nine tenths are pruned.
        strata: number of strata.
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: hardest_share, strata or seed out of range.
    """
    require_between("hardest_share", hardest_share, low=0, high=1)
    require_count("strata", strata)
    k = problem.k
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
    """The stratum (n,) of each cost, of `count` equally wide; 0 if all are equal."""
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
    """Number (n,) of earlier entries with the same label."""
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - first
    return ranks
