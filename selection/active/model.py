"""The classifier of a session: logistic regression, deterministic."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

from gleann.index.arrays import Vectors
from gleann.selection.active.ledger import Labels
from gleann.selection.active.params import ActiveParams

_LIBRARIES = ThreadpoolController()


class Model:
    """A fitted classifier.

    Args:
        vectors: (m, d) labelled rows.
        labels: (m,), of two classes at least.
        classes: all labels there are, ascending.
        params: strength of the penalty, weights, iterations.
    """

    __slots__ = ("_columns", "_fitted", "_width", "converged")

    def __init__(
        self,
        vectors: Vectors,
        labels: Labels,
        *,
        classes: tuple[int, ...],
        params: ActiveParams,
    ) -> None:
        self._fitted = LogisticRegression(
            C=params.C,
            class_weight=params.class_weight,
            max_iter=params.max_iter,
            solver="lbfgs",
        )
        # One BLAS thread: the answer then does not depend on how many there are, and a
        # fit to a few hundred rows takes milliseconds instead of waiting for threads.
        with warnings.catch_warnings(), _LIBRARIES.limit(limits=1, user_api="blas"):
            # Told by `converged`, where a caller can act on it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._fitted.fit(vectors, labels)
        self.converged = bool(self._fitted.n_iter_.max() < params.max_iter)
        self._columns = np.searchsorted(classes, self._fitted.classes_)
        self._width = len(classes)

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        """Class probabilities (m, c) of `vectors` (m, d), 0 for a class never seen."""
        table = np.zeros((len(vectors), self._width))
        if len(vectors):
            table[:, self._columns] = self._fitted.predict_proba(vectors)
        return table

    @property
    def directions(self) -> Vectors:
        """Weights (m, d) along which a class grows likelier; of the last of two."""
        weights: Vectors = self._fitted.coef_.astype(np.float32)
        return weights
