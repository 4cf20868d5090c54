"""int8 codes: one scale a row, so that both copies of a row share one code.

A row x is stored as round(x / scale) with scale = max|x| / 127, and a query likewise;
q.x is then scale_q * scale_x * (integer dot product), the same on every engine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Vectors
from gleann.index.blocks import BLOCK_VALUES, block_slices

CODE_MAX = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Codes:
    """Quantised rows.

    Attributes:
        values: int8 (n, d), each in -127..127.
        scales: float32 (n,), strictly positive; row = scale * value.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]


def quantise(vectors: Vectors) -> Codes:
    """Quantise each row of `vectors` (n, d) on its own scale, 1 for a zero row."""
    values = np.empty(vectors.shape, np.int8)
    scales = np.empty(len(vectors), np.float32)
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        rows = vectors[block]
        peaks = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        scale = peaks / np.float32(CODE_MAX)
        # A denormal peak makes a zero scale: such a row is zero at int8 precision.
        scale[scale == 0] = 1
        scales[block] = scale
        coded = rows / scale[:, None]
        np.rint(coded, out=coded)
        values[block] = np.clip(coded, -CODE_MAX, CODE_MAX, out=coded)
    return Codes(values=values, scales=scales)


def integer_dots(left: Codes, right: Codes) -> Vectors:
    """Dot products (m, n) of codes, scales left out: exact sums, rounded to float32."""
    dim = left.values.shape[1]
    # Floating-point products of integers are exact while the sums fit the mantissa.
    if dim * CODE_MAX**2 < 1 << 24:
        return left.values.astype(np.float32) @ right.values.astype(np.float32).T
    dots = left.values.astype(np.float64) @ right.values.astype(np.float64).T
    return dots.astype(np.float32)


def decoded_norms(codes: Codes) -> NDArray[np.float32]:
    """Squared lengths (n,) of the rows that the codes stand for.

    They go with the coded dot product: near a query the two errors all but cancel,
    which they do not with the true length.
    """
    squares = np.square(codes.values.astype(np.int32)).sum(axis=1, dtype=np.int64)
    norms = codes.scales.astype(np.float64) ** 2 * squares
    return np.minimum(norms, np.finfo(np.float32).max).astype(np.float32)
