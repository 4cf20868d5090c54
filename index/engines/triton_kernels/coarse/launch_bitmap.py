"""Launches the kernel that sets the bitmap of probed lists on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.steps.bitmap import WORD_BITS
from gleann.index.engines.triton_kernels.coarse.set_bitmap import set_bitmap
from gleann.index.engines.triton_kernels.configs import BITMAP_WARPS, BITMAP_WORDS


def launch_set_bitmap(list_nos: Tensor, *, nlist: int) -> Tensor:
    """See `device.steps.bitmap.bitmap_of`."""
    nq, nprobe = list_nos.shape
    words = -(-nlist // WORD_BITS)
    probed = torch.empty((nq, words), dtype=torch.int32, device=list_nos.device)
    if nq:
        set_bitmap[(nq, -(-words // BITMAP_WORDS))](
            list_nos.contiguous(),
            probed,
            nprobe,
            words,
            WORDS=BITMAP_WORDS,
            num_warps=BITMAP_WARPS,
        )
    return probed
