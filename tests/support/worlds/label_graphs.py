"""Graphs and blobs whose labels spread, and the dense solve of them."""

import numpy as np

from gleann.index import BuildParams, SoarIndex, knn_graph


def dense_weights(near, weights):
    """The mean of both directions' weights (n, n)."""
    matrix = np.zeros((len(near), len(near)))
    for row, (others, values) in enumerate(zip(near, weights, strict=True)):
        for other, value in zip(others, values, strict=True):
            if other >= 0:
                matrix[row, other] = value
    return (matrix + matrix.T) / 2


def dense_shares(weights, rows, values, *, alpha, hold):
    """Class probabilities (n, c) by a dense solve; NaN where no mass arrives."""
    n = len(weights)
    degrees = weights.sum(axis=1)
    given = np.zeros((n, values.shape[1]))
    given[rows] = values
    if hold == "soft":
        roots = np.where(degrees > 0, degrees, 1) ** -0.5
        smoothed = roots[:, None] * weights * roots
        masses = np.linalg.solve(np.eye(n) - alpha * smoothed, (1 - alpha) * given)
    else:
        steps = weights / np.where(degrees > 0, degrees, 1)[:, None]
        steps[rows] = 0
        masses = np.linalg.solve(np.eye(n) - alpha * steps, given)
    masses[np.abs(masses) < 1e-30] = 0
    with np.errstate(invalid="ignore"):
        return masses / masses.sum(axis=1, keepdims=True)


def some_graph(n=120, k=5, seed=0):
    rng = np.random.default_rng(seed)
    near = np.array(
        [rng.choice(np.delete(np.arange(n), i), k, False) for i in range(n)]
    )
    return near.astype(np.int32), rng.random((n, k))


def blobs(seed=0, per=40, dim=8, centres=3, apart=1.5):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(centres, dim)) * apart
    labels = np.repeat(np.arange(centres), per)
    vectors = middles[labels] + rng.normal(size=(len(labels), dim))
    return vectors.astype(np.float32), labels


def built(vectors, *, metric="cosine", ids=None, k=6):
    index = SoarIndex.build(vectors, BuildParams(metric=metric, nlist=4), ids=ids)
    return index, knn_graph(index, k=k, nprobe=4)


def first_of_each(labels, count=1):
    return np.sort(
        [r for c in np.unique(labels) for r in np.where(labels == c)[0][:count]]
    )
