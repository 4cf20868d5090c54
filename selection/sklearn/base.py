"""What the graph estimators share: parameters, `fit`, and the checks of queries."""

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gleann.index.arrays import Vectors
from gleann.index.checks import require_one_of
from gleann.index.metric import require_distances
from gleann.selection.sklearn.fitted import FittedRows
from gleann.selection.sklearn.metrics import Centre, metric_named

Mode = Literal["distance", "connectivity"]
MODES = ("distance", "connectivity")


class GraphEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """A transformer of rows into a sparse graph of their neighbours among fitted rows.

    Attributes:
        n_samples_fit_: fitted rows n.
        n_features_in_: their dimensions d.
        effective_metric_: name of the metric.
    """

    mode: Mode
    metric: str
    random_state: Any
    n_jobs: int | None
    n_features_in_: int

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803
        """Keep rows (n, d), whose neighbours are asked for later.

        Args:
            X: float16, float32, float64 or integers; sparse rows are not taken.
            y: not used.

        Raises:
            ValueError: NaN, infinity, a zero vector under cosine, a parameter out of
                its range.
        """
        require_one_of("mode", self.mode, MODES)
        metric = metric_named(self.metric)
        rows = validate_data(self, X, dtype="numeric")
        self._centre = Centre.of(rows, metric)
        points = self._centre.placed(rows)
        require_distances(points, metric.metric, name="X")
        if points is rows or np.may_share_memory(points, rows):
            points = points.copy()
        self._rows = FittedRows(
            points,
            metric,
            target_recall=self._checked_recall(),
            seed=seed_of(self.random_state),
            threads=effective_n_jobs(self.n_jobs),
        )
        self.effective_metric_ = self.metric
        self.n_samples_fit_ = len(points)
        return self

    @abstractmethod
    def _checked_recall(self) -> float:
        """The recall to aim for, after the parameters of the class are checked.

        Raises:
            InvalidParamsError: a parameter out of its range.
        """

    @property
    def _n_features_out(self) -> int:
        """Columns of the graph, for `get_feature_names_out`."""
        return self.n_samples_fit_

    def _asked(self, X: ArrayLike) -> tuple[Vectors, np.dtype[Any]]:  # noqa: N803
        """Checked queries (m, d), and the dtype of their distances.

        Raises:
            NotFittedError: before `fit`.
            ValueError: rows that cannot be used, or of other dimensions than d.
        """
        check_is_fitted(self)
        rows: NDArray[Any] = validate_data(self, X, dtype="numeric", reset=False)
        return self._centre.placed(rows), dtype_for(rows)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def dtype_for(rows: NDArray[Any]) -> np.dtype[Any]:
    """The dtype of distances: float32 for float32 rows, float64 for others."""
    return np.dtype(np.float32 if rows.dtype == np.float32 else np.float64)


def seed_of(random_state: Any) -> int:
    """The seed that a `random_state` of scikit-learn gives; its own where it is one."""
    if isinstance(random_state, Integral):
        check_random_state(random_state)
        return int(random_state)
    drawn = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return int(drawn)
