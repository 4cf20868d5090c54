"""Answers of shards, merged: by distance, ties by id.

Integers are in order of their value and strings of their UTF-8, so an answer does not
depend on how many shards there are; but where more rows of one shard are equally far
than it returns, it returns those of lower row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, HeldIds, Mask, Rows
from gleann.index.engines.contract import Work
from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.ids.order import id_order
from gleann.index.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """Neighbours of nq queries, of one shard or of all.

    Attributes:
        rows: int64 (nq, k), nearest first; of the shard, or of all shards one after the
            other; -1 past the last.
        distances: float32 (nq, k), ascending; +inf for no row.
        ids: (nq * k,), query by query; -1 or "" for no row.
    """

    rows: Rows
    distances: Distances
    ids: HeldIds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part(Neighbours):
    """What one shard found.

    Attributes:
        work: what it cost.
        engine: name of the engine that answered.
    """

    work: Work
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartWithin:
    """What one shard found within a distance.

    Attributes:
        queries: int64 (m,), ascending.
        rows: int64 (m,), of the shard.
        distances: float32 (m,).
        ids: (m,).
        work: what it cost.
    """

    queries: Rows
    rows: Rows
    distances: Distances
    ids: HeldIds
    work: Work


def summed(works: Sequence[Work]) -> Work:
    """The counts of several scans together."""
    return Work(*(sum(counts) for counts in zip(*works, strict=True)))


def merge(parts: Sequence[Neighbours], *, offsets: Sequence[int], k: int) -> Neighbours:
    """The k nearest of what shards found; `rows` counted over all shards.

    Args:
        parts: at least one, of the same queries; each of a width of its own.
        offsets: number of the first row of the shard of each part.
        k: places a query; -1, "" and +inf in those behind its last neighbour.
    """
    distances = np.concatenate([part.distances for part in parts], axis=1)
    rows = np.concatenate(
        [
            np.where(part.rows < 0, -1, part.rows + first)
            for part, first in zip(parts, offsets, strict=True)
        ],
        axis=1,
    )
    places = _places(parts)
    ids = joined_ids([part.ids for part in parts])
    order = _nearest_first(distances, places, ids)[:, :k]
    missing = ((0, 0), (0, k - order.shape[1]))
    rows = np.pad(_along(rows, order), missing, constant_values=-1)
    taken = np.pad(_along(places, order), missing, constant_values=-1)
    return Neighbours(
        rows=rows,
        distances=np.pad(
            np.take_along_axis(distances, order, axis=1),
            missing,
            constant_values=np.float32(np.inf),
        ),
        ids=take_ids(ids, np.where(rows < 0, -1, taken).ravel()),
    )


def may_have_more(part: Neighbours, merged: Neighbours) -> Mask:
    """Whether (nq,) a shard may have more of the nearest than it was asked for.

    Its last place is taken, and is no farther than the last of all: so a row of it that
    was not asked for may belong there.
    """
    last = part.distances[:, -1]
    return (part.rows[:, -1] >= 0) & (last <= merged.distances[:, -1])


def merge_within(
    parts: Sequence[PartWithin], *, offsets: Sequence[int], limit: int | None
) -> PartWithin:
    """All hits of shards by query, distance and id; the nearest `limit` a query."""
    queries = np.concatenate([part.queries for part in parts])
    distances = np.concatenate([part.distances for part in parts])
    rows = np.concatenate(
        [part.rows + first for part, first in zip(parts, offsets, strict=True)]
    )
    ids = joined_ids([part.ids for part in parts])
    order = np.lexsort((_ranks(ids), distances, queries))
    if limit is not None and len(order):
        ordered = queries[order]
        first = np.searchsorted(ordered, ordered, side="left")
        order = order[np.arange(len(order)) - first < limit]
    return PartWithin(
        queries=queries[order],
        rows=rows[order],
        distances=distances[order],
        ids=take_ids(ids, order),
        work=summed([part.work for part in parts]),
    )


def with_answers(whole: Neighbours, queries: Rows, some: Neighbours) -> Neighbours:
    """`whole` with the neighbours of `queries` (m,) replaced by those of `some`.

    Both have as many places a query.
    """
    rows, distances = whole.rows.copy(), whole.distances.copy()
    rows[queries], distances[queries] = some.rows, some.distances
    places = np.arange(rows.size).reshape(rows.shape)
    places[queries] = rows.size + np.arange(some.rows.size).reshape(some.rows.shape)
    ids = take_ids(joined_ids([whole.ids, some.ids]), places.ravel())
    return Neighbours(rows=rows, distances=distances, ids=ids)


def of_queries(whole: Neighbours, queries: Rows) -> Neighbours:
    """The neighbours of `queries` (m,) only."""
    places = np.arange(whole.rows.size).reshape(whole.rows.shape)[queries]
    return Neighbours(
        rows=whole.rows[queries],
        distances=whole.distances[queries],
        ids=take_ids(whole.ids, places.ravel()),
    )


def widened(found: Neighbours, *, k: int) -> Neighbours:
    """`found` with k places a query, no row in those behind its last."""
    return found if found.rows.shape[1] == k else merge([found], offsets=[0], k=k)


def cut_neighbours(found: Neighbours, radius: float) -> Neighbours:
    """`found` without the rows farther than `radius`, compared in float32."""
    far = found.distances > np.float32(radius)
    if not far.any():
        return found
    places = np.where(far, -1, np.arange(far.size).reshape(far.shape))
    return Neighbours(
        rows=np.where(far, -1, found.rows),
        distances=np.where(far, np.float32(np.inf), found.distances),
        ids=take_ids(found.ids, places.ravel()),
    )


def joined(blocks: Sequence[Neighbours]) -> Neighbours:
    """The neighbours of blocks of queries, at least one, one block after another."""
    if len(blocks) == 1:
        return blocks[0]
    return Neighbours(
        rows=np.concatenate([block.rows for block in blocks]),
        distances=np.concatenate([block.distances for block in blocks]),
        ids=joined_ids([block.ids for block in blocks]),
    )


def _places(parts: Sequence[Neighbours]) -> Rows:
    """Where (nq, all widths) among the joined ids each neighbour has its own."""
    places, before = [], 0
    for part in parts:
        own = np.arange(part.rows.size).reshape(part.rows.shape)
        places.append(own + before)
        before += part.rows.size
    return np.concatenate(places, axis=1)


def _nearest_first(distances: Distances, places: Rows, ids: HeldIds) -> Rows:
    """Columns (nq, m) by distance; by id where two distances of a query are equal."""
    order = np.argsort(distances, axis=1, kind="stable")
    ascending = np.take_along_axis(distances, order, axis=1)
    same = (ascending[:, 1:] == ascending[:, :-1]) & np.isfinite(ascending[:, 1:])
    tied = np.flatnonzero(same.any(axis=1))
    if tied.size:
        asked = places[tied]
        ranks = _ranks(take_ids(ids, asked.ravel())).reshape(asked.shape)
        order[tied] = np.lexsort((ranks, distances[tied]), axis=1)
    return order


def _ranks(ids: HeldIds) -> NDArray[np.int64]:
    """Numbers (n,) in the order of the ids; those of integers are the integers."""
    if not isinstance(ids, Texts):
        return ids
    ranks = np.empty(len(ids), np.int64)
    ranks[id_order(ids)] = np.arange(len(ids))
    return ranks


def _along(values: Rows, order: Rows) -> Rows:
    return np.take_along_axis(values, order, axis=1)
