"""How well given rows cover all others, and the vectors that have a true metric."""

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex
from gleann.index.arrays import Vectors
from gleann.index.checks import as_array
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import as_rows
from gleann.selection.coreset.problem import CostOn, Problem
from gleann.selection.coreset.result import Coreset


def measure(  # noqa: PLR0913 (the problem, and a name)
    vectors: ArrayLike,
    rows: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: ArrayLike | None = None,
    method: str = "given",
) -> Coreset:
    """Measure radius, cost and objective of given rows, such as random ones.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant.
        rows: (k,) chosen.
        costs: (n,) at least 0; None for none.
        cost_weight: lambda.
        cost_on: what lambda weighs, the "sum" or the "mean" of costs.
        locked: rows that are centres already.
        method: name of the answer's method.
    """
    chosen = as_array(rows, name="rows")
    problem = Problem.of(
        vectors,
        k=chosen.size,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
        uncovered=0,
    )
    checked = as_rows(chosen, n=len(problem.vectors))
    if (both := np.intersect1d(checked, problem.locked)).size:
        raise InvalidInputError(
            f"{both.size} of {len(checked)} rows are locked too, such as {both[0]}"
        )
    return problem.finished(problem.measure(checked, method=method))


def metric_vectors(index: SoarIndex) -> Vectors:
    """The rows of `index` as points whose plain L2 distance is a true metric.

    Under l2 these are the vectors, and under cosine the unit vectors, between which L2
    is the chord sqrt(2 - 2 cos). Inner product is no metric: the triangle inequality,
    and with it every guarantee of this package, fails.

    Raises:
        InvalidParamsError: an index for inner product.
    """
    if index.metric == "ip":
        raise InvalidParamsError(
            "k-center needs a true metric: build the index with cosine or l2, got ip"
        )
    return index.vectors
