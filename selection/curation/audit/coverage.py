"""How far the pool's rows are from the nearest chosen one, as the choice grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows, Vectors
from gleann.index.exact import exact_search_prepared
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.progress import ProgressCallback

STEPS = 8
"""Sizes of a curve, growing by one factor."""

MOST_ROWS = 4096
"""Pool rows that are measured at a time."""

TOLERANCE = 1e-3
"""Share of a squared distance by which rounding may miss the nearest row."""

EPSILON = float(np.finfo(np.float32).eps)

Distances = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoverageCurve:
    """Distances from the pool's rows to the nearest of the first s chosen ones.

    Attributes:
        sizes: (c,) s, ascending; the last is the whole choice.
        shares: (p,) shares of the pool.
        radii: (c, p) the distance within which that share of the pool has a chosen
            row: plain L2, of unit rows under cosine.
        means: (c,) mean distance.
    """

    sizes: NDArray[np.int64]
    shares: tuple[float, ...]
    radii: Distances
    means: Distances


def coverage_curve(
    rows: Vectors,
    chosen: Rows,
    *,
    shares: Sequence[float],
    progress: ProgressCallback | None = None,
) -> CoverageCurve:
    """Measure a choice: O(n * s * d).

    Distances are exact, to a row that is the nearest but for `TOLERANCE`.

    Args:
        rows: (n, d) of the pool, between which plain L2 is meant.
        chosen: (s,) of them, in the order they were picked, at least one.
        shares: of the pool.
        progress: called after each block of rows.
    """
    sizes = np.unique(np.rint(np.geomspace(1, len(chosen), STEPS)).astype(np.int64))
    begins = np.append(0, sizes[:-1])
    parts = [
        _Part.of(rows[chosen[begin:end]])
        for begin, end in zip(begins, sizes, strict=True)
    ]
    step = min(MOST_ROWS, max(1, BLOCK_VALUES // len(chosen)))
    nearest = np.empty((len(sizes), len(rows)))
    for block in block_slices(len(rows), step):
        for number, part in enumerate(parts):
            nearest[number, block] = part.to_nearest(rows[block])
        if progress is not None:
            done = min(block.stop, len(rows))
            progress(Progress(phase="cover", done=done, total=len(rows)))
    for number, size in enumerate(sizes):
        nearest[number, chosen[:size]] = 0.0
    np.minimum.accumulate(nearest, axis=0, out=nearest)
    ranks = [max(int(np.ceil(share * len(rows) - 1e-9)), 1) - 1 for share in shares]
    radii = np.sort(nearest, axis=1)[:, ranks]
    return CoverageCurve(
        sizes=sizes, shares=tuple(shares), radii=radii, means=nearest.mean(axis=1)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Some chosen rows.

    Attributes:
        rows: (s, d).
        centre: (d,) their mean: products of rows far from the origin lose digits.
        moved: (s, d) rows less the centre.
        halves: (s,) half of the squared lengths of `moved`.
    """

    rows: Vectors
    centre: Vectors
    moved: Vectors
    halves: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Vectors) -> "_Part":
        centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        moved = rows - centre
        halves = np.einsum("ij,ij->i", moved, moved) / 2
        return cls(rows=rows, centre=centre, moved=moved, halves=halves)

    def to_nearest(self, some: Vectors) -> Distances:
        """The distance (b,) of `some` (b, d) to the nearest of these rows."""
        off = some - self.centre
        best = (off @ self.moved.T - self.halves).argmax(axis=1)
        apart = some.astype(np.float64) - self.rows[best]
        squares = np.einsum("ij,ij->i", apart, apart)
        # Of near rows among far ones the product has lost all digits.
        longest = float(np.sqrt(2 * self.halves.max()))
        lengths = np.sqrt(np.einsum("ij,ij->i", off, off, dtype=np.float64))
        rounding = some.shape[1] * EPSILON * longest * (lengths + longest)
        doubtful = np.flatnonzero((squares > 0) & (rounding > TOLERANCE * squares))
        if doubtful.size:
            _, again = exact_search_prepared(
                some[doubtful], self.rows, metric="l2", k=1
            )
            squares[doubtful] = np.minimum(squares[doubtful], again[:, 0])
        return np.sqrt(squares)
