"""The nearest neighbours of rows: searched in an index, or read from a graph."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index import KnnGraph, SearchParams, SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import kept
from gleann.selection.list_scan import LISTS, rows_along, rows_near_plane

LONGEST = 1e15
"""Largest coordinate of a direction; longer ones are scaled down, same direction."""


class Neighbours(Protocol):
    """The nearest neighbours of every row."""

    def __len__(self) -> int:
        """Number of rows."""

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,), nearest first.

        A row is never its own neighbour; -1 where there are fewer than k others.
        """


class IndexNeighbours:
    """`Neighbours` by searching an index with its own rows.

    Args:
        index: whose rows are searched.
        nprobe: lists to probe; None derives it from `target_recall`.
        target_recall: as in `SearchParams`.
    """

    def __init__(
        self,
        index: SoarIndex,
        *,
        nprobe: int | None = None,
        target_recall: float | None = None,
    ) -> None:
        self._index = index
        self._nprobe = nprobe
        self._target_recall = target_recall

    def __len__(self) -> int:
        return len(self._index)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`."""
        return self._near(rows, k=k, allowed=None)

    def open_neighbours(self, rows: Rows, *, k: int, allowed: Mask) -> Rows:
        """The `k` nearest allowed rows (m, k) of each of `rows` (m,), nearest first.

        A row is never its own neighbour; -1 where there are fewer than k others.
        """
        return self._near(rows, k=k, allowed=allowed)

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        Best first; -1 where there are fewer. Under inner product and cosine this is a
        search of the index. Under l2, where the rows nearest to w are others, and for
        w = 0 it reads the lists whose centroids have the largest w.x.
        """
        searched = np.any(directions, axis=1) & (self._index.metric != "l2")
        width = min(k, len(self))
        found = np.full((len(directions), k), -1, np.int64)
        if searched.any():
            params = SearchParams(
                k=width, nprobe=min(LISTS, self._index.nlist), allowed=allowed
            )
            queries = _shortened(directions[searched])
            found[searched, :width] = self._index.search_rows(queries, params)[0]
        if not searched.all():
            data = self._index.data
            found[~searched] = padded(
                [
                    rows_along(data, one, k=k, allowed=allowed)
                    for one in directions[~searched]
                ],
                k=k,
            )
        return found

    def near_planes(
        self,
        planes: Vectors,
        offsets: NDArray[np.float64],
        *,
        k: int,
        allowed: Mask,
    ) -> Rows:
        """The `k` allowed rows (p, k) with the least abs(w.x + b) for each plane.

        The best of the lists whose centroids are nearest to the plane. Best first,
        ties by lower row; -1 where these lists have fewer.
        """
        data = self._index.data
        return padded(
            [
                rows_near_plane(data, plane, float(offset), k=k, allowed=allowed)
                for plane, offset in zip(planes, offsets, strict=True)
            ],
            k=k,
        )

    def _near(self, rows: Rows, *, k: int, allowed: Mask | None) -> Rows:
        if not len(rows):
            return np.empty((0, k), np.int64)
        # One more than requested: a row usually finds itself.
        params = SearchParams(
            k=min(k + 1, len(self)),
            nprobe=self._nprobe,
            target_recall=self._target_recall,
            allowed=allowed,
        )
        found, _ = self._index.search_rows(self._index.vectors[rows], params)
        return without_self(found, rows, k=k)


def _shortened(directions: Vectors) -> Vectors:
    """The same directions (m, d), shortened so that their products fit float32."""
    peaks = np.abs(directions).max(axis=1, keepdims=True)
    return np.where(peaks > LONGEST, directions / np.maximum(peaks, 1), directions)


def padded(found: list[Rows], *, k: int) -> Rows:
    """Rows of several lengths, `k` at most, as (m, k) with -1 where there are fewer."""
    table = np.full((len(found), k), -1, np.int64)
    for at, rows in enumerate(found):
        table[at, : len(rows)] = rows
    return table


class GraphNeighbours:
    """`Neighbours` read from a graph of all rows.

    Faster where the neighbours of most rows are needed, or one graph serves several
    sessions; with few rows `IndexNeighbours` is faster.

    Args:
        graph: its neighbours are copied if the array is writable.
    """

    def __init__(self, graph: KnnGraph) -> None:
        self._near = kept(graph.neighbours, graph.neighbours)

    def __len__(self) -> int:
        return len(self._near)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`.

        Raises:
            InvalidParamsError: the graph holds fewer neighbours, though more exist.
        """
        held = self._near.shape[1]
        if k > held and held < len(self) - 1:
            raise InvalidParamsError(
                f"the graph holds {held} neighbours a row, but k is {k}"
            )
        near = self._near[rows, :k].astype(np.int64)
        return np.pad(near, ((0, 0), (0, max(0, k - held))), constant_values=-1)


def without_self(found: Rows, rows: Rows, *, k: int) -> Rows:
    """Drop each row from its own neighbours and keep `k`, padded with -1.

    Args:
        found: (m, w) neighbours of `rows`, nearest first.
        rows: (m,).
        k: columns of the answer. A row that did not find itself, as happens among
            duplicates, loses its farthest neighbour instead.
    """
    itself = found == rows[:, None]
    if found.shape[1] > k and itself[:, 0].all() and (found >= 0).all():
        # The usual case, once a pick: every row found itself first, and k others.
        return found[:, 1 : k + 1]
    others = np.where(itself, -1, found)
    # A stable sort by "is missing" moves the gaps last and keeps the order.
    order = np.argsort(others < 0, axis=1, kind="stable")
    packed = np.take_along_axis(others, order, axis=1)[:, :k]
    padding = max(0, k - packed.shape[1])
    return np.pad(packed, ((0, 0), (0, padding)), constant_values=-1)
