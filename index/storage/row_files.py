"""The file of the rows of an index, in the precision in which they are kept."""

from collections.abc import Iterator
from contextlib import contextmanager

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.kept.half_rows import narrowed, widened
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Keep
from gleann.index.storage.array_file import GrowingArray
from gleann.index.storage.files import Draft
from gleann.index.storage.manifest import RERANK_LAYOUT
from gleann.index.storage.row_layout import BLOCK_BYTES, DTYPES, HALVES, unpack_rows

ROWS = "vectors"
"""The name of the array."""


class RowsFile:
    """Takes rows (n, d) front to back, and rounds them as they are kept."""

    def __init__(self, file: GrowingArray, keep: Keep) -> None:
        self._file = file
        self._half = HALVES.get(keep)
        self._written = 0

    def append(self, rows: Vectors) -> Vectors:
        """Write the float32 rows (m, d) that follow, and return them as they are kept.

        Raises:
            InvalidInputError: a value that float16 does not hold.
            StorageError: the disk refused.
        """
        first, self._written = self._written, self._written + len(rows)
        if self._half is None:
            self._file.append(rows)
            return rows
        stored = narrowed(rows, self._half, first_row=first)
        self._file.append(stored.view(DTYPES[self._half]))
        return widened(stored, self._half)


@contextmanager
def rows_file(
    draft: Draft, keep: Keep, *, shape: tuple[int, int]
) -> Iterator[RowsFile]:
    """Write the rows of an index, all in the body.

    Raises:
        StorageError: the disk refused.
    """
    if keep in HALVES:
        draft.describe(RERANK_LAYOUT, {"values": keep})
        draft.require(RERANK_LAYOUT)
    with draft.growing(ROWS, dtype=DTYPES[keep], shape=shape) as file:
        yield RowsFile(file, keep)


def copy_rows(draft: Draft, keep: Keep, rows: RowMatrix) -> None:
    """Write rows (n, d) that are kept in any way."""
    n, dim = rows.shape
    with rows_file(draft, keep, shape=(n, dim)) as file:
        for block in block_slices(n, BLOCK_BYTES // (4 * dim)):
            file.append(rows[block])


def written_rows(draft: Draft, keep: Keep) -> RowMatrix:
    """The rows that were written, mapped."""
    return unpack_rows(draft.mapped(ROWS), keep)
