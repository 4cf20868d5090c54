"""(query, list) pairs grouped by list, and cut into items of work.

All shapes follow from the number of pairs and of lists, never from what the lists hold:
so nothing waits for the device, and a CUDA graph can replay it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.bucketing import span_count
from gleann.index.engines.device.view import ListView

ITEM_FIELDS = 8
"""int32 a work item: one aligned load of 32 bytes. The last three are not used."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Pairs sorted by list; ties keep the order of the queries.

    A pair's slot is query * nprobe + rank: where its results go.

    Attributes:
        slots: int64 (pairs), of each pair; pairs without a list come last.
        counts: int64 (nlist), pairs of each list.
        firsts: int64 (nlist), the first of them in `slots`.
    """

    slots: Tensor
    counts: Tensor
    firsts: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Items:
    """Work items: some pairs of one list against one span of its entries.

    Attributes:
        fields: int32 (capacity, ITEM_FIELDS): first entry, entries, first pair (in
            `Pairs.slots`), pairs, span. Items of one list are adjacent.
        total: int32 (1,), how many of them there are.
    """

    fields: Tensor
    total: Tensor


def group(list_nos: Tensor, *, nlist: int) -> Pairs:
    """Group the pairs of `list_nos` int64 (nq, nprobe), -1 for no list, by list."""
    flat = list_nos.reshape(-1)
    known = torch.where(flat < 0, nlist, flat)
    slots = torch.sort(known, stable=True).indices
    # Not bincount: it looks at its input to choose the size of its output.
    counts = torch.zeros(nlist + 1, dtype=torch.int64, device=flat.device)
    counts.scatter_add_(0, known, torch.ones_like(known))
    counts = counts[:nlist]
    return Pairs(slots=slots, counts=counts, firsts=counts.cumsum(0) - counts)


def item_capacity(
    *, pairs: int, nlist: int, longest: int, query_tile: int, span: int
) -> int:
    """Items there can be at most, whatever the lists hold."""
    groups = pairs // query_tile + min(pairs, nlist)
    return max(1, groups * span_count(longest, span))


def cut_items(pairs: Pairs, view: ListView, *, query_tile: int, span: int) -> Items:
    """Cut grouped pairs into items of `query_tile` pairs and `span` entries."""
    nlist = view.lists.nlist
    capacity = item_capacity(
        pairs=len(pairs.slots),
        nlist=nlist,
        longest=view.longest,
        query_tile=query_tile,
        span=span,
    )
    tiles = (pairs.counts + query_tile - 1) // query_tile
    spans = (view.lengths + span - 1) // span
    upto = (tiles * spans).cumsum(0)
    numbers = torch.arange(capacity, device=upto.device)
    list_nos = torch.searchsorted(upto, numbers, right=True).clamp(max=nlist - 1)
    local = numbers - (upto - tiles * spans)[list_nos]
    # All tiles of queries of one span come together: they read the same entries.
    tile = local % tiles[list_nos].clamp(min=1)
    span_no = local // tiles[list_nos].clamp(min=1)
    fields = torch.zeros((capacity, ITEM_FIELDS), dtype=torch.int32, device=upto.device)
    fields[:, 0] = view.starts[list_nos] + span_no * span
    fields[:, 1] = (view.lengths[list_nos] - span_no * span).clamp(max=span)
    fields[:, 2] = pairs.firsts[list_nos] + tile * query_tile
    fields[:, 3] = (pairs.counts[list_nos] - tile * query_tile).clamp(max=query_tile)
    fields[:, 4] = span_no
    return Items(fields=fields, total=upto[-1:].to(torch.int32))
