"""Class probabilities that the service returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.tables.tabular import Table, Tabular
from gleann.service.values import Labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores(Tabular):
    """Class probabilities of a session's current model.

    Attributes:
        ids: (m,) the vectors.
        classes: (c,) the classes.
        probabilities: float64 (m, c).
    """

    ids: Ids
    classes: Labels
    probabilities: NDArray[np.float64]

    def table(self) -> Table:
        """One line per vector: its id, and a column for each class, by its name."""
        return Table(
            columns={"id": self.ids}
            | {
                str(name): self.probabilities[:, column]
                for column, name in enumerate(self.classes.tolist())
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScorePage:
    """Class probabilities of some vectors by the current model of a session.

    Attributes:
        ids: (m,) the vectors.
        classes: (c,) the classes.
        probabilities: float64 (m, c).
        labelled: number of labels in the model's training set.
        next: start of the next page, None on the last.
    """

    ids: HeldIds
    classes: Labels
    probabilities: NDArray[np.float64]
    labelled: int
    next: int | None
