"""Write output files of batch jobs atomically, without overwriting by accident."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.errors import StorageError
from gleann.index.texts import Texts
from gleann.service.cli.files.tables import JSONL_SUFFIXES, PARQUET_SUFFIXES

Values: TypeAlias = NDArray[np.generic] | Texts | pa.ChunkedArray
"""A column of a table."""

JSONL_ROWS = 1 << 16
"""Rows that are Python objects at once."""


def make_directory(path: Path) -> None:
    """Create a directory and its parents if missing.

    Raises:
        StorageError: a disk error, or a file is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}") from error


def temporary_of(path: Path) -> Path:
    """The file that is written first and then renamed to `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


class Staged:
    """Files that are written but not yet in place; from `staged`."""

    def __init__(self) -> None:
        self._paths: list[Path] = []

    def add(self, path: Path, write: Callable[[Path], None]) -> None:
        """Write a temporary file for `path` with `write`, on disk when this returns.

        Raises:
            StorageError: a disk error.
        """
        temporary = temporary_of(path)
        self._paths.append(path)
        with _refusing(path):
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())

    def add_table(self, path: Path, columns: Mapping[str, Values]) -> None:
        """Write equally long columns; the suffix decides the format."""
        writer = _writer_of(path)
        self.add(path, lambda temporary: writer(temporary, columns))

    def add_tables(self, path: Path, tables: Iterator[pa.Table]) -> None:
        """Write tables of one schema, at least one, as they come.

        Args:
            path: of one of `STREAMED_SUFFIXES`, which decides the format.
            tables: one is in memory at a time.
        """
        self.add(path, lambda temporary: _stream(temporary, path, tables))

    def add_json(self, path: Path, value: object) -> None:
        """Write `value` as indented JSON; NumPy scalars and paths are allowed."""
        text = json.dumps(value, indent=2, default=_plain, allow_nan=False) + "\n"
        self.add(path, lambda temporary: _write_text(temporary, text))

    def publish(self) -> None:
        """Put the files in place, in the order in which they were added."""
        for path in self._paths:
            with _refusing(path):
                temporary_of(path).replace(path)

    def discard(self) -> None:
        """Remove files that are not in place."""
        for path in self._paths:
            with suppress(OSError):
                temporary_of(path).unlink()


@contextmanager
def staged() -> Iterator[Staged]:
    """Write several files: all of them are put in place at the end, or none.

    Raises:
        StorageError: a disk error; existing files are unchanged unless only the renames
            failed.
    """
    files = Staged()
    try:
        yield files
        files.publish()
    finally:
        files.discard()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"cannot write {path}: {reason}") from error


def publish(path: Path, write: Callable[[Path], None]) -> None:
    """Write a temporary file with `write`, then rename it to `path`.

    Raises:
        StorageError: a disk error; an existing file at `path` is unchanged.
    """
    with staged() as files:
        files.add(path, write)


def write_table(path: Path, columns: Mapping[str, Values]) -> None:
    """Write equally long columns; the suffix decides the format."""
    with staged() as files:
        files.add_table(path, columns)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; NumPy scalars and paths are allowed."""
    with staged() as files:
        files.add_json(path, value)


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8."""
    publish(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_parquet(path: Path, columns: Mapping[str, Values]) -> None:
    with path.open("wb") as file:  # Arrow takes paths in UTF-8 only
        pa.parquet.write_table(_table(columns), file)


def _write_csv(path: Path, columns: Mapping[str, Values]) -> None:
    with path.open("wb") as file:
        pa.csv.write_csv(_table(columns), file)


def _stream(path: Path, out: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables to `path` in the format of `out`."""
    first = next(tables)
    with path.open("wb") as file:  # Arrow takes paths in UTF-8 only
        if out.suffix.lower() == ".csv":
            sink = pa.csv.CSVWriter(file, first.schema)
        else:
            sink = pa.parquet.ParquetWriter(file, first.schema)
        with sink as writer:
            for table in chain([first], tables):
                writer.write_table(table)


def _write_jsonl(path: Path, columns: Mapping[str, Values]) -> None:
    table = _table(columns)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(table), JSONL_ROWS):
            part = table.slice(start, JSONL_ROWS)
            cells = [_json_cells(column) for column in part.columns]
            for row in zip(*cells, strict=True):
                named = dict(zip(part.column_names, row, strict=True))
                file.write(json.dumps(named, ensure_ascii=False) + "\n")


def _json_cells(column: pa.ChunkedArray) -> list[object]:
    """Cells as JSON has them: null for NaN and infinity."""
    if pa.types.is_float32(column.type):  # in as few digits as float32 needs
        column = column.cast(pa.string()).cast(pa.float64())
    if pa.types.is_floating(column.type):
        finite = pa.compute.is_finite(column)
        column = pa.compute.if_else(finite, column, None)
    values: list[object] = column.to_pylist()
    return values


def _write_npz(path: Path, columns: Mapping[str, Values]) -> None:
    arrays = {
        name: values.to_numpy() if isinstance(values, Texts) else values
        for name, values in columns.items()
    }
    with path.open("wb") as file:  # NumPy would append .npz to a path
        unpickled = {name: _unpickled(values) for name, values in arrays.items()}
        np.savez(file, **unpickled)  # type: ignore[arg-type]  # not allow_pickle


def _unpickled(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Texts of dtype object as NumPy's own, which need no pickle."""
    return values.astype(np.str_) if values.dtype.kind == "O" else values


_WRITERS: dict[str, Callable[[Path, Mapping[str, Values]], None]] = {
    **dict.fromkeys(PARQUET_SUFFIXES, _write_parquet),
    ".csv": _write_csv,
    **dict.fromkeys(JSONL_SUFFIXES, _write_jsonl),
    ".npz": _write_npz,
}
STREAMED_SUFFIXES = (*PARQUET_SUFFIXES, ".csv")
"""Formats that tables are written to as they come."""
TABLE_SUFFIXES = tuple(_WRITERS)
"""Formats of tables, by the suffix of the file."""


def _writer_of(path: Path) -> Callable[[Path, Mapping[str, Values]], None]:
    return _WRITERS[path.suffix.lower()]


def _table(columns: Mapping[str, Values]) -> pa.Table:
    return pa.table({name: _column(values) for name, values in columns.items()})


def _column(values: Values) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, Texts) or values.dtype.kind in "UO":
        # Arrow cuts NumPy strings at the first NUL.
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
