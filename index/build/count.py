"""Recall by counting: what lists hold of the nearest rows, less what a pool loses."""

from dataclasses import dataclass
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos
from gleann.index.build.place import Placed
from gleann.index.build.sample import Sample

Shares = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """The nearest rows of as many sample queries as have them.

    Attributes:
        distances: float32 (m, w), ascending.
        places: int32 (m, w), of the first list that holds each in the probe order.
        pooled: int64 (nq,), which of them are the queries whose pools are measured.
    """

    distances: Distances
    places: ListNos
    pooled: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Share of the k nearest rows in the probed lists of many queries.

    Attributes:
        mean: (g,) for each setting.
        variance: (g,) of the queries.
        pooled: (nq, g) of the queries whose pools are measured.
        count: number of queries.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    pooled: Shares
    count: int

    @classmethod
    def of(cls, shares: Shares, pooled: NDArray[np.int64]) -> "Held":
        """From the shares (m, g) of all, of which `pooled` (nq,) are those."""
        return cls(
            mean=shares.mean(axis=0, dtype=np.float64),
            variance=shares.var(axis=0, dtype=np.float64),
            pooled=shares[pooled],
            count=len(shares),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What the settings with one `rerank` give.

    Attributes:
        rerank: rows re-ranked.
        recall: (g,) for each setting of the lists.
        error: (g,) standard errors.
        lost: (g,) share of the neighbours in the probed lists that the pool loses; None
            where it is not known.
    """

    rerank: int
    recall: NDArray[np.float64]
    error: NDArray[np.float64]
    lost: NDArray[np.float64] | None


def nearest_of(sample: Sample, placed: Placed) -> Nearest | None:
    """The nearest rows of the queries of a sample; None where those are not known."""
    if sample.many is not None and placed.many is not None:
        return Nearest(
            distances=sample.many.near.distances,
            places=placed.many,
            pooled=sample.many.pooled,
        )
    if sample.near is not None and placed.near is not None:
        return Nearest(
            distances=sample.near.distances,
            places=placed.near,
            pooled=np.arange(len(placed.near)),
        )
    return None


def count_pool(hits: Shares, held: Held | None, *, rerank: int, k: int) -> Counted:
    """Recall and error of the settings with one `rerank`.

    Args:
        hits: (nq, g) shares that pooled queries find.
        held: what the lists hold; None takes `hits` alone.
        rerank: rows re-ranked.
        k: neighbours.
    """
    count = len(hits)
    if held is None:
        recall = hits.mean(axis=0, dtype=np.float64)
        variance = hits.var(axis=0, dtype=np.float64) / count
        lost, many = None, count
    else:
        losses = held.pooled - hits
        lost = losses.mean(axis=0, dtype=np.float64)
        recall = held.mean - lost
        variance = losses.var(axis=0, dtype=np.float64) / count
        variance += held.variance / held.count
        many = held.count
    # As if one neighbour more of all could be lost: no sample is proof of none.
    variance = variance + (1 / (k * many)) ** 2
    return Counted(
        rerank=rerank,
        recall=np.clip(recall, 0, 1),
        error=np.sqrt(variance),
        lost=lost,
    )


def pool_ends(
    ranked: ListNos,
    query: NDArray[np.int64],
    column: NDArray[np.int64],
    *,
    rerank: int,
    nlist: int,
) -> NDArray[np.int32]:
    """The most lists (m,) with which rows of the best codes are in a pool.

    Fewer than `rerank` of the rows with better codes may be in the probed lists: with
    more lists than the `rerank`-th of their places there are too many.

    Where rows are equal, all that are as near as the k-th count as near: so the work
    grows with the rows that are known of a query, not with their square.

    Args:
        ranked: (nq, w) places of the rows of the best codes, best first.
        query: (m,) query of each row, ascending.
        column: (m,) its position among those of the best codes.
        rerank: rows in the pool.
        nlist: number of lists.
    """
    ends = np.full(len(query), nlist, np.int32)
    late = np.flatnonzero(column >= rerank)
    if late.size == 0:
        return ends
    for own in np.split(late, np.flatnonzero(np.diff(query[late])) + 1):
        columns = column[own]
        better = ranked[query[own[0]], : columns.max()]
        ends[own] = _least_of_prefixes(better, rerank)[columns - rerank]
    return ends


def _least_of_prefixes(places: ListNos, number: int) -> NDArray[np.int32]:
    """The `number`-th least of the first `number` places, of one more, up to all."""
    heap = (-places[:number]).tolist()  # the greatest of the least is on top
    heapify(heap)
    least = [-heap[0]]
    for place in places[number:].tolist():
        if -place > heap[0]:
            heapreplace(heap, -place)
        least.append(-heap[0])
    return np.array(least, np.int32)
