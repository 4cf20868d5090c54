"""Reading vectors from .npy and parquet files, under the configured roots only."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.blocks import block_slices
from gleann.index.checks import as_ids
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    ForbiddenPathError,
    InvalidInputError,
    MissingFileError,
)
from gleann.service.npy_file import NpyFile

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 16 * 1024 * 1024


class VectorFile(Protocol):
    """A file of vectors, looked at but not read."""

    @property
    def count(self) -> int:
        """Vectors in it."""

    def ids(self) -> Ids:
        """All ids (count,), distinct."""

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The vectors in order, a block (m, dim) at a time."""


def allowed_path(path: str, roots: tuple[Path, ...]) -> Path:
    """The real path of a file that lies under one of `roots`.

    Raises:
        ForbiddenPathError: no roots, or outside them (links are followed first).
        MissingFileError: not there, or no regular file.
    """
    if not roots:
        raise ForbiddenPathError(
            "no import roots are configured: set import_roots (GLEANN_IMPORT_ROOTS) to"
            " the directories that files may be imported from"
        )
    try:
        real = Path(path).resolve(strict=False)
        inside = any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError, ValueError) as error:
        raise ForbiddenPathError(f"{path!r} cannot be resolved") from error
    if not inside:
        # Whether something is there is none of the caller's business.
        raise ForbiddenPathError(f"{path!r} is outside the import roots")
    with _missing(path):
        if not stat.S_ISREG(real.stat().st_mode):
            raise MissingFileError(f"{path!r} is not a regular file")
    return real


@dataclass(frozen=True, slots=True, kw_only=True)
class NpyVectors:
    """A `VectorFile` in .npy format."""

    path: Path
    ids_path: Path | None
    shape: tuple[int, int]

    @classmethod
    def open(cls, path: Path, *, ids_path: Path | None, dim: int) -> "NpyVectors":
        """Look at the header, before anything is read.

        Raises:
            InvalidInputError: not .npy, or not a matrix of numbers.
            DimensionMismatchError: rows of another dimension than `dim`.
            MissingFileError: it cannot be read.
        """
        file = NpyFile(path)
        shape, dtype = file.shape, file.dtype
        if len(shape) != 2:
            raise InvalidInputError(
                f"{path.name} must have 2 dimensions (n, d), got {shape}"
            )
        if dtype.kind not in "fiu":
            raise InvalidInputError(f"{path.name} must hold numbers, got {dtype}")
        _require_dim(path, shape[1], dim)
        return cls(path=path, ids_path=ids_path, shape=(shape[0], shape[1]))

    @property
    def count(self) -> int:
        """Vectors in it."""
        return self.shape[0]

    def ids(self) -> Ids:
        """All ids, by default the row numbers."""
        if self.ids_path is None:
            return np.arange(self.count)
        ids = np.asarray(NpyFile(self.ids_path))
        return as_ids(ids, n=self.count, name=self.ids_path.name)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The vectors in order."""
        file = NpyFile(self.path)
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
    vector_column: str
    id_column: str | None
    dim: int
    count: int

    @classmethod
    def open(
        cls, path: Path, *, vector_column: str, id_column: str | None, dim: int
    ) -> "ParquetVectors":
        """Look at the schema.

        Raises:
            InvalidInputError: not parquet, or a column is missing.
            MissingFileError: it cannot be read.
        """
        from pyarrow.parquet import ParquetFile

        with _parquet_errors(path), ParquetFile(path) as file:
            names = file.schema_arrow.names
            count = file.metadata.num_rows
        for column in filter(None, (vector_column, id_column)):
            if column not in names:
                raise InvalidInputError(
                    f"{path.name} has no column {column!r}, only {', '.join(names)}"
                )
        return cls(
            path=path,
            vector_column=vector_column,
            id_column=id_column,
            dim=dim,
            count=count,
        )

    def ids(self) -> Ids:
        """All ids, by default the row numbers."""
        if self.id_column is None:
            return np.arange(self.count)
        from pyarrow.parquet import ParquetFile

        with _parquet_errors(self.path), ParquetFile(self.path) as file:
            column = file.read(columns=[self.id_column]).column(0)
            if column.null_count:
                raise InvalidInputError(
                    f"{self.id_column} has {column.null_count} nulls"
                    f" in {self.count} rows"
                )
            values = column.to_numpy()
        return as_ids(values, n=self.count, name=self.id_column)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The vectors in order."""
        from pyarrow.parquet import ParquetFile

        rows = max(1, BLOCK_BYTES // (8 * self.dim))
        with _parquet_errors(self.path), ParquetFile(self.path) as file:
            batches = file.iter_batches(rows, columns=[self.vector_column])
            for batch in batches:
                yield self._matrix(batch.column(0))

    def _matrix(self, column: "pa.Array") -> NDArray[Any]:
        if not hasattr(column, "flatten"):
            raise InvalidInputError(
                f"{self.vector_column} must hold lists of numbers, got {column.type}"
            )
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        if column.null_count:
            raise InvalidInputError(
                f"{self.vector_column} has {column.null_count} nulls"
                f" in {len(column)} rows"
            )
        if (odd := np.flatnonzero(lengths != self.dim)).size:
            raise DimensionMismatchError(
                f"{self.vector_column} has {lengths[odd[0]]} dimensions in one of its"
                f" rows, expected {self.dim}"
            )
        numbers = column.flatten()
        if numbers.null_count:
            raise InvalidInputError(
                f"{self.vector_column} has {numbers.null_count} nulls inside its lists"
            )
        return numbers.to_numpy(zero_copy_only=False).reshape(len(column), self.dim)


def _require_dim(path: Path, found: int, dim: int) -> None:
    if found != dim:
        raise DimensionMismatchError(
            f"{path.name} has {found} dimensions, expected {dim}"
        )


@contextmanager
def _missing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MissingFileError(f"{path!r}: {error.strerror}") from error


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except ArrowException as error:
        raise InvalidInputError(f"{path.name}: {error}") from error
    except OSError as error:
        raise MissingFileError(f"{path.name}: {error.strerror or error}") from error
