"""All rows within a distance, by looking at them block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Mask, RowMatrix, Rows, Vectors
from gleann.index.checks import require_integer, require_number
from gleann.index.errors import InvalidParamsError
from gleann.index.exact import LeastDistances, shift_of
from gleann.index.heartbeat import beat
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric

QUERY_BLOCK = 256
ROW_BLOCK = 8192
"""Rows compared with a block of queries at once: all of their hits are in memory."""

PAIR_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Rows within a distance of some queries.

    Attributes:
        queries: int64 (m,), ascending.
        rows: int64 (m,), of each query nearest first, ties by lower row.
        distances: float32 (m,).
    """

    queries: Rows
    rows: Rows
    distances: Distances

    def offsets(self, count: int) -> NDArray[np.int64]:
        """Where the hits of each of `count` queries begin (count + 1,)."""
        return np.searchsorted(self.queries, np.arange(count + 1)).astype(np.int64)


def require_radius(radius: float, metric: Metric) -> float:
    """`radius` as float32 rounds it, in which distances are.

    Raises:
        InvalidParamsError: not a finite number, or below 0 where no distance is.
    """
    require_number("radius", radius)
    with np.errstate(over="ignore"):
        rounded = float(np.float32(radius))
    if not np.isfinite(rounded):
        raise InvalidParamsError(f"radius must be finite in float32, got {radius}")
    if rounded < 0 and metric != "ip":
        raise InvalidParamsError(
            f"radius must be at least 0 under {metric}, got {radius}"
        )
    return rounded


def require_limit(limit: int | None) -> None:
    """Refuse a limit that allows no hit.

    Raises:
        InvalidParamsError: not an integer from 1 on.
    """
    if limit is not None:
        require_integer("limit", limit, at_least=1)


def no_hits() -> Hits:
    """Nothing."""
    return Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def find_within(
    queries: Vectors,
    vectors: RowMatrix,
    *,
    metric: Metric,
    radius: float,
    limit: int | None = None,
    allowed: Mask | None = None,
) -> Hits:
    """All rows within `radius` of each query, or its nearest `limit` of them.

    Memory beyond the hits grows with neither the rows nor the queries.

    Args:
        queries: (nq, d), prepared.
        vectors: (n, d), prepared; may be memory-mapped.
        metric: which distance.
        radius: as `require_radius` returns it; a hit's float32 distance is at most it.
        limit: most hits a query; None for all.
        allowed: bool (n,), rows that may be hits; None for all.
    """
    parts = []
    shift = shift_of(vectors) if len(vectors) else None
    for block in block_slices(len(queries), QUERY_BLOCK):
        scan = _Scan(queries[block], metric, shift, radius=radius, limit=limit)
        for start in range(0, len(vectors), ROW_BLOCK):
            some = slice(start, min(start + ROW_BLOCK, len(vectors)))
            mask = None if allowed is None else allowed[some]
            scan.look_at(vectors[some], np.arange(some.start, some.stop), mask)
            beat()
        hits = scan.hits()
        parts.append(Hits(hits.queries + block.start, hits.rows, hits.distances))
    return joined(parts)


def find_within_rows(
    query: Vectors,
    vectors: RowMatrix,
    rows: Rows,
    *,
    metric: Metric,
    radius: float,
    limit: int | None,
) -> Hits:
    """`find_within` of some ascending `rows` for one query (1, d)."""
    scan = _Scan(query, metric, None, radius=radius, limit=limit)
    for block in block_slices(len(rows), ROW_BLOCK):
        scan.look_at(vectors[rows[block]], rows[block], None)
    return scan.hits()


def joined(parts: list[Hits]) -> Hits:
    """Hits of ascending queries, one part after another."""
    if not parts:
        return no_hits()
    return Hits(
        np.concatenate([part.queries for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.distances for part in parts]),
    )


def ordered(hits: Hits, *, limit: int | None) -> Hits:
    """Hits in any order by query, distance and row; at most `limit` a query."""
    order = np.lexsort((hits.rows, hits.distances, hits.queries))
    queries = hits.queries[order]
    if limit is not None and len(queries):
        starts = np.flatnonzero(np.diff(queries, prepend=-1))
        rank = np.arange(len(queries)) - np.repeat(
            starts, np.diff(np.append(starts, len(queries)))
        )
        order = order[rank < limit]
    return Hits(hits.queries[order], hits.rows[order], hits.distances[order])


class _Scan:
    """Looks for hits of some queries among rows, block by block."""

    def __init__(
        self,
        queries: Vectors,
        metric: Metric,
        shift: Vectors | None,
        *,
        radius: float,
        limit: int | None,
    ) -> None:
        self._queries = queries
        self._metric = metric
        self._radius = np.float32(radius)
        self._limit = limit
        self._bounds = LeastDistances(
            queries, metric=metric, shift=shift, roundings=queries.shape[1]
        )
        self._cuts = self._bounds.cuts(np.full(len(queries), radius, np.float32))
        self._parts: list[Hits] = []

    # An index of an earlier gleann may hold a row that is infinitely far from all.
    @np.errstate(over="ignore", invalid="ignore")
    def look_at(self, vectors: Vectors, numbers: Rows, allowed: Mask | None) -> None:
        """Take in the hits among `vectors` (m, d), rows `numbers` (m,)."""
        near = self._bounds.of(vectors) <= self._cuts[:, None]
        if allowed is not None:
            near &= allowed
        queries, places = np.nonzero(near)
        for block in self._pairs(len(queries)):
            asked, at = queries[block], places[block]
            distances = pair_distances(
                self._queries[asked], vectors[at][:, None], self._metric
            )[:, 0]
            hit = distances <= self._radius
            part = Hits(asked[hit], numbers[at[hit]], distances[hit])
            if len(part.rows):
                self._parts.append(part)
        if self._limit is not None and len(self._parts) > 1:
            self._keep_nearest(self._limit)

    def hits(self) -> Hits:
        """All hits so far, in order."""
        return ordered(joined(self._parts), limit=self._limit)

    def _pairs(self, count: int) -> Iterator[slice]:
        yield from block_slices(
            count, PAIR_BYTES // (16 * max(1, self._queries.shape[1]))
        )

    def _keep_nearest(self, limit: int) -> None:
        """Drop hits beyond the limit; rows farther than the last need no comparison."""
        hits = self.hits()
        self._parts = [hits]
        counts = np.bincount(hits.queries, minlength=len(self._queries))
        full = np.flatnonzero(counts == limit)
        last = np.cumsum(counts)[full] - 1
        farthest = np.full(len(self._queries), self._radius, np.float32)
        farthest[full] = hits.distances[last]
        self._cuts = self._bounds.cuts(farthest)
