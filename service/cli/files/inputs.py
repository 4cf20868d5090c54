"""Read what batch jobs are given: .npy, parquet and csv files.

Nothing here unpickles. The vectors of a `.npy` file are read when they are asked for,
so that a job may read a file larger than memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    MissingFileError,
)
from gleann.service.files.npy_file import NpyFile

PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorFile:
    """What a file of vectors holds.

    Attributes:
        vectors: (n, d), of the dtype that is stored; a file is read slice by slice.
        ids: (n,) int64 or string, or None where the file names none.
    """

    vectors: NDArray[np.generic] | NpyFile
    ids: NDArray[np.generic] | None


def read_vectors(
    path: Path, *, vectors_column: str | None = None, id_column: str | None = None
) -> VectorFile:
    """Read vectors from a `.npy` or a parquet file.

    Args:
        path: a `.npy` file with an (n, d) array, or a parquet file with a column of
            equally long lists of numbers.
        vectors_column: which column; None takes the only one there is.
        id_column: column with the ids, if any.

    Raises:
        MissingFileError: the file is not there or cannot be read.
        InvalidInputError: it does not hold vectors.
    """
    if path.suffix == ".npy":
        if vectors_column or id_column:
            raise InvalidInputError(f"{path} is a .npy file and has no columns")
        return VectorFile(vectors=NpyFile(path), ids=None)
    if path.suffix not in PARQUET_SUFFIXES:
        raise InvalidInputError(
            f"{path}: vectors are read from .npy or .parquet, not {path.suffix!r}"
        )
    with reading(path):
        schema = pa.parquet.read_schema(path)
        name = vectors_column or _only_vector_column(path, schema)
        wanted = [name] + ([id_column] if id_column else [])
        _require_columns(path, wanted, schema.names)
        table = pa.parquet.read_table(path, columns=wanted)
    ids = column_array(path, table, id_column) if id_column else None
    return VectorFile(vectors=_matrix(path, name, table[name]), ids=ids)


def read_array(path: Path) -> NDArray[np.generic]:
    """Read a `.npy` file; object arrays are refused, never unpickled."""
    return np.asarray(NpyFile(path))


def read_table(path: Path, *, columns: tuple[str, ...]) -> pa.Table:
    """Read a csv or parquet file that has at least `columns`."""
    with reading(path):
        if path.suffix in PARQUET_SUFFIXES:
            table = pa.parquet.read_table(path)
        else:
            table = pa.csv.read_csv(path)
    _require_columns(path, list(columns), table.column_names)
    return table


def column_array(path: Path, table: pa.Table, name: str) -> NDArray[np.generic]:
    """Take one column without gaps out of a table: numbers, flags or strings.

    Strings come as objects, since NumPy's own lose NULs at their ends.

    Raises:
        InvalidInputError: it has gaps, or holds something else.
    """
    column = table[name].combine_chunks()
    if column.null_count:
        raise InvalidInputError(
            f"{path}: column {name!r} has {column.null_count} empty values"
        )
    if not len(column):  # of which a reader cannot tell the type
        return np.empty(0)
    kind = column.type.value_type if _is_dictionary(column) else column.type
    if not _is_plain(kind):
        raise InvalidInputError(
            f"{path}: column {name!r} must hold numbers, flags or texts, got {kind}"
        )
    with reading(path):
        values: NDArray[np.generic] = column.to_numpy(zero_copy_only=False)
    return values


def _is_dictionary(column: pa.Array) -> bool:
    return bool(pa.types.is_dictionary(column.type))


def _is_plain(kind: pa.DataType) -> bool:
    # A csv column of which only the heading is there holds nulls, none of them.
    tests = ("integer", "floating", "boolean", "string", "large_string", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def read_scores(path: Path, *, n: int, name: str) -> NDArray[np.float64]:
    """Read one number a row.

    Args:
        path: a `.npy` array (n,), or a csv or parquet file with a column `name`.
        n: how many are needed.
        name: what they are called.
    """
    if path.suffix == ".npy":
        values = read_array(path)
    else:
        values = column_array(path, read_table(path, columns=(name,)), name)
    if values.shape != (n,):
        raise InvalidInputError(
            f"{path}: {name} must have shape ({n},), one a row, got {values.shape}"
        )
    return as_numbers(path, values)


def as_numbers(path: Path, values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return what a file holds as float64; text is refused."""
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"{path} must hold numbers, got {values.dtype}")
    return values.astype(np.float64)


def numbers_or_nan(path: Path, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers; empty ones, as the values of negatives may be, are NaN."""
    gapless = column.combine_chunks()
    with reading(path):
        if gapless.null_count or pa.types.is_null(gapless.type):
            gapless = gapless.cast(pa.float64()).fill_null(np.nan)
    return as_numbers(path, gapless.to_numpy(zero_copy_only=False))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while `path` is read into our errors.

    Raises:
        MissingFileError: the file is not there or cannot be read.
        InvalidInputError: it is not what it should be.
    """
    try:
        yield
    except GleannError:
        raise
    except MemoryError as error:
        raise LimitError(f"{path} takes more memory than there is") from error
    except OSError as error:
        reason = error.strerror or str(error) or "cannot be read"
        raise MissingFileError(f"{path}: {reason}") from error
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"{path} cannot be understood: {error}") from error


def _only_vector_column(path: Path, schema: pa.Schema) -> str:
    names = [field.name for field in schema if _holds_vectors(field.type)]
    if len(names) != 1:
        raise InvalidInputError(
            f"{path} has {len(names)} columns of lists of numbers"
            f" ({', '.join(names) or 'none'}); name one with --vectors-column"
        )
    return names[0]


def _holds_vectors(kind: pa.DataType) -> bool:
    if not (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    ):
        return False
    inner = kind.value_type
    return bool(pa.types.is_floating(inner) or pa.types.is_integer(inner))


def _require_columns(path: Path, wanted: list[str], there: list[str]) -> None:
    if missing := [name for name in wanted if name not in there]:
        raise InvalidInputError(
            f"{path} has no column {missing[0]!r}; it has {', '.join(there)}"
        )


def _matrix(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[np.generic]:
    if not _holds_vectors(column.type):
        raise InvalidInputError(f"{path}: column {name!r} holds {column.type}")
    lists = column.combine_chunks()
    flat = lists.flatten()
    if lists.null_count or flat.null_count:
        raise InvalidInputError(f"{path}: column {name!r} has empty values")
    lengths = pa.compute.list_value_length(lists).to_numpy(zero_copy_only=False)
    if len(lengths) and lengths.min() != lengths.max():
        raise InvalidInputError(
            f"{path}: column {name!r} holds vectors of {lengths.min()} and of"
            f" {lengths.max()} dimensions"
        )
    dim = int(lengths[0]) if len(lengths) else 0
    matrix: NDArray[np.generic] = flat.to_numpy(zero_copy_only=False).reshape(
        len(lists), dim
    )
    return matrix
