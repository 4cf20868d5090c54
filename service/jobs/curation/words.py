"""Columns of payload as names of groups or strata."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import id_at, shown_id
from gleann.index.payload.payload import Payload
from gleann.service.views.live_index import View


def require_words(view: View, name: str) -> None:
    """Refuse a column whose values are no names.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: it is of another type than string or int64.
    """
    _column(view.payload_at(np.empty(0, np.int64), [name]), name)


def column_words(view: View, name: str, rows: Rows) -> NDArray[Any]:
    """The values (m,) of a column in some rows of a view: int64, or texts as objects.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: as `require_words`, or a row that has no value.
    """
    column = _column(view.payload_at(rows, [name]), name)
    if column.null_count:
        bare = np.flatnonzero(column.is_null().to_numpy())
        first = shown_id(id_at(view.ids_at(rows[bare[:1]]), 0))
        raise InvalidInputError(
            f"column {name!r} has no value for id {first} ({len(bare)} of {len(rows)}"
            " vectors have none)"
        )
    words: NDArray[Any] = column.to_numpy()
    return words


def _column(payload: Payload, name: str) -> Any:
    import pyarrow as pa

    column = payload.column(name)
    kind = column.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (texts or pa.types.is_integer(kind)):
        raise InvalidInputError(
            f"column {name!r} is of {kind}: groups and strata are strings or integers"
        )
    return column
