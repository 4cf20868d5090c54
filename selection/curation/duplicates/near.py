"""Near-duplicates of an index: all pairs within a radius, and which rows stay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.checks import require_threads
from gleann.index.errors import InvalidParamsError
from gleann.index.heartbeat import repeating
from gleann.index.join.side import (
    JoinSide,
    require_alike,
    side_of_index,
    side_of_rows,
)
from gleann.index.progress import Progress, ignore
from gleann.index.soar_index import SoarIndex
from gleann.selection.among import AmongLike, origin_of
from gleann.selection.checks import require_count
from gleann.selection.curation.duplicates.collect import Collector, nearest_outside
from gleann.selection.curation.duplicates.equal import first_equal, hashes_of
from gleann.selection.curation.duplicates.groups import Outside, PairTable, choose
from gleann.selection.curation.duplicates.known import known_pairs
from gleann.selection.curation.duplicates.order import KeepBy, ranks_of
from gleann.selection.curation.duplicates.pool import Pool
from gleann.selection.curation.duplicates.result import Duplicates
from gleann.selection.curation.radius import radius_of
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import provenance

MAX_PAIRS = 50_000_000
"""Pairs that are held at most, where the caller does not say: 600 MB, and some 2 GB
while they are sorted."""


def near_duplicates(  # noqa: PLR0913 (how near, of what, in which order, beside what)
    index: SoarIndex | Sequence[SoarIndex],
    *,
    radius: float | None = None,
    similarity: float | None = None,
    keep_by: KeepBy = "id",
    scores: ArrayLike | None = None,
    among: AmongLike | None = None,
    against: SoarIndex | ArrayLike | None = None,
    known: Duplicates | None = None,
    max_pairs: int = MAX_PAIRS,
    threads: int = 0,
    progress: ProgressCallback | None = None,
) -> Duplicates:
    """Find all near-duplicates, and keep the first of them in a stated order.

    Rows are visited in the order of keeping; one is dropped where an earlier row that
    was kept is within the radius. Pairs are complete, and none is false: lists are
    joined with those that the geometry of their centroids leaves within the radius,
    codes tell most rows apart, and distances decide (`index/join`). So the answer
    depends on the vectors, ids and scores alone: not on the lists, nor on the order of
    rows, nor on how they are divided among indexes. Equal rows count as one until rows
    are chosen, so a million of them cost no pairs.

    Args:
        index: under cosine or l2; or several, whose rows are numbered one index after
            another, with distinct ids.
        radius: the greatest distance of near-duplicates: squared L2, or 1 - cos.
        similarity: under cosine, the least cosine instead.
        keep_by: "id", the lowest; "score", the greatest of `scores`; "newest", the
            greatest of `scores`, which are times, or without them the last rows of a
            single index; "near_centroid" or "far_from_centroid", by the distance to the
            mean of all rows that take part. Ties by id.
        scores: (n,) numbers, or times.
        among: the rows that take part, as a mask (n,) or ids; None for all.
        against: another collection, all rows of which are kept and come first: an
            index, or vectors (m, d), whose ids are their row numbers.
        known: an earlier answer, of a radius at least as great: pairs of rows that it
            had are taken from it, by id, and only other rows are joined. Rows whose
            vector changed, or that are gone, are noticed.
        max_pairs: pairs of distinct rows that may be held, at 12 bytes.
        threads: worker threads; 0 takes every core.
        progress: called as the phases "read", "join" and "choose" go on; an exception
            that it raises stops the work.

    Raises:
        InvalidParamsError: neither or both of radius and similarity, one out of its
            range, a metric without radius, an order that does not exist.
        InvalidInputError: scores, `among` or `against` that cannot be used.
        LimitError: there are more than `max_pairs` pairs.
    """
    pool = Pool.of(index, among)
    require_count("max_pairs", max_pairs, at_least=0)
    require_threads(threads)
    least = radius_of(pool.metric, radius=radius, similarity=similarity)
    ranks = ranks_of(pool, keep_by, scores)
    beyond = None if against is None else _Beyond.of(pool, against, threads)
    with repeating(progress or ignore) as report:
        report(Progress(phase="read", done=0, total=len(pool)))
        read = _Read.of(pool)
        collector = Collector(
            pool=pool, radius=least, most=max_pairs, threads=threads, report=report
        )
        pairs = _pairs(collector, read, known)
        outside = None if beyond is None else beyond.nearest(collector, read.distinct)
        report(Progress(phase="choose", done=0, total=1))
        choice = choose(pairs, read.first, ranks, outside)
    params = {"radius": least, "keep_by": keep_by, "max_pairs": max_pairs}
    return Duplicates(
        held_ids=pool.names.held,
        radius=least,
        metric=pool.metric,
        kept=choice.kept,
        duplicate_of=choice.duplicate_of,
        distances=choice.distances,
        from_outside=choice.from_outside,
        first=read.first,
        ranks=ranks,
        pairs=pairs,
        hashes=read.hashes,
        outside=outside,
        outside_held=None if beyond is None else beyond.ids,
        work=collector.work,
        provenance=provenance(
            "near_duplicates", params=params, seed=None, data_hash=pool.data_hash
        )
        | origin_of(pool.among),
    )


def rethreshold(
    found: Duplicates,
    *,
    radius: float | None = None,
    similarity: float | None = None,
) -> Duplicates:
    """The answer for a smaller radius, from the pairs of a greater one.

    Args:
        found: of `near_duplicates`.
        radius: at most that of `found`.
        similarity: under cosine, the least cosine instead.

    Raises:
        InvalidParamsError: neither or both, or a greater radius than that of `found`.
    """
    least = radius_of(found.metric, radius=radius, similarity=similarity)
    if np.float32(least) > np.float32(found.radius):
        raise InvalidParamsError(
            f"radius {least:g} is above {found.radius:g}, up to which pairs are known"
        )
    pairs = found.pairs.within(least)
    outside = None if found.outside is None else _nearer(found.outside, least)
    choice = choose(pairs, found.first, found.ranks, outside)
    params = {**found.provenance.get("params", {}), "radius": least}
    return replace(
        found,
        radius=least,
        pairs=pairs,
        outside=outside,
        provenance={**found.provenance, "params": params},
        **found.chosen(choice),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """What a pass over the rows tells.

    Attributes:
        first: int64 (n,), the first row equal to each; -1 where it takes no part.
        hashes: uint64 (n,), of the vectors; 0 where the row takes no part.
    """

    first: Rows
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, pool: Pool) -> "_Read":
        """Read all rows that take part."""
        n, rows = len(pool), pool.rows
        hashed = hashes_of(pool, rows)
        first, hashes = np.full(n, -1, np.int64), np.zeros(n, np.uint64)
        first[rows] = first_equal(pool, rows, hashed)
        hashes[rows] = hashed
        return cls(first=first, hashes=hashes)

    @property
    def distinct(self) -> Mask:
        """The rows (n,) that are the first of their equals."""
        return self.first == np.arange(len(self.first))


def _pairs(collector: Collector, read: _Read, known: Duplicates | None) -> PairTable:
    """All pairs of distinct rows within the radius."""
    new, old = read.distinct, None
    if known is not None:
        before = known_pairs(
            known, collector.pool, read.first, read.hashes, radius=collector.radius
        )
        collector.add(before.pairs)
        new, old = new & ~before.joined, before.joined
    if new.any():
        collector.join(new, old)
    return collector.table()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Beyond:
    """Another collection: its rows, and their ids."""

    side: JoinSide
    ids: HeldIds

    @classmethod
    def of(cls, pool: Pool, against: SoarIndex | ArrayLike, threads: int) -> "_Beyond":
        """Check what a caller gave."""
        like = side_of_index(pool.indexes[0])
        if isinstance(against, SoarIndex):
            side = side_of_index(against)
            require_alike(like, side)
            return cls(side=side, ids=against.held_ids)
        side = side_of_rows(against, like=like, threads=threads)
        return cls(side=side, ids=np.arange(len(side)))

    def nearest(self, collector: Collector, mask: Mask) -> Outside:
        """Its nearest row to each of `mask` (n,), within the radius."""
        return nearest_outside(collector, mask, self.side)


def _nearer(outside: Outside, radius: float) -> Outside:
    """What is left of it within a smaller radius."""
    near = outside.distances <= np.float32(radius)
    return Outside(
        rows=np.where(near, outside.rows, -1),
        distances=np.where(near, outside.distances, np.float32(np.inf)),
    )
