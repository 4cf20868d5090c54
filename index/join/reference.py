"""The join by comparing all rows; what the native one must equal."""

from collections.abc import Callable, Iterator

import numpy as np

from gleann.index.join.block import JoinWork, PairBlock
from gleann.index.join.side import JoinSide
from gleann.index.parallel.blocks import block_slices
from gleann.index.progress import Progress
from gleann.index.search.within import find_within

ROWS_AT_ONCE = 256
"""Rows compared with all others at once."""


class ReferenceJoin:
    """Finds all pairs of two sides within a radius, row block after row block.

    Args:
        x: a side.
        y: the other; None joins x with itself.
        most: the greatest distance of a pair, as float32 rounds it.
    """

    def __init__(self, x: JoinSide, y: JoinSide | None, *, most: float) -> None:
        self._x, self._y = x, y
        self._most = most
        self._compared = 0

    @property
    def work(self) -> JoinWork:
        """What it took so far."""
        return JoinWork(0, self._compared, self._compared)

    def blocks(
        self, *, room: int, report: Callable[[Progress], None]
    ) -> Iterator[PairBlock]:
        """The pairs, in blocks of at most `room`."""
        rows = self._x.rows
        others = rows if self._y is None else self._y.rows
        vectors = (self._x if self._y is None else self._y).vectors[others]
        for block in block_slices(len(rows), ROWS_AT_ONCE):
            report(Progress(phase="join", done=block.start, total=len(rows)))
            found = self._pairs(rows[block], others, vectors)
            for some in block_slices(len(found), room) if len(found) else []:
                yield PairBlock(
                    rows=found.rows[some],
                    others=found.others[some],
                    distances=found.distances[some],
                )
        report(Progress(phase="join", done=len(rows), total=len(rows)))

    def _pairs(
        self, rows: np.ndarray, others: np.ndarray, vectors: np.ndarray
    ) -> PairBlock:
        hits = find_within(
            self._x.vectors[rows], vectors, metric=self._x.metric, radius=self._most
        )
        self._compared += len(rows) * len(others)
        asked, found = rows[hits.queries], others[hits.rows]
        kept = np.ones(len(asked), np.bool_) if self._y is not None else found > asked
        return PairBlock(
            rows=asked[kept].astype(np.int32),
            others=found[kept].astype(np.int32),
            distances=hits.distances[kept],
        )
