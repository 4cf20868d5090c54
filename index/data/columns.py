"""Columns of several pieces as one table, and the payload in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gleann.index.data.pieces import Piece
from gleann.index.data.vector_columns import require_columns
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.tables.list_columns import holds_vectors

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

    def blocks(self, schema: Schema, *, first: int = 0) -> Iterator[Payload]:
        """The columns of `schema` as payload, block by block, from row `first` on."""
        names = list(schema.names)
        read = names or [self.names[0]]
        for part in self.parts(read, rows=PAYLOAD_ROWS, first=first):
            rows = len(part.batch)
            if names:
                yield Payload.of(part.batch, schema, first=first)
            else:
                yield Payload.nulls(schema, rows)
            first += rows


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
