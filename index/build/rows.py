"""Preparation and encoding of rows, by native kernels or by NumPy.

Codes are the same to the last bit. The squared lengths are summed in double in another
order, so one value in many millions differs in its last bit of float32.
"""

from gleann.index.arrays import Vectors
from gleann.index.codes import Codes, Encoding
from gleann.index.engines import native
from gleann.index.metric import prepare, refuse_zeros
from gleann.index.params import Metric


def prepare_rows(
    vectors: Vectors, metric: Metric, *, threads: int, first_row: int = 0
) -> Vectors:
    """`metric.prepare` of many rows (n, d) on several cores.

    Args:
        vectors: (n, d), finite.
        metric: which distance.
        threads: 0 takes every core.
        first_row: what messages count rows from.

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
