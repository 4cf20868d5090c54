"""Columns of payload as numbers and as words, one for each of some rows."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import id_at, shown_id
from gleann.service.views.live_index import View


def numbers_at(view: View, name: str, rows: Rows) -> NDArray[np.generic]:
    """A column of payload as numbers (m,) for some rows of a view.

    Times are microseconds, and bools 0 and 1.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: a column of another type, or a null.
    """
    column = view.payload_at(rows, [name]).column(name)
    require_numbers(name, column.type)
    _require_values(view, name, rows, column)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values: NDArray[np.generic] = column.to_numpy()
    return values


def words_at(view: View, name: str, rows: Rows) -> NDArray[np.object_]:
    """A column of payload as texts (m,) for some rows of a view.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: a column of another type, or a null.
    """
    column = view.payload_at(rows, [name]).column(name)
    require_words(name, column.type)
    _require_values(view, name, rows, column)
    words = np.empty(len(rows), object)
    words[:] = column.cast(pa.string()).to_pylist()
    return words


def require_numbers(name: str, kind: pa.DataType) -> None:
    """Refuse a column that has no numbers.

    Raises:
        InvalidInputError: with its type.
    """
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (numbers or pa.types.is_timestamp(kind) or pa.types.is_boolean(kind)):
        raise InvalidInputError(
            f"column {name!r} is of {kind}: scores are numbers, bools or times"
        )


def require_words(name: str, kind: pa.DataType) -> None:
    """Refuse a column that names no groups.

    Raises:
        InvalidInputError: with its type.
    """
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (texts or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise InvalidInputError(
            f"column {name!r} is of {kind}: groups are texts, integers or bools"
        )


def _require_values(view: View, name: str, rows: Rows, column: pa.ChunkedArray) -> None:
    """Refuse nulls, with their number and the first id."""
    if not column.null_count:
        return
    bare = np.flatnonzero(column.is_null().to_numpy())
    first = id_at(view.ids_at(rows[bare[:1]]), 0)
    raise InvalidInputError(
        f"column {name!r} has no value for id {shown_id(first)}"
        f" ({len(bare)} of {len(rows)} vectors have none)"
    )
