"""Queries of a classifier that are no nearest-neighbour search.

Rows near a hyperplane, and rows along a direction under l2, are read from the lists
whose centroids score best.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.engines.contract import IndexData

LISTS, FEWEST_LISTS, ROWS = 64, 8, 6_000
"""Lists read for one plane or direction, once per batch (selection/DECISIONS.md 5): 64,
fewer if they hold more than 6,000 rows, but at least 8."""


def rows_near_plane(
    data: IndexData, plane: Vectors, offset: float, *, k: int, allowed: Mask
) -> Rows:
    """The `k` allowed rows (at most) with the least abs(w.x + b), best first.

    Args:
        data: of an index; the lists whose centroids are nearest to the plane are read.
        plane: (d,) the weights w.
        offset: b.
        k: rows to return.
        allowed: (n,) rows that may be returned.
    """
    rows = _rows_of(data, np.abs(data.centroids @ plane + offset), allowed)
    return _least(np.abs(data.vectors[rows] @ plane + offset), rows, k=k)


def rows_along(data: IndexData, direction: Vectors, *, k: int, allowed: Mask) -> Rows:
    """The `k` allowed rows (at most) with the largest w.x, best first.

    Args:
        data: of an index; the lists whose centroids lie farthest along are read.
        direction: (d,) w.
        k: rows to return.
        allowed: (n,) rows that may be returned.
    """
    rows = _rows_of(data, -(data.centroids @ direction), allowed)
    return _least(-(data.vectors[rows] @ direction), rows, k=k)


def _rows_of(data: IndexData, costs: NDArray[np.float32], allowed: Mask) -> Rows:
    """Allowed rows, ascending, whose first list is among those of least cost."""
    lists = data.lists
    near = np.argsort(costs, kind="stable")[:LISTS]
    held = np.cumsum(lists.mids[near] - lists.offsets[near])
    near = near[: max(FEWEST_LISTS, int(np.searchsorted(held, ROWS)))]
    spans = [lists.rows[lists.offsets[at] : lists.mids[at]] for at in near.tolist()]
    rows = np.sort(np.concatenate(spans)).astype(np.int64)
    return rows[allowed[rows]]


def _least(costs: NDArray[np.float32], rows: Rows, *, k: int) -> Rows:
    """The `k` of `rows` (ascending) of least cost, ties by lower row."""
    best: Rows = rows[np.argsort(costs, kind="stable")[:k]]
    return best
