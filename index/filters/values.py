"""Conversion of the values of a condition to the types of the columns they meet."""

import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal, NoReturn

import numpy as np

from gleann.index.errors import InvalidFilterError
from gleann.index.filters.bound import Operand, Plain
from gleann.index.filters.tree import Given, Name, Parameter, Value
from gleann.index.filters.words import refuse
from gleann.index.payload.moments import numpy_moments, to_microseconds

IdType = Literal["int64", "string"]

MOST_BITS = 1000
"""Bits of a whole number: Python refuses to show or convert much larger ones."""

_INT64 = np.iinfo(np.int64)
_SHOWN = 60
_LISTS = (tuple, list, set, frozenset, np.ndarray)


def plain_parameter(value: object) -> object:
    """A parameter as it is kept: lists as tuples, NumPy's numbers as Python's.

    Raises:
        InvalidFilterError: a type that no parameter has, no moment (NaT), or a number
            far too large.
    """
    if isinstance(value, _LISTS):
        listed = list(value)
        if any(isinstance(part, _LISTS) for part in listed):
            raise InvalidFilterError("a parameter is a list with a list in it")
        return tuple(map(plain_parameter, listed))
    if isinstance(value, np.datetime64 | date):
        return _plain_moment(value)
    if isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        value = value.item()
    known = value is None or isinstance(value, str | bool | int | float)
    if not known or isinstance(value, np.timedelta64):
        raise InvalidFilterError(
            f"a parameter is {value!r:.{_SHOWN}} ({type(value).__name__}), expected"
            " text, a number, true or false, a datetime, a date, None, or a list of"
            " those"
        )
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise InvalidFilterError(
            f"a parameter is a whole number of {value.bit_length()} bits, at most"
            f" {MOST_BITS} are allowed"
        )
    return value


def _plain_moment(value: np.datetime64 | date) -> datetime:
    """A datetime; of a date its midnight, as in a column of timestamp.

    Raises:
        InvalidFilterError: NaT, finer than a microsecond, or in no year 1 to 9999.
    """
    reason = ""
    moment: object = value
    if value != value:  # noqa: PLR0124  NaT, also the one of pandas, a datetime
        reason = "which is no moment; None is null"
    elif getattr(value, "nanosecond", 0):
        reason = "which is finer than a microsecond"
    elif isinstance(value, np.datetime64):
        try:
            moment = numpy_moments(np.asarray(value)).item()
        except ValueError as error:
            reason = str(error)
    if reason:
        raise InvalidFilterError(f"a parameter is {value!r:.{_SHOWN}}: {reason}")
    if isinstance(moment, datetime):
        return moment
    assert isinstance(moment, date)
    return datetime.combine(moment, time())


@dataclass(slots=True)
class Parameters:
    """The parameters of a condition, and which of them it reads."""

    values: tuple[object, ...]
    used: set[int]

    def get(self, parameter: Parameter) -> Any:
        """The value of a parameter.

        Raises:
            InvalidFilterError: it was not given.
        """
        self.used.add(parameter.number)
        if parameter.number > len(self.values):
            refuse(
                f"${parameter.number} is not given: there are {len(self.values)}"
                " parameters",
                parameter.position,
            )
        return self.values[parameter.number - 1]

    def require_used(self) -> None:
        """Refuse a parameter that the condition does not read.

        Raises:
            InvalidFilterError: naming the first.
        """
        for number in range(1, len(self.values) + 1):
            if number not in self.used:
                raise InvalidFilterError(
                    f"where does not use parameter ${number} of {len(self.values)}"
                )


def converted(
    value: Value, name: Name, operand: Operand, parameters: Parameters
) -> Plain | None:
    """A value as its column holds it; None for null.

    Raises:
        InvalidFilterError: it does not fit the type of the column.
    """
    raw = parameters.get(value) if isinstance(value, Parameter) else value.value
    if isinstance(raw, tuple):
        _refuse(name, operand, raw, value, "a list goes with IN only")
    if raw is None:
        return None
    if isinstance(value, Given) and value.moment and operand.type != "timestamp":
        _refuse(name, operand, raw, value, "it is a moment")
    return as_plain(raw, name, operand, value)


def as_plain(raw: object, name: Name, operand: Operand, value: Value) -> Plain:
    """A value that is not null, as its column holds it.

    Raises:
        InvalidFilterError: it does not fit the type of the column.
    """
    try:
        match operand.type:
            case "string" | "strings":
                return _text(raw)
            case "int64":
                return _whole(raw)
            case "float64":
                return _number(raw)
            case "bool":
                return _truth(raw)
            case "timestamp":
                return _moment(raw)
            case _:
                raise ValueError("only IS NULL tests columns of json")
    except ValueError as error:
        _refuse(name, operand, raw, value, str(error))


def _refuse(
    name: Name, operand: Operand, raw: object, value: Value, reason: str
) -> NoReturn:
    what = "the id" if operand.is_id else f"column {operand.name!r}"
    of = f"${value.number}, " if isinstance(value, Parameter) else ""
    position = name.position if value.position is None else value.position
    refuse(
        f"{what} ({operand.type}) does not compare with {of}{raw!r:.{_SHOWN}}:"
        f" {reason}",
        position,
        operand.name,
    )
    raise AssertionError


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError("expected a text, in single quotes")
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise ValueError("it has no UTF-8 (half of a surrogate pair)") from None
    return raw


def _whole(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise ValueError("expected a whole number")
    if not _INT64.min <= raw <= _INT64.max:
        raise ValueError(f"whole numbers are {_INT64.min} to {_INT64.max}")
    return raw


def _number(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("expected a number")
    try:
        number = float(raw)
    except OverflowError:
        raise ValueError("it is beyond the range of float64") from None
    if not math.isfinite(number):
        raise ValueError("numbers must be finite")
    if isinstance(raw, int) and int(number) != raw:
        raise ValueError(f"float64 does not hold it exactly, the nearest is {number!r}")
    return number


def _truth(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("expected TRUE or FALSE")
    return raw


def _moment(raw: object) -> int:
    if not isinstance(raw, str | datetime):
        raise ValueError("expected a moment, as text in RFC 3339 or a datetime")
    return to_microseconds(raw)
