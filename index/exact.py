"""Exhaustive search: the oracle that every fast path is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Distances, Mask, RowMatrix, Rows, Vectors
from gleann.index.checks import as_queries, as_vectors, require_integer, require_one_of
from gleann.index.heartbeat import beat
from gleann.index.metric import pair_distances, prepare
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric

QUERY_BLOCK = 256
ROW_BLOCK = 32_768
FIRST_BLOCK = 4096
SLACK = 32
"""Candidates beyond k, so that float32 rounding of the product cannot hide a row."""

SHIFT_ROWS = 64
"""Minimum sample of rows whose median estimates the common offset."""

SHIFTED = 0.5
"""Rows are shifted if their greatest coordinates shrink by this factor."""

GATHERED = 8
"""Allowed rows are copied if they are fewer than 1 / this of the rows."""

_PAIR_BYTES = 1 << 26


def exact_search(
    queries: ArrayLike,
    vectors: ArrayLike,
    *,
    metric: Metric,
    k: int,
    allowed: Mask | None = None,
) -> tuple[Rows, Distances]:
    """Find the k nearest rows of each query by looking at all of them.

    Candidates come from a float32 matrix product of rows near the origin (where most
    rows lie elsewhere, what they have in common is taken off); their distances are
    recomputed in float64. A query whose candidates may have lost a tie or a close call
    to rounding is answered by recomputing every row near the cut.

    Args:
        queries: (nq, d), or one (d,); dtypes as in `as_vectors`.
        vectors: (n, d).
        metric: "ip", "cosine" or "l2"; cosine normalises both sides.
        k: neighbours, at least 1.
        allowed: bool (n,), rows that may be returned; None for all.

    Returns:
        rows int64 (nq, k) nearest first, ties by lower row, -1 past the last; and
        their distances float32 (nq, k), +inf past the last.

    Raises:
        InvalidParamsError: no such metric, or k below 1.
        ZeroVectorError: a zero vector under cosine.
        InvalidInputError: queries or vectors that are none; under l2 and ip, rows or
            queries too long for float32.
    """
    require_one_of("metric", metric, get_args(Metric))
    require_integer("k", k, at_least=1)
    rows = as_vectors(vectors)
    asked = as_vectors(
        as_queries(queries, name="queries"), name="queries", dim=rows.shape[1]
    )
    return exact_search_prepared(
        prepare(asked, metric, name="queries"),
        prepare(rows, metric),
        metric=metric,
        k=k,
        allowed=allowed,
    )


# An index of an earlier gleann may hold a row that is infinitely far from all.
@np.errstate(over="ignore", invalid="ignore")
def exact_search_prepared(
    queries: Vectors,
    vectors: RowMatrix,
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
    rows = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), np.inf, np.float32)
    chosen, numbers = _only_allowed(vectors, allowed)
    depth = min(k, chosen.count)
    if depth == 0:
        return rows, distances
    n, shift = len(chosen.vectors), shift_of(chosen.vectors)
    blocks = block_slices(len(queries), QUERY_BLOCK)
    for number, block in enumerate(blocks):
        heard = _of_all(progress, number * n, len(blocks) * n)
        bounds = LeastDistances(queries[block], metric=metric, shift=shift)
        found, near = _search_block(bounds, chosen, depth, heard)
        rows[block, :depth] = found if numbers is None else numbers[found]
        distances[block, :depth] = near
    return rows, distances


@dataclass(frozen=True, slots=True, eq=False)
class _Allowed:
    """Rows to find the nearest of.

    Attributes:
        vectors: (n, d), prepared.
        allowed: bool (n,), which of them count; None for all.
        count: how many count.
    """

    vectors: RowMatrix
    allowed: Mask | None
    count: int

    def counts(self, rows: Rows) -> Mask:
        """Which of `rows`, of any shape, count."""
        if self.allowed is None:
            return np.ones(rows.shape, np.bool_)
        return self.allowed[rows]


def _only_allowed(
    vectors: RowMatrix, allowed: Mask | None
) -> tuple[_Allowed, Rows | None]:
    """The rows to look at, and their numbers where they were gathered from `vectors`.

    To look at rows that do not count is cheaper than a copy of those that do, unless
    those are few.
    """
    if allowed is None or allowed.all():
        return _Allowed(vectors, None, len(vectors)), None
    count = int(np.count_nonzero(allowed))
    if GATHERED * count > len(vectors):
        return _Allowed(vectors, allowed, count), None
    numbers = np.flatnonzero(allowed)
    return _Allowed(vectors[numbers], None, count), numbers


def _of_all(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int], None] | None:
    """Report the rows of one pass as those of all passes."""
    if progress is None:
        return None
    return lambda done: progress(before + done, total)


def shift_of(vectors: RowMatrix) -> Vectors | None:
    """The common offset (d,) of rows (n, d); None if it is small.

    The median of a few rows, which no row that is far from the others moves.
    """
    few = vectors[:: max(1, len(vectors) // SHIFT_ROWS)]
    shift: Vectors = np.median(few, axis=0).astype(np.float32)
    before = np.median(np.abs(few).max(axis=1))
    after = np.median(np.abs(few - shift).max(axis=1))
    return shift if after < SHIFTED * before else None


class LeastDistances:
    """What the distance of each query to a row is at least, by a float32 product.

    Every row has a bound on the rounding of its own: one that is far from all others
    makes those of no other loose.

    Args:
        queries: (nq, d), prepared.
        metric: which distance.
        shift: (d,), subtracted from the rows, and from the queries if that keeps their
            distances; None takes nothing off.
        roundings: as many of a sum of d products are reckoned with in one direction;
            None takes the root of d, which random ones stay below, and d is all.
    """

    def __init__(
        self,
        queries: Vectors,
        *,
        metric: Metric,
        shift: Vectors | None,
        roundings: int | None = None,
    ) -> None:
        self.queries = queries
        self.metric = metric
        self._shift = shift
        roundings_of_sum = roundings or queries.shape[1] ** 0.5
        self._eps = np.finfo(np.float32).eps * (8 + roundings_of_sum)
        moved = queries if shift is None or metric == "ip" else queries - shift
        squares = np.square(moved.astype(np.float64)).sum(axis=1)
        self._scales = np.full(len(queries), 0.5 if metric == "cosine" else 1.0)
        if metric == "ip":
            self._scales = np.sqrt(np.where(squares > 0, squares, 1))
            self._offsets = np.zeros(len(queries))
            if shift is not None:
                wide = queries.astype(np.float64), shift.astype(np.float64)
                # Less what another order of summation in float64 makes of it.
                self._offsets = -(wide[0] @ wide[1])
                self._offsets -= 1e-13 * (np.abs(wide[0]) @ np.abs(wide[1]))
            factors = -1 / self._scales
        else:
            # (|q| + |x|)^2 is at most twice the sum of their squares.
            self._offsets = self._scales * (1 - 2 * self._eps) * squares
            factors = np.full(len(queries), -2.0)
        self._asked = (moved * factors[:, None]).astype(np.float32)

    def of(self, rows: Vectors) -> Distances:
        """Bounds (nq, m) for prepared rows (m, d), on a scale of each query."""
        moved = rows if self._shift is None else rows - self._shift
        squares = np.einsum("ij,ij->i", moved, moved)
        by_dot = self.metric == "ip"
        sizes = np.sqrt(squares) if by_dot else squares
        own = sizes * (-self._eps if by_dot else 1 - 2 * self._eps)
        bounds = np.asarray(self._asked @ moved.T, np.float32)
        np.add(bounds, own.astype(np.float32), out=bounds)
        if not np.isfinite(squares).all():
            np.nan_to_num(bounds, copy=False, nan=np.inf)
        return bounds

    def distances(self, bounds: Distances) -> Distances:
        """Bounds (nq,) as distances, none above what a distance is rounded to."""
        wide = bounds.astype(np.float64) * self._scales + self._offsets
        return wide.astype(np.float32)

    def cuts(self, distances: Distances) -> Distances:
        """The bounds (nq,) that no row exceeds whose distance is at most `distances`.

        Rounded up at each step, as `distances` rounds down.
        """
        wide = np.nextafter(distances, np.float32(np.inf)).astype(np.float64)
        wide = (wide - self._offsets) / self._scales
        wide += 1e-12 * (np.abs(wide) + np.abs(self._offsets / self._scales))
        with np.errstate(over="ignore"):
            narrow: Distances = wide.astype(np.float32)
        return np.nextafter(narrow, np.float32(np.inf))

    def one(self, number: int) -> "LeastDistances":
        """The same for one of the queries."""
        some = slice(number, number + 1)
        return LeastDistances(self.queries[some], metric=self.metric, shift=self._shift)


def _search_block(
    bounds: LeastDistances,
    allowed_rows: _Allowed,
    k: int,
    progress: Callable[[int], None] | None,
) -> tuple[Rows, Distances]:
    keep = min(k + SLACK, allowed_rows.count)
    candidates, cut = _candidates(bounds, allowed_rows, keep, progress)
    distances = _distances_of(
        bounds.queries, allowed_rows.vectors, candidates, bounds.metric
    )
    distances[~allowed_rows.counts(candidates)] = np.inf
    order = np.lexsort((candidates, distances))[:, :k]
    rows = np.take_along_axis(candidates, order, axis=1)
    distances = np.take_along_axis(distances, order, axis=1)
    # Others than those that count are candidates only where those are infinitely far.
    doubtful = np.isinf(distances[:, -1])
    if keep < allowed_rows.count:
        doubtful |= ~(distances[:, -1] < bounds.distances(cut))
    for q in np.flatnonzero(doubtful).tolist():
        last = float(distances[q, -1])
        rows[q], distances[q] = _search_near_cut(bounds.one(q), allowed_rows, k, last)
    return rows, distances


def _candidates(
    bounds: LeastDistances,
    allowed_rows: _Allowed,
    keep: int,
    progress: Callable[[int], None] | None,
) -> tuple[Rows, Distances]:
    """The `keep` rows of least bounds, and the greatest of those."""
    count = len(bounds.queries)
    best = np.empty((count, 0), np.float32)
    rows = np.empty((count, 0), np.int64)
    for start, end in _row_blocks(len(allowed_rows.vectors)):
        block = bounds.of(allowed_rows.vectors[start:end])
        if allowed_rows.allowed is not None:
            block[:, ~allowed_rows.allowed[start:end]] = np.inf
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
        beat()
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
    queries: Vectors, vectors: RowMatrix, rows: Rows, metric: Metric
) -> Distances:
    """Float64-accurate distances (nq, m) to each query's rows, in bounded memory."""
    pairs = max(1, _PAIR_BYTES // (vectors.shape[1] * 8))
    distances = np.empty(rows.shape, np.float32)
    for some in block_slices(rows.shape[1], pairs):
        for block in block_slices(len(queries), pairs // (some.stop - some.start)):
            near = vectors[rows[block, some]]
            distances[block, some] = pair_distances(queries[block], near, metric)
    return distances


def _search_near_cut(
    bounds: LeastDistances, allowed_rows: _Allowed, k: int, last: float
) -> tuple[Rows, Distances]:
    """Order every row that may be as near as `last` to one query by its distance."""
    near = np.flatnonzero(_rough(bounds, allowed_rows.vectors) <= last)
    near = near[allowed_rows.counts(near)]
    metric = bounds.metric
    distances = _distances_of(
        bounds.queries, allowed_rows.vectors, near[None, :], metric
    )[0]
    order = np.lexsort((near, distances))[:k]
    return near[order], distances[order]


def _rough(bounds: LeastDistances, vectors: RowMatrix) -> Distances:
    """What the distance of one query to each row (n,) is at least.

    By differences, where there are distances: their rounding is small beside the
    distance, however far from the origin both are.
    """
    rough = np.empty(len(vectors), np.float32)
    eps = np.finfo(np.float32).eps * (8 + vectors.shape[1])
    scale = np.float32((1 - eps) * (0.5 if bounds.metric == "cosine" else 1.0))
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        if bounds.metric == "ip":
            rough[block] = bounds.distances(bounds.of(vectors[block])[0])
            continue
        apart = vectors[block] - bounds.queries
        rough[block] = scale * np.einsum("ij,ij->i", apart, apart)
    return rough


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
