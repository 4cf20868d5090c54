"""AnchorAL: a pool of fixed size around a few labelled rows of each class.

Lesci and Vlachos 2024, AnchorAL: Computationally Efficient Active Learning for Large
and Imbalanced Datasets, https://arxiv.org/abs/2404.05623. As the pool does not grow
with the labels, neither does what a batch costs.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection.active.pools.base import LabelState
from gleann.selection.neighbours import Neighbours
from gleann.selection.saved import Saved


@runtime_checkable
class OpenNeighbours(Neighbours, Protocol):
    """`Neighbours` that can be restricted to allowed rows."""

    def open_neighbours(self, rows: Rows, *, k: int, allowed: Mask) -> Rows:
        """The `k` nearest allowed rows (m, k) of each of `rows` (m,), nearest first.

        A row is never its own neighbour; -1 where there are fewer than k others.
        """


class AnchorPool:
    """The open rows most similar to the anchors, rebuilt before each batch.

    Anchors are drawn by k-means++ among the labelled rows of each class of each
    question. A row's score is its mean cosine similarity to the anchors that have it
    among their `k` nearest open rows, and the `size` best are the pool, ties by lower
    row.

    Args:
        neighbours: over the same n rows.
        vectors: (n, d) the rows.
        anchors: drawn from each class, at most.
        k: neighbours of each anchor.
        size: rows in the pool, at most.
        seed: draws the anchors, together with the number of the batch.
    """

    __slots__ = (
        "_anchors",
        "_closed",
        "_k",
        "_neighbours",
        "_pool",
        "_seed",
        "_size",
        "_vectors",
        "entered",
        "looked_at",
    )

    def __init__(
        self,
        neighbours: OpenNeighbours,
        vectors: Vectors,
        *,
        anchors: int,
        k: int,
        size: int,
        seed: int,
    ) -> None:
        n = len(vectors)
        self.entered: Mask = np.zeros(n, np.bool_)
        self.looked_at = 0
        self._closed: Mask = np.zeros(n, np.bool_)
        self._pool: Rows = np.empty(0, np.int64)
        self._neighbours = neighbours
        self._vectors = vectors
        self._anchors, self._k, self._size, self._seed = anchors, k, size, seed

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""
        return self._pool[~self._closed[self._pool]]

    def close(self, rows: Rows) -> None:
        """Remove `rows` for good."""
        self._closed[rows] = True

    def grow(self, _rows: Rows, /) -> Rows:
        """No row enters within a batch."""
        return np.empty(0, np.int64)

    def undo(self, closed: Rows, _joined: Rows, /) -> None:
        """Reopen `closed`."""
        self._closed[closed] = False

    def update(self, state: LabelState) -> None:
        """Build the pool of the next batch."""
        anchors = self.draw(state)
        found = self._neighbours.open_neighbours(
            anchors, k=self._k, allowed=~self._closed
        )
        rows, similarity = self._mean_similarity(anchors, found)
        best = np.argsort(-similarity, kind="stable")[: self._size]
        self._enter(np.sort(rows[best]))

    def draw(self, state: LabelState) -> Rows:
        """The anchors (a,) of a batch, ascending."""
        drawn = []
        for column in range(state.labels.shape[1]):
            labels = state.labels[:, column]
            for label in np.unique(labels):
                rows = state.rows[labels == label]
                entropy = [self._seed, state.batch, column, int(label) % 2**32]
                drawn.append(self._spread(rows, np.random.SeedSequence(entropy)))
        return np.unique(np.concatenate(drawn))

    def state(self) -> dict[str, list[int]]:
        """Rows that ever entered, and the pool of the last batch, ascending."""
        return {
            "entered": np.flatnonzero(self.entered).tolist(),
            "pool": self._pool.tolist(),
        }

    def restore(self, state: Saved) -> None:
        """Rebuild the rows that had entered, and the pool of the last batch."""
        n = len(self.entered)
        entered, pool = state.rows("entered", n=n), state.rows("pool", n=n)
        if (strange := np.setdiff1d(pool, entered)).size:
            state.refuse("pool", f"has {strange.size} rows that never entered")
        self.entered[entered] = True
        self.looked_at = len(entered)
        self._pool = np.sort(pool)

    def _spread(self, rows: Rows, seed: np.random.SeedSequence) -> Rows:
        if len(rows) <= self._anchors:
            return rows
        # Imported here: it takes a second, which an estimate does not need.
        from sklearn.cluster import kmeans_plusplus

        state = int(seed.generate_state(1)[0])
        _, at = kmeans_plusplus(self._vectors[rows], self._anchors, random_state=state)
        chosen: Rows = rows[at]
        return chosen

    def _mean_similarity(
        self, anchors: Rows, found: Rows
    ) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        of, at = np.nonzero(found >= 0)
        near = found[of, at]
        ours, theirs = self._vectors[anchors[of]], self._vectors[near]
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        cosines = np.einsum("ij,ij->i", ours, theirs) / np.maximum(lengths, 1e-30)
        rows, place = np.unique(near, return_inverse=True)
        return rows, np.bincount(place, cosines) / np.maximum(np.bincount(place), 1)

    def _enter(self, rows: Rows) -> None:
        self._pool = rows
        self.looked_at += int((~self.entered[rows]).sum())
        self.entered[rows] = True
