"""The three metrics: how rows and queries are prepared, scored and ordered.

Distances ascend: squared L2, 1 - cos, or -ip.
"""

from collections.abc import Sequence

import numpy as np

from gleann.index.arrays import Distances, Vectors
from gleann.index.checks import require_measurable
from gleann.index.codes import Encoding
from gleann.index.errors import ZeroVectorError
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric


def prepare(
    vectors: Vectors, metric: Metric, *, name: str = "vectors", first_row: int = 0
) -> Vectors:
    """Return `vectors` as the index works on them: unit length under cosine.

    A row's result depends on that row alone, so blocks may be prepared one by one.

    Args:
        vectors: (n, d).
        metric: which distance.
        name: what messages call them.
        first_row: what messages count rows from.

    Raises:
        ZeroVectorError: a row of length zero under cosine.
        InvalidInputError: under l2 and ip, a row so long that distances leave float32.
    """
    if metric != "cosine":
        require_measurable(vectors, name=name, first_row=first_row)
        return vectors
    unit = np.empty(vectors.shape, np.float32)
    zeros: list[int] = []
    # Blocks that a core's cache holds: twice as fast as whole matrices of float64.
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        # float64: the square of a small or a large float32 leaves float32's range.
        wide = vectors[block].astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        zeros += (first_row + block.start + np.flatnonzero(norms == 0)).tolist()
        wide /= np.where(norms > 0, norms, 1)[:, None]
        unit[block] = wide
    refuse_zeros(zeros, n=len(vectors))
    return unit


def require_distances(vectors: Vectors, metric: Metric, *, name: str) -> None:
    """Refuse rows (n, d), finite, that `prepare` would refuse, without preparing them.

    Raises:
        ZeroVectorError: a row of length zero under cosine.
        InvalidInputError: under l2 and ip, a row so long that distances leave float32.
    """
    if metric == "cosine":
        zeros = np.flatnonzero(~vectors.any(axis=1))
        refuse_zeros(zeros.tolist(), n=len(vectors))
    else:
        require_measurable(vectors, name=name)


def refuse_zeros(zeros: Sequence[int], *, n: int) -> None:
    """Say which of n rows are `zeros`, if any.

    Raises:
        ZeroVectorError: there are some.
    """
    if zeros:
        raise ZeroVectorError(
            f"row {zeros[0]} is a zero vector, which has no cosine"
            f" ({len(zeros)} of {n} rows are zero)"
        )


def pair_distances(queries: Vectors, rows: Vectors, metric: Metric) -> Distances:
    """Distance of each query to its own candidates, accumulated in float64.

    Under cosine it is half the squared distance of the unit vectors, which is 1 - cos
    but for rounding: so it is never below 0, and 0 for equal rows.

    Args:
        queries: (nq, d), prepared.
        rows: (nq, m, d), prepared: the candidates of each query.
        metric: which distance.

    Returns:
        (nq, m), rounded once to float32.
    """
    wide = queries.astype(np.float64)
    if metric == "ip":
        return -np.einsum("qd,qmd->qm", wide, rows.astype(np.float64)).astype(
            np.float32
        )
    differences = rows.astype(np.float64)
    differences -= wide[:, None, :]
    distances = np.einsum("qmd,qmd->qm", differences, differences)
    if metric == "cosine":
        distances /= 2
    return distances.astype(np.float32)


def list_scores(queries: Vectors, centroids: Vectors, encoding: Encoding) -> Vectors:
    """Score every list for every query, higher is better; see `ListRanking`.

    Args:
        queries: (nq, d), prepared.
        centroids: (nlist, d).
        encoding: of the index.

    Returns:
        (nq, nlist).
    """
    return ListRanking(centroids, encoding).scores(queries)


class ListRanking:
    """Ranks lists as rows are scanned: by the scores of codes of their directions.

    A list's direction is its centroid, at unit length under cosine: the mean of a tight
    list is longer than that of a loose one, and raw q.c would rank by tightness. int8
    codes instead of floats read a quarter of the memory and cost no recall
    (`index/DECISIONS.md` 3). Sums are exact, or made in one order, so all engines probe
    the same lists.

    Attributes:
        directions: codes of what the queries are compared with.
    """

    __slots__ = ("_encoding", "directions")

    def __init__(self, centroids: Vectors, encoding: Encoding) -> None:
        directions = centroids
        if encoding.metric == "cosine":
            squares = np.einsum("ij,ij->i", centroids, centroids)
            lengths = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
            directions = centroids / lengths[:, None]
        self._encoding = encoding
        self.directions = encoding.encode(directions)

    def scores(self, queries: Vectors) -> Vectors:
        """(nq, nlist), higher is better; each query's scores on a scale of its own."""
        return self._encoding.scan_scores(queries, self.directions)
