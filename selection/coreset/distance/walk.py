"""Farthest-first picking in lazy batches: the plain algorithm's picks in fewer passes.

Distances to the centres only shrink. A batch holds the farthest rows when it begins. As
long as one of them is at least as far as every row outside the batch *was* then, it is
the farthest of all: no row outside has to be read again before the batch ends (Minoux'
lazy evaluation, 1978, in batches).
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.selection.coreset.distance.contract import Points, Squares
from gleann.selection.progress import ProgressCallback

CANDIDATES = 256
"""Candidates kept per batch; 140-190 are used in practice (glove-100, sift-128)."""


class Walk:
    """A traversal in progress: each pick has the largest distance minus price.

    Args:
        points: the rows.
        covered: rows that are centres from the start, never picked.
        prices: float64 (n,), subtracted from each row's distance; None for none, and
            then rows that coincide with a centre are never picked.
        progress: called before each batch.
    """

    __slots__ = (
        "_covered",
        "_covering",
        "_nearest",
        "_points",
        "_prices",
        "_progress",
        "_squared",
        "insertions",
        "picked",
    )

    def __init__(
        self,
        points: Points,
        covered: Rows,
        *,
        prices: NDArray[np.float64] | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._points = points
        self._covering = points.covering()
        self._covered = len(covered)
        self._prices = None if prices is None else prices.copy()
        self._progress = progress
        self.picked: list[int] = []
        self.insertions: list[float] = []
        # Read on demand: the points may be on a device.
        self._squared: Squares | None
        self._nearest: Rows | None
        self._add(covered)

    @property
    def squared(self) -> Squares:
        """Squared distance (n,) of every row to its nearest centre."""
        if self._squared is None:
            self._squared = self._covering.squared
        return self._squared

    @property
    def nearest(self) -> Rows:
        """Position (n,) of the nearest pick; -1 where a covered row is as near."""
        if self._nearest is None:
            self._nearest = np.maximum(self._covering.nearest - self._covered, -1)
        return self._nearest

    @property
    def distances(self) -> NDArray[np.float64]:
        """Distance (n,) of every row to its nearest centre; inf without any."""
        return np.sqrt(self.squared)

    @property
    def reach(self) -> float:
        """The largest of `distances`."""
        return float(np.sqrt(self.squared.max()))

    def pick(self, row: int) -> None:
        """Pick `row`, whatever its distance."""
        self.insertions.append(float(np.sqrt(self.squared[row])))
        self.picked.append(row)
        self._add(np.array([row]))

    def advance(self, *, until: int, floor: float) -> None:
        """Pick up to `until` rows, while a distance minus price is above `floor`.

        Ties go to the lower row. There must be at least one centre.
        """
        while len(self.picked) < until:
            if self._progress is not None:
                done = len(self.picked)
                self._progress(Progress(phase="traverse", done=done, total=until))
            taken = self._batch(until - len(self.picked), floor)
            if not len(taken):
                return
            self.picked.extend(taken.tolist())
            self._add(taken)

    def _add(self, rows: Rows) -> None:
        self._covering.cover(rows.astype(np.int64))
        if self._prices is not None:
            self._prices[rows] = np.inf
        self._squared = self._nearest = None

    def _batch(self, most: int, floor: float) -> Rows:
        """Up to `most` rows to pick next; none if none is above `floor`."""
        rows, bar, last, squared = self._points.foremost(
            self._covering, self._prices, count=CANDIDATES
        )
        values = np.sqrt(squared)
        prices = None if self._prices is None else self._prices[rows]
        if prices is not None:
            values -= prices
        from_each = self._points.from_each(rows)
        taken: list[int] = []
        while len(taken) < most:
            at = int(values.argmax())
            value = values[at]
            if value <= floor or value < bar or (value == bar and rows[at] > last):
                break
            taken.append(int(rows[at]))
            self.insertions.append(float(np.sqrt(squared[at])))
            np.minimum(squared, from_each(at), out=squared)
            values = np.sqrt(squared)
            if prices is not None:
                prices[at] = np.inf
                values -= prices
        return np.asarray(taken, np.int64)
