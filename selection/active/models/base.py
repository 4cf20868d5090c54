"""Who says how likely each class is: classifiers, or the caller's own numbers."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.labels import Ledger
from gleann.selection.active.models.hyperplanes import Boundaries
from gleann.selection.saved import Saved

Table = NDArray[np.float64]
"""Class probabilities (m, c)."""


class Judge(Protocol):
    """Probabilities of rows, a table for each question."""

    @property
    def converged(self) -> bool:
        """Whether all training had converged."""

    def learn(self, ledger: Ledger) -> None:
        """Take account of the labels there are."""

    def knows(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) there are probabilities of."""

    def table(self, rows: Rows, *, question: int) -> Table:
        """Class probabilities (m, c) of `rows` (m,)."""

    def table_of_vectors(self, vectors: ArrayLike, *, question: int) -> Table:
        """Class probabilities (m, c) of vectors (m, d) outside the pool."""

    def boundaries(self) -> tuple[Boundaries, ...] | None:
        """Of the classifiers, one a question; None where one is not linear."""

    def state(self) -> dict[str, Any]:
        """What cannot be computed again, as JSON values."""

    def restore(self, state: Saved, *, n: int) -> None:
        """Take back what `state` told."""
