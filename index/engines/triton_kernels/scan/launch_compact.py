"""Launches the kernel that compacts flagged pairs on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.steps.compaction import Compacted, Flags
from gleann.index.engines.triton_kernels.configs import COMPACT_PAIRS, COMPACT_WARPS
from gleann.index.engines.triton_kernels.scan.compact_pairs import compact_pairs


def launch_compact_pairs(flags: Flags, list_nos: Tensor, *, room: int) -> Compacted:
    """See `compaction.compact`."""
    count, nprobe = list_nos.numel(), list_nos.shape[1]
    out = list_nos.new_empty((4, room))
    queries, lists, rows, columns = out
    query_nos = list_nos.new_zeros(room)
    compact_pairs[(-(-max(count, room) // COMPACT_PAIRS),)](
        flags.pairs.contiguous().view(torch.uint8),
        flags.upto,
        flags.order,
        list_nos.contiguous(),
        queries,
        lists,
        rows,
        columns,
        query_nos,
        count,
        nprobe,
        room,
        PAIRS=COMPACT_PAIRS,
        num_warps=COMPACT_WARPS,
    )
    return Compacted(
        queries=queries,
        list_nos=lists,
        rows=rows,
        columns=columns,
        query_nos=query_nos,
    )
