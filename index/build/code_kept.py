"""The codes of rows that are kept in other forms than an array."""

import numpy as np

from gleann.index.arrays import RowMatrix
from gleann.index.build.contract import BuildKernels
from gleann.index.codes import Codes, Encoding
from gleann.index.parallel.blocks import block_slices

CODED_VALUES = 1 << 23
"""Values of rows that are decoded at once, to be coded."""


def code_kept(rows: RowMatrix, encoding: Encoding, kernels: BuildKernels) -> Codes:
    """The codes of prepared rows (n, d) however they are kept."""
    if isinstance(rows, np.ndarray):
        return kernels.codes(rows, encoding)
    if encoding.kind == "float32":
        return encoding.encode_whole(rows)
    n, dim = rows.shape
    values, scales = np.empty((n, encoding.width), np.int8), np.empty(n, np.float32)
    biases = np.empty(n, np.float32) if encoding.has_biases else None
    for block in block_slices(n, CODED_VALUES // dim):
        codes = kernels.codes(rows[block], encoding)
        values[block], scales[block] = codes.values, codes.scales
        if biases is not None:
            biases[block] = codes.biases
    return Codes(values=values, scales=scales, biases=biases)
