"""Which second list holds a copy of each row.

SOAR (Sun et al., NeurIPS 2023, https://arxiv.org/abs/2404.00774) minimises
|r'|^2 + lambda * (r_hat . r')^2 over the second residual r' = x - c', so that the copy
is found by the queries that miss the primary. For L2 the sign of the correlation
matters: AIR (Yang and Chen, SIGMOD 2026, https://arxiv.org/abs/2601.07183) minimises
|r'|^2 + lambda * r.r', which is the nearest centroid to x + (lambda / 2) r.

Where we differ: in both the primary stays in the arg-min (as in ScaNN and SRAIR), so a
row whose best second list is its first is not spilled, and lambda = 0 spills nothing.
A residual counts as zero relative to the scale of the data, not absolutely.
"""

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.kmeans import nearest_lists
from gleann.index.params import BuildParams, Metric

DEFAULT_LAMBDA: dict[Metric, float] = {"ip": 1.0, "cosine": 1.0, "l2": 0.5}
ZERO_RESIDUAL = 1e-7
"""A squared residual below this share of the mean squared row length is zero."""


def second_lists(
    vectors: Vectors,
    centroids: Vectors,
    primary: ListNos,
    *,
    params: BuildParams,
    scale: float,
) -> ListNos:
    """Choose the second list of each row by the rule that fits the metric.

    Args:
        vectors: (n, d), prepared; any block of the rows.
        centroids: (nlist, d).
        primary: (n,), the nearest list of each row.
        params: "soar" takes AIR under l2.
        scale: `scale_of` all the rows.

    Returns:
        (n,) list numbers, never the primary, -1 where a row is not spilled.
    """
    if params.spill == "none" or len(centroids) < 2:
        return np.full(len(vectors), -1, np.int32)
    if params.spill == "naive":
        return naive_lists(vectors, centroids, primary)
    weight = params.spill_lambda
    if weight is None:
        weight = DEFAULT_LAMBDA[params.metric]
    assign = air_lists if params.metric == "l2" else soar_lists
    second = assign(vectors, centroids, primary, spill_lambda=weight)
    on_centroid = _residual_squares(vectors, centroids, primary)
    second[on_centroid <= ZERO_RESIDUAL * scale] = -1
    return second


def scale_of(vectors: Vectors) -> float:
    """Mean squared length of the rows: what a residual is small beside."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return float(squares.mean())


def soar_loss(
    vectors: Vectors, centroids: Vectors, primary: ListNos, *, spill_lambda: float
) -> Vectors:
    """SOAR's loss of every list for every row, less the |x|^2 all lists share.

    Two matrix products give |c'|^2 - 2 x.c' + lambda * (r_hat.x - r_hat.c')^2.

    Returns:
        float32 (n, nlist).
    """
    residuals = vectors - centroids[primary]
    lengths = np.sqrt(np.einsum("ij,ij->i", residuals, residuals))
    units = residuals / np.where(lengths > 0, lengths, 1)[:, None]
    along = np.einsum("ij,ij->i", units, vectors)[:, None] - units @ centroids.T
    along *= along
    along *= np.float32(spill_lambda)
    along += np.einsum("ij,ij->i", centroids, centroids)
    along -= 2 * (vectors @ centroids.T)
    return along


def soar_lists(
    vectors: Vectors, centroids: Vectors, primary: ListNos, *, spill_lambda: float
) -> ListNos:
    """The list of least SOAR loss, -1 where that is the primary."""
    second = np.empty(len(vectors), np.int32)
    for block in _blocks(len(vectors), len(centroids)):
        rows, own = vectors[block], primary[block]
        loss = soar_loss(rows, centroids, own, spill_lambda=spill_lambda)
        second[block] = loss.argmin(axis=1)
    second[second == primary] = -1
    return second


def air_lists(
    vectors: Vectors, centroids: Vectors, primary: ListNos, *, spill_lambda: float
) -> ListNos:
    """The list nearest to x + (lambda / 2) r, -1 where that is the primary."""
    second = np.empty(len(vectors), np.int32)
    for block in _blocks(len(vectors), len(centroids)):
        rows, own = vectors[block], primary[block]
        residuals = rows - centroids[own]
        shifted = rows + np.float32(spill_lambda / 2) * residuals
        second[block] = nearest_lists(shifted, centroids)
    second[second == primary] = -1
    return second


def naive_lists(vectors: Vectors, centroids: Vectors, primary: ListNos) -> ListNos:
    """The second-nearest list of every row, ties to the lower number."""
    squares = np.einsum("ij,ij->i", centroids, centroids) / 2
    second = np.empty(len(vectors), np.int32)
    for block in _blocks(len(vectors), len(centroids)):
        scores = vectors[block] @ centroids.T
        scores -= squares
        np.put_along_axis(scores, primary[block, None], -np.inf, axis=1)
        second[block] = scores.argmax(axis=1)
    return second


def _blocks(n: int, nlist: int) -> list[slice]:
    step = max(1, (1 << 23) // nlist)
    return [slice(start, start + step) for start in range(0, n, step)]


def _residual_squares(
    vectors: Vectors, centroids: Vectors, primary: ListNos
) -> Vectors:
    residuals = vectors - centroids[primary]
    return np.einsum("ij,ij->i", residuals, residuals)
