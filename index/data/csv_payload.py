"""Payload in a csv file: text, of which the types are found by reading it once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gleann.index.errors import InvalidInputError
from gleann.index.payload.moments import RFC_3339_RE2
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, ColumnType, Schema
from gleann.index.storage.regular_file import Opening

BLOCK_BYTES = 1 << 24
"""Bytes of a file that are read at once; no row may be longer."""

_FORMS: dict[ColumnType, str] = {
    # Not 007, which would become 7.
    "int64": r"^-?(0|[1-9][0-9]{0,18})$",
    "float64": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$",
    "bool": r"^(?i)(true|false)$",
    "timestamp": RFC_3339_RE2,
}
"""Types that text may have, the first that fits all of it first."""
_NO_NUMBER = r"^[+-]?(0[0-9]|[0-9]{16,}$)"
"""Digits that a number would not keep: of a postal code, or more than float64 has."""
_MOST_INT64 = 1 << 63


class CsvPayload:
    """Columns of a csv file with a heading.

    Attributes:
        names: of the columns.
        has_all_names: the heading has them all.
    """

    has_all_names = True

    def __init__(
        self, path: Path, *, opening: Opening, typed_rows: int | None = None
    ) -> None:
        """Read the heading.

        Args:
            path: the file, for messages.
            opening: opens it.
            typed_rows: rows from which the types are found, and the first block of
                `BLOCK_BYTES` at most; None for all of the file.
        """
        self._opening = opening
        self._typed_rows = typed_rows
        with self._open() as file:
            self.names = tuple(name.strip() for name in file.schema.names)
        for name in self.names:
            if self.names.count(name) > 1:
                raise InvalidInputError(f"{path.name} has two columns {name!r:.60}")

    def column(self, name: str) -> Column:
        """A column and the narrowest type that all of its text has."""
        return Column(name, self._types[name])

    def blocks(self, schema: Schema) -> Iterator[Payload]:
        """The columns of `schema`, in blocks."""
        first = 0
        for table in self._tables():
            columns = {
                column.name: parsed(table[column.name], column, first)
                for column in schema.columns
            }
            yield Payload.of(columns, schema, n=len(table), first=first)
            first += len(table)

    @cached_property
    def _types(self) -> dict[str, ColumnType]:
        possible = dict.fromkeys(self.names, tuple(_FORMS))
        there: set[str] = set()
        for table in self._typed_tables():
            for name, kinds in possible.items():
                if (texts := table[name].drop_null()).length():
                    there.add(name)
                    possible[name] = tuple(k for k in kinds if _fits(texts, k))
        return {
            name: kinds[0] if kinds and name in there else "string"
            for name, kinds in possible.items()
        }

    def _typed_tables(self) -> Iterator[pa.Table]:
        """The rows that the types are found from."""
        if self._typed_rows is None:
            yield from self._tables()
            return
        for table in islice(self._tables(), 1):
            yield table.slice(0, self._typed_rows)

    def _tables(self) -> Iterator[pa.Table]:
        with self._open() as file:
            for batch in file:
                table = pa.Table.from_batches([batch])
                yield table.rename_columns(list(self.names))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with self._opening() as file:
            heading = pa.csv.open_csv(
                file, pa.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
            )
            names = heading.schema.names
            heading.close()
        texts = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        with self._opening() as file:
            reader = pa.csv.open_csv(
                file,
                pa.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                pa.csv.ParseOptions(newlines_in_values=True),
                texts,
            )
            with reader:
                yield reader


def _fits(texts: Any, kind: ColumnType) -> bool:
    """Whether all of some text, without null, may have this type."""
    if not pc.all(pc.match_substring_regex(texts, _FORMS[kind])).as_py():
        return False
    if kind == "float64":
        return not pc.any(pc.match_substring_regex(texts, _NO_NUMBER)).as_py()
    if kind == "int64":
        longest = pc.max(pc.utf8_length(texts)).as_py()
        return longest < len(str(_MOST_INT64)) or all(
            -_MOST_INT64 <= int(text) < _MOST_INT64 for text in texts.to_pylist()
        )
    return True


def parsed(texts: Any, column: Column, first: int) -> Any:
    """Text as something that `Payload.of` takes for `column`.

    Args:
        texts: (n,) an Arrow column of strings; null is null.
        column: what they become.
        first: number of the first row, for messages.

    Raises:
        InvalidInputError: a text of another form; names column and row.
    """
    if column.type in ("string", "json", "timestamp"):
        return texts
    if column.type == "strings":
        return [_cell(text, column, first + row, _list) for row, text in _each(texts)]
    shaped = pc.match_substring_regex(texts, _FORMS[column.type])
    if pc.all(shaped).as_py() in (True, None):
        try:
            return texts.cast(_ARROW[column.type])
        except pa.ArrowInvalid:  # beyond the range; the row is found below
            pass
    parse = _PARSE[column.type]
    return [_cell(text, column, first + row, parse) for row, text in _each(texts)]


_ARROW = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def _each(texts: Any) -> Iterator[tuple[int, str | None]]:
    return enumerate(texts.to_pylist())


def _cell(
    text: str | None, column: Column, row: int, parse: Callable[[str], Any]
) -> Any:
    if text is None:
        return None
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"column {column.name!r} ({column.type}) cannot hold {text!r:.60} of row"
            f" {row}"
        ) from error


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _list(text: str) -> list[str]:
    listed = json.loads(text)
    if not isinstance(listed, list) or not all(isinstance(t, str) for t in listed):
        raise ValueError(text)
    return listed


_PARSE: dict[str, Callable[[str], Any]] = {
    "int64": int,
    "float64": float,
    "bool": _truth,
}
