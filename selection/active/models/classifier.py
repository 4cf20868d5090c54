"""Classifiers: the caller's or a logistic regression, and one fitted to labels.

scikit-learn is imported where it is used: it takes a second, which an estimate or a
coreset does not need.
"""

import warnings
from threading import Lock
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from gleann.index.arrays import Vectors
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.parallel.blas import one_blas_thread
from gleann.selection.active.models.hyperplanes import Hyperplanes
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.questions import LabelArray
from gleann.selection.checks import as_probabilities

_FITTING = Lock()
"""Warnings belong to the process: one fit at a time."""

_RANDOM_STATE = "random_state"


@runtime_checkable
class Classifier(Protocol):
    """The methods of a scikit-learn classifier that a session calls.

    A session clones it before each fit, so it needs `get_params` too; after `fit` it
    has `classes_`.
    """

    def fit(self, vectors: Vectors, labels: LabelArray, /) -> object:
        """Learn from rows (m, d) and their labels (m,)."""

    def predict_proba(self, vectors: Vectors, /) -> NDArray[np.generic]:
        """Probabilities (m, c) of the classes in `classes_`."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters."""


@runtime_checkable
class Linear(Protocol):
    """A fitted classifier whose decisions are linear in the row."""

    coef_: NDArray[Any]
    intercept_: NDArray[Any]


def make_classifier(params: ActiveParams, own: object | None) -> Classifier:
    """The classifier that `params` name, not yet fitted.

    A caller's classifier without a random state takes the seed of `params`.

    Raises:
        InvalidParamsError: `own` is given but `params` do not ask for it, or the other
            way round; or it lacks a method.
    """
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    if (own is not None) != (params.model == "own"):
        given = "None" if own is None else type(own).__name__
        raise InvalidParamsError(
            f"model is {params.model!r}, but the classifier handed over is {given}"
        )
    if own is None:
        return LogisticRegression(
            C=params.C,
            class_weight=params.class_weight,
            max_iter=params.max_iter,
            solver="lbfgs",
        )
    if not isinstance(own, Classifier):
        raise InvalidParamsError(
            "a classifier needs fit, predict_proba and get_params, as scikit-learn's"
            f" have; got {type(own).__name__}"
        )
    # A copy: what the caller sets on it later changes nothing.
    return _seeded(clone(own), params.seed)


def _seeded(classifier: Classifier, seed: int) -> Classifier:
    """`classifier` with `seed` wherever it or a part of it has no random state."""
    from sklearn.base import clone

    missing = {
        name: seed % 2**32
        for name, value in classifier.get_params().items()
        if name.split("__")[-1] == _RANDOM_STATE and value is None
    }
    if not missing:
        return classifier
    own = cast(Any, clone(classifier))
    seeded: Classifier = own.set_params(**missing)
    return seeded


class FittedClassifier:
    """A clone of a classifier, fitted.

    Args:
        classifier: left as it is.
        vectors: (m, d) labelled rows.
        labels: (m,), of two classes at least.
        classes: all labels there are, ascending.
    """

    __slots__ = ("_columns", "_fitted", "_is_sigmoid", "_width", "converged")

    def __init__(
        self,
        classifier: Classifier,
        vectors: Vectors,
        labels: LabelArray,
        *,
        classes: tuple[int, ...],
    ) -> None:
        from sklearn.base import clone
        from sklearn.linear_model import LogisticRegression

        self._fitted = cast(Any, clone(classifier))
        # One BLAS thread: the answer then does not depend on how many there are, and a
        # fit to a few hundred rows takes milliseconds instead of waiting for threads.
        with (
            _FITTING,
            warnings.catch_warnings(record=True) as caught,
            one_blas_thread(),
        ):
            warnings.simplefilter("always")
            self._fitted.fit(vectors, labels)
        # Reported as `converged`, where a caller can act on it; others are re-issued.
        self.converged = not any(_is_convergence(one) for one in caught)
        for one in caught:
            if not _is_convergence(one) and not _is_of_many_classes(one):
                warnings.warn_explicit(
                    one.message, one.category, one.filename, one.lineno
                )
        self._is_sigmoid = (
            type(self._fitted) is LogisticRegression and len(self._fitted.coef_) == 1
        )
        self._columns = np.searchsorted(classes, self._fitted.classes_)
        self._width = len(classes)

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        """Class probabilities (m, c) of `vectors` (m, d), 0 for a class never seen.

        Raises:
            InvalidInputError: `predict_proba` returned no probabilities.
        """
        table = np.zeros((len(vectors), self._width))
        if len(vectors):
            predict = self._sigmoid if self._is_sigmoid else self._fitted.predict_proba
            predicted = predict(vectors)
            try:
                table[:, self._columns] = as_probabilities(predicted)
            except InvalidInputError as error:
                name = type(self._fitted).__name__
                raise InvalidInputError(f"predict_proba of {name}: {error}") from error
        return table

    def _sigmoid(self, vectors: Vectors) -> NDArray[np.generic]:
        """`predict_proba` of a logistic regression of two classes.

        The same operations as scikit-learn's, in the same precision, without its checks
        of the input: they took most of the time of scoring the rows that join after a
        pick (selection/DECISIONS.md 42).
        """
        decision = vectors @ self._fitted.coef_.T + self._fitted.intercept_
        yes = expit(decision[:, 0])
        return np.stack([1 - yes, yes], axis=1)

    def hyperplanes(self) -> Hyperplanes | None:
        """The hyperplanes between the classes; None if the classifier is not linear.

        Two classes have one. With more, each class has one: between it and the class
        with the most similar weights, where the classifier is least certain. Weights
        for pairs of classes, such as those of `SVC`, are not used.
        """
        from sklearn.svm import SVC, NuSVC

        if not isinstance(self._fitted, Linear):
            return None
        weights = np.atleast_2d(np.asarray(self._fitted.coef_, np.float32))
        offsets = np.atleast_1d(np.asarray(self._fitted.intercept_, np.float64))
        if len(weights) == 1:
            return Hyperplanes(directions=weights, normals=weights, offsets=offsets)
        pairwise = isinstance(self._fitted, SVC | NuSVC)
        if pairwise or len(weights) != len(self._columns):
            return None
        rival = _most_alike(weights)
        return Hyperplanes(
            directions=weights,
            normals=weights - weights[rival],
            offsets=offsets - offsets[rival],
        )


def _most_alike(weights: Vectors) -> NDArray[np.int64]:
    """For each row the other row with the largest cosine to it."""
    unit = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-30)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    others: NDArray[np.int64] = alike.argmax(axis=1)
    return others


def _is_convergence(caught: warnings.WarningMessage) -> bool:
    from sklearn.exceptions import ConvergenceWarning

    return issubclass(caught.category, ConvergenceWarning)


def _is_of_many_classes(caught: warnings.WarningMessage) -> bool:
    """Whether scikit-learn takes few labels of many classes for a regression."""
    return str(caught.message).startswith("The number of unique classes is greater")
