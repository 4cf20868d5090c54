"""Rows that are equal: found by hash, so that all of them are one row to the join."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.heartbeat import beat

_SHIFT = np.uint64(29)


class Readable(Protocol):
    """Rows that are read by their numbers: a `Pool`, or the rows of shards."""

    @property
    def dim(self) -> int:
        """Of all rows."""

    def vectors_of(self, rows: Rows) -> Vectors:
        """Some rows (m, d)."""

    def blocks_of(self, rows: Rows) -> Iterator[tuple[slice, Vectors]]:
        """Some rows (m,), block after block."""


def hashes_of(pool: Readable, rows: Rows) -> NDArray[np.uint64]:
    """A hash (m,) of the vector of each of `rows`: equal for equal ones."""
    factors = _factors(pool.dim)
    hashes = np.empty(len(rows), np.uint64)
    for block, vectors in pool.blocks_of(rows):
        hashes[block] = _hashes(vectors, factors)
        beat()
    return hashes


def vector_hashes(vectors: Vectors) -> NDArray[np.uint64]:
    """As `hashes_of`, of prepared vectors (m, d)."""
    return _hashes(vectors, _factors(vectors.shape[1]))


def first_equal(pool: Readable, rows: Rows, hashes: NDArray[np.uint64]) -> Rows:
    """The first row (m,) with the vector of each of `rows` (m,), which ascend."""
    order = np.argsort(hashes, kind="stable")
    starts = np.flatnonzero(np.diff(hashes[order], prepend=hashes[order[:1]] + 1))
    counts = np.diff(np.append(starts, len(order)))
    first = np.empty(len(rows), np.int64)
    first[order] = np.repeat(order[starts], counts)
    alike = np.flatnonzero(first != np.arange(len(rows)))
    for block, vectors in pool.blocks_of(rows[alike]):
        # Hashes of different rows can be equal, if hardly ever.
        other = pool.vectors_of(rows[first[alike[block]]])
        strange = alike[block][(vectors != other).any(axis=1)]
        first[strange] = strange
    return rows[first]


def _factors(dim: int) -> NDArray[np.uint64]:
    drawn = np.random.default_rng(19).integers(1, 1 << 63, size=dim, dtype=np.uint64)
    return 2 * drawn + np.uint64(1)


def _hashes(vectors: Vectors, factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Adding zero makes one number of both zeros, which are equal.
    bits = (vectors + np.float32(0)).view(np.uint32).astype(np.uint64)
    mixed = bits ^ (bits << _SHIFT)
    sums: NDArray[np.uint64] = (mixed * factors).sum(axis=1, dtype=np.uint64)
    return sums ^ (sums >> _SHIFT)
