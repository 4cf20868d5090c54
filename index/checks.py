"""Validation where data enters the library; inner functions trust their callers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask, Vectors
from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)

MAX_DIM = 65_536
MOST_ROWS = (1 << 31) - 1
"""Rows are numbered in int32."""

FINITE_BLOCK = 4096
"""Rows looked at together, so that what `isfinite` returns stays in the caches."""
MOST_SQUARED = 2.0**124
"""The largest squared length of a row or query under l2 and ip, 2.1e37.

A sixteenth of what float32 holds: |q - x|^2 is at most four times the larger squared
length, so it stays finite, and so do 2q.x, its partial sums and rows less their mean.
"""
_NUMERIC = (np.float16, np.float32, np.float64, np.int8, np.uint8)


def as_array(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return `values` as an array, without a copy where they are one.

    Raises:
        InvalidInputError: a masked array, whose mask would be lost, or what makes no
            array, such as lists of different lengths.
    """
    if isinstance(values, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(values).sum())
        raise InvalidInputError(
            f"{name} is a masked array, {masked} of {values.size} entries masked: fill"
            " them, or leave them out"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidInputError(f"{name} makes no array: {error}") from error


def as_vectors(
    values: ArrayLike, *, name: str = "vectors", dim: int | None = None
) -> Vectors:
    """Return `values` as float32 rows, without a copy where they already are.

    Args:
        values: (n, d), n and d at least 1, of dtype float16, float32, float64, int8
            or uint8.
        name: what messages call them.
        dim: the d they must have, if it is known.

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
        NonFiniteError: NaN or infinity (or beyond float32's range).
    """
    array = as_array(values, name=name)
    require_matrix(array.dtype, array.shape, name=name, dim=dim)
    return as_float32(array, name=name)


def own_rows(values: ArrayLike) -> NDArray[Any]:
    """`values` as an array that shares no memory with the caller's, for `as_vectors`.

    What that converts anyway is returned as it is.

    Raises:
        InvalidInputError: what makes no array, or no rows by its dtype and shape.
    """
    array = as_array(values, name="vectors")
    require_matrix(array.dtype, array.shape, name="vectors")
    if array.dtype == np.float32 and not isinstance(values, list | tuple):
        return np.array(array, order="C")
    return array


def as_matrix(values: ArrayLike, *, name: str, dim: int) -> Vectors:
    """`as_vectors` for whoever looks for NaN and infinity later.

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
    """
    array = as_array(values, name=name)
    require_matrix(array.dtype, array.shape, name=name, dim=dim)
    return _converted(array)


def require_matrix(
    dtype: np.dtype[Any], shape: tuple[int, ...], *, name: str, dim: int | None = None
) -> None:
    """Refuse what cannot be rows of vectors, by dtype and shape alone.

    Raises:
        InvalidInputError: wrong dtype, not two-dimensional, or empty.
        DimensionMismatchError: d is not `dim`.
    """
    if dtype.type not in _NUMERIC:
        raise InvalidInputError(
            f"{name} must have dtype {', '.join(t.__name__ for t in _NUMERIC)};"
            f" got {dtype}"
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
        NonFiniteError: NaN or infinity (or beyond float32's range).
    """
    vectors = _converted(array)
    if array.dtype.kind == "f":
        require_finite(vectors, name=name, first_row=first_row)
    return vectors


def _converted(array: NDArray[Any]) -> Vectors:
    if array.dtype == np.float32:
        packed = np.ascontiguousarray(array)
        # NumPy makes arrays whose numbers begin anywhere; kernels read whole ones.
        return packed if packed.flags.aligned else packed.copy()
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def require_one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not among `allowed`.

    Raises:
        InvalidParamsError: naming those that are.
    """
    if not isinstance(value, str) or value not in allowed:
        raise InvalidParamsError(
            f"{name} must be one of {', '.join(allowed)}; got {value!r}"
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
    ids: Ids | None = None,
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
        exact = np.square(rows[near].astype(np.float64)).sum(axis=1)
        bad += (start + near[~(exact <= MOST_SQUARED)]).tolist()
    if not bad:
        return
    first = bad[0]
    square = np.square(vectors[first].astype(np.float64)).sum()
    who = f"{name} row {first_row + first}" if ids is None else f"id {ids[first]!s}"
    raise InvalidInputError(
        f"{who} has squared length {square:.4g}, at most {MOST_SQUARED:.4g} keeps"
        f" distances within float32 ({len(bad)} of {len(vectors)} rows are longer)"
    )


def as_ids(values: ArrayLike, *, n: int, name: str = "ids") -> Ids:
    """Return `values` as n distinct ids: int64 at least 0, or non-empty strings.

    Raises:
        InvalidInputError: neither integers nor strings, negative, or empty strings.
        DimensionMismatchError: not exactly n of them.
        DuplicateIdError: one id twice.
    """
    ids = as_id_array(values, name=name)
    if len(ids) != n:
        raise DimensionMismatchError(f"{name} has {len(ids)} entries for {n} rows")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != n:
        twice = unique[counts > 1]
        raise DuplicateIdError(
            f"{name} has {twice.tolist()[0]!r} {counts.max()} times"
            f" ({n - len(unique)} of {n} are repeats)"
        )
    return ids


def as_id_array(values: ArrayLike, *, name: str = "ids") -> Ids:
    """Return `values` as a one-dimensional array of ids; repeats are allowed.

    Raises:
        InvalidInputError: not 1-D, neither integers nor strings, negative, or empty
            strings.
    """
    array = as_array(values, name=name)
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must be one-dimensional, got {array.shape}")
    if array.dtype.kind == "O" and all(isinstance(v, str) for v in array.tolist()):
        array = array.astype(np.str_)
    if array.dtype.kind == "U":
        if (array == "").any():
            raise InvalidInputError(f"{name} has an empty string, which means 'none'")
        return array
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidInputError(
            f"{name} must be integers or strings, got dtype {array.dtype}"
        )
    if array.size and int(array.min()) < 0:
        raise InvalidInputError(
            f"{name} must be at least 0 (-1 means 'none'), got {array.min()}"
        )
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidInputError(f"{name} must fit int64, got {array.max()}")
    return array.astype(np.int64)


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
