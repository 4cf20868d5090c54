"""Columns of payload that name a group of each vector, such as its split."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import shown_id
from gleann.service.jobs.curation.pool import Pool
from gleann.service.jobs.curation.work import Asked

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
    column = pool.view.payload_at(pool.rows[rows], [name]).column(name)
    _require_words(name, column.type)
    if column.null_count:
        bare = np.flatnonzero(column.is_null().to_numpy())
        first = pool.index.ids[rows[bare[:1]]].tolist()[0]
        raise InvalidInputError(
            f"column {name!r} has no value for id {shown_id(first)}"
            f" ({len(bare)} of {len(rows)} vectors have none)"
        )
    words = np.full(len(pool), NONE, object)
    words[rows] = column.cast(pa.string()).to_pylist()
    return words


def _require_words(name: str, kind: pa.DataType) -> None:
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (texts or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise InvalidInputError(
            f"column {name!r} is of {kind}: groups are texts, integers or bools"
        )
