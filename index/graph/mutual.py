"""Neighbours from pools read both ways: x that pooled y is a candidate of y too.

Distances are symmetric, so the second direction costs no scoring. What one row missed,
because it did not probe the other's list, the other has often found.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances
from gleann.index.engines import native
from gleann.index.graph.self_join import Pools


def mutual_neighbours(pools: Pools, *, k: int, threads: int) -> Pools:
    """The k nearest of all that each row pooled and all that pooled it.

    Args:
        pools: of n rows.
        k: neighbours to keep, at most n - 1.
        threads: worker threads of the native kernel; 0 takes every core.

    Returns:
        (n, k), no row its own neighbour and none twice; ties by lower row.
    """
    if native.available():
        rows, distances = native.mutual_neighbours(
            pools.rows, pools.distances, k=k, threads=threads
        )
        return Pools(rows=rows, distances=distances)
    return mutual_reference(pools, k=k)


def mutual_reference(pools: Pools, *, k: int) -> Pools:
    """`mutual_neighbours` by sorting all pairs; what the native kernel must equal."""
    n = len(pools.rows)
    own = np.repeat(np.arange(n, dtype=np.int32), pools.rows.shape[1])
    other = pools.rows.ravel()
    real = (other >= 0) & (other != own)
    ask, found = own[real], other[real]
    near = np.tile(pools.distances.ravel()[real], 2)
    source = np.concatenate([ask, found])
    target = np.concatenate([found, ask])
    once = _first_of_each(source, target)
    source, target, near = source[once], target[once], near[once]
    order = np.lexsort((target, near, source))
    return _first_k(source[order], target[order], near[order], n=n, k=k)


def _first_of_each(
    source: NDArray[np.int32], target: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Where each (source, target) pair stands first."""
    order = np.lexsort((target, source))
    again = (np.diff(source[order]) == 0) & (np.diff(target[order]) == 0)
    return order[np.concatenate([[True], ~again])] if len(order) else order


def _first_k(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    near: Distances,
    *,
    n: int,
    k: int,
) -> Pools:
    """Cut runs of equal `source` to k and lay them out as a table."""
    starts = np.searchsorted(source, np.arange(n))
    place = np.arange(len(source)) - starts[source]
    kept = place < k
    rows = np.full((n, k), -1, np.int32)
    distances = np.full((n, k), np.inf, np.float32)
    rows[source[kept], place[kept]] = target[kept]
    distances[source[kept], place[kept]] = near[kept]
    return Pools(rows=rows, distances=distances)
