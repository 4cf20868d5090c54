"""Read input files of batch jobs: vectors, ids, scores and groups.

Nothing here unpickles. The vectors of a `.npy` file are read on access, so that a file
may be larger than memory.
"""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.data.dataset import RowReader
from gleann.index.data.files import KINDS, TABLES, source_text
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.open import open_dataset
from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import id_at, shown_id
from gleann.selection.checks import IdMap
from gleann.service.cli.files import columns
from gleann.service.cli.files.tables import Table, read_table

ID_COLUMN = "id"
"""Column that holds the ids unless another one is named."""
GROUP_COLUMN = "group"
SHOWN_IDS = 5
"""Of those that a file lacks, in a message."""
ROW_NUMBERS = ""
"""Value of --id-column that leaves the column `id` alone."""
ROW_SUFFIXES = tuple(
    suffix for suffix, kind in KINDS.items() if kind not in (*TABLES, "npz")
)
"""Files that have vectors and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedVectors:
    """Vectors from a file, and their ids.

    Attributes:
        vectors: (n, d), of the stored dtype; read slice by slice.
        ids: (n,) ids, or None where the file has none.
        table: all columns of the source; None where it has none.
    """

    vectors: RowReader
    ids: HeldIds | None
    table: PayloadFile | None = None


def read_vectors(
    path: Path, *, vectors_column: str | None = None, id_column: str | None = None
) -> NamedVectors:
    """Open vectors, of whatever `gleann.data.open` takes by a path.

    Args:
        path: a file, a folder, a glob or an URL.
        vectors_column: name of the column with the vectors, or of the array of a .npz
            or HDF5 file; None if there is only one.
        id_column: column with the ids; None for the column `id` if there is one,
            `ROW_NUMBERS` for none.

    Raises:
        MissingFileError: the file does not exist or cannot be read.
        InvalidInputError: it contains no vectors.
    """
    if id_column and path.suffix.lower() in ROW_SUFFIXES:
        raise InvalidInputError(f"{path} is a {path.suffix} file and has no columns")
    found = open_dataset(source_text(path), vectors=vectors_column, ids=id_column)
    if found.note:
        click.echo(f"gleann: note: {path}: {found.note}", err=True)
    return NamedVectors(vectors=found.vectors, ids=found.held_ids, table=found.table)


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
        InvalidInputError: another number of rows, items without one, or a cell that is
            no number.
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
        InvalidInputError: another number of rows, items without one, or an empty cell.
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
    if name == ID_COLUMN or ID_COLUMN not in table.columns:
        _require_count(path, name, len(table), len(pool))
        return table
    if columns.are_row_numbers(pool) and columns.are_names(table, ID_COLUMN):
        _require_count(path, name, len(table), len(pool))
        click.echo(
            f"gleann: note: {path}: {name} is taken in row order, as ids here are row"
            f" numbers and column {ID_COLUMN!r} holds others",
            err=True,
        )
        return table
    rows = columns.rows_in(table, ID_COLUMN, pool)
    _require_all(path, name, rows, pool)
    return table.take(np.argsort(rows))


def _require_all(path: Path, name: str, rows: Rows, pool: IdMap) -> None:
    """Refuse a table that names some of the items only; shows the first that lack."""
    absent = np.setdiff1d(np.arange(len(pool)), rows)
    if absent.size:
        shown = ", ".join(
            shown_id(id_at(pool.held, row)) for row in absent[:SHOWN_IDS].tolist()
        )
        more = ", ..." if absent.size > SHOWN_IDS else ""
        raise InvalidInputError(
            f"{path} has no {name} for {absent.size} of {len(pool)} ids: {shown}{more}"
        )


def _is_same(path: Path, own: Path | None) -> bool:
    return own is not None and path.resolve() == own.resolve()


def split_column(given: str, default: str) -> tuple[Path, str]:
    """The file and the column of FILE or FILE:COLUMN; a file may have a colon.

    Raises:
        InvalidInputError: no file.
    """
    if not given:
        raise InvalidInputError("the path of a file with labels or groups is empty")
    file, colon, column = given.rpartition(":")
    if column and not file and colon and not Path(given).exists():
        raise InvalidInputError(
            f"{given!r} names a column and no file: give FILE{given}; only an index of"
            " a server has columns of its own"
        )
    if not colon or not file or not column or Path(given).exists():
        return Path(given), default
    return Path(file), column


def _require_count(path: Path, name: str, found: int, n: int) -> None:
    if found != n:
        raise InvalidInputError(
            f"{path}: {name} must have shape ({n},), one an item, got ({found},)"
        )
