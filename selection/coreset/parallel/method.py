"""Weighted k-center over shards, in three rounds for any k.

Shards are parts of rows in memory, which tasks carry, or those of an index in shards
(`index/shards`), whose rows tasks read where they are.

Round 1: each shard sends k rows by farthest-first and its k cheapest. Round 2: the
coordinator runs farthest-first on what was sent and picks the balls of every radius
guess. Round 3: the shards name the cheapest row of each ball. A last round measures.
The proof of the factor 5 is in `selection/DEPARTURES.md`.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.index.shards.places import ShardPlace, ShardPlaces
from gleann.index.shards.runner import Runner
from gleann.selection.checks import require_between, require_count
from gleann.selection.coreset.methods.defaults import RADIUS_STEP
from gleann.selection.coreset.methods.weighted_k_center import (
    SMALLEST_EPS,
    weighted_k_center,
)
from gleann.selection.coreset.parallel.coordinator import (
    Coordinator,
    Part,
    parts_of,
)
from gleann.selection.coreset.parallel.shards import Source
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


def parallel_weighted_k_center(
    problem: Problem,
    *,
    eps: float = RADIUS_STEP,
    shards: int = 4,
    runner: Runner = map,
    progress: ProgressCallback | None = None,
) -> Coreset:
    """`weighted_k_center` with the passes over the rows made by shards.

    F is at most 5 * (1 + eps) times the best, and the lower bound is as true as the
    serial one. With one shard it *is* the serial algorithm, with its factor 3 and its
    greedy set, which would take k rounds of all shards. The coordinator reads only the
    rows that shards name: at most 2 k per shard, and those of the balls.

    A task is made when the runner takes it and carries the vectors of its shard: with
    `map` one shard at a time is worked on, next to `vectors`; a runner that sends tasks
    to other processes sends all rows in each of the three rounds.

    Args:
        problem: as `weighted_k_center`; a memory map of float32 vectors is not read
            into memory as a whole. A device holds the rows of one shard at a time with
            `map`. Threads take turns on it, processes do not: workers of a `runner` in
            other processes each hold theirs, and can run out of memory together.
        eps: relative step between the radius guesses.
        shards: parts to cut the rows into, as equal as can be, in the order of rows.
        runner: runs the shards' tasks of a round, such as the `map` of a
            `concurrent.futures` executor. Tasks are values that can be sent to another
            process. The answer does not depend on it.
        progress: called before each round.

    Raises:
        InvalidParamsError: eps or shards out of range, or a problem of
            `problem_in_shards`.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    require_count("shards", shards)
    if problem.elsewhere is not None:
        raise InvalidParamsError(
            f"shards is {shards}, but the rows are in the shards of an index, which are"
            " the parts: take weighted_k_center_in_shards"
        )
    if shards == 1:
        return weighted_k_center(problem, eps=eps, progress=progress)
    parts = parts_of(problem, shards=shards)
    best = Coordinator(problem, parts=parts, runner=runner).solve(eps, progress)
    return problem.finished(
        best,
        method="parallel_weighted_k_center",
        params={"eps": eps, "shards": shards},
    )


def weighted_k_center_in_shards(
    problem: Problem,
    places: ShardPlaces,
    *,
    eps: float = RADIUS_STEP,
    progress: ProgressCallback | None = None,
) -> Coreset:
    """`parallel_weighted_k_center` where the shards of an index are the parts.

    F is at most 5 * (1 + eps) times the best for any number of shards, also for one,
    and the lower bound is as true as the serial one. The answer is that of the same
    rows in memory in the same parts, and depends on nothing else.

    A worker holds the rows of its shard as float32, and their int8 codes. Of vectors
    only those of representatives and centres travel, some k for each shard; besides,
    16 bytes a row of numbers and costs in each round (24 in shards with locked rows),
    and 12 bytes a row for each of up to five sets that are measured in the last, for
    which this process takes up to 150 bytes a row.

    Args:
        problem: of `problem_in_shards`.
        places: of its shards; their runner runs the tasks.
        eps: relative step between the radius guesses.
        progress: called before each round.

    Raises:
        InvalidParamsError: eps out of range, or a problem of other rows.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    if cast("object", problem.vectors) is not places.rows:
        raise InvalidParamsError(
            f"the problem is not one that problem_in_shards made of these places, of"
            f" {places.path}"
        )
    parts: list[Part] = []
    for place in places.places:
        rows = place.first + np.arange(len(place))
        rows = np.setdiff1d(rows, problem.locked, assume_unique=True)
        if len(rows):
            parts.append(PlacedPart(rows=rows, place=place))
    best = Coordinator(problem, parts=parts, runner=places.runner).solve(eps, progress)
    return problem.finished(
        best,
        method="parallel_weighted_k_center",
        params={"eps": eps, "shards": len(parts)},
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedPart:
    """The open rows of a shard of an index.

    Attributes:
        rows: see `Part`.
        place: of the shard.
    """

    rows: Rows
    place: ShardPlace

    def source(self) -> Source:
        """What gives the rows to a task on the worker that has the shard."""
        every = len(self.rows) == len(self.place)
        return _Placed(
            place=self.place, own=None if every else self.rows - self.place.first
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """Rows of a shard, by their own numbers; None for all."""

    place: ShardPlace
    own: Rows | None

    def read(self) -> Vectors:
        """See `Source`."""
        rows = self.place.open().stored_rows
        taken = rows[:] if self.own is None else rows[self.own]
        return np.ascontiguousarray(taken, np.float32)
