"""Payload on the command line: its files, its columns, and the values of filters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import COLUMN_TYPES, Column, ColumnType, Schema
from gleann.service.cli.say import warn

INDEXED = "indexed"
"""What follows the type of a column that is indexed."""

MOST_SHOWN = 8
"""Columns that a line names."""


def names_of(text: str | None) -> tuple[str, ...]:
    """The names of `--columns a,b`."""
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise InvalidParamsError(f"--columns has an empty name: {text!r:.60}")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A column as an option declares it.

    Attributes:
        name: of the column.
        type: of its values; None for that of the file.
        indexed: whether rows of equal values are kept together.
    """

    name: str
    type: ColumnType | None
    indexed: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read NAME, NAME:TYPE, NAME:indexed or NAME:TYPE:indexed.

        Raises:
            InvalidParamsError: another form, or no type of payload.
        """
        name, *more = text.split(":")
        indexed = more[-1:] == [INDEXED]
        kinds = more[:-1] if indexed else more
        kind = next((known for known in COLUMN_TYPES if [known] == kinds), None)
        if kinds and kind is None:
            raise InvalidParamsError(
                f"a column is NAME:TYPE or NAME:TYPE:{INDEXED}, with a type of"
                f" {', '.join(COLUMN_TYPES)}; got {text!r:.60}"
            )
        return cls(name=name, type=kind, indexed=indexed)


def schema_of(file: PayloadFile, columns: str) -> Schema:
    """The columns of `--columns a,b:json,c:string:indexed`.

    Args:
        file: that has them.
        columns: each as `Declared.parse` reads it.

    Raises:
        InvalidInputError: a column that the file lacks, or payload cannot hold.
        InvalidParamsError: another type than those of payload.
    """
    chosen: list[Column] = []
    for text in names_of(columns):
        declared = Declared.parse(text)
        kind = declared.type
        if kind is None or declared.name not in file.names:
            kind = file.schema([declared.name]).column(declared.name).type
        chosen.append(Column(declared.name, kind, indexed=declared.indexed))
    return Schema(chosen)


def possible_columns(file: PayloadFile) -> tuple[Schema, dict[str, str]]:
    """All columns of a file that payload can hold, and why it cannot hold the others.

    A line on stderr says so too.
    """
    schema, refused = file.possible_and_refused()
    if refused:
        shown = [f"{name!r:.60} ({why:.200})" for name, why in refused.items()]
        if len(shown) > MOST_SHOWN:
            shown[MOST_SHOWN:] = [f"and {len(shown) - MOST_SHOWN} more"]
        warn(
            f"{file.path}: {len(refused)} of {len(file.names)} columns are left out:"
            f" {'; '.join(shown)}; --columns names those to take"
        )
    return schema, refused


def written(payload: Payload, path: Path, *, taken: Sequence[str]) -> dict[str, Any]:
    """The columns of payload as the format of an output file has them.

    A csv file gets lists as JSON; moments are RFC 3339 in all that has text only.

    Args:
        payload: the rows.
        path: the file.
        taken: names of columns that the file has already.

    Raises:
        InvalidInputError: a name that is taken, or nulls and lists in a .npz file.
    """
    table = payload.to_arrow()
    columns = {}
    for column in payload.schema.columns:
        if column.name in taken:
            raise InvalidInputError(
                f"--columns names {column.name!r}, and the output has a column of that"
                " name already"
            )
        columns[column.name] = _written(table[column.name], column, path)
    return columns


def _written(values: Any, column: Column, path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return values
    if column.type == "timestamp":
        values = moments_as_text(values)
    if suffix == ".csv" and column.type == "strings":
        texts = [t if t is None else json.dumps(t) for t in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if suffix == ".npz":
        return _numpy(values, column)
    return values


def moments_as_text(values: Any) -> Any:
    """An Arrow column of moments in RFC 3339, which Arrow writes without the T."""
    texts = pa.compute.cast(values, pa.string())
    return pa.compute.replace_substring(texts, " ", "T")


def _numpy(values: Any, column: Column) -> Any:
    if values.null_count or column.type == "strings":
        what = "lists" if column.type == "strings" else f"{values.null_count} nulls"
        raise InvalidInputError(
            f"column {column.name!r} has {what}, which a .npz file cannot hold: write"
            " .parquet, .jsonl or .csv"
        )
    return values.to_numpy()
