"""Exact L2 distances between the rows of one matrix, and who is nearest to whom.

The squared distance of two rows is *defined* here: their differences in float64,
squared, and added in one fixed order. It is 0 only between equal rows, and comes out
the same bits in NumPy and in the native kernels (index/native/covering.hpp), on any
number of threads. So picks that compare distances are the same everywhere, ties
included.

Neither computes most of them: a cheap lower bound tells which rows a new centre cannot
come nearer to. The native bound is of int8 codes, the one here of a float32 product.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.engines import native
from gleann.index.engines.torch import unavailable_reason
from gleann.index.errors import EngineUnavailableError

Squares = NDArray[np.float64]
"""Squared L2 distances."""

LANES = 16
BLOCK_ROWS = 8_192
GROUP = 32
PAIR_FLOATS = 1 << 22
UNIT_ROUNDING = 2.0**-24
MARGIN = 1e-5
TINY = 1e-30


class Covering(Protocol):
    """The centres so far, and every row's nearest."""

    def cover(self, rows: Rows) -> None:
        """Add the centres `rows` (m,); of equally near ones the earlier counts."""

    @property
    def squared(self) -> Squares:
        """Squared distance (n,) to the nearest centre; inf before there is any."""

    @property
    def nearest(self) -> Rows:
        """Its number (n,) in the order of adding; -1 before there is any."""


class Points(Protocol):
    """A matrix made ready for many distances between its rows."""

    def squared(self, a: Rows, b: Rows) -> Squares:
        """Squared distances (na, nb)."""

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """A function from a place in `rows` (m,) to that row's distances (m,)."""

    def foremost(
        self, covering: Covering, prices: NDArray[np.float64] | None, *, count: int
    ) -> tuple[Rows, float, int, Squares]:
        """`foremost` of the distances (n,) less `prices` (n,); and their squares.

        Args:
            covering: one of these points.
            prices: float64 (n,), or None for none.
            count: rows wanted.
        """

    def covering(self) -> Covering:
        """A covering without centres."""


def make_points(vectors: Vectors, *, device: str | None = None) -> Points:
    """`vectors` (n, d), finite and within 1e37, made ready by the best there is.

    Args:
        vectors: the rows.
        device: torch's name of a device to keep them on; None keeps them on the host.

    Raises:
        EngineUnavailableError: torch is not installed, or there is no such device.
        DeviceMemoryError: there is too little memory on it.
    """
    if device is None:
        return NativePoints(vectors) if native.available() else NumpyPoints(vectors)
    if reason := unavailable_reason():
        raise EngineUnavailableError(
            f"{reason}: to pick on {device!r} takes pip install 'gleann[gpu]'"
        )
    from gleann.selection.coreset.distance.device import DevicePoints

    return DevicePoints(vectors, device)


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


class HostPoints(ABC):
    """What points in host memory share."""

    @abstractmethod
    def squared(self, a: Rows, b: Rows) -> Squares:
        """As `Points` says."""

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """As `Points` says; when they are asked for."""
        return lambda at: self.squared(rows[at : at + 1], rows)[0]

    def foremost(
        self, covering: Covering, prices: NDArray[np.float64] | None, *, count: int
    ) -> tuple[Rows, float, int, Squares]:
        """As `Points` says."""
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
        """As `Points` says."""
        return self._points.squared(a, b)

    def covering(self) -> Covering:
        """As `Points` says."""
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
        """As `Points` says."""
        found = np.empty((len(a), len(b)))
        for i, row in enumerate(a):
            found[i] = squared_l2(self.vectors[row][None], self.vectors[b])
        return found

    def covering(self) -> Covering:
        """As `Points` says."""
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
        """As `Covering` says."""
        return self._squared.copy()

    @property
    def nearest(self) -> Rows:
        """As `Covering` says."""
        return self._nearest.copy()

    def cover(self, rows: Rows) -> None:
        """As `Covering` says."""
        n, done = len(self._squared), 0
        while done < len(rows):
            # Nothing bounds the first centre's distances: it goes alone.
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
