"""`Points` in host memory: by native kernels, or by NumPy without them.

Neither computes most distances: a cheap lower bound tells which rows a new centre
cannot come nearer to. The native bound is of int8 codes, that of NumPy of a float32
product.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.selection.coreset.distance.contract import (
    MARGIN,
    TINY,
    UNIT_ROUNDING,
    Covering,
    Squares,
    foremost,
    squared_l2,
)

BLOCK_ROWS = 8_192
GROUP = 32
PAIR_FLOATS = 1 << 22


class HostPoints(ABC):
    """Common methods of points in host memory."""

    @abstractmethod
    def squared(self, a: Rows, b: Rows) -> Squares:
        """See `Points`."""

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """See `Points`; computed on each call."""
        return lambda at: self.squared(rows[at : at + 1], rows)[0]

    def foremost(
        self, covering: Covering, prices: NDArray[np.float64] | None, *, count: int
    ) -> tuple[Rows, float, int, Squares]:
        """See `Points`."""
        squared = covering.squared
        keys = np.sqrt(squared)
        if prices is not None:
            keys -= prices
        rows, bar, last = foremost(keys, count=count)
        return rows, bar, last, squared[rows]


class NativePoints(HostPoints):
    """`Points` by the native kernels.

    Args:
        vectors: (n, d).
        tier: one of `native.tiers()`; empty takes the best.
        threads: 0 takes every core.
    """

    def __init__(self, vectors: Vectors, *, tier: str = "", threads: int = 0) -> None:
        from gleann.index import _native

        self._points = _native.Points(vectors, tier=tier, threads=threads)
        self._make_covering = _native.Covering

    def squared(self, a: Rows, b: Rows) -> Squares:
        """See `Points`."""
        return self._points.squared(a, b)

    def covering(self) -> Covering:
        """See `Points`."""
        return self._make_covering(self._points)


class NumpyPoints(HostPoints):
    """`Points` without native kernels: the bound comes from one matrix product.

    Args:
        vectors: (n, d).
    """

    def __init__(self, vectors: Vectors) -> None:
        n, d = vectors.shape
        self.vectors = vectors
        mean = vectors.mean(axis=0, dtype=np.float64)
        peak = max(
            float(np.abs(vectors[first : first + BLOCK_ROWS] - mean).max())
            for first in range(0, n, BLOCK_ROWS)
        )
        self.unit = 1 / peak if peak > 0 else 1.0
        self.centred = np.empty((n, d), np.float32)
        for first in range(0, n, BLOCK_ROWS):
            block = vectors[first : first + BLOCK_ROWS] - mean
            self.centred[first : first + len(block)] = block * self.unit
        squares = np.einsum("ij,ij->i", self.centred, self.centred, dtype=np.float64)
        # A product of d terms is off by d roundings at most, whatever their order.
        self.low_squares = squares * (1 - (2 * d + 64) * UNIT_ROUNDING)

    def squared(self, a: Rows, b: Rows) -> Squares:
        """See `Points`."""
        found = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            found[i] = squared_l2(self.vectors[row][None], self.vectors[b])
        return found

    def covering(self) -> Covering:
        """See `Points`."""
        return NumpyCovering(self)


class NumpyCovering:
    """`Covering` of `NumpyPoints`."""

    def __init__(self, points: NumpyPoints) -> None:
        self._points = points
        self._count = 0
        n = len(points.vectors)
        self._squared: Squares = np.full(n, np.inf)
        self._nearest: Rows = np.full(n, -1, np.int64)

    @property
    def squared(self) -> Squares:
        """See `Covering`."""
        return self._squared.copy()

    @property
    def nearest(self) -> Rows:
        """See `Covering`."""
        return self._nearest.copy()

    def cover(self, rows: Rows) -> None:
        """See `Covering`."""
        n, done = len(self._squared), 0
        while done < len(rows):
            # Distances to the first centre have no bound: it is added alone.
            group = rows[done : done + (GROUP if self._count else 1)]
            for first in range(0, n, BLOCK_ROWS):
                self._cover_block(slice(first, min(n, first + BLOCK_ROWS)), group)
            self._count += len(group)
            done += len(group)

    def _cover_block(self, block: slice, group: Rows) -> None:
        points = self._points
        limits = self._squared[block] * points.unit**2 * (1 + MARGIN) + TINY
        from_row = (points.low_squares[block] - limits).astype(np.float32)
        bounds = points.centred[block] @ points.centred[group].T
        bounds *= -2
        bounds += from_row[:, None]
        bounds += points.low_squares[group].astype(np.float32)
        rows, places = np.nonzero(bounds < 0)
        pairs = max(1, PAIR_FLOATS // points.vectors.shape[1])
        for first in range(0, len(rows), pairs):
            some = slice(first, first + pairs)
            self._settle(block.start + rows[some], group, places[some])

    def _settle(self, rows: Rows, group: Rows, places: Rows) -> None:
        vectors = self._points.vectors
        found = squared_l2(vectors[rows], vectors[group[places]])
        order = np.lexsort((places, found, rows))
        near, best = np.unique(rows[order], return_index=True)
        best = order[best]
        closer = found[best] < self._squared[near]
        near, best = near[closer], best[closer]
        self._squared[near] = found[best]
        self._nearest[near] = self._count + places[best]
