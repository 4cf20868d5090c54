"""From kept entries to the best distinct rows of each query."""

import torch
from torch import Tensor

from gleann.index.engines.device.keys import NONE, key_numbers, renumbered, smallest
from gleann.index.engines.device.layout import DeviceLists

WORD_BITS = 32


def bitmap(list_nos: Tensor, *, nlist: int) -> Tensor:
    """Which lists each query scans: bit j % 32 of word j // 32, int32 (nq, words).

    Args:
        list_nos: int64 (nq, nprobe), no list twice a query, -1 for none.
        nlist: number of lists.
    """
    words = -(-nlist // WORD_BITS)
    # Bits of one word are distinct, so adding sets them; -1 goes to a spare word.
    known = torch.where(list_nos < 0, words * WORD_BITS, list_nos)
    bits = torch.ones_like(known) << (known % WORD_BITS)
    wide = torch.zeros(
        (len(list_nos), words + 1), dtype=torch.int64, device=list_nos.device
    )
    wide.scatter_add_(1, known // WORD_BITS, bits)
    top = 1 << (WORD_BITS - 1)
    return (((wide[:, :words] + top) & (2 * top - 1)) - top).to(torch.int32)


def rows_of(keys: Tensor, lists: DeviceLists, probed: Tensor) -> Tensor:
    """Keys (nq, w) of entries as keys of rows, `NONE` for second copies.

    A spilled entry is a copy of a primary one: it counts only where the query does not
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
