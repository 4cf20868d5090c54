"""Moments: datetimes and RFC 3339 texts as microseconds since 1970 in UTC."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

EARLIEST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The first moment of year 1."""
LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The last microsecond of year 9999."""

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(\d+))?(?:[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
RFC_3339_RE2 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
)
"""The texts that Arrow reads as we do: all but lower case and finer fractions."""

_MICROSECOND_DIGITS = 6


def to_microseconds(moment: datetime | str) -> int:
    """Microseconds since 1970-01-01T00:00:00Z.

    Args:
        moment: a datetime (UTC if it has no zone), or an RFC 3339 text, which has one,
            such as "2024-02-29T12:00:00Z" or "2024-02-29 12:00:00.5+01:00".

    Raises:
        ValueError: a text in another form, a day or time that does not exist, finer
            than a microsecond, or outside the years 1 to 9999.
    """
    parsed = _parsed(moment) if isinstance(moment, str) else moment
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    microseconds = (parsed - _EPOCH) // _MICROSECOND
    if not EARLIEST <= microseconds <= LATEST:
        raise ValueError("the moment is outside the years 1 to 9999 in UTC")
    return microseconds


def numpy_moments(values: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Dates and times of any unit as datetime64[us], NaT kept.

    Raises:
        ValueError: finer than a microsecond, or outside the years 1 to 9999.
    """
    exact = values.astype("datetime64[us]")
    missing = np.isnat(values)
    # Beyond the range of 64 bits NumPy wraps around, and the unit back differs.
    if not np.all(missing | (exact.astype(values.dtype) == values)):
        raise ValueError(
            "moments are kept in microseconds of the years 1 to 9999, a value is finer"
            " or outside"
        )
    counted = exact.astype(np.int64)
    if not np.all(missing | ((counted >= EARLIEST) & (counted <= LATEST))):
        raise ValueError("the moment is outside the years 1 to 9999 in UTC")
    return exact


def shown_moment(microseconds: int) -> str:
    """The moment as an RFC 3339 text."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat().replace("+00:00", "Z")


def _parsed(text: str) -> datetime:
    if (form := _RFC_3339.fullmatch(text)) is None:
        raise ValueError(
            "a moment is written as in RFC 3339, such as 2024-02-29T12:00:00Z"
        )
    fraction = form[1] or ""
    if fraction[_MICROSECOND_DIGITS:].strip("0"):
        raise ValueError("moments are kept in microseconds, the text is finer")
    if len(fraction) > _MICROSECOND_DIGITS:
        begin, end = form.span(1)
        text = text[: begin + _MICROSECOND_DIGITS] + text[end:]
    # Offsets of 24 hours and more, and days such as 30 February, are refused there.
    return datetime.fromisoformat(text.upper())
