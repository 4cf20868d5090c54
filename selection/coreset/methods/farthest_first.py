"""Farthest-first traversal: at each step the row farthest from all before it.

Gonzalez 1985, Clustering to minimize the maximum intercluster distance.
"""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Distances, Ids, Rows
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.checks import require_count
from gleann.selection.coreset.distance.walk import Walk
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traversal(Tabular):
    """Rows in the order of a farthest-first traversal.

    Attributes:
        rows: int64 (k,).
        insertion_distances: float32 (k,), of each row to those before it when it was
            picked; never ascending. The first is inf where nothing was covered.
        nearest: int64 (n,), position in `rows` of each row's nearest one, the earlier
            of equals; -1 where a covered row is as near, and for rows that were not to
            be looked at.
        distances: float32 (n,), to it; NaN for rows that were not to be looked at.
        ids: (k,) the caller's ids of `rows`; None where none were given.
    """

    rows: Rows
    insertion_distances: Distances
    nearest: Rows
    distances: Distances
    ids: Ids | None = None

    def table(self) -> Table:
        """One line per picked row, in the order they were picked."""
        return Table(
            columns={
                **({} if self.ids is None else {"id": self.ids}),
                "rank": np.arange(len(self.rows)),
                "row": self.rows,
                "insertion_distance": self.insertion_distances,
            }
        )


def farthest_first(
    problem: Problem, *, seed: int = 0, progress: ProgressCallback | None = None
) -> Coreset:
    """Choose k rows by farthest-first traversal: a radius at most twice the best.

    With the labelled rows locked this is the greedy step of Sener & Savarese (2018),
    https://arxiv.org/abs/1708.00489, without their integer program. O(n * d) per pick;
    the picks are those of the plain algorithm on the distances of
    `distance.contract.squared_l2`, ties by lower row, on any machine and any number of
    threads.

    Args:
        problem: its costs are only added up.
        seed: draws the first pick if nothing is locked.
        progress: called before each batch of picks, at most 256.

    Raises:
        InvalidParamsError: a seed below 0.
    """
    walk = traverse(problem, first=first_of(problem, seed), progress=progress)
    found = walked(problem, walk, filled(problem, walk), method="farthest_first")
    return problem.finished(found, seed=seed)


def traversal(
    problem: Problem, *, seed: int = 0, progress: ProgressCallback | None = None
) -> Traversal:
    """`farthest_first`, with the distance at which each row was picked."""
    walk = traverse(problem, first=first_of(problem, seed), progress=progress)
    insertions = np.zeros(problem.k, np.float32)
    insertions[: len(walk.insertions)] = walk.insertions
    found = walked(problem, walk, filled(problem, walk), method="farthest_first")
    nearest = walk.nearest
    if problem.among is not None:
        found = replace(found, nearest=nearest).placed(problem.among)
        nearest = found.nearest
    return Traversal(
        rows=found.rows,
        insertion_distances=insertions,
        nearest=nearest,
        distances=found.distances,
        ids=None if problem.names is None else problem.names.ids_of(found.rows),
    )


def first_of(problem: Problem, seed: int) -> int:
    """The first pick where nothing is covered.

    Raises:
        InvalidParamsError: a seed below 0.
    """
    require_count("seed", seed, at_least=0)
    return int(np.random.default_rng(seed).integers(len(problem.vectors)))


def traverse(
    problem: Problem, *, first: int, progress: ProgressCallback | None = None
) -> Walk:
    """Up to `problem.k` picks; fewer where fewer rows are distinct."""
    walk = Walk(problem.points, problem.locked, progress=progress)
    if not len(problem.locked):
        walk.pick(first)
    walk.advance(until=problem.k, floor=0.0)
    return walk


def filled(problem: Problem, walk: Walk, order: Rows | None = None) -> Rows:
    """The picks of `walk`, filled up to k with open rows in `order`, by row if None."""
    picked = np.asarray(walk.picked, np.int64)
    every = np.arange(len(problem.vectors)) if order is None else order
    taken = np.concatenate([picked, problem.locked])
    spare = every[~np.isin(every, taken)]
    return np.concatenate([picked, spare[: problem.k - len(picked)]])


def walked(problem: Problem, walk: Walk, rows: Rows, *, method: str) -> Coreset:
    """What `rows` achieve, the picks of `walk` first, without measuring again.

    Args:
        problem: what is chosen from.
        walk: has made all its picks.
        rows: (k,); those after the picks coincide with a centre.
        method: what the answer calls itself.
    """
    distances = walk.distances.astype(np.float32)
    return problem.achieved(rows, walk.nearest, distances, method=method)
