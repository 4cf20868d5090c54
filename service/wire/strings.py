"""Conversion of strings and numbers to bytes and back."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.texts import Texts
from gleann.v1 import types_pb2

Scalar = TypeVar("Scalar", bound=np.generic)


def texts_to_wire(values: Texts) -> types_pb2.Strings:
    """Pack strings (m,)."""
    lengths = values.lengths.astype("<i4")
    return types_pb2.Strings(text=values.packed(), lengths=lengths.tobytes())


def texts_of(message: types_pb2.Strings, *, name: str) -> Texts:
    """Unpack strings (m,) in either form, without padding to equal length.

    Raises:
        InvalidInputError: both forms, or inconsistent bytes.
    """
    if message.values:
        if message.text or message.lengths:
            raise InvalidInputError(f"{name} has values and text: give one of them")
        return Texts.of_texts(list(message.values))
    lengths = numbers_of(message.lengths, np.dtype("<i4"), name=f"{name}.lengths")
    try:
        return Texts.of_packed(message.text, lengths.astype(np.int64))
    except ValueError as error:
        raise InvalidInputError(f"{name}.text cannot be read: {error}") from error


def numbers_of(data: bytes, dtype: np.dtype[Scalar], *, name: str) -> NDArray[Scalar]:
    """Unpack numbers (m,) without a copy.

    Raises:
        InvalidInputError: not a whole number of numbers.
    """
    if len(data) % dtype.itemsize:
        raise InvalidInputError(
            f"{name} has {len(data)} bytes, which is no multiple of {dtype.itemsize}"
        )
    return np.frombuffer(data, dtype)
