"""Quality of an answer from its rows alone: distances are recomputed here."""

import numpy as np

from bench.datasets import Dataset, distances_of, true_distances
from gleann.index import recall_at_k
from gleann.index.arrays import Distances, Rows


class Judge:
    """Recall@k of answers to the first queries of one data set."""

    def __init__(self, dataset: Dataset, *, k: int) -> None:
        self._dataset = dataset
        self._exact = true_distances(dataset, k=k)

    @property
    def queries(self) -> int:
        """Number of leading queries with a ground truth."""
        return len(self._exact)

    def recall(self, rows: Rows) -> float:
        """Recall of `rows` (m, k), m at most all queries; the first `queries` count."""
        exact = self._exact[: len(rows)]
        return recall_at_k(self.distances(rows[: len(exact)], exact.shape[1]), exact)

    def distances(self, rows: Rows, k: int) -> Distances:
        """Distances (m, k) of distinct, existing rows; +inf for everything else."""
        answers = np.full((len(rows), k), -1, np.int64)
        answers[:, : rows.shape[1]] = rows[:, :k]
        n = len(self._dataset.base)
        counts = (answers >= 0) & (answers < n) & ~repeated(answers)
        known = np.where(counts, answers, 0)
        distances = distances_of(self._dataset, known)
        return np.where(counts, distances, np.inf).astype(np.float32)


def repeated(rows: Rows) -> np.ndarray:
    """Which entries of each line repeat an earlier one of the same line."""
    order = np.argsort(rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    again = np.zeros(rows.shape, np.bool_)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    out = np.empty_like(again)
    np.put_along_axis(out, order, again, axis=1)
    return out
