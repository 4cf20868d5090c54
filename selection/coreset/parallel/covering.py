"""The nearest of some centres to every row of a shard, where the centres are others'.

`Points` (`distance`) measure between the rows of one matrix. Here rows stay in their
shard, read block by block, and centres come from anywhere; the distances are the same
bits.
"""

import numpy as np

from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.parallel.blocks import block_slices
from gleann.selection.coreset.distance.contract import Squares
from gleann.selection.coreset.distance.host import (
    BLOCK_ROWS,
    NumpyCovering,
    NumpyPoints,
)


class ShardCovering:
    """The centres so far, and the nearest one of every row of a shard.

    It holds 16 bytes a row, and a block of rows while it works: O(n * d) for every
    batch of centres, of which lower bounds leave few distances to be computed.

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
        for block in block_slices(len(self._rows), BLOCK_ROWS):
            rows = np.ascontiguousarray(self._rows[block], np.float32)
            m = len(rows)
            covering = NumpyCovering(NumpyPoints(np.concatenate([rows, centres])))
            covering.go_on(self.squared[block], self.nearest[block], count=self.count)
            covering.cover(m + np.arange(len(centres)))
            self.squared[block] = covering.squared[:m]
            self.nearest[block] = covering.nearest[:m]
        self.count += len(centres)
