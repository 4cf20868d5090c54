"""Rows in fewer dimensions, whose codes choose the rows that a self-join measures.

The axes are those along which the rows differ most (principal components): of all
projections to as many dimensions this one loses the least of the squared distances.
`index/DECISIONS.md` 41 has the measurements.
"""

from dataclasses import replace

import numpy as np

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.build.rows import code_rows
from gleann.index.codes import Encoding
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.projected import ProjectedEngine
from gleann.index.graph.joined import Joined
from gleann.index.heartbeat import beat
from gleann.index.parallel.blas import one_blas_thread
from gleann.index.parallel.blocks import block_slices, map_blocks
from gleann.index.params import Metric
from gleann.index.projection import PROJECTED_VALUES, Projection

AXIS_ROWS = 4096
"""Rows whose covariance gives the axes."""

AXIS_STEP = 16
"""Axes are kept in multiples of this."""

SPREAD_KEPT = 0.88
"""Share of the squared distances to the mean that the axes keep."""

MOST_AXES = 0.6
"""No projection pays that keeps a greater share of the dimensions."""

LEAST_ROWS = 40_000
"""Fewer rows are joined before a projection is fitted."""

MOST_SQUARE = 64
"""Axes take the cube of the dimensions: longer than they save where the square of these
is more than so many times the rows."""


def fit_projection(rows: RowMatrix, metric: Metric, *, seed: int) -> Projection | None:
    """The projection of prepared rows (n, d) that keeps `SPREAD_KEPT` of their spread.

    None where the rows are few, in all or for so many dimensions, are not in memory in
    float32, or are spread in so many dimensions that it would not pay; and under ip,
    whose order the axes do not keep.
    """
    n, d = rows.shape
    if n < max(LEAST_ROWS, d * d / MOST_SQUARE) or metric == "ip":
        return None
    if not isinstance(rows, np.ndarray):
        return None
    rng = np.random.default_rng([seed, 17])
    drawn = rows[np.sort(rng.choice(n, min(AXIS_ROWS, n), replace=False))]
    center = drawn.mean(axis=0, dtype=np.float64).astype(np.float32)
    apart = drawn - center
    # Threads of BLAS would wait for each other: on a busy machine most of the time.
    with one_blas_thread():
        spread, axes = np.linalg.eigh(apart.T.astype(np.float64) @ apart)
    kept = np.cumsum(np.maximum(spread[::-1], 0))
    if not 0 < kept[-1] < np.inf:
        return None
    least = int(np.searchsorted(kept, SPREAD_KEPT * kept[-1])) + 1
    p = -(-least // AXIS_STEP) * AXIS_STEP
    if p > MOST_AXES * d:
        return None
    best = np.ascontiguousarray(axes[:, ::-1][:, :p].T, np.float32)
    return Projection(center=center, row_axes=best, query_axes=best)


def project(rows: RowMatrix, projection: Projection, *, threads: int = 0) -> Vectors:
    """Rows (m, d) in fewer dimensions: float32 (m, p); 0 threads: all cores."""
    projected = np.empty((len(rows), len(projection.row_axes)), np.float32)
    center, axes = projection.center, projection.row_axes.T

    def work(block: slice) -> None:
        np.matmul(rows[block] - center, axes, out=projected[block])

    blocks = block_slices(len(rows), PROJECTED_VALUES // rows.shape[1])
    for _ in map_blocks(work, blocks, threads=threads):
        beat()
    return projected


def restore(points: Vectors, projection: Projection) -> Vectors:
    """The points (m, d) nearest the origin of the axes that project to (m, p)."""
    restored: Vectors = points @ projection.row_axes + projection.center
    return restored


def projected_join(joined: Joined, *, seed: int, threads: int) -> Joined | None:
    """The same rows, in the same lists, by codes of their projection.

    None where no projection would pay, or the engine scores no projected codes.
    """
    data, engine = joined.data, joined.engine
    if (
        joined.rows is not None
        or data.encoding.kind != "int8"
        or not isinstance(engine, NativeEngine)
        or (projection := fit_projection(data.vectors, data.metric, seed=seed)) is None
    ):
        return None
    rows = project(data.vectors, projection, threads=threads)
    encoding = Encoding.uncentred("l2", rows.shape[1])
    coded = replace(
        data,
        encoding=encoding,
        centroids=project(data.centroids, projection, threads=threads),
        codes=code_rows(rows, encoding, threads=threads),
        entry_codes="copied",
    )
    served = ProjectedEngine.like(engine, coded)
    return replace(joined, engine=served, scanner=served, data=coded, projected=rows)
