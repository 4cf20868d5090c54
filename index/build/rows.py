"""Preparation and encoding of rows, by native kernels or by NumPy.

Both give identical codes. Squared lengths are summed in double in different orders, so
one value in many millions differs in its last float32 bit.
"""

import numpy as np

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.build.contract import BuildKernels
from gleann.index.codes import Codes, Encoding
from gleann.index.engines import native
from gleann.index.metric import prepare, refuse_zeros
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

CODED_VALUES = 1 << 23
"""Values of rows that are decoded at once, to be coded."""


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
    values, scales = native.quantise_rows(vectors, encoding.center, threads=threads)
    return encoding.with_biases(Codes(values=values, scales=scales), vectors)


def code_kept(rows: RowMatrix, encoding: Encoding, kernels: BuildKernels) -> Codes:
    """The codes of prepared rows (n, d) however they are kept."""
    if isinstance(rows, np.ndarray):
        return kernels.codes(rows, encoding)
    if encoding.kind == "float32":
        return encoding.encode_whole(rows)
    n, dim = rows.shape
    values, scales = np.empty((n, dim), np.int8), np.empty(n, np.float32)
    biases = np.empty(n, np.float32) if encoding.has_biases else None
    for block in block_slices(n, CODED_VALUES // dim):
        codes = kernels.codes(rows[block], encoding)
        values[block], scales[block] = codes.values, codes.scales
        if biases is not None:
            biases[block] = codes.biases
    return Codes(values=values, scales=scales, biases=biases)
