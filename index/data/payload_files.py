"""Readers of payload: .csv, .jsonl and .parquet files, a block of rows at a time.

The columns of a parquet file have types. Those of the others are found by reading the
file once: of text in a csv file, whole numbers, numbers, true and false, and moments in
RFC 3339 are told from other text, and an empty cell is null; of JSON the values have
types, moments are told from other text, and objects and lists of other things than
text are kept as JSON.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from gleann.index.data import csv_payload, jsonl_payload
from gleann.index.data.byte_file import stream_of
from gleann.index.data.files import THIS_MACHINE, Files, Place, kind_of_file
from gleann.index.data.vector_columns import reading, require_columns
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.index.storage.regular_file import open_regular

JSONL = (".jsonl", ".ndjson")
SUFFIXES = (".csv", *JSONL, ".parquet", ".pq")
BLOCK_ROWS = 65_536
PEEKED_ROWS = 1_000


class _Reader(Protocol):
    """A format of payload files."""

    names: tuple[str, ...]
    has_all_names: bool

    def column(self, name: str) -> Column:
        """A column and its type in the file."""

    def blocks(self, schema: Schema) -> Iterator[Payload]:
        """The columns of `schema`, in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFile:
    """A file of payload: its columns are known, its rows are read when they are needed.

    Attributes:
        path: the file.
        reader: of its format.
    """

    path: Path
    reader: _Reader

    @classmethod
    def open(cls, path: Path, *, place: Place = THIS_MACHINE) -> "PayloadFile":
        """Open a file; its suffix decides the format.

        Args:
            path: of the file.
            place: that has it by its path.

        Raises:
            MissingFileError: it cannot be read.
            InvalidInputError: another suffix, or contents of another format.
        """
        return cls(path=path, reader=_reader(path, place, typed_rows=None))

    @classmethod
    def peek(cls, path: Path, *, place: Place = THIS_MACHINE) -> "PayloadFile":
        """As `open`, where the first rows of text stand for all of them.

        It takes hardly longer for a large file than for a small one. A value in a later
        row may need another type, or be of a column that is not among `names`: see
        `has_all_names`.

        Raises:
            As `open`.
        """
        return cls(path=path, reader=_reader(path, place, typed_rows=PEEKED_ROWS))

    @property
    def has_all_names(self) -> bool:
        """Whether `names` are those of all rows."""
        return self.reader.has_all_names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the file."""
        return self.reader.names

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file of this machine; none where it is a table or elsewhere."""
        return (self.path,) if self.path.is_file() else ()

    def schema(self, names: Iterable[str]) -> Schema:
        """The columns of these names, with their types in the file.

        Raises:
            InvalidInputError: the file lacks one, or payload cannot hold it.
        """
        wanted = tuple(names)
        require_columns(self.path.name, wanted, self.names)
        with reading(self.path.name):
            return Schema(self._column(name) for name in wanted)

    def possible(self, *, leave_out: Sequence[str | None] = ()) -> Schema:
        """All columns that payload can hold, but some; vectors, say, it cannot."""
        return self.possible_and_refused(leave_out=leave_out)[0]

    def possible_and_refused(
        self, *, leave_out: Sequence[str | None] = ()
    ) -> tuple[Schema, dict[str, str]]:
        """As `possible`, and why payload cannot hold the others, by their names."""
        found: list[Column] = []
        refused: dict[str, str] = {}
        with reading(self.path.name):
            for name in self.names:
                if name in leave_out:
                    continue
                try:
                    found.append(self.reader.column(name))
                except InvalidInputError as error:
                    refused[name] = str(error)
        return Schema(found), refused

    def blocks(self, schema: Schema, *, n: int) -> Iterator[Payload]:
        """The columns of `schema` that the file has, block by block; others are null.

        Args:
            schema: what the blocks are to have; may have other types than `possible`
                says, such as `json` for text.
            n: rows that the file must have.

        Raises:
            InvalidInputError: a value that its column cannot hold; names column and
                row.
            DimensionMismatchError: more or fewer rows than n.
        """
        there = Schema(c for c in schema.columns if c.name in self.names)
        rows = 0
        with reading(self.path.name), self._naming():
            for block in self.reader.blocks(there):
                rows += len(block)
                if rows > n:
                    break
                yield block.with_schema(schema)
        if rows != n:
            more = "or more " if rows > n else ""
            raise DimensionMismatchError(
                f"{self.path.name} has {rows} {more}rows of payload for {n} vectors"
            )

    def _column(self, name: str) -> Column:
        with self._naming():
            return self.reader.column(name)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the file where a message does not."""
        try:
            yield
        except InvalidInputError as error:
            if str(error).startswith(self.path.name):
                raise
            raise InvalidInputError(f"{self.path.name}: {error}") from error


def _reader(path: Path, place: Place, *, typed_rows: int | None) -> _Reader:
    opening = partial(_opened, path, place)
    with _reading_suffix(path) as suffix:
        if suffix == ".csv":
            return csv_payload.CsvPayload(path, opening=opening, typed_rows=typed_rows)
        if suffix in JSONL:
            return jsonl_payload.JsonlPayload(
                path, opening=opening, typed_rows=typed_rows
            )
        return _table(path, place)


def _opened(path: Path, place: Place) -> BinaryIO:
    if place is THIS_MACHINE:
        return open_regular(path)
    return stream_of(place.byte_file(str(path)))


@contextmanager
def _reading_suffix(path: Path) -> Iterator[str]:
    """The format of a file; converts the errors of its first read.

    Raises:
        MissingFileError: it cannot be read.
        InvalidInputError: another suffix, or contents of another format.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInputError(f"{path.name} must end in one of {', '.join(SUFFIXES)}")
    with reading(path.name):
        yield suffix


def _table(path: Path, place: Place) -> _Reader:
    """The columns of a parquet file."""
    from gleann.index.data.tables import columns_of_files

    name = str(path)
    files = Files(shown=path.name, names=(name,), kind=kind_of_file(name), place=place)
    return columns_of_files(files)
