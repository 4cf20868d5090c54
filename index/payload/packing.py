"""Payload as bytes for a log: its schema in JSON, and one Arrow IPC record batch.

4 bytes  length of the JSON, little-endian, a multiple of 8 less 4
JSON     {"n": rows, "columns": [{"name": ..., "type": ...}, ...]}, padded by spaces
message  the record batch, not compressed; absent without columns
"""

import json
import struct
from functools import lru_cache
from typing import Any

import pyarrow as pa

from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.index.payload.arrow import arrow_schema, check_values
from gleann.index.payload.messages import batch_of_message
from gleann.index.payload.schema import Schema

_LENGTH = struct.Struct("<I")
_ALIGNMENT = 8


def pack(table: pa.Table, schema: Schema, *, n: int) -> bytes:
    """The bytes of a table of n rows."""
    text = f'{{"n":{n},"columns":{_columns_of(schema)}}}'.encode()
    text += b" " * (-(_LENGTH.size + len(text)) % _ALIGNMENT)
    parts = [_LENGTH.pack(len(text)), text]
    if len(schema):
        parts.append(_one_batch(table).serialize())
    return b"".join(parts)


@lru_cache(maxsize=256)
def _columns_of(schema: Schema) -> str:
    """JSON of a schema; an index gets many small payloads of one."""
    return schema.to_json()


def unpack(packed: bytes) -> tuple[pa.Table, Schema, int]:
    """The table, its schema and its number of rows.

    Raises:
        CorruptDataError: the bytes are not those of `pack`.
    """
    try:
        schema, n, begin = _unpack_header(packed)
        if not len(schema):
            _require(begin == len(packed), f"{len(packed) - begin} bytes too many")
            return pa.table({}), schema, n
        table = _unpack_table(packed, begin, schema, n)
    except (pa.ArrowException, InvalidInputError, OSError, EOFError) as error:
        raise CorruptDataError(f"a payload cannot be read: {error}") from error
    return table, schema, n


def _unpack_header(packed: bytes) -> tuple[Schema, int, int]:
    _require(len(packed) >= _LENGTH.size, f"it has {len(packed)} bytes")
    (length,) = _LENGTH.unpack_from(packed)
    begin = _LENGTH.size + length
    _require(begin <= len(packed), f"it has {len(packed)} bytes, needs {begin}")
    try:
        described = json.loads(packed[_LENGTH.size : begin])
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"a payload has no JSON: {error}") from error
    fits = isinstance(described, dict) and set(described) == {"n", "columns"}
    _require(fits, "its JSON has other keys")
    n = described["n"]
    _require(type(n) is int and n >= 0, f"it has {n!r:.40} rows")
    return Schema.from_values(described["columns"]), n, begin


def _unpack_table(packed: bytes, begin: int, schema: Schema, n: int) -> pa.Table:
    reader = pa.BufferReader(pa.py_buffer(packed).slice(begin))
    batch = batch_of_message(pa.ipc.read_message(reader), arrow_schema(schema))
    spare = len(packed) - begin - reader.tell()
    _require(spare == 0, f"{spare} bytes too many")
    _require(batch.num_rows == n, f"{batch.num_rows} rows, expected {n}")
    table = pa.Table.from_batches([batch])
    for column in schema.columns:
        check_values(table[column.name], column)
    return table


def _one_batch(table: pa.Table) -> Any:
    batches = table.combine_chunks().to_batches()
    if len(batches) == 1:
        return batches[0]
    arrays = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.record_batch(arrays, schema=table.schema)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CorruptDataError(f"a payload cannot be read: {otherwise}")
