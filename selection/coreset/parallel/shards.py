"""The tasks of one shard of parallel weighted k-center, round by round.

Every function takes one value and returns one, and both can be sent to another process:
arrays and numbers only. Rows are numbered as in the whole matrix.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.walk import Walk


class Source(Protocol):
    """Where the vectors of a shard are: read by its tasks, on their worker."""

    def read(self) -> Vectors:
        """Float32 (m, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Vectors (m, d) that a task carries."""

    vectors: Vectors

    def read(self) -> Vectors:
        """See `Source`."""
        return self.vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """A part of the rows.

    Attributes:
        rows: int64 (m,), the open rows it holds, ascending, at least one.
        source: gives their vectors (m, d).
        costs: float64 (m,).
        locked: (l, d), all locked rows of the whole.
        k: rows to choose in all.
        device: torch's name of the device that measures distances; None is the host.
    """

    rows: Rows
    source: Source
    costs: NDArray[np.float64]
    locked: Vectors
    k: int
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Summary:
    """Round 1: representative rows of a shard.

    Attributes:
        representatives: int64 (at most k,), the first that of least cost where nothing
            is locked.
        reach: largest distance of a row of the shard to one of them or a locked row.
        cheapest: int64 (at most k,), by cost, ties by lower row.
    """

    representatives: Rows
    reach: float
    cheapest: Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """Round 3: the request for the cheapest row in each ball of each guess.

    Attributes:
        shard: that answers.
        seeds: (s, d), centres of the balls.
        radii: radius guesses, descending.
        prefixes: number of `seeds` that each guess uses, ascending.
    """

    shard: Shard
    seeds: Vectors
    radii: list[float]
    prefixes: list[int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The p balls of one guess, within one shard.

    Attributes:
        rows: int64 (p,), the cheapest row in each, ties by lower row; -1 without any.
        costs: float64 (p,), of these rows; inf if there is none.
        moves: float64 (p,), their distances to the seeds.
        reaches: float64 (p + 1,), the distance of the farthest row whose nearest centre
            is each seed; the last is for the locked rows.
    """

    rows: Rows
    costs: NDArray[np.float64]
    moves: NDArray[np.float64]
    reaches: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measuring:
    """The last round: the request to measure sets of rows.

    Attributes:
        shard: that answers.
        sets: vectors (k, d) of the rows of each.
    """

    shard: Shard
    sets: list[Vectors]


def summarise(shard: Shard) -> Summary:
    """Round 1: farthest-first on the shard's own rows."""
    m = len(shard.rows)
    matrix = np.concatenate([shard.source.read(), shard.locked])
    points = make_points(matrix, device=shard.device)
    walk = Walk(points, m + np.arange(len(shard.locked)))
    by_cost = np.argsort(shard.costs, kind="stable")
    if not len(shard.locked):
        walk.pick(int(by_cost[0]))
    walk.advance(until=min(shard.k, m), floor=0.0)
    return Summary(
        representatives=shard.rows[np.asarray(walk.picked, np.int64)],
        reach=walk.reach,
        cheapest=shard.rows[by_cost[: shard.k]],
    )


def answer(question: Question) -> list[Answer]:
    """Round 3: the cheapest row in each ball of each guess."""
    shard = question.shard
    m, locked, seeds = len(shard.rows), len(shard.locked), len(question.seeds)
    matrix = np.concatenate([shard.source.read(), shard.locked, question.seeds])
    covering = make_points(matrix, device=shard.device).covering()
    covering.cover(m + np.arange(locked))
    seed_rows = m + locked + np.arange(seeds)
    answers: list[Answer] = []
    done = 0
    for radius, prefix in zip(question.radii, question.prefixes, strict=True):
        covering.cover(seed_rows[done:prefix])
        done = prefix
        # Locked rows count from the end: -1 is where the last of `reaches` stands.
        nearest = np.maximum(covering.nearest[:m] - locked, -1)
        distances = np.sqrt(covering.squared[:m])
        answers.append(_balls(shard, nearest, distances, radius=radius, count=prefix))
    return answers


def _balls(
    shard: Shard,
    nearest: Rows,
    distances: NDArray[np.float64],
    *,
    radius: float,
    count: int,
) -> Answer:
    reaches = np.zeros(count + 1)
    np.maximum.at(reaches, nearest, distances)
    order = np.argsort(shard.costs, kind="stable")
    order = order[(nearest[order] >= 0) & (distances[order] <= radius)]
    balls, first = np.unique(nearest[order], return_index=True)
    best = order[first]
    rows = np.full(count, -1, np.int64)
    costs, moves = np.full(count, np.inf), np.zeros(count)
    rows[balls], costs[balls] = shard.rows[best], shard.costs[best]
    moves[balls] = distances[best]
    return Answer(rows=rows, costs=costs, moves=moves, reaches=reaches)


def measure_sets(measuring: Measuring) -> list[tuple[Rows, Distances]]:
    """The last round: the nearest row of each set for every row, and its distance.

    The nearest is -1 where a locked row is as near.
    """
    shard = measuring.shard
    m = len(shard.rows)
    matrix = np.concatenate([shard.source.read(), *measuring.sets, shard.locked])
    points = make_points(matrix, device=shard.device)
    locked = len(matrix) - len(shard.locked) + np.arange(len(shard.locked))
    found, first = [], m
    for chosen in measuring.sets:
        covering = points.covering()
        centres = first + np.arange(len(chosen))
        covering.cover(np.concatenate([locked, centres]))
        first += len(chosen)
        distances = np.sqrt(covering.squared[:m]).astype(np.float32)
        nearest = np.maximum(covering.nearest[:m] - len(locked), -1)
        found.append((nearest, distances))
    return found
