"""Columns of several pieces as one table: vectors, ids and payload from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.data.pieces import Piece
from gleann.index.data.sliced_rows import SlicedRows
from gleann.index.data.vector_columns import matrix_of, require_columns
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.tables.list_columns import holds_vectors

BLOCK_BYTES = 1 << 24
"""Bytes of vectors that are decoded at once."""
PAYLOAD_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a piece.

    Attributes:
        shown: what messages call the piece.
        first: its row that the batch begins with.
        batch: a `pyarrow.RecordBatch`.
    """

    shown: str
    first: int
    batch: Any


class Columns:
    """The rows of all pieces, in order.

    Attributes:
        shown: what messages call them all.
        pieces: at least one.
        count: of all rows.
        names: of the columns of the first piece.
    """

    has_all_names = True

    def __init__(self, shown: str, pieces: Sequence[Piece]) -> None:
        self.shown = shown
        self.pieces = tuple(pieces)
        self.count = sum(piece.count for piece in pieces)
        self.names = tuple(pieces[0].schema.names)

    @property
    def vector_names(self) -> list[str]:
        """Names of the columns that hold lists of numbers."""
        schema = self.pieces[0].schema
        return [field.name for field in schema if holds_vectors(stored(field.type))]

    def parts(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Part]:
        """Some columns, batch by batch.

        Args:
            names: of the columns.
            rows: most of a batch.
            first: row to begin with.
            words: as in `Piece.batches`.

        Raises:
            InvalidInputError: a piece lacks a column, or has two of its name.
            CorruptDataError: a piece has another number of rows than before.
        """
        skip = first
        for piece in self.pieces:
            if skip and skip >= piece.count:
                skip -= piece.count
                continue
            require_once(piece, names)
            at, skip = skip, 0
            for batch in piece.batches(names, rows=rows, first=at, words=words):
                yield Part(piece.shown, at, batch)
                at += len(batch)
                if at > piece.count:
                    raise changed(piece, f"{at} or more")
            if at < piece.count:
                raise changed(piece, f"{at}")

    def field(self, name: str) -> Any:
        """The `pyarrow.Field` of a column.

        Raises:
            InvalidInputError: there is none, or two.
        """
        require_once(self.pieces[0], [name])
        return self.pieces[0].schema.field(name)

    def column(self, name: str) -> Column:
        """A column of payload and its type."""
        (column,) = Schema.of(pa.schema([self.field(name)])).columns
        return column

    def blocks(self, schema: Schema) -> Iterator[Payload]:
        """The columns of `schema` as payload, block by block."""
        names, first = list(schema.names), 0
        read = names or [self.names[0]]
        for part in self.parts(read, rows=PAYLOAD_ROWS):
            rows = len(part.batch)
            if names:
                yield Payload.of(part.batch, schema, first=first)
            else:
                yield Payload.nulls(schema, rows)
            first += rows


class VectorColumn(SlicedRows):
    """The vectors in a column of lists of numbers.

    Slices in order are read once; one that begins elsewhere opens its piece anew.
    """

    def __init__(self, columns: Columns, name: str, *, dim: int | None = None) -> None:
        """Find dtype and dimension, by the types and the first row.

        Args:
            columns: with the column.
            name: of the column.
            dim: of the vectors; None takes that of the first.

        Raises:
            InvalidInputError: the column is missing, or holds no lists of numbers.
        """
        self._columns, self._name = columns, name
        self._lock = Lock()
        self._next = -1
        self._blocks: Iterator[NDArray[np.generic]] = iter(())
        self._left: NDArray[np.generic] = np.empty((0, 0))
        kinds = [list_type(piece, name) for piece in columns.pieces]
        self.dtype = np.result_type(*(_numpy_type(kind) for kind in kinds))
        known = self._first_length(kinds[0]) if dim is None else dim
        self.shape = (columns.count, known)

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice."""
        start, stop, _ = rows.indices(len(self))
        out = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
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

    def matrices(
        self, *, first: int = 0, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[NDArray[np.generic]]:
        """All rows from `first` on, in blocks of the dtypes of their pieces."""
        rows = max(1, block_bytes // (8 * max(1, self.shape[1])))
        for part in self._columns.parts([self._name], rows=rows, first=first):
            yield self._matrix(part, self.shape[1])

    def _first_length(self, kind: Any) -> int:
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
        for part in self._columns.parts([self._name], rows=1):
            return self._matrix(part, None).shape[1]
        return 0

    def _matrix(self, part: Part, dim: int | None) -> NDArray[np.generic]:
        lists = part.batch.column(0)
        if isinstance(lists.type, pa.BaseExtensionType):
            lists = lists.storage
        return matrix_of(
            lists, shown=part.shown, name=self._name, first=part.first, dim=dim
        )


class NumberColumns(SlicedRows):
    """Vectors of which each dimension is a column."""

    def __init__(self, columns: Columns, names: Sequence[str]) -> None:
        """Find the dtype that holds all of the columns.

        Raises:
            InvalidInputError: a column is missing, or holds no numbers.
        """
        self._columns, self._names = columns, list(names)
        kinds = [columns.field(name).type for name in names]
        for name, kind in zip(names, kinds, strict=True):
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise InvalidInputError(
                    f"{columns.shown}: column {name!r} must hold numbers, got {kind}"
                )
        self.dtype = np.result_type(*(kind.to_pandas_dtype() for kind in kinds))
        self.shape = (columns.count, len(self._names))

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """The rows of a slice."""
        start, stop, _ = rows.indices(len(self))
        out = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
        done = 0
        parts = self._columns.parts(self._names, rows=max(1, len(out)), first=start)
        while done < len(out):
            block = self._matrix(next(parts))[: len(out) - done]
            out[done : done + len(block)] = block
            done += len(block)
        return out

    def _matrix(self, part: Part) -> NDArray[np.generic]:
        for name, column in zip(self._names, part.batch.columns, strict=True):
            if column.null_count:
                row = part.first + column.is_null().to_pylist().index(True)
                raise InvalidInputError(
                    f"{part.shown}: column {name!r} has {column.null_count} nulls, such"
                    f" as row {row}"
                )
        return np.column_stack(
            [column.to_numpy(zero_copy_only=False) for column in part.batch.columns]
        )


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


def stored(kind: Any) -> Any:
    """What an extension type, such as a tensor of fixed shape, is stored as."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def require_once(piece: Piece, names: Sequence[str]) -> None:
    """Refuse a piece without one of the columns, or with two of a name.

    Raises:
        InvalidInputError: names piece and column.
    """
    require_columns(piece.shown, names, piece.schema.names)
    for name in names:
        if (times := piece.schema.names.count(name)) > 1:
            raise InvalidInputError(f"{piece.shown} has {times} columns {name!r}")


def changed(piece: Piece, found: str) -> CorruptDataError:
    """The error for a piece that was changed since its size was read."""
    return CorruptDataError(
        f"{piece.shown} was changed while it was read: it had {piece.count} vectors"
        f" before, and has {found} now"
    )


def _numpy_type(kind: Any) -> np.dtype[Any]:
    return np.dtype(kind.value_type.to_pandas_dtype())
