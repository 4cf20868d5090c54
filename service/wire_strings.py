"""Strings and plain numbers as bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.utf8 import Texts, decode_texts, encode_texts
from gleann.v1 import types_pb2


def strings_to_wire(values: NDArray[Any], *, name: str) -> types_pb2.Strings:
    """Pack strings (m,).

    Raises:
        InvalidInputError: one that has no UTF-8.
    """
    try:
        text, lengths = encode_texts(values)
    except ValueError as error:
        raise InvalidInputError(f"{name} has no UTF-8: {error}") from error
    return types_pb2.Strings(text=text, lengths=lengths.astype("<i4").tobytes())


def strings_of(message: types_pb2.Strings, *, name: str) -> Texts:
    """Unpack strings (m,), of either form.

    Raises:
        InvalidInputError: both forms, or bytes that do not hold what they claim to.
    """
    if message.values:
        if message.text or message.lengths:
            raise InvalidInputError(f"{name} has values and text: give one of them")
        return np.array(message.values, dtype=np.str_)
    lengths = numbers_of(message.lengths, np.dtype("<i4"), name=f"{name}.lengths")
    text = np.frombuffer(message.text, np.uint8)
    try:
        return decode_texts(text, lengths.astype(np.int64))
    except ValueError as error:
        raise InvalidInputError(f"{name}.text cannot be read: {error}") from error


def numbers_of(data: bytes, dtype: np.dtype[Any], *, name: str) -> NDArray[Any]:
    """Unpack numbers (m,) without a copy.

    Raises:
        InvalidInputError: bytes that are no whole number of numbers.
    """
    if len(data) % dtype.itemsize:
        raise InvalidInputError(
            f"{name} has {len(data)} bytes, which is no multiple of {dtype.itemsize}"
        )
    return np.frombuffer(data, dtype)
