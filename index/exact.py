"""Exhaustive search: the oracle that every fast path is compared with."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.blocks import block_slices
from gleann.index.metric import block_distances, pair_distances, prepare
from gleann.index.params import Metric

QUERY_BLOCK = 256
ROW_BLOCK = 32_768
FIRST_BLOCK = 4096
SLACK = 32
"""Candidates beyond k, so that float32 rounding of the product cannot hide a row."""

_PAIR_BYTES = 1 << 26


def exact_search(
    queries: Vectors,
    vectors: Vectors,
    *,
    metric: Metric,
    k: int,
    allowed: Mask | None = None,
) -> tuple[Rows, Distances]:
    """Find the k nearest rows of each query by looking at all of them.

    Candidates come from a float32 matrix product; their distances are recomputed in
    float64. A query whose candidates may have lost a tie or a close call to rounding
    is answered by recomputing every row near the cut.

    Args:
        queries: float32 (nq, d).
        vectors: float32 (n, d).
        metric: "ip", "cosine" or "l2"; cosine normalises both sides.
        k: neighbours, at least 1.
        allowed: bool (n,), rows that may be returned; None for all.

    Returns:
        rows int64 (nq, k) nearest first, ties by lower row, -1 past the last; and
        their distances float32 (nq, k), +inf past the last.

    Raises:
        ZeroVectorError: a zero vector under cosine.
        InvalidInputError: under l2 and ip, rows or queries too long for float32.
    """
    return exact_search_prepared(
        prepare(queries, metric, name="queries"),
        prepare(vectors, metric),
        metric=metric,
        k=k,
        allowed=allowed,
    )


# An index of an earlier gleann may hold a row that is infinitely far from all.
@np.errstate(over="ignore", invalid="ignore")
def exact_search_prepared(
    queries: Vectors,
    vectors: Vectors,
    *,
    metric: Metric,
    k: int,
    allowed: Mask | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Rows, Distances]:
    """`exact_search` on rows and queries that `prepare` already made ready.

    `vectors` may be memory-mapped: it is read block by block, once for each
    `QUERY_BLOCK` queries, and once more for a query whose k-th row nearly ties with
    others. `progress` hears how many rows these passes have read, and will have in all.
    """
    pool = None if allowed is None else np.flatnonzero(allowed)
    n = len(vectors) if pool is None else len(pool)
    rows = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), np.inf, np.float32)
    depth = min(k, n)
    if depth == 0:
        return rows, distances
    dense = vectors if pool is None else vectors[pool]
    blocks = block_slices(len(queries), QUERY_BLOCK)
    for number, block in enumerate(blocks):
        heard = _of_all(progress, number * n, len(blocks) * n)
        found, near = _search_block(queries[block], dense, metric, depth, heard)
        rows[block, :depth] = found if pool is None else pool[found]
        distances[block, :depth] = near
    return rows, distances


def _of_all(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int], None] | None:
    """Report the rows of one pass as those of all passes."""
    if progress is None:
        return None
    return lambda done: progress(before + done, total)


def _search_block(
    queries: Vectors,
    vectors: Vectors,
    metric: Metric,
    k: int,
    progress: Callable[[int], None] | None,
) -> tuple[Rows, Distances]:
    keep = min(k + SLACK, len(vectors))
    candidates, cut = _candidates(queries, vectors, metric, keep, progress)
    distances = _distances_of(queries, vectors, candidates, metric)
    order = np.lexsort((candidates, distances))[:, :k]
    rows = np.take_along_axis(candidates, order, axis=1)
    distances = np.take_along_axis(distances, order, axis=1)
    if keep < len(vectors):
        slack = _rounding(queries, vectors, metric)
        for q in np.flatnonzero(distances[:, -1] + slack >= cut):
            bound = float(distances[q, -1]) + float(slack[q])
            rows[q], distances[q] = _search_near_cut(
                queries[q : q + 1], vectors, metric, k, bound
            )
    return rows, distances


def _candidates(
    queries: Vectors,
    vectors: Vectors,
    metric: Metric,
    keep: int,
    progress: Callable[[int], None] | None,
) -> tuple[Rows, Distances]:
    """The `keep` best rows by matrix product, and the product's distance at the cut."""
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start, end in _row_blocks(len(vectors)):
        block = block_distances(queries, vectors[start:end], metric)
        numbers = np.broadcast_to(np.arange(block.shape[1]), block.shape)
        # Most blocks hold few rows below the running cut: look only at those.
        if best.shape[1] == keep:
            block, numbers = _below(block, best.max(axis=1))
        best = np.concatenate([best, block], axis=1)
        rows = np.concatenate([rows, numbers + start], axis=1)
        if best.shape[1] > keep:
            part = np.argpartition(best, keep - 1, axis=1)[:, :keep]
            best = np.take_along_axis(best, part, axis=1)
            rows = np.take_along_axis(rows, part, axis=1)
        if progress is not None:
            progress(end)
    return rows, best.max(axis=1)


def _below(block: Distances, cut: Distances) -> tuple[Distances, Rows]:
    """What each query has below its cut, and in which columns.

    Rows are filled up to the longest with NaN, which sorts behind everything.
    """
    flat = np.flatnonzero(block < cut[:, None])
    query, column = np.divmod(flat, block.shape[1])
    counts = np.bincount(query, minlength=len(block))
    place = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = len(block), int(counts.max())
    near = np.full(shape, np.nan, np.float32)
    numbers = np.zeros(shape, np.int64)
    near[query, place] = block[query, column]
    numbers[query, place] = column
    return near, numbers


def _row_blocks(n: int) -> list[tuple[int, int]]:
    """A short block first: it sets the cut that spares most columns of the others."""
    starts = [0, *range(FIRST_BLOCK, n, ROW_BLOCK)]
    return list(pairwise([*starts, n]))


def _distances_of(
    queries: Vectors, vectors: Vectors, rows: Rows, metric: Metric
) -> Distances:
    """Float64-accurate distances (nq, m) to each query's rows, in bounded memory."""
    pairs = max(1, _PAIR_BYTES // (vectors.shape[1] * 8))
    distances = np.empty(rows.shape, np.float32)
    for some in block_slices(rows.shape[1], pairs):
        for block in block_slices(len(queries), pairs // (some.stop - some.start)):
            near = vectors[rows[block, some]]
            distances[block, some] = pair_distances(queries[block], near, metric)
    return distances


def _rounding(queries: Vectors, vectors: Vectors, metric: Metric) -> Distances:
    """Bound (nq,) on the rounding of `block_distances`, from the lengths involved."""
    eps = np.finfo(np.float32).eps * (8 + vectors.shape[1] ** 0.5)
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    longest = float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max()))
    if metric == "l2":
        return (eps * (lengths + longest) ** 2).astype(np.float32)
    return (eps * lengths * longest).astype(np.float32)


def _search_near_cut(
    query: Vectors, vectors: Vectors, metric: Metric, k: int, bound: float
) -> tuple[Rows, Distances]:
    """Order every row within `bound` of one query by its float64-accurate distance."""
    rough = block_distances(query, vectors, metric)[0]
    slack = float(_rounding(query, vectors, metric)[0])
    near = np.flatnonzero(rough <= bound + slack)
    distances = _distances_of(query, vectors, near[None, :], metric)[0]
    order = np.lexsort((near, distances))[:k]
    return near[order], distances[order]


def others_than(own: Rows, found: Rows) -> Mask:
    """Which of the rows found (m, w) are not the row that asked, w - 1 of each.

    A row that did not find itself, as happens among duplicates, loses its farthest.

    Args:
        own: (m,), the rows that asked.
        found: (m, w), nearest first.
    """
    others: Mask = found != own[:, None]
    others[others.all(axis=1), -1] = False
    return others
