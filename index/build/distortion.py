"""The squared distances of rows to the centroids of their lists."""

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Vectors
from gleann.index.heartbeat import beat
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices


def total_distortion(vectors: RowMatrix, centroids: Vectors, primary: ListNos) -> float:
    """Sum of the squared L2 distances of rows (m, d) to the centroids of their lists.

    Args:
        vectors: (m, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        primary: (m,) first list of each row.
    """
    total = 0.0
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        beat()
        residuals = vectors[block] - centroids[primary[block]]
        squares = np.einsum("ij,ij->i", residuals, residuals)
        total += float(squares.sum(dtype=np.float64))
    return total
