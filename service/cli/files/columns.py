"""What the columns of input files hold: ids, numbers, labels and answers.

Cells of csv files are text. They become numbers only where numbers are expected, so
that the id 007 is never 7. Messages name the file, the row and the column.
"""

from contextlib import suppress
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import (
    DuplicateIdError,
    InvalidInputError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.index.ids.checks import hold_id_array, hold_ids
from gleann.index.ids.held import id_at, shown_id
from gleann.index.tables.list_columns import first_null
from gleann.index.texts import Texts
from gleann.selection.checks import IdMap
from gleann.service.cli.files.tables import Table, first_failing

TRUE_WORDS = ("1", "true", "yes", "y")
FALSE_WORDS = ("0", "false", "no", "n")
GAPS = (
    "", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan",
    "n/a", "na", "null", "nan",
)  # fmt: skip
"""How csv files write a number that is missing, in lower case."""

_INTEGER = r"^(0|[1-9][0-9]*)$"
"""A number as gleann writes it; another spelling is another id."""
_WHOLE = r"^(0|[1-9][0-9]*)(\.0*)?$"
_LABEL = r"^[+-]?[0-9]+(\.0*)?$"
_FRACTION = r"\.0*$"
_EXACT = 2.0**53
"""Whole numbers below it are exact in float64."""


def own_ids(table: Table, name: str) -> HeldIds:
    """Distinct ids that define the items: integers, or texts as written.

    A csv column has integer ids if each cell is an integer without leading zeros.

    Raises:
        InvalidInputError: an empty cell, or neither integers nor texts.
        DuplicateIdError: an id twice; names the row of the second.
    """
    held = _own_values(table, name)
    try:
        return hold_ids(held, n=len(held), name=f"{table.path}: {name}")
    except DuplicateIdError as error:
        raise DuplicateIdError(f"{table.where(_second(held))}: {error}") from error


def _own_values(table: Table, name: str) -> HeldIds:
    column = _without_gaps(table, name)
    if table.is_csv and len(column):
        text = pa.compute.utf8_trim_whitespace(column)
        if _matches(text, _INTEGER).all():
            with suppress(pa.ArrowInvalid):  # beyond int64 they are texts
                return _to_numpy(text.cast(pa.int64()))
    return _as_held(table, name, column)


def ids_like(table: Table, name: str, pool: HeldIds) -> HeldIds:
    """Ids that name items of `pool`, of its kind.

    Text becomes an integer only if it is how that integer is written (also as 3.0), and
    an integer never becomes text.

    Raises:
        InvalidInputError: an empty cell, or an id of the other kind; names the row.
    """
    column = _without_gaps(table, name)
    texts = isinstance(pool, Texts)
    if _is_text(column.type):
        if texts or not len(column):
            return _as_held(table, name, column)
        return _integers(table, name, column)
    if pa.types.is_floating(column.type) and not texts:
        column = _whole_numbers(table, name, column, "an integer")
    held = _as_held(table, name, column)
    if texts and len(held) and not isinstance(held, Texts):
        example = f", such as {shown_id(id_at(pool, 0))}" if len(pool) else ""
        raise InvalidInputError(
            f"{table.where(0)}: {name} is the integer {id_at(held, 0)}, but ids here"
            f" are texts{example}"
        )
    return held


def rows_in(table: Table, name: str, pool: IdMap) -> Rows:
    """Rows of `pool` that the ids of a column name.

    Raises:
        UnknownIdError: an id of no item; names its row.
        DuplicateIdError: an id twice; names the row of the second.
        InvalidInputError: as `ids_like`.
    """
    ids = ids_like(table, name, pool.held)
    try:
        return pool.rows_of(ids)
    except UnknownIdError as error:
        row = int(np.flatnonzero(pool.lookup.find(hold_id_array(ids)) < 0)[0])
        raise UnknownIdError(f"{table.where(row)}, column {name}: {error}") from error
    except DuplicateIdError as error:
        row = _second(ids)
        raise DuplicateIdError(f"{table.where(row)}, column {name}: {error}") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{table.path}, column {name}: {error}") from error


def are_names(table: Table, name: str) -> bool:
    """Whether no cell of a column can be a row number: texts, dates or bytes."""
    column = _decoded(table.columns[name])
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return False
    if not _is_text(column.type):
        return True
    text = pa.compute.utf8_trim_whitespace(column).fill_null("")
    return not _matches(text, _WHOLE).any()


def are_row_numbers(pool: IdMap) -> bool:
    """Whether the ids of the items are 0 to n - 1, in order."""
    return not isinstance(pool.held, Texts) and np.array_equal(
        pool.held, np.arange(len(pool))
    )


def numbers(table: Table, name: str) -> NDArray[np.float64]:
    """A column of finite numbers.

    Raises:
        InvalidInputError: an empty cell, or text that is no number; names the row.
        NonFiniteError: NaN or infinity; names the row.
    """
    values = _as_numbers(table, name, _without_gaps(table, name))
    if (strange := np.flatnonzero(~np.isfinite(values))).size:
        row = int(strange[0])
        raise NonFiniteError(
            f"{table.where(row)}: {name} is {values[row]}; the column has NaN or"
            f" infinity ({strange.size} of {len(values)} entries)"
        )
    return values


def numbers_or_nan(table: Table, name: str) -> NDArray[np.float64]:
    """A column of numbers; empty cells, such as values of negatives, become NaN.

    Raises:
        InvalidInputError: text that is no number; names the row.
    """
    column = _decoded(table.columns[name])
    if _is_text(column.type):
        cells = pa.compute.utf8_lower(pa.compute.utf8_trim_whitespace(column))
        gap = pa.compute.is_in(cells, pa.array(GAPS, pa.large_string()))
        column = pa.compute.if_else(gap, pa.scalar("nan", column.type), column)
    return _as_numbers(table, name, column)


def labels(table: Table, name: str) -> NDArray[np.int64]:
    """A column of class labels: integers, also written as 1.0, or true and false.

    Raises:
        InvalidInputError: an empty cell, or anything else; names the row.
    """
    what = "an integer label"
    column = _without_gaps(table, name)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        column = _whole_numbers(table, name, column, what)
    if not _is_text(column.type):
        return _as_integers(table, name, column)
    text = pa.compute.utf8_trim_whitespace(column)
    cells = pa.compute.utf8_lower(text)
    if len(text) and _matches(cells, "^(true|false)$").all():
        return _to_numpy(pa.compute.equal(cells, "true").cast(pa.int64()))
    return _parsed(table, name, text, _LABEL, what)


def flags(table: Table, name: str) -> NDArray[np.bool_]:
    """A column of 0/1, true/false, yes/no or y/n.

    Raises:
        InvalidInputError: an empty cell, or any other value; names the row.
    """
    column = _without_gaps(table, name)
    if not len(column):
        return np.zeros(0, np.bool_)
    text = pa.compute.utf8_trim_whitespace(column.cast(pa.large_string()))
    cells = pa.compute.replace_substring_regex(
        pa.compute.utf8_lower(text), pattern=r"^([01])\.0*$", replacement=r"\1"
    )
    true = _is_one_of(cells, TRUE_WORDS)
    strange = ~true & ~_is_one_of(cells, FALSE_WORDS)
    if strange.any():
        _refuse_cell(table, name, int(strange.argmax()), "0 or 1")
    return true


def words(table: Table, name: str) -> NDArray[np.str_]:
    """A column of names without spaces around them; "" for empty cells."""
    column = _decoded(table.columns[name]).cast(pa.large_string()).fill_null("")
    text = pa.compute.utf8_trim_whitespace(column)
    return np.asarray(text.to_pylist(), np.str_).reshape(len(text))


def categories(table: Table, name: str) -> NDArray[np.generic]:
    """A column of groups: integers, or texts as written.

    Raises:
        InvalidInputError: an empty cell, or neither; names the row.
    """
    held = _own_values(table, name)
    return held.to_numpy() if isinstance(held, Texts) else held


def _without_gaps(table: Table, name: str) -> pa.Array:
    """A column without nulls and empty texts, dictionaries decoded."""
    column = _decoded(table.columns[name])
    if column.null_count:
        _refuse_empty(table, name, first_null(column), column.null_count)
    if _is_text(column.type):
        empty = pa.compute.equal(column, pa.scalar("", column.type)).to_numpy(
            zero_copy_only=False
        )
        if empty.any():
            _refuse_empty(table, name, int(empty.argmax()), int(empty.sum()))
    return column


def _refuse_empty(table: Table, name: str, row: int, count: int) -> NoReturn:
    raise InvalidInputError(
        f"{table.where(row)}: {name} is empty ({count} of {len(table)} rows are)"
    )


def _decoded(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_null(column.type) and not len(column):
        return column.cast(pa.large_string())
    return column


def holds_ids(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold ids."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind)) or _is_text(kind)


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type holds bytes, as UUIDs are stored."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _as_held(table: Table, name: str, column: pa.Array) -> HeldIds:
    """Ids as they are stored; binary ids (UUIDs) are refused here."""
    if not len(column):
        return np.empty(0, np.int64)
    if _is_text(column.type):
        return Texts.of_arrow(column.cast(pa.large_string()))
    if not pa.types.is_integer(column.type):
        raise InvalidInputError(
            f"{table.path}: column {name!r} must hold integers or texts as ids, got"
            f" {column.type}"
        )
    return _as_integers(table, name, column)


def _integers(table: Table, name: str, column: pa.Array) -> NDArray[np.int64]:
    """Text ids as integers."""
    text = pa.compute.utf8_trim_whitespace(column)
    what = "an integer without leading zeros, as ids here are"
    return _parsed(table, name, text, _WHOLE, what)


def _parsed(
    table: Table, name: str, text: pa.Array, pattern: str, what: str
) -> NDArray[np.int64]:
    """Text that matches `pattern` as integers; `what` is expected, for messages."""
    match = _matches(text, pattern)
    if not match.all():
        _refuse_cell(table, name, int((~match).argmax()), what)
    digits = pa.compute.replace_substring_regex(text, pattern=_FRACTION, replacement="")
    try:
        return _to_numpy(digits.cast(pa.int64()))
    except pa.ArrowInvalid:
        row = first_failing(digits, pa.int64())
        _refuse_cell(table, name, row, f"{what}, of int64")


def _whole_numbers(table: Table, name: str, column: pa.Array, what: str) -> pa.Array:
    """Whole numbers of a float column as integers; `what` is expected."""
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(invalid="ignore"):
        whole = (np.abs(values) < _EXACT) & (values == np.floor(values))
    if not whole.all():
        _refuse_cell(table, name, int((~whole).argmax()), what)
    return pa.array(values.astype(np.int64))


def _as_integers(table: Table, name: str, column: pa.Array) -> NDArray[np.int64]:
    """A typed column of integers that fit int64."""
    if not pa.types.is_integer(column.type):
        raise InvalidInputError(
            f"{table.path}: column {name!r} must hold integers, got {column.type}"
        )
    try:
        return _to_numpy(column.cast(pa.int64()))
    except pa.ArrowInvalid:
        _refuse_cell(table, name, first_failing(column, pa.int64()), "of int64")


def _as_numbers(table: Table, name: str, column: pa.Array) -> NDArray[np.float64]:
    """A column of numbers or of text that holds them; NaN for nulls."""
    if _is_text(column.type):
        column = pa.compute.utf8_trim_whitespace(column)
    elif not _has_numbers(column.type):
        raise InvalidInputError(
            f"{table.path} must hold numbers in column {name!r}, got {column.type}"
        )
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    try:
        values = column.cast(pa.float64())
    except pa.ArrowInvalid:
        row = first_failing(column, pa.float64())
        _refuse_cell(table, name, row, "a number")
    return _to_numpy(values.fill_null(np.nan))


def _refuse_cell(table: Table, name: str, row: int, what: str) -> NoReturn:
    value = shown_id(table.columns[name][row].as_py())
    again = ", the heading again" if value == repr(name) else ""
    raise InvalidInputError(
        f"{table.where(row)}: {name} must be {what}, got {value}{again}"
    )


def _second(ids: HeldIds) -> int:
    """Row of the first id that is there for the second time."""
    seen: set[int | str] = set()
    for row, value in enumerate(ids.tolist()):
        if value in seen:
            return row
        seen.add(value)
    raise AssertionError("no id is there twice")


def _matches(text: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pa.compute.match_substring_regex(text, pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


def _is_one_of(cells: pa.Array, known: tuple[str, ...]) -> NDArray[np.bool_]:
    found = pa.compute.is_in(cells, pa.array(known, pa.large_string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


def _to_numpy(column: pa.Array) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _has_numbers(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )
