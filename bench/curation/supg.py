"""SUPG as published, whose intervals are normal approximations.

Kang et al. 2020, Approximate Selection with Guarantees using Proxies,
https://arxiv.org/abs/2004.00827, algorithms 4 and 5 (importance sampling).
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows

Numbers = NDArray[np.float64]

STEP = 100
"""Labels from one candidate threshold to the next of the precision target."""


def supg_recall(
    proxy: Numbers, held: Mask, *, target: float, alpha: float, budget: int, seed: int
) -> Rows:
    """The rows of a set with `target` of the positives, with confidence 1 - alpha."""
    rng = np.random.default_rng(seed)
    drawn, weights = _draw(proxy, np.arange(len(proxy)), budget, rng)
    order = np.argsort(-proxy[drawn], kind="stable")
    drawn, weights = drawn[order], weights[order]
    mass = held[drawn] * weights
    if not mass.sum():
        return np.arange(len(proxy))
    reached = np.searchsorted(np.cumsum(mass), target * mass.sum() * (1 - 1e-12))
    above = np.arange(budget) <= reached
    upper = _mean_bound(mass * above, alpha / 2, side=1)
    lower = max(_mean_bound(mass * ~above, alpha / 2, side=-1), 0.0)
    corrected = upper / (upper + lower) if upper + lower > 0 else 1.0
    last = np.searchsorted(np.cumsum(mass), corrected * mass.sum() * (1 - 1e-12))
    threshold = proxy[drawn[min(last, budget - 1)]]
    return np.union1d(np.flatnonzero(proxy >= threshold), drawn[held[drawn]])


def supg_precision(
    proxy: Numbers, held: Mask, *, target: float, alpha: float, budget: int, seed: int
) -> Rows:
    """The rows of a set, `target` of which are positive, with confidence 1 - alpha."""
    rng = np.random.default_rng(seed)
    half = budget // 2
    first, weights = _draw(proxy, np.arange(len(proxy)), half, rng)
    most = len(proxy) * _mean_bound(held[first] * weights, alpha / 2, side=1)
    top = np.argsort(-proxy, kind="stable")[: max(int(most / target), 1)]
    second, weights = _draw(proxy, top, half, rng)
    order = np.argsort(-proxy[second], kind="stable")
    second, weights = second[order], weights[order]
    candidates = range(STEP, half + 1, STEP) if half >= STEP else [half]
    level = alpha / (2 * len(candidates))
    threshold = np.inf
    for count in candidates:
        hits, mass = held[second[:count]], weights[:count]
        if _ratio_bound(hits, mass, level) >= target:
            threshold = proxy[second[count - 1]]
    found = np.concatenate([first[held[first]], second[held[second]]])
    return np.union1d(np.flatnonzero(proxy >= threshold), found)


def _draw(
    proxy: Numbers, rows: Rows, count: int, rng: np.random.Generator
) -> tuple[Rows, Numbers]:
    """Rows drawn with replacement, and what each stands for in a mean over `rows`."""
    roots = np.sqrt(proxy[rows])
    uniform = np.full(len(rows), 1 / len(rows))
    chances = 0.9 * roots / roots.sum() + 0.1 * uniform if roots.sum() else uniform
    places = rng.choice(len(rows), count, p=chances)
    return rows[places], 1 / (len(rows) * chances[places])


def _mean_bound(values: Numbers, alpha: float, *, side: int) -> float:
    wide = np.sqrt(2 * np.log(1 / alpha)) * values.std() / np.sqrt(len(values))
    return float(values.mean() + side * wide)


def _ratio_bound(hits: Mask, weights: Numbers, alpha: float) -> float:
    """Lower bound of a weighted share, by its normal approximation."""
    share = float((hits * weights).sum() / weights.sum())
    residual = weights * (hits - share) / weights.mean()
    wide = np.sqrt(2 * np.log(1 / alpha)) * residual.std() / np.sqrt(len(hits))
    return share - float(wide)
