"""The nearest neighbours of rows in shards: searched in all of them, wherever they are.

With these an active-learning session (`selection/active`) finds its candidates on a
cluster.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchParams
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.params import RowFilter
from gleann.index.shards.filters import ShardedFilter
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection.among import Among, AmongLike
from gleann.selection.list_scan import LISTS, lists_read, lists_read_among
from gleann.selection.neighbours import found_along, padded, without_self
from gleann.selection.shard_questions import (
    Along,
    CountPrimaries,
    Least,
    NearPlane,
    least_of,
)


class ShardNeighbours:
    """`Neighbours` by searching an index in shards with its own rows.

    A question costs the vectors of its rows, fetched from their shards, and one search
    of all shards: 4 d bytes a row to each of them, and 12 k bytes back. Those that are
    found are those of the same rows in one index, where as many lists are probed; of
    equally near rows they are in the order of their ids. It is searched along
    directions and near planes, too, as `IndexNeighbours` is, of which each shard reads
    its part of the same lists.

    Args:
        index: whose rows are searched, here or on a cluster.
        nprobe: lists to probe; None derives it from `target_recall`.
        target_recall: as in `SearchParams`.
        among: the only rows that are found: a mask (n,) of bool, or rows; None for all.
    """

    def __init__(
        self,
        index: ShardedIndex,
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
        self._held: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._index)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """The `k` nearest rows (m, k) of each of `rows` (m,); see `Neighbours`.

        Raises:
            InvalidInputError: a row that is not one of the index, such as -1.
        """
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

        Raises:
            InvalidInputError: a row that is not one of the index, such as -1.
        """
        return self._near(rows, k=k, allowed=self._may(allowed))

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        As `IndexNeighbours.along`, ties by lower id.
        """
        may = self._may(allowed)

        def search(queries: Vectors, width: int) -> Rows:
            nprobe = min(LISTS, self._index.nlist)
            params = SearchParams(k=width, nprobe=nprobe, allowed=may)
            return self._index.search_rows(queries, params)[0]

        def read(direction: Vectors) -> Rows:
            near = self._lists(-(self._index.centroids @ direction))
            return self._least(
                lambda number: Along(
                    list_nos=near,
                    direction=direction,
                    k=k,
                    allowed=may.of_shard[number],
                ),
                k=k,
            )

        return found_along(
            directions,
            k=k,
            width=min(k, len(self)),
            search=None if self._index.metric == "l2" else search,
            read=read,
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

        As `IndexNeighbours.near_planes`, ties by lower id.
        """
        may = self._may(allowed)

        def read(plane: Vectors, offset: float) -> Rows:
            near = self._lists(np.abs(self._index.centroids @ plane + offset))
            return self._least(
                lambda number: NearPlane(
                    list_nos=near,
                    plane=plane,
                    offset=offset,
                    k=k,
                    allowed=may.of_shard[number],
                ),
                k=k,
            )

        pairs = zip(planes, offsets, strict=True)
        return padded([read(plane, float(offset)) for plane, offset in pairs], k=k)

    def _may(self, allowed: Mask) -> ShardedFilter:
        mask = allowed if self._among is None else allowed & self._among.mask
        return self._index.allow(mask)

    def _lists(self, costs: NDArray[np.float32]) -> NDArray[np.int64]:
        """The lists that are read, from the least cost on."""
        if self._held is None:
            found = self._allowed
            counts = self._index.of_shards(
                lambda number: CountPrimaries(
                    allowed=None if found is None else found.of_shard[number]
                )
            )
            self._held = np.sum(list(counts.values()), axis=0)
        read = lists_read if self._among is None else lists_read_among
        return read(costs, held=self._held)

    def _least(self, question: Callable[[int], Along | NearPlane], *, k: int) -> Rows:
        """The `k` rows of least cost of all shards."""
        answers: dict[int, Least] = self._index.of_shards(question)
        return least_of(
            [
                part.numbered_from(self._index.manifest.offsets[number])
                for number, part in answers.items()
            ],
            k=k,
        )

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
