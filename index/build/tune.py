"""Measure operating points: the recall of each (nprobe, rerank), by counting.

A search loses a neighbour whose lists it does not probe, and one that is not in its
pool of `rerank` rows, as that many rows of the probed lists have better codes. Many
queries say what the lists hold, some of them what the pool loses of that: the recall
is the difference, and its error that of both.

The sample queries are drawn from the rows unless the caller gives some, so queries of
another distribution can have another recall.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos
from gleann.index.build.place import Placed, place
from gleann.index.build.sample import Sample
from gleann.index.evaluate import cut_at_k, pareto
from gleann.index.operating_points import Measured, OperatingPoint, Pool
from gleann.index.search.probe_order import probe_grid

RERANKED_PER_K = (1.3, 2, 3, 5, 10, 20, 50, 100)
ENOUGH = 0.9995
"""Recall at which measuring stops: settings with more probes cost the most."""

LOST = 0.0005
"""Share of the neighbours in the probed lists that a pool may lose; `measure_pools`."""

POOL_STEP = 1.1
"""Pools are told apart from this ratio on."""

QUERIES_HELD = 4096
"""Queries counted at once."""

Shares = NDArray[np.float32]
Points = tuple[OperatingPoint, ...]
Pools = tuple[Pool, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """Share of the k nearest rows in the first lists of many queries.

    Attributes:
        mean: (g,) for each number of lists.
        variance: (g,) of the queries.
        pooled: (nq, g) of the queries whose pools are measured.
        count: number of queries.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    pooled: Shares
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Counted:
    """What the settings with one `rerank` give.

    Attributes:
        rerank: rows re-ranked.
        recall: (g,) for each number of lists.
        error: (g,) standard errors.
        lost: (g,) share of the neighbours in the probed lists that the pool loses; None
            where it is not known.
    """

    rerank: int
    recall: NDArray[np.float64]
    error: NDArray[np.float64]
    lost: NDArray[np.float64] | None


def measure_points(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> Points:
    """Count the Pareto-best (nprobe, rerank) pairs for a few k.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None without spilling.

    Returns:
        For each k of the sample up to the row count, points of ascending cost and
        recall.
    """
    return measure_forms(sample, primary, secondary)[0].points


def measure_forms(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> tuple[Measured, Measured]:
    """`Measured` for the lists with second copies, and without."""
    spilled, plain = place(sample, primary, secondary)
    n = len(primary)
    with_copies = _measure(sample, spilled, n=n)
    without = with_copies if plain is spilled else _measure(sample, plain, n=n)
    if sample.deeper is None:
        return with_copies, without
    deeper = measure_forms(sample.deeper, primary, secondary)
    return _joined(with_copies, deeper[0]), _joined(without, deeper[1])


def _joined(one: Measured, other: Measured) -> Measured:
    return Measured(points=one.points + other.points, pools=one.pools + other.pools)


def _measure(sample: Sample, placed: Placed, *, n: int) -> Measured:
    grid = np.array(probe_grid(len(placed.entries)))
    points: Points = ()
    pools: Pools = ()
    for k in (k for k in sample.ks if k <= sample.truth.shape[1]):
        counted = _measure_k(sample, placed, k, grid)
        entries = placed.entries[grid - 1]
        measured = [
            OperatingPoint(
                k=k,
                nprobe=int(grid[at]),
                rerank=one.rerank,
                recall=float(one.recall[at]),
                entries=float(entries[at]),
                error=float(one.error[at]),
            )
            for one in counted
            for at in range(_enough(one.recall))
        ]
        points += tuple(
            pareto(
                measured,
                gain=lambda p: p.recall,
                cost=lambda p: p.cost(sample.cost_model),
            )
        )
        pools += _pools(counted, k, grid, entries, n=n)
    return Measured(points=points, pools=pools)


def _enough(recall: NDArray[np.float64]) -> int:
    """How many settings there are up to the first with `ENOUGH` recall."""
    reaching = np.flatnonzero(recall >= ENOUGH)
    return int(reaching[0]) + 1 if reaching.size else len(recall)


def _measure_k(
    sample: Sample, placed: Placed, k: int, grid: NDArray[np.int64]
) -> list[_Counted]:
    """The settings for k, by `rerank`."""
    held = _held(sample, placed, k, grid)
    query, column = np.nonzero(sample.distances <= cut_at_k(sample.truth[:, :k]))
    counted: list[_Counted] = []
    for rerank in sorted({ceil(k * share) for share in RERANKED_PER_K}):
        if counted and counted[-1].rerank >= sample.rows.shape[1]:
            break  # all rows that are known are in the pool
        ends = _ends(placed.ranked, query, column, rerank=rerank, nlist=int(grid[-1]))
        begins = placed.ranked[query, column] + 1
        shape = len(sample.truth), len(grid)
        hits = _shares(query, begins, ends, grid, shape=shape, k=k)
        counted.append(_counted(hits, held, rerank=rerank, k=k))
    return counted


def _counted(hits: Shares, held: _Held | None, *, rerank: int, k: int) -> _Counted:
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
    return _Counted(
        rerank=rerank,
        recall=np.clip(recall, 0, 1),
        error=np.sqrt(variance),
        lost=lost,
    )


def _held(
    sample: Sample, placed: Placed, k: int, grid: NDArray[np.int64]
) -> _Held | None:
    """What the lists hold of the k nearest rows; None where those are not known."""
    if sample.many is not None and placed.many is not None:
        near, places, pooled = (
            sample.many.near.distances,
            placed.many,
            sample.many.pooled,
        )
    elif sample.near is not None and placed.near is not None:
        near, places = sample.near.distances, placed.near
        pooled = np.arange(len(near))
    else:
        return None
    shares = _held_shares(near, places, k, grid)
    return _Held(
        mean=shares.mean(axis=0, dtype=np.float64),
        variance=shares.var(axis=0, dtype=np.float64),
        pooled=shares[pooled],
        count=len(shares),
    )


def _held_shares(
    near: Distances, places: ListNos, k: int, grid: NDArray[np.int64]
) -> Shares:
    """Share (m, g) of the k nearest rows that the first lists hold."""
    shares = np.empty((len(near), len(grid)), np.float32)
    for start in range(0, len(near), QUERIES_HELD):
        block = slice(start, start + QUERIES_HELD)
        query, column = np.nonzero(near[block] <= cut_at_k(near[block, :k]))
        begins = places[block][query, column] + 1
        shape = shares[block].shape
        shares[block] = _shares(query, begins, None, grid, shape=shape, k=k)
    return shares


def _shares(
    query: NDArray[np.int64],
    begins: NDArray[np.int32],
    ends: NDArray[np.int32] | None,
    grid: NDArray[np.int64],
    *,
    shape: tuple[int, int],
    k: int,
) -> Shares:
    """Share (nq, g) of k that each query finds with each number of lists.

    Args:
        query: (m,) the query of each row that it may find.
        begins: (m,) the fewest lists with which it does.
        ends: (m,) the most; None for all.
        grid: (g,) numbers of lists, ascending.
        shape: (nq, g).
        k: neighbours; more, which tie, count as k.
    """
    nq, g = shape
    first = np.searchsorted(grid, begins)
    steps = np.bincount(query * (g + 1) + first, minlength=nq * (g + 1))
    if ends is not None:
        after = np.maximum(np.searchsorted(grid, ends, side="right"), first)
        steps = steps - np.bincount(query * (g + 1) + after, minlength=nq * (g + 1))
    counts = np.cumsum(steps.reshape(nq, g + 1)[:, :g], axis=1)
    shares: Shares = (np.minimum(counts, k) / k).astype(np.float32)
    return shares


def _ends(
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

    Args:
        ranked: (nq, w) places of the rows of the best codes, best first.
        query: (m,) query of each row.
        column: (m,) its position among those of the best codes.
        rerank: rows in the pool.
        nlist: number of lists.
    """
    ends = np.full(len(query), nlist, np.int32)
    late = np.flatnonzero(column >= rerank)
    for start in range(0, len(late), QUERIES_HELD):
        some = late[start : start + QUERIES_HELD]
        better = ranked[query[some]].copy()
        better[np.arange(better.shape[1]) >= column[some][:, None]] = nlist
        ends[some] = np.partition(better, rerank - 1, axis=1)[:, rerank - 1]
    return ends


def _pools(
    counted: list[_Counted],
    k: int,
    grid: NDArray[np.int64],
    entries: NDArray[np.float64],
    *,
    n: int,
) -> Pools:
    """The rows to re-rank for k, from so many lists on, at most n.

    The smallest that lose at most `LOST`. Where the largest that is measured loses
    more, pools grow with the entries from where it did not: at most so many more rows
    have better codes than a neighbour.
    """
    if counted[-1].lost is None:
        return ()
    least = np.full(len(grid), np.inf)
    for one in reversed(counted):
        assert one.lost is not None
        least[one.lost <= LOST] = one.rerank
    largest = counted[-1].rerank
    known = np.flatnonzero(np.isfinite(least))
    last = int(known[-1]) if known.size else 0
    grown = np.ceil(largest * entries / max(float(entries[last]), 1.0))
    least = np.where(np.isfinite(least), least, np.maximum(grown, largest))
    least = np.minimum(np.maximum.accumulate(least), n)
    pools: list[Pool] = []
    for nprobe, rerank in zip(grid.tolist(), least.astype(int).tolist(), strict=True):
        if not pools or rerank >= POOL_STEP * pools[-1].rerank:
            pools.append(Pool(k=k, nprobe=nprobe, rerank=max(rerank, k)))
    return tuple(pools)
