"""Rows of files that hold arrays alone: .npy, .npz, HDF5 and those of benchmarks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gleann.index.arrays import HeldIds
from gleann.index.data.benchmark_files import BinFile, Hdf5Rows, VecsFile
from gleann.index.data.dataset import RowReader
from gleann.index.data.files import Files
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.npz_file import npz_array, npz_matrix, npz_names
from gleann.index.data.sliced_rows import ChainedRows, SlicedRows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_ids

_BY_OFFSET: dict[str, Callable[..., SlicedRows]] = {
    "npy": NpyFile,
    "vecs": VecsFile,
    "bins": BinFile,
}
NPZ_IDS = ("id", "ids")
"""Arrays of a .npz file that are its ids where none is named."""


def rows_of_files(files: Files, name: str | None) -> RowReader:
    """The rows of all files, in order.

    Args:
        files: that hold arrays alone.
        name: of the array of a .npz or HDF5 file; None takes the only matrix.

    Raises:
        MissingFileError: a file cannot be read.
        InvalidInputError: another format, or no such array.
        DimensionMismatchError: files of different dimensions; names both.
    """
    if files.kind in ("npz", "hdf5"):
        path = _one_local(files)
        if files.kind == "hdf5":
            return Hdf5Rows(path, name)
        return npz_array(path, _npz_name(path, name))
    made = _BY_OFFSET[files.kind]
    parts: list[SlicedRows] = [
        made(Path(one), file=files.place.byte_file(one)) for one in files.names
    ]
    if len(parts) == 1:
        return parts[0]
    return ChainedRows(parts, [files.shown_name(one) for one in files.names])


def ids_of_npz(files: Files, name: str | None) -> Callable[[], HeldIds] | None:
    """How the ids of a .npz file are read; None without any.

    Args:
        files: a .npz file.
        name: of the array; None takes the one of `NPZ_IDS`, if it is there; "" takes
            none.

    Raises:
        InvalidInputError: no array of the name.
    """
    path = _one_local(files)
    if name is None:
        name = next((n for n in NPZ_IDS if n in npz_names(path)), "")
    return partial(_npz_ids, path, _npz_name(path, name)) if name else None


def _npz_ids(path: Path, name: str) -> HeldIds:
    array = npz_array(path, name)
    if array.ndim != 1:
        raise InvalidInputError(
            f"{path.name}: {name} must have shape (n,), got {array.shape}"
        )
    return hold_ids(array, n=len(array), name=f"{path.name}: {name}")


def _npz_name(path: Path, name: str | None) -> str:
    names = npz_names(path)
    if name is None:
        return npz_matrix(path, names)
    if name not in names:
        raise InvalidInputError(
            f"{path.name} has no array {name!r}, only {', '.join(names) or 'none'}"
        )
    return name


def _one_local(files: Files) -> Path:
    """The path of a single file of this machine.

    Raises:
        InvalidInputError: several files, or one elsewhere.
    """
    if len(files.names) > 1:
        raise InvalidInputError(
            f"{files.shown} has {len(files.names)} {files.kind} files, one is read"
        )
    if files.place.filesystem is not None:
        raise InvalidInputError(
            f"{files.shown}: {files.kind} files are read from this machine only"
        )
    return Path(files.names[0])
