"""Powers of two that scale rows and queries into the range of every number kind.

Scaling by a power of two is exact, and a common factor keeps the order of one query's
scores. So the scan may assume values of at most 1.
"""

import numpy as np
import torch
from torch import Tensor

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices

_BIAS, _MANTISSA = 1023, 52  # of float64


def power_of_two(exponents: Tensor) -> Tensor:
    """Exactly 2^e (float64) for int `exponents` in -1022..1023.

    Built from bits: `exp2` need not be exact on every device.
    """
    return ((exponents.long() + _BIAS) << _MANTISSA).view(torch.float64)


def exponents_above(peaks: Tensor) -> Tensor:
    """The least e (int64) with peak < 2^e, for float32 `peaks` >= 0; 0 for zero."""
    return torch.frexp(peaks).exponent.long()


def exponent_of(vectors: RowMatrix, center: Vectors) -> int:
    """The least e with |x| < 2^e for every value of `vectors` (n, d) minus `center`.

    0 if all are zero.
    """
    peak = 0.0
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        rows = vectors[block] - center
        peak = max(peak, float(rows.max()), -float(rows.min()))
    return int(np.frexp(peak)[1])


def exponent_on_device(rows: Tensor, center: Tensor) -> int:
    """`exponent_of` for rows and a centre on a device."""
    step = max(1, BLOCK_VALUES // rows.shape[1])
    peaks = [
        (rows[block] - center).abs().amax() for block in block_slices(len(rows), step)
    ]
    return int(np.frexp(float(torch.stack(peaks).amax()))[1])
