"""The pairs within a radius of a pool, and what is near in another collection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Mask
from gleann.index.errors import LimitError
from gleann.index.join.block import JoinWork, PairBlock
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import JoinSide
from gleann.index.nouns import number_of
from gleann.index.progress import Progress
from gleann.selection.curation.duplicates.groups import Outside, PairTable
from gleann.selection.curation.duplicates.pool import Pool
from gleann.selection.progress import ProgressCallback

PAIR_BYTES = 12


@dataclass(slots=True, kw_only=True, eq=False)
class Collector:
    """Joins a pool, and holds the pairs that it finds.

    Attributes:
        pool: of n rows.
        radius: the greatest distance of a pair.
        most: pairs that it may hold.
        threads: worker threads; 0 takes every core.
        report: called as the phase "join" goes on.
        work: what the joins took.
    """

    pool: Pool
    radius: float
    most: int
    threads: int
    report: ProgressCallback
    work: JoinWork = field(default_factory=JoinWork)
    _parts: list[PairTable] = field(default_factory=list)
    _count: int = 0

    def join(self, new: Mask, old: Mask | None) -> None:
        """Add all pairs of rows of `new` (n,), and those of one of `new` and `old`.

        Raises:
            LimitError: there are more pairs than it may hold.
        """
        starts = self.pool.starts
        sides = self.pool.sides(new)
        for i, side in enumerate(sides):
            self._add(side, None, starts[i], starts[i])
            for j in range(i + 1, len(sides)):
                self._add(side, sides[j], starts[i], starts[j])
        if old is None or not old.any():
            return
        others = self.pool.sides(old)
        for i, side in enumerate(sides):
            for j, other in enumerate(others):
                self._add(side, other, starts[i], starts[j])

    def add(self, pairs: PairTable) -> None:
        """Add pairs that are known.

        Raises:
            LimitError: there are more pairs than it may hold.
        """
        self._take(pairs, Progress(phase="join", done=0, total=1))

    def table(self) -> PairTable:
        """All pairs, each once, by ascending rows."""
        return joined_pairs(self._parts)

    def _add(
        self, x: JoinSide, y: JoinSide | None, first: np.int64, second: np.int64
    ) -> None:
        last = [Progress(phase="join", done=0, total=1)]

        def hear(progress: Progress) -> None:
            last[0] = progress
            self.report(progress)

        for block in self.blocks(x, y, hear):
            a, b = block.rows + np.int32(first), block.others + np.int32(second)
            pairs = PairTable(
                rows=np.minimum(a, b),
                others=np.maximum(a, b),
                distances=block.distances,
            )
            self._take(pairs, last[0])

    def blocks(
        self, x: JoinSide, y: JoinSide | None, report: ProgressCallback
    ) -> Iterator[PairBlock]:
        """The pairs of two sides, or of one with itself; their work is added."""
        join = PairJoin(x, y, radius=self.radius, threads=self.threads)
        yield from join.blocks(report=report)
        self.work = self.work.plus(join.work)

    def _take(self, pairs: PairTable, at: Progress) -> None:
        self._count += len(pairs)
        if self._count > self.most:
            raise too_many(
                self.most,
                self.radius,
                f"{self._count} were found in {at.done} of"
                f" {number_of(at.total, 'lists')}",
                instead="join() streams them",
            )
        self._parts.append(pairs)


def too_many(most: int, radius: float, found: str, *, instead: str = "") -> LimitError:
    """The error of more pairs than may be held.

    Args:
        most: pairs.
        radius: within which they are.
        found: how many, and where, in words.
        instead: what else there is to do, in words; "" for nothing.
    """
    also = f"; {instead}" if instead else ""
    return LimitError(
        f"more than {number_of(most, 'pairs')} of distinct rows are within"
        f" {radius:g} of each other: {found}. Choose a smaller radius, or raise"
        f" max_pairs (each takes {PAIR_BYTES} bytes){also}"
    )


def joined_pairs(parts: Sequence[PairTable]) -> PairTable:
    """All pairs of some tables, each once, by ascending rows."""
    rows = np.concatenate([np.empty(0, np.int32), *(part.rows for part in parts)])
    others = np.concatenate([np.empty(0, np.int32), *(part.others for part in parts)])
    distances = np.concatenate(
        [np.empty(0, np.float32), *(part.distances for part in parts)]
    )
    order = np.lexsort((others, rows))
    rows, others, distances = rows[order], others[order], distances[order]
    again = np.zeros(len(rows), np.bool_)
    again[1:] = (rows[1:] == rows[:-1]) & (others[1:] == others[:-1])
    return PairTable(
        rows=rows[~again], others=others[~again], distances=distances[~again]
    )


def nearest_outside(collector: Collector, mask: Mask, other: JoinSide) -> Outside:
    """The nearest row of another collection for each row of `mask` (n,).

    Ties go to the lower row there. Holds as much as there are rows, however many pairs
    there are.
    """
    pool = collector.pool
    found = none_outside(len(pool))
    for start, side in zip(pool.starts, pool.sides(mask), strict=False):
        for block in collector.blocks(side, other, collector.report):
            rows = block.rows.astype(np.int64) + start
            take_nearer(found, rows, block.others, block.distances)
    return found


def none_outside(n: int) -> Outside:
    """Of n rows, none of which has a near one elsewhere."""
    return Outside(
        rows=np.full(n, -1, np.int64), distances=np.full(n, np.inf, np.float32)
    )


def take_nearer(
    found: Outside,
    rows: NDArray[np.int64],
    others: NDArray[np.integer],
    distances: Distances,
) -> None:
    """Take what is nearer, or as near and lower, than what was found before."""
    before = found.distances[rows]
    better = distances < before
    better |= (distances == before) & (others < found.rows[rows])
    rows, others, distances = rows[better], others[better], distances[better]
    order = np.lexsort((others, distances, rows))[::-1]
    found.rows[rows[order]] = others[order]  # the last write is the nearest
    found.distances[rows[order]] = distances[order]
