"""Rows that stay in their file and are read when they are needed.

Nothing is mapped: a file that was cut is an error with both lengths, and no signal. A
file that was removed is read as before for as long as it is open.
"""

import os
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from gleann.index import extension
from gleann.index.arrays import Vectors
from gleann.index.errors import CorruptDataError

ROW_TYPE = np.dtype("<f4")


class DiskRows:
    """Float32 rows (n, d) of an array file, by `pread`.

    Any number of threads may read.

    Args:
        descriptor: of the file, open for reading; it is duplicated.
        path: of the file, for messages.
        start: byte at which the rows begin.
        shape: (n, d); the file ends behind them.
    """

    ndim = 2
    dtype = ROW_TYPE

    def __init__(
        self, descriptor: int, path: Path, *, start: int, shape: tuple[int, int]
    ) -> None:
        self.shape: tuple[int, ...] = shape
        self.path = path
        self._start = start
        self._descriptor = os.dup(descriptor)
        self._close = finalize(self, os.close, self._descriptor)
        self.native = _native_file(self._descriptor, path, start, shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in the file."""
        return self.shape[0] * self._row_bytes

    @property
    def backing(self) -> "DiskRows":
        """What has the file; see `mapped_file.watched_files`."""
        return self

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * ROW_TYPE.itemsize

    def fileno(self) -> int:
        """The descriptor of the open file."""
        return self._descriptor

    def require_whole(self) -> None:
        """Raise if the file was cut or grew.

        Raises:
            CorruptDataError: with both lengths.
        """
        size = os.fstat(self._descriptor).st_size
        if size != self._start + self.nbytes:
            raise CorruptDataError(
                f"{self.path} has {size} bytes and had {self._start + self.nbytes} when"
                " it was opened: something changed it; open the index again"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> Vectors:
        """Float32 of some rows, as an array is indexed.

        Raises:
            CorruptDataError: the file was cut, or cannot be read.
        """
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._consecutive(start, max(start, stop))
            return self._gathered(np.arange(start, stop, step))
        wanted = np.asarray(rows)
        if wanted.dtype == np.bool_:
            wanted = np.flatnonzero(wanted)
        return self._gathered(wanted)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.asarray, (self[:],)

    def _gathered(self, rows: NDArray[np.integer]) -> Vectors:
        """Rows of any shape (...), as (..., d); each is read once, in file order."""
        n = len(self)
        if rows.size and (rows.min() < -n or rows.max() >= n):
            raise IndexError(
                f"rows {rows.min()} to {rows.max()} are not all within {n}"
            )
        distinct, places = np.unique(
            np.where(rows < 0, rows + n, rows), return_inverse=True
        )
        read = self._read(distinct.astype(np.int32))
        return read[places.reshape(rows.shape)]

    def _read(self, rows: NDArray[np.int32]) -> Vectors:
        """Distinct, ascending rows (m,) as (m, d)."""
        if self.native is not None:
            found: Vectors = self.native.read(rows)
            return found
        out = np.empty((len(rows), self.shape[1]), ROW_TYPE)
        ends = np.flatnonzero(np.diff(rows, append=-1) != 1) + 1
        first = 0
        for end in ends.tolist():
            self._fill(out[first:end], int(rows[first]))
            first = end
        return out

    def _consecutive(self, start: int, stop: int) -> Vectors:
        out = np.empty((stop - start, self.shape[1]), ROW_TYPE)
        self._fill(out, start)
        return out

    def _fill(self, out: Vectors, first_row: int) -> None:
        """Read rows from `first_row` on into `out` (m, d)."""
        room = out.reshape(-1).view(np.uint8).data
        at, done = self._start + first_row * self._row_bytes, 0
        while done < len(room):
            try:
                got = os.preadv(self._descriptor, [room[done:]], at + done)
            except OSError as error:
                raise CorruptDataError(
                    f"{self.path} cannot be read: {error.strerror}"
                ) from error
            if got == 0:
                self.require_whole()
                raise CorruptDataError(f"{self.path} was cut while it was read")
            done += got


def _native_file(
    descriptor: int, path: Path, start: int, shape: tuple[int, int]
) -> Any | None:
    """What the native engine reads the rows through; None where it is not built."""
    if not extension.available():
        return None
    n, d = shape
    return extension.compiled.RowFile(
        descriptor=descriptor, name=str(path), start=start, n=n, d=d
    )
