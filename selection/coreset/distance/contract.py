"""Exact L2 distances between the rows of one matrix: what host and device share.

The squared distance of two rows is *defined* here: their differences in float64,
squared, and added in one fixed order. It is 0 only between equal rows, and comes out
the same bits in NumPy, in the native kernels (index/native/covering/covering.hpp) and
on a device, on any number of threads. So picks that compare distances are the same
everywhere, ties included.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors

Squares = NDArray[np.float64]
"""Squared L2 distances."""

LANES = 16
UNIT_ROUNDING = 2.0**-24
MARGIN = 1e-5
TINY = 1e-30


class Covering(Protocol):
    """The centres so far, and the nearest one of every row."""

    def cover(self, rows: Rows) -> None:
        """Add the centres `rows` (m,); ties go to the earlier centre."""

    @property
    def squared(self) -> Squares:
        """Squared distance (n,) to the nearest centre; inf without any."""

    @property
    def nearest(self) -> Rows:
        """Position (n,) of the nearest centre in order of addition; -1 without any."""


class Points(Protocol):
    """A matrix prepared for many distances between its rows."""

    def squared(self, a: Rows, b: Rows) -> Squares:
        """Squared distances (na, nb)."""

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """A function from a position in `rows` (m,) to that row's distances (m,)."""

    def foremost(
        self, covering: Covering, prices: NDArray[np.float64] | None, *, count: int
    ) -> tuple[Rows, float, int, Squares]:
        """`foremost` of the distances (n,) minus `prices` (n,), and their squares.

        Args:
            covering: one of these points.
            prices: float64 (n,), or None for none.
            count: rows to return.
        """

    def covering(self) -> Covering:
        """A covering without centres."""


def foremost(keys: NDArray[np.float64], *, count: int) -> tuple[Rows, float, int]:
    """The `count` rows of largest key, ties by lower row, and their threshold.

    Returns:
        The rows, ascending; the smallest of their keys; and the last row with that key.
        No other row has a larger key, nor the same key and a lower row.
    """
    n = len(keys)
    if n <= count:
        return np.arange(n), -np.inf, n
    bar = np.partition(keys, n - count)[n - count]
    above = np.flatnonzero(keys > bar)
    level = np.flatnonzero(keys == bar)[: count - len(above)]
    return np.sort(np.concatenate([above, level])), float(bar), int(level[-1])


def squared_l2(a: Vectors, b: Vectors) -> Squares:
    """Squared distances (m,) between the rows of `a` and of `b`, both (m, d)."""
    squares = np.square(np.subtract(a, b, dtype=np.float64))
    lanes = np.zeros((len(squares), LANES))
    for first in range(0, squares.shape[1], LANES):
        part = squares[:, first : first + LANES]
        lanes[:, : part.shape[1]] += part
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]
