"""Neighbours from candidate lists read in both directions.

If x found y, x is a candidate of y too. Distances are symmetric, so the second
direction costs no scoring; it adds the pairs in which only one row probed a list of the
other.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances
from gleann.index.engines import native
from gleann.index.graph.self_join import CandidateLists


def mutual_neighbours(
    candidates: CandidateLists, *, k: int, threads: int
) -> CandidateLists:
    """The k nearest of the rows that each row found and of those that found it.

    Args:
        candidates: of n rows.
        k: neighbours to keep, at most n - 1.
        threads: worker threads of the native kernel; 0 takes every core.

    Returns:
        (n, k), no row its own neighbour and none twice; ties by lower row.
    """
    if native.available():
        rows, distances = native.mutual_neighbours(
            candidates.rows, candidates.distances, k=k, threads=threads
        )
        return CandidateLists(rows=rows, distances=distances)
    return mutual_reference(candidates, k=k)


def mutual_reference(candidates: CandidateLists, *, k: int) -> CandidateLists:
    """`mutual_neighbours` by sorting all pairs; what the native kernel must equal."""
    n = len(candidates.rows)
    own = np.repeat(np.arange(n, dtype=np.int32), candidates.rows.shape[1])
    other = candidates.rows.ravel()
    real = (other >= 0) & (other != own)
    ask, found = own[real], other[real]
    near = np.tile(candidates.distances.ravel()[real], 2)
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
) -> CandidateLists:
    """Cut runs of equal `source` to k and lay them out as a table."""
    starts = np.searchsorted(source, np.arange(n))
    place = np.arange(len(source)) - starts[source]
    kept = place < k
    rows = np.full((n, k), -1, np.int32)
    distances = np.full((n, k), np.inf, np.float32)
    rows[source[kept], place[kept]] = target[kept]
    distances[source[kept], place[kept]] = near[kept]
    return CandidateLists(rows=rows, distances=distances)
