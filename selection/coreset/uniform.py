"""A random subset: the baseline that every method must beat."""

from numpy.typing import ArrayLike

from gleann.selection.coreset.cover import Coreset, as_problem
from gleann.selection.uniform import uniform_rows


def uniform(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    locked: ArrayLike | None = None,
    seed: int = 0,
) -> Coreset:
    """Draw `k` rows, each set of k equally likely.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to draw.
        costs: (n,), only added up for comparison; None for none.
        cost_weight: lambda of the objective, for comparison.
        locked: rows that are centres already, never drawn.
        seed: the only source of randomness.
    """
    problem = as_problem(
        vectors, k=k, costs=costs, cost_weight=cost_weight, locked=locked
    )
    n = len(problem.vectors)
    rows = uniform_rows(n, k=k, seed=seed, excluded=problem.locked)
    return problem.finished(problem.measure(rows, method="uniform"), seed=seed)
