"""Validation of ids that enter the library; inner functions trust their callers.

An id is an integer of int64 that is at least 0, or a string, and all ids of an index
are of one kind. A string is kept byte for byte. It has UTF-8, is not empty, and does
not end in NUL, which NumPy's strings, in which answers come, would lose. A new one has
at most `MAX_ID_BYTES`; a stored one may be longer, as earlier versions had no limit. A
UUID, of Python or of Arrow, is kept as its text, such as
"00000000-0000-0000-0000-000000000001".
"""

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
)
from gleann.index.ids.held import id_at, repeated_id, shown_id, to_numpy
from gleann.index.texts import Texts

MAX_ID_BYTES = 4096
"""Most bytes of a new id in UTF-8: the longest path that Linux opens."""

_INTEGERS = (int, np.integer)
_TEXTS = (str,)
UUID_BYTES = 16


def as_ids(values: ArrayLike, *, n: int, name: str = "ids") -> Ids:
    """Return `values` as n distinct ids: int64 at least 0, or non-empty strings.

    Raises:
        InvalidInputError: neither integers nor strings, or both, negative, empty,
            without UTF-8, ending in NUL, or over `MAX_ID_BYTES`; naming the row.
        DimensionMismatchError: not exactly n of them.
        DuplicateIdError: one id twice.
    """
    return to_numpy(hold_ids(values, n=n, name=name))


def as_id_array(values: ArrayLike, *, name: str = "ids") -> Ids:
    """Return `values` as a one-dimensional array of ids; repeats are allowed.

    Raises:
        InvalidInputError: not 1-D, or as `as_ids`.
    """
    return to_numpy(hold_id_array(values, name=name))


def hold_ids(values: ArrayLike, *, n: int, name: str = "ids") -> HeldIds:
    """`as_ids`, for what is kept or sent on."""
    ids = hold_id_array(values, name=name)
    if isinstance(ids, Texts):
        _require_short(ids, name)
    _require_count(ids, n, name)
    require_distinct(ids, name=name)
    return ids


def hold_row_ids(ids: ArrayLike | None, *, n: int) -> HeldIds:
    """The ids of n rows: row numbers for None, and what is held already as it is.

    Raises:
        As `as_ids`, but an id that is held already may be of any length.
    """
    if ids is None:
        return np.arange(n)
    if not isinstance(ids, Texts):
        return hold_ids(ids, n=n)
    _require_count(ids, n, "ids")
    require_distinct(ids)
    return ids


def hold_distinct(values: ArrayLike, *, name: str = "ids") -> HeldIds:
    """Ids to look up, none of them twice; of any length.

    Raises:
        InvalidInputError: as `as_id_array`.
        DuplicateIdError: one id twice.
    """
    ids = hold_id_array(values, name=name)
    require_distinct(ids, name=name)
    return ids


def hold_id_array(values: ArrayLike, *, name: str = "ids") -> HeldIds:
    """`as_id_array`, for what is kept or sent on; ids to look up, of any length."""
    if isinstance(values, Texts):
        return _checked_texts(values, name)
    if isinstance(values, list | tuple):
        return _of_sequence(values, name)
    if type(values).__module__.partition(".")[0] == "pyarrow":
        return _of_arrow(values, name)
    _require_unmasked(values, name)
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must be one-dimensional, got {array.shape}")
    if array.dtype.kind in "iu" or not (array.size or array.dtype.kind == "U"):
        return _checked_integers(array, name)
    if not array.size:
        return Texts.of_texts([])
    return _of_sequence(array.tolist(), name, dtype=array.dtype)


def require_distinct(ids: HeldIds, *, name: str = "ids") -> None:
    """Refuse an id that is there twice.

    Raises:
        DuplicateIdError: naming it.
    """
    if (repeated := repeated_id(ids)) is not None:
        twice, times, repeats = repeated
        raise DuplicateIdError(
            f"{name} has {shown_id(twice)} {times} times"
            f" ({repeats} of {len(ids)} are repeats)"
        )


def _require_count(ids: HeldIds, n: int, name: str) -> None:
    if len(ids) != n:
        raise DimensionMismatchError(f"{name} has {len(ids)} entries for {n} rows")


def _of_arrow(column: Any, name: str) -> HeldIds:
    """Ids in an Arrow column; UUIDs are its uuid type, or binary of 16 bytes each."""
    import pyarrow as pa

    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise InvalidInputError(
            f"{name} row {row} is null ({column.null_count} of {len(column)} are)"
        )
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES:
        values = column.cast(kind).to_pylist()
        return _of_sequence([UUID(bytes=value) for value in values], name)
    return hold_id_array(np.asarray(column), name=name)


def _of_sequence(
    values: Sequence[Any], name: str, dtype: np.dtype[Any] | None = None
) -> HeldIds:
    kinds = set(map(type, values))
    if kinds == {UUID}:
        return _hold_texts(list(map(str, values)), name)
    if all(issubclass(kind, _TEXTS) for kind in kinds) and kinds:
        return _checked_texts(_hold_texts(values, name), name)
    whole = all(
        issubclass(kind, _INTEGERS) and not issubclass(kind, bool) for kind in kinds
    )
    if not whole:
        _refuse_kinds(values, name, dtype)
    if not values:
        return np.empty(0, np.int64)
    low, high = min(values), max(values)
    if low < 0 or high > np.iinfo(np.int64).max:
        row = values.index(low if low < 0 else high)
        _refuse_integer(values[row], row, name)
    return np.array(values, np.int64)


def _refuse_kinds(
    values: Sequence[Any], name: str, dtype: np.dtype[Any] | None
) -> NoReturn:
    """Say which row is neither, or of another kind than the first."""
    allowed = _TEXTS if isinstance(values[0], _TEXTS) else _INTEGERS
    row = next(
        row
        for row, value in enumerate(values)
        if not isinstance(value, allowed) or isinstance(value, bool)
    )
    value = values[row]
    if isinstance(value, list | tuple | np.ndarray):
        raise InvalidInputError(
            f"{name} must be one-dimensional, but row {row} is a {type(value).__name__}"
        )
    kind = type(value).__name__ if dtype is None or dtype.kind == "O" else str(dtype)
    raise InvalidInputError(
        f"{name} must be integers or strings, all of one kind: row {row} is"
        f" {shown_id(value)} ({kind})"
        + ("" if row == 0 else f", row 0 is {shown_id(values[0])}")
    )


def _require_unmasked(values: object, name: str) -> None:
    if isinstance(values, np.ma.MaskedArray):
        gaps = np.flatnonzero(np.ma.getmaskarray(values))
        if gaps.size:
            raise InvalidInputError(
                f"{name} row {gaps[0]} is masked ({gaps.size} of {values.size} are)"
            )


def _checked_integers(array: NDArray[Any], name: str) -> NDArray[np.int64]:
    if array.size and int(array.min()) < 0:
        row = int(array.argmin())
        _refuse_integer(int(array[row]), row, name)
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        row = int(array.argmax())
        _refuse_integer(int(array[row]), row, name)
    return array.astype(np.int64)


def _refuse_integer(value: int, row: int, name: str) -> NoReturn:
    if value < 0:
        raise InvalidInputError(
            f"{name} must be at least 0 (-1 means 'none'), got {value} at row {row}"
        )
    raise InvalidInputError(f"{name} must fit int64, got {value} at row {row}")


def _hold_texts(values: Sequence[str], name: str) -> Texts:
    try:
        return Texts.of_texts(values)
    except UnicodeEncodeError as error:
        row = next(row for row, text in enumerate(values) if not _has_utf8(text))
        raise InvalidInputError(
            f"{name} row {row} is {shown_id(values[row])}, which has no UTF-8"
            " (half of a surrogate pair)"
        ) from error


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_texts(ids: Texts, name: str) -> Texts:
    if not len(ids):
        return ids
    lengths = ids.lengths
    if (empty := np.flatnonzero(lengths == 0)).size:
        raise InvalidInputError(
            f"{name} has an empty string, which means 'none', at row {empty[0]}"
        )
    text = np.frombuffer(ids.text, np.uint8)
    if (cut := np.flatnonzero(text[ids.offsets[1:] - 1] == 0)).size:
        raise InvalidInputError(
            f"{name} row {cut[0]} is {shown_id(id_at(ids, cut[0]))}, which ends in NUL:"
            " NumPy's strings cannot hold that"
        )
    return ids


def _require_short(ids: Texts, name: str) -> None:
    lengths = ids.lengths
    if (long := np.flatnonzero(lengths > MAX_ID_BYTES)).size:
        row = int(long[0])
        raise InvalidInputError(
            f"{name} row {row} is {shown_id(id_at(ids, row))} of {lengths[row]} bytes"
            f" in UTF-8, at most {MAX_ID_BYTES} are kept"
        )
