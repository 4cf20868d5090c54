"""Column layout of vectors, for the kernels that multiply in float32."""

from dataclasses import dataclass

import torch
from torch import Tensor

WHOLE = 128
"""Column counts are padded to a multiple of this; every shipped tile divides it."""

WHOLE_VALUES = 16
"""d is padded to a multiple of this; every shipped block divides it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Vectors as columns, zero-padded to whole tiles.

    Attributes:
        values: float32 (D, width).
        count: number of vectors.
    """

    values: Tensor
    count: int

    def of(self, numbers: Tensor) -> "Columns":
        """The vectors `numbers`, int64 (m,)."""
        dim, count = len(self.values), len(numbers)
        chosen = empty_columns(count, dim, device=self.values.device)
        chosen.values[:, :count] = self.values[:, numbers]
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pull:
    """The SOAR penalty in the loss of a list: (r.c' - r.x)^2 times a weight.

    Attributes:
        residuals: r = x - c of the first list c, float32 (m, d).
        along: r.x, float32 (m,).
        weights: lambda / 2 / |r|^2, float32 (m,).
    """

    residuals: Tensor
    along: Tensor
    weights: Tensor


def columns_of(vectors: Tensor) -> Columns:
    """Vectors float32 (n, d) as columns."""
    count, dim = vectors.shape
    made = empty_columns(count, dim, device=vectors.device)
    made.values[:dim, :count] = vectors.T
    return made


def empty_columns(count: int, dim: int, *, device: torch.device) -> Columns:
    """Zero columns to be filled."""
    shape = _padded(dim, WHOLE_VALUES), _padded(count, WHOLE)
    values = torch.zeros(shape, dtype=torch.float32, device=device)
    return Columns(values=values, count=count)


def _padded(count: int, whole: int) -> int:
    return -(-count // whole) * whole
