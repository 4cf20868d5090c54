"""The three metrics: how rows and queries are prepared, scored and ordered.

Distances ascend: squared L2, 1 - cos, or -ip.
"""

import numpy as np

from gleann.index.arrays import Distances, Vectors
from gleann.index.errors import ZeroVectorError
from gleann.index.params import Metric


def prepare(vectors: Vectors, metric: Metric) -> Vectors:
    """Return `vectors` as the index works on them: unit length under cosine.

    Raises:
        ZeroVectorError: a row of length zero under cosine.
    """
    if metric != "cosine":
        return vectors
    # float64: the square of a small or a large float32 leaves float32's range.
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    if (zero := np.flatnonzero(norms == 0)).size:
        raise ZeroVectorError(
            f"row {zero[0]} is a zero vector, which has no cosine"
            f" ({zero.size} of {len(vectors)} rows are zero)"
        )
    unit: Vectors = (vectors / norms[:, None]).astype(np.float32)
    return unit


def pair_distances(queries: Vectors, rows: Vectors, metric: Metric) -> Distances:
    """Distance of each query to its own candidates, accumulated in float64.

    Args:
        queries: (nq, d), prepared.
        rows: (nq, m, d), prepared: the candidates of each query.
        metric: which distance.

    Returns:
        (nq, m), rounded once to float32.
    """
    wide = queries.astype(np.float64)
    if metric == "l2":
        differences = rows.astype(np.float64) - wide[:, None, :]
        distances = np.einsum("qmd,qmd->qm", differences, differences)
    else:
        dots = np.einsum("qd,qmd->qm", wide, rows.astype(np.float64))
        distances = 1.0 - dots if metric == "cosine" else -dots
    return distances.astype(np.float32)


def block_distances(queries: Vectors, rows: Vectors, metric: Metric) -> Distances:
    """Distance of every query to every row by one float32 matrix product.

    Under l2 the expanded square loses digits when a distance is small beside the
    norms: use it to find candidates, and `pair_distances` to order them.

    Args:
        queries: (nq, d), prepared.
        rows: (n, d), prepared.
        metric: which distance.

    Returns:
        (nq, n).
    """
    dots = queries @ rows.T
    if metric == "cosine":
        return np.subtract(np.float32(1), dots, out=dots)
    if metric == "ip":
        return np.negative(dots, out=dots)
    dots *= -2
    dots += np.einsum("ij,ij->i", rows, rows)
    dots += np.einsum("ij,ij->i", queries, queries)[:, None]
    return np.maximum(dots, 0, out=dots)


def list_scores(queries: Vectors, centroids: Vectors, metric: Metric) -> Vectors:
    """Score every list for every query, higher is better.

    Cosine divides by the centroid's length: the mean of a tight list is longer than
    that of a loose one, and raw q.c would rank by tightness.

    Args:
        queries: (nq, d), prepared.
        centroids: (nlist, d).
        metric: which ranking.

    Returns:
        (nq, nlist).
    """
    return list_ranking(centroids, metric).scores(queries)


class ListRanking:
    """Centroids made ready so that one product and one sum rank the lists."""

    __slots__ = ("biases", "directions")

    def __init__(self, directions: Vectors, biases: Vectors) -> None:
        self.directions = directions
        self.biases = biases

    def scores(self, queries: Vectors) -> Vectors:
        """(nq, nlist), higher is better."""
        return queries @ self.directions.T + self.biases


def list_ranking(centroids: Vectors, metric: Metric) -> ListRanking:
    """Prepare `centroids` (nlist, d): q.c/|c|, q.c - |c|^2/2 or q.c."""
    squares = np.einsum("ij,ij->i", centroids, centroids)
    zeros = np.zeros(len(centroids), np.float32)
    if metric == "cosine":
        lengths = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
        return ListRanking(centroids / lengths[:, None], zeros)
    if metric == "l2":
        return ListRanking(centroids, -squares / 2)
    return ListRanking(centroids, zeros)
