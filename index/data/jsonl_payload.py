"""Payload in a file of one JSON object a line."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from gleann.index.errors import InvalidInputError, LimitError
from gleann.index.payload.moments import to_microseconds
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, ColumnType, Schema
from gleann.index.storage.regular_file import Opening

BLOCK_ROWS = 16_384
MOST_LINE_BYTES = 1 << 26
"""Longest line."""
PEEKED_BYTES = 1 << 20
"""Bytes after which no more rows are read where only some are typed."""

_WIDER: dict[frozenset[ColumnType], ColumnType] = {
    frozenset(["int64", "float64"]): "float64",
    frozenset(["timestamp", "string"]): "string",
    frozenset(["strings", "json"]): "json",
}
"""The type that holds the values of two."""


class JsonlPayload:
    """Columns of a file with an object a line; a key that a line lacks is null.

    Attributes:
        names: of the columns.
        has_all_names: whether they are those of all rows.
    """

    def __init__(
        self, path: Path, *, opening: Opening, typed_rows: int | None = None
    ) -> None:
        """Find the columns and their types.

        Args:
            path: the file, for messages.
            opening: opens it.
            typed_rows: rows that are read for that, and `PEEKED_BYTES` at most; None
                for all of the file.
        """
        self._path = path
        self._opening = opening
        self._typed_rows = typed_rows
        self.has_all_names = typed_rows is None
        self.names = tuple(self._types)

    def column(self, name: str) -> Column:
        """A column and the type that holds all of its values."""
        return Column(name, self._types[name] or "string")

    def blocks(self, schema: Schema) -> Iterator[Payload]:
        """The columns of `schema`, in blocks."""
        first = 0
        for lines in self._blocks():
            columns = {
                column.name: [value_of(line.get(column.name), column) for line in lines]
                for column in schema.columns
            }
            yield Payload.of(columns, schema, n=len(lines), first=first)
            first += len(lines)

    @cached_property
    def _types(self) -> dict[str, ColumnType | None]:
        types: dict[str, ColumnType | None] = {}
        for row, line in enumerate(self._typed_lines()):
            for name, value in self._object(line, row).items():
                types[name] = self._joined(types.get(name), value, name, row)
        return types

    def _typed_lines(self) -> Iterator[bytes]:
        """The lines that columns and types are taken from."""
        if self._typed_rows is None:
            yield from self._lines()
            return
        size = 0
        for row, line in enumerate(self._lines()):
            if row == self._typed_rows or size > PEEKED_BYTES:
                return
            yield line
            size += len(line)
        self.has_all_names = True

    def _joined(
        self, known: ColumnType | None, value: Any, name: str, row: int
    ) -> ColumnType | None:
        kind = _kind(value)
        if kind is None or kind == known:
            return known
        if known is None:
            return kind
        if (wider := _WIDER.get(frozenset([known, kind]))) is None:
            raise InvalidInputError(
                f"{self._path.name}: {name!r:.60} is {kind} in row {row}, and {known}"
                " in the rows before it"
            )
        return wider

    def _blocks(self) -> Iterator[list[dict[str, Any]]]:
        block: list[dict[str, Any]] = []
        for row, line in enumerate(self._lines()):
            block.append(self._object(line, row))
            if len(block) == BLOCK_ROWS:
                yield block
                block = []
        if block:
            yield block

    def _lines(self) -> Iterator[bytes]:
        with self._opening() as file:
            while line := file.readline(MOST_LINE_BYTES):
                if len(line) == MOST_LINE_BYTES:
                    raise LimitError(
                        f"{self._path.name} has a line of {MOST_LINE_BYTES} bytes or"
                        " more"
                    )
                if line.strip():
                    yield line

    def _object(self, line: bytes, row: int) -> dict[str, Any]:
        try:
            value = json.loads(
                line.decode(),
                parse_constant=_refuse_constant,
                object_pairs_hook=_object_of,
            )
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(
                f"{self._path.name}: row {row} is not JSON: {error}"
            ) from error
        if not isinstance(value, dict):
            raise InvalidInputError(f"{self._path.name}: row {row} is no JSON object")
        return value


def _kind(value: Any) -> ColumnType | None:
    if value is None:
        return None
    simple: dict[type, ColumnType] = {bool: "bool", int: "int64", float: "float64"}
    if (kind := simple.get(type(value))) is not None:
        return kind
    if isinstance(value, str):
        return "timestamp" if _is_moment(value) else "string"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "strings"
    return "json"


def _is_moment(text: str) -> bool:
    if len(text) < len("2024-02-29T12:00:00Z") or not text[:4].isdigit():
        return False
    try:
        to_microseconds(text)
    except ValueError:
        return False
    return True


def value_of(value: Any, column: Column) -> Any:
    """A value of a line as `Payload.of` takes it for `column`."""
    if column.type == "json" and value is not None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has two keys {twice!r:.60}")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
