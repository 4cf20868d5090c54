"""Tasks of near-duplicates in shards: what one shard reads, and what two join."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.join.block import JoinWork
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import JoinSide, side_of_index, side_of_rows
from gleann.index.shards.places import ShardPlace
from gleann.selection.among import Among
from gleann.selection.curation.duplicates.collect import (
    joined_pairs,
    none_outside,
    take_nearer,
    too_many,
)
from gleann.selection.curation.duplicates.equal import first_equal, hashes_of
from gleann.selection.curation.duplicates.groups import Outside, PairTable
from gleann.selection.curation.duplicates.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SomeRows:
    """Rows of one shard.

    Attributes:
        place: of the shard.
        bits: which of its rows, one bit each, as `np.packbits` has them.
    """

    place: ShardPlace
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, place: ShardPlace, mask: Mask) -> "SomeRows":
        """Those of `mask` (n,), which is of the rows of all shards."""
        own = mask[place.first : place.first + len(place)]
        return cls(place=place, bits=np.packbits(own))

    @property
    def mask(self) -> Mask:
        """One flag a row of the shard."""
        return np.unpackbits(self.bits, count=len(self.place)).astype(np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadShard:
    """What a pass over the rows of one shard tells.

    Attributes:
        first: int64 (n,), the first row of the shard equal to each, by its own number;
            -1 where it takes no part.
        hashes: uint64 (n,), of the vectors; 0 where the row takes no part.
    """

    first: Rows
    hashes: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairsAsked:
    """The request for the pairs of two shards, or of one with itself.

    Attributes:
        x: rows of a shard.
        y: those of a later one; None for pairs within `x`.
        radius: the greatest distance of a pair.
        most: pairs that may be held.
        threads: worker threads; 0 takes every core.
    """

    x: SomeRows
    y: SomeRows | None
    radius: float
    most: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutsideAsked:
    """The request for the nearest row of another collection to each row of a shard.

    Attributes:
        x: rows of the shard.
        other: a shard of the other collection; None where that is sent.
        radius: the greatest distance.
        threads: worker threads; 0 takes every core.
    """

    x: SomeRows
    other: ShardPlace | None
    radius: float
    threads: int


def read_shard(some: SomeRows) -> ReadShard:
    """Hash the rows of a shard, and find those that are equal."""
    mask = some.mask
    first, hashes = np.full(len(mask), -1, np.int64), np.zeros(len(mask), np.uint64)
    if mask.any():
        pool = Pool.of(some.place.open(), Among(rows=np.flatnonzero(mask), n=len(mask)))
        hashes[mask] = hashes_of(pool, pool.rows)
        first[mask] = first_equal(pool, pool.rows, hashes[mask])
    return ReadShard(first=first, hashes=hashes)


def pairs_of(asked: PairsAsked) -> tuple[PairTable, JoinWork]:
    """All pairs within the radius, rows numbered over all shards, in ascending order.

    Raises:
        LimitError: there are more than may be held.
    """
    x, y = asked.x, asked.y
    other = x if y is None else y
    join = PairJoin(
        side_of_index(x.place.open(), among=x.mask),
        None if y is None else side_of_index(y.place.open(), among=y.mask),
        radius=asked.radius,
        threads=asked.threads,
    )
    parts, count = [], 0
    for block in join.blocks():
        a = block.rows + np.int32(x.place.first)
        b = block.others + np.int32(other.place.first)
        parts.append(
            PairTable(
                rows=np.minimum(a, b),
                others=np.maximum(a, b),
                distances=block.distances,
            )
        )
        count += len(block)
        if count > asked.most:
            where = f"{x.place.shard.directory} and {other.place.shard.directory}"
            raise too_many(
                asked.most, asked.radius, f"{count} were found in {where} alone"
            )
    return joined_pairs(parts), join.work


def nearest_in_shard(asked: OutsideAsked) -> tuple[Outside, JoinWork]:
    """For each row of a shard the nearest of a shard of another index."""
    assert asked.other is not None
    return _nearest(asked, side_of_index(asked.other.open()))


def nearest_of(vectors: Vectors, asked: OutsideAsked) -> tuple[Outside, JoinWork]:
    """For each row of a shard the nearest of vectors (m, d), which were checked."""
    like = side_of_index(asked.x.place.open())
    return _nearest(asked, side_of_rows(vectors, like=like, threads=asked.threads))


def _nearest(asked: OutsideAsked, other: JoinSide) -> tuple[Outside, JoinWork]:
    """The rows of the other side are numbered there, those of the shard here."""
    place, mask = asked.x.place, asked.x.mask
    join = PairJoin(
        side_of_index(place.open(), among=mask),
        other,
        radius=asked.radius,
        threads=asked.threads,
    )
    found = none_outside(len(place))
    for block in join.blocks():
        rows = block.rows.astype(np.int64)
        take_nearer(found, rows, block.others, block.distances)
    return found, join.work
