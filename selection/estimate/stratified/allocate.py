"""Allocation: the number of labels each stratum, or each group's sample, gets."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.selection.estimate.stratified.tally import Moments, PerStratum

Target: TypeAlias = Literal["count", "avg", "sum"]

TargetName: TypeAlias = Literal["count", "avg", "sum", "share", "mean"]
"""What callers may ask for: "share" is a count over all rows, "mean" is "avg"."""

_STATISTICS: dict[TargetName, Target] = {
    "count": "count",
    "share": "count",
    "avg": "avg",
    "mean": "avg",
    "sum": "sum",
}


def statistic_of(target: TargetName) -> Target:
    """What is estimated from labels to answer `target`."""
    return _STATISTICS[target]


Draws: TypeAlias = NDArray[np.int64]
"""Rows to draw from each stratum, (K,)."""
PerPair = NDArray[np.float64]
"""One number per cut and group, (L, G)."""


def spreads(moments: Moments, *, target: Target, sizes: PerStratum) -> PerStratum:
    """Standard deviation (K,) of a sampled row's contribution in each stratum.

    That of I, of I * f, or of I * (f - average). ABae (Kang et al. 2021,
    https://arxiv.org/abs/2107.12525, algorithm 1) has sqrt(p) * sigma for an average,
    which treats the rates as known: where the value correlates with the proxy, it
    undersamples the few positives with low proxies, which are far from the average.
    """
    rates, means = moments.rates, moments.means
    binomial = rates * (1 - rates)
    if target == "count":
        return np.sqrt(binomial)
    if target == "avg":
        found = sizes * rates
        means = means - (found * means).sum() / found.sum()
    return np.sqrt(
        rates * moments.variances + binomial * (means**2 + moments.mean_variances)
    )


def shares(sizes: PerStratum, spread: PerStratum, *, floor: float) -> PerStratum:
    """Share (K,) of a round for each stratum: Neyman's, mixed with a floor.

    Args:
        sizes: (K,) rows of each stratum.
        spread: (K,) from `spreads`. Where all are 0 (a constant value) strata go by
            size, so that a round is always spent.
        floor: share of the round that is split evenly, against unlucky pilots.
    """
    wanted = sizes * spread
    if not wanted.sum():
        wanted = sizes
    return (1 - floor) * wanted / wanted.sum() + floor / len(sizes)


def capped(wanted: PerStratum, *, budget: int, room: Draws, at_least: int = 0) -> Draws:
    """Split `budget` in proportion to `wanted`, no stratum above its room.

    The excess of a full stratum goes to the others in proportion, repeatedly: with
    upper bounds only, this is the exact optimum of sum(wanted^2 / n).
    Rounding is by largest remainder, ties to the lower stratum.

    Args:
        wanted: (K,) at least 0; if all with room are 0 they count as equal.
        budget: rows to draw, at most the sum of `room`.
        room: (K,) rows that are left in each stratum.
        at_least: minimum for every stratum with that much room, if the budget allows
            it for all.

    Returns:
        (K,), summing to `budget`.
    """
    base = np.minimum(room, at_least)
    if base.sum() > budget:
        base = np.zeros_like(room)
    exact = np.maximum(_proportional(wanted, budget=budget, room=room), base)
    # Raising some to the minimum overspends: take it from those above theirs.
    exact -= (exact - base) * _surplus_share(exact, base, budget)
    return _rounded(exact, budget=budget, room=room)


def topped_up(
    wanted: PerStratum, *, before: PerStratum, budget: int, room: Draws
) -> Draws:
    """Draws (K,) that bring all draws, with those before, in proportion to `wanted`.

    A stratum that has more than its part already gets one: this minimises
    sum(wanted^2 / (before + draws)).

    Args:
        wanted: (K,) at least 0.
        before: (K,) earlier draws.
        budget: rows to draw.
        room: (K,) rows that are left in each stratum.
    """
    open_ = wanted > 0
    lacking = np.where(open_, 1.0, 0.0)
    while open_.any():
        level = (budget + before[open_].sum()) / wanted[open_].sum()
        lacking = np.where(open_, level * wanted - before, 0.0)
        if (lacking >= 0).all():
            break
        open_ &= lacking >= 0
    return capped(lacking, budget=budget, room=room, at_least=1)


def split_over_cuts(costs: PerPair) -> NDArray[np.float64]:
    """Share (L,) of the budget for each cut, minimising the largest error of a group.

    Merged by inverse variance, group g has the error 1 / sum_l(x_l / v_lg) with the
    costs v; the least z <= sum_l(x_l / v_lg) over the groups is made as large as it can
    be on the simplex, which is a linear program (the authors' code searches it).

    Args:
        costs: (L, G), at least 0.
    """
    # Groups with zero observed variance do not constrain the split.
    varying = costs[:, (costs > 0).all(axis=0)]
    cuts, groups = varying.shape
    if not groups or cuts == 1:
        return np.full(cuts, 1 / cuts)
    # Imported here: it takes a third of a second, and one proxy needs no program.
    from scipy.optimize import linprog

    # Scaled to about 1, which is what the solver's tolerances are made for.
    gains = varying.min() / varying
    found = linprog(
        np.append(np.zeros(cuts), -1.0),
        A_ub=np.column_stack([-gains.T, np.ones(groups)]),
        b_ub=np.zeros(groups),
        A_eq=np.append(np.ones(cuts), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * (cuts + 1),
        method="highs",
    )
    assert found.success, found.message
    split: NDArray[np.float64] = np.maximum(found.x[:-1], 0)
    return split / split.sum()


def _surplus_share(exact: PerStratum, base: Draws, budget: int) -> float:
    above = (exact - base).sum()
    return float((exact.sum() - budget) / above) if above > 0 else 0.0


def _proportional(wanted: PerStratum, *, budget: int, room: Draws) -> PerStratum:
    draws = np.zeros(len(room))
    open_ = room > 0
    left = float(budget)
    while open_.any() and left > 0:
        part = np.where(open_, wanted, 0.0)
        if not part.sum():
            part = open_.astype(np.float64)
        trial = left * part / part.sum()
        full = open_ & (trial >= room)
        if not full.any():
            return np.where(open_, trial, draws)
        draws[full] = room[full]
        left -= float(room[full].sum())
        open_ &= ~full
    return draws


def _rounded(exact: PerStratum, *, budget: int, room: Draws) -> Draws:
    # A hair above, so that 2.9999999 is the 3 it stands for.
    draws = np.minimum(np.floor(exact + 1e-9).astype(np.int64), room)
    remainders = np.where(draws < room, exact - draws, -np.inf)
    order = np.argsort(-remainders, kind="stable")
    draws[order[: budget - int(draws.sum())]] += 1
    return draws
