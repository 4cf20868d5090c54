"""Farthest-first traversal: at each step the row farthest from all before it.

Gonzalez 1985, Clustering to minimize the maximum intercluster distance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import Progress
from gleann.index.arrays import Distances, Rows
from gleann.selection.coreset.cover import Coreset, Problem, as_problem
from gleann.selection.coreset.distance import Space
from gleann.selection.pool import ProgressCallback

REPORT_EVERY = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traversal:
    """Rows in the order of a farthest-first traversal.

    Attributes:
        rows: int64 (k,).
        insertion_distances: float32 (k,), of each row to those before it when it was
            picked; never ascending. The first is inf where nothing was covered.
        nearest: int64 (n,), position in `rows` of each row's nearest one, the earlier
            of equals; -1 where a covered row is as near.
        distances: float32 (n,), to it.
    """

    rows: Rows
    insertion_distances: Distances
    nearest: Rows
    distances: Distances


class Walk:
    """A traversal under way: who is nearest to whom so far.

    Args:
        space: the rows.
        covered: rows that are centres from the start.
    """

    __slots__ = ("_space", "distances", "nearest", "picked")

    def __init__(self, space: Space, covered: Rows) -> None:
        self._space = space
        self.picked: list[int] = []
        self.nearest: Rows = np.full(len(space), -1, np.int64)
        self.distances: Distances = np.full(len(space), np.inf, np.float32)
        if len(covered):
            self.distances = space.nearest_of(covered)[1]

    def farthest(self) -> int:
        """The row farthest from all centres; the lower of equals."""
        return int(self.distances.argmax())

    def pick(self, row: int) -> None:
        """Make `row` a centre."""
        to_row = self._space.distances_to(row)
        closer = to_row < self.distances
        self.nearest[closer] = len(self.picked)
        np.minimum(self.distances, to_row, out=self.distances)
        self.picked.append(row)


def steps(walk: Walk, *, k: int, first: int | None) -> Iterator[float]:
    """Walk `k` picks, yielding the insertion distance of each before it is made.

    Ends early when every row coincides with a centre: there is no farther row then.

    Args:
        walk: where to go on.
        k: picks to make.
        first: the first pick where nothing is covered; None where something is.
    """
    for number in range(k):
        fresh = first is not None and not number
        row = first if first is not None and fresh else walk.farthest()
        distance = float(walk.distances[row])
        if not distance:
            return
        yield distance
        walk.pick(row)


def farthest_first(
    vectors: ArrayLike,
    *,
    k: int,
    covered: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Traversal:
    """Pick `k` rows by farthest-first traversal, O(n * d) a pick.

    The radius max(distances) is at most twice the best that k rows can reach.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant.
        k: rows to pick, at most n - 1 and at most the rows not covered.
        covered: rows that are centres already, such as the labelled ones; never
            picked. Without any, the first pick is drawn from the seed.
        seed: the only source of randomness.
        progress: called every 64 picks.

    Raises:
        InvalidInputError: vectors or rows that cannot be used.
        InvalidParamsError: k out of range.
    """
    problem = as_problem(vectors, k=k, locked=covered)
    first = int(np.random.default_rng(seed).integers(len(problem.space)))
    return traverse(problem, first=first, progress=progress)


def k_center(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    locked: ArrayLike | None = None,
    seed: int = 0,
) -> Coreset:
    """`farthest_first` as a `Coreset`: a radius at most twice the best.

    With `locked` the labelled rows this is the greedy step of Sener & Savarese (2018),
    https://arxiv.org/abs/1708.00489, without their integer program.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant.
        k: rows to choose.
        costs: (n,), only added up for comparison; None for none.
        cost_weight: lambda of the objective, for comparison.
        locked: rows that are centres already.
        seed: draws the first pick where nothing is locked.
    """
    problem = as_problem(
        vectors, k=k, costs=costs, cost_weight=cost_weight, locked=locked
    )
    first = int(np.random.default_rng(seed).integers(len(problem.space)))
    rows = traverse(problem, first=first).rows
    return problem.measure(rows, method="k_center")


def traverse(
    problem: Problem, *, first: int, progress: ProgressCallback | None = None
) -> Traversal:
    """`problem.k` picks; where too few rows are distinct, duplicates fill up by row."""
    k = problem.k
    walk = Walk(problem.space, problem.locked)
    start = None if len(problem.locked) else first
    insertions = np.zeros(k, np.float32)
    for number, distance in enumerate(steps(walk, k=k, first=start)):
        insertions[number] = distance
        if progress is not None and number % REPORT_EVERY == 0:
            progress(Progress(phase="traverse", done=number, total=k))
    taken = np.concatenate([np.asarray(walk.picked, np.int64), problem.locked])
    spare = np.setdiff1d(np.arange(len(problem.space)), taken)
    rows = np.concatenate([walk.picked, spare[: k - len(walk.picked)]])
    return Traversal(
        rows=rows.astype(np.int64),
        insertion_distances=insertions,
        nearest=walk.nearest,
        distances=walk.distances,
    )
