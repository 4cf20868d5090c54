"""The logistic regression of a session, trained on the labelled rows."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.active.models.classifier import (
    FittedClassifier,
    make_classifier,
)
from gleann.selection.active.params import ActiveParams
from gleann.selection.rounds.params import RoundsParams
from gleann.selection.uncertainty import margin_costs

Probabilities = NDArray[np.float64]
"""Class probabilities (m, c)."""


class TrainedModel:
    """A logistic regression fitted to labelled rows.

    Args:
        params: of the session.
        vectors: (m, d) labelled rows.
        labels: (m,), of two classes at least.
    """

    __slots__ = ("_fitted", "classes")

    def __init__(self, params: RoundsParams, vectors: Vectors, labels: Rows) -> None:
        settings = ActiveParams(
            C=params.C,
            class_weight=params.class_weight,
            max_iter=params.max_iter,
            seed=params.seed,
        )
        self.classes: tuple[int, ...] = tuple(np.unique(labels).tolist())
        self._fitted = FittedClassifier(
            make_classifier(settings, None), vectors, labels, classes=self.classes
        )

    @property
    def converged(self) -> bool:
        """Whether training had converged."""
        return self._fitted.converged

    def probabilities(self, vectors: Vectors) -> Probabilities:
        """Class probabilities (m, c) of `vectors` (m, d), columns as `classes`."""
        return self._fitted.probabilities(vectors)

    def margins(self, vectors: Vectors) -> NDArray[np.float64]:
        """The gap (n,) between the two likeliest classes of `vectors` (n, d).

        By blocks: the table of all probabilities is never in memory.
        """
        gaps = np.empty(len(vectors))
        for block in self._blocks(vectors):
            gaps[block] = margin_costs(self.probabilities(vectors[block]))
        return np.minimum(gaps, 1.0)

    def residuals(self, vectors: Vectors) -> NDArray[np.float32]:
        """Probabilities (n, c) minus one-hot of the likeliest class, as float32.

        The gradient of the loss in the last layer, were the likeliest class (the first
        of equals) the label, is the outer product of this and the row.
        """
        found = np.empty((len(vectors), len(self.classes)), np.float32)
        for block in self._blocks(vectors):
            found[block] = residuals_of(self.probabilities(vectors[block]))
        return found

    def accuracy(self, vectors: Vectors, labels: Rows) -> float:
        """Share of `vectors` (m, d) whose likeliest class is their label."""
        likeliest = np.asarray(self.classes)[self.probabilities(vectors).argmax(axis=1)]
        return float((likeliest == labels).mean())

    def _blocks(self, vectors: Vectors) -> list[slice]:
        width = max(vectors.shape[1], len(self.classes))
        return list(block_slices(len(vectors), max(1, BLOCK_VALUES // width)))


def residuals_of(probabilities: Probabilities) -> NDArray[np.float32]:
    """`probabilities` (m, c) minus one-hot of the likeliest class, first of equals."""
    table = probabilities.copy()
    table[np.arange(len(table)), table.argmax(axis=1)] -= 1
    return table.astype(np.float32)
