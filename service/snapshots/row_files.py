"""The Arrow files of a snapshot: rows with their ids, vectors and payload, by blocks.

Columns: `row` (rows of the sealed version), `id`, `vector`, and those of the payload
with "payload." before their names. A file has those that it needs.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.checks import require_measurable
from gleann.index.errors import CorruptDataError, GleannError, InvalidInputError
from gleann.index.ids.checks import hold_ids
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.texts import Texts
from gleann.service.views.live_index import View

BLOCK_BYTES = 1 << 24
BLOCK_ROWS = 1 << 16
PAYLOAD_BYTES = 1 << 26
PREFIX = "payload."


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBlock:
    """Some rows of an index.

    Attributes:
        ids: (m,).
        vectors: (m, dim), prepared.
        payload: (m,).
    """

    ids: HeldIds
    vectors: Vectors
    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchBlock:
    """Rows of the sealed version whose payload is another one since.

    Attributes:
        rows: (m,) rows of it, ascending.
        payload: (m,) all columns.
    """

    rows: Rows
    payload: Payload


def row_blocks(view: View, rows: Rows) -> Iterator[RowBlock]:
    """The rows of a view, a block at a time."""
    step = min(BLOCK_ROWS, BLOCK_BYTES // (4 * view.dim))
    for block in block_slices(len(rows), step):
        part = rows[block]
        payload = view.payload.at(part)
        for start, stop in payload.bounds(PAYLOAD_BYTES):
            yield RowBlock(
                ids=view.ids_at(part[start:stop]),
                vectors=view.vectors_at(part[start:stop]),
                payload=payload.slice(start, stop),
            )


def write_rows(path: Path, blocks: Iterable[RowBlock], dim: int) -> None:
    """Write at least one block; may raise OSError."""
    _write(path, (_columns_of(block, dim) for block in blocks))


def write_patches(path: Path, view: View, rows: Rows) -> None:
    """Write the payload of sealed `rows`, at least one; may raise OSError."""

    def blocks() -> Iterator[Mapping[str, pa.Array]]:
        for block in block_slices(len(rows), BLOCK_ROWS):
            part = rows[block]
            payload = view.payload.at(part)
            for start, stop in payload.bounds(PAYLOAD_BYTES):
                values = payload.slice(start, stop)
                yield {"row": pa.array(part[start:stop])} | _payload_columns(values)

    _write(path, blocks())


def write_row_numbers(path: Path, rows: Rows) -> None:
    """Write row numbers, at least one; may raise OSError."""
    _write(path, [{"row": pa.array(rows)}])


def read_rows(
    path: Path, *, dim: int, id_type: str | None, schema: Schema
) -> Iterator[RowBlock]:
    """The blocks of a file of `write_rows`, checked.

    Raises:
        CorruptDataError: it holds something else.
    """
    wanted = {"id": pa.large_string() if id_type == "string" else pa.int64()}
    wanted["vector"] = pa.list_(pa.float32(), dim)
    with _reading(path):
        for batch in _batches(path, wanted, schema):
            yield RowBlock(
                ids=_ids_of(batch.column("id")),
                vectors=_vectors_of(batch.column("vector"), dim),
                payload=_payload_of(batch, schema),
            )


def read_patches(path: Path, *, n: int, schema: Schema) -> Iterator[PatchBlock]:
    """The blocks of a file of `write_patches` about n sealed rows, checked.

    Raises:
        CorruptDataError: it holds something else.
    """
    with _reading(path):
        for batch in _batches(path, {"row": pa.int64()}, schema):
            rows = _rows_of(batch.column("row"), n)
            yield PatchBlock(rows=rows, payload=_payload_of(batch, schema))


def read_row_numbers(path: Path, *, n: int) -> Rows:
    """The row numbers in a file of `write_row_numbers` about n rows, checked.

    Raises:
        CorruptDataError: it holds something else.
    """
    with _reading(path):
        batches = list(_batches(path, {"row": pa.int64()}, Schema([])))
        return _rows_of(pa.concat_arrays([one.column("row") for one in batches]), n)


def _columns_of(block: RowBlock, dim: int) -> dict[str, pa.Array]:
    flat = pa.array(block.vectors.reshape(-1), pa.float32())
    vectors = pa.FixedSizeListArray.from_arrays(flat, dim)
    return {"id": _arrow_ids(block.ids), "vector": vectors} | _payload_columns(
        block.payload
    )


def _arrow_ids(ids: HeldIds) -> pa.Array:
    if not isinstance(ids, Texts):
        return pa.array(ids, pa.int64())
    return pa.LargeStringArray.from_buffers(
        len(ids), pa.py_buffer(ids.offsets), pa.py_buffer(ids.text)
    )


def _payload_columns(payload: Payload) -> dict[str, pa.Array]:
    # One batch: a block has at most `PAYLOAD_BYTES`, or one row.
    (batch,) = payload.to_arrow().combine_chunks().to_batches() or [None]
    if batch is None:
        return {}
    return {PREFIX + name: batch.column(name) for name in batch.schema.names}


def _write(path: Path, blocks: Iterable[Mapping[str, pa.Array]]) -> None:
    writer = None
    with path.open("xb") as handle:
        for columns in blocks:
            batch = pa.record_batch(dict(columns))
            if writer is None:
                writer = pa.ipc.new_file(handle, batch.schema)
            writer.write_batch(batch)
        assert writer is not None, "at least one block"
        writer.close()
        handle.flush()
        os.fsync(handle.fileno())


def _batches(
    path: Path, wanted: Mapping[str, pa.DataType], schema: Schema
) -> Iterator[pa.RecordBatch]:
    # Not memory-mapped: a file that is cut meanwhile would end the process.
    with path.open("rb") as handle, pa.ipc.open_file(handle) as reader:
        names = [*wanted, *(PREFIX + name for name in schema.names)]
        if sorted(reader.schema.names) != sorted(names):
            raise CorruptDataError(
                f"{path} has the columns {', '.join(reader.schema.names)}, expected"
                f" {', '.join(names)}"
            )
        for name, kind in wanted.items():
            if reader.schema.field(name).type != kind:
                raise CorruptDataError(
                    f"{path}: {name} holds {reader.schema.field(name).type}, expected"
                    f" {kind}"
                )
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate(full=True)
            for name in wanted:
                if batch.column(name).null_count:
                    raise CorruptDataError(f"{path}: {name} has nulls")
            yield batch


def _ids_of(column: pa.Array) -> HeldIds:
    ids: Any = column.to_numpy(zero_copy_only=False)
    if pa.types.is_large_string(column.type):
        ids = Texts.of_arrow(column)
    return hold_ids(ids, n=len(column), name="id")


def _vectors_of(column: pa.Array, dim: int) -> Vectors:
    vectors: Vectors = column.flatten().to_numpy(zero_copy_only=False)
    vectors = vectors.reshape(-1, dim)
    if not np.isfinite(vectors).all():
        raise InvalidInputError("vector has NaN or infinity")
    require_measurable(vectors)
    return vectors


def _rows_of(column: pa.Array, n: int) -> Rows:
    rows: Rows = column.to_numpy(zero_copy_only=False)
    if len(rows) and not (rows[0] >= 0 and rows[-1] < n and (np.diff(rows) > 0).all()):
        raise InvalidInputError(f"row is not ascending, or not below {n}")
    return rows


def _payload_of(batch: pa.RecordBatch, schema: Schema) -> Payload:
    if not len(schema):
        return Payload.nulls(schema, len(batch))
    table = pa.table({name: batch.column(PREFIX + name) for name in schema.names})
    return Payload.of(table, schema, n=len(batch))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert what is raised for damaged content."""
    try:
        yield
    except CorruptDataError:
        raise
    except GleannError as error:
        raise CorruptDataError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise CorruptDataError(f"{path} cannot be read: {error}") from error
