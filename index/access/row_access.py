"""Ids and payload of the rows of an index, and selection of rows by either."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, Ids, Mask, Rows
from gleann.index.filters.condition import Condition
from gleann.index.ids.held import IdLookup
from gleann.index.ids.table import IdTable
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.texts import Texts

if TYPE_CHECKING:
    from gleann.index.filters.values import IdType


class RowAccess:
    """What a `SoarIndex` has of each row beside the vector."""

    def __init__(self, table: IdTable, payload: Payload | None) -> None:
        self._table = table
        self._payload = payload

    @property
    def ids(self) -> Ids:
        """(n,) the caller's ids, in row order; strings as wide as the longest.

        Integers are read-only, strings a copy.
        """
        return self._table.ids

    @property
    def held_ids(self) -> HeldIds:
        """(n,) the ids; in memory, a long string costs its own length only."""
        return self._table.held

    @property
    def id_lookup(self) -> IdLookup:
        """Finds rows by id."""
        return self._table.lookup

    @property
    def payload(self) -> Payload | None:
        """(n,) the values of the payload columns, in row order; None without any."""
        return self._payload

    @property
    def schema(self) -> Schema:
        """The payload columns."""
        return Schema() if self._payload is None else self._payload.schema

    def where(self, where: str, parameters: Sequence[object] = ()) -> Mask:
        """The rows that meet a condition, for `SearchParams.allowed`.

        `index.search(queries, SearchParams(allowed=index.where("year >= 2020")))`
        searches among them.

        Args:
            where: the condition, as SQL's WHERE clause has it; see the README.
            parameters: the values of $1, $2 and so on.

        Returns:
            bool (n,), read-only: True where the condition is true, not null.

        Raises:
            InvalidFilterError: it does not follow the grammar, names a column that is
                not there, or compares one with a value of another type; with the
                position.
        """
        ids = self.held_ids
        id_type: IdType = "string" if isinstance(ids, Texts) else "int64"
        bound = Condition(where, parameters).bound(self.schema, id_type=id_type)
        mask = bound.mask(self._payload_or_none(), ids)
        mask.flags.writeable = False
        return mask

    def payload_of(
        self, ids: ArrayLike, columns: Iterable[str] | None = None
    ) -> Payload:
        """The payload of vectors, such as `Found.ids`.

        Args:
            ids: of any shape, in the order of which the payload comes; nulls stand
                where there is no id (-1 or "").
            columns: names of the columns; None takes all.

        Raises:
            UnknownColumnError: a column that is not there.
            UnknownIdError: an id that is not in the index.
        """
        payload = self._payload_or_none()
        if columns is not None:
            payload = payload.select(columns)
        given = np.asarray(ids).ravel()
        there = given != "" if given.dtype.kind == "U" else given != -1
        rows = np.full(len(given), -1, np.int64)
        rows[there] = self.rows_of(given[there])
        return payload.take(rows)

    def rows_of(self, ids: ArrayLike) -> Rows:
        """Rows (m,) of `ids` (m,).

        Raises:
            UnknownIdError: an id that is not in the index.
        """
        return self._table.rows_of(ids)

    def mask_of(self, ids: ArrayLike) -> Mask:
        """The `allowed` mask (n,) that lets exactly `ids` through.

        Raises:
            UnknownIdError: an id that is not in the index.
        """
        mask = np.zeros(len(self.held_ids), np.bool_)
        mask[self.rows_of(ids)] = True
        return mask

    def _payload_or_none(self) -> Payload:
        if self._payload is not None:
            return self._payload
        return Payload.nulls(Schema(), len(self.held_ids))


def as_payload(payload: Any, *, n: int) -> Payload | None:
    """The payload that a build was given, of n rows; None without columns.

    Raises:
        InvalidInputError: a value that no column holds.
        DimensionMismatchError: another number of rows.
    """
    if payload is None:
        return None
    if isinstance(payload, Payload) and len(payload) == n:
        held = payload
    else:
        schema = payload.schema if isinstance(payload, Payload) else None
        held = Payload.of(payload, schema, n=n)
    return held if len(held.schema) else None
