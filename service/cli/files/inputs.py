"""Read input files of batch jobs: vectors, ids, scores and groups.

Nothing here unpickles. The vectors of a `.npy` file are read on access, so that a file
may be larger than memory.
"""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError
from gleann.index.tables.list_columns import holds_vectors
from gleann.selection.checks import IdMap
from gleann.service.cli.files import columns
from gleann.service.cli.files.tables import (
    PARQUET_SUFFIXES,
    Table,
    read_table,
    shown_names,
)
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.vector_columns import (
    matrix_of,
    reading,
    require_columns,
    require_vectors,
)

ID_COLUMN = "id"
"""Column that holds the ids unless another one is named."""
GROUP_COLUMN = "group"
ROW_NUMBERS = ""
"""Value of --id-column that leaves the column `id` alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedVectors:
    """Vectors from a file, and their ids.

    Attributes:
        vectors: (n, d), of the stored dtype; a `.npy` file is read slice by slice.
        ids: (n,) ids, or None where the file has none.
    """

    vectors: NDArray[np.generic] | NpyFile
    ids: HeldIds | None


def read_vectors(
    path: Path, *, vectors_column: str | None = None, id_column: str | None = None
) -> NamedVectors:
    """Read vectors from a `.npy` or a parquet file.

    Args:
        path: a `.npy` file with an (n, d) array, or a parquet file with a column of
            equally long lists of numbers.
        vectors_column: name of that column; None if the file has only one.
        id_column: column with the ids; None for the column `id` if there is one,
            `ROW_NUMBERS` for none.

    Raises:
        MissingFileError: the file does not exist or cannot be read.
        InvalidInputError: it contains no vectors.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if vectors_column or id_column:
            raise InvalidInputError(f"{path} is a .npy file and has no columns")
        return NamedVectors(vectors=NpyFile(path), ids=None)
    if suffix not in PARQUET_SUFFIXES:
        raise InvalidInputError(
            f"{path}: vectors are read from .npy or .parquet, not {path.suffix!r}"
        )
    with reading(path):
        schema = pa.parquet.read_schema(path)
        name = vectors_column or _only_vector_column(path, schema)
        _require_one(path, name, schema)
        require_vectors(path, name, schema.field(name).type)
    if id_column is None and ID_COLUMN in schema.names:
        id_column = _usable_ids(path, schema)
    wanted = [name] + ([id_column] if id_column else [])
    table = read_table(path, columns=wanted)
    matrix = matrix_of(table.columns[name], shown=path, name=name, first=0, dim=None)
    ids = columns.own_ids(table, id_column) if id_column else None
    return NamedVectors(vectors=matrix, ids=ids)


def _require_one(path: Path, name: str, schema: pa.Schema) -> None:
    require_columns(path, [name], schema.names)
    if (count := schema.names.count(name)) > 1:
        raise InvalidInputError(f"{path} has {count} columns {name!r}")


def _usable_ids(path: Path, schema: pa.Schema) -> str | None:
    """The column `id`, if its type can hold ids; a note if not.

    Raises:
        InvalidInputError: it holds bytes, such as UUIDs, which are ids of no index.
    """
    kinds = [field.type for field in schema if field.name == ID_COLUMN]
    if len(kinds) > 1 or columns.holds_ids(kinds[0]):
        return ID_COLUMN
    if columns.holds_bytes(kinds[0]):
        raise InvalidInputError(
            f"{path}: column {ID_COLUMN!r} holds {kinds[0]}, and ids are integers or"
            " texts: write them as text, or take row numbers by --id-column ''"
        )
    click.echo(
        f"gleann: note: {path}: ids are row numbers, as column 'id' holds {kinds[0]}",
        err=True,
    )
    return None


def read_array(path: Path) -> NDArray[np.generic]:
    """Read a `.npy` file; object arrays are refused, never unpickled."""
    return np.asarray(NpyFile(path))


def array_table(path: Path, name: str) -> Table:
    """The array (n,) of a `.npy` file as a table with one column.

    Raises:
        InvalidInputError: the array has another shape, or holds neither numbers nor
            texts.
    """
    values = read_array(path)
    if values.ndim != 1:
        raise InvalidInputError(
            f"{path}: {name} must have shape (n,), got {values.shape}"
        )
    return Table.of_array(path, name, values)


def read_column(path: Path, name: str) -> Table:
    """A table with the column `name`: of a `.npy` array (n,), or of a table."""
    if path.suffix.lower() == ".npy":
        return array_table(path, name)
    return read_table(path, columns=(name,))


def read_id_rows(path: Path, pool: IdMap) -> Rows:
    """Rows of ids: a `.npy` array, or the column `id` of a table.

    Raises:
        UnknownIdError: an id of no item.
        DuplicateIdError: an id twice.
    """
    return columns.rows_in(read_column(path, ID_COLUMN), ID_COLUMN, pool)


def read_own_ids(path: Path) -> HeldIds:
    """Ids that define the items: a `.npy` array, or the column `id` of a table."""
    return columns.own_ids(read_column(path, ID_COLUMN), ID_COLUMN)


def read_scores(
    path: Path, pool: IdMap, *, name: str, own: Path | None = None
) -> NDArray[np.float64]:
    """Read one finite number per item.

    Args:
        path: a `.npy` array (n,), or a table with a column `name`; it is found by its
            column `id` where it has one.
        pool: the items.
        name: of the numbers, in messages.
        own: the file of the items, which is in their order.

    Raises:
        UnknownIdError: an id of no item.
        InvalidInputError: another number of rows, or a cell that is no number.
    """
    return columns.numbers(_column_of_items(path, name, pool, own), name)


def as_numbers(path: Path, values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return values from a file as float64; text is refused."""
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"{path} must hold numbers, got {values.dtype}")
    return values.astype(np.float64)


def read_groups(
    given: str, pool: IdMap, *, own: Path | None = None, column: str = GROUP_COLUMN
) -> NDArray[np.generic]:
    """Read the group of each item from FILE or FILE:COLUMN.

    Args:
        given: a `.npy` array (n,), or a table with the column that it names; it is
            found by its column `id` where it has one.
        pool: the items.
        own: the file of the items, which is in their order.
        column: the column where `given` names none.

    Raises:
        UnknownIdError: an id of no item.
        InvalidInputError: another number of rows, or an empty cell.
    """
    path, name = split_column(given, column)
    return columns.categories(_column_of_items(path, name, pool, own), name)


def _column_of_items(path: Path, name: str, pool: IdMap, own: Path | None) -> Table:
    """A table with the column `name` in the order of the items."""
    if path.suffix.lower() == ".npy":
        table = array_table(path, name)
    else:
        ids = () if name == ID_COLUMN or _is_same(path, own) else (ID_COLUMN,)
        table = read_table(path, columns=(name,), optional=ids)
    _require_count(path, name, len(table), len(pool))
    if name == ID_COLUMN or ID_COLUMN not in table.columns:
        return table
    if columns.are_row_numbers(pool) and columns.are_names(table, ID_COLUMN):
        click.echo(
            f"gleann: note: {path}: {name} is taken in row order, as ids here are row"
            f" numbers and column {ID_COLUMN!r} holds others",
            err=True,
        )
        return table
    return table.take(np.argsort(columns.rows_in(table, ID_COLUMN, pool)))


def _is_same(path: Path, own: Path | None) -> bool:
    return own is not None and path.resolve() == own.resolve()


def split_column(given: str, default: str) -> tuple[Path, str]:
    """The file and the column of FILE or FILE:COLUMN; a file may have a colon."""
    if not given:
        raise InvalidInputError("the path of a file with labels or groups is empty")
    file, colon, column = given.rpartition(":")
    if not colon or not file or not column or Path(given).exists():
        return Path(given), default
    return Path(file), column


def _require_count(path: Path, name: str, found: int, n: int) -> None:
    if found != n:
        raise InvalidInputError(
            f"{path}: {name} must have shape ({n},), one an item, got ({found},)"
        )


def _only_vector_column(path: Path, schema: pa.Schema) -> str:
    names = [field.name for field in schema if holds_vectors(field.type)]
    if not names:
        listed = shown_names([f"{field.name} ({field.type})" for field in schema])
        raise InvalidInputError(
            f"{path} has no column of lists of numbers, only {listed or 'no columns'}"
        )
    if len(names) != 1:
        raise InvalidInputError(
            f"{path} has {len(names)} columns of lists of numbers"
            f" ({shown_names(names)}); name one with --vectors-column"
        )
    return names[0]
