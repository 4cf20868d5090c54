"""Row sources for builds: files of vectors, and several sources in a row."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.build.on_disk import RowSource
from gleann.index.checks import as_float32, require_matrix
from gleann.service.files.vector_files import VectorFile, changed_error


class FileRows:
    """The rows of a file as float32, which are read once and in order."""

    def __init__(self, file: VectorFile, *, dim: int) -> None:
        self.dtype = np.dtype(np.float32)
        self.shape = file.count, dim
        self._file = file
        self._blocks: Iterator[NDArray[np.generic]] | None = None
        self._left: Vectors = np.empty((0, dim), np.float32)
        self._next = 0

    def __getitem__(self, rows: slice, /) -> Vectors:
        """The next rows, or the first ones again.

        Raises:
            CorruptDataError: the file has another number of rows than before.
            InvalidInputError: as `as_float32`, naming the row of the file.
        """
        start, stop, _ = rows.indices(self.shape[0])
        if start == 0:
            self._blocks, self._next = self._file.blocks(), 0
            self._left = self._left[:0]
        assert start == self._next, "rows are read in order"
        parts, missing = [], stop - start
        while missing:
            if not len(self._left):
                self._left = self._read()
            part = self._left[:missing]
            self._left = self._left[missing:]
            parts.append(part)
            missing -= len(part)
            self._next += len(part)
        if stop == self.shape[0]:
            self._require_end()
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read(self) -> Vectors:
        """The next block of the file, checked."""
        assert self._blocks is not None, "the first rows are read first"
        block = next(self._blocks, None)
        if block is None:
            raise changed_error(self._file, f"{self._next}")
        require_matrix(block.dtype, block.shape, name="vectors", dim=self.shape[1])
        return as_float32(block, name="vectors", first_row=self._next)

    def _require_end(self) -> None:
        assert self._blocks is not None, "rows have been read"
        more = len(self._left) or next(self._blocks, None) is not None
        if more:
            raise changed_error(self._file, f"{self.shape[0] + 1} or more")


class ChosenRows:
    """Some rows of a matrix, which may be memory-mapped, in any order."""

    def __init__(self, vectors: RowMatrix, rows: Rows) -> None:
        self._vectors = vectors
        self._rows = rows
        self.dtype = vectors.dtype
        self.shape = len(rows), vectors.shape[1]

    def __getitem__(self, rows: slice, /) -> Vectors:
        some: Vectors = self._vectors[self._rows[rows]]
        return some


class JoinedRows:
    """The rows of several sources, one after the other."""

    def __init__(self, parts: Sequence[RowSource]) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self.dtype = np.dtype(np.float32)
        self.shape = int(self._ends[-1]), parts[0].shape[1]

    def __getitem__(self, rows: slice, /) -> Vectors:
        """The rows of a slice without a step."""
        start, stop, _ = rows.indices(self.shape[0])
        found = []
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            begin = end - part.shape[0]
            if start < end and stop > begin:
                inside = slice(max(start, begin) - begin, min(stop, end) - begin)
                found.append(part[inside])
        return found[0] if len(found) == 1 else np.concatenate(found)
