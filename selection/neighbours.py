"""The nearest neighbours of rows: searched in an index, or read from a graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gleann.index import KnnGraph, SearchParams, SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.index.params import RowFilter
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import kept
from gleann.selection.list_scan import (
    LISTS,
    ListScan,
    count_primaries,
    rows_along,
    rows_near_plane,
)

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
        among: the only rows that are found: a mask (n,) of bool, or rows; None for all.
            Searches go on until they find enough of them.
    """

    def __init__(
        self,
        index: SoarIndex,
        *,
        nprobe: int | None = None,
        target_recall: float | None = None,
        among: AmongLike | None = None,
    ) -> None:
        self._index = index
        self._nprobe = nprobe
        self._target_recall = target_recall
        self._among = _Found.of(index, Among.of(among, n=len(index)))

    def __len__(self) -> int:
        return len(self._index)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`."""
        found = None if self._among is None else self._among.allowed
        return self._near(rows, k=k, allowed=found)

    def limited_to(self, among: Among) -> "IndexNeighbours":
        """The same, of which only the rows of `among` are found."""
        own = None if self._among is None else self._among.rows
        return IndexNeighbours(
            self._index,
            nprobe=self._nprobe,
            target_recall=self._target_recall,
            among=among.shared(own).rows,
        )

    def open_neighbours(self, rows: Rows, *, k: int, allowed: Mask) -> Rows:
        """The `k` nearest allowed rows (m, k) of each of `rows` (m,), nearest first.

        A row is never its own neighbour; -1 where there are fewer than k others.
        """
        return self._near(rows, k=k, allowed=self._allowed(allowed))

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        Best first; -1 where there are fewer. Under inner product and cosine this is a
        search of the index. Under l2, where the rows nearest to w are others, and for
        w = 0 it reads the lists whose centroids have the largest w.x.
        """
        may = self._allowed(allowed)
        scan = self._scan(may)

        def search(queries: Vectors, width: int) -> Rows:
            params = SearchParams(
                k=width, nprobe=min(LISTS, self._index.nlist), allowed=may
            )
            return self._index.search_rows(queries, params)[0]

        return found_along(
            directions,
            k=k,
            width=min(k, len(self)),
            search=None if self._index.metric == "l2" else search,
            read=lambda one: rows_along(scan, one, k=k),
        )

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
        scan = self._scan(self._allowed(allowed))
        return padded(
            [
                rows_near_plane(scan, plane, float(offset), k=k)
                for plane, offset in zip(planes, offsets, strict=True)
            ],
            k=k,
        )

    def _allowed(self, allowed: Mask) -> Mask:
        return allowed if self._among is None else allowed & self._among.mask

    def _scan(self, allowed: Mask) -> ListScan:
        counts = None if self._among is None else self._among.counts
        return ListScan(data=self._index.data, allowed=allowed, counts=counts)

    def _near(self, rows: Rows, *, k: int, allowed: Mask | RowFilter | None) -> Rows:
        if not len(rows):
            return np.empty((0, k), np.int64)
        # One more than requested: a row usually finds itself.
        params = SearchParams(
            k=min(k + 1, len(self)),
            nprobe=self._nprobe,
            target_recall=self._target_recall,
            allowed=allowed,
        )
        found, _ = self._index.search_rows(self._index.stored_rows[rows], params)
        return without_self(found, rows, k=k)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """The rows that may be found, counted once for all searches.

    Attributes:
        rows: int64 (m,), ascending.
        mask: bool (n,).
        allowed: the same for searches, which count and pack them once.
        counts: int64 (nlist,), how many of them are in each list, by first copies.
    """

    rows: Rows
    mask: Mask
    allowed: RowFilter
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, index: SoarIndex, among: Among | None) -> "_Found | None":
        if among is None:
            return None
        mask = among.mask
        return cls(
            rows=among.rows,
            mask=mask,
            allowed=index.allow_rows(among.rows),
            counts=count_primaries(index.data.lists, mask),
        )


@runtime_checkable
class Limitable(Neighbours, Protocol):
    """`Neighbours` that can be limited to some rows, of which they then find enough."""

    def limited_to(self, among: Among) -> Neighbours:
        """The same, of which only the rows of `among` are found.

        Raises:
            InvalidParamsError: it cannot find enough of them.
        """


def neighbours_among(neighbours: Neighbours, among: Among) -> Neighbours:
    """`neighbours` of which only the rows of `among` are found.

    Raises:
        InvalidParamsError: they cannot be limited: to drop the others after a search
            would leave too few.
    """
    if not isinstance(neighbours, Limitable):
        raise InvalidParamsError(
            f"to pick among {len(among)} of {among.n} rows needs neighbours that can be"
            " limited to them, such as IndexNeighbours; got"
            f" {type(neighbours).__name__}"
        )
    return neighbours.limited_to(among)


def found_along(
    directions: Vectors,
    *,
    k: int,
    width: int,
    search: Callable[[Vectors, int], Rows] | None,
    read: Callable[[Vectors], Rows],
) -> Rows:
    """The rows (m, k) with the largest w.x for each w of (m, d); -1 for none.

    Args:
        directions: (m, d).
        k: columns of the answer.
        width: most rows that there are of them.
        search: the nearest rows (m, width) of queries, where these are those with the
            largest product; None where they are not.
        read: the rows of one direction that is not searched, w = 0 among them.
    """
    searched = np.any(directions, axis=1) & (search is not None)
    found = np.full((len(directions), k), -1, np.int64)
    if search is not None and searched.any():
        found[searched, :width] = search(_shortened(directions[searched]), width)
    if not searched.all():
        rows = [read(one) for one in directions[~searched]]
        found[~searched] = padded(rows, k=k)
    return found


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
    """`Neighbours` read from a graph.

    Faster where the neighbours of most rows are needed, or one graph serves several
    sessions; with few rows `IndexNeighbours` is faster. A graph of some rows has no
    neighbours of the others.

    Args:
        graph: its neighbours are copied if the array is writable.
    """

    def __init__(self, graph: KnnGraph) -> None:
        self._near = kept(graph.neighbours, graph.neighbours)
        self._n = len(graph)
        self._own = graph.among

    def __len__(self) -> int:
        return self._n

    def limited_to(self, among: Among) -> "GraphNeighbours":
        """Itself, if it is a graph of these rows.

        Raises:
            InvalidParamsError: it is of others, so that too few would be left.
        """
        own = len(self) if self._own is None else len(self._own)
        if own != len(among) or not (
            self._own is None or np.array_equal(self._own, among.rows)
        ):
            raise InvalidParamsError(
                f"the graph is of {own} rows, not of the {len(among)} of {among.n} to"
                " pick from: take IndexNeighbours, or a graph of these rows"
                " (knn_graph(..., among=))"
            )
        return self

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`.

        Raises:
            InvalidParamsError: the graph holds fewer neighbours, though more exist.
        """
        held = self._near.shape[1]
        if k > held and held < len(self._near) - 1:
            raise InvalidParamsError(
                f"the graph holds {held} neighbours a row, but k is {k}"
            )
        if self._own is None:
            near = self._near[rows, :k].astype(np.int64)
        else:
            at = np.minimum(np.searchsorted(self._own, rows), len(self._own) - 1)
            near = self._near[at, :k].astype(np.int64)
            near[self._own[at] != rows] = -1
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
