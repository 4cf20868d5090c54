"""Greedy picking of a batch: after each pick its neighbours join the pool."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.active.pools.base import Pool

Score = Callable[[Rows], NDArray[np.float64]]
"""Scores (m,) of rows (m,), higher first; minus infinity excludes a row for now."""

_Heap = list[tuple[float, int]]
_Pick = tuple[float, int, int]


def pick_batch(
    pool: Pool, scores: Sequence[Score], *, size: int, first: int = 0
) -> tuple[Rows, NDArray[np.float64], NDArray[np.int64], Rows]:
    """Pick the best candidate `size` times; its neighbours join before the next pick.

    Several scores take turns in picking from the one pool, so that their shares of the
    batch differ by one at most (unless one has no candidate left). Each candidate is
    scored once by each score: the model does not change within a batch. Ties go to the
    lower row.

    Args:
        pool: the candidates; the picks are closed in it.
        scores: one scoring function per question.
        size: picks to make; fewer where the pool runs out of candidates.
        first: position in `scores` of the one that picks first.

    Returns:
        Rows in the order picked, their scores, the position in `scores` that picked
        each, and the rows that joined the pool: the first and last are the arguments
        of `Pool.undo`.
    """
    heaps = [_best(pool.candidates(), score, at_most=size) for score in scores]
    for heap in heaps:
        heapify(heap)
    picks: list[_Pick] = []
    taken: set[int] = set()
    joined: list[Rows] = [np.empty(0, np.int64)]
    with ExitStack() as failed:
        # A score or a neighbour search may raise: then no pick may be lost.
        failed.callback(lambda: pool.undo(_rows_of(picks), np.concatenate(joined)))
        turn = first
        while len(picks) < size:
            chosen = _next_pick(heaps, taken, turn)
            if chosen is None:
                break
            picks.append(chosen)
            taken.add(chosen[1])
            turn = chosen[2] + 1
            pool.close(_rows_of([chosen]))
            joined.append(pool.grow(_rows_of([chosen])))
            for heap, score in zip(heaps, scores, strict=True):
                for entry in _best(joined[-1], score, at_most=size - len(picks)):
                    heappush(heap, entry)
        failed.pop_all()
    return (
        _rows_of(picks),
        np.array([-cost for cost, _, _ in picks]),
        np.array([by for _, _, by in picks], np.int64),
        np.concatenate(joined),
    )


def _rows_of(picks: list[_Pick]) -> Rows:
    return np.array([row for _, row, _ in picks], np.int64)


def _next_pick(heaps: list[_Heap], taken: set[int], turn: int) -> _Pick | None:
    """(-score, row, heap) of the next pick: the first heap from `turn` on that has one.

    A heap holds as many entries as the batch has picks left, so rows that other heaps
    took never leave it short.
    """
    for offset in range(len(heaps)):
        at = (turn + offset) % len(heaps)
        heap = heaps[at]
        while heap:
            cost, row = heappop(heap)
            if row not in taken:
                return cost, row, at
    return None


def _best(rows: Rows, score: Score, *, at_most: int) -> _Heap:
    """(-score, row) of the best of `rows` (ascending): only these can be picked."""
    if not len(rows) or not at_most:
        return []
    costs = -score(rows)
    eligible = costs < np.inf
    rows, costs = rows[eligible], costs[eligible]
    if len(costs) > at_most:
        # Keep ties of the last one, then cut: a stable sort puts lower rows first.
        kept = np.flatnonzero(costs <= np.partition(costs, at_most - 1)[at_most - 1])
        kept = kept[np.argsort(costs[kept], kind="stable")[:at_most]]
        rows, costs = rows[kept], costs[kept]
    return list(zip(costs.tolist(), rows.tolist(), strict=True))
