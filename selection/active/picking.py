"""Picking a batch: the pool grows after every pick while the model stands still."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.active.pools import Pool

Score = Callable[[Rows], NDArray[np.float64]]
"""Scores (m,) of rows (m,); higher means pick it."""


def pick_batch(
    pool: Pool, score: Score, *, size: int
) -> tuple[Rows, NDArray[np.float64]]:
    """Pick the best candidate `size` times; its neighbours join before the next pick.

    Each candidate is scored once: a batch is scored by one model. Ties go to the lower
    row.

    Args:
        pool: where from; the picks are closed in it.
        score: of rows.
        size: picks to make; fewer come where the pool runs dry.

    Returns:
        Rows in the order picked, and their scores.
    """
    heap = _best(pool.candidates(), score, at_most=size)
    heapify(heap)
    picks: list[tuple[float, int]] = []
    while heap and len(picks) < size:
        cost, row = heappop(heap)
        picks.append((cost, row))
        picked = np.array([row])
        pool.close(picked)
        for entry in _best(pool.grow(picked), score, at_most=size - len(picks)):
            heappush(heap, entry)
    rows = np.array([row for _, row in picks], np.int64)
    return rows, np.array([-cost for cost, _ in picks])


def _best(rows: Rows, score: Score, *, at_most: int) -> list[tuple[float, int]]:
    """(-score, row) of the best of `rows` (ascending): no others can be picked."""
    if not len(rows) or not at_most:
        return []
    costs = -score(rows)
    if len(costs) > at_most:
        # Keep ties of the last one, then cut: a stable sort puts lower rows first.
        kept = np.flatnonzero(costs <= np.partition(costs, at_most - 1)[at_most - 1])
        kept = kept[np.argsort(costs[kept], kind="stable")[:at_most]]
        rows, costs = rows[kept], costs[kept]
    return list(zip(costs.tolist(), rows.tolist(), strict=True))
