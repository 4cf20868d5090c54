"""Payload files: Arrow IPC, uncompressed, memory-mapped when they are opened.

Any reader of Arrow opens them. Ours goes through the file once, front to back: each
record batch is hashed and checked while it is in the caches. What says where to read
on, which is where each string begins, is copied into memory, so that a file that is
changed later cannot lead a reader beyond its end.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.payload.arrow import arrow_schema, check_values
from gleann.index.payload.messages import batch_of_message
from gleann.index.payload.schema import Schema
from gleann.index.storage.mapped_file import MappedFile
from gleann.index.storage.regular_file import regular_descriptor

BATCH_ROWS = 1 << 20
"""Rows of a record batch."""
BATCH_BYTES = 1 << 27
"""Bytes from which a record batch has fewer rows: Arrow's texts end at 2 GiB."""

_MAGIC = b"ARROW1\0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """A payload file that was read and checked.

    Attributes:
        table: a `pyarrow.Table`, a chunk a record batch, mapped from the file.
        rows: how many it has.
        sha256: of the whole file, in hexadecimal.
        mapped: the file.
    """

    table: Any
    rows: int
    sha256: str
    mapped: MappedFile


def write_tables(handle: IO[bytes] | Any, tables: Iterable[Any], schema: Schema) -> int:
    """Write the rows of Arrow tables of one schema, and return their number."""
    rows = 0
    # Not closed here, which would close the handle; what it raises comes through as is.
    sink = pa.PythonFile(handle, "w")
    with pa.ipc.new_file(sink, arrow_schema(schema)) as writer:
        for batch in _batches(tables):
            writer.write_table(batch)
            rows += len(batch)
    return rows


def open_file(path: Path, schema: Schema) -> OpenedFile:
    """Map a payload file, and check all but the JSON of its texts.

    Raises:
        MissingFileError: it is not there.
        CorruptDataError: not such a file, or not of this schema.
    """
    try:
        with FileIO(regular_descriptor(path)) as handle:
            mapped = MappedFile.of(handle, path)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        reason = getattr(error, "strerror", None) or str(error)
        kind = CorruptDataError if path.exists() else MissingFileError
        raise kind(f"{path} cannot be read: {reason}") from error
    try:
        return _read(mapped, schema)
    except (CorruptDataError, InvalidInputError) as error:
        raise CorruptDataError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise CorruptDataError(f"{path} is no payload file: {error}") from error


def _read(mapped: MappedFile, schema: Schema) -> OpenedFile:
    whole = pa.py_buffer(mapped)
    if whole.slice(0, len(_MAGIC)).to_pybytes() != _MAGIC:
        raise CorruptDataError("the file is not an Arrow file")
    digest, hashed = hashlib.sha256(), 0
    wanted = arrow_schema(schema)
    tables, n = [wanted.empty_table()], 0
    stream = pa.BufferReader(whole)
    stream.seek(len(_MAGIC))
    messages = _messages(stream)
    _require_schema(next(messages, None), wanted)
    for message in messages:
        end = stream.tell()
        digest.update(memoryview(whole)[hashed:end])
        hashed = end
        batch = batch_of_message(message, wanted)
        for column, values in zip(schema.columns, batch.columns, strict=True):
            check_values(pa.chunked_array([values]), column, first=n)
        tables.append(pa.table([_owned(c) for c in batch.columns], schema=wanted))
        n += batch.num_rows
    digest.update(memoryview(whole)[hashed:])
    table = pa.concat_tables(tables[1:] or tables)
    return OpenedFile(table=table, rows=n, sha256=digest.hexdigest(), mapped=mapped)


def _messages(stream: pa.BufferReader) -> Iterator[Any]:
    """The messages up to the mark of the end, or to the end of the file."""
    reader = pa.ipc.MessageReader.open_stream(stream)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        yield message


def _require_schema(message: Any, wanted: pa.Schema) -> None:
    if message is None:
        raise CorruptDataError("the file ends before its schema")
    said = pa.ipc.read_schema(message)
    if not said.equals(wanted):
        raise CorruptDataError(
            f"the file has columns {said.to_string(show_field_metadata=False)!r},"
            f" expected {wanted.to_string(show_field_metadata=False)!r}"
        )


def _owned(values: pa.Array) -> pa.Array:
    """The array with its offsets, if it has any, in memory of its own."""
    kind = values.type
    if pa.types.is_list(kind):
        valid, offsets = values.buffers()[:2]
        members = _owned(values.values)
        return pa.Array.from_buffers(
            kind,
            len(values),
            [valid, _copied(offsets)],
            null_count=values.null_count,
            offset=values.offset,
            children=[members],
        )
    if not pa.types.is_string(kind):
        return values
    valid, offsets, text = values.buffers()
    return pa.Array.from_buffers(
        kind,
        len(values),
        [valid, _copied(offsets), text],
        null_count=values.null_count,
        offset=values.offset,
    )


def _copied(buffer: pa.Buffer | None) -> pa.Buffer | None:
    return None if buffer is None else pa.py_buffer(buffer.to_pybytes())


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of all tables, in tables of one chunk a column."""
    pending: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        for piece in _pieces(table):
            if rows + len(piece) > BATCH_ROWS or size + piece.nbytes > BATCH_BYTES:
                yield from _joined(pending)
                pending, rows, size = [], 0, 0
            pending.append(piece)
            rows += len(piece)
            size += piece.nbytes
    yield from _joined(pending)


def _joined(pending: list[pa.Table]) -> list[pa.Table]:
    joined = pa.concat_tables(pending).combine_chunks() if pending else None
    return [joined] if joined is not None and len(joined) else []


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    """Slices of a table that are each within the bounds of a record batch, or a row."""
    if len(table) > BATCH_ROWS or (len(table) > 1 and table.nbytes > BATCH_BYTES):
        half = len(table) // 2
        yield from _pieces(table.slice(0, half))
        yield from _pieces(table.slice(half))
    elif len(table):
        yield table
