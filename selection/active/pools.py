"""What a candidate pool is: the rows a batch may be drawn from."""

from typing import Protocol

from gleann.index.arrays import Mask, Rows, Vectors


class Pool(Protocol):
    """The rows that may be picked; it grows by neighbours and shrinks by closing."""

    @property
    def entered(self) -> Mask:
        """(n,), True for every row that ever was a candidate."""

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""

    def close(self, rows: Rows) -> None:
        """Take `rows` out for good: asked for, labelled or ignored."""

    def grow(self, rows: Rows) -> Rows:
        """Add the neighbours of `rows`; return the candidates this added, ascending."""

    def consult(self, directions: Vectors) -> None:
        """Before a batch: the classifier's weights (m, d), for a pool that asks it."""
