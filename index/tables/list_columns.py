"""Vectors in columns of lists: those of Arrow, polars and pandas, as matrices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import DimensionMismatchError, InvalidInputError

COLUMN_PACKAGES = ("pyarrow", "polars")
"""Packages whose columns NumPy reads as objects, if at all."""


def matrix_of_column(column: object, *, name: str) -> NDArray[Any] | None:
    """A column of Arrow or polars that holds lists of numbers, as a matrix (n, d).

    Arrow's List, LargeList and FixedSizeList, chunked or not, FixedShapeTensor, and
    polars' List and Array. Numbers are not copied where they are in one piece.

    Returns:
        None for anything else.

    Raises:
        InvalidInputError: nulls among the lists or inside them, or no numbers.
        DimensionMismatchError: a list of another length than the first; names the row.
    """
    if type(column).__module__.partition(".")[0] not in COLUMN_PACKAGES:
        return None
    lists = _arrow_lists(column)
    return None if lists is None else matrix_of_lists(lists, where=name)


def stacked(column: NDArray[np.object_], *, name: str) -> NDArray[Any]:
    """Objects (n,) that are a list of numbers each, as pandas has them, as (n, d).

    Raises:
        InvalidInputError: an object that is no list of numbers; names the row.
        DimensionMismatchError: a list of another length than the first; names the row.
    """
    parts: list[NDArray[Any]] = []
    for row, value in enumerate(column.tolist()):
        try:
            part = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"{name} row {row} makes no array: {error}"
            ) from error
        if part.ndim != 1 or part.dtype.kind not in "fiu":
            kind = type(value).__name__
            raise InvalidInputError(f"{name} row {row} is no list of numbers: {kind}")
        if parts and len(part) != len(parts[0]):
            raise DimensionMismatchError(
                f"{name} has {len(part)} dimensions in row {row}, expected"
                f" {len(parts[0])}"
            )
        parts.append(part)
    return np.stack(parts)


def matrix_of_lists(
    lists: Any, *, where: str, first: int = 0, dim: int | None = None
) -> NDArray[Any]:
    """An Arrow array of lists of numbers as a matrix (n, dim) of the stored dtype.

    Args:
        lists: of Arrow's List, LargeList or FixedSizeList of numbers.
        where: what messages call them.
        first: number of the first row in messages.
        dim: length of each; None takes that of the first list, 0 without lists.

    Raises:
        InvalidInputError: nulls among the lists or inside them.
        DimensionMismatchError: a list of another length; names the row.
    """
    import pyarrow.compute as pc

    if lists.null_count:
        row = first + first_null(lists)
        raise InvalidInputError(
            f"{where} has {lists.null_count} nulls in {len(lists)} rows, such as row"
            f" {row}"
        )
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    if dim is None:
        dim = int(lengths[0]) if len(lengths) else 0
    if (odd := np.flatnonzero(lengths != dim)).size:
        raise DimensionMismatchError(
            f"{where} has {lengths[odd[0]]} dimensions in row {first + odd[0]},"
            f" expected {dim}"
        )
    numbers = lists.flatten()
    if numbers.null_count:
        row = first + first_null(numbers) // dim
        raise InvalidInputError(
            f"{where} has {numbers.null_count} nulls inside its lists, such as in row"
            f" {row}"
        )
    flat: NDArray[Any] = numbers.to_numpy(zero_copy_only=False)
    return flat.reshape(len(lists), dim)


def _arrow_lists(column: Any) -> Any:
    """The column as one Arrow array of lists of numbers; None if it is not one."""
    import pyarrow as pa

    if not isinstance(column, pa.Array | pa.ChunkedArray):
        if not hasattr(column, "to_arrow") or not hasattr(column, "dtype"):
            return None  # a table, or a scalar
        column = column.to_arrow()
    if isinstance(column.type, pa.BaseExtensionType):
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        stored = [chunk.storage for chunk in chunks]
        column = pa.chunked_array(stored, type=column.type.storage_type)
    if not holds_vectors(column.type):
        return None
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def holds_vectors(kind: Any) -> bool:
    """Whether a column of this Arrow type holds lists of numbers."""
    import pyarrow as pa

    if not (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    ):
        return False
    inner = kind.value_type
    return bool(pa.types.is_floating(inner) or pa.types.is_integer(inner))


def first_null(values: Any) -> int:
    """Row of the first null of an Arrow array; there is one."""
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    return int(np.flatnonzero(nulls)[0])
