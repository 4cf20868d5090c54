"""Reader of untrusted `.npy` files; it does not memory-map.

A memory map kills the process (SIGBUS) if the file is truncated meanwhile; a read
returns fewer bytes, which is an ordinary error. Rows are read on access, so a file may
be larger than memory.
"""

import math
import os
import weakref
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gleann.index.errors import CorruptDataError, InvalidInputError, MissingFileError
from gleann.index.storage.regular_file import open_regular

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


class NpyFile:
    """An array in a file: dtype, shape, and rows by slices without a step.

    Attributes:
        path: of the file, which stays open.
        dtype: of the numbers; never object.
        shape: at least one-dimensional.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its header.

        Raises:
            MissingFileError: it does not exist or cannot be read.
            InvalidInputError: it is not `.npy`, or holds pickled objects or no rows.
            CorruptDataError: it is longer or shorter than its header says.
        """
        self.path = path
        try:
            with open_regular(path) as file:
                self.shape, self._by_columns, self.dtype = _header(file, path)
                self._begin = file.tell()
                size = os.fstat(file.fileno()).st_size
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise MissingFileError(f"{path}: {reason}") from error
        weakref.finalize(self, os.close, self._descriptor)
        expected = self._begin + math.prod(self.shape) * self.dtype.itemsize
        if size != expected:
            raise CorruptDataError(
                f"{path.name} has {size} bytes, but its header says {expected}"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice, read from the file.

        Raises:
            CorruptDataError: the file was truncated since it was opened.
            MissingFileError: it cannot be read.
        """
        start, stop, _ = rows.indices(len(self))
        shape = (max(0, stop - start), *self.shape[1:])
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
        # As bytes: not every dtype supports the buffer protocol.
        room = out.reshape(-1).view(np.uint8).data
        at = self._begin + first * self.dtype.itemsize
        while room:
            try:
                got = os.preadv(self._descriptor, [room], at)
            except OSError as error:
                raise MissingFileError(f"{self.path}: {error.strerror}") from error
            if got == 0:
                raise CorruptDataError(
                    f"{self.path.name} was cut while it was read: it ends before byte"
                    f" {at + len(room)}"
                )
            room, at = room[got:], at + got


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
