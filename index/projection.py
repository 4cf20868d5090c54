"""A map of rows and of queries to fewer dimensions, in which their products are kept.

Of all maps to p dimensions, one along principal axes loses the least of the products of
rows with each other. Where queries are not distributed as the rows are, other axes lose
less of the products of both: `fit_axes` has them in closed form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.extension import as_packed, available, compiled
from gleann.index.parallel.blas import one_blas_thread
from gleann.index.parallel.blocks import block_slices

PROJECTED_VALUES = 1 << 20
"""Values of rows that are multiplied at once."""

FITTED_VALUES = 1 << 24
"""Values of the rows that axes are fitted to; at least two rows a dimension."""

LEAST_MOMENT = 1e-10
"""Second moments of queries are taken for this share of the greatest at least."""

LEAST_KEPT = 1e-12
"""The same for the moments along the axes."""

_NOTHING = np.empty(0, np.float32)

Moments = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """A map of rows, and one of queries, to p of d dimensions.

    Attributes:
        center: float32 (d,), subtracted first.
        row_axes: float32 (p, d), a line an axis.
        query_axes: float32 (p, d), those of queries; the same array where the axes are
            orthonormal.
    """

    center: Vectors
    row_axes: Vectors
    query_axes: Vectors

    @property
    def is_orthonormal(self) -> bool:
        """Whether rows and queries have the same axes."""
        return self.query_axes is self.row_axes


def products(
    vectors: Vectors, axes: Vectors, center: Vectors, *, threads: int = 1
) -> Vectors:
    """Products (m, p) of vectors (m, d), less the centre (d,), with axes (p, d).

    By the native kernels where they are compiled, with the same results bit for bit.
    """
    if not available():
        return products_reference(vectors, axes, center)
    shift = center if center.any() else _NOTHING
    return compiled.project_rows(
        as_packed(vectors, np.float32),
        as_packed(axes, np.float32),
        as_packed(shift, np.float32),
        tier="",
        threads=threads,
    )


def products_reference(vectors: Vectors, axes: Vectors, center: Vectors) -> Vectors:
    """`products` in NumPy: one dimension after another, each step rounded."""
    apart = np.ascontiguousarray((vectors - center).T)
    found = np.zeros((len(vectors), len(axes)), np.float32)
    step = np.empty_like(found)
    for values, line in zip(apart, np.ascontiguousarray(axes.T), strict=True):
        np.multiply.outer(values, line, out=step)
        found += step
    return found


def fit_projection(
    rows: RowMatrix,
    center: Vectors,
    dims: int,
    *,
    queries: Vectors | None,
    left_out: Rows | None,
    seed: int,
) -> Projection:
    """The projection of rows (n, d) that loses the least of products with queries.

    Args:
        rows: prepared; may be memory-mapped.
        center: (d,), subtracted from rows and queries.
        dims: p, at most d.
        queries: (m, d), prepared, some of the kind that will be asked; None where these
            are distributed as the rows.
        left_out: rows that the axes are not fitted to, ascending, so that they can
            stand for queries that are in no index; None for none.
        seed: draws the rows, and turns the axes.
    """
    rng = np.random.default_rng([seed, 19])
    of_rows = _moments(_drawn(rows, left_out, rng), center)
    of_queries = None
    if queries is not None:
        of_queries = _shrunk(_moments(queries, center), of_rows, count=len(queries))
    # Threads of BLAS would wait for each other: on a busy machine most of the time.
    with one_blas_thread():
        row_axes, query_axes = fit_axes(of_rows, of_queries, dims=dims)
        turn = np.linalg.qr(rng.normal(size=(dims, dims)))[0]
        fitted = np.ascontiguousarray(turn @ row_axes, np.float32)
        asked = fitted
        if query_axes is not None:
            asked = np.ascontiguousarray(turn @ query_axes, np.float32)
    return Projection(center=center, row_axes=fitted, query_axes=asked)


def fit_axes(
    of_rows: Moments, of_queries: Moments | None, *, dims: int
) -> tuple[Moments, Moments | None]:
    """Axes A of queries and B of rows with the least ||Q A'B X' - Q X'||.

    LeanVec's problem in the closed form of its sphering: with W the root of the moments
    of queries and P the `dims` first eigenvectors of W K W, for the moments K of rows,
    B is P'W and A is P'W^-1. Any scale may move from B to A: each axis has the one with
    which projected rows and queries are spread alike, so that codes of 8 bits lose
    least of both together.

    Args:
        of_rows: (d, d), second moments.
        of_queries: (d, d), likewise; None for those of rows, where the axes are the
            first eigenvectors, and the same for both.
        dims: p.

    Returns:
        B (p, d), and A (p, d); None where it is B.
    """
    if of_queries is None or not of_rows.any():
        return _first(of_rows, dims)[1].T, None
    spread, turned = np.linalg.eigh(of_queries)
    root = np.sqrt(np.maximum(spread, LEAST_MOMENT * spread[-1]))
    whitening = (turned / root) @ turned.T
    sphering = (turned * root) @ turned.T
    kept, axes = _first(sphering @ of_rows @ sphering, dims)
    scale = np.maximum(kept, LEAST_KEPT * kept[0]) ** 0.25
    return (axes / scale).T @ sphering, (axes * scale).T @ whitening


def _first(moments: Moments, dims: int) -> tuple[Moments, Moments]:
    """The greatest eigenvalues (p,), and their eigenvectors (d, p)."""
    spread, axes = np.linalg.eigh((moments + moments.T) / 2)
    return spread[::-1][:dims], axes[:, ::-1][:, :dims]


def _moments(vectors: Vectors, center: Vectors) -> Moments:
    """Mean products (d, d) of vectors (m, d) less the centre."""
    dim = vectors.shape[1]
    total = np.zeros((dim, dim))
    with one_blas_thread():
        for block in block_slices(len(vectors), PROJECTED_VALUES // dim):
            apart = (vectors[block] - center).astype(np.float64)
            total += apart.T @ apart
    return total / max(1, len(vectors))


def _shrunk(asked: Moments, of_rows: Moments, *, count: int) -> Moments:
    """Moments of `count` queries, as if d more of them had those of the rows.

    A few queries have no part along most directions, along which others may have.
    """
    dim = len(asked)
    spread = np.trace(of_rows)
    if not 0 < spread < np.inf or not np.trace(asked) > 0:
        return of_rows
    alike = of_rows * (np.trace(asked) / spread)
    return (count * asked + dim * alike) / (count + dim)


def _drawn(rows: RowMatrix, left_out: Rows | None, rng: np.random.Generator) -> Vectors:
    n, dim = rows.shape
    most = max(FITTED_VALUES // dim, 2 * dim)
    numbers = np.arange(n)
    if left_out is not None and len(left_out) < n:
        numbers = np.delete(numbers, left_out)
    if len(numbers) > most:
        numbers = np.sort(rng.choice(numbers, most, replace=False))
    drawn: Vectors = np.asarray(rows[numbers])
    return drawn
