"""Payload on the command line: its files, its columns, and the values of filters."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import COLUMN_TYPES, Column, Schema
from gleann.service.files.payload_files import PayloadFile


def names_of(text: str | None) -> tuple[str, ...]:
    """The names of `--columns a,b`."""
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise InvalidParamsError(f"--columns has an empty name: {text!r:.60}")
    return names


def schema_of(
    file: PayloadFile, columns: str | None, *, leave_out: Sequence[str | None] = ()
) -> Schema:
    """The columns of `--columns a,b:json`; all that payload can hold for None.

    Args:
        file: that has them.
        columns: names, each with a type of its own after a colon if it is not that of
            the file.
        leave_out: names that are not payload, such as that of the ids.

    Raises:
        InvalidInputError: a column that the file lacks, or payload cannot hold.
        InvalidParamsError: another type than those of payload.
    """
    if columns is None:
        return file.possible(leave_out=leave_out)
    chosen: list[Column] = []
    for text in names_of(columns):
        name, _, kind = text.partition(":")
        if not kind:
            chosen.extend(file.schema([name]).columns)
        elif kind not in COLUMN_TYPES:
            raise InvalidParamsError(
                f"--columns gives {name!r:.60} the type {kind!r:.60}, expected one of"
                f" {', '.join(COLUMN_TYPES)}"
            )
        elif name not in file.names:
            file.schema([name])
        else:
            chosen.append(Column(name, kind))
    return Schema(chosen)


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
