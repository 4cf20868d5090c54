"""Queries of a classifier that are no nearest-neighbour search.

Rows near a hyperplane, and rows along a direction under l2, are read from the lists
whose centroids score best.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.engines.contract import IndexData
from gleann.index.lists import InvertedLists

LISTS, FEWEST_LISTS, ROWS = 64, 8, 6_000
"""Lists read for one plane or direction, once per batch (selection/DECISIONS.md 5): 64,
fewer if they hold more than 6,000 rows, but at least 8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListScan:
    """What is read: the lists of least cost.

    Attributes:
        data: of an index.
        allowed: (n,) rows that may be returned.
        counts: (nlist,), rows of each list that may ever be returned, where a session
            is limited to some rows: lists are then read until they have 6,000 of these
            rows, however many lists that takes. None for all rows.
    """

    data: IndexData
    allowed: Mask
    counts: NDArray[np.int64] | None = None

    def rows(self, costs: NDArray[np.float32]) -> Rows:
        """Allowed rows, ascending, whose first list is among those of least cost.

        Args:
            costs: (nlist,), of the lists.
        """
        lists = self.data.lists
        if self.counts is None:
            near = lists_read(costs, held=lists.mids - lists.offsets[:-1])
        else:
            near = lists_read_among(costs, held=self.counts)
        return rows_of_lists(lists, near, self.allowed)


def lists_read(
    costs: NDArray[np.float32], *, held: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The lists (m,) that are read of an index, from the least cost on.

    Args:
        costs: (nlist,), of the lists.
        held: (nlist,) rows of each list, by first copies.
    """
    return _filled(np.argsort(costs, kind="stable")[:LISTS], held)


def lists_read_among(
    costs: NDArray[np.float32], *, held: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The lists (m,) that are read for some rows alone, from the least cost on.

    Args:
        costs: (nlist,), of the lists.
        held: (nlist,) how many of these rows are in each list, by first copies.
    """
    near = np.argsort(costs, kind="stable")
    return _filled(near[held[near] > 0], held)


def _filled(near: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of `near` that have some `ROWS` rows together."""
    enough = int(np.searchsorted(np.cumsum(held[near]), ROWS))
    return near[: max(FEWEST_LISTS, enough)]


def rows_of_lists(
    lists: InvertedLists, list_nos: NDArray[np.int64], allowed: Mask
) -> Rows:
    """Allowed rows, ascending, whose first list is among some (m,)."""
    spans = [lists.rows[lists.offsets[at] : lists.mids[at]] for at in list_nos.tolist()]
    rows = np.concatenate([np.empty(0, np.int32), *spans])
    return np.sort(rows[allowed[rows]]).astype(np.int64)


def count_primaries(lists: InvertedLists, mask: Mask) -> NDArray[np.int64]:
    """How many rows (nlist,) of `mask` (n,) each list has, by first copies."""
    before = np.concatenate([[0], np.cumsum(mask[lists.rows], dtype=np.int64)])
    counts: NDArray[np.int64] = before[lists.mids] - before[lists.offsets[:-1]]
    return counts


def rows_near_plane(scan: ListScan, plane: Vectors, offset: float, *, k: int) -> Rows:
    """The `k` allowed rows (at most) with the least abs(w.x + b), best first.

    Args:
        scan: reads the lists whose centroids are nearest to the plane.
        plane: (d,) the weights w.
        offset: b.
        k: rows to return.
    """
    rows = scan.rows(np.abs(scan.data.centroids @ plane + offset))
    return _least(np.abs(scan.data.vectors[rows] @ plane + offset), rows, k=k)


def rows_along(scan: ListScan, direction: Vectors, *, k: int) -> Rows:
    """The `k` allowed rows (at most) with the largest w.x, best first.

    Args:
        scan: reads the lists whose centroids lie farthest along.
        direction: (d,) w.
        k: rows to return.
    """
    rows = scan.rows(-(scan.data.centroids @ direction))
    return _least(-(scan.data.vectors[rows] @ direction), rows, k=k)


def _least(costs: NDArray[np.float32], rows: Rows, *, k: int) -> Rows:
    """The `k` of `rows` (ascending) of least cost, ties by lower row."""
    best: Rows = rows[np.argsort(costs, kind="stable")[:k]]
    return best
