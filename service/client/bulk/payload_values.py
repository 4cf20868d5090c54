"""Payload and columns as callers give them, made ready for requests."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from gleann.index.data.dataset import Dataset
from gleann.index.errors import InvalidInputError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.client.connection import Connection
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.payload.columns import schema_of
from gleann.v1 import index_pb2, payload_pb2

Sent = TypeVar("Sent")
Columns: TypeAlias = str | Sequence[str]
"""Names of columns, one name, or "*" for all of them."""


def ids_or_filter(
    ids: ArrayLike | None, where: str | None, parameters: Sequence[object]
) -> ArrayLike | payload_pb2.Filter:
    """What a change applies to: the ids, or a filter in their place.

    Raises:
        InvalidInputError: both or neither.
        InvalidFilterError: a parameter that no filter can compare with.
    """
    if (ids is None) == (where is None):
        raise InvalidInputError(
            "give ids, or a where in their place, such as 'true' for all vectors;"
            f" {'neither' if ids is None else 'both'} is given"
        )
    if ids is not None:
        return ids
    chosen = filter_to_wire(where, parameters)
    assert chosen is not None
    return chosen


def column_names(columns: Columns) -> list[str]:
    """Names of columns as a request has them."""
    return [columns] if isinstance(columns, str) else list(columns)


async def with_schema(
    connection: Connection, name: str, send: Callable[[Schema], Awaitable[Sent]]
) -> Sent:
    """Send what depends on the columns of an index.

    The columns seen last are taken: asking for them would double the calls of a writer
    of single rows. Where they are refused and others are there now, it is sent again.

    Args:
        connection: to the server.
        name: the index.
        send: what to do with the columns; nothing is done where it is refused.

    Raises:
        UnknownIndexError: no index has this name.
        and what `send` raises.
    """
    if (known := connection.schemas.get(name)) is not None:
        try:
            return await send(known)
        except InvalidInputError:
            if await _fetched(connection, name) == known:
                raise
    return await send(await _fetched(connection, name))


async def _fetched(connection: Connection, name: str) -> Schema:
    request = index_pb2.GetIndexRequest(name=name)
    columns = (await connection.stubs.index.GetIndex(request)).columns
    connection.schemas[name] = schema_of(columns)
    return connection.schemas[name]


def given_payload(values: Any, schema: Schema, *, n: int) -> Payload:
    """The columns that `values` has, checked against those of the index.

    Args:
        values: as `Payload.of` takes them.
        schema: of the index.
        n: rows that there must be.

    Raises:
        UnknownColumnError: a column that the index does not have.
        InvalidInputError: a value that its column cannot hold.
        DimensionMismatchError: not n rows.
    """
    if not isinstance(values, Mapping):
        values = as_table(values)
    names = values if isinstance(values, Mapping) else values.column_names
    return Payload.of(values, schema.select(dict.fromkeys(names)), n=n)


def payload_for_all(values: Any, schema: Schema) -> Payload:
    """One row of payload, from one value a column.

    Args:
        values: a mapping of names to one value each, or a table of one row.
        schema: of the index.

    Raises:
        As `given_payload`.
    """
    if isinstance(values, Mapping):
        values = {name: [value] for name, value in values.items()}
    return given_payload(values, schema, n=1)


def as_table(values: Any) -> Any:
    """A `pyarrow.Table` of a table, as `gleann.data.open` takes them.

    Raises:
        InvalidInputError: something else.
    """
    from gleann.index.data.tables import as_arrow

    if isinstance(values, Payload):
        return values.to_arrow()
    if isinstance(values, Dataset):
        return values.to_arrow()
    if (table := as_arrow(values)) is not None:
        return table
    raise InvalidInputError(
        "a table is a mapping of names to values, or has __arrow_c_stream__, as tables"
        f" of pyarrow, pandas and polars have; got a {type(values).__name__}"
    )


def split_table(
    table: Any, *, id_column: str, vector_column: str
) -> tuple[Any, Any, Any]:
    """The ids, the vectors and the payload of a table.

    Returns:
        Two columns, and a `pyarrow.Table` of all others.

    Raises:
        InvalidInputError: one of the two is missing, or there twice.
    """
    if isinstance(table, Mapping):
        columns = dict(table)
        for name in (id_column, vector_column):
            _require_once(name, list(columns))
        return columns.pop(id_column), columns.pop(vector_column), columns
    held = as_table(table)
    for name in (id_column, vector_column):
        _require_once(name, held.column_names)
    others = held.drop_columns([id_column, vector_column])
    return held.column(id_column), held.column(vector_column), others


def _require_once(name: str, names: Sequence[str]) -> None:
    if (times := names.count(name)) != 1:
        listed = ", ".join(names[:12])
        raise InvalidInputError(
            f"the table needs one column {name!r}, it has {times} among {listed}"
        )
