"""Tables whose columns are read batch by batch: parquet and Arrow files, and memory.

Parquet is read by `ParquetFile.iter_batches`, which decodes a batch at a time; the scan
of `pyarrow.dataset` decodes whole row groups (index/DECISIONS.md 49).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from gleann.index.data.vector_columns import reading
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.storage.regular_file import open_regular

BUFFER_BYTES = 1 << 20
"""Bytes of a column of a parquet file that are read at once."""

Open = Callable[[], Any]
"""Opens a file for Arrow: a path, or anything that `ParquetFile` reads."""


class Piece(Protocol):
    """Rows of a table.

    Attributes:
        shown: what messages call it.
        schema: a `pyarrow.Schema`.
        count: of its rows.
    """

    shown: str
    schema: Any
    count: int

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns, in order.

        Args:
            names: of the columns, which it has.
            rows: most of a batch.
            first: row to begin with.
            words: whether texts may come as dictionaries, where they are stored so.
        """


def decoded(schema: Any) -> Any:
    """A schema whose names are all UTF-8.

    Raises:
        UnicodeDecodeError: one is not; it would be raised wherever the name is read.
    """
    _ = [(field.name, str(field.type)) for field in schema]
    return schema


def stamp_of(path: Path | None) -> tuple[int, ...] | None:
    """What differs for a file of this machine that was written to; None elsewhere.

    Raises:
        MissingFileError: it is no regular file: Arrow would wait for a pipe.
    """
    if path is None:
        return None
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def require_stamp(shown: str, path: Path | None, stamp: tuple[int, ...] | None) -> None:
    """Refuse a file that changed: its ids may not be those of its vectors.

    Raises:
        CorruptDataError: it did.
        MissingFileError: it is gone.
    """
    if stamp_of(path) != stamp:
        raise CorruptDataError(f"{shown} was changed while it was read")


class ParquetPiece:
    """A parquet file."""

    def __init__(self, shown: str, opening: Open, *, local: Path | None) -> None:
        """Read the schema and the sizes.

        Args:
            shown: what messages call the file.
            opening: opens it.
            local: its path on this machine, if it is there.

        Raises:
            MissingFileError: it cannot be read.
            InvalidInputError: it is no parquet file.
        """
        self.shown = shown
        self._opening = opening
        self._local = local
        with reading(shown):
            self._stamp = stamp_of(local)
            with self._open() as file:
                self.schema = decoded(file.schema_arrow)
                self.metadata = file.metadata
        self.count: int = self.metadata.num_rows

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns; whole row groups before `first` are left."""
        groups, skip = self._groups_from(first)
        if not groups:
            return
        at = first
        with reading(self.shown), self._open(names if words else None) as file:
            for batch in file.iter_batches(rows, row_groups=groups, columns=names):
                left = batch.slice(min(skip, len(batch)))
                skip -= len(batch) - len(left)
                if len(left):
                    at += len(left)
                    if at == self.count:
                        require_stamp(self.shown, self._local, self._stamp)
                    yield left

    def _open(self, words: Sequence[str] | None = None) -> Any:
        return pq.ParquetFile(
            self._opening(),
            read_dictionary=None if words is None else list(words),
            buffer_size=BUFFER_BYTES,
            pre_buffer=False,  # of whole columns of row groups
        )

    def _groups_from(self, first: int) -> tuple[list[int], int]:
        """Row groups with the rows from `first` on, and rows to leave out there."""
        numbers = range(self.metadata.num_row_groups)
        skip = first
        for number in numbers:
            inside = self.metadata.row_group(number).num_rows
            if skip < inside:
                return list(numbers[number:]), skip
            skip -= inside
        return [], 0


class IpcPiece:
    """An Arrow IPC file (Feather version 2), or a stream in a file, as `datasets` has.

    A stream has no list of its batches, so it is memory-mapped: what is not read costs
    nothing, but the file must stay as it is.
    """

    def __init__(self, shown: str, opening: Open, *, local: Path | None) -> None:
        """Read the schema and the number of rows; as `ParquetPiece`."""
        self.shown = shown
        self._opening = opening
        self._local = local
        with reading(shown):
            self._stamp = stamp_of(local)
            with closing(self._source()) as source:
                self._is_file = source.read(6) == b"ARROW1"
            with self._open(None) as reader:
                self.schema = decoded(reader.schema)
                self.count = self._counted(reader)

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns."""
        del words  # they are as they are stored
        wanted = [self.schema.get_field_index(name) for name in names]
        skip = at = first
        with reading(self.shown), self._open(wanted) as reader:
            for batch in self._read(reader):
                taken = batch.select(list(names))
                taken.validate(full=True)  # offsets of lists may lead anywhere
                left = taken.slice(min(skip, len(taken)))
                skip -= len(taken) - len(left)
                at += len(left)
                if at == self.count:
                    require_stamp(self.shown, self._local, self._stamp)
                for start in range(0, len(left), rows):
                    yield left.slice(start, rows)

    def _source(self) -> Any:
        source = self._opening()
        return pa.OSFile(str(source)) if isinstance(source, str | Path) else source

    def _open(self, fields: list[int] | None) -> AbstractContextManager[Any]:
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        made = pa.ipc.open_file if self._is_file else pa.ipc.open_stream
        source = self._source()
        if self._local is not None and not self._is_file:
            source = pa.memory_map(str(self._local))
        opened: AbstractContextManager[Any] = made(source, options=options)
        return opened

    def _read(self, reader: Any) -> Iterator[Any]:
        if self._is_file:
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from reader

    def _counted(self, reader: Any) -> int:
        if self._is_file and hasattr(reader, "count_rows"):
            return int(reader.count_rows())
        return sum(len(batch) for batch in self._read(reader))


class HeldPiece:
    """A `pyarrow.Table` in memory."""

    def __init__(self, shown: str, table: Any) -> None:
        self.shown = shown
        self.schema = table.schema
        self.count = len(table)
        self._table = table

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns, without a copy."""
        del words
        chosen = self._table.select(list(names)).slice(first)
        yield from chosen.to_batches(max_chunksize=rows)


class LazyPiece:
    """A table that gives slices as `pyarrow.Table`, such as a `datasets.Dataset`."""

    def __init__(
        self,
        shown: str,
        schema: Any,
        count: int,
        take: Callable[[list[str], slice], Any],
    ) -> None:
        self.shown = shown
        self.schema = schema
        self.count = count
        self._take = take

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns."""
        del words
        for start in range(first, self.count, rows):
            some = slice(start, min(start + rows, self.count))
            yield from self._take(list(names), some).to_batches()


class KeyedPiece:
    """A piece in a folder such as `lang=en`, which is a column of one value."""

    def __init__(self, piece: Piece, keys: dict[str, Any], schema: Any) -> None:
        """Add the columns of the folders.

        Args:
            piece: the file.
            keys: values by column.
            schema: with the types of these columns.

        Raises:
            InvalidInputError: a column that the file has too.
        """
        self.shown = piece.shown
        self.count = piece.count
        self._piece = piece
        self._keys = {
            name: pa.scalar(value, schema.field(name).type)
            for name, value in keys.items()
        }
        self.schema = piece.schema
        for name in keys:
            if name in piece.schema.names:
                raise InvalidInputError(
                    f"{piece.shown} has a column {name!r}, and is in a folder {name}="
                )
            self.schema = self.schema.append(schema.field(name))

    @property
    def inner(self) -> Piece:
        """The file."""
        return self._piece

    def batches(
        self, names: Sequence[str], *, rows: int, first: int = 0, words: bool = False
    ) -> Iterator[Any]:
        """Record batches of some columns, those of the folders among them."""
        own = [name for name in names if name not in self._keys]
        fields = [self.schema.field(name) for name in names]
        # Some column of the file says how many rows there are.
        read = own or self._piece.schema.names[:1]
        parts = self._piece.batches(read, rows=rows, first=first, words=words)
        for part in parts:
            arrays = [
                part.column(name)
                if name in own
                else pa.repeat(self._keys[name], len(part))
                for name in names
            ]
            types = [array.type for array in arrays]
            kept = [f.with_type(kind) for f, kind in zip(fields, types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(kept))
