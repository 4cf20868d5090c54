"""Uncertainty sampling: the cheapest rows, wherever they lie."""

from numpy.typing import ArrayLike

from gleann.selection.coreset.problem import CostOn, as_problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.uncertainty import entropy_costs


def margin(  # noqa: PLR0913 (the common arguments)
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    device: str | None = None,
) -> Coreset:
    """Choose the `k` rows of smallest cost, ties by lower row.

    With `uncertainty.margin_costs` this is margin sampling.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        costs: (n,) at least 0.
        cost_weight: lambda of the objective, for comparison.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already, never chosen.
        device: as `farthest_first`.
    """
    problem = as_problem(
        vectors,
        k=k,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        device=device,
    )
    rows = problem.by_cost()[:k]
    return problem.finished(problem.measure(rows, method="margin"))


def entropy(  # noqa: PLR0913 (the common arguments)
    vectors: ArrayLike,
    *,
    k: int,
    probabilities: ArrayLike,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    device: str | None = None,
) -> Coreset:
    """Choose the `k` rows of highest entropy, ties by lower row.

    Args:
        vectors: (n, d), to measure what the rows cover.
        k: rows to choose.
        probabilities: (n, c), of the caller's model.
        cost_weight: lambda of the objective, on `uncertainty.entropy_costs`.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already, never chosen.
        device: as `farthest_first`.
    """
    problem = as_problem(
        vectors,
        k=k,
        costs=entropy_costs(probabilities),
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        device=device,
    )
    rows = problem.by_cost()[:k]
    return problem.finished(problem.measure(rows, method="entropy"))
