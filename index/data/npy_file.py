"""Reader of untrusted `.npy` files; it does not memory-map.

Rows are read on access, so a file may be larger than memory.
"""

import math
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gleann.index.data.byte_file import ByteFile, LocalFile, fill, head
from gleann.index.data.sliced_rows import SlicedRows, ends_of
from gleann.index.errors import CorruptDataError, InvalidInputError

_HEADER_READERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    # As 2.0, but for names of fields outside Latin-1; fields are refused.
    (3, 0): npy.read_array_header_2_0,
}
_NO_HEADER = (
    ValueError, KeyError, TypeError, EOFError, OverflowError, SyntaxError, TokenError,
    RecursionError, MemoryError,
)  # fmt: skip
"""What NumPy raises for bytes that are no header, which it evaluates as Python."""


MOST_HEADER_BYTES = 1 << 16
"""Bytes in which a header must end; those of arrays of numbers have 128."""


class NpyFile(SlicedRows):
    """An array in a file: dtype, shape, and rows by slices without a step.

    Attributes:
        path: of the file, which stays open.
        dtype: of the numbers; never object.
        shape: at least one-dimensional.
    """

    def __init__(self, path: Path, *, file: ByteFile | None = None) -> None:
        """Open the file and read its header.

        Args:
            path: of the file.
            file: its bytes; None opens `path` of this machine.

        Raises:
            MissingFileError: it does not exist or cannot be read.
            InvalidInputError: it is not `.npy`, or holds pickled objects or no rows.
            CorruptDataError: it is longer or shorter than its header says.
        """
        self.path = path
        self._file: ByteFile = LocalFile(path) if file is None else file
        with BytesIO(head(self._file, MOST_HEADER_BYTES)) as first:
            self.shape, self._by_columns, self.dtype = _header(first, path)
            self._begin = first.tell()
        expected = self._begin + math.prod(self.shape) * self.dtype.itemsize
        if self._file.size != expected:
            raise CorruptDataError(
                f"{path.name} has {self._file.size} bytes, but its header says"
                f" {expected}"
            )

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice, read from the file.

        Raises:
            CorruptDataError: the file was truncated since it was opened.
            MissingFileError: it cannot be read.
        """
        start, stop = ends_of(rows, len(self))
        shape = (stop - start, *self.shape[1:])
        width = math.prod(self.shape[1:])
        if not self._by_columns:
            out = np.empty(shape, self.dtype)
            self._fill(out, start * width)
            return out
        columns = np.empty((width, shape[0]), self.dtype)
        for number, column in enumerate(columns):
            self._fill(column, number * len(self) + start)
        return columns.reshape(*self.shape[:0:-1], shape[0]).T

    def __array__(
        self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        """The whole array, in memory."""
        del copy  # the result is always a copy
        return np.asarray(self[:], dtype)

    def _fill(self, out: NDArray[np.generic], first: int) -> None:
        """Fill `out` from the file, starting at number `first`."""
        fill(out, self._file, self._begin + first * self.dtype.itemsize)


def _header(
    file: BinaryIO, path: Path
) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        read_header = _HEADER_READERS[npy.read_magic(file)]
        shape, by_columns, dtype = read_header(file)
    except _NO_HEADER as error:
        file.seek(0)
        kind = " but a .npz archive" if file.read(2) == b"PK" else ""
        raise InvalidInputError(f"{path.name} is not a .npy file{kind}") from error
    if dtype.hasobject:
        raise InvalidInputError(
            f"{path.name} holds pickled objects, which are never loaded"
        )
    if not shape or min(shape) < 0 or not dtype.itemsize:
        raise InvalidInputError(f"{path.name} has no rows: shape {shape}, {dtype}")
    return shape, by_columns, dtype
