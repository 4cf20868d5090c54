"""The items of an index in shards, as an active-learning session has them.

They are in the order of their ids, so that a session picks the same items for any
number of shards, and those that it picks with one index whose rows are in that order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.errors import LimitError
from gleann.index.ids.held import take_ids
from gleann.index.ids.order import id_order
from gleann.index.parallel.blocks import block_slices
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.selection.among import Among
from gleann.selection.shard_neighbours import ShardNeighbours
from gleann.selection.shard_questions import Apply

MOST_BYTES = 1 << 30
"""Of vectors that are fetched at once."""

ASKED = 1 << 20
"""Rows that functions are applied to with one question to all shards."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemsInShards:
    """The items of an index in shards, in the order of their ids.

    This process holds 24 bytes an item beside what the session holds, and no vector.

    Attributes:
        index: that has them, here or on a cluster.
        ids: (n,), integers ascending, strings in the order of their UTF-8.
        rows: int64 (n,), the row of each in the index.
    """

    index: ShardedIndex
    ids: HeldIds
    rows: Rows

    @classmethod
    def of(cls, index: ShardedIndex) -> "ItemsInShards":
        """Read the ids of all rows, 8 bytes a row or the strings, and order them."""
        ids = index.all_ids()
        rows = id_order(ids)
        return cls(index=index, ids=take_ids(ids, rows), rows=rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def vectors(self) -> "VectorsInShards":
        """Their vectors, for `ActiveSession.start`."""
        return VectorsInShards(self)

    @property
    def neighbours(self) -> "NeighboursInShards":
        """Their neighbours, for `ActiveSession.start`."""
        return NeighboursInShards(self, ShardNeighbours(self.index))

    @cached_property
    def items(self) -> Rows:
        """int64 (n,), the item of each row of the index."""
        items = np.empty(len(self), np.int64)
        items[self.rows] = np.arange(len(self))
        return items

    def items_at(self, rows: Rows) -> Rows:
        """The items of rows of the index, in their shape; -1 for row -1."""
        return np.where(rows < 0, -1, self.items[rows])

    def rows_in(self, mask: Mask) -> Mask:
        """A mask (n,) of items as one of the rows of the index."""
        placed = np.empty(len(self), np.bool_)
        placed[self.rows] = mask
        return placed

    def where(self, where: str, parameters: Sequence[object] = ()) -> Mask:
        """Which items (n,) meet a condition; see `ShardedIndex.where`."""
        met: Mask = self.index.where(where, parameters)[self.rows]
        return met


class VectorsInShards:
    """`RemoteVectors` of the items of shards.

    Args:
        items: whose vectors they are.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, items: ItemsInShards) -> None:
        self._items = items
        self.shape: tuple[int, ...] = (len(items), items.index.dim)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def data_hash(self) -> str:
        """Of the files of the shards, which are the same wherever they are opened."""
        return self._items.index.manifest.checksum

    def __getitem__(self, rows: Any, /) -> Vectors:
        """Float32 (m, d) of items (m,), fetched from their shards.

        Raises:
            LimitError: more than `MOST_BYTES`.
        """
        wanted = np.asarray(rows, np.int64)
        size = 4 * wanted.size * self.shape[1]
        if size > MOST_BYTES:
            raise LimitError(
                f"{wanted.size} of {len(self)} vectors of {self.shape[1]} dimensions"
                f" are {size} bytes, and at most {MOST_BYTES} are fetched from shards"
                " at once"
            )
        return self._items.index.vectors_at(self._items.rows[wanted])

    def apply(
        self, function: Callable[[Vectors], NDArray[Any]], rows: Rows
    ) -> NDArray[Any]:
        """See `RemoteVectors.apply`; 8 bytes an item travel, and the answers."""
        return np.concatenate(
            [
                self._applied(function, self._items.rows[rows[block]])
                for block in block_slices(len(rows), ASKED)
            ]
        )

    def _applied(
        self, function: Callable[[Vectors], NDArray[Any]], rows: Rows
    ) -> NDArray[Any]:
        places, answers = self._items.index.of_rows(
            rows, lambda own: Apply(rows=own, function=function)
        )
        first = next(iter(answers.values()))
        out = np.empty((len(rows), *first.shape[1:]), first.dtype)
        for number, some in places.items():
            out[some] = answers[number]
        return out


class NeighboursInShards:
    """`ShardNeighbours` that number items, not the rows of the index.

    Args:
        items: in the order of their ids.
        near: of the same index.
    """

    def __init__(self, items: ItemsInShards, near: ShardNeighbours) -> None:
        self._items = items
        self._near = near

    def __len__(self) -> int:
        return len(self._items)

    def neighbours(self, rows: Rows, *, k: int) -> Rows:
        """See `ShardNeighbours.neighbours`."""
        found = self._near.neighbours(self._items.rows[rows], k=k)
        return self._items.items_at(found)

    def open_neighbours(self, rows: Rows, *, k: int, allowed: Mask) -> Rows:
        """See `ShardNeighbours.open_neighbours`."""
        may = self._items.rows_in(allowed)
        found = self._near.open_neighbours(self._items.rows[rows], k=k, allowed=may)
        return self._items.items_at(found)

    def along(self, directions: Vectors, *, k: int, allowed: Mask) -> Rows:
        """See `ShardNeighbours.along`."""
        may = self._items.rows_in(allowed)
        return self._items.items_at(self._near.along(directions, k=k, allowed=may))

    def near_planes(
        self,
        planes: Vectors,
        offsets: NDArray[np.float64],
        *,
        k: int,
        allowed: Mask,
    ) -> Rows:
        """See `ShardNeighbours.near_planes`."""
        may = self._items.rows_in(allowed)
        found = self._near.near_planes(planes, offsets, k=k, allowed=may)
        return self._items.items_at(found)

    def limited_to(self, among: Among) -> "NeighboursInShards":
        """See `ShardNeighbours.limited_to`."""
        rows = np.sort(self._items.rows[among.rows])
        limited = self._near.limited_to(Among(rows=rows, n=len(self)))
        return NeighboursInShards(self._items, limited)
