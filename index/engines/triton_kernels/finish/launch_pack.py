"""Launches the kernel that packs answers on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.steps.packed import COUNTS, Block
from gleann.index.engines.triton_kernels.configs import (
    PACK_COLUMNS,
    PACK_QUERIES,
    PACK_WARPS,
)
from gleann.index.engines.triton_kernels.finish.pack_answers import pack_answers


def launch_pack_answers(block: Block, unanswered: Tensor) -> Tensor:
    """See `packed.packed`."""
    nq, k = block.near.shape
    out = torch.zeros(COUNTS + nq * k, dtype=torch.int64, device=block.near.device)
    if nq:
        pack_answers[(-(-nq // PACK_QUERIES),)](
            block.near.contiguous(),
            block.candidates.contiguous(),
            block.list_nos.contiguous(),
            block.view.starts,
            block.view.ends,
            unanswered.view(torch.uint8),
            out,
            nq,
            block.list_nos.shape[1],
            block.candidates.shape[1],
            k,
            QUERIES=PACK_QUERIES,
            COLUMNS=PACK_COLUMNS,
            num_warps=PACK_WARPS,
        )
    return out
