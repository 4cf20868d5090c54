"""Rows in 16 bits a dimension, which decode to float32 exactly."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Vectors
from gleann.index.errors import InvalidInputError

HalfKind = Literal["f16", "bf16"]

MOST_F16 = 65504
"""The greatest number that float16 holds."""


@dataclass(frozen=True, slots=True, eq=False)
class HalfRows:
    """Rows (n, d) in float16 or bfloat16; what is taken of them is float32.

    Attributes:
        stored: uint16 (n, d), the bits; may be memory-mapped.
        kind: "f16" (IEEE 754 binary16) or "bf16" (the upper half of a float32).
    """

    stored: NDArray[np.uint16]
    kind: HalfKind

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32, which they decode to."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """2."""
        return self.stored.ndim

    @property
    def nbytes(self) -> int:
        """Bytes of the rows as they are stored."""
        return self.stored.nbytes

    @property
    def backing(self) -> NDArray[np.uint16]:
        """The array that holds them; see `mapped_file.watched_files`."""
        return self.stored

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any, /) -> Vectors:
        """Float32 of some rows, as an array is indexed."""
        return widened(self.stored[rows], self.kind)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def widened(stored: NDArray[np.uint16], kind: HalfKind) -> Vectors:
    """Float32 of the bits of any shape, exactly."""
    if kind == "f16":
        return stored.view(np.float16).astype(np.float32)
    wide = stored.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def narrowed(
    rows: Vectors, kind: HalfKind, *, first_row: int = 0
) -> NDArray[np.uint16]:
    """The bits (n, d) of float32 rows, rounded to the nearest, ties to even.

    Args:
        rows: (n, d), finite.
        kind: what they become.
        first_row: number of the first row in error messages.

    Raises:
        InvalidInputError: a value that float16 does not hold, with its row.
    """
    if kind == "f16":
        with np.errstate(over="ignore", under="ignore"):
            halves = np.ascontiguousarray(rows).astype(np.float16)
        _require_held(rows, halves, first_row)
        return halves.view(np.uint16)
    # Rows that a build lets in are far from the end of bfloat16, that of float32.
    bits = np.ascontiguousarray(rows).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits >> np.uint32(16)).astype(np.uint16)


def _require_held(rows: Vectors, halves: NDArray[np.float16], first_row: int) -> None:
    if np.isfinite([halves.max(initial=0), halves.min(initial=0)]).all():
        return
    row, column = np.argwhere(~np.isfinite(halves))[0]
    raise InvalidInputError(
        f"vectors row {first_row + row} has {rows[row, column]:.7g} in dimension"
        f" {column}, and float16 ends at {MOST_F16}: keep them as bf16 or f32"
    )
