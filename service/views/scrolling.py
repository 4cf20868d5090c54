"""Pages of the rows of a view in the order of their ids."""

import numpy as np

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidParamsError
from gleann.index.filters.condition import BoundCondition
from gleann.index.ids.held import shown_id, take_ids
from gleann.index.ids.order import above, count_up_to, first_in_order
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.sharded_view import Readable

FIRST_LOOK = 4
"""Sealed rows looked at first, for each row that a page has."""


def scrolled(
    view: View,
    bound: BoundCondition | None,
    *,
    after_id: int | str | None,
    size: int,
) -> Rows:
    """The next live rows of a condition, by id: numbers by value, strings by bytes.

    The order of the sealed rows is found once; a page looks at the sealed rows that
    follow, and at all newer ones.

    Args:
        view: the state to read.
        bound: None for all rows.
        after_id: the last id of the page before; None starts.
        size: most rows.

    Raises:
        InvalidParamsError: `after_id` is of the other kind of ids.
    """
    require_kind(view, after_id)
    passing = view.passing(bound)
    parts = [_newer(view, passing[view.sealed_rows :], after_id, size)]
    if view.sealed is not None:
        old = passing[: view.sealed_rows]
        parts.append(_sealed(view.sealed, old, after_id, size))
    rows = np.concatenate(parts)
    return rows[first_in_order(view.ids_at(rows), size)]


def require_kind(view: Readable, after_id: int | str | None) -> None:
    """Refuse an id of another kind than those of the view.

    Raises:
        InvalidParamsError: naming both.
    """
    if after_id is None or view.id_type is None:
        return
    given = "string" if isinstance(after_id, str) else "int64"
    if given != view.id_type:
        raise InvalidParamsError(
            f"a page after the id {shown_id(after_id)} ({given}) is asked for, but"
            f" {view.name!r} has {view.id_type} ids"
        )


def _newer(view: View, passing: Mask, after_id: int | str | None, size: int) -> Rows:
    rows = np.flatnonzero(passing)
    ids = take_ids(view.delta.ids, rows)
    if after_id is not None and len(rows):
        later = np.flatnonzero(above(ids, after_id))
        rows, ids = rows[later], take_ids(ids, later)
    return rows[first_in_order(ids, size)] + view.sealed_rows


def _sealed(
    sealed: Sealed, passing: Mask, after_id: int | str | None, size: int
) -> Rows:
    order, start = sealed.id_order, 0
    if after_id is not None:
        start = count_up_to(sealed.index.held_ids, order, after_id)
    found: list[Rows] = []
    missing, look = size, FIRST_LOOK * size
    while missing > 0 and start < len(order):
        rows = order[start : start + look]
        rows = rows[passing[rows]][:missing]
        found.append(rows)
        missing -= len(rows)
        start, look = start + look, 2 * look
    return np.concatenate(found) if found else np.empty(0, np.int64)
