"""Selectors of rows: estimators that say which rows to keep.

scikit-learn's selectors choose columns, and its pipelines cannot drop rows: these
follow the samplers of imbalanced-learn (`fit_resample`, `sample_indices_`), whose
pipelines can, and have the `get_support` of scikit-learn, over rows.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted, validate_data

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.checks import require_number
from gleann.index.errors import InvalidParamsError
from gleann.index.metric import prepare
from gleann.selection.coreset import facility_location, farthest_first
from gleann.selection.curation.duplicates.near import near_duplicates
from gleann.selection.sklearn.base import seed_of
from gleann.selection.sklearn.metrics import Centre, NamedMetric, metric_named


class RowSelector(BaseEstimator, ABC):
    """Chooses some of the rows that it is fitted with.

    Attributes:
        sample_indices_: int64 (k,), the rows chosen, in the order they were chosen.
        support_: bool (n,), whether each row is.
        n_features_in_: dimensions of the rows.
    """

    metric: str
    n_features_in_: int

    @abstractmethod
    def _choose(self, points: Vectors, metric: NamedMetric) -> Rows:
        """The rows to keep of `points` (n, d).

        Raises:
            InvalidParamsError: a parameter out of its range.
        """

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Choose among rows (n, d).

        Args:
            X: float16, float32, float64 or integers.
            y: not used.

        Raises:
            ValueError: rows that cannot be used, a parameter out of its range.
        """
        metric = metric_named(self.metric)
        rows = validate_data(self, X, dtype="numeric")
        points = Centre.of(rows, metric).placed(rows)
        self.sample_indices_ = self._choose(prepare(points, metric.metric), metric)
        self.support_ = np.zeros(len(points), np.bool_)
        self.support_[self.sample_indices_] = True
        return self

    def get_support(
        self,
        indices: bool = False,
    ) -> Mask | Rows:
        """Which rows are chosen: a mask (n,), or with `indices` their positions."""
        check_is_fitted(self)
        return np.flatnonzero(self.support_) if indices else self.support_.copy()

    def fit_resample(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike | None = None,
    ) -> Any:
        """The chosen rows, and their labels where `y` (n,) is given, in that order.

        Returns:
            Rows (k, d) as they came, and with `y` the tuple of these and labels (k,).
        """
        rows, labels = indexable(X, y)
        chosen = self.fit(rows).sample_indices_
        if labels is None:
            return _taken(rows, chosen)
        return _taken(rows, chosen), _taken(labels, chosen)


class KCenterSelector(RowSelector):
    """Rows such that every other row is near one: k-center, by farthest-first.

    The greatest distance of a row to its nearest chosen one is at most twice the best
    that as many rows can reach (Gonzalez 1985).

    Args:
        n_select: rows to choose: a number, or a share above 0 and below 1.
        metric: as in `GleannNeighbors`; under cosine the chord of unit rows.
        random_state: seed, generator of scikit-learn, or None: draws the first row.

    Attributes:
        radius_: that greatest distance.
    """

    def __init__(
        self,
        n_select: float = 0.1,
        *,
        metric: str = "euclidean",
        random_state: Any = 0,
    ) -> None:
        self.n_select = n_select
        self.metric = metric
        self.random_state = random_state

    def _choose(self, points: Vectors, metric: NamedMetric) -> Rows:  # noqa: ARG002
        k = _count(self.n_select, n=len(points))
        found = farthest_first(points, k=k, seed=seed_of(self.random_state))
        self.radius_ = float(found.distances.max())
        return found.rows


class FacilityLocationSelector(RowSelector):
    """Rows such that every row has a similar one, by greedy picking.

    The sum of the greatest similarities is at least 1 - 1/e of the best (Nemhauser,
    Wolsey and Fisher 1978). Takes O(n^2 d).

    Args:
        n_select: rows to choose: a number, or a share above 0 and below 1.
        metric: "cosine" only: similarity is the cosine, 0 where it is negative.
    """

    def __init__(self, n_select: float = 0.1, *, metric: str = "cosine") -> None:
        self.n_select = n_select
        self.metric = metric

    def _choose(self, points: Vectors, metric: NamedMetric) -> Rows:
        if metric.metric != "cosine":
            raise InvalidParamsError(
                f"facility location needs a similarity: metric must be 'cosine', got"
                f" {metric.name!r}"
            )
        return facility_location(points, k=_count(self.n_select, n=len(points))).rows


class NearDuplicateSelector(RowSelector):
    """Rows of which no two are within a radius: each near-duplicate goes but the first.

    Args:
        radius: the greatest distance of near-duplicates, in `metric`; at 0 only equal
            rows go.
        metric: as in `GleannNeighbors`.
    """

    def __init__(self, radius: float = 0.0, *, metric: str = "cosine") -> None:
        self.radius = radius
        self.metric = metric

    def _choose(self, points: Vectors, metric: NamedMetric) -> Rows:
        most = metric.radius(self.radius)
        params = BuildParams(metric=metric.metric, spill="none", tune_queries=0)
        index = SoarIndex.build(points, params)
        found = near_duplicates(index, radius=most)
        return np.flatnonzero(found.kept)


def _count(n_select: float, *, n: int) -> int:
    """Rows to choose of n.

    Raises:
        InvalidParamsError: more than n, fewer than 1, or a share out of (0, 1).
    """
    require_number("n_select", n_select)
    if isinstance(n_select, int | np.integer):
        if not 1 <= n_select <= n:
            raise InvalidParamsError(f"n_select is {n_select}, of n_samples = {n}")
        return int(n_select)
    if not 0 < n_select < 1:
        raise InvalidParamsError(
            f"n_select must be a whole number, or a share above 0 and below 1; got"
            f" {n_select}"
        )
    return max(1, round(n_select * n))


def _taken(values: Any, rows: Rows) -> Any:
    """Some rows of an array or a frame."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    taken: NDArray[Any] = np.asarray(values)[rows]
    return taken
