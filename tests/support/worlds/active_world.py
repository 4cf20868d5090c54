"""A small world to label in: exact neighbours, a rare concept, and sessions on it."""

import numpy as np

from gleann.selection import ActiveParams, ActiveSession


class Exact:
    """Neighbours by exhaustive search; counts what it is asked."""

    def __init__(self, vectors):
        distances = ((vectors[:, None] - vectors[None]) ** 2).sum(-1)
        np.fill_diagonal(distances, np.inf)
        self.order = np.argsort(distances, axis=1, kind="stable")[:, :-1]
        self.asked = []

        self.vectors = vectors

    def __len__(self):
        return len(self.order)

    def along(self, directions, *, k, allowed):
        return best(np.where(allowed, directions @ self.vectors.T, -np.inf), k)

    def near_planes(self, planes, offsets, *, k, allowed):
        off = np.abs(planes @ self.vectors.T + offsets[:, None])
        return best(np.where(allowed, -off, -np.inf), k)

    def open_neighbours(self, rows, *, k, allowed):
        near = -((self.vectors[rows, None] - self.vectors[None]) ** 2).sum(-1)
        near[np.arange(len(rows)), rows] = -np.inf
        return best(np.where(allowed, near, -np.inf), k)

    def neighbours(self, rows, *, k):
        self.asked += rows.tolist()
        found = self.order[rows, :k]
        return np.pad(found, ((0, 0), (0, k - found.shape[1])), constant_values=-1)


def best(scores, k):
    found = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(scores, found, 1) > -np.inf, found, -1)


def rare(n=400, seed=0):
    """Points in the plane; the positives lie in one small spot."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 2)).astype(np.float32)
    labels = (np.linalg.norm(vectors - [1.2, 0.8], axis=1) < 0.5).astype(np.int64)
    positives = np.flatnonzero(labels)[:3]
    negatives = np.flatnonzero(labels == 0)[:12]
    return vectors, labels, np.concatenate([positives, negatives])


def begin(vectors, labels, seed, /, *, near=None, ids=None, classifier=None, **params):
    params = {"pool": "seals", "batch": 5, "neighbours": 6, **params}
    return ActiveSession.start(
        vectors,
        ActiveParams(**params),
        ids=ids,
        rows=seed,
        labels=labels[seed],
        neighbours=near,
        classifier=classifier,
    )


def picks(session, labels, batches):
    sequence = []
    for _ in range(batches):
        rows = session.next_batch().rows
        sequence.append(rows.tolist())
        session.submit_labels(rows, labels[rows])
    return sequence


def outside(session):
    """A model of someone else's: the distance to a spot, as a probability."""

    def table(vectors):
        away = np.linalg.norm(vectors - [1.2, 0.8], axis=1)
        p = 1 / (1 + np.exp(4 * (away - 0.5)))
        return np.stack([1 - p, p], axis=1)

    return table
