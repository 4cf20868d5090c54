"""The methods as functions of vectors: each makes its `Problem` and solves it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Unpack

from numpy.typing import ArrayLike

from gleann.index.shards.runner import Runner
from gleann.selection.among import AmongLike
from gleann.selection.coreset import methods
from gleann.selection.coreset.methods.defaults import (
    HARDEST_SHARE,
    RADIUS_STEP,
    STRATA,
    THRESHOLD_STEP,
)
from gleann.selection.coreset.methods.farthest_first import Traversal, traversal
from gleann.selection.coreset.parallel.method import (
    parallel_weighted_k_center as solve_in_shards,
)
from gleann.selection.coreset.problem import Problem, ProblemOptions
from gleann.selection.coreset.quotas import within_groups as solve_within_groups
from gleann.selection.coreset.result import Coreset
from gleann.selection.groups import Label, Quota, as_groups, require_quotas
from gleann.selection.progress import ProgressCallback
from gleann.selection.uncertainty import entropy_costs


def margin(
    vectors: ArrayLike, *, k: int, costs: ArrayLike, **shared: Unpack[ProblemOptions]
) -> Coreset:
    """Choose the `k` rows of smallest cost; see `methods.margin`.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        costs: (n,) at least 0.
        **shared: as `Problem.of`.
    """
    return methods.margin(Problem.of(vectors, k=k, costs=costs, **shared))


def entropy(
    vectors: ArrayLike,
    *,
    k: int,
    probabilities: ArrayLike,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Choose the `k` rows of highest entropy, ties by lower row.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        probabilities: (n, c), of the caller's model; the costs are its
            `uncertainty.entropy_costs`.
        **shared: as `Problem.of`.
    """
    costs = entropy_costs(probabilities)
    return methods.entropy(Problem.of(vectors, k=k, costs=costs, **shared))


def uniform(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    seed: int = 0,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Draw `k` rows, each set of k equally likely.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to draw, at most all that are not locked.
        costs: (n,), only added up for comparison; None for none.
        seed: the only source of randomness.
        **shared: as `Problem.of`.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return methods.uniform(problem, seed=seed)


def gist(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    diversity: float,
    eps: float = THRESHOLD_STEP,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Choose `k` rows of large utility and diversity; see `methods.gist`.

    Args:
        vectors: (n, d); plain L2 between them must be the intended metric.
        k: rows to choose.
        costs: (n,) in 0..1.
        diversity: weight of the least distance between two chosen (or locked) rows.
        eps: relative step between the thresholds.
        **shared: as `Problem.of`.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return methods.gist(problem, diversity=diversity, eps=eps)


def ccs(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    hardest_share: float = HARDEST_SHARE,
    strata: int = STRATA,
    seed: int = 0,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Choose `k` rows at random from strata of cost; see `methods.ccs`.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        costs: (n,) at least 0, small where a row is hard, as `margin_costs`.
        hardest_share: share of the rows with the smallest costs that is dropped first.
        strata: number of strata.
        seed: the only source of randomness.
        **shared: as `Problem.of`.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return methods.ccs(problem, hardest_share=hardest_share, strata=strata, seed=seed)


def farthest_first(  # noqa: PLR0913 (the problem)
    vectors: ArrayLike,
    *,
    k: int,
    covered: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    device: str | None = None,
) -> Traversal:
    """Pick `k` rows by farthest-first traversal, O(n * d) per pick.

    The radius max(distances) is at most twice the best that k rows can reach. The
    picks are those of the plain algorithm, ties by lower row, on any machine and any
    number of threads. `methods.farthest_first` gives the same rows as a `Coreset`.

    Args:
        vectors: (n, d); plain L2 between them must be the intended metric.
        k: rows to pick, at most the rows not covered.
        covered: rows that are centres already, such as labelled ones; never picked.
            A mask (n,) of bool, or their ids where `ids` are given, else rows. Without
            any, the first pick is drawn from the seed.
        ids: (n,) names of the rows, by which `covered` is given, and which the answer's
            table has; None numbers them.
        among: the rows to pick from and to cover, given as `covered`; None for all.
        seed: the only source of randomness.
        progress: called before each batch of picks, at most 256.
        device: torch's name of a device that holds the rows and measures distances,
            such as "cuda"; None is the host. The picks are the same.

    Raises:
        InvalidInputError: vectors or rows that cannot be used.
        InvalidParamsError: k out of range, or a seed below 0.
        EngineUnavailableError: no such device, or it failed.
        DeviceMemoryError: too little memory on it.
    """
    problem = Problem.of(
        vectors, k=k, locked=covered, ids=ids, among=among, device=device
    )
    return traversal(problem, seed=seed, progress=progress)


def k_center(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """`methods.farthest_first` of vectors: the greedy algorithm for plain k-center.

    Args:
        vectors: (n, d); plain L2 between them must be the intended metric.
        k: rows to choose.
        costs: (n,), only added up for comparison; None for none.
        seed: draws the first pick if nothing is locked.
        progress: as `farthest_first`.
        **shared: as `Problem.of`.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return methods.farthest_first(problem, seed=seed, progress=progress)


def weighted_k_center(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    eps: float = RADIUS_STEP,
    progress: ProgressCallback | None = None,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Choose `k` rows of small radius and cost; see `methods.weighted_k_center`.

    Args:
        vectors: (n, d); plain L2 between them must be the intended metric
            (`metric_vectors` provides it).
        k: rows to choose.
        costs: (n,) at least 0, small where a row should be chosen, as `margin_costs`.
        eps: relative step between the radius guesses.
        progress: called during the traversals.
        **shared: as `Problem.of`; `cost_weight` is lambda.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return methods.weighted_k_center(problem, eps=eps, progress=progress)


def parallel_weighted_k_center(  # noqa: PLR0913 (the problem, and who works on it)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    eps: float = RADIUS_STEP,
    shards: int = 4,
    runner: Runner = map,
    progress: ProgressCallback | None = None,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """`weighted_k_center` over shards; see `parallel.method`.

    Args:
        vectors: (n, d); a memory map of float32 is not read into memory as a whole.
        k: rows to choose.
        costs: (n,) at least 0, small where a row should be chosen.
        eps: relative step between the radius guesses.
        shards: parts to cut the rows into.
        runner: runs the shards' tasks of a round, such as the `map` of a
            `concurrent.futures` executor.
        progress: called before each round.
        **shared: as `Problem.of`.
    """
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    return solve_in_shards(
        problem, eps=eps, shards=shards, runner=runner, progress=progress
    )


def within_groups(  # noqa: PLR0913 (the problem, and its groups)
    method: Callable[..., Coreset],
    vectors: ArrayLike,
    *,
    groups: ArrayLike,
    quotas: Mapping[Label, Quota],
    k: int | None = None,
    costs: ArrayLike | None = None,
    seed: int | None = None,
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Let a function of vectors choose within each group; see `quotas.within_groups`.

    Args:
        method: called as method(vectors, k=, costs=, locked=) on the rows of each
            group with a quota, such as `partial(weighted_k_center, cost_weight=0.1)`
            or `margin`; one that draws, such as `uniform`, with seed= too. Its own
            cost_weight and device are bound to it.
        vectors: (n, d); plain L2 between them must be the intended metric.
        groups: (n,) integers, strings, or other words.
        quotas: rows to choose from each group, by number or share.
        k: rows to choose in all; None is the sum of the quotas, which are numbers then.
        costs: (n,) at least 0; None for none.
        seed: of a method that draws; None for methods that take no seed.
        **shared: as `Problem.of`, to measure the whole answer.
    """
    names = as_groups(groups)
    require_quotas(quotas, k=k)
    if k is None:
        k = sum(int(quota) for quota in quotas.values())
    problem = Problem.of(vectors, k=k, costs=costs, **shared)
    solve = partial(_call, method)
    return solve_within_groups(solve, problem, groups=names, quotas=quotas, seed=seed)


def _call(
    method: Callable[..., Coreset], problem: Problem, *, seed: int | None = None
) -> Coreset:
    drawing = {} if seed is None else {"seed": seed}
    return method(
        problem.vectors,
        k=problem.k,
        costs=problem.costs,
        locked=problem.locked,
        **drawing,
    )
