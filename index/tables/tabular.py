"""Results as tables: pandas, Arrow, csv and plain Python values.

A result has columns of one length, one line per selected row (neighbour, group, ...),
and facts about all of them, such as the summary and the provenance. pandas and pyarrow
are imported in the call that needs them.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from importlib import import_module
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann._needed import needing
from gleann.index.errors import (
    EngineUnavailableError,
    MissingPackageError,
    StorageError,
)
from gleann.index.texts import Texts

Values: TypeAlias = NDArray[Any] | Texts
"""A column (m,); one of payload is a `pyarrow.ChunkedArray`, which has no types."""

_SCALARS = (str, bool, int, float, np.generic, type(None))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Columns (m,) by name, and facts about all of them."""

    columns: Mapping[str, Values]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Tabular(ABC):
    """What a result that is a table offers."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Table:
        """The columns and facts behind the other forms, as NumPy arrays."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the columns as lists under "columns", and the facts by name.

        NaN and infinity, which JSON lacks, become None.
        """
        table = self.table()
        columns = {name: as_json(values) for name, values in table.columns.items()}
        return {"columns": columns, **as_json(table.facts)}

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`; NaN becomes null, the schema's metadata have the facts.

        Each fact, such as "summary" or "provenance", is a JSON text under its name.

        Raises:
            MissingPackageError: the package pyarrow is not installed.
        """
        pa = _package("pyarrow", "to_arrow")
        table = self.table()
        metadata = {name: json.dumps(as_json(x)) for name, x in table.facts.items()}
        columns = {name: _to_arrow(pa, x) for name, x in table.columns.items()}
        return pa.table(columns, metadata=metadata)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, whose `attrs` have the facts as JSON values.

        Raises:
            EngineUnavailableError: the package pandas is not installed.
        """
        pandas = _package("pandas", "to_pandas")
        table = self.table()
        frame = pandas.DataFrame(
            {name: _to_pandas(values) for name, values in table.columns.items()}
        )
        frame.attrs.update(as_json(table.facts))
        return frame

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the columns to a csv file in UTF-8 with a heading; facts are left out.

        An existing file is replaced. NaN and null are empty fields; lists are JSON.

        Raises:
            MissingPackageError: the package pyarrow is not installed.
            StorageError: the file cannot be written.
        """
        csv = _package("pyarrow.csv", "to_csv")
        table = without_lists(self.to_arrow())
        try:
            with Path(path).open("wb") as file:
                csv.write_csv(table, file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(f"cannot write {path}: {reason}") from error


def without_lists(table: Any) -> Any:
    """A `pyarrow.Table` with the lists of its columns as JSON texts, for csv."""
    pa = _package("pyarrow", "to_csv")
    for place, column in enumerate(table.schema):
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            texts = [
                None if value is None else json.dumps(value, ensure_ascii=False)
                for value in table.column(place).to_pylist()
            ]
            listed = pa.array(texts, pa.string())
            table = table.set_column(place, column.name, listed)
    return table


class Record(Tabular):
    """A dataclass that is a table of one line: its numbers and texts are the columns.

    All else, such as strata and provenance, are facts.
    """

    __slots__ = ()

    def table(self) -> Table:
        """One line; a number that is None is NaN."""
        columns, facts = split_record(self)
        lines = {name: np.array([value]) for name, value in columns.items()}
        return Table(columns=lines, facts=facts)

    def to_dict(self) -> dict[str, Any]:
        """All attributes by name, as JSON values; NaN and infinity become None."""
        columns, facts = split_record(self)
        values: dict[str, Any] = as_json({**columns, **facts})
        return values


def table_of_records(
    records: Sequence[Any], *, lead: Mapping[str, Any] | None = None
) -> Mapping[str, Values]:
    """Columns of one line per dataclass: its cells, and those of its mappings by name.

    Args:
        records: of one type.
        lead: columns that come first.
    """
    columns: dict[str, list[Any]] = {}
    lines = [_flat(record) for record in records]
    for name in dict.fromkeys(name for line in lines for name in line):
        columns[name] = [line.get(name, np.nan) for line in lines]
    return {
        **(lead or {}),
        **{name: np.array(values) for name, values in columns.items()},
    }


def _flat(record: object) -> dict[str, Any]:
    cells, parts = split_record(record)
    named = [part for part in parts.values() if isinstance(part, Mapping)]
    return {**cells, **{k: x for part in named for k, x in part.items()}}


def split_record(record: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of a dataclass that fit a cell, and the others.

    A value of None counts as a number that is missing, NaN.
    """
    assert is_dataclass(record)
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    cells = {
        name: np.nan if value is None else value
        for name, value in values.items()
        if isinstance(value, _SCALARS)
    }
    return cells, {name: x for name, x in values.items() if name not in cells}


def as_json(value: Any) -> Any:
    """`value` in the types of JSON; what it lacks becomes None, or a text.

    NaN and infinity become None; arrays, tuples and sets lists; dataclasses objects;
    members of an enum their names; times RFC 3339; any other object its `str`.
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(part) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    if _is_arrow(value):
        return [as_json(part) for part in value.to_pylist()]
    if isinstance(value, np.ndarray | Texts):
        return [as_json(part) for part in value.tolist()]
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(part) for part in value]
    return _cell(value)


def _cell(value: Any) -> str | float | None:
    """A single value as JSON has it."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, Enum):
        return plain.name
    if isinstance(plain, float) and not isfinite(plain):
        return None
    if isinstance(plain, datetime):
        return plain.isoformat()
    known = plain is None or isinstance(plain, bool | int | float | str)
    return plain if known else str(plain)


def _package(name: str, wanted_by: str) -> Any:
    """Import a package that one form of a result needs.

    Raises:
        EngineUnavailableError: it is not installed; a `MissingPackageError` where
            gleann installs it.
    """
    try:
        with needing(wanted_by):
            return import_module(name)
    except MissingPackageError:
        raise
    except ImportError as error:
        package = name.partition(".")[0]
        raise EngineUnavailableError(
            f"{wanted_by} needs the package {package}, which cannot be imported:"
            f" {error}; pip install {package}"
        ) from error


def _is_arrow(values: object) -> bool:
    return type(values).__module__.partition(".")[0] == "pyarrow"


def _to_arrow(pa: Any, values: Values) -> Any:
    if _is_arrow(values):
        return values
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return pa.array(values, from_pandas=True)
    # Arrow cuts NumPy's strings at the first NUL.
    return pa.array(_cells(values))


def _to_pandas(values: Any) -> Any:
    if _is_arrow(values):
        return values.to_pandas()
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return values
    return np.array([*_cells(values), None], object)[:-1]


def _cells(values: Values) -> list[Any]:
    """Texts as they are; other objects as JSON values, as texts if they differ."""
    listed = values.tolist()
    if isinstance(values, Texts) or values.dtype.kind == "U":
        return listed
    cells = [as_json(value) for value in listed]
    if len(set(map(type, cells)) - {type(None)}) > 1 or any(
        isinstance(cell, list | dict) for cell in cells
    ):
        return [cell if cell is None else str(cell) for cell in cells]
    return cells
