"""Margin sampling: the cheapest rows, wherever they lie."""

from numpy.typing import ArrayLike

from gleann.selection.coreset.cover import Coreset, as_problem


def margin(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    cost_weight: float = 0.0,
    locked: ArrayLike | None = None,
) -> Coreset:
    """Choose the `k` rows of smallest cost, ties by lower row.

    With `uncertainty.margin_costs` these are the most uncertain rows.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        costs: (n,) at least 0.
        cost_weight: lambda of the objective, for comparison.
        locked: rows that are centres already, never chosen.
    """
    problem = as_problem(
        vectors, k=k, costs=costs, cost_weight=cost_weight, locked=locked
    )
    return problem.measure(problem.by_cost()[:k], method="margin")
