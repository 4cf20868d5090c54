"""The drawn rows and their values, each written once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)
from gleann.selection.checks import IdMap, shown
from gleann.selection.estimate.means.params import Statistic
from gleann.selection.saved import Saved

Values = NDArray[np.float64]

LARGEST_VALUE = 1e70
"""Fourth powers of values are added, of which float64 holds those up to 1e77."""


def as_values(
    values: ArrayLike, *, n: int, statistics: tuple[Statistic, ...]
) -> Values:
    """Return labels as (n, J); one statistic may be (n,).

    Raises:
        InvalidInputError: not numbers, a share's that is neither 0 nor 1, or beyond
            1e70.
        DimensionMismatchError: not one for each row and statistic.
        NonFiniteError: infinity, or NaN where the statistic is no "avg".
    """
    given = as_array(values, name="values")
    if given.size and given.dtype.kind not in "biuf":
        raise InvalidInputError(f"values must be numbers, got dtype {given.dtype}")
    table = given.astype(np.float64)
    if table.ndim == 1 and len(statistics) == 1:
        table = table[:, None]
    if table.shape != (n, len(statistics)):
        raise DimensionMismatchError(
            f"values has shape {given.shape} for {n} ids and {len(statistics)}"
            " statistics"
        )
    for column, one in zip(table.T, statistics, strict=True):
        _require_kind(column, one)
    return table


class DrawnValues:
    """Rows of each round, and what was submitted of them.

    Args:
        names: ids of the rows.
        statistics: of the values.

    Attributes:
        rows: (b,) in the order they were drawn.
        values: (b, J); NaN where there is no label.
        labelled: (b,) bool.
        lengths: rows of each round.
    """

    __slots__ = ("_names", "_statistics", "labelled", "lengths", "rows", "values")

    def __init__(self, names: IdMap, statistics: tuple[Statistic, ...]) -> None:
        self._names = names
        self._statistics = statistics
        self.rows: Rows = np.empty(0, np.int64)
        self.values: Values = np.empty((0, len(statistics)))
        self.labelled: Mask = np.empty(0, np.bool_)
        self.lengths: list[int] = []

    @property
    def pending(self) -> Rows:
        """Rows without a label, in the order they were drawn."""
        return self.rows[~self.labelled]

    def add_round(self, rows: Rows) -> None:
        """Ask for the values of rows that were not drawn before."""
        empty = np.full((len(rows), self.values.shape[1]), np.nan)
        self.rows = np.concatenate([self.rows, rows])
        self.values = np.concatenate([self.values, empty])
        self.labelled = np.concatenate([self.labelled, np.zeros(len(rows), np.bool_)])
        self.lengths.append(len(rows))

    def write(self, ids: ArrayLike, values: ArrayLike) -> int:
        """Take values (m, J) of drawn rows; returns how many rows were new.

        Raises:
            As `as_values`; UnknownIdError: an id that no row has; InvalidInputError: a
            row that was not drawn, or other values than before. Nothing is written
            then.
        """
        rows = self._names.rows_of(ids)
        table = as_values(values, n=len(rows), statistics=self._statistics)
        places = self._places(rows)
        before = self.values[places]
        same = (before == table) | (np.isnan(before) & np.isnan(table))
        changed = self.labelled[places] & ~same.all(axis=1)
        if changed.any():
            raise InvalidInputError(
                f"{changed.sum()} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids_of(rows[changed]))}"
            )
        new = int((~self.labelled[places]).sum())
        self.values[places] = table
        self.labelled[places] = True
        return new

    def state(self) -> dict[str, Any]:
        """Rows, values and lengths, as JSON values; null for NaN."""
        listed = self.values.tolist()
        return {
            "rows": self.rows.tolist(),
            "lengths": list(self.lengths),
            "labelled": self.labelled.astype(int).tolist(),
            "values": [[None if v != v else v for v in row] for row in listed],  # noqa: PLR0124 (NaN)
        }

    def restore(self, saved: Saved) -> None:
        """Rebuild from `state()`.

        Raises:
            CorruptDataError: rows that there are not or that come twice, or values that
                do not fit.
        """
        rows = saved.integers("rows", low=0, high=len(self._names) - 1)
        lengths = saved.integers("lengths", low=1)
        if len(np.unique(rows)) < len(rows) or lengths.sum() != len(rows):
            saved.refuse("rows", f"have a row twice, or are not {lengths.tolist()}")
        labelled = saved.integers("labelled", low=0, high=1, length=len(rows)) == 1
        lines = saved.items("values", length=len(rows))
        try:
            # The shape is said: before its first batch a session has no line.
            whole = np.array([_line(line) for line in lines]).reshape(
                len(rows), len(self._statistics)
            )
            table = as_values(
                whole[labelled], n=int(labelled.sum()), statistics=self._statistics
            )
        except (InvalidInputError, TypeError, ValueError) as error:
            saved.refuse("values", f"do not fit: {error}")
        for length in lengths.tolist():
            begin = len(self.rows)
            self.add_round(rows[begin : begin + length])
        self.values[labelled] = table
        self.labelled = labelled

    def _places(self, rows: Rows) -> Rows:
        order = np.argsort(self.rows, kind="stable")
        spots = np.searchsorted(self.rows[order], rows)
        inside = np.minimum(spots, max(len(order) - 1, 0))
        drawn = np.zeros(len(rows), np.bool_)
        if len(order):
            drawn = self.rows[order[inside]] == rows
        if not drawn.all():
            raise InvalidInputError(
                f"{(~drawn).sum()} of {len(rows)} labels are for ids that were not"
                f" asked for: {shown(self._names.ids_of(rows[~drawn]))}"
            )
        return order[inside]


def _line(values: list[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _require_kind(column: Values, statistic: Statistic) -> None:
    missing = np.isnan(column)
    if statistic.kind != "avg" and missing.any():
        raise NonFiniteError(
            f"values of {statistic.name!r} have {missing.sum()} NaN of {len(column)};"
            ' only an "avg" may lack some'
        )
    there = column[~missing]
    if np.isinf(there).any():
        raise NonFiniteError(f"values of {statistic.name!r} have an infinity")
    if (beyond := np.abs(there) > LARGEST_VALUE).any():
        raise InvalidInputError(
            f"values of {statistic.name!r} are beyond {LARGEST_VALUE:g}, such as"
            f" {there[beyond][0]:g}"
        )
    if statistic.kind == "share" and not np.isin(there, (0, 1)).all():
        strange = there[~np.isin(there, (0, 1))][0]
        raise InvalidInputError(
            f"values of the share {statistic.name!r} must be 0 or 1, got {strange:g}"
        )
