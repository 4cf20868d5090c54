"""Texts, pictures and classes of single rows, from columns of a file."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.data.vector_columns import reading
from gleann.index.errors import DuplicateIdError, InvalidInputError
from gleann.index.ids.held import shown_id
from gleann.selection.checks import IdMap
from gleann.service.cli.files import columns
from gleann.service.cli.files.tables import (
    JSONL_SUFFIXES,
    PARQUET_SUFFIXES,
    Table,
    read_table,
)

TABLE_SUFFIXES = (*PARQUET_SUFFIXES, ".csv", *JSONL_SUFFIXES)
BATCH_ROWS = 4096
MOST_IMAGE_BYTES = 32_000_000
"""Larger picture files are not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Columns of a file that describe rows.

    Attributes:
        path: the file.
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


def column_names(path: Path) -> tuple[str, ...]:
    """Names of all columns of a file.

    Raises:
        MissingFileError: it cannot be read.
    """
    return read_table(path, columns=()).names


class ItemTable:
    """Rows of a file, found by the ids of a job.

    Args:
        named: what to read.
        names: ids of all rows of the job.

    Raises:
        InvalidInputError: a column is missing, the file has another number of rows and
            no ids, or none of its ids is one of the job.
        DuplicateIdError: an id of the job twice; names both rows.
    """

    def __init__(self, named: Columns, names: IdMap) -> None:
        self._named = named
        self._places = self._find(names)

    def limited(self, rows: Rows) -> "ItemTable":
        """The table of some rows (m,) of the job, numbered from 0."""
        some = copy(self)
        some._places = self._places[rows]
        return some

    def classes(self) -> NDArray[np.generic]:
        """The class of every row of the job (n,), "" where the file has none."""
        named = np.full(len(self._places), "", object)
        if self._named.label is None:
            return named
        column = self._read(self._named.label).columns[self._named.label]
        values = np.array([_text(one) for one in column.to_pylist()], object)
        there = self._places >= 0
        named[there] = values[self._places[there]]
        return named

    def contents(self, rows: Rows) -> list[Content]:
        """The columns of some rows of the job; an empty one where the file has none."""
        places = self._places[rows]
        shown = [*self._named.text] + ([self._named.image] if self._named.image else [])
        if not shown:
            return [Content() for _ in places]
        found = dict(self._pick(shown, set(places[places >= 0].tolist())))
        return [
            self._content(found[place]) if place in found else Content()
            for place in places.tolist()
        ]

    def _find(self, names: IdMap) -> Rows:
        """Place in the file of every row of the job, -1 where it has none."""
        path, n = self._named.path, len(names)
        if self._named.id is None:
            count = len(self._read(self._named.named[0]))
            if count != n:
                raise InvalidInputError(
                    f"{path} has {count:,} rows for {n:,} items, and no column id to"
                    " find them by"
                )
            return np.arange(n)
        table = self._read(self._named.id)
        ids = columns.ids_like(table, self._named.id, names.held)
        place_of: dict[int | str, int] = {}
        for place, one in enumerate(ids.tolist()):
            place_of.setdefault(one, place)
        held = names.held.tolist()
        places = np.array([place_of.get(one, -1) for one in held], np.int64)
        _require_once(table, ids.tolist(), place_of, places)
        if n and not (places >= 0).any():
            raise InvalidInputError(
                f"{path}: none of its {len(ids):,} ids is one of the {n:,} items"
            )
        return places

    def _read(self, *names: str) -> Table:
        return read_table(self._named.path, columns=names)

    def _pick(
        self, shown: list[str], places: set[int]
    ) -> Iterator[tuple[int, dict[str, object]]]:
        """Some rows of the file."""
        wanted = np.array(sorted(places), np.int64)
        first = 0
        for batch in self._batches(shown):
            last = first + len(batch)
            inside = wanted[(wanted >= first) & (wanted < last)]
            taken = batch.take(pa.array(inside - first)).to_pylist()
            yield from zip(inside.tolist(), taken, strict=True)
            first = last

    def _batches(self, shown: list[str]) -> Iterator[pa.RecordBatch]:
        path = self._named.path
        if path.suffix.lower() not in PARQUET_SUFFIXES:
            yield pa.RecordBatch.from_pydict(self._read(*shown).columns).select(shown)
            return
        # Texts and pictures may exceed the memory, so few rows are held at a time.
        with reading(path), pa.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=shown)

    def _content(self, held: dict[str, object]) -> Content:
        texts = tuple((name, _text(held[name])) for name in self._named.text)
        if self._named.image is None:
            return Content(texts=texts)
        image, problem = _image(held[self._named.image], self._named.path.parent)
        return Content(texts=texts, image=image, problem=problem)


def _require_once(
    table: Table, ids: Sequence[int | str], first: dict[int | str, int], places: Rows
) -> None:
    """Refuse two rows of an item of the job: which is meant, nobody can tell.

    Args:
        table: has the ids.
        ids: of its rows.
        first: the first row of each.
        places: of the items of the job, -1 for none.

    Raises:
        DuplicateIdError: names both rows.
    """
    wanted = set(places.tolist())
    for place, one in enumerate(ids):
        before = first[one]
        if before != place and before in wanted:
            raise DuplicateIdError(
                f"{table.where(place)}: id {shown_id(one)} is that of row {before} too"
            )


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
