"""Launches the kernel that computes distances of pairs on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.triton_kernels.configs import PAIRS_A_PROGRAM, SQUARES_WARPS
from gleann.index.engines.triton_kernels.coreset.pair_squares import pair_squares


def launch_pair_squares(vectors: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Squared distances float64 (m,) of rows `first` (m,) to rows `second` (m,).

    Args:
        vectors: float32 (n, d), contiguous.
        first: int64.
        second: int64.
    """
    count = len(first)
    squares = torch.empty(count, dtype=torch.float64, device=vectors.device)
    if count:
        pair_squares[(-(-count // PAIRS_A_PROGRAM),)](
            vectors,
            first,
            second,
            squares,
            count,
            vectors.shape[1],
            PAIRS=PAIRS_A_PROGRAM,
            num_warps=SQUARES_WARPS,
            enable_fp_fusion=False,
        )
    return squares
