"""Tables of input files: csv, jsonl, npz and parquet."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.data.files import KINDS, is_glob, local_files
from gleann.index.data.npz_file import DAMAGED_NPZ
from gleann.index.data.tables import columns_of_files, stored_columns
from gleann.index.data.vector_columns import reading
from gleann.index.errors import InvalidInputError
from gleann.service.cli.files import csv_text

PARQUET_SUFFIXES = (".parquet", ".pq")
JSONL_SUFFIXES = (".jsonl", ".ndjson")
BATCH_ROWS = 65_536
SHOWN_NAMES = 12
"""Column names that a message lists."""
SHOWN_CHARACTERS = 60
"""Of a name or a cell that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Columns of a file.

    Attributes:
        path: the file.
        names: of all its columns.
        columns: those that were requested, by name, equally long. Those of a csv file
            are text, exactly as written; others have the types of the file.
        is_csv: whether it is a csv file, which has no types and no nulls.
        rows: row of the file for each row here; None for all of them.
    """

    path: Path
    names: tuple[str, ...]
    columns: dict[str, pa.Array]
    is_csv: bool
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def where(self, row: int) -> str:
        """The file and a row of it, for messages; with the line of a csv file."""
        if self.rows is not None:
            row = int(self.rows[row])
        line = csv_text.line_of(self.path, row) if self.is_csv else None
        return f"{self.path}: row {row}" + ("" if line is None else f" (line {line})")

    @classmethod
    def of_array(cls, path: Path, name: str, values: NDArray[np.generic]) -> "Table":
        """An array (n,) of numbers or texts from a file as a table of one column."""
        with reading(path):
            return cls(
                path=path,
                names=(name,),
                columns={name: _arrow(values)},
                is_csv=False,
            )

    def take(self, rows: NDArray[np.int64]) -> "Table":
        """Some rows of a table that has all of them."""
        chosen = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, columns=chosen, rows=rows)


def read_table(
    path: Path, *, columns: Sequence[str], optional: Sequence[str] = ()
) -> Table:
    """Read columns of a file; its suffix decides the format, csv if it is unknown.

    Args:
        path: the file.
        columns: names of columns that it must have.
        optional: names of columns that are read where they exist.

    Raises:
        MissingFileError: the file does not exist or cannot be read.
        InvalidInputError: it is of another format, or lacks a column, or has two of one
            name, or repeats its heading.
    """
    suffix = path.suffix.lower()
    with reading(path):
        if suffix in PARQUET_SUFFIXES:
            return _read_parquet(path, columns, optional)
        if suffix in JSONL_SUFFIXES:
            return _read_jsonl(path, columns, optional)
        if suffix == ".npz":
            return _read_npz(path, columns, optional)
        if path.is_dir() or is_glob(str(path)) or KINDS.get(suffix) == "arrow":
            return _read_stored(path, columns, optional)
        return _read_csv(path, columns, optional)


def _read_csv(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Table:
    heading = csv_text.read_heading(path)
    wanted = _wanted(path, heading.names, columns, optional)
    numbers = [heading.names.index(name) for name in wanted]
    read = csv_text.read_columns(path, heading, numbers)
    table = Table(
        path=path,
        names=heading.names,
        columns={
            name: column.combine_chunks()
            for name, column in zip(wanted, read, strict=True)
        },
        is_csv=True,
    )
    _refuse_second_heading(table)
    return replace(table, columns={name: _as_text(table, name) for name in wanted})


def _refuse_second_heading(table: Table) -> None:
    """Refuse a row that repeats the heading, as joined files have it."""
    if len(table.columns) < 2:  # an id may be called "id"
        return
    repeats = np.ones(len(table), np.bool_)
    for name, column in table.columns.items():
        same = pa.compute.equal(column, pa.scalar(name.encode(), pa.large_binary()))
        repeats &= same.to_numpy(zero_copy_only=False)
    if (rows := np.flatnonzero(repeats)).size:
        raise InvalidInputError(f"{table.where(rows[0])} is the heading again")


def _as_text(table: Table, name: str) -> pa.Array:
    column = table.columns[name]
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        row = first_failing(column, pa.large_string())
        raise InvalidInputError(
            f"{table.where(row)}: {name} is no text in UTF-8,"
            f" but {column[row].as_py()[:SHOWN_CHARACTERS]!r}"
        ) from error


def first_failing(column: pa.Array, kind: pa.DataType) -> int:
    """First row of a column that cannot be cast to `kind`; there is one."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(kind)
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low


def _read_parquet(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Table:
    with pa.parquet.ParquetFile(path) as file:
        names = tuple(file.schema_arrow.names)
        wanted = _wanted(path, names, columns, optional)
        table = file.read(columns=wanted)
    return Table(
        path=path,
        names=names,
        columns={name: table[name].combine_chunks() for name in wanted},
        is_csv=False,
    )


def _read_stored(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Table:
    """Columns of an Arrow file, or of a folder or glob of files with columns."""
    stored = stored_columns(path, None) if path.is_dir() else None
    found = stored or columns_of_files(local_files(path))
    wanted = _wanted(path, found.names, columns, optional)
    batches = [part.batch for part in found.parts(wanted, rows=BATCH_ROWS)]
    table = pa.Table.from_batches(batches) if batches else None
    return Table(
        path=path,
        names=found.names,
        columns={
            name: pa.nulls(0, found.field(name).type)
            if table is None
            else table[name].combine_chunks()
            for name in wanted
        },
        is_csv=False,
    )


def _read_jsonl(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Table:
    rows = list(json_objects(path))
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    wanted = _wanted(path, names or tuple(columns), columns, optional)
    return Table(
        path=path,
        names=names,
        columns={name: _column(path, rows, name) for name in wanted},
        is_csv=False,
    )


def json_objects(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a file of JSON lines, in order.

    Raises:
        InvalidInputError: a line that is no JSON object.
    """
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InvalidInputError(
                    f"{path}: line {line} is no JSON: {error}"
                ) from error
            if not isinstance(value, dict):
                raise InvalidInputError(f"{path}: line {line} is no JSON object")
            yield value


def _column(path: Path, rows: Sequence[dict[str, object]], name: str) -> pa.Array:
    values = [row.get(name) for row in rows]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        first = next(value for value in values if value is not None)
        row = next(
            row
            for row, value in enumerate(values)
            if value is not None and type(value) is not type(first)
        )
        raise InvalidInputError(
            f"{path}: row {row}: {name} is {values[row]!r}, and {first!r} before"
        )
    return pa.array(values, pa.float64() if len(kinds) > 1 else None)


def _read_npz(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Table:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = tuple(getattr(file, "files", ()))
            wanted = _wanted(path, names, columns, optional)
            arrays = {name: np.asarray(file[name]) for name in wanted}
    except DAMAGED_NPZ as error:
        raise InvalidInputError(f"{path} is no .npz file: {error}") from error
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        listed = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise InvalidInputError(f"{path} needs arrays (n,) of one length, got {listed}")
    return Table(
        path=path,
        names=names,
        columns={name: _arrow(array) for name, array in arrays.items()},
        is_csv=False,
    )


def _arrow(array: NDArray[np.generic]) -> pa.Array:
    if array.dtype.kind == "U":
        return pa.array(array.tolist(), pa.large_string())
    return pa.array(array.astype(array.dtype.newbyteorder("=")))


def _wanted(
    path: Path,
    names: Sequence[str],
    columns: Sequence[str],
    optional: Sequence[str],
) -> list[str]:
    """Names to read, in order.

    Raises:
        InvalidInputError: one of `columns` is missing, or a name occurs twice.
    """
    wanted = [*columns, *(name for name in optional if name in names)]
    if missing := [name for name in wanted if name not in names]:
        raise InvalidInputError(
            f"{path} has no column {missing[0]!r}, only {shown_names(names)}"
            + _separator_hint(names)
        )
    for name in wanted:
        if (count := names.count(name)) > 1:
            places = [str(at + 1) for at, other in enumerate(names) if other == name]
            raise InvalidInputError(
                f"{path} has {count} columns {name!r} (columns {', '.join(places)})"
            )
    return wanted


def shown_names(names: Sequence[str]) -> str:
    """Column names for a message, odd ones quoted, long ones truncated."""
    shown = [
        name if name.isprintable() and not set(name) & set("'\"") else repr(name)
        for name in (name[:SHOWN_CHARACTERS] for name in names[:SHOWN_NAMES])
    ]
    return ", ".join(shown) + (", ..." if len(names) > SHOWN_NAMES else "")


def _separator_hint(names: Sequence[str]) -> str:
    if len(names) == 1 and (marks := [mark for mark in ";\t|" if mark in names[0]]):
        return f"; columns are separated by commas, not by {marks[0]!r}"
    return ""
