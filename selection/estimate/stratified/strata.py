"""Cutting rows into strata by proxy; stratum 0 holds the lowest proxies."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError

StratumNos: TypeAlias = NDArray[np.int64]
"""Numbers of strata, 0 for the lowest proxies."""

Proxy: TypeAlias = NDArray[np.float64]
"""A cheap score for each row, higher where the predicate is likelier to hold."""

TOP_ROWS = 50


def equal_size(proxy: Proxy, *, strata: int) -> StratumNos:
    """Cut into strata of equal size, give or take one row.

    This is the cut of ABae (Kang et al. 2021, https://arxiv.org/abs/2108.06313).

    Args:
        proxy: (n,), any finite numbers.
        strata: at most n; where it is more, n strata of one row result.

    Returns:
        (n,) the stratum of each row; equal proxies go by row.
    """
    n = len(proxy)
    ranks = np.empty(n, np.int64)
    ranks[np.argsort(proxy, kind="stable")] = np.arange(n)
    return ranks * min(strata, n) // n


def sqrt_mass(proxy: Proxy, *, strata: int) -> StratumNos:
    """Cut where the running sum of sqrt(proxy) passes equal shares of its total.

    For a calibrated proxy and a rare predicate sqrt(proxy) is the standard deviation
    of the predicate, so every stratum holds about the same share of it; the top ones
    are small and often fully labelled. The idea is that of Dalenius and Hodges
    (1959, Minimum variance stratification). Equal proxies give strata of equal size.

    Args:
        proxy: (n,), at least 0.
        strata: strata to cut; fewer result where one row holds several shares.

    Returns:
        (n,) the stratum of each row; equal proxies go by row.

    Raises:
        InvalidInputError: a proxy below 0.
    """
    if (lowest := proxy.min()) < 0:
        raise InvalidInputError(
            f"strata_cut sqrt_mass needs proxies of at least 0, got {lowest};"
            " equal_size takes any"
        )
    order = np.argsort(proxy, kind="stable")
    mass = np.sqrt(proxy[order])
    if not mass[-1]:
        return equal_size(proxy, strata=strata)
    # The middle of a row's mass decides, so that one huge proxy does not drag the
    # rows before it into the stratum below.
    middles = (np.cumsum(mass) - mass / 2) / mass.sum()
    cuts = np.minimum((middles * strata).astype(np.int64), strata - 1)
    numbers = np.empty(len(proxy), np.int64)
    numbers[order] = np.unique(cuts, return_inverse=True)[1]
    return numbers


def geometric(proxy: Proxy, *, strata: int) -> StratumNos:
    """Cut by rank: the best 50 rows, then strata that grow by one factor.

    For a proxy that ranks well but is no probability: only the order is read. A rare
    predicate fills the small strata at the top, and the rest is still cut. With all
    proxies equal it wastes labels on small strata that are like the others.

    Args:
        proxy: (n,), any finite numbers.
        strata: strata to cut; fewer result where there are few rows.

    Returns:
        (n,) the stratum of each row; equal proxies go by row.
    """
    n = len(proxy)
    if strata == 1:
        return np.zeros(n, np.int64)
    edges = np.geomspace(min(TOP_ROWS, max(1, n / strata)), n, strata)
    best_first = np.argsort(proxy, kind="stable")[::-1]
    numbers = np.empty(n, np.int64)
    # geomspace may end a hair below n.
    numbers[best_first] = np.searchsorted(edges[:-1], np.arange(n), side="right")
    dense: StratumNos = np.unique(-numbers, return_inverse=True)[1]
    return dense


STRATA_CUTS: dict[str, Callable[..., StratumNos]] = {
    "equal_size": equal_size,
    "sqrt_mass": sqrt_mass,
    "geometric": geometric,
}
"""The cuts by name."""


def drawing_order(stratum_nos: StratumNos, *, seed: int) -> Rows:
    """All rows by stratum, in random order within each.

    Reading a stratum's rows from its start draws without replacement, and any draw can
    be repeated from the seed.
    """
    shuffled = np.random.default_rng(seed).permutation(len(stratum_nos))
    return shuffled[np.argsort(stratum_nos[shuffled], kind="stable")]


def next_rows(
    order: Rows,
    sizes: NDArray[np.int64],
    draws: NDArray[np.int64],
    *,
    after: NDArray[np.int64],
) -> Rows:
    """The next `draws` (K,) rows past the first `after` (K,) of each stratum.

    Args:
        order: rows by stratum, from `drawing_order`.
        sizes: (K,) rows of each stratum.
        draws: (K,) number of rows to read.
        after: (K,) rows already read.
    """
    firsts = np.cumsum(sizes) - sizes + after
    return np.concatenate(
        [
            order[first : first + count]
            for first, count in zip(firsts, draws, strict=True)
        ]
    )
