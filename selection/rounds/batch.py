"""The batch of a round, as it was picked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundBatch:
    """Rows in the order they were picked.

    Attributes:
        rows: int64 (m,).
        margins: float64 (m,), the model's gap between the two likeliest classes when
            they were picked; NaN without a model.
        method: the algorithm whose rows they are; "" before the first batch.
        weight: of the mean margin, in mean distances; None for other pickers.
        converged: whether the model's training had converged.
        note: remark on the round; "" for none.
    """

    rows: Rows
    margins: NDArray[np.float64]
    method: str
    weight: float | None
    converged: bool
    note: str

    @classmethod
    def none(cls) -> "RoundBatch":
        """No batch yet."""
        return cls(
            rows=np.empty(0, np.int64),
            margins=np.empty(0),
            method="",
            weight=None,
            converged=True,
            note="",
        )

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows.tolist(),
            "margins": [
                None if np.isnan(gap) else gap for gap in self.margins.tolist()
            ],
            "method": self.method,
            "weight": self.weight,
            "converged": self.converged,
            "note": self.note,
        }

    @classmethod
    def of_state(cls, state: Saved, *, n: int) -> "RoundBatch":
        """Rebuild from `state`, over `n` rows.

        Raises:
            CorruptDataError: a part that does not fit.
        """
        rows = state.rows("rows", n=n)
        return cls(
            rows=rows,
            margins=state.numbers(
                "margins", length=len(rows), low=0, high=1, gaps=True
            ),
            method=state.text("method"),
            weight=state.number_or_none("weight", low=0),
            converged=state.flag("converged"),
            note=state.text("note"),
        )
