"""Vectors in the files of public benchmarks: fvecs and its kin, fbin and its kin, HDF5.

The forms are those of http://corpus-texmex.irisa.fr (fvecs, bvecs, ivecs: each vector
behind its length as int32), of big-ann-benchmarks (fbin, u8bin, i8bin, ibin: rows and
dimensions as uint32, then all numbers) and of ann-benchmarks (HDF5). Numbers are
little-endian.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.data.byte_file import ByteFile, LocalFile, fill, head
from gleann.index.data.sliced_rows import SlicedRows, ends_of
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    EngineUnavailableError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.storage.regular_file import open_regular

VECS = {".fvecs": "<f4", ".bvecs": "|u1", ".ivecs": "<i4"}
"""Dtypes of files in which each vector has its own length."""
BINS = {".fbin": "<f4", ".u8bin": "|u1", ".i8bin": "|i1", ".ibin": "<i4"}
"""Dtypes of files with one heading."""
HDF5 = (".hdf5", ".h5")
TRAIN = "train"
"""The array of an HDF5 file that ann-benchmarks builds indexes from."""


class VecsFile(SlicedRows):
    """Rows of a .fvecs, .bvecs or .ivecs file."""

    def __init__(self, path: Path, *, file: ByteFile | None = None) -> None:
        """Open the file and read the length of its first vector.

        Args:
            path: of the file; its suffix says the dtype.
            file: its bytes; None opens `path` of this machine.

        Raises:
            MissingFileError: it cannot be read.
            InvalidInputError: it is empty, or the length is not at least 1.
            CorruptDataError: its bytes are no whole number of vectors.
        """
        self._file: ByteFile = LocalFile(path) if file is None else file
        self._name = path.name
        self.dtype = np.dtype(VECS[path.suffix.lower()])
        first = head(self._file, 4)
        if len(first) < 4:
            raise InvalidInputError(f"{path.name} has {len(first)} bytes, no vector")
        dim = int.from_bytes(first, "little", signed=True)
        if dim < 1:
            raise InvalidInputError(
                f"{path.name} says that its first vector has {dim} numbers"
            )
        self._record = 4 + dim * self.dtype.itemsize
        count, rest = divmod(self._file.size, self._record)
        if rest:
            raise CorruptDataError(
                f"{path.name} has {self._file.size} bytes, which is not a multiple of"
                f" the {self._record} bytes of a vector of {dim} numbers"
            )
        self.shape = (count, dim)

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice.

        Raises:
            DimensionMismatchError: a row of another length; names it.
        """
        start, stop = ends_of(rows, len(self))
        dim = self.shape[1]
        kind = np.dtype([("dim", "<i4"), ("row", self.dtype, (dim,))])
        records = np.empty(stop - start, kind)
        fill(records, self._file, start * self._record)
        if (odd := np.flatnonzero(records["dim"] != dim)).size:
            raise DimensionMismatchError(
                f"{self._name} has {records['dim'][odd[0]]} dimensions in row"
                f" {start + odd[0]}, expected {dim}"
            )
        return np.ascontiguousarray(records["row"])


class BinFile(SlicedRows):
    """Rows of a .fbin, .u8bin, .i8bin or .ibin file."""

    def __init__(self, path: Path, *, file: ByteFile | None = None) -> None:
        """Open the file and read its heading.

        Args:
            path: of the file; its suffix says the dtype.
            file: its bytes; None opens `path` of this machine.

        Raises:
            MissingFileError: it cannot be read.
            InvalidInputError: it has no heading.
            CorruptDataError: it is longer or shorter than the heading says.
        """
        self._file: ByteFile = LocalFile(path) if file is None else file
        self.dtype = np.dtype(BINS[path.suffix.lower()])
        first = head(self._file, 8)
        if len(first) < 8:
            raise InvalidInputError(
                f"{path.name} has {len(first)} bytes, less than a heading of 8"
            )
        count, dim = np.frombuffer(first, "<u4").tolist()
        expected = 8 + count * dim * self.dtype.itemsize
        if self._file.size != expected:
            raise CorruptDataError(
                f"{path.name} has {self._file.size} bytes, but its heading of {count}"
                f" rows and {dim} dimensions says {expected}"
            )
        self.shape = (count, dim)

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice."""
        start, stop = ends_of(rows, len(self))
        out = np.empty((stop - start, self.shape[1]), self.dtype)
        fill(out, self._file, 8 + start * self.shape[1] * self.dtype.itemsize)
        return out


class Hdf5Rows(SlicedRows):
    """Rows of an array of an HDF5 file, which stays open."""

    def __init__(self, path: Path, name: str | None) -> None:
        """Open the file.

        Args:
            path: of the file.
            name: of the array; None takes `TRAIN`, or the only matrix there is.

        Raises:
            MissingFileError: it cannot be read.
            EngineUnavailableError: the package h5py is not installed.
            InvalidInputError: it is no HDF5 file, or has no such array of rows.
        """
        h5py = _h5py(path)
        open_regular(path).close()  # before h5py, which would wait for a pipe
        try:
            file = h5py.File(path, "r")
        except FileNotFoundError as error:
            raise MissingFileError(f"{path}: {error}") from error
        except OSError as error:
            raise InvalidInputError(f"{path.name} is no HDF5 file: {error}") from error
        self._array = _array_of(h5py, file, path, name)
        self._name = path.name
        self.dtype = self._array.dtype
        self.shape = self._array.shape

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice."""
        start, stop = ends_of(rows, len(self))
        try:
            found: NDArray[np.generic] = self._array[start:stop]
        except OSError as error:
            raise CorruptDataError(f"{self._name} cannot be read: {error}") from error
        return found


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise EngineUnavailableError(
            f"{path.name} needs the package h5py, which cannot be imported: {error};"
            " pip install h5py"
        ) from error
    return h5py


def _array_of(h5py: Any, file: Any, path: Path, name: str | None) -> Any:
    found = {key: file.get(key) for key in file}  # None where a link leads nowhere
    arrays = {key: one for key, one in found.items() if isinstance(one, h5py.Dataset)}
    matrices = [key for key, array in arrays.items() if array.ndim == 2]
    if name is None:
        name = TRAIN if TRAIN in matrices or len(matrices) != 1 else matrices[0]
    if name not in arrays:
        listed = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        raise InvalidInputError(
            f"{path.name} has no array {name!r}, only {listed or 'none'}"
        )
    return arrays[name]
