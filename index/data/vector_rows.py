"""Vectors in the columns of tables, as rows that are read by slices."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.data.columns import Columns, Part, require_once, stored
from gleann.index.data.pieces import Piece
from gleann.index.data.sliced_rows import SlicedRows, ends_of
from gleann.index.data.vector_columns import matrix_of
from gleann.index.errors import InvalidInputError
from gleann.index.tables.list_columns import first_null, holds_vectors

BLOCK_BYTES = 1 << 24
"""Bytes of vectors that are decoded at once, as float64."""


class DecodedRows(SlicedRows):
    """Rows that are decoded front to back.

    Slices in order are decoded once; one that begins elsewhere opens its piece anew.
    """

    def __init__(
        self, columns: Columns, dtype: np.dtype[Any], shape: tuple[int, int]
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self._columns = columns
        self._lock = Lock()
        self._next = -1
        self._blocks: Iterator[NDArray[np.generic]] = iter(())
        self._left: NDArray[np.generic] = np.empty((0, 0))

    @abstractmethod
    def matrices(
        self, *, first: int = 0, block_bytes: int | None = None
    ) -> Iterator[NDArray[np.generic]]:
        """All rows from `first` on, in blocks (m, d) of the dtypes of their pieces.

        Args:
            first: row to begin with.
            block_bytes: most of a block, as float64; None takes `BLOCK_BYTES`.

        Raises:
            InvalidInputError: a row that is no vector; names it.
        """

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice."""
        start, stop = ends_of(rows, len(self))
        out = np.empty((stop - start, self.shape[1]), self.dtype)
        with self._lock:
            if start != self._next:
                self._blocks, self._left = self.matrices(first=start), out[:0]
            self._next, done = -1, 0  # what is raised leaves nothing to go on from
            while done < len(out):
                if not len(self._left):
                    self._left = next(self._blocks)
                part = self._left[: len(out) - done]
                out[done : done + len(part)] = part
                self._left = self._left[len(part) :]
                done += len(part)
            self._next = start + done
        return out

    def _parts(
        self, names: Sequence[str], first: int, block_bytes: int | None
    ) -> Iterator[Part]:
        most = BLOCK_BYTES if block_bytes is None else block_bytes
        rows = max(1, most // (8 * max(1, self.shape[1])))
        return self._columns.parts(names, rows=rows, first=first)


class VectorColumn(DecodedRows):
    """The vectors in a column of lists of numbers."""

    def __init__(self, columns: Columns, name: str, *, dim: int | None = None) -> None:
        """Find dtype and dimension, by the types and the first row.

        Args:
            columns: with the column.
            name: of the column.
            dim: of the vectors; None takes that of the first.

        Raises:
            InvalidInputError: the column is missing, or holds no lists of numbers.
        """
        self._name = name
        kinds = [list_type(piece, name) for piece in columns.pieces]
        if dim is None:
            dim = _first_length(columns, name, kinds[0])
        numbers = (np.dtype(kind.value_type.to_pandas_dtype()) for kind in kinds)
        super().__init__(columns, np.result_type(*numbers), (columns.count, dim))

    def matrices(
        self, *, first: int = 0, block_bytes: int | None = None
    ) -> Iterator[NDArray[np.generic]]:
        """All rows from `first` on, in blocks."""
        for part in self._parts([self._name], first, block_bytes):
            yield _matrix(part, self._name, self.shape[1])


class NumberColumns(DecodedRows):
    """Vectors of which each dimension is a column."""

    def __init__(self, columns: Columns, names: Sequence[str]) -> None:
        """Find the dtype that holds all of the columns.

        Raises:
            InvalidInputError: a column is missing, or holds no numbers; or no names.
        """
        self._names = list(names)
        if not self._names:
            raise InvalidInputError(f"{columns.shown}: vectors names 0 columns")
        kinds = [
            number_type(piece, name) for piece in columns.pieces for name in self._names
        ]
        dtype = np.result_type(*(kind.to_pandas_dtype() for kind in kinds))
        super().__init__(columns, dtype, (columns.count, len(self._names)))

    def matrices(
        self, *, first: int = 0, block_bytes: int | None = None
    ) -> Iterator[NDArray[np.generic]]:
        """All rows from `first` on, in blocks."""
        for part in self._parts(self._names, first, block_bytes):
            for name, column in zip(self._names, part.batch.columns, strict=True):
                if column.null_count:
                    raise InvalidInputError(
                        f"{part.shown}: column {name!r} has {column.null_count} nulls,"
                        f" such as row {part.first + first_null(column)}"
                    )
            yield np.column_stack(
                [column.to_numpy(zero_copy_only=False) for column in part.batch.columns]
            )


def number_type(piece: Piece, name: str) -> Any:
    """The type of a column of numbers.

    Raises:
        InvalidInputError: the column is missing, there twice, or holds something else.
    """
    require_once(piece, [name])
    found = piece.schema.field(name).type
    if not (pa.types.is_integer(found) or pa.types.is_floating(found)):
        raise InvalidInputError(
            f"{piece.shown}: column {name!r} must hold numbers, got {found}"
        )
    return found


def list_type(piece: Piece, name: str) -> Any:
    """The type of a column of lists of numbers, without an extension.

    Raises:
        InvalidInputError: the column is missing, there twice, or holds something else.
    """
    require_once(piece, [name])
    found = piece.schema.field(name).type
    if not holds_vectors(stored(found)):
        raise InvalidInputError(
            f"{piece.shown}: column {name!r} must hold lists of numbers, got {found}"
        )
    return stored(found)


def _first_length(columns: Columns, name: str, kind: Any) -> int:
    """Dimensions of the first vector, 0 without any."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    for part in columns.parts([name], rows=1):
        return _matrix(part, name, None).shape[1]
    return 0


def _matrix(part: Part, name: str, dim: int | None) -> NDArray[np.generic]:
    lists = part.batch.column(0)
    if isinstance(lists.type, pa.BaseExtensionType):
        lists = lists.storage
    return matrix_of(lists, shown=part.shown, name=name, first=part.first, dim=dim)
