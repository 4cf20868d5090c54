"""The rows of each round, and their answers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap, shown
from gleann.selection.estimate.labels.answers import (
    as_positives,
    as_values,
    require_in_range,
)
from gleann.selection.estimate.stratified.allocate import Target
from gleann.selection.estimate.stratified.tally import LARGEST_VALUE
from gleann.selection.saved import Saved

NOT_QUERIED, UNKNOWN = -2, -1


class RoundAnswers:
    """Labels and values of the drawn rows, each written once.

    Args:
        names: the caller's ids of the rows.
        value_range: within which values of positives must lie; None for any.

    Attributes:
        labels: int32 (n,): `NOT_QUERIED`, `UNKNOWN`, or the answer, at least 0.
        values: float64 (n,), 0 where there is none.
    """

    __slots__ = ("_names", "_range", "_rounds", "labels", "values")

    def __init__(
        self, names: IdMap, *, value_range: tuple[float, float] | None = None
    ) -> None:
        n = len(names)
        self._names = names
        self._range = value_range
        self._rounds: list[Rows] = []
        self.labels: NDArray[np.int32] = np.full(n, NOT_QUERIED, np.int32)
        self.values: NDArray[np.float64] = np.zeros(n)

    @property
    def used(self) -> int:
        """Rows that are labelled."""
        return int((self.labels > UNKNOWN).sum())

    @property
    def labelled_rows(self) -> Rows:
        """Rows (m,) that are labelled, ascending."""
        return np.flatnonzero(self.labels > UNKNOWN)

    @property
    def rounds(self) -> list[Rows]:
        """The rows of each round, in order."""
        return self._rounds

    @property
    def finished(self) -> list[Rows]:
        """The rows of each fully labelled round."""
        return [rows for rows in self._rounds if self.answered(rows)]

    @property
    def pending(self) -> Rows:
        """Rows of the last round that have no label yet."""
        if not self._rounds:
            return np.empty(0, np.int64)
        rows = self._rounds[-1]
        return rows[self.labels[rows] == UNKNOWN]

    def add_round(self, rows: Rows) -> None:
        """Add a round of rows to label; rows with labels keep them."""
        self.labels[rows[self.labels[rows] == NOT_QUERIED]] = UNKNOWN
        self._rounds.append(rows)

    def answered(self, rows: Rows) -> bool:
        """Whether all of them are labelled."""
        return bool((self.labels[rows] > UNKNOWN).all())

    def write(
        self, rows: Rows, labels: NDArray[np.integer], values: NDArray[np.float64]
    ) -> int:
        """Take labels (m,) and values (m,) of rows (m,); returns how many were new.

        Raises:
            InvalidInputError: a row that was not queried, another answer than before,
                or a value outside the range. Nothing is written then.
        """
        self._require_queried(rows)
        held = labels > 0
        require_in_range(values, held, self._names.ids_of(rows), self._range)
        self._require_same(rows, labels, values)
        new = int((self.labels[rows] == UNKNOWN).sum())
        self.labels[rows] = labels
        self.values[rows] = values
        return new

    def write_positives(
        self,
        ids: ArrayLike,
        positives: ArrayLike,
        values: ArrayLike | None,
        *,
        target: Target,
    ) -> int:
        """`write` the answers of a caller; see `EstimateSession.submit`."""
        rows = self._names.rows_of(ids)
        held = as_positives(positives, n=len(rows))
        numbers = as_values(values, held, target=target)
        return self.write(rows, held.astype(np.int32), numbers)

    def state(self) -> dict[str, Any]:
        """The answers in the order of the rounds, as JSON values."""
        rows = self._all_rows()
        return {
            "answers": self.labels[rows].tolist(),
            "values": self.values[rows].tolist(),
        }

    def restore(self, state: Saved) -> None:
        """Rebuild from `state()`, after the same rounds have been added.

        Raises:
            CorruptDataError: not one answer per row, or a round that was added before
                the previous one was fully labelled.
        """
        self.read(state, self._all_rows(), labels="answers", largest=1)
        for number, rows in enumerate(self._rounds[:-1]):
            if not self.answered(rows):
                state.refuse("answers", f"lack some of round {number}, not the last")

    def read(self, state: Saved, rows: Rows, *, labels: str, largest: int) -> None:
        """Read the answers of `rows` (m,) from the parts `labels` and "values".

        Raises:
            CorruptDataError: not m of each, labels above the `largest`, or values of
                rows that are not positive.
        """
        m = len(rows)
        found = state.integers(labels, low=UNKNOWN, high=largest, length=m)
        values = state.numbers(
            "values", length=m, low=-LARGEST_VALUE, high=LARGEST_VALUE
        )
        if values[found <= 0].any():
            state.refuse("values", "must be 0 where the label is not positive")
        if self._range is not None:
            low, high = self._range
            outside = (found > 0) & ((values < low) | (values > high))
            if outside.any():
                strange = values[outside][0]
                state.refuse("values", f"must be in {low:g}..{high:g}, has {strange:g}")
        self.labels[rows] = found
        self.values[rows] = values

    def _all_rows(self) -> Rows:
        return np.concatenate([np.empty(0, np.int64), *self._rounds])

    def _require_queried(self, rows: Rows) -> None:
        strange = rows[self.labels[rows] == NOT_QUERIED]
        if strange.size:
            raise InvalidInputError(
                f"{strange.size} of {len(rows)} labels are for ids that were not asked"
                f" for: {shown(self._names.ids_of(strange))}"
            )

    def _require_same(
        self, rows: Rows, labels: NDArray[np.integer], values: NDArray[np.float64]
    ) -> None:
        known = self.labels[rows] != UNKNOWN
        other = (self.labels[rows] != labels) | (self.values[rows] != values)
        changed = rows[known & other]
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids_of(changed))}"
            )
