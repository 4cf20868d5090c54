"""Cluster-Margin: uncertain rows of many clusters.

Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh and Kumar 2021, Batch
Active Learning at Scale, https://arxiv.org/abs/2107.14263.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index import exact_search
from gleann.index.arrays import Rows, Vectors
from gleann.index.build.kmeans import train_centroids

MOST_HAC_ROWS = 4096
"""Rows up to which clusters are agglomerative; beyond, they are k-means lists. The
former takes time and memory n^2."""

MOST_LISTS = 4096
ITERATIONS = 10


def cluster(vectors: Vectors, *, cluster_rows: int, seed: int) -> Rows:
    """Cluster (n,) of each row, numbered in the order of their first rows.

    Average linkage, cut into n / cluster_rows clusters, up to `MOST_HAC_ROWS` rows. The
    paper cuts at a distance, and makes parts of a larger data set.

    Args:
        vectors: (n, d).
        cluster_rows: mean number of rows in a cluster.
        seed: of k-means.
    """
    n = len(vectors)
    count = max(1, n // cluster_rows)
    if count == 1:
        return np.zeros(n, np.int64)
    if n <= MOST_HAC_ROWS:
        # Imported here: it takes a fifth of a second, which only this picker needs.
        from scipy.cluster.hierarchy import fcluster, linkage

        merged = linkage(vectors.astype(np.float64), method="average")
        return _renumbered(fcluster(merged, t=count, criterion="maxclust"))
    centroids = train_centroids(
        vectors,
        nlist=min(count, MOST_LISTS),
        metric="l2",
        iterations=ITERATIONS,
        seed=seed,
    )
    nearest, _ = exact_search(vectors, centroids, metric="l2", k=1)
    return _renumbered(nearest[:, 0])


def round_robin(
    candidates: Rows, clusters: Rows, *, k: int, rng: np.random.Generator
) -> Rows:
    """Take `k` of `candidates`: one of each cluster in turn, until all are empty.

    Clusters take their turns from the one with the fewest candidates to the one with
    the most, the lower number of equals first; each gives its candidates in random
    order.

    Args:
        candidates: (m,) rows, at least k.
        clusters: (m,) their clusters.
        k: rows to take.
        rng: the only source of randomness.
    """
    order = rng.permutation(len(candidates))
    rows, numbers = candidates[order], clusters[order]
    sizes = np.bincount(numbers)
    turns = _turns(numbers)
    taken = np.lexsort((numbers, sizes[numbers], turns))[:k]
    return rows[taken]


def _turns(numbers: Rows) -> Rows:
    """Number (m,) of earlier entries of the same cluster."""
    order = np.argsort(numbers, kind="stable")
    first = np.searchsorted(numbers[order], numbers[order])
    turns = np.empty(len(numbers), np.int64)
    turns[order] = np.arange(len(numbers)) - first
    return turns


def _renumbered(labels: NDArray[np.integer]) -> Rows:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    places = np.empty(len(first), np.int64)
    places[np.argsort(first)] = np.arange(len(first))
    return places[inverse]
