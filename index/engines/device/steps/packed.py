"""The answers of a block of queries as one tensor: a few counts, then the keys."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.steps.keys import NONE

COUNTS = 4
"""Lists probed, entries scanned, rows re-ranked; and queries without an answer yet."""

OPEN = -(1 << 63)
"""In place of the first key: this query has no answer yet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """What was found for nq queries.

    Attributes:
        near: (nq, k), keys of rows with their distances, ascending.
        candidates: (nq, rerank), keys of the rows that were re-ranked.
        list_nos: int64 (nq, nprobe), -1 for no list.
        view: the lists.
    """

    near: Tensor
    candidates: Tensor
    list_nos: Tensor
    view: ListView


def packed(block: Block, unanswered: Tensor) -> Tensor:
    """The answers of a block, and what they took: int64 (COUNTS + nq * k).

    Nothing in it waits for the device.

    Args:
        block: nq queries, all their passes over.
        unanswered: bool (nq,), queries that must be asked again: they count for
            nothing, and `OPEN` is their first key.
    """
    list_nos = torch.where(unanswered[:, None], -1, block.list_nos)
    known = list_nos >= 0
    read = torch.where(known, block.view.lengths[list_nos.clamp(min=0)], 0)
    reranked = (block.candidates != NONE) & ~unanswered[:, None]
    counts = torch.stack([known.sum(), read.sum(), reranked.sum(), unanswered.sum()])
    near = block.near.clone()
    near[:, 0] = torch.where(unanswered, OPEN, near[:, 0])
    return torch.cat([counts, near.reshape(-1)])
