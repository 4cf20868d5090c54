"""Readers of vectors in .npy and parquet files, restricted to the import roots."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.data.files import Place
from gleann.index.data.npy_file import NpyFile
from gleann.index.data.vector_columns import reading
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
)
from gleann.index.ids.checks import MAX_ID_BYTES, hold_ids
from gleann.index.parallel.blocks import block_slices
from gleann.service.files.roots import missing_as_error

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from gleann.index.data.columns import Columns
    from gleann.index.data.vector_rows import VectorColumn

BLOCK_BYTES = 16 * 1024 * 1024


class VectorFile(Protocol):
    """A file of vectors: its header is read, its rows are not."""

    @property
    def path(self) -> Path:
        """Its path."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it consists of."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    def ids(self) -> HeldIds:
        """All ids (count,), distinct."""

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """The vectors in order, a block (m, dim) at a time."""


class Files(Protocol):
    """Several files that are read together."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Their paths."""


@contextmanager
def unchanged(source: Files) -> Iterator[None]:
    """Refuse files that changed while they were read.

    Raises:
        CorruptDataError: a file changed, so ids and vectors may not match.
        MissingFileError: a file was removed.
    """
    before = [_stamp(path) for path in source.paths]
    yield
    for path, stamp in zip(source.paths, before, strict=True):
        if _stamp(path) != stamp:
            raise CorruptDataError(f"{path.name} was changed while it was read")


def _stamp(path: Path) -> tuple[int, ...]:
    with missing_as_error(path.name):
        found = path.lstat()  # it has no links
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def changed_error(source: VectorFile, found: str) -> CorruptDataError:
    """The error for an import whose vectors, now `found`, changed since the check."""
    # A file is opened more than once; it may be replaced in between.
    return CorruptDataError(
        f"{source.path.name} was changed while it was read: it had {source.count}"
        f" vectors before, and has {found} now"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NpyVectors:
    """A `VectorFile` in .npy format."""

    path: Path
    ids_path: Path | None
    shape: tuple[int, int]
    place: Place
    ids_place: Place

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        ids_path: Path | None,
        dim: int,
        place: Place,
        ids_place: Place,
    ) -> "NpyVectors":
        """Open the file and check its header.

        Args:
            path: of the vectors.
            ids_path: of the ids; None numbers the rows.
            dim: that the vectors must have.
            place: that has the vectors by their path.
            ids_place: that has the ids.

        Raises:
            InvalidInputError: not .npy, or not a matrix of numbers.
            DimensionMismatchError: rows of another dimension than `dim`.
            ForbiddenPathError: a link leads out of the place.
            MissingFileError: it cannot be read.
        """
        file = NpyFile(path, file=place.byte_file(str(path)))
        shape, dtype = file.shape, file.dtype
        if len(shape) != 2:
            raise InvalidInputError(
                f"{path.name} must have 2 dimensions (n, d), got {shape}"
            )
        if dtype.kind not in "fiu":
            raise InvalidInputError(f"{path.name} must hold numbers, got {dtype}")
        _require_dim(path, shape[1], dim)
        return cls(
            path=path,
            ids_path=ids_path,
            shape=(shape[0], shape[1]),
            place=place,
            ids_place=ids_place,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it consists of."""
        return (self.path,) if self.ids_path is None else (self.path, self.ids_path)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return self.shape[0]

    def ids(self) -> HeldIds:
        """All ids, by default the row numbers."""
        if self.ids_path is None:
            return np.arange(self.count)
        opened = self.ids_place.byte_file(str(self.ids_path))
        file = NpyFile(self.ids_path, file=opened)
        if file.shape != (self.count,):
            raise InvalidInputError(
                f"{self.ids_path.name} must have shape ({self.count},), an id for each"
                f" row of {self.path.name}, got {file.shape}"
            )
        _require_id_type(self.ids_path, file.dtype)
        ids = np.asarray(file)
        return hold_ids(ids, n=self.count, name=self.ids_path.name)

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """The vectors in order, block by block."""
        file = NpyFile(self.path, file=self.place.byte_file(str(self.path)))
        if file.shape != self.shape:
            raise CorruptDataError(
                f"{self.path.name} has shape {file.shape}, and had {self.shape} before"
            )
        step = BLOCK_BYTES // (file.shape[1] * file.dtype.itemsize)
        for block in block_slices(self.count, step):
            yield file[block]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetVectors:
    """A `VectorFile` in parquet format: one column of lists of numbers."""

    path: Path
    vectors: "VectorColumn"
    columns: "Columns"
    id_column: str | None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        vector_column: str,
        id_column: str | None,
        dim: int,
        place: Place,
    ) -> "ParquetVectors":
        """Open the file and check its schema and declared size.

        Args:
            path: of the file.
            vector_column: of the vectors.
            id_column: of the ids; None numbers the rows.
            dim: that the vectors must have.
            place: that has it by its path.

        Raises:
            InvalidInputError: not parquet, or a column is missing or of another type.
            DimensionMismatchError: more numbers than rows times `dim`.
            ForbiddenPathError: a link leads out of the place.
            MissingFileError: it cannot be read.
        """
        from gleann.index.data.columns import Columns
        from gleann.index.data.id_column import require_ids
        from gleann.index.data.pieces import ParquetPiece
        from gleann.index.data.vector_rows import VectorColumn

        opening = partial(place.filesystem.open_input_file, str(path))
        piece = ParquetPiece(path.name, opening, local=None)
        columns = Columns(path.name, [piece])
        if id_column:
            require_ids(path.name, id_column, columns.field(id_column).type)
        with reading(path.name):
            _require_size(path, piece.metadata, vector_column, dim)
        vectors = VectorColumn(columns, vector_column, dim=dim)
        return cls(path=path, vectors=vectors, columns=columns, id_column=id_column)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it consists of."""
        return (self.path,)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return self.columns.count

    def ids(self) -> HeldIds:
        """All ids, by default the row numbers."""
        if self.id_column is None:
            return np.arange(self.count)
        from gleann.index.data.id_column import read_ids

        return read_ids(self.columns, self.id_column)

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """The vectors in order, block by block."""
        return self.vectors.matrices(block_bytes=BLOCK_BYTES)


def _require_id_type(path: Path, dtype: np.dtype[np.generic]) -> None:
    """Refuse a dtype that cannot be ids, before the read."""
    if dtype.kind not in "iuU":
        raise InvalidInputError(
            f"{path.name} must hold integers or strings, got {dtype}"
        )
    if dtype.kind == "U" and dtype.itemsize > 4 * MAX_ID_BYTES:
        raise InvalidInputError(
            f"{path.name} has room for {dtype.itemsize // 4} characters an id, at most"
            f" {MAX_ID_BYTES} bytes are kept"
        )


def _require_size(
    path: Path, metadata: "pq.FileMetaData", column: str, dim: int
) -> None:
    """Refuse lists longer than the dimension, before the read."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(place) for place in range(group.num_columns))
        for chunk in chunks:
            if chunk.path_in_schema.split(".")[0] != column:
                continue
            if chunk.num_values > group.num_rows * dim:
                raise DimensionMismatchError(
                    f"{path.name}: {column} has {chunk.num_values} numbers in the"
                    f" {group.num_rows} rows of its row group {number}, at most"
                    f" {group.num_rows * dim} at {dim} dimensions"
                )


def _require_dim(path: Path, found: int, dim: int) -> None:
    if found != dim:
        raise DimensionMismatchError(
            f"{path.name} has {found} dimensions, expected {dim}"
        )
