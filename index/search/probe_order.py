"""The order in which queries probe lists, for counting."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Vectors

GRID_STEP = 1.04
"""Ratio of the numbers of lists at which recall is counted: finer than the errors."""


def probe_order(scores: Vectors) -> NDArray[np.int64]:
    """Lists (nq, nlist) by their scores (nq, nlist), best first, ties to the lower.

    Score and list are sorted as one integer: several times as fast as a stable sort.
    """
    bits = (scores + np.float32(0)).view(np.int32)  # -0 becomes 0
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    keys = (~ascending).astype(np.int64) << 32
    keys |= np.arange(scores.shape[1], dtype=np.int64)
    keys.sort(axis=1)
    return keys & 0xFFFFFFFF


def ranks_of(order: NDArray[np.int64]) -> ListNos:
    """Position int32 (nq, nlist) of each list in the probe orders (nq, nlist)."""
    ranks = np.empty(order.shape, np.int32)
    positions = np.arange(order.shape[1], dtype=np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(positions, order.shape), axis=1)
    return ranks


def probe_grid(nlist: int) -> list[int]:
    """Numbers of lists at which recall is counted, ascending to `nlist`."""
    steps = int(np.ceil(np.log(nlist) / np.log(GRID_STEP))) + 1
    grid = {round(GRID_STEP**i) for i in range(steps)}
    return sorted({p for p in grid if p < nlist} | {nlist})
