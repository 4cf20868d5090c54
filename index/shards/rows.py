"""The rows of several parts as one matrix, which travels to workers by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.errors import MissingFileError
from gleann.index.params import Keep
from gleann.index.storage.row_layout import unpack_rows


class FileRows:
    """Rows (n, d) of the `vectors.npy` of an index, mapped at the first look.

    A copy in another process is made of the path: nothing is read or sent.

    Args:
        path: of the file, which stays as it is.
        keep: how the rows are kept in it.
        shape: (n, d).
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, path: Path, keep: Keep, shape: tuple[int, int]) -> None:
        self.path = path
        self.shape: tuple[int, ...] = shape
        self._keep: Keep = keep
        self._rows: RowMatrix | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in the file."""
        width = 2 if self._keep in ("f16", "bf16") else 4
        return width * self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> Vectors:
        """Float32 of some rows, as an array is indexed.

        Raises:
            MissingFileError: the file is gone.
        """
        if self._rows is None:
            self._rows = self._opened()
        found: Vectors = np.asarray(self._rows[rows])
        return found

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._keep, self.shape)

    def _opened(self) -> RowMatrix:
        try:
            return unpack_rows(np.load(self.path, mmap_mode="r"), self._keep)
        except OSError as error:
            raise MissingFileError(f"{self.path}: {error.strerror}") from error


class JoinedRows:
    """The rows (n, d) of all parts, one part after the other.

    Args:
        parts: of one dimension; those without rows are left out.
        dim: d.
        first: of these rows, the one that is row 0 here.
        stop: the one behind the last; None takes all.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        parts: Sequence[RowMatrix],
        *,
        dim: int,
        first: int = 0,
        stop: int | None = None,
    ) -> None:
        self._parts = tuple(part for part in parts if len(part))
        self._ends = np.cumsum([len(part) for part in self._parts], dtype=np.int64)
        total = int(self._ends[-1]) if self._parts else 0
        self._first = first
        self.shape: tuple[int, ...] = ((total if stop is None else stop) - first, dim)

    @property
    def nbytes(self) -> int:
        """Bytes as the rows of all parts are kept."""
        return sum(part.nbytes for part in self._parts)

    def between(self, first: int, stop: int) -> "JoinedRows":
        """The rows from `first` up to `stop`, as a matrix of their own."""
        return JoinedRows(
            self._parts,
            dim=self.shape[1],
            first=self._first + first,
            stop=self._first + stop,
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> Vectors:
        """Float32 of some rows, as an array is indexed: a slice, a mask, or numbers.

        Raises:
            IndexError: rows that are not there, a mask of another length, or neither.
        """
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._consecutive(start, max(start, stop))
            return self._gathered(np.arange(start, stop, step))
        wanted = np.asarray(rows)
        if wanted.dtype == np.bool_:
            if wanted.shape != (len(self),):
                raise IndexError(
                    f"a mask {wanted.shape} is not one of {len(self)} rows"
                )
            wanted = np.flatnonzero(wanted)
        elif wanted.size and wanted.dtype.kind not in "iu":
            raise IndexError(f"rows are integers or a mask, not {wanted.dtype}")
        return self._gathered(wanted.astype(np.int64, copy=False))

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _consecutive(self, start: int, stop: int) -> Vectors:
        """Rows that follow each other; those of one part are not copied."""
        start, stop = start + self._first, stop + self._first
        found: list[Vectors] = []
        number = int(np.searchsorted(self._ends, start, side="right"))
        while start < stop:
            begin = int(self._ends[number]) - len(self._parts[number])
            last = min(stop, int(self._ends[number]))
            found.append(self._parts[number][start - begin : last - begin])
            start, number = last, number + 1
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.empty((0, self.shape[1]), np.float32), *found])

    def _gathered(self, rows: Rows) -> Vectors:
        n = len(self)
        if rows.size and (rows.min() < -n or rows.max() >= n):
            raise IndexError(
                f"rows {rows.min()} to {rows.max()} are not all within {n}"
            )
        flat = np.where(rows < 0, rows + n, rows).reshape(-1) + self._first
        out = np.empty((len(flat), self.shape[1]), np.float32)
        of = np.searchsorted(self._ends, flat, side="right")
        for number in np.unique(of).tolist():
            part, at = self._parts[number], np.flatnonzero(of == number)
            begin = int(self._ends[number]) - len(part)
            out[at] = part[flat[at] - begin]
        return out.reshape(*rows.shape, self.shape[1])
