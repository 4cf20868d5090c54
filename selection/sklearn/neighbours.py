"""`GleannNeighbors`: the k-nearest-neighbour graph as a scikit-learn transformer."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from gleann.index.arrays import Distances, Rows
from gleann.index.checks import require_integer, require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.sklearn.base import MODES, GraphEstimator, Mode
from gleann.selection.sklearn.components import connect
from gleann.selection.sklearn.csr import graph_of, symmetric, with_diagonal

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class GleannNeighbors(GraphEstimator):
    """A graph of k nearest neighbours, with the contract of `KNeighborsTransformer`.

    What takes a precomputed sparse graph of scikit-learn's takes this one. Up to 2,048
    fitted rows all rows are compared; of more, neighbours are found at the recall that
    is asked for. Rows that are the fitted ones, in their order, are each their own
    first neighbour, also among duplicates.

    Where it differs from `KNeighborsTransformer`: neighbours may be missed
    (`target_recall`), there are four metrics and no `p`, `algorithm` or `leaf_size`,
    sparse rows and precomputed distances are refused, and rows are held as float32,
    around their mean under Euclidean metrics.

    Args:
        n_neighbors: neighbours of a row, beside itself where `mode` is "distance".
        mode: of `transform`: "distance", or "connectivity" (ones).
        metric: "euclidean" or "l2", "sqeuclidean", or "cosine" (1 - cos).
        target_recall: share of the true neighbours to find; 1 compares all rows.
        random_state: seed, generator of scikit-learn, or None, of the index.
        n_jobs: threads, as in scikit-learn; -1 takes every core.
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        mode: Mode = "distance",
        metric: str = "euclidean",
        target_recall: float = 0.95,
        random_state: Any = 0,
        n_jobs: int | None = -1,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.metric = metric
        self.target_recall = target_recall
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _checked_recall(self) -> float:
        require_integer("n_neighbors", self.n_neighbors, at_least=1)
        return self.target_recall

    def transform(self, X: ArrayLike) -> "csr_matrix":  # noqa: N803
        """The neighbours of rows (m, d) among the fitted ones, nearest first.

        Returns:
            (m, n), n_neighbors stored values a row, and one more where `mode` is
            "distance", since a fitted row is its own first neighbour. Distances of
            zero are stored. Float32 for float32 rows, float64 for others.

        Raises:
            ValueError: rows that cannot be used; fewer fitted rows than neighbours.
        """
        more = int(self.mode == "distance")
        return self.kneighbors_graph(X, self.n_neighbors + more, mode=self.mode)

    def kneighbors(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> tuple[NDArray[Any], Rows] | Rows:
        """The nearest fitted rows (m, k), nearest first, and their distances.

        Args:
            X: rows (m, d); None is the fitted rows, none its own neighbour.
            n_neighbors: k; None takes that of the estimator.
            return_distance: False returns the rows alone.

        Raises:
            ValueError: rows that cannot be used; k out of its range.
        """
        rows, distances, dtype = self._found(X, n_neighbors)
        if not return_distance:
            return rows
        return self._rows.metric.shown(distances, dtype), rows

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        mode: Mode = "connectivity",
    ) -> "csr_matrix":
        """`kneighbors` as a sparse matrix (m, n) of ones or distances.

        Raises:
            ValueError: as `kneighbors`, or another mode.
        """
        require_one_of("mode", mode, MODES)
        rows, distances, dtype = self._found(X, n_neighbors)
        values = np.ones(rows.shape, dtype)
        if mode == "distance":
            values = self._rows.metric.shown(distances, dtype)
        return graph_of(rows, values, n=self.n_samples_fit_)

    def precomputed_knn(
        self, n_neighbors: int | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The arrays that UMAP takes as `precomputed_knn`.

        Args:
            n_neighbors: columns k, the row itself included, as UMAP counts; None takes
                that of the estimator.

        Returns:
            rows (n, k), of which the first is the row itself, and distances (n, k).
        """
        check_is_fitted(self)
        k = self._count(n_neighbors, most=self.n_samples_fit_)
        rows, distances = self._rows.with_themselves(k=k)
        shown = self._rows.metric.shown(distances, np.dtype(np.float32))
        return rows.astype(np.int32), shown

    def connected(
        self, n_neighbors: int | None = None, *, include_self: bool = False
    ) -> "csr_matrix":
        """The graph of the fitted rows as HDBSCAN needs it: symmetric, and in one part.

        Where the neighbours fall into several components, each is joined with its
        nearest row elsewhere until there is one, as single linkage would. Distances of
        zero are stored as the least normal float32, since spanning trees of scipy take
        zero for no edge.

        Args:
            n_neighbors: of each row, beside itself; at least the `min_samples` of
                HDBSCAN. None takes that of the estimator.
            include_self: store the diagonal too, as zeros. scikit-learn's HDBSCAN
                counts a row among its own `min_samples`, the package hdbscan does not.

        Returns:
            float64 (n, n), rows in order of their columns.
        """
        check_is_fitted(self)
        n = self.n_samples_fit_
        k = self._count(n_neighbors, most=n - 1)
        rows, distances = self._rows.others(k=k)
        shown = self._rows.metric.shown(distances, np.dtype(np.float64))
        graph = connect(
            symmetric(graph_of(rows, shown, n=n)),
            self._rows.points,
            self._rows.metric,
        )
        graph.data[graph.data == 0] = np.finfo(np.float32).tiny
        return with_diagonal(graph) if include_self else graph

    def _found(
        self,
        X: ArrayLike | None,  # noqa: N803
        n_neighbors: int | None,
    ) -> tuple[Rows, Distances, np.dtype[Any]]:
        """Neighbours (m, k) of rows, and their distances as the index has them."""
        check_is_fitted(self)
        n = self.n_samples_fit_
        if X is None:
            k = self._count(n_neighbors, most=n - 1)
            return *self._rows.others(k=k), np.dtype(np.float64)
        points, dtype = self._asked(X)
        k = self._count(n_neighbors, most=n)
        if self._rows.are(points):
            return *self._rows.with_themselves(k=k), dtype
        return *self._rows.nearest(points, k=k), dtype

    def _count(self, n_neighbors: int | None, *, most: int) -> int:
        """The neighbours to find, `most` at most.

        Raises:
            InvalidParamsError: fewer than 1, or more.
        """
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        require_integer("n_neighbors", k, at_least=1)
        if k > most:
            raise InvalidParamsError(
                f"n_neighbors is {k}, of {self.n_samples_fit_} fitted rows: expected"
                f" n_neighbors <= {most}"
            )
        return int(k)
