"""How far the pool's rows are from the nearest chosen one, as the choice grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows, Vectors
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.progress import ProgressCallback

STEPS = 8
"""Sizes of a curve, growing by one factor."""

MOST_ROWS = 4096
"""Pool rows that are measured at a time."""

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
    """Measure a choice, exactly: O(n * s * d).

    Args:
        rows: (n, d) of the pool, between which plain L2 is meant.
        chosen: (s,) of them, in the order they were picked, at least one.
        shares: of the pool.
        progress: called after each block of rows.
    """
    sizes = np.unique(np.rint(np.geomspace(1, len(chosen), STEPS)).astype(np.int64))
    begins = np.append(0, sizes[:-1])
    picked = rows[chosen]
    centre = picked.mean(axis=0, dtype=np.float64).astype(np.float32)
    moved = picked - centre
    halves = np.einsum("ij,ij->i", moved, moved) / 2
    step = min(MOST_ROWS, max(1, BLOCK_VALUES // len(chosen)))
    nearest = np.empty((len(sizes), len(rows)))
    for block in block_slices(len(rows), step):
        wide = rows[block].astype(np.float64)
        closeness = (rows[block] - centre) @ moved.T - halves
        so_far = np.full(len(wide), -np.inf, np.float32)
        apart = np.full(len(wide), np.inf)
        for number, (begin, end) in enumerate(zip(begins, sizes, strict=True)):
            best = closeness[:, begin:end].argmax(axis=1) + begin
            found = closeness[np.arange(len(best)), best]
            nearer = np.flatnonzero(found > so_far)
            so_far[nearer] = found[nearer]
            # Again in float64: near rows lose all their digits in the product.
            off = wide[nearer] - picked[best[nearer]]
            apart[nearer] = np.sqrt(np.einsum("ij,ij->i", off, off))
            nearest[number, block] = apart
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
