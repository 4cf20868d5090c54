"""Arrow IPC messages from outside: read without decompression, and checked."""

import struct
from typing import Any

import pyarrow as pa

from gleann.index.errors import CorruptDataError

_HEADER = 2
"""Field of the flatbuffer table `Message` that is the table `RecordBatch`."""
_COMPRESSION = 3
"""Field of the flatbuffer table `RecordBatch` that says how its buffers are packed."""


def batch_of_message(message: Any, schema: pa.Schema) -> pa.RecordBatch:
    """The record batch in an IPC message, which may be compressed no more than ours.

    A few compressed bytes can hold gigabytes of zeros.

    Raises:
        CorruptDataError: it is no such batch. Its values are not looked at.
    """
    if message.type != "record batch":
        raise CorruptDataError(f"a {message.type} message, expected a record batch")
    try:
        compressed = _is_compressed(message.metadata.to_pybytes())
        if not compressed:
            return pa.ipc.read_record_batch(message, schema)
    except (pa.ArrowException, OSError, struct.error) as error:
        raise CorruptDataError(f"a record batch cannot be read: {error}") from error
    raise CorruptDataError("a record batch is compressed, which payload never is")


def _is_compressed(metadata: bytes) -> bool:
    message = _u32(metadata, 0)
    place = _field(metadata, message, _HEADER)
    if place == 0:
        return False
    header = place + _u32(metadata, place)
    return _field(metadata, header, _COMPRESSION) != 0


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer table is, 0 if it is absent."""
    fields = table - struct.unpack_from("<i", metadata, table)[0]
    entry = 4 + 2 * number
    if entry >= struct.unpack_from("<H", metadata, fields)[0]:
        return 0
    offset = int(struct.unpack_from("<H", metadata, fields + entry)[0])
    return table + offset if offset else 0


def _u32(metadata: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", metadata, place)[0])
