"""Candidates from the classifier: its weights are a query to the index.

For a linear model the likeliest positives are those with the largest w.x, which is a
nearest-neighbour search with w where rows have unit length; the most uncertain are the
rows nearest to the hyperplane w.x + b = 0. SEALS alone cannot reach rows that no
labelled row leads to; this can.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.active.pools.base import LabelState
from gleann.selection.active.pools.seals import SealsPool
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved


@runtime_checkable
class Searcher(Neighbours, Protocol):
    """`Neighbours` that can also be searched by direction and hyperplane."""

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        Best first; -1 where there are fewer.
        """

    def near_planes(
        self,
        normals: Vectors,
        offsets: NDArray[np.float64],
        *,
        k: int,
        allowed: Mask,
    ) -> Rows:
        """The `k` allowed rows (p, k) with the least abs(w.x + b) for each plane.

        Best first; -1 where there are fewer.
        """


class ClassifierPool:
    """A SEALS pool to which the classifier adds its top rows before each batch.

    Args:
        searcher: searches neighbours, directions and hyperplanes.
        k: neighbours of each row that enter.
        favourites: number of likeliest rows of each class, and of rows nearest to each
            hyperplane, that enter before a batch.
    """

    __slots__ = ("_favourites", "_seals", "_searcher")

    def __init__(self, searcher: Searcher, *, k: int, favourites: int) -> None:
        self._searcher = searcher
        self._seals = SealsPool(searcher, k=k)
        self._favourites = favourites

    @property
    def entered(self) -> Mask:
        """(n,), True for every row that was ever a candidate."""
        return self._seals.entered

    @property
    def looked_at(self) -> int:
        """Number of rows that were ever candidates."""
        return self._seals.looked_at

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return self._seals.candidates()

    def close(self, rows: Rows) -> None:
        """Remove `rows` for good."""
        self._seals.close(rows)

    def grow(self, rows: Rows, /) -> Rows:
        """Add the neighbours of `rows`; return those that may be picked."""
        return self._seals.grow(rows)

    def undo(self, closed: Rows, joined: Rows, /) -> None:
        """Reopen `closed`, and remove `joined`, which entered since."""
        self._seals.undo(closed, joined)

    def update(self, state: LabelState) -> None:
        """Add the classifier's top rows among the open ones.

        None if it is not linear: the pool is then that of SEALS, and the batch says so.
        """
        if not state.hyperplanes:
            return
        # Labelled rows score highest by construction: only open rows are searched.
        allowed = self._seals.open_rows
        found = []
        for hyperplanes in state.hyperplanes:
            found += [
                self._searcher.along(
                    hyperplanes.directions, k=self._favourites, allowed=allowed
                ),
                self._searcher.near_planes(
                    hyperplanes.normals,
                    hyperplanes.offsets,
                    k=self._favourites,
                    allowed=allowed,
                ),
            ]
        rows = np.unique(np.concatenate([part.ravel() for part in found]))
        self._seals.admit(rows[rows >= 0])

    def state(self) -> dict[str, list[int]]:
        """Rows that have entered, ascending."""
        return self._seals.state()

    def restore(self, state: Saved) -> None:
        """Add the rows that had entered before."""
        self._seals.restore(state)
