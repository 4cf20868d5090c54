"""`Payload`: rows of typed values, one for each vector."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from gleann._needed import needing
from gleann.index.arrays import Rows
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
)
from gleann.index.payload.schema import Column, Schema
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.mapped_file import MappedFile

MANY_CHUNKS = 64
"""Chunks of a column from which small ones are put together."""
SMALL_CHUNK = 4096
"""Rows below which, on average, a chunk is small."""


class Payload:
    """The values of payload columns for n rows, in order; immutable.

    A value may be missing (null). Make one with `of`, `empty`, `nulls` or `open`.

    Attributes:
        schema: the columns.
    """

    __slots__ = ("_files", "_n", "_table", "schema")

    def __init__(
        self,
        table: Any,
        schema: Schema,
        *,
        n: int,
        files: tuple[MappedFile, ...] = (),
    ) -> None:
        """Hold what was checked already; `of` checks."""
        self.schema = schema
        self._table = table
        self._n = n
        self._files = files

    @classmethod
    def of(
        cls, values: Any, schema: Any = None, *, n: int | None = None, first: int = 0
    ) -> "Payload":
        """Check and hold `values`.

        Args:
            values: the columns by name: a mapping, or a table: `pyarrow.Table`,
                `RecordBatch`, a polars or pandas frame, or anything else with
                `__arrow_c_stream__`. Each column has one value a row, null for none:
                strings; integers; numbers, neither NaN nor infinite (a NaN of pandas
                is null); booleans; datetimes (in UTC where they have no zone), dates,
                or texts in RFC 3339; lists of strings; texts of JSON. A column of the
                schema that is absent is null.
            schema: the columns to hold, as `Schema.of` takes them; None for those that
                the values have, by their Arrow types.
            n: how many rows there must be; None takes the rows there are.
            first: number of the first row in messages.

        Raises:
            InvalidInputError: a value that its column cannot hold; naming column and
                row. Nothing is rounded or cut.
            UnknownColumnError: a column that the schema lacks.
            DimensionMismatchError: columns of another number of rows.
        """
        with needing("payload"):
            import pyarrow as pa

        from gleann.index.payload.arrow import arrow_type, as_column, schema_of

        columns, rows = _columns_of(values)
        schema = schema_of(columns) if schema is None else Schema.of(schema)
        if (count := rows if n is None else n) is None:
            raise InvalidInputError("values has no column, and n is not given")
        given = {schema.column(name).name: part for name, part in columns.items()}
        held: list[Any] = []
        for column in schema.columns:
            if column.name not in given:
                held.append(pa.nulls(count, arrow_type(column)))
                continue
            part = given[column.name]
            held.append(as_column(part, column, first=first))
            _require_count(len(held[-1]), count, column.name)
        if not held and rows is not None:
            _require_count(rows, count, "values")
        return cls._held(held, schema, n=count)

    @classmethod
    def empty(cls, schema: Any) -> "Payload":
        """No rows of the columns of `schema`."""
        return cls.nulls(schema, 0)

    @classmethod
    def nulls(cls, schema: Any, n: int) -> "Payload":
        """Rows (n,) without any value."""
        return cls.of({}, schema, n=n)

    @classmethod
    def concat(cls, parts: Iterable["Payload"]) -> "Payload":
        """The rows of all `parts`, at least one, in order.

        Raises:
            InvalidInputError: parts of other columns, by name or type.
        """
        import pyarrow as pa

        parts = list(parts)
        schema = parts[0].schema
        for part in parts:
            if _kinds(part.schema) != _kinds(schema):
                raise InvalidInputError(
                    f"a part of payload has other columns: {part.schema.described()};"
                    f" in the first {schema.described()}"
                )
        table = pa.concat_tables([part.to_arrow() for part in parts])
        chunks = max((column.num_chunks for column in table.columns), default=0)
        if chunks > MANY_CHUNKS and len(table) < chunks * SMALL_CHUNK:
            from gleann.index.payload.gather import combined

            joined = [combined(column) for column in table.columns]
            table = pa.Table.from_arrays(joined, schema=table.schema)
        files = {id(file): file for part in parts for file in part.files}
        return cls(table, schema, n=sum(map(len, parts)), files=tuple(files.values()))

    @classmethod
    def from_bytes(cls, packed: bytes, schema: Schema | None = None) -> "Payload":
        """What `to_bytes` packed; all of it is checked but the JSON of texts.

        Args:
            packed: the bytes.
            schema: what its columns must be, name by name and type by type; None takes
                those that were packed.

        Raises:
            CorruptDataError: other bytes than those of `to_bytes`, or other columns.
        """
        from gleann.index.payload.packing import unpack

        table, said, n = unpack(packed)
        if schema is None:
            return cls(table, said, n=n)
        if _kinds(said) != _kinds(schema):
            raise CorruptDataError(
                f"a payload has other columns than expected: {said.described()};"
                f" expected {schema.described()}"
            )
        return cls(table, schema, n=n)

    @classmethod
    def write(
        cls,
        path: str | PathLike[str],
        blocks: Iterable["Payload"],
        schema: Schema,
    ) -> int:
        """Write the rows of all blocks to an Arrow IPC file, and return their number.

        Args:
            path: replaced if it is there.
            blocks: in order; held one at a time.
            schema: that of every block.

        Raises:
            InvalidInputError: a block of another schema.
            StorageError: the disk refused.
        """
        path = Path(path)
        with refusing_disk(path), path.open("wb") as handle:
            rows = cls.write_to(handle, blocks, schema)
            handle.flush()
            os.fsync(handle.fileno())
        return rows

    @staticmethod
    def write_to(handle: Any, blocks: Iterable["Payload"], schema: Schema) -> int:
        """`write` to a file that is open, or anything else that bytes go into."""
        from gleann.index.payload.file import write_tables

        return write_tables(handle, _tables(blocks, schema), schema)

    @classmethod
    def open(
        cls, path: str | PathLike[str], schema: Schema, *, sha256: str | None = None
    ) -> "Payload":
        """Open a file that `write` wrote; values stay memory-mapped.

        Args:
            path: the file; it must stay as it is.
            schema: that it was written with.
            sha256: what the file must have, in hexadecimal; None takes any.

        Raises:
            MissingFileError: it is not there.
            CorruptDataError: not such a file, not of this schema, or another SHA-256.
        """
        with needing("payload"):
            from gleann.index.payload.file import open_file

        file = open_file(Path(path), schema)
        if sha256 is not None and file.sha256 != sha256:
            raise CorruptDataError(
                f"{path} has sha256 {file.sha256[:12]}..., expected {sha256[:12]}..."
            )
        return cls(file.table, schema, n=file.rows, files=(file.mapped,))

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        return f"Payload(n={self._n}, {self.schema.described()})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Payload):
            return NotImplemented
        same = len(self) == len(other) and self.schema == other.schema
        return same and bool(self.to_arrow().equals(other.to_arrow()))

    __hash__ = None  # type: ignore[assignment]  # values are compared, not hashed

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload.from_bytes, (self.to_bytes(), self.schema)

    @property
    def files(self) -> tuple[MappedFile, ...]:
        """The mapped files that values are read from."""
        return self._files

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(self._table.nbytes)

    def to_arrow(self) -> Any:
        """The values as a `pyarrow.Table`; its columns may be in several chunks.

        Types: string, int64, double, bool, timestamp[us, UTC], list<string>, and
        string for JSON. Without columns it has no rows.

        Raises:
            CorruptDataError: the file that values are mapped from was changed.
        """
        for file in self._files:
            file.require_whole()
        return self._table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def column(self, name: str) -> Any:
        """The values of a column, as a `pyarrow.ChunkedArray`.

        Raises:
            UnknownColumnError: there is no such column.
        """
        return self.to_arrow()[self.schema.column(name).name]

    def to_pylist(self) -> list[dict[str, Any]]:
        """Each row as a dict of the Python values of its columns."""
        if not len(self.schema):
            return [{} for _ in range(self._n)]
        listed: list[dict[str, Any]] = self.to_arrow().to_pylist()
        return listed

    def take(self, rows: Rows | Sequence[int]) -> "Payload":
        """The rows at `rows` (m,), repeated where they are; nulls for row -1."""
        from gleann.index.payload.gather import take

        places = np.asarray(rows, np.int64)
        assert not places.size or (places.min() >= -1 and places.max() < self._n)
        if not len(self.schema):
            return Payload(self._table, self.schema, n=len(places))
        taken = [take(column, places) for column in self.to_arrow().columns]
        return self._held(taken, self.schema, n=len(places))

    def slice(self, start: int, stop: int) -> "Payload":
        """The rows from `start` up to `stop`, without a copy."""
        start, stop, _ = slice(start, stop).indices(self._n)
        n = max(0, stop - start)
        table = self._table.slice(start, n) if len(self.schema) else self._table
        return Payload(table, self.schema, n=n, files=self._files)

    def bounds(self, most_bytes: int) -> list[tuple[int, int]]:
        """(start, stop) of consecutive blocks of about so many bytes, or of one row."""
        from gleann.index.payload.gather import bounded, row_bytes

        sizes = np.ones(self._n, np.int64)
        for column in self.to_arrow().columns:
            sizes += row_bytes(column)
        return [(block.start, block.stop) for block in bounded(sizes, most_bytes)]

    def select(self, names: Iterable[str]) -> "Payload":
        """The columns of these names, in the order of the names, without a copy.

        Raises:
            UnknownColumnError: a name that no column has.
        """
        schema = self.schema.select(names)
        table = self._table.select(list(schema.names))
        return Payload(table, schema, n=self._n, files=self._files)

    def with_schema(self, schema: Schema) -> "Payload":
        """The columns of `schema`: its own where it has them by name and type.

        The others are null, and its own that the schema lacks are dropped.
        """
        import pyarrow as pa

        from gleann.index.payload.arrow import arrow_type

        if schema == self.schema:
            return self
        held = [
            self._table[column.name]
            if self._has(column)
            else pa.nulls(self._n, arrow_type(column))
            for column in schema.columns
        ]
        return self._held(held, schema, n=self._n, files=self._files)

    def replaced(
        self,
        rows: Rows | Sequence[int],
        other: "Payload",
        columns: Iterable[str] | None = None,
    ) -> "Payload":
        """The payload with values of `other` (m,) at `rows` (m,).

        Args:
            rows: in range; where one is repeated, the last counts.
            other: has the columns to replace, of the same types.
            columns: names of the columns to replace; None for all of `other`.

        Raises:
            UnknownColumnError: a column that either lacks.
            InvalidInputError: a column of another type.
            DimensionMismatchError: `rows` and `other` differ in number.
        """
        from gleann.index.payload.gather import replace

        places = np.asarray(rows, np.int64)
        _require_count(len(other), len(places), "other")
        table = self.to_arrow()
        for name in other.schema.names if columns is None else columns:
            mine, theirs = self.schema.column(name), other.schema.column(name)
            if mine.type != theirs.type:
                raise InvalidInputError(
                    f"column {name!r} is {mine.type}, the new values are {theirs.type}"
                )
            if places.size:
                new = replace(table[name], places, other.to_arrow()[name])
                table = table.set_column(self.schema.names.index(name), name, new)
        return Payload(table, self.schema, n=self._n, files=self._files)

    def to_bytes(self) -> bytes:
        """The payload and its schema, packed, for `from_bytes`."""
        from gleann.index.payload.packing import pack

        return pack(self.to_arrow(), self.schema, n=self._n)

    def _has(self, column: Column) -> bool:
        mine = self.schema.get(column.name)
        return mine is not None and mine.type == column.type

    @classmethod
    def _held(
        cls,
        columns: list[Any],
        schema: Schema,
        *,
        n: int,
        files: tuple[MappedFile, ...] = (),
    ) -> "Payload":
        import pyarrow as pa

        from gleann.index.payload.arrow import arrow_schema

        table = pa.Table.from_arrays(columns, schema=arrow_schema(schema))
        return cls(table, schema, n=n, files=files)


def _columns_of(values: Any) -> tuple[Mapping[str, Any], int | None]:
    """The columns by name, and how many rows they have, None if it is not known."""
    if isinstance(values, Payload):
        return dict(_named(values.to_arrow())), len(values)
    if isinstance(values, Mapping):
        # What has no length is refused with its column.
        sizes = (len(p) if hasattr(p, "__len__") else 0 for p in values.values())
        return values, next(sizes, None)
    if type(values).__module__.partition(".")[0] == "pandas":
        return {str(name): values[name] for name in values.columns}, len(values)
    if not hasattr(values, "__arrow_c_stream__"):
        values = _batch(values)
    import pyarrow as pa

    table = values if isinstance(values, pa.Table) else pa.table(values)
    return dict(_named(table)), len(table)


def _batch(values: Any) -> Any:
    import pyarrow as pa

    if not isinstance(values, pa.RecordBatch):
        raise InvalidInputError(
            "payload is a mapping of names to values, or a table with"
            f" __arrow_c_stream__, got a {type(values).__name__}"
        )
    return pa.Table.from_batches([values])


def _named(table: Any) -> list[tuple[str, Any]]:
    names: list[str] = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(f"payload has a column {name!r} twice")
    return list(zip(names, table.columns, strict=True))


def _tables(blocks: Iterable[Payload], schema: Schema) -> Iterator[Any]:
    for block in blocks:
        if block.schema != schema:
            raise InvalidInputError(
                f"a block of payload has another schema: {block.schema.described()};"
                f" expected: {schema.described()}"
            )
        yield block.to_arrow()


def _kinds(schema: Schema) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in schema.columns]


def _require_count(got: int, n: int, name: str) -> None:
    if got != n:
        raise DimensionMismatchError(f"{name} has {got} entries for {n} rows")
