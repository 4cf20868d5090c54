"""A batch of picked rows, with the model's probabilities when they were picked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.saved import Saved

ROUNDED_ONE = 1 + 1e-9
"""An entropy over its largest may end a hair above 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows in the order they were picked, and their probabilities at that time.

    Attributes:
        rows: int64 (m,).
        questions: int64 (m,), the question each was picked for.
        scores: (m,) of the strategy.
        probabilities: (m,) of the last class; NaN for randomly drawn rows without a
            model score.
        uncertainties: (m,) entropy over log(classes), 0 to 1; NaN likewise.
        converged: whether the model's training had converged.
        note: remark on the pool; "" if there is none.
    """

    rows: Rows
    questions: NDArray[np.int64]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    converged: bool
    note: str

    @classmethod
    def none(cls) -> "Batch":
        """An empty batch."""
        empty = np.empty(0)
        return cls(
            rows=np.empty(0, np.int64),
            questions=np.empty(0, np.int64),
            scores=empty,
            probabilities=empty,
            uncertainties=empty,
            converged=True,
            note="",
        )

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows.tolist(),
            "questions": self.questions.tolist(),
            "scores": self.scores.tolist(),
            "probabilities": _none_for_nan(self.probabilities),
            "uncertainties": _none_for_nan(self.uncertainties),
            "converged": self.converged,
            "note": self.note,
        }

    @classmethod
    def of_state(cls, state: Saved, *, n: int, questions: int) -> "Batch":
        """Rebuild from `state`, over `n` rows.

        Raises:
            CorruptDataError: rows that are not there, or parts of other lengths.
        """
        rows = state.rows("rows", n=n)
        m = len(rows)
        return cls(
            rows=rows,
            questions=state.integers("questions", low=0, high=questions - 1, length=m),
            scores=state.numbers("scores", length=m),
            probabilities=state.numbers(
                "probabilities", length=m, low=0, high=1, gaps=True
            ),
            uncertainties=state.numbers(
                "uncertainties", length=m, low=0, high=ROUNDED_ONE, gaps=True
            ),
            converged=state.flag("converged"),
            note=state.text("note"),
        )


def _none_for_nan(values: NDArray[np.float64]) -> list[float | None]:
    """`values` with None for NaN, which JSON does not have."""
    return [None if np.isnan(value) else value for value in values.tolist()]
