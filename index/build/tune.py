"""Measure operating points: the recall of each (nprobe, rerank), by counting.

A search loses a neighbour whose lists it does not probe, and one that is not in its
pool of `rerank` rows, as that many rows of the probed lists have better codes. Many
queries say what the lists hold, some of them what the pool loses of that: the recall
is the difference, and its error that of both.

The sample queries are drawn from the rows unless the caller gives some, so queries of
another distribution can have another recall.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos
from gleann.index.build.count import (
    Counted,
    Held,
    Nearest,
    Shares,
    count_pool,
    nearest_of,
    pool_ends,
)
from gleann.index.build.place import Placed, place
from gleann.index.build.sample import Sample
from gleann.index.evaluate import cut_at_k, pareto
from gleann.index.operating.points import Measured, OperatingPoint, Pool
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

Points = tuple[OperatingPoint, ...]
Pools = tuple[Pool, ...]


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
        counted = _measure_k(sample, placed, k, grid, n=n)
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


def _reranks(k: int, *, known: int, n: int) -> list[int]:
    """The numbers of rows to re-rank that are measured for k, ascending.

    Args:
        k: neighbours.
        known: rows of the best codes that are known of each query.
        n: rows; with all others than a query's own known, none is lost from them on.
    """
    most = known if known < n - 1 else n
    reranks = sorted({min(ceil(k * share), most) for share in RERANKED_PER_K})
    return [
        r for r, before in zip(reranks, [0, *reranks], strict=False) if before < known
    ]


def _measure_k(
    sample: Sample, placed: Placed, k: int, grid: NDArray[np.int64], *, n: int
) -> list[Counted]:
    """The settings for k, by `rerank`."""
    held = _held(nearest_of(sample, placed), k, grid)
    query, column = np.nonzero(sample.distances <= cut_at_k(sample.truth[:, :k]))
    counted: list[Counted] = []
    for rerank in _reranks(k, known=sample.rows.shape[1], n=n):
        ends = pool_ends(
            placed.ranked, query, column, rerank=rerank, nlist=int(grid[-1])
        )
        begins = placed.ranked[query, column] + 1
        shape = len(sample.truth), len(grid)
        hits = _shares(query, begins, ends, grid, shape=shape, k=k)
        counted.append(count_pool(hits, held, rerank=rerank, k=k))
    return counted


def _held(nearest: Nearest | None, k: int, grid: NDArray[np.int64]) -> Held | None:
    """What the lists hold of the k nearest rows; None where those are not known."""
    if nearest is None:
        return None
    shares = _held_shares(nearest.distances, nearest.places, k, grid)
    return Held.of(shares, nearest.pooled)


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


def _pools(
    counted: list[Counted],
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
