"""(query, list) pairs grouped by list, and items of work.

All shapes follow from the number of pairs and of lists, never from what the lists hold:
so nothing waits for the device, and a CUDA graph can replay it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.plan.bucketing import span_count

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
        slots: int64 (pairs), grouped by list; see `Pairs.slots`.
        fields: int32 (capacity, ITEM_FIELDS): first entry, entries, first pair (in
            `slots`), pairs, span. Items of one list are adjacent.
        total: int32 (1,), how many of them there are.
    """

    slots: Tensor
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
