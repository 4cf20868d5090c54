"""Proxies from embeddings: what the nearest labelled rows say of the others.

TASTI (Kang et al. 2022, https://arxiv.org/abs/2009.04540): label a few representatives,
and score every row by those nearest to it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import as_rows, as_scores, require_count
from gleann.selection.coreset.farthest_first import farthest_first

BLOCK_ROWS = 8_192


def representatives(
    vectors: ArrayLike, *, k: int, random_share: float = 0.25, seed: int = 0
) -> Rows:
    """Pick `k` rows to label first: farthest-first, and some at random.

    Farthest-first finds the rare and far; the random part finds the dense middle. The
    share of a quarter is that of the authors' code.

    Args:
        vectors: (n, d), such as `index.vectors`.
        k: rows to pick, at most n - 1.
        random_share: part of them that is drawn uniformly.
        seed: the only source of randomness.

    Returns:
        (k,) distinct rows, the farthest-first ones first.
    """
    rows = as_vectors(vectors)
    require_count("k", k)
    if k >= len(rows):
        raise InvalidParamsError(f"k is {k}, but must be below {len(rows)} rows")
    if not 0 <= random_share <= 1:
        raise InvalidParamsError(f"random_share must be in 0..1, got {random_share}")
    far = max(1, k - round(k * random_share))
    picked = farthest_first(rows, k=far, seed=seed).rows
    rest = np.setdiff1d(np.arange(len(rows)), picked)
    drawn = np.random.default_rng(seed).permutation(rest)[: k - far]
    return np.concatenate([picked, drawn])


def propagate_labels(
    vectors: ArrayLike, *, rows: ArrayLike, labels: ArrayLike, neighbours: int = 5
) -> NDArray[np.float32]:
    """Score every row by the labels of its nearest labelled rows.

    Of the `neighbours` nearest, at distances d_1 <= d_2 <= ..., the i-th weighs
    (sum of d - d_i), normalised; a lone neighbour, and equal ones, weigh the same.
    Every new label can be added ("cracking"): call again with more rows.

    Args:
        vectors: (n, d), such as `index.vectors`; nearest is by plain L2.
        rows: (m,) labelled rows, m at least 1.
        labels: (m,) numbers, such as 0 and 1.
        neighbours: labelled rows that vote; all of them where there are fewer.

    Returns:
        (n,) proxies between the least and the largest label; a labelled row that has
        labelled neighbours is scored by them too, not by its own label alone.

    Raises:
        InvalidInputError: rows or labels that cannot be used.
    """
    points = as_vectors(vectors)
    labelled = as_rows(rows, n=len(points))
    values = as_scores(labels, n=len(labelled), name="labels")
    require_count("neighbours", neighbours)
    k = min(neighbours, len(labelled))
    proxy = np.empty(len(points), np.float32)
    for first in range(0, len(points), BLOCK_ROWS):
        block = points[first : first + BLOCK_ROWS]
        near, distances = _nearest(block, points[labelled], k=k)
        weights = _weights(distances)
        proxy[first : first + len(block)] = (weights * values[near]).sum(axis=1)
    return proxy


def _nearest(
    block: Vectors, centres: Vectors, *, k: int
) -> tuple[Rows, NDArray[np.float64]]:
    squares = np.einsum("ij,ij->i", centres, centres) - 2 * (block @ centres.T)
    near = np.argpartition(squares, k - 1, axis=1)[:, :k]
    differences = (block[:, None, :] - centres[near]).astype(np.float64)
    return near, np.sqrt(np.einsum("ijk,ijk->ij", differences, differences))


def _weights(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = distances.sum(axis=1, keepdims=True)
    raw = np.where(sums > 0, sums - distances, 1.0)
    if distances.shape[1] == 1:
        raw = np.ones_like(distances)
    weights: NDArray[np.float64] = raw / raw.sum(axis=1, keepdims=True)
    return weights
