"""The file of the rows of an index, in the precision in which they are kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.errors import CorruptDataError
from gleann.index.half_rows import HalfKind, HalfRows, narrowed, widened
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Keep
from gleann.index.storage.array_file import GrowingArray
from gleann.index.storage.disk_rows import DiskRows
from gleann.index.storage.files import Draft
from gleann.index.storage.loaded_checks import require
from gleann.index.storage.manifest import RERANK_LAYOUT

ROWS = "vectors"
"""The name of the array."""

BLOCK_BYTES = 1 << 25
"""Bytes of float32 rows that are copied at once."""

DTYPES: Mapping[Keep, str] = {"f32": "<f4", "disk": "<f4", "f16": "<f2", "bf16": "<u2"}
"""Types in files; NumPy has no bfloat16."""

HALVES: Mapping[Keep, HalfKind] = {"f16": "f16", "bf16": "bf16"}


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


def unpack_rows(array: NDArray[Any] | DiskRows, keep: Keep) -> RowMatrix:
    """Rows as they were read from their file.

    Raises:
        CorruptDataError: they have another type than rows that are kept so.
    """
    require(array.dtype.str == DTYPES[keep], f"vectors is {array.dtype.str}")
    require(array.ndim == 2, f"vectors has shape {array.shape}")
    if keep not in HALVES or isinstance(array, DiskRows):
        return array
    return HalfRows(stored=array.view(np.uint16), kind=HALVES[keep])


def keep_of(entry: object) -> Keep:
    """How the manifest says that rows are rounded, by its entry; "f32" without one.

    Raises:
        CorruptDataError: in no way that this version has.
    """
    if entry is None:
        return "f32"
    for keep in HALVES:
        if entry == {"values": keep}:
            return keep
    raise CorruptDataError(f"{RERANK_LAYOUT} is {entry!r:.80}")


def check_layout(entry: object, keep: Keep) -> None:
    """Check that the manifest describes rows as the header keeps them.

    Raises:
        CorruptDataError: it does not.
    """
    if keep_of(entry) != (keep if keep in HALVES else "f32"):
        raise CorruptDataError(
            f"{RERANK_LAYOUT} is {entry!r:.80}, and rows are kept as {keep}"
        )


def kept_rows(rows: Vectors, keep: Keep) -> RowMatrix:
    """Prepared rows (n, d) in memory as they are kept there.

    Raises:
        InvalidInputError: a value that float16 does not hold, with its row.
    """
    half = HALVES.get(keep)
    if half is None:
        return rows
    stored = np.empty(rows.shape, np.uint16)
    for block in block_slices(len(rows), BLOCK_BYTES // (4 * rows.shape[1])):
        stored[block] = narrowed(rows[block], half, first_row=block.start)
    return HalfRows(stored=stored, kind=half)
