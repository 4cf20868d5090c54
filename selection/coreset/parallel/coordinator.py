"""The coordinator of parallel weighted k-center: it combines the rounds of shards."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gleann.index import Progress
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.index.shards.runner import Result, Runner
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.walk import Walk
from gleann.selection.coreset.methods.certificate import (
    Guess,
    floored,
    lower_bound,
    ratio_of,
)
from gleann.selection.coreset.methods.weighted_k_center import GUESSES_MEASURED
from gleann.selection.coreset.parallel.shards import (
    Answer,
    Given,
    Measuring,
    Question,
    Shard,
    Source,
    Summary,
    answer,
    measure_sets,
    summarise,
)
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


class Part(Protocol):
    """The rows of one shard, and where its tasks find them."""

    @property
    def rows(self) -> Rows:
        """int64 (m,): open rows, ascending, above those of the parts before.

        At least one.
        """

    def source(self) -> Source:
        """What gives a task their vectors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartInMemory:
    """A part of rows in memory, or memory-mapped, that tasks carry.

    Attributes:
        rows: see `Part`.
        vectors: (n, d), all rows.
    """

    rows: Rows
    vectors: Vectors

    def source(self) -> Source:
        """The rows, copied where they are not one after another."""
        first, last = int(self.rows[0]), int(self.rows[-1])
        whole = last - first + 1 == len(self.rows)
        return Given(
            self.vectors[first : last + 1] if whole else self.vectors[self.rows]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Balls:
    """Round 2: the balls of each guess.

    Attributes:
        seeds: rows, in the order of the traversal.
        radii, prefixes: as in `Question`.
        least: no k rows have a smaller radius.
        last: least distance between distinct rows, where k rows can coincide with all
            others; 0 where they cannot.
    """

    seeds: Rows
    radii: list[float]
    prefixes: list[int]
    least: float
    last: float


class Coordinator:
    """Runs the rounds; reads the vectors of the rows that shards named.

    Args:
        problem: of all rows.
        parts: that its open rows are in.
        runner: runs the tasks of a round.
    """

    def __init__(
        self, problem: Problem, *, parts: Sequence[Part], runner: Runner
    ) -> None:
        self._problem = problem
        self._runner = runner
        self._locked = problem.vectors[problem.locked]
        self._parts = parts

    def _shards(self) -> Iterator[Shard]:
        """The shards, made one at a time on demand."""
        problem = self._problem
        for part in self._parts:
            yield Shard(
                rows=part.rows,
                source=part.source(),
                costs=problem.costs[part.rows],
                locked=self._locked,
                k=problem.k,
                device=problem.device,
            )

    def _done(self, results: Iterable[Result]) -> list[Result]:
        """The results of a round, one per shard.

        Raises:
            InvalidParamsError: the runner lost some.
        """
        found = list(results)
        if len(found) != len(self._parts):
            raise InvalidParamsError(
                f"the runner gave {len(found)} results for {len(self._parts)} shards"
            )
        return found

    def solve(self, eps: float, progress: ProgressCallback | None) -> Coreset:
        """All rounds."""
        problem = self._problem
        _tell(progress, 0)
        summaries = self._done(self._runner(summarise, self._shards()))
        _tell(progress, 1)
        cheapest = self._cheapest(summaries)
        top = self._radius_at_most(summaries, cheapest)
        balls = self._balls(summaries, top=top, step=1 + eps, first=int(cheapest[0]))
        _tell(progress, 2)
        guesses = self._guesses(balls, cheapest, step=1 + eps)
        _tell(progress, 3)
        sets = self._measured(guesses, cheapest, balls.seeds)
        best = min(sets, key=lambda coreset: coreset.objective)
        bound = lower_bound(
            guesses,
            cost_weight=problem.cost_weight,
            cheapest_radius=sets[0].radius,
            cheapest_cost=sets[0].cost,
        )
        return replace(best, lower_bound=bound, ratio=ratio_of(best.objective, bound))

    def _cheapest(self, summaries: list[Summary]) -> Rows:
        """The k cheapest rows of all, ties by lower row."""
        named = np.concatenate([summary.cheapest for summary in summaries])
        order = np.lexsort((named, self._problem.costs[named]))
        return named[order][: self._problem.k]

    def _radius_at_most(self, summaries: list[Summary], chosen: Rows) -> float:
        """Upper bound on the radius of `chosen`: from representatives and reaches."""
        named = np.concatenate([summary.representatives for summary in summaries])
        vectors = self._problem.vectors
        matrix = np.concatenate([vectors[named], vectors[chosen], self._locked])
        covering = make_points(matrix, device=self._problem.device).covering()
        centres = len(named) + np.arange(len(chosen) + len(self._locked))
        covering.cover(centres)
        distances, first, most = np.sqrt(covering.squared), 0, 0.0
        for summary in summaries:
            last = first + len(summary.representatives)
            farthest = float(distances[first:last].max(initial=0.0))
            most = max(most, farthest + summary.reach)
            first = last
        return most

    def _balls(
        self, summaries: list[Summary], *, top: float, step: float, first: int
    ) -> _Balls:
        """Round 2: one traversal of the representatives for all guesses."""
        k = self._problem.k
        named = np.concatenate([summary.representatives for summary in summaries])
        matrix = np.concatenate([self._problem.vectors[named], self._locked])
        points = make_points(matrix, device=self._problem.device)
        walk = Walk(points, len(named) + np.arange(len(self._locked)))
        if not len(self._locked):
            walk.pick(int(np.flatnonzero(named == first)[0]))
        # k picks of a shard and its farthest row lie pairwise this far apart.
        apart = max(summary.reach for summary in summaries)
        radii, prefixes, radius = [], [], top
        while radius > 0 and radius >= apart / 2:
            walk.advance(until=k, floor=2 * radius)
            if walk.reach > 2 * radius or (walk.reach == 0 == apart):
                break
            radii.append(radius)
            prefixes.append(len(walk.picked))
            radius /= step
        walk.advance(until=k, floor=0.0)
        least = max(apart, walk.reach) / 2
        if not least:
            radii.append(0.0)
            prefixes.append(len(walk.picked))
        return _Balls(
            seeds=named[np.asarray(walk.picked, np.int64)],
            radii=radii,
            prefixes=prefixes,
            least=least,
            last=0.0 if least or not walk.insertions else walk.insertions[-1],
        )

    def _guesses(self, balls: _Balls, cheapest: Rows, *, step: float) -> list[Guess]:
        """Round 3: the set of each guess."""
        seeds = self._problem.vectors[balls.seeds]
        questions = (
            Question(
                shard=shard, seeds=seeds, radii=balls.radii, prefixes=balls.prefixes
            )
            for shard in self._shards()
        )
        answers = self._done(self._runner(answer, questions))
        found = [
            self._guess(radius, [each[at] for each in answers], cheapest, step=step)
            for at, radius in enumerate(balls.radii)
        ]
        return [
            guess
            if not guess.radius
            else floored([guess], balls.least or balls.last)[0]
            for guess in found
        ]

    def _guess(
        self, radius: float, answers: list[Answer], cheapest: Rows, *, step: float
    ) -> Guess:
        problem = self._problem
        costs = np.stack([each.costs for each in answers])
        rows = np.stack([each.rows for each in answers])
        # Shards hold ascending rows: the first of equal costs is the lowest row.
        best = costs.argmin(axis=0)
        at = np.arange(costs.shape[1])
        moves = np.stack([each.moves for each in answers])[best, at]
        reaches = np.stack([each.reaches for each in answers]).max(axis=0)
        swapped = rows[best, at]
        spare = cheapest[~np.isin(cheapest, swapped)]
        chosen = np.concatenate([swapped, spare[: problem.k - len(swapped)]])
        return Guess(
            radius=radius,
            low=radius / step,
            rows=chosen,
            cost=float(problem.costs[chosen].sum()),
            bound=float((reaches + np.append(moves, 0.0)).max()),
        )

    def _measured(
        self, guesses: list[Guess], cheapest: Rows, seeds: Rows
    ) -> list[Coreset]:
        """The cheapest rows, the best guesses, and the traversal, measured."""
        problem = self._problem
        by_bound = sorted(
            guesses, key=lambda guess: guess.bound + problem.cost_weight * guess.cost
        )[:GUESSES_MEASURED]
        spare = cheapest[~np.isin(cheapest, seeds)][: problem.k - len(seeds)]
        sets: list[tuple[str, Rows, float | None]] = [
            ("margin", cheapest, None),
            *(("weighted_k_center", guess.rows, guess.radius) for guess in by_bound),
            ("farthest_first", np.concatenate([seeds, spare]), None),
        ]
        chosen = [problem.vectors[rows] for _, rows, _ in sets]
        tasks = (Measuring(shard=shard, sets=chosen) for shard in self._shards())
        answers = self._done(self._runner(measure_sets, tasks))
        coresets = []
        for at, (method, rows, guess) in enumerate(sets):
            nearest = np.full(len(problem.vectors), -1, np.int64)
            distances = np.zeros(len(problem.vectors), np.float32)
            for part, one in zip(self._parts, answers, strict=True):
                nearest[part.rows], distances[part.rows] = one[at]
            found = problem.achieved(rows, nearest, distances, method=method)
            coresets.append(replace(found, radius_guess=guess))
        return coresets


def parts_of(problem: Problem, *, shards: int) -> list[Part]:
    """The open rows of a problem in memory, in parts as equal as can be."""
    return [
        PartInMemory(rows=rows, vectors=problem.vectors)
        for rows in np.array_split(open_rows_of(problem), shards)
        if len(rows)
    ]


def open_rows_of(problem: Problem) -> Rows:
    """The rows (m,) that may be chosen, ascending."""
    return np.setdiff1d(np.arange(len(problem.vectors)), problem.locked)


def _tell(progress: ProgressCallback | None, done: int) -> None:
    if progress is not None:
        progress(Progress(phase="round", done=done, total=4))
