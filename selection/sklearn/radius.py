"""`GleannRadiusNeighbors`: all neighbours within a radius, as a transformer."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.checks import require_one_of
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import side_of_index
from gleann.selection.sklearn.base import MODES, GraphEstimator, Mode
from gleann.selection.sklearn.csr import sparse
from gleann.selection.sklearn.metrics import metric_named

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class GleannRadiusNeighbors(GraphEstimator):
    """A graph of all rows within a radius, with the contract of its counterpart.

    That is `RadiusNeighborsTransformer`. No neighbour is missed, and none is farther,
    so `DBSCAN(metric="precomputed")` clusters as it does with all distances; rows that
    are within rounding of float32 of the radius may be in or out. The metrics, and what
    is refused, are those of `GleannNeighbors`.

    Args:
        radius: the greatest distance of a neighbour, in `metric`.
        mode: of `transform`: "distance", or "connectivity" (ones).
        metric: "euclidean" or "l2", "sqeuclidean", or "cosine" (1 - cos).
        random_state: as in `GleannNeighbors`; the graph does not depend on it.
        n_jobs: threads, as in scikit-learn; -1 takes every core.
    """

    def __init__(
        self,
        *,
        radius: float = 1.0,
        mode: Mode = "distance",
        metric: str = "euclidean",
        random_state: Any = 0,
        n_jobs: int | None = -1,
    ) -> None:
        self.radius = radius
        self.mode = mode
        self.metric = metric
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _checked_recall(self) -> float:
        metric_named(self.metric).radius(self.radius)
        return 1.0

    def transform(self, X: ArrayLike) -> "csr_matrix":  # noqa: N803
        """The fitted rows within the radius of rows (m, d), nearest first.

        Returns:
            (m, n); distances of zero are stored, a fitted row's own among them.

        Raises:
            ValueError: rows that cannot be used.
        """
        return self.radius_neighbors_graph(X, mode=self.mode)

    def radius_neighbors_graph(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        radius: float | None = None,
        mode: Mode = "connectivity",
    ) -> "csr_matrix":
        """The neighbours of rows as a sparse matrix (m, n) of ones or distances.

        Args:
            X: rows (m, d); None is the fitted rows, none its own neighbour.
            radius: None takes that of the estimator.
            mode: "distance" or "connectivity".

        Raises:
            ValueError: rows that cannot be used; a radius below 0, or another mode.
        """
        require_one_of("mode", mode, MODES)
        check_is_fitted(self)
        most = self.radius if radius is None else radius
        dtype = np.dtype(np.float64)
        n, metric = self.n_samples_fit_, self._rows.metric
        apart = metric.radius(most)
        if X is None:
            offsets, rows, distances = self._pairs(apart, own=False)
        else:
            points, dtype = self._asked(X)
            if self._rows.are(points):
                offsets, rows, distances = self._pairs(apart, own=True)
            else:
                offsets, rows, distances = self._within(points, apart)
        values = np.ones(len(rows), dtype)
        if mode == "distance":
            values = metric.shown(distances, dtype)
        return sparse(offsets, rows, values, n=n)

    def _within(self, points: Vectors, most: float) -> tuple[Rows, Rows, Distances]:
        """Offsets (m + 1), and all hits of `points` with their distances."""
        found = self._rows.index.find_within(points, most)
        return found.offsets, found.rows, found.distances

    def _pairs(self, most: float, *, own: bool) -> tuple[Rows, Rows, Distances]:
        """Offsets (n + 1), and all hits of the fitted rows with their distances."""
        side = side_of_index(self._rows.index)
        join = PairJoin(side, radius=most, threads=self._rows.threads)
        blocks = list(join.blocks())
        source = np.concatenate([np.empty(0, np.int32), *(b.rows for b in blocks)])
        target = np.concatenate([np.empty(0, np.int32), *(b.others for b in blocks)])
        apart = np.concatenate(
            [np.empty(0, np.float32), *(b.distances for b in blocks)]
        )
        n = len(self._rows)
        itself = np.arange(n if own else 0)
        sources = np.concatenate([itself, source, target])
        targets = np.concatenate([itself, target, source])
        distances = np.concatenate([np.zeros(len(itself), np.float32), apart, apart])
        # Itself before its equals, then by distance, ties by lower row.
        other = sources != targets
        order = np.lexsort((targets, distances, other, sources))
        counts = np.bincount(sources, minlength=n)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return offsets, targets[order].astype(np.int64), distances[order]
