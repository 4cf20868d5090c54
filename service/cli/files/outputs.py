"""Write output files of batch jobs atomically, without overwriting by accident."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.errors import AlreadyExistsError, StorageError
from gleann.index.texts import Texts

Values: TypeAlias = NDArray[np.generic] | Texts
"""A column of a table."""


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Refuse an output path that exists, unless `overwrite` is set."""
    for path in paths:
        if not overwrite and path.exists():
            raise AlreadyExistsError(
                f"{path} exists already; add --overwrite to replace it"
            )


def make_directory(path: Path) -> None:
    """Create a directory and its parents if missing.

    Raises:
        StorageError: a disk error, or a file is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}") from error


def publish(path: Path, write: Callable[[Path], None]) -> None:
    """Write a temporary file with `write`, then rename it to `path`.

    Raises:
        StorageError: a disk error; an existing file at `path` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(path: Path, columns: Mapping[str, Values]) -> None:
    """Write equally long columns to a parquet file."""
    table = _table(columns)
    publish(path, lambda temporary: pa.parquet.write_table(table, temporary))


def write_csv(path: Path, columns: Mapping[str, Values]) -> None:
    """Write equally long columns to a csv file with a heading."""
    table = _table(columns)
    publish(path, lambda temporary: pa.csv.write_csv(table, temporary))


def _table(columns: Mapping[str, Values]) -> pa.Table:
    return pa.table({name: _column(values) for name, values in columns.items()})


def _column(values: Values) -> pa.Array:
    if isinstance(values, Texts) or values.dtype.kind in "UO":
        # Arrow cuts NumPy strings at the first NUL.
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; NumPy scalars and paths are allowed."""
    text = json.dumps(value, indent=2, default=_plain, allow_nan=False) + "\n"
    publish(path, lambda temporary: _write_text(temporary, text))


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8."""
    publish(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
