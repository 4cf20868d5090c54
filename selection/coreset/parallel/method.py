"""Weighted k-center over shards: three rounds, whatever k is.

Round 1: each shard sends k rows by farthest-first and its k cheapest. Round 2: the
coordinator runs farthest-first on what was sent and picks the balls of every radius
guess. Round 3: the shards name the cheapest row of each ball. A last round measures.
The proof of the factor 5 is in `selection/DEPARTURES.md`.
"""

from numpy.typing import ArrayLike

from gleann.selection.checks import require_between, require_count
from gleann.selection.coreset.methods.weighted_k_center import (
    SMALLEST_EPS,
    weighted_k_center,
)
from gleann.selection.coreset.parallel.coordinator import Coordinator, Runner
from gleann.selection.coreset.problem import CostOn, as_problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


def parallel_weighted_k_center(  # noqa: PLR0913 (the problem, and who works on it)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    cost_weight: float,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    eps: float = 0.1,
    shards: int = 4,
    runner: Runner = map,
    progress: ProgressCallback | None = None,
    device: str | None = None,
) -> Coreset:
    """`weighted_k_center` with the passes over the rows made by shards.

    F is at most 5 * (1 + eps) times the best, and the lower bound is as true as the
    serial one's. With one shard it *is* the serial algorithm, with its factor 3 and its
    greedy rival, for which shards would have to meet k times. The coordinator looks at
    the rows that shards name only: at most 2 k a shard, and those of the balls.

    A task is made when the runner takes it and carries the vectors of its shard: with
    `map` one shard at a time is worked on beside `vectors`; a runner that sends tasks
    to other processes sends all rows in each of the three rounds.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant. A
            memory map of float32 is not read into memory as a whole.
        k: rows to choose.
        costs: (n,) at least 0, small where choosing pays.
        cost_weight: lambda.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already; never chosen.
        eps: step of the radius guesses.
        shards: parts to cut the rows into, as equal as can be, in the order of rows.
        runner: does the shards' work of a round, such as the `map` of a
            `concurrent.futures` executor. Tasks are values that can be sent to another
            process. The answer does not depend on it.
        progress: called before each round.
        device: as `farthest_first`; it holds the rows of one shard at a time with
            `map`. Threads take turns on it, processes do not: workers of a `runner` in
            other processes each hold theirs, and can run out of memory together.

    Raises:
        InvalidInputError: vectors, costs or locked rows that cannot be used.
        InvalidParamsError: k, cost_weight, eps or shards out of range.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    require_count("shards", shards)
    if shards == 1:
        return weighted_k_center(
            vectors,
            k=k,
            costs=costs,
            cost_weight=cost_weight,
            cost_on=cost_on,
            locked=locked,
            eps=eps,
            progress=progress,
            device=device,
        )
    problem = as_problem(
        vectors,
        k=k,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        device=device,
    )
    best = Coordinator(problem, shards=shards, runner=runner).solve(eps, progress)
    return problem.finished(
        best,
        method="parallel_weighted_k_center",
        params={"eps": eps, "shards": shards},
    )
