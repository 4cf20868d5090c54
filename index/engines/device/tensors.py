"""Queries that are prepared on the device that they are on."""

import torch
from torch import Tensor

from gleann.index.checks import MOST_SQUARED
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric


def prepared_tensor(queries: Tensor, metric: Metric) -> tuple[Tensor, Tensor]:
    """`metric.prepare` on a device; nothing in it waits.

    Lengths are summed in float64 like there, but in another order: unit vectors can
    differ in the last bit.

    Args:
        queries: float32 (nq, d).
        metric: which distance.

    Returns:
        Prepared queries (nq, d), those that no search would take replaced by zeros; and
        bool (), whether there are such queries, or may be.
    """
    prepared = torch.empty_like(queries)
    faulty = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
    for block in block_slices(len(queries), max(1, BLOCK_VALUES // queries.shape[1])):
        wide = queries[block].double()
        squares = wide.square().sum(dim=1)
        if metric == "cosine":
            sound = torch.isfinite(squares) & (squares > 0)
            lengths = torch.where(sound, squares, 1.0).sqrt()
            wide = wide / lengths[:, None]
        else:
            sound = squares <= MOST_SQUARED  # not so for NaN
        prepared[block] = torch.where(sound[:, None], wide, 0.0)
        faulty[block] = ~sound
    return prepared, faulty.any()
