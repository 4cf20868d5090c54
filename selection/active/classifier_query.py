"""Candidates from the classifier itself: its weights are a query to the index.

For a linear model the likeliest positives are those with the largest w.x, which is a
nearest-neighbour search with w where rows have unit length. SEALS alone cannot reach
positives that no labelled row leads to; this can.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.active.seals import SealsPool
from gleann.selection.pool import Neighbours


@runtime_checkable
class Searcher(Neighbours, Protocol):
    """`Neighbours` that can also be asked about directions."""

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """The `k` allowed rows (m, k) with the largest w.x for each w of (m, d).

        Best first; -1 where there are fewer.
        """


class ClassifierPool:
    """A SEALS pool that the classifier's own favourites join before each batch.

    Args:
        searcher: who lies near whom, and along what.
        k: neighbours of each row that enter, and favourites of each class.
        entered: (n,) what had entered before, for a pool that is resumed.
    """

    __slots__ = ("_k", "_seals", "_searcher")

    def __init__(
        self, searcher: Searcher, *, k: int, entered: Mask | None = None
    ) -> None:
        self._searcher = searcher
        self._seals = SealsPool(searcher, k=k, entered=entered)
        self._k = k

    @property
    def entered(self) -> Mask:
        """(n,), True for every row that ever was a candidate."""
        return self._seals.entered

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return self._seals.candidates()

    def close(self, rows: Rows) -> None:
        """Take `rows` out for good."""
        self._seals.close(rows)

    def grow(self, rows: Rows) -> Rows:
        """Let the neighbours of `rows` enter; return those that may be picked."""
        return self._seals.grow(rows)

    def consult(self, directions: Vectors) -> None:
        """Let the open rows farthest along each of `directions` (m, d) enter."""
        # Labelled rows lie farthest along by nature: only the others are of use.
        found = np.unique(
            self._searcher.along(directions, k=self._k, allowed=self._seals.open_rows)
        )
        self._seals.admit(found[found >= 0])
