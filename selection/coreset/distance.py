"""Plain L2 distances in float32 that stay accurate between near-duplicates."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows, Vectors

CLOSE = 1e-2
BLOCK_ROWS = 8_192


class Space:
    """Vectors made ready for many distances to one of them.

    |x|^2 - 2 x.c + |c|^2 costs one matrix-vector product but loses digits when the
    distance is small beside the lengths. Rows that come out that close are computed
    again by differences, so the relative error stays near 1e-5 and duplicates are at
    exactly 0. Subtracting the mean first makes fewer rows close.

    Args:
        vectors: (n, d).
    """

    __slots__ = ("_squares", "vectors")

    def __init__(self, vectors: Vectors) -> None:
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.vectors: Vectors = vectors - centre
        self._squares: Distances = np.einsum("ij,ij->i", self.vectors, self.vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    def distances_to(self, row: int) -> Distances:
        """Distance (n,) of every row to `row`."""
        point = self.vectors[row]
        lengths = self._squares + self._squares[row]
        squares = lengths - 2 * (self.vectors @ point)
        close = np.flatnonzero(squares < CLOSE * lengths)
        differences = self.vectors[close] - point
        squares[close] = np.einsum("ij,ij->i", differences, differences)
        squares[row] = 0
        return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)

    def nearest_of(self, chosen: Rows) -> tuple[Rows, Distances]:
        """Position in `chosen` (m >= 1) of every row's nearest one, and its distance.

        Ties, and near-ties within float32 rounding, go to either; the distance is that
        to the one returned, by differences.
        """
        nearest = np.empty(len(self), np.int64)
        distances = np.empty(len(self), np.float32)
        points, squares = self.vectors[chosen], self._squares[chosen]
        for first in range(0, len(self), BLOCK_ROWS):
            block = self.vectors[first : first + BLOCK_ROWS]
            # |x|^2 is the same for every candidate and does not change the order.
            found = (squares - 2 * (block @ points.T)).argmin(axis=1)
            nearest[first : first + len(block)] = found
            distances[first : first + len(block)] = _lengths(block - points[found])
        at = np.arange(len(chosen))
        nearest[chosen], distances[chosen] = at, 0
        return nearest, distances


def _lengths(differences: NDArray[np.float32]) -> Distances:
    return np.sqrt(np.einsum("ij,ij->i", differences, differences))
