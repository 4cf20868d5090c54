"""Weighted k-center: cheap rows that cover all others.

The problem is that of Ramalingam, Awasthi and Kumar (2023), A Weighted K-Center
Algorithm for Data Subset Selection, https://arxiv.org/abs/2312.10602. The algorithm is
our reconstruction with its own proof (`selection/DEPARTURES.md`).
"""

from dataclasses import replace

import numpy as np

from gleann.index.arrays import Rows
from gleann.selection.checks import require_between
from gleann.selection.coreset.distance.walk import Walk
from gleann.selection.coreset.methods.certificate import (
    Guess,
    floored,
    lower_bound,
    ratio_of,
)
from gleann.selection.coreset.methods.defaults import RADIUS_STEP
from gleann.selection.coreset.methods.farthest_first import filled, walked
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback

GUESSES_MEASURED = 3
SMALLEST_EPS = 1e-3


def weighted_k_center(
    problem: Problem,
    *,
    eps: float = RADIUS_STEP,
    progress: ProgressCallback | None = None,
) -> Coreset:
    """Choose k rows with F = radius + cost_weight * sum(costs) near the least.

    F is at most 3 * (1 + eps) times the best; the answer's `ratio` bounds it on these
    data, usually by far less. One farthest-first traversal serves all radius guesses.
    The answer is the best among the sets of the guesses, the cheapest rows (margin
    sampling), the traversal itself (farthest-first) and a greedy set. Ties go to the
    lower row. O(n * d * k).

    Args:
        problem: with costs and a cost_weight: at 0 this is k-center, when huge it is
            margin sampling.
        eps: relative step between the radius guesses.
        progress: called during the traversals.

    Raises:
        InvalidParamsError: eps out of range.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    best = _solved(problem, eps=eps, progress=progress)
    return problem.finished(best, method="weighted_k_center", params={"eps": eps})


def _solved(
    problem: Problem, *, eps: float, progress: ProgressCallback | None
) -> Coreset:
    k, by_cost = problem.k, problem.by_cost()
    first = int(by_cost[0])
    cheapest = problem.measure(by_cost[:k], method="margin")
    walk = Walk(problem.points, problem.locked, progress=progress)
    search = _Search(problem, by_cost, walk)
    guesses = search.guesses(top=cheapest.radius, step=1 + eps, first=first)
    spread = filled(problem, walk, by_cost)
    best = min(
        [
            cheapest,
            *measured(problem, guesses),
            walked(problem, walk, spread, method="farthest_first"),
            _greedy(problem, first=first, progress=progress),
        ],
        key=lambda coreset: coreset.objective,
    )
    bound = lower_bound(
        guesses,
        cost_weight=problem.cost_weight,
        cheapest_radius=cheapest.radius,
        cheapest_cost=cheapest.cost,
    )
    return replace(best, lower_bound=bound, ratio=ratio_of(best.objective, bound))


class _Search:
    """One traversal, which stops at the prefix of each guess to form its set."""

    def __init__(self, problem: Problem, by_cost: Rows, walk: Walk) -> None:
        self._problem = problem
        self._by_cost = by_cost
        self._walk = walk
        self._ranks: Rows = np.full(len(problem.vectors), len(by_cost), np.int64)
        self._ranks[by_cost] = np.arange(len(by_cost))

    def guesses(self, *, top: float, step: float, first: int) -> list[Guess]:
        """Guesses top, top / step, ... down to the least possible radius."""
        walk, k = self._walk, self._problem.k
        found: list[Guess] = []
        radius = top
        if not len(self._problem.locked):
            walk.pick(first)
        while radius > 0:
            walk.advance(until=k, floor=2 * radius)
            if not 0 < walk.reach <= 2 * radius:
                break
            found.append(self._guess(radius, low=radius / step))
            radius /= step
        walk.advance(until=k, floor=0.0)
        if walk.reach > 0:
            # k + 1 rows lie pairwise this far apart: k centres need half of it.
            return floored(found, walk.reach / 2)
        # The last pick was this far from all before it, and no two distinct rows are
        # nearer to each other: between 0 and that there is no radius at all.
        last = walk.insertions[-1] if walk.insertions else 0.0
        return [*floored(found, last), self._guess(0.0, low=0.0)]

    def _guess(self, radius: float, *, low: float) -> Guess:
        walk, k = self._walk, self._problem.k
        distances = walk.distances
        inside = (walk.nearest >= 0) & (distances <= radius)
        ranks = np.full(len(walk.picked), len(self._by_cost), np.int64)
        np.minimum.at(ranks, walk.nearest[inside], self._ranks[inside])
        cheapest = self._by_cost[ranks]
        rest = np.setdiff1d(np.arange(k), ranks)[: k - len(ranks)]
        rows = np.concatenate([cheapest, self._by_cost[rest]])
        # A row is as far from the new centre as from its seed, plus the seed's move;
        # one that a locked row covers (nearest -1) stays as it is.
        moves = np.append(distances[cheapest], 0.0)
        return Guess(
            radius=radius,
            low=low,
            rows=rows,
            cost=float(self._problem.costs[rows].sum()),
            bound=float((distances + moves[walk.nearest]).max()),
        )


def measured(problem: Problem, guesses: list[Guess]) -> list[Coreset]:
    """The measured sets of the guesses with the least upper bounds.

    Measuring costs O(n * d * k) per set, so only a few are measured. The guarantee
    holds: the guess next above the best radius has a bound within it.
    """
    by_bound = sorted(
        guesses, key=lambda guess: guess.bound + problem.cost_weight * guess.cost
    )
    return [
        problem.measure(
            guess.rows, method="weighted_k_center", radius_guess=guess.radius
        )
        for guess in by_bound[:GUESSES_MEASURED]
    ]


def _greedy(
    problem: Problem, *, first: int, progress: ProgressCallback | None
) -> Coreset:
    """Pick k times the row with the largest distance to the chosen minus its price."""
    prices = problem.cost_weight * problem.costs
    walk = Walk(problem.points, problem.locked, prices=prices, progress=progress)
    if not len(problem.locked):
        walk.pick(first)
    walk.advance(until=problem.k, floor=-np.inf)
    return walked(problem, walk, np.asarray(walk.picked, np.int64), method="greedy")
