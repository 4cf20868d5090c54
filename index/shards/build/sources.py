"""The files of a build of shards, described one by one, and cut into blocks."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from gleann.index.data.columns import Columns
from gleann.index.data.dataset import Dataset
from gleann.index.data.id_column import holds_ids, require_ids
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.open import ID_COLUMN, ROW_NUMBERS
from gleann.index.data.pieces import KeyedPiece, ParquetPiece, Piece
from gleann.index.data.row_files import ids_of_npz
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.payload.kinds import is_text
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.named_files import NamedFile, file_stamp
from gleann.index.shards.runner import Runner

IdKind = Literal["integers", "strings"]

BLOCK_BYTES = 1 << 26
"""Bytes of the float32 rows of a block, which a worker reads and places at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is taken of the files.

    Attributes:
        vectors: the column of vectors, or the array of a .npz or HDF5 file; None takes
            the only one.
        id_column: the column of ids; None takes the column "id" where there is one, ""
            takes row numbers over all files.
        ids: a .npy file with the ids of all rows instead.
        schema: the columns of payload.
    """

    vectors: str | None = None
    id_column: str | None = None
    ids: Path | None = None
    schema: Schema = field(default_factory=Schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of the input, and what is in it.

    Attributes:
        file: the file.
        stamp: what differs when it was written to, as text.
        n: its rows.
        dim: their dimensions.
        id_column: the column of its ids; None where rows are numbered.
        id_kind: what they are.
        ends: the row behind each of its row groups; empty where it has none.
    """

    file: NamedFile
    stamp: str
    n: int
    dim: int
    id_column: str | None
    id_kind: IdKind
    ends: tuple[int, ...] = ()

    def require_unchanged(self) -> None:
        """Refuse a file that is not the one that was described.

        Raises:
            CorruptDataError: it is another one, or gone.
        """
        try:
            stamp = self.file.stamp()
        except (OSError, MissingFileError):
            stamp = None
        if stamp != self.stamp:
            raise CorruptDataError(
                f"{self.file.name} was changed since the build began, or is not the"
                " same file on all machines"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive rows of a file.

    Attributes:
        number: of the block among all, in the order of the input.
        source: the file.
        start: its first row, counted in the file.
        stop: the one behind its last.
        first: the number of its first row over all files.
    """

    number: int
    source: SourceFile
    start: int
    stop: int
    first: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def begins_in(self) -> tuple[int, int]:
        """The first row of its file, and which row group the block begins in.

        In files without row groups every block begins in one of its own.
        """
        source = self.source
        group = bisect_right(source.ends, self.start) if source.ends else self.start
        return self.first - self.start, group


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """All files of a build.

    Attributes:
        sources: the files, in order.
        wanted: what is taken of them.
    """

    sources: tuple[SourceFile, ...]
    wanted: Wanted

    @property
    def n(self) -> int:
        """Rows of all files."""
        return sum(source.n for source in self.sources)

    @property
    def dim(self) -> int:
        """Dimensions of a row."""
        return self.sources[0].dim

    @property
    def id_kind(self) -> IdKind:
        """What the ids are."""
        return self.sources[0].id_kind

    def blocks(self, *, block_bytes: int = BLOCK_BYTES) -> list[Block]:
        """The blocks of all files, by row groups where these are not larger."""
        rows = max(1, block_bytes // (4 * self.dim))
        blocks: list[Block] = []
        first = 0
        for source in self.sources:
            for start, stop in _cut(source, rows):
                blocks.append(
                    Block(
                        number=len(blocks),
                        source=source,
                        start=start,
                        stop=stop,
                        first=first + start,
                    )
                )
            first += source.n
        return blocks

    def described(self) -> dict[str, Any]:
        """The files as JSON: others, or changed ones, are described otherwise."""
        wanted = asdict(self.wanted) | {
            "ids": None if self.wanted.ids is None else file_stamp(self.wanted.ids),
            "schema": self.wanted.schema.to_values(),
        }
        files = [[s.file.name, s.stamp, s.n, s.dim] for s in self.sources]
        return {"files": files, "wanted": wanted}


def runs_of(blocks: Sequence[Block]) -> list[tuple[Block, ...]]:
    """Blocks, those of one row group together.

    A row group is decoded from its beginning, so the last of its blocks takes as long
    as all of them one after the other.
    """
    return [tuple(run) for _, run in groupby(blocks, key=lambda one: one.begins_in)]


def describe_files(
    files: Sequence[NamedFile], wanted: Wanted, *, runner: Runner
) -> Input:
    """Look into all files.

    Args:
        files: at least one.
        wanted: what is taken of them.
        runner: looks into several at once.

    Raises:
        As `gleann.data.open`; and
        DimensionMismatchError: files of other dimensions; names both.
        InvalidInputError: ids of two kinds, or no rows.
    """
    sources = tuple(runner(partial(describe_file, wanted), files))
    first = sources[0]
    for one in sources:
        if one.dim != first.dim:
            raise DimensionMismatchError(
                f"{one.file.name} has vectors of {one.dim} dimensions, and"
                f" {first.file.name} of {first.dim}"
            )
        if (one.id_kind, one.id_column) != (first.id_kind, first.id_column):
            raise InvalidInputError(
                f"{one.file.name} has {_ids_of(one)}, and {first.file.name} has"
                f" {_ids_of(first)}"
            )
    found = Input(sources=sources, wanted=wanted)
    if not found.n:
        raise InvalidInputError(
            f"{first.file.source} has no rows in {len(sources)} files"
        )
    if wanted.ids is not None:
        _require_ids_of(wanted.ids, found.n)
    return found


def describe_file(wanted: Wanted, file: NamedFile) -> SourceFile:
    """Look into a file.

    Raises:
        As `gleann.data.open`; and
        DimensionMismatchError: vectors of 0 dimensions, or more or fewer ids than
            vectors.
    """
    data = file.opened(wanted.vectors)
    if len(data) and not data.dim:
        raise DimensionMismatchError(f"{file.name} has vectors of 0 dimensions")
    table = columns_of(data)
    if wanted.schema.columns and table is None:
        raise InvalidInputError(f"{file.name} has no columns, only vectors")
    column, kind = _id_column(file, table, wanted, n=len(data))
    return SourceFile(
        file=file,
        stamp=file.stamp(),
        n=len(data),
        dim=data.dim,
        id_column=column,
        id_kind=kind,
        ends=() if table is None else tuple(_row_groups(table.pieces[0])),
    )


def columns_of(data: Dataset) -> Columns | None:
    """All columns of an opened file; None where it has vectors alone."""
    if data.table is None:
        return None
    reader = data.table.reader
    return reader if isinstance(reader, Columns) else None


def _id_column(
    file: NamedFile, table: Columns | None, wanted: Wanted, *, n: int
) -> tuple[str | None, IdKind]:
    """The column, or the array of a .npz file, that ids are in, and their kind."""
    if wanted.ids is not None:
        kind = NpyFile(wanted.ids).dtype.kind
        return None, "strings" if kind == "U" else "integers"
    name = wanted.id_column
    if table is None:
        if file.kind == "npz" and name != ROW_NUMBERS:
            return _npz_ids(file, name, n=n)
        if name:
            raise InvalidInputError(f"{file.name} has no columns, but ids are {name!r}")
        return None, "integers"
    if name == ROW_NUMBERS or (name is None and not _has_ids(table)):
        return None, "integers"
    name = name or ID_COLUMN
    kind = table.field(name).type
    require_ids(file.name, name, kind)
    return name, _kind_of(kind)


def _npz_ids(file: NamedFile, name: str | None, *, n: int) -> tuple[str | None, IdKind]:
    read = ids_of_npz(file.files(), name)
    if read is None:
        return None, "integers"
    from gleann.index.ids.held import kind_of

    ids = read()
    if len(ids) != n:
        raise DimensionMismatchError(f"{file.name} has {len(ids)} ids for {n} vectors")
    return name or ID_COLUMN, "strings" if kind_of(ids) == "strings" else "integers"


def _has_ids(table: Columns) -> bool:
    return ID_COLUMN in table.names and holds_ids(table.field(ID_COLUMN).type)


def _kind_of(kind: Any) -> IdKind:
    """What ids of a column of Arrow are: UUIDs become texts."""
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "strings" if is_text(value) or not pa.types.is_integer(value) else "integers"


def _ids_of(source: SourceFile) -> str:
    where = (
        "row numbers" if source.id_column is None else f"column {source.id_column!r}"
    )
    return f"{source.id_kind} as ids ({where})"


def _require_ids_of(path: Path, n: int) -> None:
    shape = NpyFile(path).shape
    if shape != (n,):
        raise DimensionMismatchError(
            f"{path} has ids of shape {shape} for {n} vectors of all files"
        )


def _row_groups(piece: Piece) -> Iterator[int]:
    while isinstance(piece, KeyedPiece):
        piece = piece.inner
    if not isinstance(piece, ParquetPiece):
        return
    end = 0
    for number in range(piece.metadata.num_row_groups):
        end += piece.metadata.row_group(number).num_rows
        yield end


def _cut(source: SourceFile, rows: int) -> Iterator[tuple[int, int]]:
    """First and last row of blocks of at most `rows`, or of whole row groups."""
    start = 0
    for stop in _stops(source, rows):
        while stop - start > rows:
            yield start, start + rows
            start += rows
        if stop > start:
            yield start, stop
            start = stop


def _stops(source: SourceFile, rows: int) -> Iterable[int]:
    """Where blocks end: as many whole row groups as fit, and the end of the file."""
    start = last = 0
    for end in source.ends:
        if end - start > rows and last > start:
            yield last
            start = last
        last = end
    yield source.n
