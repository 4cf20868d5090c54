"""The answers of a block of queries as one tensor: a few counts, then the keys."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gleann.index.engines.device.layout.view import ListView
from gleann.index.engines.device.steps.keys import NONE

COUNTS = 4
"""Lists probed, entries scanned, rows re-ranked, and unanswered queries."""

OPEN = -(1 << 63)
"""First key of an unanswered query."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """The results of nq queries.

    Attributes:
        near: (nq, k), keys of rows with their distances, ascending.
        candidates: (nq, rerank), keys of the re-ranked rows.
        list_nos: int64 (nq, nprobe), -1 for no list.
        view: the lists.
    """

    near: Tensor
    candidates: Tensor
    list_nos: Tensor
    view: ListView


def packed(block: Block, unanswered: Tensor) -> Tensor:
    """The cost counts and answers of a block: int64 (COUNTS + nq * k).

    It does not wait for the device.

    Args:
        block: nq queries after all their passes.
        unanswered: bool (nq,), queries that must be searched again: they do not count,
            and their first key is `OPEN`.
    """
    list_nos = torch.where(unanswered[:, None], -1, block.list_nos)
    known = list_nos >= 0
    read = torch.where(known, block.view.lengths[list_nos.clamp(min=0)], 0)
    reranked = (block.candidates != NONE) & ~unanswered[:, None]
    counts = torch.stack([known.sum(), read.sum(), reranked.sum(), unanswered.sum()])
    near = block.near.clone()
    near[:, 0] = torch.where(unanswered, OPEN, near[:, 0])
    return torch.cat([counts, near.reshape(-1)])
