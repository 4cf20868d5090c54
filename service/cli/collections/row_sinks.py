"""Rows as tables, written page by page to a file or to stdout."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from gleann.index.payload.schema import Column
from gleann.index.tables.tabular import without_lists
from gleann.service.cli.files import outputs
from gleann.service.cli.files.payload import moments_as_text
from gleann.service.cli.files.tables import JSONL_SUFFIXES, PARQUET_SUFFIXES
from gleann.service.cli.say import add_to, is_json_wanted, say

Write = Callable[[pa.Table], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSink:
    """Where rows go.

    Attributes:
        out: file that is put in place when all rows are in it; its suffix decides the
            format. None prints JSON lines; with --json, they are a list in its object.
        json_columns: columns whose texts are JSON, which JSON lines have as values.
    """

    out: Path | None
    json_columns: frozenset[str]

    @classmethod
    def of(cls, out: Path | None, schema: Sequence[Column]) -> "RowSink":
        """The sink of the rows of an index with these columns."""
        names = frozenset(column.name for column in schema if column.type == "json")
        return cls(out=out, json_columns=names)

    def write(self, tables: Iterable[pa.Table]) -> int:
        """Write tables of one schema, at least one; return the number of their rows.

        Each is written before the next is asked for.

        Raises:
            StorageError: a disk error.
        """
        out, count = self.out, 0
        if out is None:
            return sum(map(self._print, tables))

        def write(temporary: Path) -> None:
            nonlocal count
            with temporary.open("wb") as file:
                count = _FORMATS[out.suffix.lower()](self, file, iter(tables))

        outputs.publish(out, write)
        return count

    def _print(self, table: pa.Table) -> int:
        if is_json_wanted():
            add_to("rows", map(json.loads, self._lines(table)))
        else:
            for line in self._lines(table):
                say(line)
        return len(table)

    def _lines(self, table: pa.Table) -> Iterator[str]:
        """Rows as JSON; columns of JSON come last."""
        table = _with_text(table)
        raw = [name for name in table.column_names if name in self.json_columns]
        texts = [table.column(name).to_pylist() for name in raw]
        for place, row in enumerate(table.drop_columns(raw).to_pylist()):
            line = json.dumps(row, ensure_ascii=False)
            parts = [
                f", {json.dumps(name)}: {_one_line(column[place])}"
                for name, column in zip(raw, texts, strict=True)
            ]
            yield f"{line[:-1]}{''.join(parts)}}}"

    def write_parquet(self, file: BinaryIO, tables: Iterator[pa.Table]) -> int:
        """Write a parquet file."""
        first = next(tables)
        with pa.parquet.ParquetWriter(file, first.schema) as writer:
            return _written(first, tables, writer.write_table)

    def write_csv(self, file: BinaryIO, tables: Iterator[pa.Table]) -> int:
        """Write a csv file, with lists as JSON."""
        texts = (without_lists(_with_text(table)) for table in tables)
        first = next(texts)
        with pa.csv.CSVWriter(file, first.schema) as writer:
            return _written(first, texts, writer.write_table)

    def write_jsonl(self, file: BinaryIO, tables: Iterator[pa.Table]) -> int:
        """Write a file of JSON lines."""

        def write(table: pa.Table) -> None:
            file.writelines(f"{line}\n".encode() for line in self._lines(table))

        return _written(next(tables), tables, write)


def _with_text(table: pa.Table) -> pa.Table:
    """A table with its moments in RFC 3339."""
    for place, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            texts = moments_as_text(table.column(place))
            table = table.set_column(place, column.name, texts)
    return table


def _one_line(text: str | None) -> str:
    """A JSON text in a line; it has line breaks between values only."""
    if text is None:
        return "null"
    return text.replace("\n", " ").replace("\r", " ")


def _written(first: pa.Table, others: Iterator[pa.Table], write: Write) -> int:
    write(first)
    count = len(first)
    for table in others:
        write(table)
        count += len(table)
    return count


_FORMATS: dict[str, Callable[[RowSink, BinaryIO, Iterator[pa.Table]], int]] = {
    **dict.fromkeys(PARQUET_SUFFIXES, RowSink.write_parquet),
    ".csv": RowSink.write_csv,
    **dict.fromkeys(JSONL_SUFFIXES, RowSink.write_jsonl),
}
ROW_SUFFIXES = tuple(_FORMATS)
"""Formats of rows, by the suffix of the file."""
