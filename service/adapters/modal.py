"""Pickers of gleann as query strategies of modAL."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Rows
from gleann.selection.rounds import RoundsParams, pick_batch
from gleann.selection.uncertainty import margin_costs


class Learner(Protocol):
    """What a strategy reads of an `ActiveLearner`.

    Attributes:
        X_training: rows (m, d) that are labelled.
        y_training: labels (m,).
    """

    X_training: ArrayLike
    y_training: ArrayLike

    def predict_proba(self, X: Any, /) -> NDArray[Any]:  # noqa: N803
        """Class probabilities (m, c) of rows."""


class GleannStrategy:
    """A query strategy for `modAL.models.ActiveLearner`.

    The rows of the pool and of the training set must be vectors, whose plain L2
    distance is the intended metric.

    Args:
        params: the picker and its settings; None takes "cluster_margin". `batch` is
            not read: modAL says how many.
    """

    def __init__(self, params: RoundsParams | None = None) -> None:
        self.params = params or RoundsParams(picker="cluster_margin")

    def __call__(
        self,
        learner: Learner,
        X_pool: ArrayLike,  # noqa: N803
        n_instances: int = 1,
    ) -> tuple[Rows, NDArray[np.float64]]:
        """Rows (k,) of the pool to label next, and their margins.

        With labels of one class the margins are 1, and pickers that need a model draw
        at random.

        Raises:
            ValueError: rows that cannot be used, or no instances asked for.
        """
        pool = as_vectors(X_pool, name="X_pool")
        known = as_vectors(learner.X_training, name="X_training", dim=pool.shape[1])
        labels = np.asarray(learner.y_training)
        several = len(np.unique(labels)) > 1
        probabilities = learner.predict_proba(X_pool) if several else None
        picked = pick_batch(
            np.concatenate([known, pool]),
            k=n_instances,
            labelled=np.arange(len(known)),
            labels=labels,
            probabilities=probabilities,
            params=self.params,
        )
        rows = picked.rows - len(known)
        if probabilities is None:
            return rows, np.ones(len(rows))
        return rows, margin_costs(probabilities[rows])
