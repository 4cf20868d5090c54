"""Labels that are known before an estimate session starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidParamsError
from gleann.selection.estimate.labels.answers import (
    NO_GROUP,
    as_groups,
    as_positives,
    as_values,
    require_in_range,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.population import Population
from gleann.selection.estimate.stratified.estimators import KnownTotals
from gleann.selection.estimate.stratified.tally import LARGEST_VALUE
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Labels known before the session, as the caller gives them.

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
    """`Known`, checked.

    Attributes:
        rows: int64 (m,).
        positives: bool (m,).
        values: float64 (m,), 0 where not positive.
        outside: labels of rows outside the population, which are left out.
    """

    rows: Rows
    positives: Mask
    values: NDArray[np.float64]
    outside: int = 0

    @property
    def totals(self) -> KnownTotals:
        """Their totals, which are added to the estimate."""
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
            **_outside_state(self.outside),
        }

    @classmethod
    def none(cls) -> "KnownRows":
        """No label yet."""
        return cls(
            rows=np.empty(0, np.int64),
            positives=np.empty(0, np.bool_),
            values=np.empty(0),
        )

    @classmethod
    def of_state(cls, state: Saved, *, n: int) -> "KnownRows":
        """Rebuild from `state()`, over `n` rows.

        Raises:
            CorruptDataError: rows that are not there, or parts of other lengths.
        """
        rows = state.rows("rows", n=n)
        positives = state.flags("positives", length=len(rows))
        return cls(
            rows=rows,
            positives=positives,
            values=_values_of(state, positives),
            outside=_outside_of(state),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownGroups:
    """Labels known before the session that name the group of each row.

    Attributes:
        ids: (m,) distinct.
        groups: (m,) numbers of their groups, -1 for a row in none; or their names, ""
            for a row in none.
        values: (m,) the value to add up or average; not needed for a count.
    """

    ids: ArrayLike
    groups: ArrayLike
    values: ArrayLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownGroupRows:
    """`KnownGroups`, checked.

    Attributes:
        rows: int64 (m,).
        groups: int32 (m,), -1 for a row in none.
        values: float64 (m,), 0 for a row in none.
        outside: labels of rows outside the population, which are left out.
    """

    rows: Rows
    groups: NDArray[np.int32]
    values: NDArray[np.float64]
    outside: int = 0

    def totals(self, group: int) -> KnownTotals:
        """Their totals for one group."""
        held = self.groups == group
        return KnownTotals(
            labelled=len(self.rows),
            positives=float(held.sum()),
            total=float(self.values[held].sum()),
        )

    def state(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {
            "rows": self.rows.tolist(),
            "groups": self.groups.tolist(),
            "values": self.values.tolist(),
            **_outside_state(self.outside),
        }

    @classmethod
    def none(cls) -> "KnownGroupRows":
        """No label yet."""
        return cls(
            rows=np.empty(0, np.int64), groups=np.empty(0, np.int32), values=np.empty(0)
        )

    @classmethod
    def of_state(cls, state: Saved, *, n: int, groups: int) -> "KnownGroupRows":
        """Rebuild from `state()`, over `n` rows.

        Raises:
            CorruptDataError: rows or groups that are not there, or parts of other
                lengths.
        """
        rows = state.rows("rows", n=n)
        numbers = state.integers(
            "groups", low=NO_GROUP, high=groups - 1, length=len(rows)
        )
        return cls(
            rows=rows,
            groups=numbers.astype(np.int32),
            values=_values_of(state, numbers > NO_GROUP),
            outside=_outside_of(state),
        )


def known_group_rows(
    known: KnownGroups | None,
    population: Population,
    params: EstimateParams,
    *,
    groups: Sequence[str],
) -> KnownGroupRows:
    """Check known labels of groups, or none; those outside the population are left out.

    Raises:
        UnknownIdError: an id that no row has.
        DuplicateIdError: one id twice.
        InvalidInputError: groups or values that do not fit, or a value outside the
            range of the parameters.
    """
    if known is None:
        return KnownGroupRows.none()
    rows, inside = population.find(known.ids)
    numbers = as_groups(known.groups, n=len(inside), groups=groups)
    held = numbers > NO_GROUP
    values = as_values(known.values, held, target=params.statistic)
    numbers, held, values = numbers[inside], held[inside], values[inside]
    require_in_range(values, held, population.names.ids_of(rows), params.value_range)
    outside = len(inside) - len(rows)
    return KnownGroupRows(rows=rows, groups=numbers, values=values, outside=outside)


def require_open_rows(
    params: EstimateParams, *, n: int, known: KnownRows | KnownGroupRows
) -> None:
    """Refuse a budget above the number of unlabelled rows.

    Raises:
        InvalidParamsError: a budget above the rows of `n` that have no label.
    """
    rows = n - len(known.rows)
    if params.budget > rows:
        there = f"{rows} rows" + (" without a label" if len(known.rows) else "")
        raise InvalidParamsError(f"budget is {params.budget}, but there are {there}")


def known_rows(
    known: Known | None, population: Population, params: EstimateParams
) -> KnownRows:
    """Check known labels, or none; those outside the population are left out.

    Raises:
        UnknownIdError: an id that no row has.
        DuplicateIdError: one id twice.
        InvalidInputError: labels or values that do not fit, or a value outside the
            range of the parameters.
    """
    if known is None:
        return KnownRows.none()
    rows, inside = population.find(known.ids)
    held = as_positives(known.positives, n=len(inside))
    values = as_values(known.values, held, target=params.statistic)
    held, values = held[inside], values[inside]
    require_in_range(values, held, population.names.ids_of(rows), params.value_range)
    outside = len(inside) - len(rows)
    return KnownRows(rows=rows, positives=held, values=values, outside=outside)


def _outside_state(outside: int) -> dict[str, int]:
    """Part of a state; none for 0, as states before there were any."""
    return {"outside": outside} if outside else {}


def _outside_of(state: Saved) -> int:
    return state.integer("outside") if "outside" in state.names else 0


def _values_of(state: Saved, held: Mask) -> NDArray[np.float64]:
    values = state.numbers(
        "values", length=len(held), low=-LARGEST_VALUE, high=LARGEST_VALUE
    )
    if values[~held].any():
        state.refuse("values", "must be 0 where the label is not positive")
    return values
