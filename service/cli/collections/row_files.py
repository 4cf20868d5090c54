"""Rows of files, folders and URLs, batch by batch."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from gleann.index.data.csv_payload import parsed
from gleann.index.data.files import Files, source_text
from gleann.index.data.jsonl_payload import value_of
from gleann.index.data.open import named_by, open_files
from gleann.index.data.vector_columns import require_columns
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.payload.schema import Schema
from gleann.service.cli.files import columns
from gleann.service.cli.files.inputs import ID_COLUMN, ROW_SUFFIXES, read_vectors
from gleann.service.cli.files.tables import (
    JSONL_SUFFIXES,
    Table,
    json_objects,
    read_table,
)
from gleann.service.values import IdType

VECTORS_COLUMN = "vector"
"""Column that holds the vectors unless another one is named."""


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
        path: .jsonl, .csv, or whatever `gleann.data.open` takes by a path.
        schema: columns of the index.
        id_type: kind of its ids, None while it has none.
        id_column: the column with the ids; rows of a file without columns are numbered.
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
        matrix, start = read_vectors(self.vectors).vectors, 0
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
        if suffix in JSONL_SUFFIXES:
            return self._jsonl(size)
        if suffix == ".csv":
            return self._csv(size)
        return self._stored(size)

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

    def _stored(self, size: int) -> Iterator[RowBatch]:
        """Batches of a file with typed columns, or of a folder or glob of some."""
        table = named_by(source_text(self.path))
        if isinstance(table, Files):
            yield from self._without_columns(table, size)
            return
        names = self._names(table.names)
        wanted = list(dict.fromkeys([*self._own, *names]))
        for part in table.parts(wanted, rows=size):
            found = {name: part.batch.column(name) for name in wanted}
            yield self._batch(found, names)

    def _without_columns(self, files: Files, size: int) -> Iterator[RowBatch]:
        """Batches of an array of vectors; rows are numbered where it has no ids."""
        if self.vectors_column is None or self.take:
            raise InvalidInputError(
                f"{self.path} has vectors and no columns: payload is read from"
                " .parquet, .arrow, .jsonl or .csv"
            )
        if self.id_column != ID_COLUMN and self.path.suffix.lower() in ROW_SUFFIXES:
            raise InvalidInputError(f"{self.path} has no column {self.id_column!r}")
        found = open_files(
            files,
            vectors=_unless(VECTORS_COLUMN, self.vectors_column),
            ids=_unless(ID_COLUMN, self.id_column),
        )
        for batch in found.batches(size):
            yield RowBatch(ids=batch.ids, vectors=batch.vectors, payload={})

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
        values = [row.get(name) for row in rows]
        if (column := self.schema.get(name)) is None:
            return values
        return [value_of(value, column) for value in values]

    def _csv(self, size: int) -> Iterator[RowBatch]:
        needed = [*self._own, *self.take]
        optional = [name for name in self.schema.names if name not in needed]
        table = read_table(self.path, columns=needed, optional=optional)
        names = self._names(table.names)
        found = {self.id_column: self._csv_ids(table)}
        for name in names:
            texts = _without_empty(table.columns[name])
            found[name] = parsed(texts, self.schema.column(name), 0)
        if self.vectors_column is not None:
            texts = table.columns[self.vectors_column]
            found[self.vectors_column] = _lists(texts, self.vectors_column)
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


def _unless(usual: str, name: str) -> str | None:
    """A name that the caller chose; None lets the reader find what is there."""
    return None if name == usual else name


def _without_empty(texts: pa.Array) -> pa.Array:
    """Cells of a csv file, null where they are empty."""
    texts = texts.cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _lists(texts: pa.Array, name: str) -> list[object]:
    """Cells of a csv file that hold JSON lists."""
    try:
        return [json.loads(text) for text in texts.to_pylist()]
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"column {name!r} needs JSON lists: {error}") from error


def _blocks(
    objects: Iterator[dict[str, object]], size: int
) -> Iterator[list[dict[str, object]]]:
    while block := list(islice(objects, size)):
        yield block
