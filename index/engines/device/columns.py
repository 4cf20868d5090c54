"""Vectors laid out by value, as the kernel that assigns rows to lists reads them."""

from dataclasses import dataclass

from torch import Tensor

WHOLE = 128
"""Columns are padded to a multiple of this, which every shipped tile divides."""

WHOLE_VALUES = 16
"""And values along d to one of this, which every shipped block divides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Vectors as columns, with zeros to whole tiles.

    Attributes:
        values: float32 (D, width).
        count: of vectors.
    """

    values: Tensor
    count: int


def columns_of(vectors: Tensor) -> Columns:
    """Vectors float32 (n, d) as columns."""
    count, dim = vectors.shape
    values = vectors.new_zeros(_padded(dim, WHOLE_VALUES), _padded(count, WHOLE))
    values[:dim, :count] = vectors.T
    return Columns(values=values, count=count)


def _padded(count: int, whole: int) -> int:
    return -(-count // whole) * whole
