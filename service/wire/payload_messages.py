"""Conversion of payload to messages and back.

Columns travel as packed bytes. They become Arrow arrays on those bytes, without a copy
where Arrow has the same layout: whole numbers, floats, moments and the text of strings.
"""

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, ColumnType, Schema
from gleann.service.wire.paging import Sizes
from gleann.service.wire.payload.columns import (
    NUMBER_OF,
    column_type,
    require_few_columns,
    require_once,
)
from gleann.service.wire.strings import numbers_of
from gleann.v1 import payload_pb2, types_pb2

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_FIELD_OF: dict[ColumnType, str] = {
    "string": "strings",
    "int64": "int64s",
    "float64": "float64s",
    "bool": "bools",
    "timestamp": "int64s",
    "strings": "lists",
    "json": "strings",
}


def payload_of(
    message: payload_pb2.Payload, schema: Schema | None, count: int
) -> Payload:
    """Read the payload of `count` vectors; it has the columns that the message has.

    Args:
        message: the packed columns.
        schema: what the columns must fit; None takes the types of the message.
        count: vectors that it must describe.

    Raises:
        DimensionMismatchError: another number of vectors.
        UnknownColumnError: a column that the schema does not have.
        InvalidInputError: too many columns, one twice or of another type, bytes that do
            not fit `count`, flags other than 0 and 1, no UTF-8, or what `Payload.of`
            refuses.
    """
    if message.count != count:
        raise DimensionMismatchError(
            f"payload describes {message.count} vectors, expected {count}"
        )
    require_few_columns(message.columns, name="payload")
    require_once([column.name for column in message.columns])
    columns = [_declared(column, schema) for column in message.columns]
    arrays = {
        column.name: _array_of(one, column.type, count)
        for one, column in zip(message.columns, columns, strict=True)
    }
    own = Schema(columns)
    if not columns:
        return Payload.nulls(own, count)
    return Payload.of(pa.table(arrays), own, n=count)


def _declared(message: payload_pb2.PayloadColumn, schema: Schema | None) -> Column:
    """The column of a message, as it is declared."""
    kind = column_type(message)
    if schema is None:
        return Column(name=message.name, type=kind)
    column = schema.column(message.name)
    if column.type != kind:
        raise InvalidInputError(
            f"column {column.name!r} holds {column.type}, not {kind}"
        )
    return column


def _array_of(message: payload_pb2.PayloadColumn, kind: ColumnType, n: int) -> pa.Array:
    """The values (n,) of a column, as Arrow holds them."""
    field, expected = message.WhichOneof("values"), _FIELD_OF[kind]
    shown = f"column {message.name!r}"
    if field != expected:
        raise InvalidInputError(
            f"{shown} of type {kind} needs its values in {expected}, they are in"
            f" {field or 'no field'}"
        )
    present = _present_of(message.present, n, shown)
    if field == "strings":
        return _strings_of(message.strings, n, present, f"{shown}.strings")
    if field == "lists":
        return _lists_of(message.lists, n, present, f"{shown}.lists")
    if field == "bools":
        flags = _flags_of(message.bools, n, f"{shown}.bools")
        return pa.array(flags, mask=None if present is None else ~present)
    return _numbers_of(getattr(message, field), kind, n, present, f"{shown}.{field}")


def _present_of(data: bytes, n: int, shown: str) -> NDArray[np.bool_] | None:
    """Which of n vectors have a value; None for all."""
    if not data:
        return None
    present = _flags_of(data, n, f"{shown}.present")
    return None if present.all() else present


def _flags_of(data: bytes, n: int, shown: str) -> NDArray[np.bool_]:
    _require_length(len(data), n, 1, shown)
    flags = np.frombuffer(data, np.uint8)
    if n and flags.max() > 1:
        row = int((flags > 1).argmax())
        raise InvalidInputError(f"{shown} row {row} must be 0 or 1, got {flags[row]}")
    return flags.view(np.bool_)


def _require_length(found: int, n: int, each: int, shown: str) -> None:
    if found != n * each:
        raise InvalidInputError(
            f"{shown} has {found} bytes, but {n} vectors x {each} bytes is {n * each}"
        )


def _numbers_of(
    data: bytes,
    kind: ColumnType,
    n: int,
    present: NDArray[np.bool_] | None,
    shown: str,
) -> pa.Array:
    _require_length(len(data), n, 8, shown)
    values = data
    if present is not None:  # what stands beneath a null is not kept
        values = np.where(present, np.frombuffer(data, "<i8"), 0).tobytes()
    arrow_type = {"int64": pa.int64(), "float64": pa.float64()}.get(kind, _TIMESTAMP)
    return pa.Array.from_buffers(
        arrow_type, n, [_bitmap(present), pa.py_buffer(values)], _nulls(present)
    )


def _bitmap(present: NDArray[np.bool_] | None) -> pa.Buffer | None:
    if present is None:
        return None
    return pa.py_buffer(np.packbits(present, bitorder="little"))


def _nulls(present: NDArray[np.bool_] | None) -> int:
    return 0 if present is None else len(present) - int(np.count_nonzero(present))


def _strings_of(
    message: types_pb2.Strings, n: int, present: NDArray[np.bool_] | None, shown: str
) -> pa.Array:
    """Strings (n,) in either form of the message."""
    if message.values:
        if message.text or message.lengths:
            raise InvalidInputError(f"{shown} has values and text: give one of them")
        _require_count(len(message.values), n, shown)
        mask = None if present is None else ~present
        return pa.array(list(message.values), pa.string(), mask=mask)
    lengths = numbers_of(message.lengths, np.dtype("<i4"), name=f"{shown}.lengths")
    _require_count(len(lengths), n, shown)
    ends = _offsets(lengths, len(message.text), shown)
    # `Payload.of` checks that it is UTF-8.
    array = pa.StringArray.from_buffers(
        n, pa.py_buffer(ends), pa.py_buffer(message.text), _bitmap(present)
    )
    if present is not None and lengths[~present].any():
        return array.take(pa.array(np.arange(n)))  # which leaves their text behind
    return array


def _require_count(found: int, n: int, shown: str) -> None:
    if found != n:
        raise InvalidInputError(f"{shown} has {found} entries for {n} vectors")


def _offsets(lengths: NDArray[np.int32], total: int, shown: str) -> NDArray[np.int32]:
    """Where each part begins and the last ends, for parts of a whole of `total`."""
    shortest, longest = int(lengths.min(initial=0)), int(lengths.max(initial=0))
    together = int(lengths.sum(dtype=np.int64))
    # The sum alone could be right by chance, with negative lengths.
    if shortest < 0 or longest > total or together != total:
        raise InvalidInputError(
            f"{shown} has lengths from {shortest} to {longest} that add up to"
            f" {together}, for {total}"
        )
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    return ends


def _lists_of(
    message: payload_pb2.StringLists,
    n: int,
    present: NDArray[np.bool_] | None,
    shown: str,
) -> pa.Array:
    lengths = numbers_of(message.lengths, np.dtype("<i4"), name=f"{shown}.lengths")
    _require_count(len(lengths), n, shown)
    strings = message.strings
    total = len(strings.values) or len(strings.lengths) // 4
    ends = _offsets(lengths, total, shown)
    values = _strings_of(strings, total, None, f"{shown}.strings")
    array = pa.ListArray.from_buffers(
        pa.list_(pa.string()),
        n,
        [_bitmap(present), pa.py_buffer(ends)],
        _nulls(present),
        children=[values],
    )
    if present is not None and lengths[~present].any():
        return array.take(pa.array(np.arange(n)))
    return array


def payload_to_wire(payload: Payload) -> payload_pb2.Payload:
    """Pack payload; what stands beneath a null is 0 or empty."""
    table = payload.to_arrow()
    return payload_pb2.Payload(
        count=len(payload),
        columns=[
            _column_to_wire(column, _whole(table.column(column.name)))
            for column in payload.schema.columns
        ],
    )


def _whole(chunked: pa.ChunkedArray) -> pa.Array:
    if chunked.num_chunks == 1:
        return chunked.chunk(0)
    return chunked.combine_chunks()


def _column_to_wire(column: Column, array: pa.Array) -> payload_pb2.PayloadColumn:
    message = payload_pb2.PayloadColumn(name=column.name, type=NUMBER_OF[column.type])
    if array.null_count:
        message.present = _bytes_of_flags(array.is_valid())
    if column.type in ("string", "json"):
        message.strings.CopyFrom(_strings_to_wire(array))
    elif column.type == "strings":
        message.lists.CopyFrom(_lists_to_wire(array))
    elif column.type == "bool":
        message.bools = _bytes_of_flags(pc.fill_null(array, False))
    else:
        setattr(message, _FIELD_OF[column.type], _numbers_to_wire(array))
    return message


def _bytes_of_flags(flags: pa.Array) -> bytes:
    bits = np.frombuffer(flags.buffers()[1], np.uint8) if len(flags) else np.empty(0)
    start = flags.offset
    every = np.unpackbits(
        bits.astype(np.uint8, copy=False), count=start + len(flags), bitorder="little"
    )
    return every[start:].tobytes()


def _numbers_to_wire(array: pa.Array) -> bytes:
    if array.type == _TIMESTAMP:
        array = array.view(pa.int64())
    if array.null_count:
        array = pc.fill_null(array, 0)
    return cast(bytes, array.to_numpy(zero_copy_only=True).tobytes())


def _strings_to_wire(array: pa.Array) -> types_pb2.Strings:
    if array.null_count:
        array = pc.fill_null(array, "")
    if not len(array):
        return types_pb2.Strings()
    _, ends, text = array.buffers()
    begins = np.frombuffer(ends, np.int32)[array.offset :][: len(array) + 1]
    first, last = int(begins[0]), int(begins[-1])
    packed = b"" if text is None else text.slice(first, last - first).to_pybytes()
    return types_pb2.Strings(text=packed, lengths=np.diff(begins).tobytes())


def _lists_to_wire(array: pa.Array) -> payload_pb2.StringLists:
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    return payload_pb2.StringLists(
        strings=_strings_to_wire(array.flatten()),  # without the lists that are null
        lengths=lengths.to_numpy(zero_copy_only=False).astype("<i4").tobytes(),
    )


def payload_sizes(payload: Payload) -> Sizes:
    """Bytes (n,) that the payload of each vector takes in a message, at most."""
    sizes = np.zeros(len(payload), np.int64)
    table = payload.to_arrow()
    for column in payload.schema.columns:
        array = _whole(table.column(column.name))
        sizes += 9  # a number and a flag, or a length and a flag
        if column.type in ("string", "json"):
            sizes += _lengths(pc.binary_length(array))
        elif column.type == "strings":
            sizes += _list_bytes(array)
    return sizes


def _lengths(lengths: pa.Array) -> NDArray[np.int64]:
    whole = pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
    return whole.astype(np.int64)


def _list_bytes(array: pa.Array) -> Sizes:
    """Bytes (n,) of the strings of each list, with 4 for the length of each."""
    counts = _lengths(pc.list_value_length(array))
    each = _lengths(pc.binary_length(array.flatten())) + 4
    before = np.concatenate([[0], np.cumsum(each)])
    ends = np.cumsum(counts)
    return before[ends] - before[ends - counts]
