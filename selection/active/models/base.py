"""The contract of a probability model: classifiers, or probabilities from outside."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.labels import Labels
from gleann.selection.active.models.hyperplanes import Hyperplanes
from gleann.selection.saved import Saved

Probabilities = NDArray[np.float64]
"""Class probabilities (m, c)."""


class ProbabilityModel(Protocol):
    """Class probabilities of rows, for each question."""

    @property
    def converged(self) -> bool:
        """Whether all training had converged."""

    def update(self, labels: Labels) -> None:
        """Train on `labels`, or drop what was computed from fewer."""

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) have probabilities."""

    def probabilities(self, rows: Rows, *, question: int) -> Probabilities:
        """Class probabilities (m, c) of `rows` (m,)."""

    def probabilities_of_vectors(
        self, vectors: ArrayLike, question: int, /
    ) -> Probabilities:
        """Class probabilities (m, c) of vectors (m, d) outside the data set."""

    def hyperplanes(self) -> tuple[Hyperplanes, ...] | None:
        """Hyperplanes of each question's classifier; None where one is not linear."""

    def state(self) -> dict[str, Any]:
        """All that cannot be recomputed, as JSON values."""

    def restore(self, state: Saved, n: int, /) -> None:
        """Rebuild from `state`, over `n` rows."""
