"""Labels that are there before an estimate begins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.selection.checks import IdMap
from gleann.selection.estimate.allocate import Target
from gleann.selection.estimate.answers import as_positives, as_values
from gleann.selection.estimate.estimators import KnownTotals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Labels that somebody has already, in the caller's terms.

    Attributes:
        ids: (m,) distinct.
        positives: (m,) bool: whether the predicate holds.
        values: (m,) the value to add up or average; not needed for a count.
    """

    ids: ArrayLike
    positives: ArrayLike
    values: ArrayLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownRows:
    """The same, checked.

    Attributes:
        rows: int64 (m,).
        positives: bool (m,).
        values: float64 (m,), 0 where not positive.
    """

    rows: Rows
    positives: Mask
    values: NDArray[np.float64]

    @property
    def totals(self) -> KnownTotals:
        """What they add to an estimate."""
        return KnownTotals(
            labelled=len(self.rows),
            positives=float(self.positives.sum()),
            total=float(self.values.sum()),
        )

    def state(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {
            "rows": self.rows.tolist(),
            "positives": self.positives.tolist(),
            "values": self.values.tolist(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "KnownRows":
        """Take `state()` back."""
        return cls(
            rows=np.asarray(state["rows"], np.int64),
            positives=np.asarray(state["positives"], np.bool_),
            values=np.asarray(state["values"], np.float64),
        )


def known_rows(known: Known | None, names: IdMap, *, target: Target) -> KnownRows:
    """Check known labels, or none.

    Raises:
        UnknownIdError: an id that no row has.
        DuplicateIdError: one id twice.
        InvalidInputError: labels or values that do not fit.
    """
    if known is None:
        return KnownRows.of_state({"rows": [], "positives": [], "values": []})
    rows = names.rows_of(known.ids)
    held = as_positives(known.positives, n=len(rows))
    values = as_values(known.values, held, target=target)
    return KnownRows(rows=rows, positives=held, values=values)
