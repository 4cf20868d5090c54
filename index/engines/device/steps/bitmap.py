"""Bitmap of the probed lists of each query."""

import torch
from torch import Tensor

WORD_BITS = 32


def bitmap_of(list_nos: Tensor, *, nlist: int) -> Tensor:
    """Probed lists of each query: bit j % 32 of word j // 32, int32 (nq, words).

    Args:
        list_nos: int64 (nq, nprobe), distinct lists per query, -1 for none.
        nlist: number of lists.
    """
    words = -(-nlist // WORD_BITS)
    # Bits of one word are distinct, so addition sets them; -1 maps to a spare word.
    known = torch.where(list_nos < 0, words * WORD_BITS, list_nos)
    bits = torch.ones_like(known) << (known % WORD_BITS)
    wide = torch.zeros(
        (len(list_nos), words + 1), dtype=torch.int64, device=list_nos.device
    )
    wide.scatter_add_(1, known // WORD_BITS, bits)
    top = 1 << (WORD_BITS - 1)
    return (((wide[:, :words] + top) & (2 * top - 1)) - top).to(torch.int32)
