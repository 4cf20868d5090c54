"""The rows of a fitted estimator, with the index that is built once it is needed."""

from functools import cached_property
from typing import Any

import numpy as np

from gleann.index import (
    BuildParams,
    SearchParams,
    SoarIndex,
    exact_search,
    knn_graph_of,
)
from gleann.index.access.portable import by_value
from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.exact import others_than
from gleann.selection.sklearn.metrics import NamedMetric

EXACT_ROWS = 2048
"""Rows up to which all are compared: that takes less time than a build."""


class FittedRows:
    """Rows (n, d) whose neighbours are asked for.

    The neighbours of the rows themselves come from `knn_graph_of`, which needs no
    index. The index is built when other rows ask for the first time; two threads that
    are first may both build it.

    Args:
        points: float32 (n, d), kept and not copied.
        metric: which distance.
        target_recall: recall@k to aim for; 1 compares all rows.
        seed: the only source of randomness.
        threads: worker threads; 0 takes every core.
    """

    def __init__(
        self,
        points: Vectors,
        metric: NamedMetric,
        *,
        target_recall: float,
        seed: int,
        threads: int,
    ) -> None:
        SearchParams(target_recall=target_recall)  # refuses what is out of its range
        self.points = points
        self.metric = metric
        self.target_recall = target_recall
        self.seed = seed
        self.threads = threads

    def __len__(self) -> int:
        return len(self.points)

    @property
    def exhaustive(self) -> bool:
        """Whether all rows are compared."""
        return len(self) <= EXACT_ROWS or self.target_recall == 1

    @cached_property
    def index(self) -> SoarIndex:
        """The index of the rows."""
        params = BuildParams(metric=self.metric.metric, seed=self.seed)
        return SoarIndex.build(self.points, params, threads=self.threads, copy=False)

    def are(self, points: Vectors) -> bool:
        """Whether `points` are the rows themselves, in their order."""
        return points.shape == self.points.shape and np.array_equal(points, self.points)

    def others(self, *, k: int) -> tuple[Rows, Distances]:
        """The k nearest other rows (n, k) of every row, and their distances."""
        n = len(self)
        if k == 0:
            return np.empty((n, 0), np.int64), np.empty((n, 0), np.float32)
        if self.exhaustive:
            found, distances = self.nearest(self.points, k=k + 1)
            kept: Mask = others_than(np.arange(n), found)
            return found[kept].reshape(n, k), distances[kept].reshape(n, k)
        graph = knn_graph_of(
            self.points,
            metric=self.metric.metric,
            k=k,
            target_recall=self.target_recall,
            seed=self.seed,
            threads=self.threads,
        )
        return graph.neighbours.astype(np.int64), graph.distances.reshape(n, k)

    def with_themselves(self, *, k: int) -> tuple[Rows, Distances]:
        """Every row, at distance 0, and its k - 1 nearest others (n, k)."""
        found, distances = self.others(k=k - 1)
        own = np.arange(len(self))[:, None]
        nothing = np.zeros((len(self), 1), np.float32)
        return np.hstack([own, found]), np.hstack([nothing, distances])

    def nearest(self, points: Vectors, *, k: int) -> tuple[Rows, Distances]:
        """The k nearest rows (m, k) of `points` (m, d), and their distances.

        Warns:
            RecallWarning: as `SoarIndex.search`.
        """
        if self.exhaustive:
            return exact_search(points, self.points, metric=self.metric.metric, k=k)
        params = SearchParams(k=k, target_recall=self.target_recall)
        found = self.index.search(points, params)
        return found.ids.astype(np.int64), found.distances

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        index = state.pop("index", None)
        return state if index is None else {**state, "saved_index": by_value(index)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("saved_index", None)
        self.__dict__.update(state)
        if saved is not None:
            restore, parts = saved
            self.__dict__["index"] = restore(*parts)
