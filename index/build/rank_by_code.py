"""The best rows of the whole index by the scores of their codes, for sample queries."""

from collections.abc import Callable

import numpy as np

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.codes import Encoding
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

SCORES_HELD = 1 << 21
"""Scores of sample queries against rows held at once."""

VALUES_HELD = 1 << 21
"""Values of rows held at once, in a few copies."""


def rank_by_code(  # noqa: PLR0913  the sample, and what is asked of it
    encoding: Encoding,
    vectors: Vectors,
    queries: Vectors,
    *,
    own: Rows | None,
    width: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The `width` rows with the best scores for each query, best first.

    Rows of equal score come in random order: engines keep any of them, and the order of
    the true distances must not decide.

    Args:
        encoding: what scores.
        vectors: (n, d), prepared; may be memory-mapped.
        queries: (nq, d), prepared.
        own: rows (nq,) that the queries are, to be left out; None where they are not.
        width: rows a query; at most n, less the own one.
        rng: orders ties.
        progress: called with the rows looked at, and how many will be.

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
    vectors: Vectors,
    queries: Vectors,
    ranked: Rows,
    *,
    near: Rows,
    distances: Distances,
    depth: int,
    metric: Metric,
) -> Distances:
    """Distances (nq, w) of `ranked` rows, +inf for those behind the nearest `depth`.

    Only where rows at the end of `near` tie with the last of the `depth` are vectors
    read: that is rare, and on disk slow.

    Args:
        vectors: (n, d), prepared.
        queries: (nq, d), prepared.
        ranked: (nq, w).
        near: (nq, m), the nearest rows.
        distances: (nq, m), theirs, ascending.
        depth: at most m.
        metric: which distance.
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
    """The `width` best of what was kept and of a block (nq, m) of scores."""
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
    """What each query keeps of a block, and in which columns; -inf fills the rest."""
    query, column = np.divmod(np.flatnonzero(kept), kept.shape[1])
    counts = np.bincount(query, minlength=len(kept))
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = len(kept), int(counts.max(initial=0))
    scores = np.full(shape, -np.inf, np.float32)
    columns = np.zeros(shape, np.int64)
    scores[query, place] = found[query, column]
    columns[query, place] = column
    return scores, columns
