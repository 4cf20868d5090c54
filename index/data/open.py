"""`gleann.data.open`: what holds vectors, by its type, its suffix or its layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds
from gleann.index.data.columns import Columns
from gleann.index.data.dataset import Dataset, RowReader, Taken
from gleann.index.data.files import TABLES, Files, is_folder, local_files
from gleann.index.data.host_arrays import host_array
from gleann.index.data.id_column import holds_ids, read_ids, require_ids
from gleann.index.data.payload_files import PayloadFile
from gleann.index.data.row_files import ids_of_npz, rows_of_files
from gleann.index.data.tables import (
    columns_of_files,
    columns_of_mapping,
    columns_of_table,
    stored_columns,
)
from gleann.index.data.vector_rows import NumberColumns, VectorColumn
from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_ids

ID_COLUMN = "id"
"""The column of ids where none is named."""
ROW_NUMBERS = ""
"""A name of ids that leaves the column `id` alone."""

Named: TypeAlias = str | Sequence[str] | None
IdsGiven: TypeAlias = str | PathLike[str] | ArrayLike | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is taken of a source; `open_dataset` says what each is."""

    vectors: Named
    ids: IdsGiven
    columns: Sequence[str] | Literal["all"]
    payload: str | PathLike[str] | None


def open_dataset(  # noqa: PLR0913  all but the first are optional
    source: Any,
    *,
    vectors: Named = None,
    ids: IdsGiven = None,
    columns: Sequence[str] | Literal["all"] = (),
    payload: str | PathLike[str] | None = None,
    split: str | None = None,
    store: Any = None,
) -> Dataset:
    """Open what holds vectors; files and folders are read block by block later.

    Args:
        source: one of

            - a file: .npy, .npz, .parquet, .arrow or .feather, .fvecs, .bvecs, .ivecs,
              .fbin, .u8bin, .i8bin, .ibin, or .hdf5 of ann-benchmarks (needs h5py);
            - a folder or a glob ("parts/*.parquet", "**" for any folders) of files of
              one kind, in natural order: part-2 before part-10; folders such as
              `lang=en` of a folder that is named are columns;
            - a folder that `save_to_disk` of the package datasets wrote;
            - an URL of an object store, s3://, gs:// or az://, or a path within `store`
              (needs the extra `cloud`);
            - a table of pyarrow, pandas, polars, duckdb or datasets, or anything else
              with `__arrow_c_stream__`, or that narwhals knows; a mapping of names to
              columns;
            - an array (n, d) of NumPy, torch, jax or cupy, from a device too, or lists.
        vectors: the column of lists of numbers, the array of a .npz or HDF5 file, or
            the columns that are a dimension each; None takes the only one of lists (the
            only matrix; "train" of HDF5).
        ids: the column or array of distinct ids; None takes the column "id" where it
            can hold some, and row numbers else; "" takes row numbers. A path is a file
            of ids, .npy or a table with a column "id", and so is a name where `source`
            has no columns; anything else is the ids themselves.
        columns: names of the columns of payload to take; "all" for those that payload
            can hold.
        payload: a .csv, .jsonl or .parquet file with these columns instead, a line a
            vector; it takes all columns where none is named.
        split: of a folder of datasets with several.
        store: of obstore, in which `source` is a path.

    Returns:
        The dataset. Rows keep the order of their files, and ids their type: integers
        are int64, texts stay texts, UUIDs become their text.

    Raises:
        MissingFileError: nothing is there, or it cannot be read.
        InvalidInputError: another format, no or several columns of vectors, a missing
            column. Nulls, NaN and lists of other lengths are refused when their rows
            are read, with row and both numbers.
        EngineUnavailableError: a package that the format needs is not installed.
        CorruptDataError: a file that is longer or shorter than it says.
    """
    wanted = Wanted(vectors=vectors, ids=ids, columns=columns, payload=payload)
    if isinstance(source, str | PathLike):
        return _of_path(fspath(source), wanted, split=split, store=store)
    _require_none("is no path", split=split, store=store)
    if isinstance(source, Dataset):
        chosen = columns if len(columns) else None
        words = {"vectors": vectors, "ids": ids, "payload": payload}
        _require_none("is opened already", columns=chosen, **words)
        return source
    if isinstance(source, np.ndarray | list | tuple):
        return _of_array(source, wanted)
    if isinstance(source, Mapping) and not hasattr(source, "with_format"):
        return _of_columns(columns_of_mapping(source), wanted)
    if (table := columns_of_table(source)) is not None:
        return _of_columns(table, wanted)
    return _of_array(source, wanted)


def open_files(files: Files, *, vectors: Named = None, ids: IdsGiven = None) -> Dataset:
    """Open files that are listed already, without payload.

    Args:
        files: of one kind.
        vectors: as of `open_dataset`.
        ids: as there.

    Raises:
        As `open_dataset`.
    """
    return _of_files(files, Wanted(vectors=vectors, ids=ids, columns=(), payload=None))


def dataset_of_table(table: Columns) -> Dataset:
    """The only column of vectors, the ids in a column "id" if any, and no payload.

    Raises:
        InvalidInputError: no column of vectors, or several.
    """
    return _of_columns(table, Wanted(vectors=None, ids=None, columns=(), payload=None))


def named_by(
    source: str, *, split: str | None = None, store: Any = None
) -> Columns | Files:
    """What a path or an URL names: its columns, or files of rows that have none.

    Args:
        source: a path or an URL, as `open_dataset` takes.
        split: as there.
        store: as there.

    Raises:
        As `open_dataset`.
    """
    if not source or "\0" in source:
        kind = "has a null character" if source else "is empty"
        raise InvalidInputError(f"the path of the vectors {kind}")
    is_here = store is None and "://" not in source
    if is_here and is_folder(Path(source)):
        stored = stored_columns(Path(source), split)
        if stored is not None:
            return stored
    _require_none("has no splits", split=split)
    if is_here:
        files = local_files(source)
    else:
        from gleann.index.data.stores import stored_files

        files = stored_files(source, store)
    return columns_of_files(files) if files.kind in TABLES else files


def _of_path(source: str, wanted: Wanted, *, split: str | None, store: Any) -> Dataset:
    found = named_by(source, split=split, store=store)
    if isinstance(found, Files):
        return _of_files(found, wanted)
    return _of_columns(found, wanted)


def _of_array(source: Any, wanted: Wanted) -> Dataset:
    _require_none("has no columns", vectors=wanted.vectors)
    return _of_rows("vectors", host_array(source), wanted)


def _require_none(why: str, **words: Any) -> None:
    """Refuse what would not be read.

    Raises:
        InvalidInputError: one of `words` is not None.
    """
    for name, value in words.items():
        if value is not None:
            raise InvalidInputError(f"{name} is {value!r:.60}, but the source {why}")


def _of_files(files: Files, wanted: Wanted) -> Dataset:
    if files.kind in TABLES:
        return _of_columns(columns_of_files(files), wanted)
    name = wanted.vectors
    if name is not None and (
        not isinstance(name, str) or files.kind not in ("npz", "hdf5")
    ):
        raise InvalidInputError(
            f"{files.shown} has no columns, but vectors is {name!r:.60}"
        )
    rows = rows_of_files(files, name)
    if files.kind == "npz" and isinstance(wanted.ids, str | None):
        read = ids_of_npz(files, wanted.ids)
        return _with_payload(files.shown, rows, read, wanted)
    return _of_rows(files.shown, rows, wanted)


def _of_rows(shown: str, rows: RowReader, wanted: Wanted) -> Dataset:
    """Rows without columns."""
    read = None
    if wanted.ids is not None and not _is_text(wanted.ids, ROW_NUMBERS):
        read = partial(_own_ids, wanted.ids)
    return _with_payload(shown, rows, read, wanted)


def _with_payload(
    shown: str, rows: RowReader, read: Callable[[], HeldIds] | None, wanted: Wanted
) -> Dataset:
    if len(rows.shape) != 2:
        raise InvalidInputError(
            f"{shown} must have 2 dimensions (n, d), got {len(rows.shape)}:"
            f" {rows.shape}"
        )
    if np.dtype(rows.dtype).kind not in "fiu":
        raise InvalidInputError(f"{shown} must hold numbers, got {rows.dtype}")
    taken = _taken(wanted, None)
    if wanted.columns and taken is None:
        raise InvalidInputError(
            f"{shown} has no columns, but columns is {wanted.columns!r:.60}: give a"
            " file of payload"
        )
    return Dataset(shown, rows, read_ids=read, taken=taken)


def _of_columns(table: Columns, wanted: Wanted) -> Dataset:
    rows, used = _vectors(table, wanted.vectors)
    read, id_name, note = _ids(table, wanted.ids)
    leave_out = (*used, *([id_name] if id_name else []), ID_COLUMN)
    file = PayloadFile(path=Path(table.shown), reader=table)
    taken = _taken(wanted, file, leave_out=leave_out)
    return Dataset(table.shown, rows, read_ids=read, taken=taken, table=file, note=note)


def _vectors(table: Columns, name: Named) -> tuple[RowReader, tuple[str, ...]]:
    """The vectors of a table, and the columns that they are in."""
    if name is not None and not isinstance(name, str):
        return NumberColumns(table, name), tuple(name)
    if name is None:
        name = only_vector_column(table)
    return VectorColumn(table, name), (name,)


def only_vector_column(table: Columns) -> str:
    """The column of lists of numbers.

    Raises:
        InvalidInputError: none, or several; lists the columns.
    """
    names = table.vector_names
    if not names:
        fields = [f"{f.name} ({f.type})" for f in table.pieces[0].schema]
        raise InvalidInputError(
            f"{table.shown} has no column of lists of numbers, only"
            f" {shown_names(fields) or 'no columns'}"
        )
    if len(names) != 1:
        raise InvalidInputError(
            f"{table.shown} has {len(names)} columns of lists of numbers"
            f" ({shown_names(names)}); name one with vectors= (--vectors-column)"
        )
    return names[0]


def shown_names(names: Sequence[str], most: int = 12) -> str:
    """Names for a message."""
    return ", ".join(f"{name:.60}" for name in names[:most]) + (
        ", ..." if len(names) > most else ""
    )


def _ids(
    table: Columns, given: IdsGiven
) -> tuple[Callable[[], HeldIds] | None, str | None, str]:
    """How the ids are read, the column they are in, and a note."""
    if _is_text(given, ROW_NUMBERS):
        return None, None, ""
    if isinstance(given, str):
        require_ids(table.shown, given, table.field(given).type)
        return partial(read_ids, table, given), given, ""
    if given is not None:
        return partial(_own_ids, given), None, ""
    if ID_COLUMN not in table.names:
        return None, None, ""
    kind = table.field(ID_COLUMN).type
    if holds_ids(kind):
        return partial(read_ids, table, ID_COLUMN), ID_COLUMN, ""
    if "binary" in str(kind):
        raise InvalidInputError(
            f"{table.shown}: column {ID_COLUMN!r} holds {kind}, and ids are integers,"
            ' texts or UUIDs: write them as text, or take row numbers with ids=""'
            " (--id-column '')"
        )
    return None, None, f"ids are row numbers, as column {ID_COLUMN!r} holds {kind}"


def _own_ids(given: Any) -> HeldIds:
    """Ids in a file of their own, or as they are."""
    if not isinstance(given, str | PathLike):
        values = given if hasattr(given, "__len__") else list(given)
        return hold_ids(values, n=len(values))
    path = Path(given)
    files = local_files(path)
    if files.kind in TABLES:
        return read_ids(columns_of_files(files), ID_COLUMN)
    if files.kind == "npz":
        read = ids_of_npz(files, ID_COLUMN)
        assert read is not None, "a name was given"
        return read()
    array = np.asarray(rows_of_files(files, None))
    if array.ndim != 1:
        raise InvalidInputError(f"{path}: ids must have shape (n,), got {array.shape}")
    return hold_ids(array, n=len(array), name=str(path))


def _taken(
    wanted: Wanted, table: PayloadFile | None, *, leave_out: Sequence[str] = ()
) -> Taken | None:
    """The payload that is taken; None without any."""
    if wanted.payload is not None:
        file = PayloadFile.open(Path(wanted.payload))
        columns = wanted.columns or "all"
    elif table is not None and wanted.columns:
        file, columns = table, wanted.columns
    else:
        return None
    if columns == "all":
        return Taken(file=file, schema=file.possible(leave_out=tuple(leave_out)))
    if isinstance(columns, str):
        raise InvalidInputError(
            f"columns is {columns!r:.60}: give a list of names, or 'all'"
        )
    if twice := set(columns) & set(leave_out) - {ID_COLUMN}:
        raise InvalidInputError(f"columns has {min(twice)!r}, which has vectors or ids")
    return Taken(file=file, schema=file.schema(columns))


def _is_text(value: object, text: str) -> bool:
    return isinstance(value, str) and value == text
