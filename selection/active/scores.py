"""Class probabilities of rows, with their ids."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.words import column_names


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores(Tabular):
    """Class probabilities by a session's model.

    Attributes:
        ids: (m,) of the rows.
        classes: (c,) the classes, as the session has them.
        probabilities: float64 (m, c).
    """

    ids: Ids
    classes: tuple[Any, ...]
    probabilities: NDArray[np.float64]

    def table(self) -> Table:
        """One line per row: its id, and a column for each class, by its name."""
        names = column_names(self.classes, taken=["id"])
        columns = zip(names, self.probabilities.T, strict=True)
        return Table(columns={"id": self.ids, **dict(columns)})
