"""Validation of data that enters the library; inner functions trust their callers."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Mask, Vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.index.ids.held import id_at, shown_id
from gleann.index.tables.list_columns import matrix_of_column, stacked

MAX_DIM = 65_536
MAX_THREADS = 1024
MOST_ROWS = (1 << 31) - 1
"""Rows are numbered in int32."""

FINITE_BLOCK = 4096
"""Rows checked at once, so that the result of `isfinite` stays in the caches."""
MOST_SQUARED = 2.0**124
"""The largest squared length of a row or query under l2 and ip, 2.1e37.

A sixteenth of what float32 holds: |q - x|^2 is at most four times the larger squared
length, so it stays finite, and so do 2q.x, its partial sums and rows less their mean.
"""
_NUMERIC = ("float16", "float32", "float64")
LARGEST_WHOLE = 1 << 24
"""Integers are exact in float32 up to here, on either side of 0."""


def as_array(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return `values` as an array, without a copy if they are one.

    Raises:
        InvalidInputError: masked entries, whose mask would be lost, or what makes no
            array, such as lists of different lengths.
    """
    masked = 0
    if isinstance(values, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(values).sum())
    if masked:
        raise InvalidInputError(
            f"{name} has {masked} of {np.size(values)} entries masked: fill them, or"
            " leave them out"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidInputError(f"{name} makes no array: {error}") from error


def as_vectors(
    values: ArrayLike, *, name: str = "vectors", dim: int | None = None
) -> Vectors:
    """Return `values` as float32 rows, without a copy if they already are.

    Args:
        values: (n, d), n and d at least 1, of dtype float16, float32, float64, or of
            integers of at most 2^24 on either side of 0, which float32 holds. Or a
            column of lists (n,): of Arrow (List, LargeList, FixedSizeList, chunked or
            not), polars, or pandas.
        name: what messages call them.
        dim: the d they must have, if it is known.

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
        NonFiniteError: NaN or infinity (or beyond float32's range).
    """
    array = as_rows(values, name=name)
    require_matrix(array.dtype, array.shape, name=name, dim=dim)
    return as_float32(array, name=name)


def own_rows(values: ArrayLike) -> NDArray[Any]:
    """`values` as an array that shares no memory with the caller's, for `as_vectors`.

    What that converts anyway is returned as it is.

    Raises:
        InvalidInputError: what makes no array, or no rows by its dtype and shape.
    """
    array = as_rows(values, name="vectors")
    require_matrix(array.dtype, array.shape, name="vectors")
    if array.dtype == np.float32 and not isinstance(values, list | tuple):
        return np.array(array, order="C")
    return array


def as_matrix(values: ArrayLike, *, name: str, dim: int) -> Vectors:
    """Queries as `as_vectors`, for whoever looks for NaN and infinity later.

    One query (d,) is taken as (1, d).

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
    """
    if type(values) is np.ndarray and values.ndim == 1 and values.dtype == np.float32:
        values = values[None]
    if is_packed_matrix(values, dim=dim):
        return values
    array = as_queries(values, name=name)
    require_matrix(array.dtype, array.shape, name=name, dim=dim)
    return _converted(array, name=name)


def is_packed_matrix(values: object, *, dim: int) -> TypeGuard[Vectors]:
    """Whether they are rows (n, dim) already, as kernels read them.

    The names of dtypes, which messages need, take longer than the rest of a check.
    """
    if type(values) is not np.ndarray or values.dtype != np.float32:
        return False
    if values.ndim != 2 or values.shape[1] != dim:
        return False
    flags = values.flags
    return 0 < len(values) <= MOST_ROWS and flags.c_contiguous and flags.aligned


def as_queries(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """`values` as an array, one query (d,) as (1, d).

    Raises:
        InvalidInputError: what makes no array.
    """
    array = as_rows(values, name=name)
    return array[None, :] if array.ndim == 1 else array


def as_rows(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """An array of numbers, also from a column of lists; its shape is not checked.

    Raises:
        InvalidInputError: what makes no array.
        DimensionMismatchError: a list of another length than the first; names the row.
    """
    if type(values) is np.ndarray and values.dtype != np.object_:
        return values
    column = matrix_of_column(values, name=name)
    try:
        array = as_array(values, name=name) if column is None else column
    except InvalidInputError:
        _refuse_other_length(values, name)
        raise
    if array.dtype == np.object_ and array.ndim == 1 and array.size:
        return stacked(array, name=name)
    return array


def _refuse_other_length(values: object, name: str) -> None:
    """Refuse lists of different lengths, of which NumPy names no row.

    Raises:
        DimensionMismatchError: names the first row of another length than row 0.
    """
    if not isinstance(values, list | tuple):
        return
    lengths = [len(row) for row in values if isinstance(row, list | tuple)]
    if len(lengths) < len(values):
        return
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            raise DimensionMismatchError(
                f"{name} has {length} dimensions in row {row}, expected {lengths[0]}"
            )


def require_matrix(
    dtype: np.dtype[Any], shape: tuple[int, ...], *, name: str, dim: int | None = None
) -> None:
    """Refuse what cannot be rows of vectors, by dtype and shape alone.

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
    """
    if dtype.name not in _NUMERIC and dtype.kind not in "iu":
        raise InvalidInputError(
            f"{name} must have dtype {', '.join(_NUMERIC)} or integers; got {dtype}"
        )
    if len(shape) != 2:
        raise InvalidInputError(
            f"{name} must have 2 dimensions (n, d), got {len(shape)}: {shape}"
        )
    if shape[0] == 0 or shape[1] == 0:
        raise InvalidInputError(f"{name} is empty: shape {shape}")
    if dim is not None and shape[1] != dim:
        raise DimensionMismatchError(
            f"{name} has {shape[1]} dimensions, expected {dim}"
        )
    if shape[0] > MOST_ROWS:
        raise InvalidInputError(
            f"{name} has {shape[0]} rows, at most {MOST_ROWS} are supported"
        )
    if shape[1] > MAX_DIM:
        raise InvalidInputError(
            f"{name} has {shape[1]} dimensions, at most {MAX_DIM} are supported"
        )


def as_float32(array: NDArray[Any], *, name: str, first_row: int = 0) -> Vectors:
    """Return rows that passed `require_matrix` as float32, C-contiguous.

    Args:
        array: (m, d).
        name: what messages call them.
        first_row: what messages count rows from.

    Raises:
        InvalidInputError: an integer beyond 2^24 on either side of 0.
        NonFiniteError: NaN or infinity (or beyond float32's range).
    """
    vectors = _converted(array, name=name, first_row=first_row)
    if array.dtype.kind == "f":
        require_finite(vectors, name=name, first_row=first_row)
    return vectors


def _converted(array: NDArray[Any], *, name: str, first_row: int = 0) -> Vectors:
    if array.dtype == np.float32:
        packed = np.ascontiguousarray(array)
        # NumPy makes arrays whose numbers begin anywhere; kernels read whole ones.
        return packed if packed.flags.aligned else packed.copy()
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        _require_exact(array, name=name, first_row=first_row)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _require_exact(array: NDArray[Any], *, name: str, first_row: int) -> None:
    """Refuse integers (m, d) that float32 may not hold, by row."""
    beyond = (array > LARGEST_WHOLE) | (array < -LARGEST_WHOLE)
    if (bad := np.flatnonzero(beyond.any(axis=1))).size:
        value = array[bad[0]][beyond[bad[0]]][0]
        raise InvalidInputError(
            f"{name} row {first_row + bad[0]} has {value}: float32 holds integers up to"
            f" {LARGEST_WHOLE} exactly ({bad.size} of {len(array)} rows have larger"
            " ones): scale them, or convert them to float32"
        )


def require_one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not among `allowed`.

    Raises:
        InvalidParamsError: naming those that are.
    """
    if not isinstance(value, str) or value not in allowed:
        raise InvalidParamsError(
            f"{name} must be one of {', '.join(allowed)}; got {value!r}"
        )


def require_number(name: str, value: object) -> None:
    """Refuse a parameter that is no real number.

    Raises:
        InvalidParamsError: with the value.
    """
    number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not number:
        raise InvalidParamsError(f"{name} must be a number, got {value!r:.80}")


def require_integer(
    name: str, value: object, *, at_least: int, floor_name: str = ""
) -> None:
    """Refuse a parameter that is no integer, or below `at_least`.

    Raises:
        InvalidParamsError: with the value and the bound, called `floor_name` if given.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidParamsError(f"{name} must be an integer, got {value!r:.80}")
    if value < at_least:
        floor = f"{floor_name} = {at_least}" if floor_name else str(at_least)
        raise InvalidParamsError(f"{name} must be at least {floor}, got {value}")


def require_threads(threads: object) -> None:
    """Refuse a number of threads that is no integer in 0..`MAX_THREADS`.

    Raises:
        InvalidParamsError: with the value.
    """
    require_integer("threads", threads, at_least=0)
    if isinstance(threads, int | np.integer) and threads > MAX_THREADS:
        raise InvalidParamsError(
            f"threads must be at most {MAX_THREADS}, got {threads}"
        )


def require_finite(vectors: Vectors, *, name: str, first_row: int = 0) -> None:
    """Refuse rows with NaN or infinity.

    Raises:
        NonFiniteError: there are such rows (or some beyond float32's range).
    """
    for start in range(0, len(vectors), FINITE_BLOCK):
        if not np.isfinite(vectors[start : start + FINITE_BLOCK]).all():
            break
    else:
        return
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    raise NonFiniteError(
        f"{name} row {first_row + bad[0]} has NaN or infinity"
        f" ({bad.size} of {len(vectors)} rows have)"
    )


def require_measurable(
    vectors: Vectors,
    *,
    name: str = "vectors",
    first_row: int = 0,
    ids: HeldIds | None = None,
) -> None:
    """Refuse rows whose distances under l2 or ip would leave float32.

    Args:
        vectors: float32 (n, d).
        name: what messages call them.
        first_row: what messages count rows from.
        ids: (n,), by which messages name rows; None names them by number.

    Raises:
        InvalidInputError: a row's squared length is above `MOST_SQUARED`, or NaN.
    """
    bad: list[int] = []
    for start in range(0, len(vectors), FINITE_BLOCK):
        rows = vectors[start : start + FINITE_BLOCK]
        squares = np.einsum("ij,ij->i", rows, rows)
        # What float32 makes of it decides only where rounding cannot.
        near = np.flatnonzero(~(squares <= 0.99 * MOST_SQUARED))
        if not near.size:
            continue
        exact = np.square(rows[near].astype(np.float64)).sum(axis=1)
        bad += (start + near[~(exact <= MOST_SQUARED)]).tolist()
    if not bad:
        return
    first = bad[0]
    square = np.square(vectors[first].astype(np.float64)).sum()
    who = (
        f"{name} row {first_row + first}"
        if ids is None
        else f"id {shown_id(id_at(ids, first))}"
    )
    raise InvalidInputError(
        f"{who} has squared length {square:.4g}, at most {MOST_SQUARED:.4g} keeps"
        f" distances within float32 ({len(bad)} of {len(vectors)} rows are longer)"
    )


def as_mask(values: ArrayLike, *, n: int, name: str = "allowed") -> Mask:
    """Return `values` as bool (n,).

    Raises:
        InvalidInputError: not bool.
        DimensionMismatchError: not n of them.
    """
    mask = as_array(values, name=name)
    if mask.dtype != np.bool_:
        raise InvalidInputError(
            f"{name} must be bool, one a row, got dtype {mask.dtype};"
            " SoarIndex.mask_of(ids) makes one from ids"
        )
    if mask.shape != (n,):
        raise DimensionMismatchError(f"{name} has shape {mask.shape}, expected ({n},)")
    return mask
