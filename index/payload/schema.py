"""Payload columns and their schema; nothing here needs Arrow."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from gleann.index.errors import InvalidInputError, UnknownColumnError

ColumnType = Literal[
    "string", "int64", "float64", "bool", "timestamp", "strings", "json"
]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

INDEXABLE: tuple[ColumnType, ...] = ("string", "int64")
"""Types of columns whose rows of equal values can be kept together."""

MOST_COLUMNS = 1024
"""Most columns of a schema."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SHOWN = 80

_TEXT = r"(large_)?string(_view)?"
_OF_ARROW: tuple[tuple[str, ColumnType], ...] = (
    (rf"{_TEXT}|dictionary<values={_TEXT}, .*>", "string"),
    (r"u?int(8|16|32|64)", "int64"),
    (r"halffloat|float|double", "float64"),
    (r"bool", "bool"),
    (r"timestamp\[.*\]|date(32|64)\[.*\]", "timestamp"),
    (rf"(large_|fixed_size_)?list<\w+: {_TEXT}( not null)?>(\[\d+\])?", "strings"),
)
"""Arrow types, as they are written, and the columns that hold their values."""


@dataclass(frozen=True, slots=True)
class Column:
    """A payload column.

    Attributes:
        name: matches `[A-Za-z_][A-Za-z0-9_]{0,62}`, and is not "id".
        type: of its values: "string", "int64", "float64", "bool", "timestamp"
            (microseconds in UTC), "strings" (lists of strings) or "json" (a text).
        indexed: keep rows of equal values together, for filters of equality; only for
            "string" and "int64".

    Raises:
        InvalidInputError: on creation, another name or type.
    """

    name: str
    type: ColumnType
    indexed: bool = False

    def __post_init__(self) -> None:
        name: object = self.name  # from outside
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"column name {self.name!r:.{_SHOWN}} does not match {_NAME.pattern}"
            )
        if self.name.lower() == "id":
            raise InvalidInputError(
                f"column name {self.name!r} is taken: it is the id of the vector"
            )
        if self.type not in COLUMN_TYPES:
            raise InvalidInputError(
                f"column {self.name!r} has type {self.type!r:.{_SHOWN}}, expected one"
                f" of {', '.join(COLUMN_TYPES)}"
            )
        if not isinstance(self.indexed, bool):
            raise InvalidInputError(
                f"column {self.name!r} has indexed={self.indexed!r:.{_SHOWN}},"
                " expected true or false"
            )
        if self.indexed and self.type not in INDEXABLE:
            raise InvalidInputError(
                f"column {self.name!r} of type {self.type} cannot be indexed, only"
                f" columns of type {' or '.join(INDEXABLE)} can"
            )


@dataclass(frozen=True, slots=True)
class Schema:
    """The payload columns of an index, in order; immutable.

    Attributes:
        columns: at most `MOST_COLUMNS`, whose names differ in more than case.

    Raises:
        InvalidInputError: on creation, a name twice, or too many columns.
    """

    columns: tuple[Column, ...] = ()

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        object.__setattr__(self, "columns", tuple(columns))
        if len(self.columns) > MOST_COLUMNS:
            raise InvalidInputError(
                f"a schema has {len(self.columns)} columns, at most {MOST_COLUMNS}"
                " are allowed"
            )
        seen: dict[str, str] = {}
        for name in self.names:
            if (first := seen.get(name.lower())) is not None:
                raise InvalidInputError(
                    f"columns {first!r} and {name!r} have the same name"
                    + ("" if first == name else " but for case")
                )
            seen[name.lower()] = name

    @classmethod
    def of(cls, columns: Any) -> "Schema":
        """A schema from a mapping of names to types, columns, or a `pyarrow.Schema`.

        Raises:
            InvalidInputError: as on creation, or an Arrow type that no column has.
        """
        if isinstance(columns, Schema):
            return columns
        if isinstance(columns, Mapping):
            return cls(Column(name, kind) for name, kind in columns.items())
        if type(columns).__module__.partition(".")[0] == "pyarrow":
            return cls(map(_column_of_field, columns))
        listed = tuple(columns)
        for column in listed:
            if not isinstance(column, Column):
                raise InvalidInputError(
                    f"a schema is made of columns, got {column!r:.{_SHOWN}}"
                )
        return cls(listed)

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """The schema whose `to_json` is `text`.

        Raises:
            InvalidInputError: it is not the text of a schema.
        """
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"a schema is not JSON: {error}") from error
        return cls.from_values(listed)

    @classmethod
    def from_values(cls, listed: Any) -> "Schema":
        """The schema whose `to_values` is `listed`.

        Raises:
            InvalidInputError: it is not the value of a schema.
        """
        if not isinstance(listed, list):
            raise InvalidInputError("a schema is not a list of columns")
        return cls(map(_column_of_values, listed))

    def to_json(self) -> str:
        """JSON text, the same for equal schemas."""
        return json.dumps(self.to_values(), separators=(",", ":"))

    def to_values(self) -> list[dict[str, Any]]:
        """The columns in values that JSON has."""
        return [
            {"name": column.name, "type": column.type}
            | ({"indexed": True} if column.indexed else {})
            for column in self.columns
        ]

    def __len__(self) -> int:
        return len(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def get(self, name: str) -> Column | None:
        """The column of this name, None if there is none."""
        return next((c for c in self.columns if c.name == name), None)

    def column(self, name: str) -> Column:
        """The column of this name.

        Raises:
            UnknownColumnError: there is none; lists those there are.
        """
        if (column := self.get(name)) is None:
            raise UnknownColumnError(
                f"there is no column {name!r:.{_SHOWN}}, {self.described()}"
            )
        return column

    def described(self) -> str:
        """The columns and their types, for a message."""
        if not self.columns:
            return "there are no columns"
        listed = ", ".join(f"{c.name} ({c.type})" for c in self.columns[:_SHOWN])
        more = len(self.columns) - _SHOWN
        return f"the columns are {listed}" + (f" and {more} more" if more > 0 else "")

    def select(self, names: Iterable[str]) -> "Schema":
        """The columns of these names, in the order of the names.

        Raises:
            UnknownColumnError: a name that no column has.
        """
        return Schema(map(self.column, names))

    def lacks(self, column: Column) -> bool:
        """Whether there is no column of this name, or one that is yet to be indexed."""
        return column.name not in self or self._is_unindexed(column)

    def _is_unindexed(self, column: Column) -> bool:
        """Whether an indexed column is there, with its type, but not indexed."""
        return column.indexed and replace(column, indexed=False) in self.columns

    def with_columns(self, columns: Iterable[Column]) -> "Schema":
        """The schema with further columns behind its own.

        One that is there with the same type, and is not indexed, may be given as
        indexed: then it is.

        Raises:
            InvalidInputError: a name that is taken, or given twice.
        """
        added = Schema(columns).columns
        named = {column.name for column in added if self._is_unindexed(column)}
        own = (replace(c, indexed=True) if c.name in named else c for c in self.columns)
        return Schema((*own, *(c for c in added if c.name not in named)))

    def without(self, names: Iterable[str]) -> "Schema":
        """The schema without the columns of these names.

        Raises:
            UnknownColumnError: a name that no column has.
        """
        dropped = {self.column(name) for name in names}
        return Schema(c for c in self.columns if c not in dropped)


def _column_of_field(field: Any) -> Column:
    """The column that holds the values of an Arrow field."""
    written = str(field.type)
    for form, kind in _OF_ARROW:
        if re.fullmatch(form, written):
            return Column(field.name, kind)
    raise InvalidInputError(
        f"column {field.name!r} has the Arrow type {written:.{_SHOWN}}, which no column"
        f" type ({', '.join(COLUMN_TYPES)}) holds"
    )


def _column_of_values(values: Any) -> Column:
    known = {"name", "type", "indexed"}
    if not isinstance(values, dict) or not {"name", "type"} <= set(values) <= known:
        raise InvalidInputError(
            f"a column of a schema is not described by name, type and indexed:"
            f" {values!r:.{_SHOWN}}"
        )
    return Column(
        values["name"], cast("ColumnType", values["type"]), values.get("indexed", False)
    )
