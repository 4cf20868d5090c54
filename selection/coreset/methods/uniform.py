"""A random subset: the baseline that every method must beat."""

from numpy.typing import ArrayLike

from gleann.selection.coreset.problem import CostOn, as_problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.uniform import uniform_rows


def uniform(  # noqa: PLR0913 (the common arguments, and a seed)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Coreset:
    """Draw `k` rows, each set of k equally likely.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to draw, all that are not locked at most.
        costs: (n,), only added up for comparison; None for none.
        cost_weight: lambda of the objective, for comparison.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already, never drawn.
        seed: the only source of randomness.
        device: as `farthest_first`.
    """
    problem = as_problem(
        vectors,
        k=k,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        left=0,
        device=device,
    )
    n = len(problem.vectors)
    rows = uniform_rows(n, k=k, seed=seed, excluded=problem.locked)
    return problem.finished(problem.measure(rows, method="uniform"), seed=seed)
