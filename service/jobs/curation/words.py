"""Columns of payload that name a group of each vector, such as its split."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import id_at, shown_id
from gleann.service.jobs.curation.pool import Pool
from gleann.service.jobs.curation.work import Asked
from gleann.service.views.live_index import View

NONE = ""
"""The word of a vector that takes no part."""


def require_words(asked: Asked, name: str) -> None:
    """Refuse a column that names no groups, before any vector is read.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: a column of another type.
    """
    column = asked.view.payload_at(np.empty(0, np.int64), [name]).column(name)
    _require_words(name, column.type)


def column_words(pool: Pool, name: str) -> NDArray[np.object_]:
    """A column of payload as texts (n,) for all vectors of a pool.

    Those that do not take part have `NONE`.

    Raises:
        InvalidInputError: a null within those that take part.
        and those of `require_words`.
    """
    rows: Rows = np.arange(len(pool)) if pool.among is None else pool.among.rows
    words = np.full(len(pool), NONE, object)
    words[rows] = words_at(pool.view, name, pool.rows[rows])
    return words


def words_at(view: View, name: str, rows: Rows) -> NDArray[np.object_]:
    """A column of payload as texts (m,) for some rows of a view.

    Raises:
        InvalidInputError: a null.
        and those of `require_words`.
    """
    column = view.payload_at(rows, [name]).column(name)
    _require_words(name, column.type)
    if column.null_count:
        bare = np.flatnonzero(column.is_null().to_numpy())
        first = id_at(view.ids_at(rows[bare[:1]]), 0)
        raise InvalidInputError(
            f"column {name!r} has no value for id {shown_id(first)}"
            f" ({len(bare)} of {len(rows)} vectors have none)"
        )
    words = np.empty(len(rows), object)
    words[:] = column.cast(pa.string()).to_pylist()
    return words


def _require_words(name: str, kind: pa.DataType) -> None:
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (texts or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise InvalidInputError(
            f"column {name!r} is of {kind}: groups are texts, integers or bools"
        )
