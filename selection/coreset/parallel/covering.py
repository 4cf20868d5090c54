"""The nearest of some centres to every row of a shard, where the centres are others'.

`Points` (`distance`) measure between the rows of one matrix. Here rows stay in their
shard, read block by block, and centres come from anywhere; the distances are the same
bits.
"""

import numpy as np

from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.parallel.blocks import block_slices
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.contract import Squares

BLOCK_VALUES = 1 << 23
"""Values of rows, and of centres with them, that are prepared at once: 32 MB, and 8 MB
of codes."""


class ShardCovering:
    """The centres so far, and the nearest one of every row of a shard.

    It holds 16 bytes a row, and a block of rows while it works: O(n * d) for every
    batch of centres, of which lower bounds leave few distances to be computed. Rows are
    compared with the centres of a batch alone, and then with what was before.

    Args:
        rows: (n, d), of the shard.
    """

    def __init__(self, rows: RowMatrix) -> None:
        self._rows = rows
        self.count = 0
        self.squared: Squares = np.full(len(rows), np.inf)
        self.nearest: Rows = np.full(len(rows), -1, np.int64)

    def cover(self, centres: Vectors) -> None:
        """Add `centres` (m, d); ties go to the earlier centre."""
        if not len(centres):
            return
        dim = self._rows.shape[1]
        for block in block_slices(len(self._rows), BLOCK_VALUES // dim):
            rows = np.ascontiguousarray(self._rows[block], np.float32)
            covering = make_points(np.concatenate([rows, centres])).covering()
            covering.cover(len(rows) + np.arange(len(centres)))
            found = covering.squared[: len(rows)]
            nearer = found < self.squared[block]
            self.squared[block][nearer] = found[nearer]
            self.nearest[block][nearer] = (
                self.count + covering.nearest[: len(rows)][nearer]
            )
        self.count += len(centres)
