"""Arrays to bytes and back: little-endian, packed, checked against their shape."""

import sys

import numpy as np
from google.protobuf.message import Message
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.checks import as_vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)
from gleann.index.ids.checks import hold_id_array
from gleann.index.texts import Texts
from gleann.service.values import Labels
from gleann.service.wire.strings import numbers_of, texts_of, texts_to_wire
from gleann.v1 import types_pb2

assert sys.byteorder == "little", "frombuffer below reads the machine's byte order"

_DTYPE_OF: dict[types_pb2.ScalarType, np.dtype[np.generic]] = {
    types_pb2.SCALAR_TYPE_FLOAT32: np.dtype("<f4"),
    types_pb2.SCALAR_TYPE_FLOAT16: np.dtype("<f2"),
    types_pb2.SCALAR_TYPE_INT8: np.dtype("i1"),
    types_pb2.SCALAR_TYPE_UINT8: np.dtype("u1"),
}
_SCALAR_TYPE_OF = {dtype: number for number, dtype in _DTYPE_OF.items()}


Column = tuple[ArrayLike, ArrayLike]
"""Ids, and one number for each of them."""


def wire_array(values: ArrayLike, *, name: str) -> NDArray[np.generic]:
    """Return `values` (n, d) in a dtype of the protocol; small dtypes are kept.

    Raises:
        InvalidInputError: wrong dtype or shape, or empty.
        NonFiniteError: NaN or infinity (float16 is checked by the receiver).
    """
    if type(values) is np.ndarray and values.dtype in _SCALAR_TYPE_OF:
        array: NDArray[np.generic] = values
        if array.ndim == 2 and array.size:
            return np.ascontiguousarray(array)
    return as_vectors(values, name=name)


def scalar_type_of(dtype: np.dtype[np.generic]) -> types_pb2.ScalarType:
    """How the numbers of a dtype that `wire_array` returns are encoded."""
    return _SCALAR_TYPE_OF[dtype]


def vectors_to_wire(array: NDArray[np.generic]) -> types_pb2.Vectors:
    """Pack (n, d) of a dtype that `wire_array` returns."""
    message = types_pb2.Vectors()
    fill_vectors(message, array)
    return message


def fill_vectors(message: types_pb2.Vectors, array: NDArray[np.generic]) -> None:
    """Set all fields of `message`; as `vectors_to_wire`, without copying a message."""
    message.data = array.tobytes()
    message.scalar_type = _SCALAR_TYPE_OF[array.dtype]
    message.count, message.dim = array.shape


def vectors_of(message: types_pb2.Vectors, *, name: str) -> NDArray[np.generic]:
    """Unpack (count, dim); values are not checked.

    Raises:
        InvalidInputError: declared sizes and byte count disagree.
    """
    return vectors_in(message, message.data, name=name)


def vectors_in(
    message: types_pb2.Vectors, data: bytes | memoryview, *, name: str
) -> NDArray[np.generic]:
    """Unpack (count, dim) from the `data` of a message, without a copy.

    Raises:
        InvalidInputError: as `vectors_of`.
    """
    dtype = _DTYPE_OF.get(message.scalar_type)
    if dtype is None:
        raise InvalidInputError(
            f"{name}.scalar_type must be one of 1 to {len(_DTYPE_OF)},"
            f" got {message.scalar_type}"
        )
    if message.dim < 1 or message.count < 1:
        raise InvalidInputError(
            f"{name} is empty: count {message.count}, dim {message.dim}"
        )
    expected = message.count * message.dim * dtype.itemsize
    if len(data) != expected:
        raise InvalidInputError(
            f"{name}.data has {len(data)} bytes, but count {message.count} x"
            f" dim {message.dim} x {dtype.itemsize} bytes is {expected}"
        )
    return np.frombuffer(data, dtype).reshape(message.count, message.dim)


def float32_rows(message: types_pb2.Vectors) -> Vectors:
    """Unpack the float32 rows of a response into a new array."""
    return np.array(vectors_of(message, name="vectors"), np.float32)


def ids_to_wire(ids: HeldIds) -> types_pb2.Ids:
    """Pack ids (m,)."""
    if isinstance(ids, Texts):
        return types_pb2.Ids(strings=texts_to_wire(ids))
    return types_pb2.Ids(int64s=ids.astype("<i8", copy=False).tobytes())


def ids_of(message: types_pb2.Ids, *, name: str) -> HeldIds:
    """Unpack ids (m,); their values are not checked.

    Raises:
        InvalidInputError: missing, or not a whole number of ids.
    """
    kind = message.WhichOneof("kind")
    if kind == "strings":
        return texts_of(message.strings, name=f"{name}.strings")
    if kind is None:
        raise InvalidInputError(f"{name} is required")
    return numbers_of(message.int64s, np.dtype("<i8"), name=f"{name}.int64s")


def float64s_to_wire(values: ArrayLike, *, name: str) -> bytes:
    """Pack numbers (m,).

    Raises:
        InvalidInputError: not numbers, or not one-dimensional.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim != 1:
        raise InvalidInputError(
            f"{name} must be numbers (m,), got {array.dtype} {array.shape}"
        )
    return array.astype("<f8").tobytes()


def any_float64s_of(data: bytes, *, name: str, n: int) -> NDArray[np.float64]:
    """Unpack n numbers; NaN and infinity are allowed.

    Raises:
        InvalidInputError: not a whole number of numbers.
        DimensionMismatchError: not n of them.
    """
    values = numbers_of(data, np.dtype("<f8"), name=name)
    if len(values) != n:
        raise DimensionMismatchError(f"{name} has {len(values)} entries for {n} ids")
    return values


def float64s_of(data: bytes, *, name: str, n: int) -> NDArray[np.float64]:
    """Unpack n finite numbers.

    Raises:
        InvalidInputError: not a whole number of numbers.
        DimensionMismatchError: not n of them.
        NonFiniteError: NaN or infinity.
    """
    values = any_float64s_of(data, name=name, n=n)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise NonFiniteError(
            f"{name}[{bad[0]}] is {values[bad[0]]} ({bad.size} of {n} are not finite)"
        )
    return values


def bools_to_wire(values: ArrayLike, *, name: str) -> bytes:
    """Pack flags (m,): bools, or integers that are 0 or 1.

    Raises:
        InvalidInputError: anything else.
    """
    array = np.asarray(values)
    flags = array.dtype.kind in "biu" and bool(np.isin(array, (0, 1)).all())
    if array.ndim != 1 or (array.size and not flags):
        raise InvalidInputError(
            f"{name} must be bools (m,), got {array.dtype} {array.shape}"
        )
    return array.astype(np.uint8).tobytes()


def bools_of(data: bytes, *, name: str, n: int) -> NDArray[np.bool_]:
    """Unpack n flags.

    Raises:
        InvalidInputError: a byte other than 0 and 1.
        DimensionMismatchError: not n of them.
    """
    if len(data) != n:
        raise DimensionMismatchError(f"{name} has {len(data)} entries for {n} ids")
    flags = np.frombuffer(data, np.uint8)
    if n and flags.max() > 1:
        raise InvalidInputError(f"{name} must be 0 or 1, got {flags.max()}")
    return flags.astype(np.bool_)


def column_to_wire(name: str, values: ArrayLike) -> types_pb2.Column:
    """Pack a named column (m,) of integers, floats, bools or strings.

    Raises:
        InvalidInputError: another dtype, or not one-dimensional.
    """
    array = np.asarray(values)
    kind = array.dtype.kind
    if array.ndim != 1 or kind not in "iufbU":
        raise InvalidInputError(
            f"{name} must be integers, numbers, bools or strings (m,),"
            f" got {array.dtype} {array.shape}"
        )
    if kind == "U":
        return types_pb2.Column(name=name, strings=_packed(array, name))
    if kind == "f":
        return types_pb2.Column(name=name, float64s=array.astype("<f8").tobytes())
    if kind == "b":
        return types_pb2.Column(name=name, bools=array.astype(np.uint8).tobytes())
    return types_pb2.Column(name=name, int64s=array.astype("<i8").tobytes())


def _packed(array: NDArray[np.str_], name: str) -> types_pb2.Strings:
    try:
        return texts_to_wire(Texts.of_texts(array.tolist()))
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{name} has no UTF-8: {error}") from error


def column_of(message: types_pb2.Column, *, name: str) -> NDArray[np.generic]:
    """Unpack a column (m,).

    Raises:
        InvalidInputError: missing, or not a whole number of entries.
    """
    kind = message.WhichOneof("values")
    if kind == "strings":
        return texts_of(message.strings, name=f"{name}.strings").to_numpy()
    if kind == "bools":
        return np.frombuffer(message.bools, np.uint8).astype(np.bool_)
    if kind == "float64s":
        return numbers_of(message.float64s, np.dtype("<f8"), name=f"{name}.float64s")
    if kind == "int64s":
        return numbers_of(message.int64s, np.dtype("<i8"), name=f"{name}.int64s")
    raise InvalidInputError(f"{name} is required")


def labels_to_wire(values: ArrayLike, *, name: str = "labels") -> bytes:
    """Pack class labels (m,).

    Raises:
        InvalidInputError: not integers, or not one-dimensional.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise InvalidInputError(
            f"{name} must be integers (m,), got {array.dtype} {array.shape}"
        )
    return array.astype("<i8").tobytes()


def labels_of(data: bytes, *, n: int, name: str = "labels") -> Labels:
    """Unpack n class labels.

    Raises:
        InvalidInputError: not a whole number of labels.
        DimensionMismatchError: not n of them.
    """
    labels = numbers_of(data, np.dtype("<i8"), name=name)
    if len(labels) != n:
        raise DimensionMismatchError(f"{name} has {len(labels)} entries for {n} ids")
    return labels


def optional_ids_to_wire(ids: ArrayLike | None) -> types_pb2.Ids | None:
    """Pack the caller's ids, if any."""
    return None if ids is None else ids_to_wire(hold_id_array(ids))


def optional_ids_of(message: Message, name: str) -> HeldIds | None:
    """Unpack the ids in field `name` of `message`, if set."""
    if not message.HasField(name):
        return None
    return ids_of(getattr(message, name), name=name)
