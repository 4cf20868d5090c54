"""How rows are kept: as they are held in memory, and as the manifest describes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.errors import CorruptDataError
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.kept.half_rows import HalfKind, HalfRows, narrowed
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Keep
from gleann.index.storage.loaded_checks import require
from gleann.index.storage.manifest import RERANK_LAYOUT

BLOCK_BYTES = 1 << 25
"""Bytes of float32 rows that are copied at once."""

DTYPES: Mapping[Keep, str] = {"f32": "<f4", "disk": "<f4", "f16": "<f2", "bf16": "<u2"}
"""Types in files; NumPy has no bfloat16."""

HALVES: Mapping[Keep, HalfKind] = {"f16": "f16", "bf16": "bf16"}


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
