"""The pool of all rows, with which SEALS is compared."""

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.pools.base import LabelState
from gleann.selection.among import Among
from gleann.selection.saved import Saved


class GlobalPool:
    """Every row that is not closed; it never grows.

    Args:
        n: rows.
        among: the only rows that are candidates; None for all.
    """

    __slots__ = ("_closed", "entered", "looked_at")

    def __init__(self, n: int, *, among: Among | None = None) -> None:
        self.entered: Mask = np.ones(n, np.bool_) if among is None else among.mask
        self._closed: Mask = ~self.entered
        self.looked_at = n if among is None else len(among)

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return np.flatnonzero(~self._closed)

    def close(self, rows: Rows) -> None:
        """Remove `rows` for good."""
        self._closed[rows] = True

    def grow(self, _rows: Rows, /) -> Rows:
        """No row enters: all are candidates already."""
        return np.empty(0, np.int64)

    def undo(self, closed: Rows, _joined: Rows, /) -> None:
        """Reopen `closed`."""
        self._closed[closed] = False

    def update(self, state: LabelState) -> None:
        """Do nothing: all rows are candidates already."""

    def state(self) -> dict[str, list[int]]:
        """Empty: every row that is not closed is a candidate."""
        return {}

    def restore(self, state: Saved) -> None:
        """Do nothing: the state is empty."""
