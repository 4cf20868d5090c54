"""The pool of every row: what SEALS is compared with."""

import numpy as np

from gleann.index.arrays import Mask, Rows, Vectors


class GlobalPool:
    """Every row that is not closed; it never grows.

    Args:
        n: rows.
    """

    __slots__ = ("_closed", "entered")

    def __init__(self, n: int) -> None:
        self.entered: Mask = np.ones(n, np.bool_)
        self._closed: Mask = np.zeros(n, np.bool_)

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return np.flatnonzero(~self._closed)

    def close(self, rows: Rows) -> None:
        """Take `rows` out for good."""
        self._closed[rows] = True

    def grow(self, rows: Rows) -> Rows:  # noqa: ARG002 (the pool's contract)
        """Nothing enters: everything is in already."""
        return np.empty(0, np.int64)

    def consult(self, directions: Vectors) -> None:
        """Nothing: everything is in already."""
