"""Read columns of a csv file as text, exactly as written."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.csv

from gleann.index.errors import InvalidInputError

BLOCK_BYTES = 1 << 26
"""Bytes that Arrow parses at once; no cell may be longer."""
LINE_CHARACTERS = 1 << 20
"""Characters of a line that Python reads at once."""

_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"PAR1": "parquet",
    b"\x93NUMPY": "a .npy array",
    b"\x1f\x8b": "compressed; end its name with .gz",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""What files that are no csv text begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The heading of a csv file.

    Attributes:
        names: of the columns, without spaces around them.
        blank_lines: lines before it.
        has_rows: whether anything follows it.
    """

    names: tuple[str, ...]
    blank_lines: int
    has_rows: bool


def read_heading(path: Path) -> Heading:
    """Read the heading of a csv file.

    Raises:
        InvalidInputError: it is no text, or has no heading.
        OSError: it cannot be read.
    """
    with pa.input_stream(path) as stream:
        begin = stream.read(8)
    for magic, kind in _FOREIGN.items():
        if begin.startswith(magic):
            raise InvalidInputError(f"{path} is no csv in UTF-8, but {kind}")
    records = _records(path)
    blank_lines = 0
    for end, record in records:
        if record:
            return Heading(
                names=tuple(name.strip() for name in record),
                blank_lines=blank_lines,
                has_rows=_has_rows(records),
            )
        blank_lines = end
    raise InvalidInputError(f"{path} is empty: its first line must name the columns")


def read_columns(
    path: Path, heading: Heading, numbers: Sequence[int]
) -> list[pa.ChunkedArray]:
    """Columns of a csv file as `large_binary`, by their numbers in the heading.

    Raises:
        InvalidInputError: a row has more or fewer cells than the heading.
        OSError: it cannot be read.
    """
    if not heading.has_rows:
        return [pa.chunked_array([], pa.large_binary()) for _ in numbers]
    # Own names: those of the file may repeat, or have no UTF-8.
    names = [str(number) for number in range(len(heading.names))]
    wanted = [names[number] for number in numbers]
    try:
        table = pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(
                column_names=names,
                skip_rows=heading.blank_lines,
                skip_rows_after_names=1,
                use_threads=False,
                block_size=BLOCK_BYTES,
            ),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(dict.fromkeys(wanted)),
                column_types=dict.fromkeys(wanted, pa.large_binary()),
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse_odd_row(path, width=len(names))
        reason = str(error).partition(":")[2] or str(error)
        raise InvalidInputError(f"{path} is no csv file:{reason[:200]}") from error
    return [table[name] for name in wanted]


def line_of(path: Path, row: int) -> int | None:
    """Line of the file, from 1, at which row `row` begins; None if it is not found."""
    try:
        return next(islice((begin for begin, _ in _rows(path)), row, None), None)
    except InvalidInputError:
        return None


def _has_rows(records: Iterator[tuple[int, list[str]]]) -> bool:
    try:
        return any(cells for _, cells in records)
    except InvalidInputError:  # for Python's reader only: a cell is too long
        return True


def _refuse_odd_row(path: Path, *, width: int) -> None:
    """Name the first row with more or fewer cells than the heading, if there is one."""
    for row, (begin, cells) in enumerate(_rows(path)):
        if len(cells) != width:
            count = f"{len(cells)} cell" + ("" if len(cells) == 1 else "s")
            raise InvalidInputError(
                f"{path}: row {row} (line {begin}) has {count}, but the heading"
                f" names {width} columns"
            )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each row below the heading."""
    begin = 1
    below = False
    for end, record in _records(path):
        if record and below:
            yield begin, record
        below = below or bool(record)
        begin = end + 1


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Last line and cells of each record; blank lines have no cells.

    Bytes that are no UTF-8 become escapes.
    """
    with (
        pa.input_stream(path) as stream,
        io.TextIOWrapper(
            stream, "utf-8-sig", errors="backslashreplace", newline=""
        ) as text,
    ):
        reader = csv.reader(_lines(text))
        try:
            for record in reader:
                yield reader.line_num, record
        except csv.Error as error:
            raise InvalidInputError(
                f"{path} is no csv file: {error} in line {reader.line_num}"
            ) from error


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(LINE_CHARACTERS):
        yield line
