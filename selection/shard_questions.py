"""What selections ask shards that hold rows: counts of lists, least rows, scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.ids.order import id_order
from gleann.index.parallel.blocks import block_slices
from gleann.index.shards.filters import ShardFilter
from gleann.index.shards.open_shard import OpenShard
from gleann.selection.list_scan import count_primaries, rows_of_lists

Costs = NDArray[np.float32]

APPLIED = 1 << 14
"""Rows whose vectors a shard holds at a time while it applies a function."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountPrimaries:
    """How many rows each list has, by first copies.

    Attributes:
        allowed: the only rows that count; None for all.
    """

    allowed: ShardFilter | None = None

    def answer(self, shard: OpenShard) -> NDArray[np.int64]:
        """int64 (nlist,)."""
        lists = shard.index.data.lists
        if self.allowed is None:
            return lists.mids - lists.offsets[:-1]
        return count_primaries(lists, self.allowed.allowed(shard).mask)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Least:
    """Rows of least cost, with their costs and ids; ties by lower id.

    Attributes:
        rows: int64 (m,).
        costs: float32 (m,), ascending.
        ids: (m,).
    """

    rows: Rows
    costs: Costs
    ids: HeldIds

    @classmethod
    def of(cls, rows: Rows, costs: Costs, ids: HeldIds, *, k: int) -> "Least":
        """The `k` of rows (m,) of least cost, or all there are."""
        by_id = id_order(ids)
        best = by_id[np.argsort(costs[by_id], kind="stable")[:k]]
        return cls(rows=rows[best], costs=costs[best], ids=take_ids(ids, best))

    def numbered_from(self, first: int) -> "Least":
        """The same with `first` added to the rows."""
        return replace(self, rows=self.rows + first)


def least_of(parts: list[Least], *, k: int) -> Rows:
    """The `k` rows of least cost in all parts, one or more, or all there are."""
    return Least.of(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.costs for part in parts]),
        joined_ids([part.ids for part in parts]),
        k=k,
    ).rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearPlane:
    """The rows in some lists with the least abs(w.x + b).

    Attributes:
        list_nos: (m,), whose first copies are looked at.
        plane: (d,) w.
        offset: b.
        k: rows wanted.
        allowed: rows that may be returned.
    """

    list_nos: NDArray[np.int64]
    plane: Vectors
    offset: float
    k: int
    allowed: ShardFilter

    def answer(self, shard: OpenShard) -> Least:
        """Those of the shard."""
        rows = _rows(shard, self.list_nos, self.allowed)
        products = shard.index.data.vectors[rows] @ self.plane
        return _least(shard, rows, np.abs(products + self.offset), k=self.k)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Along:
    """The rows in some lists with the largest w.x.

    Attributes:
        list_nos: (m,), whose first copies are looked at.
        direction: (d,) w.
        k: rows wanted.
        allowed: rows that may be returned.
    """

    list_nos: NDArray[np.int64]
    direction: Vectors
    k: int
    allowed: ShardFilter

    def answer(self, shard: OpenShard) -> Least:
        """Those of the shard; their costs are -w.x."""
        rows = _rows(shard, self.list_nos, self.allowed)
        products = shard.index.data.vectors[rows] @ self.direction
        return _least(shard, rows, -products, k=self.k)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Apply:
    """What a function makes of the vectors of some rows.

    Attributes:
        rows: (m,) of the shard.
        function: of vectors (b, d), one row of its answer each; it can be pickled.
    """

    rows: Rows
    function: Callable[[Vectors], NDArray[Any]]

    def answer(self, shard: OpenShard) -> NDArray[Any]:
        """(m, ...), in the order of the rows."""
        stored = shard.index.stored_rows
        return np.concatenate(
            [
                self.function(np.asarray(stored[self.rows[block]], np.float32))
                for block in block_slices(len(self.rows), APPLIED)
            ]
        )


def _rows(shard: OpenShard, list_nos: NDArray[np.int64], allowed: ShardFilter) -> Rows:
    mask = allowed.allowed(shard).mask
    return rows_of_lists(shard.index.data.lists, list_nos, mask)


def _least(shard: OpenShard, rows: Rows, costs: Costs, *, k: int) -> Least:
    if len(rows) > k > 0:  # ids of the others are not looked at
        kept = np.flatnonzero(costs <= np.partition(costs, k - 1)[k - 1])
        rows, costs = rows[kept], costs[kept]
    return Least.of(rows, costs, take_ids(shard.index.held_ids, rows), k=k)
