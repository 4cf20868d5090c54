"""A population of which several means and shares are estimated."""

import numpy as np

from gleann.selection.estimate.means import (
    MeansParams,
    Statistic,
)

STATISTICS = (
    Statistic(name="length"),
    Statistic(name="good", kind="share"),
    Statistic(name="price", kind="avg"),
)


def population(n=3000, *, seed=0):
    """Values (n, 3), controls and groups."""
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.5, 1.5, n)
    lists = rng.integers(12, size=n)
    good = rng.random(n) < proxy
    length = 40 + 25 * proxy + 6 * (lists % 3) + rng.normal(0, 2, n)
    price = np.where(good, 10 + rng.normal(0, 3, n), np.nan)
    values = np.column_stack([length, good, price])
    return values, {"proxy": proxy}, {"list": lists}


def params(budget=400, **more):
    return MeansParams(
        statistics=STATISTICS, budget=budget, stratify_by="proxy", **more
    )


def truths(values):
    return np.nanmean(values, axis=0)
