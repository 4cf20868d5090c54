"""Validation where data enters selection; inner functions trust their callers."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.checks import as_array
from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.index.ids.checks import hold_distinct, hold_row_ids
from gleann.index.ids.held import shown_id
from gleann.index.ids.table import IdTable
from gleann.index.texts import Texts

Array = TypeVar("Array", bound=NDArray[Any])

SUM_TOLERANCE = 1e-3
"""Tolerance of the sum of a row of probabilities, for float16 outputs."""
EXACT = 1e-12
"""Rows whose sum is this close to one are not normalised."""

AT_MOST = 10
"""Values that a message shows."""


def as_probabilities(values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as class probabilities (n, c), c at least 2.

    Rounding errors are corrected: entries within 1e-3 outside 0..1 are clipped, and
    rows whose sum is within 1e-3 of one are divided by it.

    Raises:
        InvalidInputError: not numbers, not (n, c >= 2), below 0, or a row that sums to
            anything but one (within 1e-3, for float16 outputs).
        NonFiniteError: NaN or infinity.
    """
    table = _as_numbers(values, name="probabilities")
    if table.ndim != 2 or table.shape[1] < 2:
        raise InvalidInputError(
            f"probabilities must be (n, c) with c >= 2 classes, got {table.shape}"
        )
    if table.size and (lowest := table.min()) < -SUM_TOLERANCE:
        row = int(table.min(axis=1).argmin())
        raise InvalidInputError(
            f"probabilities must be at least 0, got {lowest:g} in row {row}"
        )
    sums = table.sum(axis=1)
    if (bad := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)).size:
        raise InvalidInputError(
            f"probabilities of row {bad[0]} sum to {sums[bad[0]]:.6g}, not to 1"
            f" ({bad.size} of {len(table)} rows)"
        )
    return _normalised(table)


def as_scores(
    values: ArrayLike, *, n: int | None = None, name: str = "scores"
) -> NDArray[np.float64]:
    """Return `values` as finite numbers (n,).

    Raises:
        InvalidInputError: not numbers, not one-dimensional, or empty.
        DimensionMismatchError: not n of them.
        NonFiniteError: NaN or infinity.
    """
    scores = _as_numbers(values, name=name)
    if scores.ndim != 1 or not scores.size:
        raise InvalidInputError(
            f"{name} must be one-dimensional and not empty, got shape {scores.shape}"
        )
    if n is not None and len(scores) != n:
        raise DimensionMismatchError(f"{name} has {len(scores)} entries for {n} rows")
    return scores


def as_costs(values: ArrayLike, *, n: int, name: str = "costs") -> NDArray[np.float64]:
    """Return `values` as finite costs (n,), none below 0.

    Raises:
        InvalidInputError: as `as_scores`, or a cost below 0.
    """
    costs = as_scores(values, n=n, name=name)
    if (lowest := costs.min()) < 0:
        raise InvalidInputError(f"{name} must be at least 0, got {lowest}")
    return costs


def as_rows(
    values: ArrayLike, *, n: int, name: str = "rows", names: "IdMap | None" = None
) -> Rows:
    """Return `values` as distinct rows (m,) in 0..n - 1.

    Args:
        values: rows, or a mask (n,) of bool that is True for each of them.
        n: rows there are.
        name: what messages call them.
        names: the rows' ids; if given, `values` are ids, or a mask.

    Raises:
        InvalidInputError: not integers, not one-dimensional, or out of range.
        DimensionMismatchError: a mask of another length.
        DuplicateIdError: one row twice.
        UnknownIdError: an id that no row has.
    """
    if (masked := rows_of_mask(values, n=n, name=name)) is not None:
        return masked
    if names is not None:
        return names.rows_of(values, name=name)
    rows = as_array(values, name=name)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InvalidInputError(
            f"{name} must be a list of integers, got {rows.dtype} {rows.shape}"
        )
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        bad = rows.min() if rows.min() < 0 else rows.max()
        raise InvalidInputError(f"{name} must be in 0..{n - 1}, got {bad}")
    if len(distinct := np.unique(rows)) != len(rows):
        raise DuplicateIdError(
            f"{name} has {len(rows)} entries, of which {len(distinct)} distinct"
        )
    return rows.astype(np.int64)


def rows_of_mask(values: ArrayLike, *, n: int, name: str) -> Rows | None:
    """The rows (m,) that a mask (n,) of bool holds, ascending; None for no mask.

    Raises:
        DimensionMismatchError: a mask of another length.
    """
    if isinstance(values, Texts):
        return None
    # Ids are checked with messages of their own.
    kinds = set(map(type, values)) if isinstance(values, list | tuple) else {bool}
    if not kinds or not kinds <= {bool, np.bool_}:
        return None
    mask = as_array(values, name=name)
    if mask.dtype != np.bool_:
        return None
    if mask.shape != (n,):
        raise DimensionMismatchError(
            f"{name} is a mask of shape {mask.shape} for {n} rows"
        )
    return np.flatnonzero(mask)


def require_between(
    name: str, value: object, *, low: float, high: float, why: str = ""
) -> None:
    """Refuse a parameter that is no number, or outside low..high.

    Raises:
        InvalidParamsError: with the value and the bound.
    """
    if isinstance(value, bool) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise InvalidParamsError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high:
        reason = f" ({why})" if why else ""
        raise InvalidParamsError(
            f"{name} must be in {low:g}..{high:g}{reason}, got {value}"
        )


def require_names(name: str, values: object) -> None:
    """Refuse what is no sequence of texts, none of them empty.

    Raises:
        InvalidParamsError: with the values.
    """
    listed = values if isinstance(values, tuple | list) else [None]
    if not all(isinstance(value, str) and value for value in listed):
        raise InvalidParamsError(
            f"{name} must be names, none of them empty; got {values!r}"
        )


def require_count(name: str, value: object, *, at_least: int = 1) -> None:
    """Refuse what is not an integer of at least `at_least`.

    Raises:
        InvalidParamsError: with the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidParamsError(f"{name} must be an integer, got {value!r}")
    if value < at_least:
        raise InvalidParamsError(f"{name} must be at least {at_least}, got {value}")


def kept(array: Array, given: object) -> Array:
    """`array`, made from a caller's `given`, in memory that no one else can write to.

    It is copied if it shares writable memory with `given`; a new array, `index.vectors`
    and a read-only memory map are not copied.
    """
    if array is not given and array.base is None:
        return array
    holder: object = array
    while isinstance(holder, np.ndarray):
        if holder.flags.writeable:
            return array.copy()
        holder = holder.base
    return array


class IdMap(IdTable):
    """The caller's ids of rows 0..n - 1, and rows by distinct id.

    Args:
        ids: n distinct ids, copied if they are writable; None numbers the rows.
        n: rows.
        of: rows that these are some of; None where they are all.
    """

    def __init__(self, ids: ArrayLike | None, *, n: int, of: int | None = None) -> None:
        where = f"the {n} rows" if of is None else f"the {n} of {of} rows to look at"
        super().__init__(hold_row_ids(ids, n=n), where=where)

    def rows_of(self, ids: ArrayLike, *, name: str = "ids") -> Rows:
        """Rows (m,) of distinct `ids` (m,), or of a mask (n,) of bool.

        Raises:
            InvalidInputError: not ids.
            DuplicateIdError: one id twice.
            DimensionMismatchError: a mask of another length.
            UnknownIdError: an id that no row has.
        """
        masked = rows_of_mask(ids, n=len(self), name=name)
        if masked is not None:
            return masked
        return super().rows_of(hold_distinct(ids, name=name))


def shown(values: NDArray[Any]) -> str:
    """The first `AT_MOST` of `values` for a message, long ones truncated."""
    head = ", ".join(map(shown_id, values[:AT_MOST].tolist()))
    return head if len(values) <= AT_MOST else f"{head}, ..."


def _normalised(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip at 0, and divide rows (n, c) by their sum unless it is one within EXACT."""
    np.maximum(table, 0.0, out=table)
    sums = table.sum(axis=1, keepdims=True)
    off = np.abs(sums - 1) > EXACT
    return np.where(off, table / sums, table)


def _as_numbers(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    array = as_array(values, name=name)
    if array.dtype.kind not in "fiub":
        raise InvalidInputError(f"{name} must be numbers, got dtype {array.dtype}")
    numbers: NDArray[np.float64] = array.astype(np.float64)
    require_finite(numbers, name=name)
    return numbers


def require_finite(numbers: NDArray[np.float64], *, name: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        NonFiniteError: naming the first row that has them.
    """
    strange = ~np.isfinite(numbers)
    if bad := int(strange.sum()):
        at = np.argwhere(strange)[0]
        where = f"{name} row {at[0]}" if len(at) else name
        raise NonFiniteError(
            f"{where} has NaN or infinity ({bad} of {numbers.size} entries)"
        )
