"""Columns that a caller gave for the vectors of an index, in the order of its rows."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import DimensionMismatchError
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import id_at, shown_id
from gleann.service.views.live_index import View, sealed_index
from gleann.service.views.payload_values import numbers_at

if TYPE_CHECKING:
    from gleann.selection.among import Among


def in_order(
    view: View,
    ids: HeldIds,
    proxy: NDArray[np.float64],
    among: "Among | None",
    *,
    name: str = "proxy",
) -> NDArray[np.float64]:
    """A proxy (n,) of `ids`, reordered to the index's rows; NaN where none is needed.

    Raises:
        UnknownIdError: unknown id.
        DimensionMismatchError: not one for each row, or for each of those `among` which
            the estimate is.
    """
    rows = rows_given(view, ids, among, name=name)
    ordered = np.full(len(sealed_index(view)), np.nan)
    ordered[rows] = proxy
    return ordered


def column_in_order(
    view: View, column: str, among: "Among | None"
) -> NDArray[np.float64]:
    """A column of payload as numbers (n,) of the rows; NaN where none is needed.

    Raises:
        As `numbers_at`.
    """
    n = len(sealed_index(view))
    rows = np.arange(n) if among is None else among.rows
    ordered = np.full(n, np.nan)
    ordered[rows] = numbers_at(view, column, rows)
    return ordered


def rows_given(view: View, ids: HeldIds, among: "Among | None", *, name: str) -> Rows:
    """The rows of `ids` (m,), which are all that need an entry of a column.

    Args:
        view: of a built index.
        ids: for which there is an entry.
        among: the rows that need one; None for all.
        name: of the column, in messages.

    Raises:
        As `in_order`.
    """
    index = sealed_index(view)
    rows = view.require(hold_distinct(ids))
    if among is None and len(rows) != len(index):
        raise DimensionMismatchError(
            f"{name} has {len(rows)} numbers, but {view.name!r} has {len(index)}"
            " vectors"
        )
    if among is not None:
        bare = among.rows[~np.isin(among.rows, rows)]
        if bare.size:
            raise DimensionMismatchError(
                f"{name} has no number for {bare.size} of {len(among)} vectors of"
                f" {view.name!r} that pass the filter, such as id"
                f" {shown_id(id_at(index.held_ids, bare[0]))}"
            )
    return rows
