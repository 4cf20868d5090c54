"""Launches the kernels that group pairs and cut items on torch's tensors."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.steps.grouping import ITEM_FIELDS, Items, item_capacity
from gleann.index.engines.triton_kernels.configs import (
    COUNTED_PAIRS,
    CUT_LISTS,
    CUT_WARPS,
    LISTS_BEFORE,
)
from gleann.index.engines.triton_kernels.scan.group_pairs import (
    count_pairs,
    cut_items,
    place_pairs,
)


def launch_group_pairs(
    list_nos: Tensor, view: ListView, *, query_tile: int, span: int
) -> Items:
    """Group the pairs of `list_nos` (nq, nprobe) by list, and cut them into items.

    Args:
        list_nos: int64, -1 for no list; at least one pair.
        view: the lists.
        query_tile: maximum pairs per item.
        span: maximum entries per item.
    """
    pairs, nlist, device = list_nos.numel(), view.lists.nlist, list_nos.device
    list_nos = list_nos.contiguous()
    counts = torch.zeros(nlist, dtype=torch.int32, device=device)
    ranks = torch.empty(pairs, dtype=torch.int32, device=device)
    firsts = torch.empty(nlist, dtype=torch.int32, device=device)
    capacity = item_capacity(
        pairs=pairs,
        nlist=nlist,
        longest=view.longest,
        query_tile=query_tile,
        span=span,
    )
    items = Items(
        slots=torch.empty(pairs, dtype=torch.int64, device=device),
        fields=torch.empty((capacity, ITEM_FIELDS), dtype=torch.int32, device=device),
        total=torch.empty(1, dtype=torch.int32, device=device),
    )
    blocks = (-(-pairs // COUNTED_PAIRS),)
    count_pairs[blocks](list_nos, counts, ranks, pairs, PAIRS=COUNTED_PAIRS)
    cut_items[(-(-nlist // CUT_LISTS),)](
        counts,
        view.starts,
        view.ends,
        firsts,
        items.fields,
        items.total,
        nlist,
        query_tile,
        span,
        LISTS=CUT_LISTS,
        BEFORE=LISTS_BEFORE,
        num_warps=CUT_WARPS,
    )
    place_pairs[blocks](
        list_nos, ranks, firsts, items.slots, pairs, PAIRS=COUNTED_PAIRS
    )
    return items
