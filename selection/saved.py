"""Read a saved session's state: the type, length and range of every part are checked.

A part that does not fit is a `CorruptDataError` that names it, such as `ledger.rows`.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    InvalidParamsError,
)

Params = TypeVar("Params")

LARGEST = int(np.iinfo(np.int64).max)


class Saved:
    """A JSON object, read part by part.

    Args:
        values: what was parsed.
        at: path of it in the state; "" for the state itself.

    Raises:
        CorruptDataError: no object; also in all methods, for a part that is missing or
            does not fit.
    """

    __slots__ = ("_at", "_values")

    def __init__(self, values: object, *, at: str = "") -> None:
        if not isinstance(values, dict):
            place = f"'s {at}" if at else ""
            raise CorruptDataError(
                f"the state{place} must be an object, got {_kind(values)}"
            )
        self._values = values
        self._at = at

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Refuse a part, with the reason."""
        raise CorruptDataError(f"the state's {self._path(name)} {reason}")

    @property
    def values(self) -> dict[str, Any]:
        """The parts, as they were parsed."""
        return dict(self._values)

    @property
    def names(self) -> list[str]:
        """Names of the parts, in order."""
        return list(self._values)

    def value(self, name: str) -> Any:
        """A part of any type."""
        if name not in self._values:
            place = f"'s {self._at}" if self._at else ""
            raise CorruptDataError(f"the state{place} has no {name}")
        return self._values[name]

    def part(self, name: str) -> "Saved":
        """An object within this one."""
        return Saved(self.value(name), at=self._path(name))

    def parts(self, name: str, *, at_most: int | None = None) -> list["Saved"]:
        """A list of objects."""
        path = self._path(name)
        return [
            Saved(value, at=f"{path}[{number}]")
            for number, value in enumerate(self.items(name, at_most=at_most))
        ]

    def text(self, name: str) -> str:
        """A text."""
        value = self.value(name)
        if not isinstance(value, str):
            self.refuse(name, f"must be text, got {_kind(value)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.value(name)
        if not isinstance(value, bool):
            self.refuse(name, f"must be true or false, got {_kind(value)}")
        return value

    def integer(self, name: str, *, low: int = 0, high: int = LARGEST) -> int:
        """An integer in low..high."""
        value = self.value(name)
        self._require_integers(name, [value], low=low, high=high)
        return int(value)

    def items(
        self, name: str, *, length: int | None = None, at_most: int | None = None
    ) -> list[Any]:
        """A list, of `length` items where that is known."""
        value = self.value(name)
        if not isinstance(value, list):
            self.refuse(name, f"must be a list, got {_kind(value)}")
        if length is not None and len(value) != length:
            self.refuse(name, f"must have {length} entries, has {len(value)}")
        if at_most is not None and len(value) > at_most:
            self.refuse(name, f"must have at most {at_most} entries, has {len(value)}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        values = self.items(name)
        for value in values:
            if not isinstance(value, str):
                self.refuse(name, f"must hold texts, has {_kind(value)}")
        return values

    def integers(
        self, name: str, *, low: int, high: int = LARGEST, length: int | None = None
    ) -> NDArray[np.int64]:
        """Integers (m,) in low..high."""
        values = self.items(name, length=length)
        self._require_integers(name, values, low=low, high=high)
        return np.array(values, np.int64)

    def rows(self, name: str, *, n: int, length: int | None = None) -> Rows:
        """Distinct rows (m,) in 0..n - 1."""
        rows = self.integers(name, low=0, high=n - 1, length=length)
        if len(distinct := np.unique(rows)) != len(rows):
            self.refuse(name, f"must be distinct, {len(rows) - len(distinct)} repeat")
        return rows

    def flags(self, name: str, *, length: int) -> Mask:
        """Flags (m,)."""
        values = self.items(name, length=length)
        for value in values:
            if not isinstance(value, bool):
                self.refuse(name, f"must hold true and false, has {_kind(value)}")
        return np.array(values, np.bool_)

    def numbers(
        self,
        name: str,
        *,
        length: int | None = None,
        low: float = -np.inf,
        high: float = np.inf,
        gaps: bool = False,
    ) -> NDArray[np.float64]:
        """Finite numbers (m,) in low..high; where `gaps` are allowed, NaN for null."""
        values = self.items(name, length=length)
        present = [value for value in values if not (gaps and value is None)]
        self._require_numbers(name, present, low=low, high=high)
        return np.array(values, np.float64)

    def number_or_none(
        self, name: str, *, low: float = -np.inf, high: float = np.inf
    ) -> float | None:
        """A finite number in low..high, or null."""
        value = self.value(name)
        if value is None:
            return None
        self._require_numbers(name, [value], low=low, high=high)
        return float(value)

    def integer_table(
        self, name: str, *, rows: int, columns: int, among: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Integers (rows, columns) that are all `among` some."""
        flat = self._flat(name, rows=rows, columns=columns)
        self._require_integers(name, flat, low=min(among), high=max(among))
        table = np.array(flat, np.int64).reshape(rows, columns)
        if (strange := np.setdiff1d(table, among)).size:
            self.refuse(name, f"must be among {list(among)}, has {strange[0]}")
        return table

    def number_table(
        self, name: str, *, rows: int, columns: int, low: float, high: float
    ) -> NDArray[np.float64]:
        """Finite numbers (rows, columns) in low..high."""
        flat = self._flat(name, rows=rows, columns=columns)
        self._require_numbers(name, flat, low=low, high=high)
        return np.array(flat, np.float64).reshape(rows, columns)

    def params(
        self, name: str, kind: type[Params], *, absent: Mapping[str, Any] | None = None
    ) -> Params:
        """Parameters from the values of `asdict`, in which JSON made tuples lists.

        Args:
            name: of the part.
            kind: class of the parameters.
            absent: parameters that older states lack, with the values that they imply.
        """
        values = self.value(name)
        if not isinstance(values, dict):
            self.refuse(name, f"must be an object, got {_kind(values)}")
        values = {**(absent or {}), **values}
        known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
        if strange := known.symmetric_difference(values):
            self.refuse(name, f"lack or add {', '.join(sorted(map(str, strange)))}")
        with rebuilding(self._path(name)):
            return kind(
                **{
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in values.items()
                }
            )

    def _path(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name

    def _flat(self, name: str, *, rows: int, columns: int) -> list[Any]:
        lines = self.items(name, length=rows)
        for line in lines:
            if not isinstance(line, list) or len(line) != columns:
                self.refuse(name, f"must be rows of {columns}, has {line!r:.40}")
        return [value for line in lines for value in line]

    def _require_numbers(
        self, name: str, values: list[Any], *, low: float, high: float
    ) -> None:
        for value in values:
            if type(value) not in (int, float) or not _is_finite(value):
                self.refuse(name, f"must hold finite numbers, has {value!r:.40}")
            if not low <= value <= high:
                self.refuse(name, f"must be in {low:g}..{high:g}, has {value}")

    def _require_integers(
        self, name: str, values: list[Any], *, low: int, high: int
    ) -> None:
        for value in values:
            if type(value) is not int:
                self.refuse(name, f"must be integers, got {value!r:.40}")
            if not low <= value <= high:
                self.refuse(name, f"must be in {low}..{high}, got {value!r:.40}")


@contextmanager
def rebuilding(part: str) -> Iterator[None]:
    """Report input errors of a session made from the state's `part` as its damage.

    Raises:
        CorruptDataError: naming the part.
    """
    try:
        yield
    except (InvalidInputError, InvalidParamsError) as error:
        raise CorruptDataError(f"the state's {part} do not fit: {error}") from error


def _is_finite(value: float) -> bool:
    """Whether it fits a float; JSON's integers have any size."""
    return -sys.float_info.max <= value <= sys.float_info.max


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
