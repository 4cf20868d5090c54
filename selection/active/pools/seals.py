"""SEALS: candidates are the neighbours of labelled rows.

Coleman et al. 2020, Similarity search for Efficient Active Learning and Search of rare
concepts, https://arxiv.org/abs/2007.00077, algorithms 1 and 2.
"""

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.pools.base import LabelState
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved


class SealsPool:
    """The union of the k nearest neighbours of every row in `grow` so far.

    With L the rows grown from, at most k * len(L) rows ever enter. The neighbours of a
    row are searched once; they stay in the pool.

    Args:
        neighbours: over the same n rows.
        k: neighbours of each row that enter.
    """

    __slots__ = ("_closed", "_k", "_neighbours", "_open", "entered", "looked_at")

    def __init__(self, neighbours: Neighbours, *, k: int) -> None:
        n = len(neighbours)
        self.entered: Mask = np.zeros(n, np.bool_)
        self._closed: Mask = np.zeros(n, np.bool_)
        # Entered, perhaps closed since: avoids a scan of all n rows before a batch.
        self._open: Rows = np.empty(0, np.int64)
        self._neighbours = neighbours
        self._k = k
        self.looked_at = 0

    @property
    def open_rows(self) -> Mask:
        """(n,), True where a row is not closed, candidate or not."""
        return ~self._closed

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        self._open = np.sort(self._open[~self._closed[self._open]])
        return self._open

    def close(self, rows: Rows) -> None:
        """Remove `rows` for good."""
        self._closed[rows] = True

    def undo(self, closed: Rows, joined: Rows, /) -> None:
        """Reopen `closed`, and remove `joined`, which entered since."""
        self._closed[closed] = False
        self.entered[joined] = False
        self._open = self._open[self.entered[self._open]]
        self.looked_at -= len(joined)

    def update(self, state: LabelState) -> None:
        """Do nothing: this pool does not depend on the classifier."""

    def grow(self, rows: Rows, /) -> Rows:
        """Add the neighbours of `rows`; return those that may be picked."""
        near = np.unique(self._neighbours.neighbours(rows, k=self._k))
        return self.admit(near[near >= 0])

    def admit(self, rows: Rows) -> Rows:
        """Add distinct `rows`; return those that are new and may be picked."""
        new = rows[~(self.entered[rows] | self._closed[rows])]
        self.entered[new] = True
        self._open = np.concatenate([self._open, new])
        self.looked_at += len(new)
        return new

    def state(self) -> dict[str, list[int]]:
        """Rows that have entered, ascending."""
        return {"entered": np.flatnonzero(self.entered).tolist()}

    def restore(self, state: Saved) -> None:
        """Add the rows that had entered before."""
        self.admit(state.rows("entered", n=len(self.entered)))
