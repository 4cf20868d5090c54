"""Read input files of batch jobs: .npy, parquet and csv.

Nothing here unpickles. The vectors of a `.npy` file are read on access, so that a file
may be larger than memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.list_columns import holds_vectors
from gleann.service.files.npy_file import NpyFile
from gleann.service.files.vector_columns import (
    matrix_of,
    reading,
    require_columns,
    require_vectors,
)

PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedVectors:
    """Vectors from a file, and their ids.

    Attributes:
        vectors: (n, d), of the stored dtype; a `.npy` file is read slice by slice.
        ids: (n,) int64 or string, or None where the file has none.
    """

    vectors: NDArray[np.generic] | NpyFile
    ids: NDArray[np.generic] | None


def read_vectors(
    path: Path, *, vectors_column: str | None = None, id_column: str | None = None
) -> NamedVectors:
    """Read vectors from a `.npy` or a parquet file.

    Args:
        path: a `.npy` file with an (n, d) array, or a parquet file with a column of
            equally long lists of numbers.
        vectors_column: name of that column; None if the file has only one.
        id_column: column with the ids, if any.

    Raises:
        MissingFileError: the file does not exist or cannot be read.
        InvalidInputError: it contains no vectors.
    """
    if path.suffix == ".npy":
        if vectors_column or id_column:
            raise InvalidInputError(f"{path} is a .npy file and has no columns")
        return NamedVectors(vectors=NpyFile(path), ids=None)
    if path.suffix not in PARQUET_SUFFIXES:
        raise InvalidInputError(
            f"{path}: vectors are read from .npy or .parquet, not {path.suffix!r}"
        )
    with reading(path):
        schema = pa.parquet.read_schema(path)
        name = vectors_column or _only_vector_column(path, schema)
        wanted = [name] + ([id_column] if id_column else [])
        require_columns(path, wanted, schema.names)
        table = pa.parquet.read_table(path, columns=wanted)
    ids = column_array(path, table, id_column) if id_column else None
    require_vectors(path, name, table[name].type)
    lists = table[name].combine_chunks()
    matrix = matrix_of(lists, shown=path, name=name, first=0, dim=None)
    return NamedVectors(vectors=matrix, ids=ids)


def read_array(path: Path) -> NDArray[np.generic]:
    """Read a `.npy` file; object arrays are refused, never unpickled."""
    return np.asarray(NpyFile(path))


def read_table(path: Path, *, columns: tuple[str, ...]) -> pa.Table:
    """Read a csv or parquet file that must have `columns`."""
    with reading(path):
        if path.suffix in PARQUET_SUFFIXES:
            table = pa.parquet.read_table(path)
        else:
            table = pa.csv.read_csv(path)
    require_columns(path, list(columns), table.column_names)
    return table


def column_array(path: Path, table: pa.Table, name: str) -> NDArray[np.generic]:
    """One column of a table, without nulls: numbers, flags or strings.

    Strings have dtype object, since NumPy's string dtype drops trailing NULs.

    Raises:
        InvalidInputError: it has nulls, or another type.
    """
    column = table[name].combine_chunks()
    if column.null_count:
        raise InvalidInputError(
            f"{path}: column {name!r} has {column.null_count} empty values"
        )
    if not len(column):  # a reader cannot infer the type of an empty column
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
    # A csv column with a heading only has the null type and no entries.
    tests = ("integer", "floating", "boolean", "string", "large_string", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def read_scores(path: Path, *, n: int, name: str) -> NDArray[np.float64]:
    """Read one number per row.

    Args:
        path: a `.npy` array (n,), or a csv or parquet file with a column `name`.
        n: expected count.
        name: of the numbers, in messages.
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
    """Return values from a file as float64; text is refused."""
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"{path} must hold numbers, got {values.dtype}")
    return values.astype(np.float64)


def numbers_or_nan(path: Path, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers; nulls, such as values of negatives, become NaN."""
    gapless = column.combine_chunks()
    with reading(path):
        if gapless.null_count or pa.types.is_null(gapless.type):
            gapless = gapless.cast(pa.float64()).fill_null(np.nan)
    return as_numbers(path, gapless.to_numpy(zero_copy_only=False))


def _only_vector_column(path: Path, schema: pa.Schema) -> str:
    names = [field.name for field in schema if holds_vectors(field.type)]
    if len(names) != 1:
        raise InvalidInputError(
            f"{path} has {len(names)} columns of lists of numbers"
            f" ({', '.join(names) or 'none'}); name one with --vectors-column"
        )
    return names[0]
