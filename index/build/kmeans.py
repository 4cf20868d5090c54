"""Train the coarse quantizer: Lloyd's k-means on a sample of the rows.

`index/DECISIONS.md` 1 has the measurements that led to our own implementation.
"""

from collections.abc import Callable

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.contract import BuildKernels, TrainingRows
from gleann.index.build.host import HostKernels, HostTrainingRows
from gleann.index.params import Metric

TRAIN_ROWS_PER_LIST = 64
OVERSIZE = 8
"""Lists larger than this multiple of the mean size are split."""

SPLIT_ROUNDS = 4

MOST_TRAIN_BYTES = 1 << 29
"""Limit on the memory of the training rows, for any number of lists."""


def train_centroids(  # noqa: PLR0913  each is a setting of k-means
    vectors: RowMatrix,
    *,
    nlist: int,
    metric: Metric,
    iterations: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    kernels: BuildKernels | None = None,
    center: Vectors | None = None,
    kept_out: Rows | None = None,
) -> Vectors:
    """Train `nlist` centroids on a seeded sample of the rows.

    Args:
        vectors: (n, d), prepared; n at least nlist.
        nlist: number of centroids.
        metric: under cosine the centroids are kept on the unit sphere.
        iterations: Lloyd iterations.
        seed: seed of the sample and the initial centroids.
        progress: called with the number of iterations done.
        kernels: the numeric kernels; None takes those of the host, on all cores.
        center: (d,), subtracted from rows and centroids in comparisons, so that float32
            products stay accurate for rows far from the origin; None subtracts
            nothing.
        kept_out: rows (m,), ascending, excluded from training, at most n - nlist;
            ignored if every row is a centroid.

    Returns:
        float32 (nlist, d).
    """
    if nlist == len(vectors):
        return np.array(vectors)
    rng = np.random.default_rng(seed)
    sample = _training_rows(vectors, nlist=nlist, rng=rng, kept_out=kept_out)
    if center is None:
        center = np.zeros(vectors.shape[1], np.float32)
    if center.any():
        sample = sample - center
    sphere = -center if metric == "cosine" else None
    first = np.sort(rng.choice(len(sample), nlist, replace=False))
    centroids = np.array(sample[first])
    training = (kernels or HostKernels()).training_rows(sample)
    for done in range(iterations):
        if progress is not None:
            progress(done)
        list_nos = training.nearest(centroids)
        sums = training.sums(list_nos, nlist=nlist)
        centroids = _means(sums, sample, list_nos, sphere=sphere, rng=rng)
    split = _split_oversized(centroids, sample, training, sphere=sphere, rng=rng)
    return split + center


def wanted_rows(dim: int, *, nlist: int) -> int:
    """Rows of `dim` numbers that k-means takes of any number of rows.

    `TRAIN_ROWS_PER_LIST` a list, or as many as `MOST_TRAIN_BYTES` hold; but one a list.
    """
    most = MOST_TRAIN_BYTES // (4 * dim)
    return max(nlist, min(TRAIN_ROWS_PER_LIST * nlist, most))


def _training_rows(
    vectors: RowMatrix, *, nlist: int, rng: np.random.Generator, kept_out: Rows | None
) -> Vectors:
    n = len(vectors)
    wanted = wanted_rows(vectors.shape[1], nlist=nlist)
    if kept_out is None:
        if wanted >= n:
            return np.asarray(vectors)
        rows = np.sort(rng.choice(n, wanted, replace=False))
        return np.ascontiguousarray(vectors[rows])
    free = np.ones(n, np.bool_)
    free[kept_out] = False
    rows = np.flatnonzero(free)
    if wanted < len(rows):
        rows = rows[np.sort(rng.choice(len(rows), wanted, replace=False))]
    return np.ascontiguousarray(vectors[rows])


def _means(
    sums: Vectors,
    sample: Vectors,
    list_nos: ListNos,
    *,
    sphere: Vectors | None,
    rng: np.random.Generator,
) -> Vectors:
    """Mean row of each list; an empty list restarts at a random row.

    Means are projected onto the unit sphere around `sphere` (d,), unless it is None.
    """
    sizes = np.bincount(list_nos, minlength=len(sums))
    means: Vectors = sums / np.maximum(sizes, 1).astype(np.float32)[:, None]
    empty = np.flatnonzero(sizes == 0)
    means[empty] = sample[rng.choice(len(sample), len(empty), replace=False)]
    return means if sphere is None else _on_sphere(means - sphere) + sphere


def _split_oversized(
    centroids: Vectors,
    sample: Vectors,
    training: TrainingRows,
    *,
    sphere: Vectors | None,
    rng: np.random.Generator,
) -> Vectors:
    """Move the centroids of the smallest lists into those `OVERSIZE` times the mean.

    An oversized list is the slowest work item of a batch and an empty one is wasted;
    the number of lists stays as requested.
    """
    centroids = centroids.copy()
    mean = len(sample) / len(centroids)
    for _ in range(SPLIT_ROUNDS):
        list_nos = training.nearest(centroids)
        sizes = np.bincount(list_nos, minlength=len(centroids))
        oversized = np.flatnonzero(sizes > max(OVERSIZE * mean, 2))
        smallest = np.argsort(sizes, kind="stable")[: oversized.size]
        spare = smallest[sizes[smallest] < mean]
        if spare.size == 0:
            break
        for target, source in zip(spare, oversized, strict=False):
            members = sample[list_nos == source]
            centroids[[source, target]] = _halves(members, sphere=sphere, rng=rng)
    return centroids


def _halves(
    members: Vectors, *, sphere: Vectors | None, rng: np.random.Generator
) -> Vectors:
    """k-means with k = 2 on the rows of one list."""
    centres = members[rng.choice(len(members), 2, replace=False)]
    few = HostTrainingRows(members, threads=1)
    for _ in range(5):
        side = few.nearest(centres)
        sums = few.sums(side, nlist=2)
        centres = _means(sums, members, side, sphere=sphere, rng=rng)
    return centres


def _on_sphere(rows: Vectors) -> Vectors:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.where(lengths > 0, lengths, 1).astype(np.float32)[:, None]
