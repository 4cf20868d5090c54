"""Preparation and encoding of rows, by native kernels or by NumPy.

Both give identical codes. Squared lengths are summed in double in different orders, so
one value in many millions differs in its last float32 bit.
"""

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.codes import Codes, Encoding
from gleann.index.engines import native
from gleann.index.metric import prepare, refuse_zeros
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric
from gleann.index.projection import Projection, products

PROJECTED_AT_ONCE = 1 << 22
"""Values of rows that are projected and coded together."""


def prepare_rows(
    vectors: Vectors, metric: Metric, *, threads: int, first_row: int = 0
) -> Vectors:
    """`metric.prepare` of many rows (n, d) on several cores.

    Args:
        vectors: (n, d), finite.
        metric: the metric.
        threads: 0 takes every core.
        first_row: number of the first row in error messages.

    Raises:
        ZeroVectorError: a row of length zero under cosine.
    """
    if metric != "cosine" or not native.available():
        return prepare(vectors, metric, first_row=first_row)
    unit, zeros = native.unit_rows(vectors, threads=threads)
    refuse_zeros([first_row + row for row in zeros], n=len(vectors))
    return unit


def code_rows(vectors: Vectors, encoding: Encoding, *, threads: int) -> Codes:
    """`encoding.encode` of many prepared rows (n, d) on several cores; 0 takes all."""
    if encoding.kind == "float32" or not native.available():
        return encoding.encode(vectors)
    if encoding.projection is not None:
        codes = _code_projected(vectors, encoding, encoding.projection, threads=threads)
        return encoding.with_biases(codes, vectors)
    values, scales = native.quantise_rows(vectors, encoding.center, threads=threads)
    return encoding.with_biases(Codes(values=values, scales=scales), vectors)


def _code_projected(
    vectors: Vectors, encoding: Encoding, projection: Projection, *, threads: int
) -> Codes:
    """The codes of projected rows, without biases."""
    values = np.empty((len(vectors), encoding.width), np.int8)
    scales = np.empty(len(vectors), np.float32)
    for block in block_slices(len(vectors), PROJECTED_AT_ONCE // vectors.shape[1]):
        points = products(
            vectors[block], projection.row_axes, encoding.center, threads=threads
        )
        values[block], scales[block] = native.quantise_rows(points, threads=threads)
    return Codes(values=values, scales=scales)
