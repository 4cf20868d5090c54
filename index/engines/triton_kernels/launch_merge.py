"""Launches the merge kernel on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device import merge
from gleann.index.engines.device.layout import DeviceLists
from gleann.index.engines.triton_kernels.configs import (
    MERGE_LEAST,
    MERGE_MOST,
    MERGE_WARPS,
)
from gleann.index.engines.triton_kernels.merge_keys import merge_keys


def launch_merge_keys(
    keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int
) -> Tensor:
    """Merge by the kernel, or by torch for a pool that no program can sort."""
    if keep > MERGE_MOST:
        return merge.merge(keys, lists, probed, keep=keep)
    out = torch.empty((len(keys), keep), dtype=torch.int64, device=keys.device)
    if len(keys):
        merge_keys[(len(keys),)](
            keys,
            lists.rows,
            lists.copy_of,
            probed,
            out,
            keys.shape[1],
            probed.shape[1],
            keep,
            KEEP=max(MERGE_LEAST, 1 << (keep - 1).bit_length()),
            num_warps=MERGE_WARPS,
        )
    return out
