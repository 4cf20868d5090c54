"""BADGE: k-means++ on the gradients of the last layer.

Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, Deep Batch Active Learning by
Diverse, Uncertain Gradient Lower Bounds, https://arxiv.org/abs/1906.03671.

The gradient of a linear softmax is an outer product: of the residual u (probabilities
minus one-hot of the likeliest class, (c,)) and of the row x (d,). So the inner product
of two gradients is (u.v)(x.y), and no (n, c * d) table is needed.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.parallel.blas import one_blas_thread
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices

BATCH = 32
"""Centres between two updates of all distances."""

TRIES = 256
"""Draws between two updates, after which the distances are updated early."""

ROUNDING = 1e-12
"""Squared distances below it, relative to the squared norms, are of equal gradients."""

Squares = NDArray[np.float64]
"""Squared distances between gradients."""


class Gradients:
    """Last-layer gradients (n, c * d), held as their two factors.

    Args:
        residuals: (n, c) probabilities minus one-hot of the likeliest class.
        vectors: (n, d).
    """

    __slots__ = ("_residuals", "_vectors", "norms")

    def __init__(self, residuals: NDArray[np.float32], vectors: Vectors) -> None:
        self._residuals = residuals
        self._vectors = vectors
        self.norms: Squares = _squared_norms(residuals) * _squared_norms(vectors)

    def __len__(self) -> int:
        return len(self.norms)

    def squared(self, rows: Rows, centres: Rows) -> Squares:
        """Squared distances (m, p) between the gradients of `rows` and `centres`."""
        inner = self._residuals[rows].astype(np.float64) @ self._residuals[
            centres
        ].T.astype(np.float64)
        inner *= self._vectors[rows].astype(np.float64) @ self._vectors[
            centres
        ].T.astype(np.float64)
        scale = self.norms[rows][:, None] + self.norms[centres]
        found = scale - 2 * inner
        return np.where(found > ROUNDING * scale, found, 0.0)

    def shrink(self, squared: Squares, centres: Rows) -> None:
        """Lower `squared` (n,), to the nearest centre, by those of new `centres`."""
        width = self._residuals.shape[1] + self._vectors.shape[1]
        for block in block_slices(len(self), max(1, BLOCK_VALUES // width)):
            rows = np.arange(block.start, block.stop)
            near = self.squared(rows, centres).min(axis=1)
            np.minimum(squared[block], near, out=squared[block])


def k_means_plus_plus(
    gradients: Gradients, *, k: int, rng: np.random.Generator
) -> Rows:
    """Draw up to `k` centres, each in proportion to its squared distance to the others.

    The first is the longest gradient, the lowest row of equals, as in the authors'
    code. Distances of all rows are updated once for several centres; in between a draw
    by the old distances is accepted with the chance new / old, so each centre has the
    distribution of the plain algorithm. O(n (c + d)) per centre, most of it in matrix
    products.

    Args:
        gradients: of n candidates.
        k: centres to draw.
        rng: the only source of randomness.

    Returns:
        (k,) distinct places, or fewer where fewer gradients are distinct.
    """
    picked = [int(gradients.norms.argmax())]
    squared = np.full(len(gradients), np.inf)
    with one_blas_thread():
        gradients.shrink(squared, np.array(picked))
        while len(picked) < k and squared.any():
            most = min(BATCH, k - len(picked))
            fresh = list(_drawn(gradients, squared, most=most, rng=rng))
            picked.extend(fresh)
            if fresh:
                gradients.shrink(squared, np.array(fresh))
    return np.array(picked[:k], np.int64)


def _drawn(
    gradients: Gradients, squared: Squares, *, most: int, rng: np.random.Generator
) -> Iterator[int]:
    """Up to `most` centres by rejection from `squared`, which has none of them."""
    far = np.flatnonzero(squared)
    sums = np.cumsum(squared[far])
    fresh: list[int] = []
    for _ in range(TRIES):
        if len(fresh) == most:
            return
        at = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        place = int(far[min(at, len(far) - 1)])
        near = squared[place]
        if fresh:
            new = gradients.squared(np.array([place]), np.array(fresh)).min()
            near = min(near, new)
        if rng.random() * squared[place] < near:
            fresh.append(place)
            yield place


def _squared_norms(values: NDArray[np.float32]) -> Squares:
    wide = values.astype(np.float64)
    return np.einsum("ij,ij->i", wide, wide)
