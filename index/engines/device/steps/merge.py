"""Merges kept entries into the best distinct rows of each query."""

import torch
from torch import Tensor

from gleann.index.engines.device.layout.layout import DeviceLists
from gleann.index.engines.device.steps.bitmap import WORD_BITS
from gleann.index.engines.device.steps.keys import (
    NONE,
    key_numbers,
    renumbered,
    smallest,
)


def rows_of(keys: Tensor, lists: DeviceLists, probed: Tensor) -> Tensor:
    """Convert keys (nq, w) of entries to keys of rows, `NONE` for second copies.

    A spilled entry is a copy of a primary one: it counts only if the query does not
    scan the primary's list.
    """
    none = keys == NONE
    entries = torch.where(none, 0, key_numbers(keys))
    homes = lists.copy_of[entries].long()
    known = homes.clamp(min=0)
    words = probed.gather(1, known // WORD_BITS)
    seen = (words >> (known % WORD_BITS).to(torch.int32)) & 1
    copies = (homes >= 0) & (seen == 1)
    keys = renumbered(keys, lists.rows[entries])
    return torch.where(none | copies, NONE, keys)


def merge(keys: Tensor, lists: DeviceLists, probed: Tensor, *, keep: int) -> Tensor:
    """See `scan.Scanner.merge`."""
    return smallest(rows_of(keys, lists, probed), keep)
