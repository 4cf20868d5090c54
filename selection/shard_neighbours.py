"""The nearest neighbours of rows in shards: searched in all of them, wherever they are.

With these an active-learning session (`selection/active`) finds its candidates on a
cluster.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gleann.index import SearchParams
from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.params import RowFilter
from gleann.selection.among import Among, AmongLike
from gleann.selection.neighbours import without_self


class SearchedShards(Protocol):
    """An index in shards that is searched by rows, such as `ShardedIndex`."""

    def __len__(self) -> int:
        """Rows of all shards."""

    def vectors_at(self, rows: Rows) -> Vectors:
        """The vectors (m, d) of rows (m,)."""

    def search_rows(
        self, queries: Vectors, params: SearchParams
    ) -> tuple[Rows, Distances]:
        """The rows (m, k) nearest to queries (m, d), and their distances."""

    def allow_rows(self, rows: Rows) -> RowFilter:
        """A filter for searches, of rows (m,) of all shards."""


class ShardNeighbours:
    """`Neighbours` by searching an index in shards with its own rows.

    A question costs the vectors of its rows, fetched from their shards, and one search
    of all shards: 4 d bytes a row to each of them, and 12 k bytes back. Those that are
    found are those of the same rows in one index, where as many lists are probed; of
    equally near rows they are in the order of their ids.

    Args:
        index: whose rows are searched, such as a `ShardedIndex`.
        nprobe: lists to probe; None derives it from `target_recall`.
        target_recall: as in `SearchParams`.
        among: the only rows that are found: a mask (n,) of bool, or rows; None for all.
    """

    def __init__(
        self,
        index: SearchedShards,
        *,
        nprobe: int | None = None,
        target_recall: float | None = None,
        among: AmongLike | None = None,
    ) -> None:
        self._index = index
        self._nprobe = nprobe
        self._target_recall = target_recall
        self._among = Among.of(among, n=len(index))
        self._allowed = (
            None if self._among is None else index.allow_rows(self._among.rows)
        )

    def __len__(self) -> int:
        return len(self._index)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`."""
        return self._near(rows, k=k, allowed=self._allowed)

    def limited_to(self, among: Among) -> "ShardNeighbours":
        """The same, of which only the rows of `among` are found."""
        own = None if self._among is None else self._among.rows
        return ShardNeighbours(
            self._index,
            nprobe=self._nprobe,
            target_recall=self._target_recall,
            among=among.shared(own).rows,
        )

    def open_neighbours(self, rows: Rows, *, k: int, allowed: Mask) -> Rows:
        """The `k` nearest allowed rows (m, k) of each of `rows` (m,), nearest first.

        A row is never its own neighbour; -1 where there are fewer than k others.
        """
        mask = allowed if self._among is None else allowed & self._among.mask
        may = self._index.allow_rows(np.flatnonzero(mask))
        return self._near(rows, k=k, allowed=may)

    def _near(
        self, rows: Rows | Sequence[int], *, k: int, allowed: RowFilter | None
    ) -> Rows:
        asked = np.asarray(rows, np.int64)
        if not len(asked):
            return np.empty((0, k), np.int64)
        # One more than requested: a row usually finds itself.
        params = SearchParams(
            k=min(k + 1, len(self)),
            nprobe=self._nprobe,
            target_recall=self._target_recall,
            allowed=allowed,
        )
        found, _ = self._index.search_rows(self._index.vectors_at(asked), params)
        return without_self(found, asked, k=k)
