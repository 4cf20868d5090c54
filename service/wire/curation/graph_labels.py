"""Conversion of labels, class probabilities and class shares."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.ids.held import shown_id
from gleann.index.nouns import number_of
from gleann.service.wire.arrays import (
    column_of,
    column_to_wire,
    float64s_of,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.strings import numbers_of
from gleann.v1 import graph_labels_pb2

NUMBER = np.dtype("<f8")
AT_MOST = 10
"""Classes that a message lists."""


def matrix_to_wire(values: ArrayLike, *, name: str) -> bytes:
    """Pack numbers (m, c), row by row.

    Raises:
        InvalidInputError: not numbers, or not two-dimensional.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim != 2:
        raise InvalidInputError(
            f"{name} must be numbers (m, c), got {array.dtype} {array.shape}"
        )
    return array.astype(NUMBER).tobytes()


def matrix_of(data: bytes, *, rows: int, columns: int, name: str) -> NDArray[Any]:
    """Unpack numbers (rows, columns); their values are not checked.

    Raises:
        InvalidInputError: not a whole number of numbers.
        DimensionMismatchError: another number of them.
    """
    values = numbers_of(data, NUMBER, name=name)
    if len(values) != rows * columns:
        raise DimensionMismatchError(
            f"{name} has {number_of(len(values), 'entries')} for"
            f" {number_of(rows, 'ids')} of {number_of(columns, 'classes')}"
        )
    return values.reshape(rows, columns)


def classes_of(message: Message, *, name: str) -> tuple[Hashable, ...] | None:
    """The classes in the field `classes`; None where it is not set.

    Raises:
        InvalidInputError: not packed as they must be.
    """
    if not message.HasField("classes"):
        return None
    column = getattr(message, "classes")  # noqa: B009 (a field of several messages)
    return tuple(column_of(column, name=name).tolist())


def probabilities_to_wire(
    probabilities: tuple[ArrayLike, ArrayLike, Sequence[Hashable]],
) -> graph_labels_pb2.ClassProbabilities:
    """Pack ids, probabilities (m, c), and the classes of the columns.

    Raises:
        InvalidInputError: not ids, numbers (m, c), and integers or strings.
    """
    ids, values, classes = probabilities
    return graph_labels_pb2.ClassProbabilities(
        ids=ids_to_wire(hold_id_array(ids, name="probabilities ids")),
        classes=column_to_wire("classes", np.asarray(classes)),
        values=matrix_to_wire(values, name="probabilities"),
    )


def probabilities_of(
    message: graph_labels_pb2.ClassProbabilities,
) -> tuple[HeldIds, tuple[Hashable, ...], NDArray[Any]]:
    """Unpack distinct ids (m,), classes (c,) and probabilities (m, c).

    Raises:
        InvalidInputError: not packed as they must be, or no classes.
        DuplicateIdError: an id twice.
        DimensionMismatchError: another number of probabilities.
    """
    ids = hold_distinct(ids_of(message.ids, name="probabilities.ids"))
    classes = classes_of(message, name="probabilities.classes")
    if not classes:
        raise InvalidInputError("probabilities.classes is required")
    values = matrix_of(
        message.values,
        rows=len(ids),
        columns=len(classes),
        name="probabilities.values",
    )
    return ids, classes, values


def numbers_to_wire(
    numbers: Mapping[Any, float], *, name: str
) -> graph_labels_pb2.ClassNumbers:
    """Pack one number for each class.

    Raises:
        InvalidInputError: classes that are neither integers nor strings, or none.
    """
    if not numbers:
        raise InvalidInputError(f"{name} has 0 classes")
    return graph_labels_pb2.ClassNumbers(
        classes=column_to_wire("classes", np.asarray(list(numbers))),
        values=float64s_to_wire(list(numbers.values()), name=name),
    )


def class_numbers_of(
    message: graph_labels_pb2.ClassNumbers,
    classes: Sequence[Hashable],
    *,
    name: str,
) -> NDArray[np.float64]:
    """The number (c,) of each of `classes`, which are found by their texts.

    Raises:
        InvalidInputError: a class without a number, or a number of another or of the
            same class twice.
        NonFiniteError: NaN or infinity.
    """
    named = [str(word) for word in classes_of(message, name=f"{name}.classes") or ()]
    values = float64s_of(message.values, name=f"{name}.values", n=len(named))
    numbers = dict(zip(named, values.tolist(), strict=True))
    wanted = [str(word) for word in classes]
    unknown = [word for word in numbers if word not in set(wanted)]
    if unknown or len(numbers) != len(named):
        raise InvalidInputError(
            f"{name} has {number_of(len(named), 'numbers')}, {len(unknown)} of them of"
            f" classes that are not among the {len(wanted)}: {_shown(unknown)}"
            if unknown
            else f"{name} has {number_of(len(named), 'numbers')} for"
            f" {number_of(len(numbers), 'distinct classes')}"
        )
    if missing := [word for word in wanted if word not in numbers]:
        raise InvalidInputError(
            f"{name} has none for {len(missing)} of"
            f" {number_of(len(wanted), 'classes')}: {_shown(missing)}"
        )
    return np.array([numbers[word] for word in wanted])


def _shown(words: Sequence[str]) -> str:
    """The first words of a list, for a message."""
    return ", ".join(map(shown_id, words[:AT_MOST])) + ", ..." * (len(words) > AT_MOST)
