"""A neighbour graph as the kernel of scikit-learn's label spreading."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from gleann.selection.sklearn.neighbours import GleannNeighbors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def knn_kernel(
    X: ArrayLike,  # noqa: N803
    Y: ArrayLike,  # noqa: N803
    *,
    n_neighbors: int = 7,
    metric: str = "euclidean",
    target_recall: float = 0.95,
) -> "csr_matrix":
    """Which rows of `X` are among the nearest of each row of `Y`, itself included.

    Of rows and themselves, which labels spread over, the kernel is symmetric: two rows
    are near where either is among the nearest of the other. scikit-learn's own "knn"
    is not, and its answer depends on the direction.

    For `LabelSpreading(kernel=knn_kernel)`, or
    `LabelSpreading(kernel=functools.partial(knn_kernel, n_neighbors=15))`.

    Args:
        X: rows (n, d).
        Y: rows (m, d).
        n_neighbors: nearest rows of X.
        metric: as in `GleannNeighbors`.
        target_recall: as in `GleannNeighbors`.

    Returns:
        (n, m) of ones: element (i, j) is stored where row i of X is near row j of Y.
    """
    estimator = GleannNeighbors(
        n_neighbors=n_neighbors,
        mode="connectivity",
        metric=metric,
        target_recall=target_recall,
    )
    graph = estimator.fit(X).transform(Y)
    if X is Y or np.array_equal(X, Y):
        return graph.maximum(graph.T)
    return graph.T.tocsr()
