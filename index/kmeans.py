"""Train the coarse quantizer: k-means by faiss, then oversized lists are split."""

from typing import Any

import numpy as np

from gleann.index.arrays import ListNos, Vectors
from gleann.index.errors import EngineUnavailableError
from gleann.index.params import Metric

TRAIN_ROWS_PER_LIST = 128
OVERSIZE = 8
"""A list this many times the mean size is split."""


def faiss_module() -> Any:
    """Return faiss, or say how to get it.

    Raises:
        EngineUnavailableError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise EngineUnavailableError(
            "building an index needs faiss for k-means: install it with"
            " pip install 'gleann[cpu]' (or 'gleann[gpu]' on a CUDA machine)"
        ) from error
    return faiss


def train_centroids(
    vectors: Vectors, *, nlist: int, metric: Metric, iterations: int, seed: int
) -> Vectors:
    """Train `nlist` centroids on a seeded sample of the rows.

    Args:
        vectors: (n, d), prepared; n at least nlist.
        nlist: centroids wanted.
        metric: under cosine the centroids are kept on the unit sphere.
        iterations: Lloyd iterations.
        seed: of the sample and the initial centroids.

    Returns:
        float32 (nlist, d).

    Raises:
        EngineUnavailableError: faiss is not installed.
    """
    faiss = faiss_module()
    if nlist == len(vectors):
        return vectors.copy()
    sample = _training_rows(vectors, nlist=nlist, seed=seed)
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        nlist,
        niter=iterations,
        seed=seed & 0x7FFF_FFFF,
        spherical=metric == "cosine",
        min_points_per_centroid=1,
        max_points_per_centroid=max(TRAIN_ROWS_PER_LIST, len(sample) // nlist + 1),
    )
    kmeans.train(sample)
    centroids: Vectors = np.ascontiguousarray(kmeans.centroids, np.float32)
    return _mend(centroids, sample, metric=metric, seed=seed)


def _training_rows(vectors: Vectors, *, nlist: int, seed: int) -> Vectors:
    wanted = TRAIN_ROWS_PER_LIST * nlist
    if wanted >= len(vectors):
        return vectors
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(vectors), wanted, replace=False))
    return np.ascontiguousarray(vectors[rows])


def nearest_lists(vectors: Vectors, centroids: Vectors) -> ListNos:
    """Return the nearest centroid (squared L2) of each row, ties to the lower number."""
    squares = np.einsum("ij,ij->i", centroids, centroids) / 2
    list_nos = np.empty(len(vectors), np.int32)
    step = max(1, (1 << 24) // len(centroids))
    for start in range(0, len(vectors), step):
        scores = vectors[start : start + step] @ centroids.T
        scores -= squares
        list_nos[start : start + step] = scores.argmax(axis=1)
    return list_nos


def _mend(
    centroids: Vectors, sample: Vectors, *, metric: Metric, seed: int, rounds: int = 4
) -> Vectors:
    """Move the centroids of the smallest lists into those `OVERSIZE` times the mean.

    An oversized list is a batch's slowest piece of work, an empty one is waste; the
    number of lists stays what the caller asked for.
    """
    rng = np.random.default_rng(seed + 1)
    centroids = centroids.copy()
    cap = max(OVERSIZE * len(sample) / len(centroids), 2)
    for _ in range(rounds):
        list_nos = nearest_lists(sample, centroids)
        sizes = np.bincount(list_nos, minlength=len(centroids))
        oversized = np.flatnonzero(sizes > cap)
        if oversized.size == 0:
            break
        spare = np.argsort(sizes, kind="stable")[: oversized.size]
        spare = spare[sizes[spare] < cap / OVERSIZE]
        for target, source in zip(spare, oversized, strict=False):
            members = sample[list_nos == source]
            centroids[[source, target]] = _halves(members, rng, metric)
    return centroids


def _halves(members: Vectors, rng: np.random.Generator, metric: Metric) -> Vectors:
    """Two-means of the rows of one list; equal halves when the rows coincide."""
    centres = members[rng.choice(len(members), 2, replace=False)]
    for _ in range(5):
        side = nearest_lists(members, centres)
        for j in (0, 1):
            if (side == j).any():
                centres[j] = members[side == j].mean(axis=0)
    if metric == "cosine":
        lengths = np.linalg.norm(centres, axis=1, keepdims=True)
        centres /= np.where(lengths > 0, lengths, 1)
    return centres
