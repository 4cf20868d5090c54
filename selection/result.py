"""The value that every selection method answers with."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.tables.tabular import Table, Tabular


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection(Tabular):
    """Rows that a method picked, with scores, weights and reasons.

    As a table it has the columns id, rank, row, score, weight and those of `why`.

    Attributes:
        rows: int64 (m,), in the order they were picked.
        ids: (m,) the caller's ids of `rows`.
        scores: float32 (m,), higher means picked sooner.
        weights: float32 (m,), the number of rows each counts for; 1 if unweighted.
        why: one array (m,) per reason, such as "stratum" or "probability".
        summary: facts about the whole selection, such as "radius".
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    rows: Rows
    ids: Ids
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    why: dict[str, NDArray[Any]] = field(default_factory=dict)
    summary: dict[str, float | int | str | bool] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def table(self) -> Table:
        """One line per selected row, in the order they were picked."""
        return Table(
            columns={
                "id": self.ids,
                "rank": np.arange(len(self)),
                "row": self.rows,
                "score": self.scores,
                "weight": self.weights,
                **self.why,
            },
            facts={"summary": self.summary, "provenance": self.provenance},
        )


def clipped_scores(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Finite scores (m,) as float32, clipped to its range."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(scores, -largest, largest).astype(np.float32)
