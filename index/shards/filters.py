"""Filters of an index in shards: which rows of each shard a search may return."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.index.params import RowFilter
from gleann.index.search.allowed import AllowedRows
from gleann.index.shards.manifest import Shard
from gleann.index.shards.open_shard import OpenShard


class ShardFilter(Protocol):
    """What a filter leaves of one shard."""

    def allowed(self, shard: OpenShard) -> AllowedRows:
        """The rows; kept by the shard for who asks again."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByCondition:
    """The rows whose payload meets a condition.

    Attributes:
        condition: as the caller gave it; each shard looks at its own payload.
    """

    condition: Condition

    def allowed(self, shard: OpenShard) -> AllowedRows:
        """See `ShardFilter.allowed`."""
        asked, index = self.condition, shard.index

        def made() -> AllowedRows:
            return index.allow(index.where(asked.where, asked.parameters))

        return shard.kept(asked, made)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByRows:
    """Some rows, by number.

    Attributes:
        rows: int32 (m,), of the shard, ascending.
        key: of these rows.
    """

    rows: NDArray[np.int32]
    key: Hashable

    @classmethod
    def of(cls, rows: NDArray[np.int32]) -> "ByRows":
        """Rows (m,) of a shard, ascending and distinct."""
        return cls(rows=rows, key=_digest(rows))

    def allowed(self, shard: OpenShard) -> AllowedRows:
        """See `ShardFilter.allowed`."""
        return shard.kept(self.key, lambda: shard.index.allow_rows(self.rows))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllBut:
    """All rows but some, where these are fewer: they travel with every question.

    Attributes:
        rows: int32 (m,), of the shard, ascending, that are not allowed.
        key: of these rows.
    """

    rows: NDArray[np.int32]
    key: Hashable

    @classmethod
    def of(cls, rows: NDArray[np.int32]) -> "AllBut":
        """Rows (m,) of a shard, ascending and distinct."""
        return cls(rows=rows, key=("all but", _digest(rows)))

    def allowed(self, shard: OpenShard) -> AllowedRows:
        """See `ShardFilter.allowed`."""

        def made() -> AllowedRows:
            mask = np.ones(len(shard.index), np.bool_)
            mask[self.rows] = False
            return shard.index.allow(mask)

        return shard.kept(self.key, made)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardedFilter(RowFilter):
    """Rows of an index in shards that searches may return.

    `ShardedIndex.allow`, `allow_rows`, `allow_ids` and `allow_where` make it.

    Attributes:
        of_shard: for each shard what is allowed of it.
        counts: for each shard how many rows that are, at most.
        owner: checksums of the shards it was made for.
        silent: shards that did not say how many of their rows that are.
    """

    of_shard: tuple[ShardFilter, ...]
    counts: tuple[int, ...]
    owner: tuple[str, ...]
    silent: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Rows allowed, of all shards; at most, where some are silent."""
        return sum(self.counts)

    def __len__(self) -> int:
        return self.count

    def require_of(self, owner: tuple[str, ...]) -> None:
        """Refuse a filter that was made for other shards.

        Raises:
            InvalidInputError: it was.
        """
        if self.owner != owner:
            raise InvalidInputError(
                f"a filter of {self.count} rows was made for another index in shards:"
                " take allow of the one that is searched"
            )


def by_mask(
    mask: Mask, *, offsets: Sequence[int], owner: tuple[str, ...]
) -> ShardedFilter:
    """The filter that allows the rows of a mask.

    Args:
        mask: (n,) of all shards.
        offsets: as in `by_rows`.
        owner: as in `by_rows`.
    """
    parts = [mask[first:stop] for first, stop in pairwise(offsets)]
    return ShardedFilter(
        of_shard=tuple(map(_of_mask, parts)),
        counts=tuple(int(np.count_nonzero(part)) for part in parts),
        owner=owner,
    )


def _of_mask(mask: Mask) -> ShardFilter:
    """Those rows of a shard, or the others, whichever are fewer."""
    if 2 * np.count_nonzero(mask) > len(mask):
        return AllBut.of(np.flatnonzero(~mask).astype(np.int32))
    return ByRows.of(np.flatnonzero(mask).astype(np.int32))


def _digest(rows: NDArray[np.int32]) -> bytes:
    return sha256(np.ascontiguousarray(rows).data).digest()


def by_condition(
    wanted: ByCondition, counts: Mapping[int, int], shards: Sequence[Shard]
) -> ShardedFilter:
    """The filter that allows the rows of a condition.

    Args:
        wanted: the condition.
        counts: how many rows it allows, by the number of each shard that has said so.
        shards: of the index; of a silent one all rows may be allowed.
    """
    return ShardedFilter(
        of_shard=(wanted,) * len(shards),
        counts=tuple(counts.get(n, shard.n) for n, shard in enumerate(shards)),
        owner=tuple(shard.manifest for shard in shards),
        silent=tuple(n for n, one in enumerate(shards) if one.n and n not in counts),
    )


def by_rows(
    rows: ArrayLike, *, offsets: Sequence[int], owner: tuple[str, ...]
) -> ShardedFilter:
    """The filter that allows some rows.

    Args:
        rows: (m,) of all shards, in any order.
        offsets: (shards + 1,) the first row of each shard, and the end.
        owner: checksums of the shards.

    Raises:
        InvalidInputError: not integers (m,), or a row that does not exist.
    """
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidInputError(
            f"rows must be integers (m,), got {given.dtype} {given.shape}"
        )
    n = offsets[-1]
    bad = given[(given < 0) | (given >= n)]
    if bad.size:
        raise InvalidInputError(f"row {bad[0]} is not one of {n} rows")
    distinct = np.unique(given.astype(np.int64))
    cuts = np.searchsorted(distinct, offsets)
    own = [
        (distinct[start:stop] - first).astype(np.int32)
        for start, stop, first in zip(cuts, cuts[1:], offsets, strict=False)
    ]
    return ShardedFilter(
        of_shard=tuple(map(ByRows.of, own)),
        counts=tuple(map(len, own)),
        owner=owner,
    )
