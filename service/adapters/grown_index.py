"""An index that grows and shrinks in this process, with rows numbered by position."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from warnings import warn

import numpy as np

from gleann.index import SearchParams, SoarIndex, exact_search
from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.errors import RecallWarning
from gleann.index.metric import prepare
from gleann.selection.checks import as_rows

REBUILT_AT = 0.25
"""Inserted rows, as a share of those of the index, at which it is built anew."""

Line = tuple[Rows, Distances]
"""Positions and distances of one query's neighbours, nearest first."""


class GrownIndex:
    """A sealed index, rows inserted since, and which rows are left.

    A service has this with a log, a database and threads (`service/views`); here all is
    in memory. Not thread-safe while it changes.

    Args:
        index: rows 0 to n - 1, at positions 0 to n - 1.
    """

    def __init__(self, index: SoarIndex) -> None:
        self._index = index
        self._lists = index.newer_lists()
        self._newer: Vectors = np.empty((0, index.dim), np.float32)
        self._rows: Rows = np.arange(len(index))
        """The row at each position; inserted rows are numbered after the index's."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dim(self) -> int:
        """Dimensions of a row."""
        return self._index.dim

    def insert(self, vectors: Vectors) -> None:
        """Add rows (m, d) behind the others.

        Raises:
            ZeroVectorError, InvalidInputError: rows without distances.
        """
        added = prepare(vectors, self._index.metric)
        first = len(self._index) + len(self._newer)
        self._newer = np.concatenate([self._newer, added])
        self._rows = np.concatenate([self._rows, first + np.arange(len(added))])
        if len(self._newer) > REBUILT_AT * len(self._index):
            self._rebuild()

    def delete(self, positions: Sequence[int]) -> None:
        """Remove rows; those behind them move up.

        Raises:
            InvalidInputError: a position that is not there, or one twice.
        """
        gone = as_rows(np.asarray(positions, np.int64), n=len(self), name="positions")
        self._rows = np.delete(self._rows, gone)

    def sealed(self) -> SoarIndex:
        """An index of the rows in the order of their positions.

        Raises:
            InvalidInputError: there are no rows.
        """
        untouched = len(self._rows) == len(self._index) and not len(self._newer)
        if not untouched:
            self._rebuild()
        return self._index

    def search(self, queries: Vectors, params: SearchParams) -> Iterator[Line]:
        """The nearest rows of each query (nq, d): k, or as many as there are.

        Warns:
            RecallWarning: as `SoarIndex.search`.
        """
        places, alive, newer_alive = self._places()
        k = min(params.k, max(1, len(self)))
        wanted = replace(params, k=k, allowed=None if alive.all() else alive)
        newer = None
        if len(self._newer):
            newer = self._lists.rows(self._newer, alive=newer_alive)
        found = self._index.find_rows(queries, wanted, newer=newer)
        if (text := self._index.recall_warning(found.stats, wanted)) is not None:
            warn(text, RecallWarning, stacklevel=3)
        for rows, distances in zip(found.rows, found.distances, strict=True):
            there = rows >= 0
            yield places[rows[there]], distances[there]

    def search_radius(
        self, queries: Vectors, radius: float, *, limit: int
    ) -> Iterator[Line]:
        """All rows within a distance of each query (nq, d), its nearest `limit`."""
        places, alive, newer_alive = self._places()
        found = self._index.find_within(
            queries, radius, limit=limit, allowed=None if alive.all() else alive
        )
        more = self._newer_within(queries, radius, newer_alive, limit=limit)
        for at, (rows, distances) in enumerate(more):
            hits = slice(found.offsets[at], found.offsets[at + 1])
            near = np.concatenate([found.distances[hits], distances])
            both = np.concatenate([found.rows[hits], rows])
            order = np.lexsort((places[both], near))[:limit]
            yield places[both[order]], near[order]

    def _newer_within(
        self, queries: Vectors, radius: float, alive: Mask, *, limit: int
    ) -> Iterator[Line]:
        """Inserted rows within a distance of each query, by comparing all."""
        if not alive.any():
            yield from [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
            return
        found, distances = exact_search(
            queries,
            self._newer,
            metric=self._index.metric,
            k=min(limit, len(self._newer)),
            allowed=alive,
        )
        for rows, near in zip(found, distances, strict=True):
            there = (rows >= 0) & (near <= np.float32(radius))
            yield len(self._index) + rows[there], near[there]

    def _places(self) -> tuple[Rows, Mask, Mask]:
        """The position of each row, and which of the index and inserted are left."""
        n = len(self._index)
        places = np.full(n + len(self._newer), -1, np.int64)
        places[self._rows] = np.arange(len(self._rows))
        left = places >= 0
        return places, left[:n], left[n:]

    def _rebuild(self) -> None:
        whole = self._rows[self._rows < len(self._index)]
        added = self._rows[self._rows >= len(self._index)] - len(self._index)
        vectors = np.concatenate([self._index.vectors[whole], self._newer[added]])
        params = replace(self._index.params, nlist="auto")
        built = GrownIndex(SoarIndex.build(vectors, params))
        self._index, self._lists = built._index, built._lists
        self._newer, self._rows = built._newer, built._rows
