"""Candidates from the classifier itself: its weights are a query to the index.

For a linear model the likeliest positives are those with the largest w.x, which is a
nearest-neighbour search with w where rows have unit length; the most uncertain are the
rows nearest to the hyperplane w.x + b = 0. SEALS alone cannot reach rows that no
labelled row leads to; this can.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.active.pools.base import Standing
from gleann.selection.active.pools.seals import SealsPool
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved


@runtime_checkable
class Searcher(Neighbours, Protocol):
    """`Neighbours` that can also be asked about directions and hyperplanes."""

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        Best first; -1 where there are fewer.
        """

    def beside(
        self,
        planes: Vectors,
        offsets: NDArray[np.float64],
        *,
        k: int,
        allowed: Mask,
    ) -> Rows:
        """The `k` allowed rows (p, k) with the least abs(w.x + b) for each plane.

        Best first; -1 where there are fewer.
        """


class ClassifierPool:
    """A SEALS pool that the classifier's own favourites join before each batch.

    Args:
        searcher: who lies near whom, along what, and beside which plane.
        k: neighbours of each row that enter.
        favourites: likeliest rows of each class, and rows nearest to each boundary,
            that enter before a batch.
    """

    __slots__ = ("_favourites", "_seals", "_searcher")

    def __init__(self, searcher: Searcher, *, k: int, favourites: int) -> None:
        self._searcher = searcher
        self._seals = SealsPool(searcher, k=k)
        self._favourites = favourites

    @property
    def entered(self) -> Mask:
        """(n,), True for every row that ever was a candidate."""
        return self._seals.entered

    @property
    def looked_at(self) -> int:
        """How many rows ever were candidates."""
        return self._seals.looked_at

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return self._seals.candidates()

    def close(self, rows: Rows) -> None:
        """Take `rows` out for good."""
        self._seals.close(rows)

    def grow(self, rows: Rows) -> Rows:
        """Let the neighbours of `rows` enter; return those that may be picked."""
        return self._seals.grow(rows)

    def undo(self, closed: Rows, joined: Rows) -> None:
        """Open `closed` again and send away `joined`, which entered since."""
        self._seals.undo(closed, joined)

    def consult(self, standing: Standing) -> None:
        """Let the classifier's favourites among the open rows enter.

        None where it is not linear: the pool is then that of SEALS, and the batch says
        so.
        """
        if not standing.boundaries:
            return
        # Labelled rows lie farthest along by nature: only the others are of use.
        allowed = self._seals.open_rows
        found = []
        for boundaries in standing.boundaries:
            found += [
                self._searcher.along(
                    boundaries.towards, k=self._favourites, allowed=allowed
                ),
                self._searcher.beside(
                    boundaries.planes,
                    boundaries.offsets,
                    k=self._favourites,
                    allowed=allowed,
                ),
            ]
        rows = np.unique(np.concatenate([part.ravel() for part in found]))
        self._seals.admit(rows[rows >= 0])

    def state(self) -> dict[str, list[int]]:
        """What has entered, ascending."""
        return self._seals.state()

    def restore(self, state: Saved) -> None:
        """Let enter what had entered before."""
        self._seals.restore(state)
