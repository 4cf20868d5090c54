"""How well given rows cover all others, and the vectors that have a true metric."""

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex
from gleann.index.arrays import Vectors
from gleann.index.checks import as_array
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import as_rows
from gleann.selection.coreset.problem import Problem, ProblemOptions
from gleann.selection.coreset.result import Coreset


def measure(
    vectors: ArrayLike,
    rows: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    method: str = "given",
    **shared: Unpack[ProblemOptions],
) -> Coreset:
    """Measure radius, cost and objective of given rows, such as random ones.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant.
        rows: (k,) chosen.
        costs: (n,) at least 0; None for none.
        method: name of the answer's method.
        **shared: as `Problem.of`.
    """
    chosen = as_array(rows, name="rows")
    problem = Problem.of(
        vectors,
        k=chosen.size,
        costs=costs,
        **shared,
    )
    checked = as_rows(chosen, n=problem.all_rows)
    if problem.among is not None:
        checked = problem.among.places_of(checked, name="rows", ids=problem.names)
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
