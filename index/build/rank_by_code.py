"""Exhaustive ranking of all rows by code score, for sample queries."""

from collections.abc import Callable

import numpy as np

from gleann.index.arrays import Distances, RowMatrix, Rows, Vectors
from gleann.index.codes import Encoding
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

SCORES_HELD = 1 << 21
"""Scores of sample queries against rows kept in memory at once."""

VALUES_HELD = 1 << 21
"""Values of rows kept in memory at once, in a few copies."""


def rank_by_code(  # noqa: PLR0913  the sample, and what is asked of it
    encoding: Encoding,
    vectors: RowMatrix,
    queries: Vectors,
    *,
    own: Rows | None,
    width: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The `width` rows with the best scores for each query, best first.

    Ties are ordered at random: engines may keep any of the tied rows, so the order must
    not depend on the true distances.

    Args:
        encoding: the encoding whose scores rank.
        vectors: (n, d), prepared; may be memory-mapped.
        queries: (nq, d), prepared.
        own: the row (nq,) of each query, excluded from its answer; None if the queries
            are not rows.
        width: rows per query; at most n, minus the own one.
        rng: random generator that orders ties.
        progress: called with (rows scanned, rows in total).

    Returns:
        int64 (nq, width).
    """
    scores = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    held = min(SCORES_HELD // len(queries), VALUES_HELD // vectors.shape[1])
    for block in block_slices(len(vectors), held):
        found = encoding.scan_scores(queries, encoding.encode(vectors[block]))
        if own is not None:
            inside = np.flatnonzero((own >= block.start) & (own < block.stop))
            found[inside, own[inside] - block.start] = -np.inf
        numbers = np.arange(block.start, block.stop)
        scores, rows = _best(scores, rows, found, numbers, width)
        if progress is not None:
            progress(block.stop, len(vectors))
    order = np.lexsort((rng.random(scores.shape), -scores), axis=1)
    return np.take_along_axis(rows, order, axis=1)


def distances_of_ranked(  # noqa: PLR0913  the sample, and what is known of it
    vectors: RowMatrix,
    queries: Vectors,
    ranked: Rows,
    *,
    near: Rows,
    distances: Distances,
    depth: int,
    metric: Metric,
) -> Distances:
    """Distances (nq, w) of `ranked` rows, +inf for rows beyond the nearest `depth`.

    Vectors are read only if rows at the end of `near` tie with the last of the `depth`:
    that is rare, and slow on disk.

    Args:
        vectors: (n, d), prepared.
        queries: (nq, d), prepared.
        ranked: (nq, w).
        near: (nq, m), the nearest rows.
        distances: (nq, m), distances of `near`, ascending.
        depth: at most m.
        metric: the metric.
    """
    found = np.full(ranked.shape, np.inf, np.float32)
    for q, rows in enumerate(ranked):
        if near.shape[1] > depth and distances[q, -1] <= distances[q, depth - 1]:
            found[q] = pair_distances(queries[q : q + 1], vectors[rows][None], metric)
            continue
        order = np.argsort(near[q])
        at = np.minimum(np.searchsorted(near[q, order], rows), len(order) - 1)
        known = near[q, order[at]] == rows
        found[q, known] = distances[q, order[at[known]]]
    return found


def _best(
    scores: Vectors, rows: Rows, found: Vectors, numbers: Rows, width: int
) -> tuple[Vectors, Rows]:
    """The `width` best of the kept rows and of a block (nq, m) of scores."""
    if scores.shape[1] == width:
        kept = found > scores.min(axis=1, keepdims=True)
        found, columns = _left_aligned(found, kept)
        numbers = numbers[columns]
    else:
        numbers = np.broadcast_to(numbers, found.shape)
    scores = np.concatenate([scores, found], axis=1)
    rows = np.concatenate([rows, numbers], axis=1)
    if scores.shape[1] <= width:
        return scores, rows
    part = np.argpartition(-scores, width - 1, axis=1)[:, :width]
    return np.take_along_axis(scores, part, 1), np.take_along_axis(rows, part, 1)


def _left_aligned(found: Vectors, kept: np.ndarray) -> tuple[Vectors, Rows]:
    """The best scores of a block for each query and their columns, padded with -inf."""
    query, column = np.divmod(np.flatnonzero(kept), kept.shape[1])
    counts = np.bincount(query, minlength=len(kept))
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = len(kept), int(counts.max(initial=0))
    scores = np.full(shape, -np.inf, np.float32)
    columns = np.zeros(shape, np.int64)
    scores[query, place] = found[query, column]
    columns[query, place] = column
    return scores, columns
