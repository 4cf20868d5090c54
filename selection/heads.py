"""The nearest rows of each of some vectors, as far as they were needed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchParams, SoarIndex
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.parallel.blocks import block_slices
from gleann.selection.among import Among

SEARCHED = 1 << 22
"""Neighbours of one search: so many rows and distances are in memory at once."""

MOST_TIED = 4096
"""Neighbours up to which a tie at the end of a head is resolved by id: of more equally
near rows, those are candidates that a search returns, which are the lowest."""

TARGET_RECALL = 0.99
"""Recall of the searches for neighbours, by default."""

Key = tuple[float, int]
"""Distance and place of the id: what the order of the rows of a head follows."""

FARTHEST: Key = (float("inf"), np.iinfo(np.int64).max)


def require_recall(recall: float) -> None:
    """Refuse a recall outside (0, 1].

    Raises:
        InvalidParamsError: with the value.
    """
    SearchParams(target_recall=recall)


@dataclass(slots=True, eq=False)
class Head:
    """The nearest rows of one vector.

    Attributes:
        rows: int64 (k,), nearest first, ties by id.
        distances: float32 (k,).
        settled: of the first so many, no row that is not listed precedes any.
        depth: neighbours that were searched for.
        complete: all rows that searches find are listed.
    """

    rows: Rows
    distances: Distances
    settled: int = 0
    depth: int = 0
    complete: bool = False


class Heads:
    """The heads of some vectors, which grow on demand.

    What a head has may depend on how deep it was searched, as searches are approximate:
    so callers must ask for the same depths in the same order, whatever their budget is.

    Args:
        index: whose rows are found.
        vectors: float32 (m, d), prepared.
        among: the only rows that are found; None for all.
        ranks: of `index_rows.id_ranks`.
        target_recall: of the searches; 1 looks at every row.
    """

    def __init__(
        self,
        index: SoarIndex,
        vectors: Vectors,
        *,
        among: Among | None,
        ranks: Rows | None,
        target_recall: float,
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._target_recall = target_recall
        self._allowed = None if among is None else index.allow_rows(among.rows)
        self._size = len(index) if among is None else len(among)
        self._ranks = ranks
        nothing = np.empty(0, np.int64), np.empty(0, np.float32)
        self.heads = [Head(*nothing) for _ in range(len(vectors))]
        self.least_recall: float | None = None

    @property
    def deepest(self) -> int:
        """Neighbours of the longest head."""
        return max(head.depth for head in self.heads)

    def deepen(self, numbers: NDArray[np.int64], depth: int) -> None:
        """Find the nearest `depth` rows of the vectors `numbers` (b,), if need be."""
        depth = min(depth, self._size)
        wanted = [one for one in numbers.tolist() if self.heads[one].depth < depth]
        for block in block_slices(len(wanted), SEARCHED // depth):
            self._search(np.array(wanted[block], np.int64), depth)

    def double(self, numbers: NDArray[np.int64]) -> None:
        """Search the heads of the vectors `numbers` (b,) twice as deep."""
        depths = np.array([self.heads[one].depth for one in numbers.tolist()], np.int64)
        for depth in np.unique(depths).tolist():
            self.deepen(numbers[depths == depth], 2 * depth)

    def last_key(self, number: int) -> Key:
        """Where the settled part of a head ends: all rows up to there are listed."""
        head = self.heads[number]
        if head.complete:
            return FARTHEST
        if not head.settled:
            return (-float("inf"), -1)
        last = head.settled - 1
        row = int(head.rows[last])
        rank = row if self._ranks is None else int(self._ranks[row])
        return (float(head.distances[last]), rank)

    def _search(self, numbers: NDArray[np.int64], depth: int) -> None:
        params = SearchParams(
            k=depth, target_recall=self._target_recall, allowed=self._allowed
        )
        found = self._index.find_rows(self._vectors[numbers], params)
        self._note_recall(found.stats.estimated_recall)
        rows, distances = self._by_id(found.rows, found.distances)
        for place, number in enumerate(numbers.tolist()):
            there = int(np.count_nonzero(rows[place] >= 0))
            self.heads[number] = self._head(
                rows[place, :there], distances[place, :there], depth
            )

    def _head(self, rows: Rows, distances: Distances, depth: int) -> Head:
        complete = len(rows) < depth or depth == self._size
        settled = len(rows)
        if not complete and self._ranks is not None and depth < MOST_TIED:
            # Rows that are not listed may be as near as the last, and have lower ids.
            settled = int(np.searchsorted(distances, distances[-1], side="left"))
        return Head(rows, distances, settled, depth, complete)

    def _by_id(self, rows: Rows, distances: Distances) -> tuple[Rows, Distances]:
        """Neighbours (b, k) in the order of distances, ties by id instead of by row."""
        if self._ranks is None:
            return rows, distances
        ranks = np.where(rows < 0, FARTHEST[1], self._ranks[rows])
        order = np.lexsort((ranks, distances), axis=1)
        return (
            np.take_along_axis(rows, order, axis=1),
            np.take_along_axis(distances, order, axis=1),
        )

    def _note_recall(self, recall: float | None) -> None:
        if recall is None:
            return
        least = self.least_recall
        self.least_recall = recall if least is None else min(least, recall)
