"""Near-duplicates among the rows of all shards, which are joined where they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.checks import as_vectors, require_threads
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    LimitError,
)
from gleann.index.join.block import JoinWork
from gleann.index.join.side import require_distance
from gleann.index.metric import prepare
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric
from gleann.index.progress import Progress, ignore
from gleann.index.shards.places import ShardPlace, ShardPlaces
from gleann.index.shards.runner import Result, Task
from gleann.selection.among import Among, origin_of
from gleann.selection.checks import IdMap, require_count
from gleann.selection.curation.duplicates.collect import (
    joined_pairs,
    none_outside,
    take_nearer,
    too_many,
)
from gleann.selection.curation.duplicates.equal import first_equal
from gleann.selection.curation.duplicates.groups import Outside, PairTable, choose
from gleann.selection.curation.duplicates.known import known_pairs
from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.selection.curation.duplicates.order import KeepBy, ranks_of
from gleann.selection.curation.duplicates.result import Duplicates
from gleann.selection.curation.duplicates.shard_tasks import (
    OutsideAsked,
    PairsAsked,
    SomeRows,
    nearest_in_shard,
    nearest_of,
    pairs_of,
    read_shard,
)
from gleann.selection.curation.radius import radius_of
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import provenance

MOST_ROWS = (1 << 31) - 1
"""Rows of all shards together: pairs have 4 bytes a row."""

BLOCK_VALUES = 1 << 22
"""Values of equal rows that travel at once, to be compared."""


def near_duplicates_in_shards(  # noqa: PLR0913 (how near, of what, in which order)
    places: ShardPlaces,
    *,
    radius: float | None = None,
    similarity: float | None = None,
    keep_by: KeepBy = "id",
    scores: ArrayLike | None = None,
    among: Mask | Among | None = None,
    against: ShardPlaces | ArrayLike | None = None,
    known: Duplicates | None = None,
    max_pairs: int = MAX_PAIRS,
    threads: int = 0,
    progress: ProgressCallback | None = None,
) -> Duplicates:
    """`near_duplicates` of the rows of all shards: the same answer, for any number.

    First the rows that are equal are found, in each shard and then among the first of
    each; then each shard is joined with itself and with every later one, S (S + 1) / 2
    tasks for S shards, that take what the join of one machine does and read each shard
    S times; then this process keeps the first of every pair. It takes up to
    140 bytes a row, integer ids among them, and 12 bytes a pair; 46 a row stay. Of a
    row 16 bytes and its id travel, and one vector for each shard that has an equal row;
    a pair travels once.

    Args:
        places: of the shards, whose runner runs the tasks; rows are numbered one shard
            after another.
        radius: as `near_duplicates`.
        similarity: as `near_duplicates`.
        keep_by: "id", "score", or "newest" with scores. By the distance to the mean of
            all rows, which is summed in the order of the ids, is for one machine.
        scores: (n,) numbers or times.
        among: the rows that take part, as a mask (n,); None for all.
        against: as `near_duplicates`: another index in shards, each of which every
            shard is joined with, or vectors (m, d), which are sent to all workers.
        known: as `near_duplicates`; of any number of shards, or one index.
        max_pairs: pairs of distinct rows that may be held, at 12 bytes.
        threads: of a task; 0 takes every core of the worker.
        progress: called as the phases "read", "join" and "choose" go on.

    Raises:
        InvalidParamsError, InvalidInputError, LimitError: as `near_duplicates`.
        DimensionMismatchError: `against` has another dimension.
        LimitError: there are more than 2^31 - 1 rows.
    """
    require_distance(places.metric)
    require_count("max_pairs", max_pairs, at_least=0)
    require_threads(threads)
    least = radius_of(places.metric, radius=radius, similarity=similarity)
    if keep_by not in ("id", "score", "newest"):
        raise InvalidParamsError(
            f"keep_by in shards must be 'id', 'score' or 'newest', got {keep_by!r}:"
            " distances to the mean of all rows are for one machine"
        )
    if len(places) > MOST_ROWS:
        raise LimitError(f"{len(places)} rows are more than {MOST_ROWS}")
    report = progress or ignore
    pool = _Placed.of(places, among)
    beyond = None if against is None else _Beyond.of(places, against)
    ranks = ranks_of(pool, keep_by, scores)
    read = _Read.of(pool, report)
    limits = PairLimits(radius=least, most=max_pairs, threads=threads)
    pairs, work = _pairs(pool, read, known, limits, report)
    outside = None
    if beyond is not None:
        outside, took = beyond.nearest(pool, read.distinct, limits, report)
        work = work.plus(took)
    report(Progress(phase="choose", done=0, total=1))
    choice = choose(pairs, read.first, ranks, outside)
    params = {"radius": least, "keep_by": keep_by, "max_pairs": max_pairs}
    return Duplicates(
        held_ids=pool.held_ids,
        radius=least,
        metric=places.metric,
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
        work=work,
        provenance=provenance(
            "near_duplicates", params=params, seed=None, data_hash=places.data_hash()
        )
        | origin_of(pool.among),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLimits:
    """Which pairs are looked for.

    Attributes:
        radius: the greatest distance.
        most: pairs that may be held.
        threads: of a task.
    """

    radius: float
    most: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """The rows of all shards, as `Ranked` and `Readable` have them.

    Attributes:
        places: of the shards.
        held_ids: (n,).
        among: the rows that take part; None for all.
    """

    places: ShardPlaces
    held_ids: HeldIds
    among: Among | None

    @classmethod
    def of(cls, places: ShardPlaces, among: Mask | Among | None) -> "_Placed":
        """Ask the shards for their ids.

        Raises:
            InvalidInputError: not a mask (n,), or no row in it.
        """
        if among is not None and not isinstance(among, Among):
            mask = np.asarray(among)
            if mask.dtype != np.bool_ or mask.shape != (len(places),):
                raise InvalidInputError(
                    f"among must be a mask ({len(places)},) of bool, got {mask.dtype}"
                    f" of shape {mask.shape}"
                )
        within = Among.of(among, n=len(places))
        return cls(places=places, held_ids=places.held_ids(), among=within)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def rows(self) -> Rows:
        """int64 (m,), the rows that take part, ascending."""
        return np.arange(len(self)) if self.among is None else self.among.rows

    @property
    def mask(self) -> Mask:
        """One flag a row: whether it takes part."""
        return np.ones(len(self), np.bool_) if self.among is None else self.among.mask

    @property
    def names(self) -> IdMap:
        """The ids of all rows, to look up."""
        return IdMap(self.held_ids, n=len(self))

    @property
    def metric(self) -> Metric:
        """Of all rows."""
        return self.places.metric

    @property
    def parts(self) -> int:
        """Shards, empty ones included."""
        return len(self.places.manifest.shards)

    @property
    def dim(self) -> int:
        """Of all rows."""
        return self.places.manifest.dim

    def vectors_of(self, rows: Rows) -> Vectors:
        """Some rows (m, d)."""
        return self.places.rows[rows]

    def blocks_of(self, rows: Rows) -> Iterator[tuple[slice, Vectors]]:
        """Some rows (m,), block after block."""
        for block in block_slices(len(rows), BLOCK_VALUES // self.dim):
            yield block, self.vectors_of(rows[block])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """What a pass over all rows tells; as `near.py` has it for one machine.

    Attributes:
        first: int64 (n,), the first row equal to each; -1 where it takes no part.
        hashes: uint64 (n,).
    """

    first: Rows
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, pool: _Placed, report: ProgressCallback) -> "_Read":
        """Read all rows where they are; then compare the first of each shard."""
        places, mask = pool.places.places, pool.mask
        report(Progress(phase="read", done=0, total=len(pool)))
        read = pool.places.ask(
            read_shard, [SomeRows.of(place, mask) for place in places]
        )
        hashes = np.concatenate([one.hashes for one in read])
        first = np.concatenate(
            [
                np.where(one.first < 0, -1, one.first + place.first)
                for one, place in zip(read, places, strict=True)
            ]
        )
        heads = np.flatnonzero(first == np.arange(len(first)))
        earliest = np.full(len(first), -1, np.int64)
        earliest[heads] = first_equal(pool, heads, hashes[heads])
        report(Progress(phase="read", done=len(pool), total=len(pool)))
        return cls(first=np.where(first < 0, -1, earliest[first]), hashes=hashes)

    @property
    def distinct(self) -> Mask:
        """The rows (n,) that are the first of their equals."""
        return self.first == np.arange(len(self.first))


def _pairs(
    pool: _Placed,
    read: _Read,
    known: Duplicates | None,
    limits: PairLimits,
    report: ProgressCallback,
) -> tuple[PairTable, JoinWork]:
    """All pairs of distinct rows within the radius, and what they took."""
    parts: list[PairTable] = []
    work = JoinWork()
    new, old = read.distinct, np.zeros(len(pool), np.bool_)
    if known is not None:
        before = known_pairs(known, pool, read.first, read.hashes, radius=limits.radius)
        parts.append(before.pairs)
        new, old = new & ~before.joined, before.joined
    asked = _asked(pool, new, old, limits)
    count = sum(map(len, parts))
    _require_few(count, limits, "are known")
    report(Progress(phase="join", done=0, total=len(asked)))
    for done, (pairs, took) in enumerate(_all_of(pool, pairs_of, asked), start=1):
        parts.append(pairs)
        work, count = work.plus(took), count + len(pairs)
        _require_few(
            count, limits, f"were found in {done} of {len(asked)} pairs of shards"
        )
        report(Progress(phase="join", done=done, total=len(asked)))
    return joined_pairs(parts), work


def _require_few(count: int, limits: PairLimits, found: str) -> None:
    """Refuse more pairs than may be held; says how many, and how they were `found`."""
    if count > limits.most:
        raise too_many(limits.most, limits.radius, f"{count} {found}")


def _asked(pool: _Placed, new: Mask, old: Mask, limits: PairLimits) -> list[PairsAsked]:
    """The requests for pairs of rows of `new` (n,), and of one of `new` and `old`."""
    places = pool.places.places
    sides = [SomeRows.of(place, new) for place in places]
    others = [SomeRows.of(place, old) for place in places]
    pairs: list[tuple[SomeRows, SomeRows | None]] = [
        (x, None if j == i else sides[j])
        for i, x in enumerate(sides)
        for j in range(i, len(sides))
    ]
    pairs += [(x, y) for x in sides for y in others]
    return [
        PairsAsked(
            x=x,
            y=y,
            radius=limits.radius,
            most=limits.most,
            threads=limits.threads,
        )
        for x, y in pairs
        if x.bits.any() and (y is None or y.bits.any())
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Beyond:
    """Another collection.

    Attributes:
        function: answers the questions about one of its parts.
        parts: where its shards are, each with the number of its first row; one that is
            None where its vectors are in `function`.
        ids: (m,) of its rows.
    """

    function: Callable[[OutsideAsked], tuple[Outside, JoinWork]]
    parts: tuple[ShardPlace | None, ...]
    ids: HeldIds

    @classmethod
    def of(cls, places: ShardPlaces, against: ShardPlaces | ArrayLike) -> "_Beyond":
        """Check what a caller gave.

        Raises:
            DimensionMismatchError: another dimension.
            InvalidParamsError: another metric.
            InvalidInputError, ZeroVectorError: vectors that cannot be used.
        """
        dim, metric = places.manifest.dim, places.metric
        if not isinstance(against, ShardPlaces):
            vectors = as_vectors(against, name="against", dim=dim)
            prepare(vectors, metric)  # refuses zero vectors
            return cls(
                function=partial(nearest_of, vectors),
                parts=(None,),
                ids=np.arange(len(vectors)),
            )
        if against.manifest.dim != dim:
            raise DimensionMismatchError(
                f"{against.path} has {against.manifest.dim} dimensions,"
                f" {places.path} {dim}"
            )
        if against.metric != metric:
            raise InvalidParamsError(
                f"{against.path} has the metric {against.metric}, {places.path}"
                f" {metric}"
            )
        return cls(
            function=nearest_in_shard, parts=against.places, ids=against.held_ids()
        )

    def nearest(
        self,
        pool: _Placed,
        mask: Mask,
        limits: PairLimits,
        report: ProgressCallback,
    ) -> tuple[Outside, JoinWork]:
        """Its nearest row to each of `mask` (n,), ties by lower row there."""
        asked = [
            OutsideAsked(
                x=SomeRows.of(place, mask),
                other=other,
                radius=limits.radius,
                threads=limits.threads,
            )
            for place in pool.places.places
            for other in self.parts
        ]
        found, work = none_outside(len(pool)), JoinWork()
        answers = _all_of(pool, self.function, asked)
        pairs = zip(asked, answers, strict=True)
        for done, (one, (part, took)) in enumerate(pairs, start=1):
            rows = np.flatnonzero(part.rows >= 0)
            first = 0 if one.other is None else one.other.first
            take_nearer(
                found,
                rows + one.x.place.first,
                part.rows[rows] + first,
                part.distances[rows],
            )
            work = work.plus(took)
            report(Progress(phase="join", done=done, total=len(asked)))
        return found, work


def _all_of(
    pool: _Placed, function: Callable[[Task], Result], asked: Sequence[Task]
) -> Iterator[Result]:
    """The results of all requests, as they come.

    Raises:
        InvalidInputError: the runner lost some.
    """
    count = 0
    for result in pool.places.runner(function, asked):
        count += 1
        yield result
    if count != len(asked):
        raise InvalidInputError(
            f"the runner gave {count} results for {len(asked)} pairs of shards"
        )
