"""Farthest-first picking in lazy batches: the plain algorithm's picks, fewer passes.

Distances to the chosen only shrink. So of the rows that are farthest now, one whose
distance is still no less than that of all others *was* when the batch began is the
farthest of all, however many of the batch were picked meanwhile: no other row has to be
looked at again before the batch ends (Minoux' lazy evaluation, 1978, in batches).
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.selection.coreset.distance import Points, Squares
from gleann.selection.pool import ProgressCallback

CANDIDATES = 256
"""Rows a batch may pick from: of the glove-100 and sift-128 words, 140-190 are."""


class Walk:
    """Picks under way: each the row with the largest distance minus price.

    Args:
        points: the rows.
        covered: rows that are centres from the start, never picked.
        prices: float64 (n,), what each row's distance must beat; None for none, and
            then rows that coincide with a centre are never picked.
        progress: called before each batch.
    """

    __slots__ = (
        "_covered",
        "_covering",
        "_points",
        "_prices",
        "_progress",
        "insertions",
        "nearest",
        "picked",
        "squared",
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
        self.squared: Squares
        self.nearest: Rows
        self._add(covered)

    @property
    def distances(self) -> NDArray[np.float64]:
        """Distance (n,) of every row to its nearest centre; inf before any."""
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
        """Pick until there are `until`, or no distance minus price is above `floor`.

        Ties go to the lower row. There must be a centre already.
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
        self.squared = self._covering.squared
        self.nearest = np.maximum(self._covering.nearest - self._covered, -1)

    def _batch(self, most: int, floor: float) -> Rows:
        """Up to `most` rows to pick next; none where none is above `floor`."""
        keys = np.sqrt(self.squared)
        if self._prices is not None:
            keys -= self._prices
        rows, bar, last = foremost(keys, count=CANDIDATES)
        squared, values = self.squared[rows], keys[rows]
        prices = None if self._prices is None else self._prices[rows]
        taken: list[int] = []
        while len(taken) < most:
            at = int(values.argmax())
            value = values[at]
            if value <= floor or value < bar or (value == bar and rows[at] > last):
                break
            taken.append(int(rows[at]))
            self.insertions.append(float(np.sqrt(squared[at])))
            np.minimum(
                squared, self._points.squared(rows[at : at + 1], rows)[0], out=squared
            )
            values = np.sqrt(squared)
            if prices is not None:
                prices[at] = np.inf
                values -= prices
        return np.asarray(taken, np.int64)


def foremost(keys: NDArray[np.float64], *, count: int) -> tuple[Rows, float, int]:
    """The `count` rows of largest key, ties by lower row, and where they end.

    Returns:
        The rows, ascending; the least of their keys; and the last row that has it. No
        other row has a larger key, nor the same key and a lower row.
    """
    n = len(keys)
    if n <= count:
        return np.arange(n), -np.inf, n
    bar = np.partition(keys, n - count)[n - count]
    above = np.flatnonzero(keys > bar)
    level = np.flatnonzero(keys == bar)[: count - len(above)]
    return np.sort(np.concatenate([above, level])), float(bar), int(level[-1])
