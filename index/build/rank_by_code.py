"""Exhaustive ranking of all rows by code score, for sample queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, RowMatrix, Rows, Vectors
from gleann.index.codes import Encoding
from gleann.index.hashing import mixed
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

SCORES_HELD = 1 << 21
"""Scores of sample queries against rows kept in memory at once."""

VALUES_HELD = 1 << 21
"""Values of rows kept in memory at once, in a few copies."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranked:
    """The rows with the best scores for each query, best first, ties by their keys.

    Attributes:
        scores: float32 (nq, w).
        rows: int64 (nq, w).
        keys: uint64 (nq, w), random, and the same wherever a row is scanned.
    """

    scores: Vectors
    rows: Rows
    keys: NDArray[np.uint64]

    def cut(self, width: int) -> "Ranked":
        """The best `width`, in order."""
        order = np.lexsort((self.keys, -self.scores), axis=1)[:, :width]
        return Ranked(
            scores=np.take_along_axis(self.scores, order, axis=1),
            rows=np.take_along_axis(self.rows, order, axis=1),
            keys=np.take_along_axis(self.keys, order, axis=1),
        )


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
    return best_of_blocks(
        encoding,
        vectors,
        queries,
        own=own,
        width=width,
        salt=draw_salt(rng),
        blocks=code_blocks(vectors.shape, queries=len(queries)),
        progress=progress,
    ).rows


def best_of_blocks(  # noqa: PLR0913  as `rank_by_code`, of some of its blocks
    encoding: Encoding,
    vectors: RowMatrix,
    queries: Vectors,
    *,
    own: Rows | None,
    width: int,
    salt: np.uint64,
    blocks: Sequence[slice],
    progress: Callable[[int, int], None] | None = None,
) -> Ranked:
    """`rank_by_code` among the rows of some of the `code_blocks`.

    `merge_ranked` of the answers of all blocks is that of all rows.

    Returns:
        At most `width` rows a query.
    """
    scanned = _Scanned(width, salt)
    for block in blocks:
        found = encoding.scan_scores(queries, encoding.encode(vectors[block]))
        if own is not None:
            inside = np.flatnonzero((own >= block.start) & (own < block.stop))
            found[inside, own[inside] - block.start] = -np.inf
        scanned.offer(found, first=block.start)
        if progress is not None:
            progress(block.stop, len(vectors))
    return scanned.best()


def merge_ranked(parts: Sequence[Ranked], width: int) -> Ranked:
    """The best `width` rows of all parts, at least one, for each query."""
    return _joined(parts).cut(width)


def code_blocks(shape: tuple[int, ...], *, queries: int) -> list[slice]:
    """The blocks in which rows (n, d) are scanned for so many queries."""
    n, dim = shape
    return block_slices(n, min(SCORES_HELD // queries, VALUES_HELD // dim))


def draw_salt(rng: np.random.Generator) -> np.uint64:
    """What keys of rows are made with."""
    return np.uint64(rng.integers(1 << 63))


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


class _Scanned:
    """The best rows of the blocks so far.

    What may be among them is collected, and sorted only when it is twice as much as is
    wanted.
    """

    def __init__(self, width: int, salt: np.uint64) -> None:
        self._width = width
        self._salt = salt
        self._parts: list[Ranked] = []
        self._cut: Ranked | None = None

    def offer(self, scores: Vectors, *, first: int) -> None:
        """Take of a block what beats the worst of the best, or ties with a lower key.

        Args:
            scores: (nq, m), of consecutive rows.
            first: the number of the first of them.
        """
        if scores.shape[1] > self._width and self._cut is None:
            least = -np.partition(-scores, self._width - 1, axis=1)[:, self._width - 1]
        elif self._cut is None:
            least = np.full(len(scores), -np.inf, np.float32)
        else:
            least = self._cut.scores[:, -1]
        query, column = np.nonzero(scores >= least[:, None])
        rows = column + first
        keys = _keys(query, rows, self._salt)
        found = scores[query, column]
        if self._cut is not None:
            lower = keys < self._cut.keys[query, -1]
            kept = (found > least[query]) | lower
            query, rows, keys, found = (x[kept] for x in (query, rows, keys, found))
        self._parts.append(_left_aligned(query, found, rows, keys, count=len(scores)))
        if sum(part.rows.shape[1] for part in self._parts) >= 2 * self._width:
            self._sort()

    def best(self) -> Ranked:
        """The best rows, at most the width for each query."""
        self._sort()
        return self._parts[0]

    def _sort(self) -> None:
        self._parts = [_joined(self._parts).cut(self._width)]
        if self._parts[0].rows.shape[1] == self._width:
            self._cut = self._parts[0]


def _joined(parts: Sequence[Ranked]) -> Ranked:
    return Ranked(
        scores=np.concatenate([part.scores for part in parts], axis=1),
        rows=np.concatenate([part.rows for part in parts], axis=1),
        keys=np.concatenate([part.keys for part in parts], axis=1),
    )


def _keys(query: Rows, rows: Rows, salt: np.uint64) -> NDArray[np.uint64]:
    """A random number for each pair (m,) of a query and a row."""
    apart = mixed(query.astype(np.uint64) + np.asarray(salt, np.uint64))
    return mixed(rows.astype(np.uint64) + apart)


def _left_aligned(
    query: Rows, found: Vectors, rows: Rows, keys: NDArray[np.uint64], *, count: int
) -> Ranked:
    """What was found for each of `count` queries (m,), as rows padded with -inf."""
    counts = np.bincount(query, minlength=count)
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = count, int(counts.max(initial=0))
    aligned = Ranked(
        scores=np.full(shape, -np.inf, np.float32),
        rows=np.zeros(shape, np.int64),
        keys=np.full(shape, np.iinfo(np.uint64).max, np.uint64),
    )
    aligned.scores[query, place] = found
    aligned.rows[query, place] = rows
    aligned.keys[query, place] = keys
    return aligned
