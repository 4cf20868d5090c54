"""Texts, pictures and classes of single rows, from columns of a parquet or csv file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.service.cli.files import inputs
from gleann.service.cli.files.answers import rows_named
from gleann.service.files.vector_columns import reading, require_columns

TABLE_SUFFIXES = (*inputs.PARQUET_SUFFIXES, ".csv")
BATCH_ROWS = 4096
MOST_IMAGE_BYTES = 32_000_000
"""Larger picture files are not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Columns of a file that describe rows.

    Attributes:
        path: parquet or csv file.
        text: columns with texts or numbers.
        image: column with encoded images, or paths of them, or None.
        label: column with classes, or None.
        id: column with the ids of the rows; None where the file is in row order.
    """

    path: Path
    text: tuple[str, ...]
    image: str | None
    label: str | None
    id: str | None

    @property
    def named(self) -> list[str]:
        """All columns but the ids, in order."""
        extra = [name for name in (self.image, self.label) if name is not None]
        return [*self.text, *extra]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The columns of one row.

    Attributes:
        texts: names and values of the text columns.
        image: encoded image, or b"" where there is none.
        problem: why there is none, or "".
    """

    texts: tuple[tuple[str, str], ...] = ()
    image: bytes = b""
    problem: str = ""


def column_names(path: Path) -> list[str]:
    """Columns of a parquet or csv file.

    Raises:
        MissingFileError: it cannot be read.
        InvalidInputError: another kind of file.
    """
    with reading(path):
        if path.suffix in inputs.PARQUET_SUFFIXES:
            return list(pa.parquet.read_schema(path).names)
        if path.suffix == ".csv":
            with pa.csv.open_csv(path) as batches:
                return list(batches.schema.names)
    raise InvalidInputError(
        f"{path}: columns are read from .parquet or .csv, not {path.suffix!r}"
    )


class ItemTable:
    """Rows of a file, found by the ids of a job.

    Args:
        columns: what to read.
        names: ids of all rows of the job.

    Raises:
        InvalidInputError: a column is missing, or the file has another number of rows
            and no ids.
        UnknownIdError: an id of no row.
    """

    def __init__(self, columns: Columns, names: IdMap) -> None:
        self._columns = columns
        wanted = columns.named + ([columns.id] if columns.id else [])
        require_columns(columns.path, wanted, column_names(columns.path))
        self._places = self._find(names)

    def classes(self) -> NDArray[np.generic]:
        """The class of every row of the job (n,), "" where the file has none."""
        name = self._columns.label
        table = self._read([name] if name else [])
        column = table[name].cast(pa.string()).fill_null("")
        values = np.asarray(column.to_pylist(), object)
        named = np.full(len(self._places), "", object)
        there = self._places >= 0
        named[there] = values[self._places[there]]
        return named

    def contents(self, rows: Rows) -> list[Content]:
        """The columns of some rows of the job; an empty one where the file has none."""
        places = self._places[rows]
        columns = [*self._columns.text] + (
            [self._columns.image] if self._columns.image else []
        )
        if not columns:
            return [Content() for _ in places]
        found = dict(self._pick(columns, set(places[places >= 0].tolist())))
        return [
            self._content(found[place]) if place in found else Content()
            for place in places.tolist()
        ]

    def _find(self, names: IdMap) -> Rows:
        """Place in the file of every row of the job, -1 where it has none."""
        path, n = self._columns.path, len(names)
        if self._columns.id is None:
            count = self._count()
            if count != n:
                raise InvalidInputError(
                    f"{path} has {count:,} rows for {n:,} items, and no column id to"
                    " find them by"
                )
            return np.arange(n)
        table = self._read([self._columns.id])
        ids = inputs.column_array(path, table, self._columns.id)
        places = np.full(n, -1, np.int64)
        places[rows_named(names, ids)] = np.arange(len(ids))
        return places

    def _count(self) -> int:
        with reading(self._columns.path):
            if self._columns.path.suffix in inputs.PARQUET_SUFFIXES:
                return int(pa.parquet.read_metadata(self._columns.path).num_rows)
        return len(self._read([column_names(self._columns.path)[0]]))

    def _read(self, columns: list[str]) -> pa.Table:
        path = self._columns.path
        with reading(path):
            if path.suffix in inputs.PARQUET_SUFFIXES:
                return pa.parquet.read_table(path, columns=columns)
            keep = pa.csv.ConvertOptions(include_columns=columns)
            return pa.csv.read_csv(path, convert_options=keep)

    def _pick(
        self, columns: list[str], places: set[int]
    ) -> Iterator[tuple[int, dict[str, object]]]:
        """Some rows of the file, read in batches so that memory holds few."""
        wanted = np.array(sorted(places), np.int64)
        first = 0
        for batch in self._batches(columns):
            last = first + len(batch)
            inside = wanted[(wanted >= first) & (wanted < last)]
            taken = batch.take(pa.array(inside - first)).to_pylist()
            yield from zip(inside.tolist(), taken, strict=True)
            first = last

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        path = self._columns.path
        with reading(path):
            if path.suffix in inputs.PARQUET_SUFFIXES:
                with pa.parquet.ParquetFile(path) as file:
                    yield from file.iter_batches(BATCH_ROWS, columns=columns)
            else:
                yield from self._read(columns).to_batches()

    def _content(self, held: dict[str, object]) -> Content:
        texts = tuple((name, _text(held[name])) for name in self._columns.text)
        if self._columns.image is None:
            return Content(texts=texts)
        image, problem = _image(held[self._columns.image], self._columns.path.parent)
        return Content(texts=texts, image=image, problem=problem)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _image(value: object, folder: Path) -> tuple[bytes, str]:
    """Encoded bytes of an image cell, and why there are none."""
    if isinstance(value, dict):  # {"bytes": ..., "path": ...} of Hugging Face datasets
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return value, "" if value else "no picture"
    if not isinstance(value, str) or not value:
        return b"", "no picture"
    return _file_bytes(folder / value)


def _file_bytes(path: Path) -> tuple[bytes, str]:
    try:
        if not path.is_file():  # a pipe or a device would never end
            return b"", "no such picture"
        if path.stat().st_size > MOST_IMAGE_BYTES:
            return b"", "picture file too large"
        return path.read_bytes(), ""
    except (OSError, ValueError):  # a path with a NUL, or too long
        return b"", "picture cannot be read"
