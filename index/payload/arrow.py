"""Conversion of values to the Arrow types of payload columns, and their checks.

| column | Arrow type |
|---|---|
| string, json | string |
| int64 | int64 |
| float64 | double |
| bool | bool |
| timestamp | timestamp[us, UTC] |
| strings | list<string> |
"""

import json
from collections.abc import Iterator, Mapping, Set
from functools import cache
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.payload.gather import MOST_TEXT, bounded
from gleann.index.payload.kinds import READABLE, is_text, stored_type
from gleann.index.payload.moments import (
    EARLIEST,
    LATEST,
    RFC_3339_RE2,
    numpy_moments,
    shown_moment,
    to_microseconds,
)
from gleann.index.payload.schema import Column, ColumnType, Schema

MOMENTS = pa.timestamp("us", "UTC")
TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": MOMENTS,
    "strings": pa.list_(pa.string()),
    "json": pa.string(),
}
_SHOWN = 60
_UNITS = ("D", "s", "ms", "us", "ns")
"""Units of datetime64 that Arrow reads."""

Values: TypeAlias = Any
"""A `pyarrow.ChunkedArray`."""


def arrow_type(column: Column) -> pa.DataType:
    """The type of the Arrow array that holds a column."""
    return TYPES[column.type]


@cache
def arrow_schema(schema: Schema) -> pa.Schema:
    """The schema of the Arrow table that holds a payload."""
    return pa.schema([(c.name, arrow_type(c)) for c in schema.columns])


def schema_of(columns: Mapping[str, Any]) -> Schema:
    """The columns that hold values, by the types that Arrow gives them.

    Raises:
        InvalidInputError: a type that no column holds.
    """
    fields = []
    for name, values in columns.items():
        given = values if hasattr(values, "type") else _inferred(values, name)
        fields.append(pa.field(name, stored_type(given.type)))
    return Schema.of(pa.schema(fields))


def _inferred(values: Any, name: str) -> Any:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"column {name!r:.{_SHOWN}} has no type of its own: {error}"
        ) from error


def as_column(values: Any, column: Column, *, first: int = 0) -> Values:
    """`values` (n,) as the checked Arrow values of `column`.

    Args:
        values: an Arrow array, a NumPy array, a pandas or polars series, or a sequence;
            None, and NaN of pandas, is null.
        column: what they become.
        first: number of the first row, for messages.

    Raises:
        InvalidInputError: another type, NaN or infinity, beyond the range, no UTF-8, no
            JSON, a null inside a list; naming the column and the row.
    """
    given = _as_arrow(values, column, first)
    stored = stored_type(given.type)
    if given.null_count == len(given):
        return pa.chunked_array([pa.nulls(len(given), arrow_type(column))])
    if not READABLE[column.type](stored):
        if column.type == "timestamp" and is_text(stored):
            return _moments_of_texts(given, column, first)
        _refuse_type(given, column, first)
    cast = _cast(given, column, first)
    check_values(cast, column, first=first)
    if column.type == "json":
        _check_json(cast, column, first)
    return cast


def check_values(values: Values, column: Column, *, first: int = 0) -> None:
    """Check all but JSON of values that have the Arrow type of `column`.

    Raises:
        InvalidInputError: as `as_column`.
    """
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidInputError(
            f"column {column.name!r} ({column.type}) cannot be read in rows {first} to"
            f" {first + len(values) - 1}: {error}"
        ) from error
    if column.type == "float64":
        _check_finite(values, column, first)
    elif column.type == "timestamp":
        _check_range(values, column, first)
    elif column.type == "strings":
        _check_members(values, column, first)


def first_row(bad: Any) -> int:
    """Position of the first True among Arrow booleans of which nulls are not."""
    flags = pc.fill_null(bad, False).to_numpy(zero_copy_only=False)
    return int(np.argmax(flags))


def _as_arrow(values: Any, column: Column, first: int) -> Values:
    if isinstance(values, pa.ChunkedArray):
        return values
    if not isinstance(values, pa.Array):
        values = _array_of(values, column, first)
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _array_of(values: Any, column: Column, first: int) -> Any:
    if isinstance(values, str | bytes | Mapping | Set) or not hasattr(
        values, "__len__"
    ):
        raise InvalidInputError(
            f"column {column.name!r} needs a sequence of values, got a"
            f" {type(values).__name__}"
        )
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise InvalidInputError(
                f"column {column.name!r} must be one-dimensional, got {values.shape}"
            )
        if values.dtype.kind in "biufM":
            return _arrow_of_numpy(values, column)
    elif hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    elif type(values).__module__.partition(".")[0] == "pandas":
        return _arrow_of_listed(values.array, column, first, from_pandas=True)
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return _arrow_of_listed(listed, column, first, from_pandas=False)


def _arrow_of_numpy(values: Any, column: Column) -> pa.Array:
    if isinstance(values, np.ma.MaskedArray):
        return pa.array(values.data, mask=np.ma.getmaskarray(values))
    try:
        if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] not in _UNITS:
            values = numpy_moments(values)
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InvalidInputError(
            f"column {column.name!r} of dtype {values.dtype} cannot be read: {error}"
        ) from error


def _arrow_of_listed(
    values: Any, column: Column, first: int, *, from_pandas: bool
) -> Any:
    """Python objects as Arrow, which infers their type; mixed types name the row."""
    try:
        return pa.array(values, from_pandas=from_pandas)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if any(isinstance(value, np.datetime64) for value in values):
            plain = [_plain_moment(v, column, first + r) for r, v in enumerate(values)]
            return _arrow_of_listed(plain, column, first, from_pandas=from_pandas)
        if len(values) == 1:
            _refuse(column, first, values[0], _listed_reason(values[0], column, error))
        refused = error
    for row, value in enumerate(values):
        as_column([value], column, first=first + row)
    # Each value fits, but not beside the others, such as texts beside datetimes.
    raise InvalidInputError(
        f"column {column.name!r} ({column.type}) mixes types: {refused}"
    ) from refused


def _plain_moment(value: Any, column: Column, row: int) -> Any:
    """A datetime of NumPy as Python's, which Arrow takes beside other values."""
    if not isinstance(value, np.datetime64):
        return value
    try:
        return numpy_moments(np.asarray(value)).item()
    except ValueError as error:
        _refuse(column, row, value, str(error))


def _listed_reason(value: object, column: Column, refused: Exception) -> str:
    """Why Arrow has no type for a value, where its own words are of C."""
    if not isinstance(refused, OverflowError):
        return str(refused)
    if column.type == "float64":
        return "it is beyond 64 bits; give a float"
    if column.type == "int64":
        return f"whole numbers are {-(2**63)} to {2**63 - 1}"
    return f"it has type {type(value).__name__}, and a number beyond 64 bits"


def _cast(given: Values, column: Column, first: int) -> Values:
    wanted = arrow_type(column)
    if given.type == wanted:
        return given
    try:
        # Before a cast, which would read beyond the end of what is not valid.
        given.validate(full=True)
        if isinstance(given.type, pa.BaseExtensionType):
            given = pa.chunked_array([c.storage for c in given.chunks])
        return pa.chunked_array(
            [part.cast(wanted) for chunk in given.chunks for part in _castable(chunk)],
            wanted,
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        _refuse_cast(given, column, first, error)


def _castable(chunk: pa.Array) -> Iterator[pa.Array]:
    """A chunk in parts whose text has room where offsets have 32 bits."""
    sizes = None
    if chunk.nbytes > MOST_TEXT:
        if is_text(chunk.type):
            chunk = chunk.cast(pa.large_string())  # views have no lengths
        sizes = _text_sizes(chunk)
    if sizes is None:
        yield chunk
        return
    for part in bounded(sizes, MOST_TEXT):
        # Taken, not only sliced: a cast looks at the offset where a slice ends.
        yield chunk.take(pa.array(np.arange(part.start, part.stop)))


def _text_sizes(chunk: pa.Array) -> NDArray[np.int64] | None:
    """Bytes of text, and members of lists, of each value (n,); None for other types."""
    if is_text(chunk.type):
        sizes = pc.fill_null(pc.binary_length(chunk), 0)
        return sizes.to_numpy(zero_copy_only=False).astype(np.int64)
    is_list = pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type)
    if not is_list or not is_text(chunk.type.value_type):
        return None
    members = _text_sizes(chunk.values)
    assert members is not None, "they are text"
    offsets = chunk.offsets.to_numpy()
    return np.diff(np.concatenate([[0], np.cumsum(members + 1)])[offsets])


def _refuse_cast(
    given: Values, column: Column, first: int, refused: Exception
) -> NoReturn:
    wanted = arrow_type(column)
    for row in range(len(given)):
        try:
            given[row : row + 1].cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            _refuse(column, first + row, given[row], str(error))
    raise InvalidInputError(
        f"column {column.name!r} ({column.type}): {refused}"
    ) from refused


def _refuse_type(given: Values, column: Column, first: int) -> NoReturn:
    row = first_row(pc.is_valid(given))
    value = given[row]
    hint = {
        "timestamp": "; give datetimes, or texts in RFC 3339",
        "json": "; give JSON texts",
        "int64": "; give integers",
    }.get(column.type, "")
    _refuse(column, first + row, value, f"it has type {given.type}{hint}")


def _refuse(column: Column, row: int, value: Any, reason: str) -> NoReturn:
    if isinstance(value, pa.Scalar):
        is_moment = pa.types.is_timestamp(value.type)
        value = value.cast(pa.string()).as_py() if is_moment else _as_py(value)
    if reason.startswith(f"column {column.name!r}"):
        raise InvalidInputError(reason)
    raise InvalidInputError(
        f"column {column.name!r} ({column.type}) cannot hold {_shown(value)} of row"
        f" {row}: {reason}"
    )


def _as_py(value: Any) -> Any:
    try:
        return value.as_py()
    except ValueError:  # nanoseconds, which need pandas
        return str(value.type)


def _shown(value: object) -> str:
    try:
        return f"{value!r:.{_SHOWN}}"
    except ValueError:  # Python shows no number of over 4300 digits
        return f"a value of {type(value).__name__} with thousands of digits"


def _check_finite(values: Values, column: Column, first: int) -> None:
    if not (finite := pc.is_finite(values)).null_count and pc.all(finite).as_py():
        return
    bad = pc.invert(finite)
    if pc.any(bad).as_py():
        row = first_row(bad)
        _refuse(column, first + row, values[row], "numbers must be finite")


def _check_range(values: Values, column: Column, first: int) -> None:
    numbers = pa.chunked_array(
        [chunk.view(pa.int64()) for chunk in values.chunks], pa.int64()
    )
    ends = pc.min_max(numbers)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is None or (low >= EARLIEST and high <= LATEST):
        return
    bad = pc.or_(pc.less(numbers, EARLIEST), pc.greater(numbers, LATEST))
    row = first_row(bad)
    raise InvalidInputError(
        f"column {column.name!r} (timestamp) has {numbers[row].as_py()} microseconds in"
        f" row {first + row}, expected {EARLIEST} to {LATEST}"
        f" ({shown_moment(EARLIEST)} to {shown_moment(LATEST)})"
    )


def _check_members(values: Values, column: Column, first: int) -> None:
    begin = first
    for chunk in values.chunks:
        members = chunk.flatten()
        if members.null_count:
            place = first_row(members.is_null())
            row = pc.list_parent_indices(chunk)[place].as_py()
            _refuse(column, begin + row, chunk[row], "a list must not have null in it")
        begin += len(chunk)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


# Numbers are left as they are written: only their form is checked.
_JSON = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_refuse_constant
)


def _check_json(values: Values, column: Column, first: int) -> None:
    for row, text in enumerate(values.to_pylist()):
        if text is None:
            continue
        try:
            _JSON.decode(text)
        except (ValueError, RecursionError) as error:
            _refuse(column, first + row, text, f"it is not JSON: {error}")


def _moments_of_texts(given: Values, column: Column, first: int) -> Values:
    """RFC 3339 texts as moments; all at once, but one by one where one is refused."""
    texts = _cast(given, Column(column.name, "string"), first)
    shaped = pc.match_substring_regex(texts, RFC_3339_RE2)
    if pc.all(shaped).as_py():
        try:
            cast = texts.cast(MOMENTS)
        except pa.ArrowInvalid:
            pass
        else:
            check_values(cast, column, first=first)
            return cast
    numbers = [
        None if text is None else _moment_of_text(text, column, first + row)
        for row, text in enumerate(texts.to_pylist())
    ]
    return pa.chunked_array([pa.array(numbers, pa.int64()).view(MOMENTS)])


def _moment_of_text(text: str, column: Column, row: int) -> int:
    try:
        return to_microseconds(text)
    except ValueError as error:
        _refuse(column, row, text, str(error))
