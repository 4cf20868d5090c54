"""Columns of payload that name a group of each vector, such as its split."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.service.jobs.curation.pool import Pool
from gleann.service.jobs.curation.work import Asked
from gleann.service.views import payload_values

NONE = ""
"""The word of a vector that takes no part."""


def require_words(asked: Asked, name: str) -> None:
    """Refuse a column that names no groups, before any vector is read.

    Raises:
        UnknownColumnError: there is no such column.
        InvalidInputError: a column of another type.
    """
    column = asked.view.payload_at(np.empty(0, np.int64), [name]).column(name)
    payload_values.require_words(name, column.type)


def words_taking_part(asked: Asked, name: str) -> NDArray[np.object_]:
    """A column of payload as texts (m,) for the vectors that take part, before work.

    With `NONE` behind them where there are others, as `column_words` has it: so what is
    refused of them is told in the same words.

    Raises:
        As `column_words`.
    """
    words = payload_values.words_at(asked.view, name, asked.passing)
    return words if len(words) == asked.view.count else np.append(words, NONE)


def column_words(pool: Pool, name: str) -> NDArray[np.object_]:
    """A column of payload as texts (n,) for all vectors of a pool.

    Those that do not take part have `NONE`.

    Raises:
        InvalidInputError: a null within those that take part.
        and those of `require_words`.
    """
    rows: Rows = np.arange(len(pool)) if pool.among is None else pool.among.rows
    words = np.full(len(pool), NONE, object)
    words[rows] = payload_values.words_at(pool.view, name, pool.rows[rows])
    return words
