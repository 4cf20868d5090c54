"""A random subset: the baseline that every method must beat."""

from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.result import Coreset
from gleann.selection.uniform import uniform_rows


def uniform(problem: Problem, *, seed: int = 0) -> Coreset:
    """Draw k unlocked rows, each set of k equally likely.

    Args:
        problem: its costs are only added up.
        seed: the only source of randomness.
    """
    n = len(problem.vectors)
    rows = uniform_rows(n, k=problem.k, seed=seed, excluded=problem.locked)
    return problem.finished(problem.measure(rows, method="uniform"), seed=seed)
