"""The join by the native kernels: its sides as they read them, and its steps."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, RowMatrix, Vectors
from gleann.index.checks import require_integer
from gleann.index.codes import Codes, decoded_norms, quantise
from gleann.index.engines import native
from gleann.index.extension import compiled
from gleann.index.heartbeat import beat
from gleann.index.join.block import JoinWork, PairBlock
from gleann.index.join.side import JoinSide
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric
from gleann.index.progress import Progress

MEASURED_ROWS = 1 << 14
"""Rows whose codes are made and measured at once."""

PAIR_BYTES = 1 << 26


class NativeJoin:
    """Finds all pairs of two sides within a radius.

    Args:
        x: a side.
        y: the other; None joins x with itself.
        most: the greatest distance of a pair, as float32 rounds it.
        threads: worker threads; 0 takes every core.
        tier: of the kernels; "" takes the best.
    """

    def __init__(
        self,
        x: JoinSide,
        y: JoinSide | None,
        *,
        most: float,
        threads: int = 0,
        tier: str = "",
    ) -> None:
        self._x, self._y = x, x if y is None else y
        self._most = np.float32(most)
        held = _held(x, center=x.center, threads=threads, tier=tier)
        other = held
        if y is not None:
            other = _held(y, center=x.center, threads=threads, tier=tier)
        self._join = compiled.ListJoin(held, other, metric=x.metric, most=most)
        self._checked = _floats(x.vectors) is None or _floats(self._y.vectors) is None

    @property
    def work(self) -> JoinWork:
        """What it took so far."""
        return JoinWork(*self._join.work)

    def blocks(
        self, *, room: int, report: Callable[[Progress], None]
    ) -> Iterator[PairBlock]:
        """The pairs, in blocks of about `room` (from 1); which comes first may vary."""
        require_integer("room", room, at_least=1)  # without it the join would not end
        join = self._join
        first = 0
        while first < join.nlist:
            report(Progress(phase="join", done=first, total=join.nlist))
            last = min(first + join.lists_at_once, join.nlist)
            join.open(first, last)
            first, done = last, False
            while not done:
                beat()
                done, rows, others, distances = join.next(room)
                if len(rows):
                    yield self._measured(rows, others, distances)
        report(Progress(phase="join", done=join.nlist, total=join.nlist))

    def _measured(
        self, rows: NDArray[np.int32], others: NDArray[np.int32], distances: Distances
    ) -> PairBlock:
        """Candidates measured, where the kernels could not read the rows."""
        if not self._checked:
            return PairBlock(rows=rows, others=others, distances=distances)
        x, y, metric = self._x.vectors, self._y.vectors, self._x.metric
        step = PAIR_BYTES // (16 * x.shape[1])
        for block in block_slices(len(rows), step):
            distances[block] = _distances(x, y, rows[block], others[block], metric)
        near = distances <= self._most
        return PairBlock(
            rows=rows[near], others=others[near], distances=distances[near]
        )


def _distances(
    x: RowMatrix,
    y: RowMatrix,
    rows: NDArray[np.int32],
    others: NDArray[np.int32],
    metric: Metric,
) -> Distances:
    return pair_distances(x[rows], y[others][:, None], metric)[:, 0]


def _held(
    side: JoinSide, *, center: Vectors, threads: int, tier: str
) -> "compiled.JoinSide":
    """A side as the kernels read it, coded around `center`."""
    coded = side.codes
    if coded is not None and not np.array_equal(side.center, center):
        coded = None
    values, scales, squares, errors = _codes(side.vectors, coded, center, threads)
    points = quantise(side.centroids, center)
    centroids = np.asarray(points.values, np.int8)
    floats = _floats(side.vectors)
    return compiled.JoinSide(
        codes=values,
        scales=scales,
        squares=squares,
        errors=errors,
        vectors=np.empty((0, 0), np.float32) if floats is None else floats,
        offsets=side.offsets,
        members=side.members,
        centroids=centroids,
        centroid_scales=points.scales,
        centroid_squares=decoded_norms(points),
        tier=tier,
        threads=threads,
    )


def _codes(
    vectors: RowMatrix, coded: Codes | None, center: Vectors, threads: int
) -> tuple[
    NDArray[np.int8],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
]:
    """Codes (n, d), their scales, squared lengths and errors, each (n,)."""
    n = len(vectors)
    shift = center if center.any() else np.empty(0, np.float32)
    squares, errors = np.empty(n, np.float32), np.empty(n, np.float32)
    if coded is None:
        values, scales = np.empty(vectors.shape, np.int8), np.empty(n, np.float32)
    else:
        values = np.ascontiguousarray(coded.values, np.int8)
        scales = np.ascontiguousarray(coded.scales, np.float32)
    for block in block_slices(n, MEASURED_ROWS):
        rows = np.ascontiguousarray(vectors[block], np.float32)
        if coded is None:
            values[block], scales[block] = native.quantise_rows(
                rows, center, threads=threads
            )
        squares[block], errors[block] = compiled.measure_codes(
            rows, shift, values[block], scales[block], threads=threads
        )
        beat()
    return values, scales, squares, errors


def _floats(vectors: RowMatrix) -> Vectors | None:
    """Rows as the kernels can read them; None for those kept in another form."""
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        return None
    return vectors if vectors.flags.c_contiguous and vectors.flags.aligned else None
