"""Uncertainty sampling: the cheapest rows, wherever they lie."""

from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset


def margin(problem: Problem) -> Coreset:
    """Choose the k rows of smallest cost, ties by lower row.

    With `uncertainty.margin_costs` this is margin sampling.
    """
    return cheapest(problem, method="margin")


def entropy(problem: Problem) -> Coreset:
    """Choose the k rows of smallest cost, which are `uncertainty.entropy_costs`.

    That is, the rows of highest entropy, ties by lower row.
    """
    return cheapest(problem, method="entropy")


def cheapest(problem: Problem, *, method: str) -> Coreset:
    """The k rows of smallest cost, ties by lower row.

    Args:
        problem: with costs.
        method: name of the answer's method.
    """
    rows = problem.by_cost()[: problem.k]
    return problem.finished(problem.measure(rows, method=method))
