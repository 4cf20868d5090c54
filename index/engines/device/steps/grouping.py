"""(query, list) pairs grouped by list, and work items.

All shapes depend on the numbers of pairs and lists, never on the contents of the lists,
so nothing waits for the device, and a CUDA graph can replay it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.plan.bucketing import span_count

ITEM_FIELDS = 8
"""int32 fields per work item: one aligned load of 32 bytes; the last three unused."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Pairs sorted by list; ties keep the order of the queries.

    A pair's slot, query * nprobe + rank, is the position of its results.

    Attributes:
        slots: int64 (pairs), slot of each pair; pairs without a list come last.
        counts: int64 (nlist), pairs of each list.
        firsts: int64 (nlist), position in `slots` of each list's first pair.
    """

    slots: Tensor
    counts: Tensor
    firsts: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Items:
    """Work items: a tile of pairs of one list against one span of its entries.

    Attributes:
        slots: int64 (pairs), grouped by list; see `Pairs.slots`.
        fields: int32 (capacity, ITEM_FIELDS): first entry, entries, first pair (in
            `slots`), pairs, span. Items of one list are adjacent.
        total: int32 (1,), number of items.
    """

    slots: Tensor
    fields: Tensor
    total: Tensor


def group(list_nos: Tensor, *, nlist: int) -> Pairs:
    """Group the pairs of `list_nos` int64 (nq, nprobe), -1 for no list, by list."""
    flat = list_nos.reshape(-1)
    known = torch.where(flat < 0, nlist, flat)
    slots = torch.sort(known, stable=True).indices
    # Not bincount: it reads its input to choose the size of its output.
    counts = torch.zeros(nlist + 1, dtype=torch.int64, device=flat.device)
    counts.scatter_add_(0, known, torch.ones_like(known))
    counts = counts[:nlist]
    return Pairs(slots=slots, counts=counts, firsts=counts.cumsum(0) - counts)


def item_capacity(
    *, pairs: int, nlist: int, longest: int, query_tile: int, span: int
) -> int:
    """Maximum number of items, whatever the lists contain."""
    groups = pairs // query_tile + min(pairs, nlist)
    return max(1, groups * span_count(longest, span))
