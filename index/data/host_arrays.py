"""Arrays of other packages as NumPy's, also from a device."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.checks import as_rows
from gleann.index.errors import InvalidInputError
from gleann.index.tables.list_columns import COLUMN_PACKAGES

_CPU = 1
"""What DLPack calls the memory of the host."""


def host_array(values: Any, *, name: str = "vectors") -> NDArray[Any]:
    """Anything that holds rows as an array of the host.

    Args:
        values: an array, anything with `__array__`, or with `__dlpack__` (torch, jax,
            cupy), on a device too; lists of equal length; a column of lists of Arrow,
            polars or pandas.
        name: what messages call them.

    Raises:
        InvalidInputError: what makes no array, such as lists of different lengths or a
            tensor that needs gradients.
        DimensionMismatchError: a list of another length than the first; names the row.
    """
    package = type(values).__module__.partition(".")[0]
    has_dlpack = hasattr(values, "__dlpack_device__")
    # Columns of Arrow have it too, and refuse it for lists.
    if isinstance(values, np.ndarray) or package in COLUMN_PACKAGES or not has_dlpack:
        return as_rows(values, name=name)
    try:
        if int(values.__dlpack_device__()[0]) != _CPU:
            return _copied(values)
        try:
            return np.from_dlpack(values)
        except BufferError:  # read-only, for one
            return np.asarray(values)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name}: a {type(values).__name__} makes no array: {error}"
        ) from error


def _copied(values: Any) -> NDArray[Any]:
    """A copy of what is on a device."""
    if hasattr(values, "cpu"):  # torch
        return np.asarray(values.cpu())
    if hasattr(values, "get"):  # cupy
        return np.asarray(values.get())
    return np.asarray(values)  # jax
