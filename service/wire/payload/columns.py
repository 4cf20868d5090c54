"""Conversion of payload columns' declarations to messages and back, without Arrow."""

from collections.abc import Collection, Iterable, Sequence, Sized

from gleann.index.errors import InvalidInputError
from gleann.index.payload.schema import MOST_COLUMNS, Column, ColumnType, Schema
from gleann.v1 import payload_pb2

ALL_COLUMNS = "*"
"""Stands for all columns in a list of names."""

NUMBER_OF: dict[ColumnType, payload_pb2.ColumnType] = {
    "string": payload_pb2.COLUMN_TYPE_STRING,
    "int64": payload_pb2.COLUMN_TYPE_INT64,
    "float64": payload_pb2.COLUMN_TYPE_FLOAT64,
    "bool": payload_pb2.COLUMN_TYPE_BOOL,
    "timestamp": payload_pb2.COLUMN_TYPE_TIMESTAMP,
    "strings": payload_pb2.COLUMN_TYPE_STRINGS,
    "json": payload_pb2.COLUMN_TYPE_JSON,
}
_TYPE_OF = {number: kind for kind, number in NUMBER_OF.items()}


def require_few_columns(columns: Sized, *, name: str) -> None:
    """Refuse more columns than a schema has, before each becomes an object.

    Raises:
        InvalidInputError: with both numbers.
    """
    if len(columns) > MOST_COLUMNS:
        raise InvalidInputError(
            f"{name} has {len(columns)} columns, at most {MOST_COLUMNS} are allowed"
        )


def columns_to_wire(columns: Iterable[Column]) -> list[payload_pb2.ColumnSpec]:
    """Pack declarations of columns."""
    return [
        payload_pb2.ColumnSpec(
            name=column.name, type=NUMBER_OF[column.type], indexed=column.indexed
        )
        for column in columns
    ]


def schema_of(messages: Collection[payload_pb2.ColumnSpec]) -> Schema:
    """Read declarations of columns.

    Raises:
        InvalidInputError: too many, a type that this version does not know, or what
            `Schema` refuses.
    """
    require_few_columns(messages, name="a schema")
    return Schema(
        Column(name=one.name, type=column_type(one), indexed=one.indexed)
        for one in messages
    )


def column_type(
    message: payload_pb2.ColumnSpec | payload_pb2.PayloadColumn,
) -> ColumnType:
    """The type that a message names.

    Raises:
        InvalidInputError: one that this version does not know.
    """
    kind = _TYPE_OF.get(message.type)
    if kind is None:
        raise InvalidInputError(
            f"column {message.name!r:.80} needs a type from 1 to {len(_TYPE_OF)}, got"
            f" {message.type}"
        )
    return kind


def wanted_names(asked: Sequence[str], schema: Schema) -> tuple[str, ...]:
    """The names of the columns that a request asks for; "*" stands for all.

    Raises:
        UnknownColumnError: a name that the schema does not have.
        InvalidInputError: too many, a name twice, or "*" beside others.
    """
    require_few_columns(asked, name="columns")
    if ALL_COLUMNS in asked:
        if len(asked) > 1:
            raise InvalidInputError(
                f"columns has {ALL_COLUMNS!r}, which takes all, beside"
                f" {len(asked) - 1} others"
            )
        return schema.names
    names = tuple(asked)
    require_once(names)
    return schema.select(names).names


def require_once(names: Sequence[str]) -> None:
    """Refuse a name that is there twice.

    Raises:
        InvalidInputError: with the name, and how often.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(
            f"column {twice!r:.80} is there {names.count(twice)} times: name it once"
        )
