"""Tables of all kinds as `Columns`: files, folders with partitions, frames."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from gleann.index.data.columns import Columns
from gleann.index.data.files import Files
from gleann.index.data.host_arrays import host_array
from gleann.index.data.pieces import (
    HeldPiece,
    IpcPiece,
    KeyedPiece,
    LazyPiece,
    ParquetPiece,
    Piece,
)
from gleann.index.data.vector_columns import reading
from gleann.index.errors import InvalidInputError, MissingFileError

_PIECES: dict[str, Callable[..., Piece]] = {"parquet": ParquetPiece, "arrow": IpcPiece}
_FORMATS = {"parquet": "parquet", "arrow": "ipc"}
STATE, SPLITS = "state.json", "dataset_dict.json"
"""Files that `save_to_disk` of the package datasets writes."""


def columns_of_files(files: Files) -> Columns:
    """The rows of parquet or Arrow files; folders such as `lang=en` are columns.

    Raises:
        MissingFileError: a file cannot be read.
        InvalidInputError: a file of another format.
    """
    pieces = [_piece(files, name) for name in files.names]
    if files.root is not None and any("=" in name for name in files.names):
        pieces = _with_keys(files, pieces)
    return Columns(files.shown, pieces)


def columns_of_table(values: Any, *, shown: str = "the table") -> Columns | None:
    """The rows of a table in memory; None where `values` is no table.

    Args:
        values: of pyarrow (a table, batch, reader or dataset), pandas, polars or
            duckdb, anything else with `__arrow_c_stream__` or `__arrow_c_array__` of a
            table, a frame that narwhals knows, lazy ones too, which are collected, or
            a `datasets.Dataset`, which is read as it is needed.
        shown: what messages call it.

    Raises:
        InvalidInputError: a table that Arrow cannot hold.
    """
    if _package(values) == "datasets" and hasattr(values, "with_format"):
        return _of_datasets(values, shown)
    if isinstance(values, pa.dataset.Dataset):
        return _of_dataset(values, shown)
    with reading(shown):
        table = as_arrow(values)
    return None if table is None else Columns(shown, [HeldPiece(shown, table)])


def as_arrow(values: Any) -> Any:
    """A `pyarrow.Table` of a table in memory; None where it is none."""
    if isinstance(values, pa.Table):
        return values
    if isinstance(values, pa.RecordBatchReader):
        return values.read_all()
    if _package(values) == "pandas":
        # Its own export would have an index of some rows as a column.
        if not hasattr(values, "columns"):
            return None
        # But one with a name is a column that was made the index.
        is_named = any(name is not None for name in values.index.names)
        return pa.Table.from_pandas(values, preserve_index=is_named)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return _of_capsule(values)
    return _of_frame(values)


def columns_of_mapping(values: Mapping[str, Any]) -> Columns:
    """Columns by name: arrays (n,) or (n, d), columns of Arrow, or sequences.

    Raises:
        InvalidInputError: a column that Arrow cannot hold, or of another length.
    """
    shown = "vectors"
    columns = {}
    for name, column in values.items():
        with reading(f"{shown}: column {name!r:.60}"):
            columns[name] = _arrow_column(column, name)
    with reading(shown):
        return Columns(shown, [HeldPiece(shown, pa.table(columns))])


def stored_columns(folder: Path, split: str | None) -> Columns | None:
    """The rows that `save_to_disk` of the package datasets wrote; None elsewhere.

    Raises:
        InvalidInputError: several splits and none named, a split named where there are
            none, or files of another layout.
    """
    if (folder / SPLITS).is_file():
        names = _json(folder / SPLITS).get("splits") or []
        chosen = _chosen_split(str(folder), names, split)
        folder = folder / chosen
    elif split is not None:
        raise InvalidInputError(f"split is {split!r:.60}, but {folder} has no splits")
    if not (folder / STATE).is_file():
        return None
    state = _json(folder / STATE)
    names = [entry.get("filename") for entry in state.get("_data_files") or []]
    if state.get("_indices_data_files") or not names:
        raise InvalidInputError(
            f"{folder} has {len(names)} files and chosen rows beside: save it with"
            " flatten_indices()"
        )
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise InvalidInputError(f"{folder / STATE} names a file {name!r:.60}")
    pieces = [
        IpcPiece(name, partial(str, folder / name), local=folder / name)
        for name in names
    ]
    return Columns(str(folder), pieces)


def _piece(files: Files, name: str) -> Piece:
    shown = files.shown_name(name)
    filesystem = files.place.filesystem
    if filesystem is None:
        return _PIECES[files.kind](shown, partial(str, name), local=Path(name))
    opening = partial(filesystem.open_input_file, name)
    return _PIECES[files.kind](shown, opening, local=None)


def _with_keys(files: Files, pieces: list[Piece]) -> list[Piece]:
    """The pieces with columns for the folders that they are in."""
    with reading(files.shown):
        found = pa.dataset.dataset(
            list(files.names),
            format=_FORMATS[files.kind],
            filesystem=files.place.filesystem,
            partitioning="hive",
            partition_base_dir=files.root,
        )
        keys = {
            fragment.path: pa.dataset.get_partition_keys(fragment.partition_expression)
            for fragment in found.get_fragments()
        }
    known = {name for some in keys.values() for name in some}
    none = dict.fromkeys(name for name in found.schema.names if name in known)
    return [
        KeyedPiece(piece, none | keys.get(name, {}), found.schema)
        for piece, name in zip(pieces, files.names, strict=True)
    ]


def _of_dataset(values: Any, shown: str) -> Columns:
    """A `pyarrow.dataset.Dataset`; one that is filtered is read into memory."""
    try:
        fragments = list(values.get_fragments())
    except ValueError:  # filtered or projected
        fragments = []
    if not isinstance(values, pa.dataset.FileSystemDataset) or not fragments:
        with reading(shown):
            return Columns(shown, [HeldPiece(shown, values.to_table())])
    pieces: list[Piece] = []
    for fragment in fragments:
        is_parquet = fragment.format.default_extname == "parquet"
        made = ParquetPiece if is_parquet else IpcPiece
        opening = partial(fragment.filesystem.open_input_file, fragment.path)
        piece = made(Path(fragment.path).name, opening, local=None)
        found = pa.dataset.get_partition_keys(fragment.partition_expression)
        keys = {name: found[name] for name in values.schema.names if name in found}
        pieces.append(KeyedPiece(piece, keys, values.schema) if keys else piece)
    return Columns(shown, pieces)


def _of_datasets(values: Any, shown: str) -> Columns:
    """A `datasets.Dataset`; a dictionary of splits is refused."""
    if isinstance(values, Mapping):
        raise InvalidInputError(
            f"{shown} has {len(values)} splits ({', '.join(values)}): give one of them"
        )

    def take(names: list[str], rows: slice) -> Any:
        return values.select_columns(names).with_format("arrow")[rows]

    schema = values.features.arrow_schema
    return Columns(shown, [LazyPiece(shown, schema, len(values), take)])


def _package(values: object) -> str:
    return type(values).__module__.partition(".")[0]


def _of_capsule(values: Any) -> Any:
    """A table by Arrow's PyCapsule interface; None for a column."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return None
    try:
        return pa.table(values)
    except (pa.ArrowException, TypeError, ValueError):
        return None


def _arrow_column(values: Any, name: str) -> Any:
    """A column as Arrow has it; a matrix as lists of one length, without a copy."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return pa.chunked_array(values)
    if not hasattr(values, "shape"):
        return pa.array(list(values), from_pandas=True)
    is_matrix = len(values.shape) == 2
    array = host_array(values, name=name) if is_matrix else np.asarray(values)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2:
        flat = pa.array(np.ascontiguousarray(array).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
    return pa.array(array if array.dtype.kind in "biufM" else array.tolist())


def _of_frame(values: Any) -> Any:
    """A frame that narwhals knows, as a table; None for anything else."""
    try:
        import narwhals
    except ImportError:
        return None
    known = narwhals.from_native(values, pass_through=True)
    if isinstance(known, narwhals.LazyFrame):
        known = known.collect("pyarrow")
    return known.to_arrow() if isinstance(known, narwhals.DataFrame) else None


def _chosen_split(shown: str, names: list[Any], split: str | None) -> str:
    if not all(isinstance(n, str) and Path(n).name == n for n in names):
        raise InvalidInputError(f"{shown} names a split {names!r:.60}")
    chosen = names[0] if split is None and len(names) == 1 else split
    if chosen is None or chosen not in names:
        raise InvalidInputError(
            f"{shown} has {len(names)} splits ({', '.join(names)}), and split is"
            f" {split!r}: name one of them"
        )
    return chosen


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInputError(f"{path} is no JSON object")
    return value
