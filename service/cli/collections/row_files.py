"""Rows of parquet, jsonl and csv files, batch by batch."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import ArrayLike

from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.payload.schema import Column, Schema
from gleann.service.cli.files import columns
from gleann.service.cli.files.tables import (
    JSONL_SUFFIXES,
    PARQUET_SUFFIXES,
    Table,
    json_objects,
    read_table,
)
from gleann.service.files.npy_file import NpyFile
from gleann.service.files.vector_columns import reading, require_columns
from gleann.service.values import IdType

_TRUE, _FALSE = columns.TRUE_WORDS, columns.FALSE_WORDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowBatch:
    """Some rows of a file.

    Attributes:
        ids: (m,).
        vectors: (m, dim), or None if they were not requested.
        payload: (m,) values of each column.
    """

    ids: Any
    vectors: ArrayLike | None
    payload: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile:
    """A file of rows for an index.

    Attributes:
        path: .parquet, .jsonl or .csv.
        schema: columns of the index.
        id_type: kind of its ids, None while it has none.
        id_column: the column with the ids.
        vectors_column: the column with the vectors; None for none.
        vectors: .npy file with the vectors instead, in the same order.
        take: columns of payload that the file must have; none takes those that are in
            the file and in the index.
    """

    path: Path
    schema: Schema
    id_type: IdType | None
    id_column: str
    vectors_column: str | None
    vectors: Path | None
    take: tuple[str, ...]

    def batches(self, size: int) -> Iterator[RowBatch]:
        """The rows, at most `size` at a time.

        Raises:
            MissingFileError: the file does not exist or cannot be read.
            InvalidInputError: a column is missing, or the file is of another format.
            DimensionMismatchError: another number of vectors than of rows.
        """
        if self.vectors is None:
            yield from self._read(size)
            return
        matrix, start = NpyFile(self.vectors), 0
        for batch in self._read(size):
            stop = start + len(batch)
            self._require_rows(len(matrix), stop, stop <= len(matrix))
            yield replace(batch, vectors=matrix[start:stop])
            start = stop
        self._require_rows(len(matrix), start, start == len(matrix))

    def _require_rows(self, vectors: int, rows: int, fits: bool) -> None:
        if not fits:
            raise DimensionMismatchError(
                f"{self.vectors} has {vectors} rows, {self.path} has {rows}"
                + (" or more" if rows > vectors else "")
            )

    def _read(self, size: int) -> Iterator[RowBatch]:
        suffix = self.path.suffix.lower()
        if suffix in PARQUET_SUFFIXES:
            return self._parquet(size)
        if suffix in JSONL_SUFFIXES:
            return self._jsonl(size)
        if suffix == ".csv":
            return self._csv(size)
        raise InvalidInputError(
            f"{self.path}: rows are read from .parquet, .jsonl or .csv, not {suffix!r}"
        )

    @property
    def _own(self) -> list[str]:
        """Columns that every file must have."""
        own = [self.id_column]
        return own if self.vectors_column is None else [*own, self.vectors_column]

    def _names(self, there: Sequence[str]) -> list[str]:
        """Columns of payload to take from a file with the columns `there`."""
        self.schema.select(self.take)
        require_columns(self.path, [*self._own, *self.take], there)
        if self.take:
            return list(self.take)
        return [name for name in self.schema.names if name in there]

    def _parquet(self, size: int) -> Iterator[RowBatch]:
        with reading(self.path), pa.parquet.ParquetFile(self.path) as file:
            names = self._names(file.schema_arrow.names)
            wanted = list(dict.fromkeys([*self._own, *names]))
            for batch in file.iter_batches(batch_size=size, columns=wanted):
                yield self._batch({name: batch.column(name) for name in wanted}, names)

    def _jsonl(self, size: int) -> Iterator[RowBatch]:
        """Batches of JSON lines, in which a name that is missing is null."""
        self.schema.select(self.take)
        for rows in _blocks(json_objects(self.path), size):
            there = {name for row in rows for name in row}
            require_columns(self.path, self._own, sorted(there))
            names = self.take or [name for name in self.schema.names if name in there]
            wanted = dict.fromkeys([*self._own, *names])
            found = {name: self._values(rows, name) for name in wanted}
            yield self._batch(found, names)

    def _values(self, rows: list[dict[str, object]], name: str) -> list[object]:
        """Values of JSON lines; those of a column of JSON are its texts."""
        values = [row.get(name) for row in rows]
        column = self.schema.get(name)
        if column is None or column.type != "json":
            return values
        return [
            None if value is None else json.dumps(value, ensure_ascii=False)
            for value in values
        ]

    def _csv(self, size: int) -> Iterator[RowBatch]:
        needed = [*self._own, *self.take]
        optional = [name for name in self.schema.names if name not in needed]
        table = read_table(self.path, columns=needed, optional=optional)
        names = self._names(table.names)
        found = {self.id_column: self._csv_ids(table)}
        for name in names:
            found[name] = from_text(table.columns[name], self.schema.column(name))
        if self.vectors_column is not None:
            texts = table.columns[self.vectors_column]
            vectors = Column(self.vectors_column, "strings")
            found[self.vectors_column] = from_text(texts, vectors)
        for start in range(0, len(table), size):
            part = slice(start, start + size)
            yield self._batch({name: it[part] for name, it in found.items()}, names)

    def _csv_ids(self, table: Table) -> Any:
        if self.id_type == "string":
            return table.columns[self.id_column].to_pylist()
        return columns.own_ids(table, self.id_column)

    def _batch(self, found: Mapping[str, Any], names: Iterable[str]) -> RowBatch:
        vectors = None
        if self.vectors_column is not None:
            vectors = found[self.vectors_column]
        return RowBatch(
            ids=found[self.id_column],
            vectors=vectors,
            payload={name: found[name] for name in names},
        )


def from_text(texts: pa.Array, column: Column) -> Any:
    """Values of a column from the cells of a csv file; an empty cell is null.

    Raises:
        InvalidInputError: a cell that is none of the column's type; names the row.
    """
    texts = texts.cast(pa.string())
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    if column.type in ("int64", "float64"):
        return _numbers(texts, column)
    if column.type == "bool":
        return [_truth(text, column, row) for row, text in enumerate(texts.to_pylist())]
    if column.type == "strings":
        return [_list(text, column, row) for row, text in enumerate(texts.to_pylist())]
    return texts


def _numbers(texts: pa.Array, column: Column) -> pa.Array:
    kind = pa.int64() if column.type == "int64" else pa.float64()
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid as error:
        raise InvalidInputError(f"column {column.name!r}: {error}") from error


def _truth(text: str | None, column: Column, row: int) -> bool | None:
    if text is None:
        return None
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise InvalidInputError(
            f"column {column.name!r}, row {row}: {text!r:.60} is neither true nor false"
        )
    return word in _TRUE


def _list(text: str | None, column: Column, row: int) -> list[str] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise InvalidInputError(
            f"column {column.name!r}, row {row}: {text!r:.60} is no JSON list"
        )
    return value


def _blocks(
    objects: Iterator[dict[str, object]], size: int
) -> Iterator[list[dict[str, object]]]:
    while block := list(islice(objects, size)):
        yield block
