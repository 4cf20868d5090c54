"""The probability model of a session that trains classifiers on its labels."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import as_vectors
from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import CorruptDataError
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.base import Probabilities
from gleann.selection.active.models.classifier import Classifier, FittedClassifier
from gleann.selection.active.models.hyperplanes import Hyperplanes
from gleann.selection.active.questions import Questions
from gleann.selection.active.remote import as_remote
from gleann.selection.saved import Saved

MOST = 0.9
"""Share of the rows from which on all are scored, and those of the others dropped."""

FETCHED = 1 << 12
"""Vectors elsewhere that are fetched to be scored; more are scored where they are, with
the last bits of other blocks of rows."""


class TrainedModel:
    """One classifier per question, trained on all labels.

    Args:
        vectors: (n, d) the rows.
        classifier: cloned for each fit.
        questions: the columns of the labels.
    """

    __slots__ = (
        "_classifier",
        "_learnt",
        "_models",
        "_questions",
        "_remote",
        "_vectors",
    )

    def __init__(
        self, vectors: Vectors, classifier: Classifier, questions: Questions
    ) -> None:
        self._vectors = vectors
        self._remote = as_remote(vectors)
        self._classifier = classifier
        self._questions = questions
        self._models: list[FittedClassifier] = []
        self._learnt = 0

    @property
    def converged(self) -> bool:
        """Whether all training had converged."""
        return all(model.converged for model in self._models)

    def update(self, labels: Labels) -> None:
        """Train, unless the models are of these labels already."""
        # Labels are only ever added, so their number says whether models are current.
        if self._learnt == len(labels.rows):
            return
        vectors = self._vectors[labels.rows]
        self._models = [
            FittedClassifier(
                self._classifier,
                vectors,
                labels.answers[:, question],
                classes=self._questions.classes,
            )
            for question in range(self._questions.count)
        ]
        self._learnt = len(labels.rows)

    def has(self, rows: Rows) -> Mask:
        """All rows have probabilities."""
        return np.ones(len(rows), np.bool_)

    def probabilities(self, rows: Rows, *, question: int) -> Probabilities:
        """Class probabilities (m, c) of `rows` (m,)."""
        model, n = self._models[question], len(self._vectors)
        if self._remote is not None and len(rows) > FETCHED:
            return self._remote.apply(model.probabilities, rows)
        if len(rows) < MOST * n:
            return model.probabilities(self._vectors[rows])
        # Nearly all: to score them in place saves a copy of the vectors.
        whole = self._vectors if self._remote is None else self._vectors[np.arange(n)]
        every: Probabilities = model.probabilities(whole)
        return every[rows]

    def probabilities_of_vectors(
        self, vectors: ArrayLike, question: int, /
    ) -> Probabilities:
        """Class probabilities (m, c) of vectors (m, d) outside the data set."""
        points = as_vectors(vectors, dim=self._vectors.shape[1])
        return self._models[question].probabilities(points)

    def hyperplanes(self) -> tuple[Hyperplanes, ...] | None:
        """Hyperplanes of each question's classifier; None where one is not linear."""
        every = [model.hyperplanes() for model in self._models]
        linear = tuple(one for one in every if one is not None)
        return linear if len(linear) == len(every) else None

    def state(self) -> dict[str, Any]:
        """Type and parameters of the classifier; models are retrained from labels."""
        return {"classifier": _identity(self._classifier)}

    def restore(self, state: Saved, _n: int, /) -> None:
        """Check that the classifier is the same.

        Raises:
            CorruptDataError: it is not.
        """
        if (was := state.text("classifier")) != _identity(self._classifier):
            raise CorruptDataError(
                f"the state is of the classifier {was}, got {self._classifier!r}"
            )


def _identity(classifier: Classifier) -> str:
    """A classifier's type and parameters as text, the same in every process.

    A parameter without a JSON value, such as a generator or a function, stands there by
    its type's name: its representation may hold an address.
    """
    params = json.dumps(_as_json(classifier.get_params()), sort_keys=True)
    return f"{type(classifier).__qualname__} {params}"


def _as_json(value: Any) -> Any:
    """`value` as a JSON value."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return _as_json(value.tolist())
    named = value if hasattr(value, "__qualname__") else type(value)
    return named.__qualname__
