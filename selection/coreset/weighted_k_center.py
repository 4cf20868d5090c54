"""Weighted k-center: rows that cover all others and are themselves cheap.

The problem is that of Ramalingam, Awasthi and Kumar (2023), A Weighted K-Center
Algorithm for Data Subset Selection, https://arxiv.org/abs/2312.10602. The algorithm is
our reconstruction with its own proof (`selection/DEPARTURES.md`).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.selection.checks import require_between
from gleann.selection.coreset.certificate import Guess, lower_bound, ratio_of
from gleann.selection.coreset.cover import Coreset, Problem, as_problem
from gleann.selection.coreset.farthest_first import REPORT_EVERY, Walk
from gleann.selection.pool import ProgressCallback

GUESSES_MEASURED = 3
SMALLEST_EPS = 1e-3


def weighted_k_center(  # noqa: PLR0913 (one more than six, all of them the problem)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    cost_weight: float,
    locked: ArrayLike | None = None,
    eps: float = 0.1,
    progress: ProgressCallback | None = None,
) -> Coreset:
    """Choose `k` rows with F = radius + cost_weight * sum(costs) near the least.

    F is at most 3 * (1 + eps) times the best; the answer's `ratio` says how much at
    most it is on these very data, usually far less. One farthest-first traversal
    serves all radius guesses. The answer is the best among the guesses' sets, the
    cheapest rows (margin sampling), the traversal itself (k-center) and a greedy set.
    Equals go to the lower row. Cost O(n * d * k).

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant
            (`metric_vectors` sees to it). Squared L2 or 1 - cos would break the bound.
        k: rows to choose.
        costs: (n,) at least 0, small where choosing pays, as `margin_costs`.
        cost_weight: lambda on the sum of costs; divide by k to weigh their mean. At 0
            this is k-center; when huge, margin sampling.
        locked: rows that are centres already, such as labelled ones; never chosen.
        eps: step of the radius guesses.
        progress: called as the work goes on.

    Raises:
        InvalidInputError: vectors, costs or locked rows that cannot be used.
        InvalidParamsError: k, cost_weight or eps out of range.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    problem = as_problem(
        vectors, k=k, costs=costs, cost_weight=cost_weight, locked=locked
    )
    by_cost = problem.by_cost()
    cheapest = problem.measure(by_cost[:k], method="margin")
    first = int(by_cost[0])
    walk = Walk(problem.space, problem.locked)
    search = _Search(problem, by_cost, walk, progress)
    guesses = search.guesses(top=cheapest.radius, step=1 + eps, first=first)
    sets = [cheapest, *_measured(problem, guesses)]
    sets.append(problem.measure(_filled(walk, by_cost, k), method="k_center"))
    sets.append(problem.measure(_greedy(problem, first), method="greedy"))
    best = min(sets, key=lambda coreset: coreset.objective)
    bound = lower_bound(
        guesses,
        cost_weight=cost_weight,
        cheapest_radius=cheapest.radius,
        cheapest_cost=cheapest.cost,
    )
    return replace(best, lower_bound=bound, ratio=ratio_of(best.objective, bound))


class _Search:
    """One traversal, stopping to form each guess's set at the prefix it belongs to."""

    def __init__(
        self,
        problem: Problem,
        by_cost: Rows,
        walk: Walk,
        progress: ProgressCallback | None,
    ) -> None:
        self._problem = problem
        self._by_cost = by_cost
        self._walk = walk
        self._progress = progress
        self._ranks: Rows = np.full(len(problem.space), len(by_cost), np.int64)
        self._ranks[by_cost] = np.arange(len(by_cost))

    def guesses(self, *, top: float, step: float, first: int) -> list[Guess]:
        """Guesses top, top / step, ... down to the least possible radius."""
        found: list[Guess] = []
        radius = top
        for reach in self._reaches(first):
            while radius > 0 and 0 < reach <= 2 * radius:
                found.append(self._guess(radius, low=radius / step))
                radius /= step
        reach = float(self._walk.distances.max())
        if reach > 0:
            # k + 1 rows lie pairwise `reach` apart: k centres need half of it.
            return _floored(found, reach / 2)
        # The last pick was this far from all before it, and no two distinct rows are
        # nearer to each other: between 0 and that there is no radius at all.
        return [*_floored(found, self._last), self._guess(0.0, low=0.0)]

    def _reaches(self, first: int) -> Iterator[float]:
        """Radius of the prefix of 0, 1, ... k seeds, while the walk stands there."""
        walk, k = self._walk, self._problem.k
        self._last = 0.0
        row = walk.farthest() if len(self._problem.locked) else first
        while (reach := float(walk.distances.max())) > 0:
            yield reach
            if len(walk.picked) == k:
                return
            self._last = reach
            self._report(len(walk.picked))
            walk.pick(row)
            row = walk.farthest()

    def _guess(self, radius: float, *, low: float) -> Guess:
        walk, k = self._walk, self._problem.k
        inside = (walk.nearest >= 0) & (walk.distances <= radius)
        ranks = np.full(len(walk.picked), len(self._by_cost), np.int64)
        np.minimum.at(ranks, walk.nearest[inside], self._ranks[inside])
        cheapest = self._by_cost[ranks]
        rest = np.setdiff1d(np.arange(k), ranks)[: k - len(ranks)]
        rows = np.concatenate([cheapest, self._by_cost[rest]])
        # A row is as far from the new centre as from its seed, plus the seed's move;
        # one that a locked row covers (nearest -1) stays as it is.
        moves = np.append(walk.distances[cheapest], np.float32(0))
        return Guess(
            radius=radius,
            low=low,
            rows=rows,
            cost=float(self._problem.costs[rows].sum()),
            bound=float((walk.distances + moves[walk.nearest]).max()),
        )

    def _report(self, done: int) -> None:
        if self._progress is not None and done % REPORT_EVERY == 0:
            self._progress(Progress(phase="traverse", done=done, total=self._problem.k))


def _floored(guesses: list[Guess], least: float) -> list[Guess]:
    """`guesses` with no stretch reaching below the `least` radius there can be."""
    return [
        replace(guess, low=max(guess.low, min(least, guess.radius)))
        for guess in guesses
    ]


def _measured(problem: Problem, guesses: list[Guess]) -> list[Coreset]:
    """The sets of the guesses with the least upper bounds.

    Measuring costs O(n * d * k) a set, so only these few are. The guarantee is kept:
    the guess next above the best radius has a bound within it.
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


def _filled(walk: Walk, by_cost: Rows, k: int) -> Rows:
    """The traversal, filled up by cost where fewer than k rows are distinct."""
    picked = np.asarray(walk.picked, np.int64)
    spare = by_cost[~np.isin(by_cost, picked)]
    return np.concatenate([picked, spare[: k - len(picked)]])


def _greedy(problem: Problem, first: int) -> Rows:
    """Repeat: the row with the largest distance to the chosen, minus its price."""
    walk = Walk(problem.space, problem.locked)
    prices = (problem.cost_weight * problem.costs).astype(np.float64)
    prices[problem.locked] = np.inf
    if not len(problem.locked):
        walk.pick(first)
        prices[first] = np.inf
    while len(walk.picked) < problem.k:
        row = int((walk.distances - prices).argmax())
        walk.pick(row)
        prices[row] = np.inf
    return np.asarray(walk.picked, np.int64)
