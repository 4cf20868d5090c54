"""Readers of vectors in .npy and parquet files, restricted to the import roots."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
)
from gleann.index.ids.checks import MAX_ID_BYTES, hold_ids
from gleann.index.ids.held import joined_ids, shown_id
from gleann.index.parallel.blocks import block_slices
from gleann.index.storage.regular_file import open_regular
from gleann.index.texts import Texts
from gleann.index.data.npy_file import NpyFile
from gleann.service.files.roots import missing_as_error
from gleann.index.data.vector_columns import (
    matrix_of,
    reading,
    require_columns,
    require_vectors,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ID_ROWS = 16_384
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
        found = path.stat()
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

    @classmethod
    def open(cls, path: Path, *, ids_path: Path | None, dim: int) -> "NpyVectors":
        """Open the file and check its header.

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
        file = NpyFile(self.ids_path)
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
        """Open the file and check its schema and declared size.

        Raises:
            InvalidInputError: not parquet, or a column is missing or of another type.
            DimensionMismatchError: more numbers than rows times `dim`.
            MissingFileError: it cannot be read.
        """
        from pyarrow.parquet import ParquetFile

        with (
            reading(path.name),
            open_regular(path) as opened,
            ParquetFile(opened) as file,
        ):
            schema, metadata = file.schema_arrow, file.metadata
            count = metadata.num_rows
            wanted = [vector_column] + ([id_column] if id_column else [])
            require_columns(path.name, wanted, schema.names)
            kind = schema.field(vector_column).type
            require_vectors(path.name, vector_column, kind)
            _require_size(path, metadata, vector_column, dim)
            if id_column:
                _require_ids(path, schema.field(id_column))
        return cls(
            path=path,
            vector_column=vector_column,
            id_column=id_column,
            dim=dim,
            count=count,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files it consists of."""
        return (self.path,)

    def ids(self) -> HeldIds:
        """All ids, by default the row numbers."""
        if self.id_column is None:
            return np.arange(self.count)
        from pyarrow.parquet import ParquetFile

        # Dictionary-encoded: a short file may repeat a long text a million times.
        with (
            reading(self.path.name),
            ParquetFile(self.path, read_dictionary=[self.id_column]) as file,
        ):
            parts: list[HeldIds] = []
            found = 0
            for batch in file.iter_batches(ID_ROWS, columns=[self.id_column]):
                parts.append(self._id_part(batch.column(0), self.id_column, found))
                found += len(batch)
                if found > self.count:
                    raise changed_error(self, f"{found} or more")
        if found < self.count:
            raise changed_error(self, f"{found}")
        return hold_ids(joined_ids(parts), n=self.count, name=self.id_column)

    def _id_part(self, column: "pa.Array", name: str, first: int) -> HeldIds:
        """Ids of a part of the rows, from row `first` on."""
        import pyarrow as pa

        if column.null_count:
            raise InvalidInputError(
                f"{self.path.name}: {name} has {column.null_count} nulls"
                f" in the {len(column)} rows from {first} on"
            )
        if pa.types.is_dictionary(column.type):
            _require_words(self.path, column, name, first)
            column = column.dictionary_decode()
        if pa.types.is_integer(column.type):
            numbers: HeldIds = column.to_numpy(zero_copy_only=False)
            return numbers
        texts = column.cast(pa.large_string())
        texts.validate(full=True)
        return Texts.of_arrow(texts)

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """The vectors in order, block by block."""
        from pyarrow.parquet import ParquetFile

        rows = max(1, BLOCK_BYTES // (8 * self.dim))
        with reading(self.path.name), ParquetFile(self.path) as file:
            batches = file.iter_batches(rows, columns=[self.vector_column])
            first = 0
            for batch in batches:
                yield matrix_of(
                    batch.column(0),
                    shown=self.path.name,
                    name=self.vector_column,
                    first=first,
                    dim=self.dim,
                )
                first += len(batch)


def _require_ids(path: Path, field: "pa.Field") -> None:
    import pyarrow as pa

    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    ):
        raise InvalidInputError(
            f"{path.name}: {field.name} must hold integers or texts, got {field.type}"
        )


def _require_words(
    path: Path, column: "pa.DictionaryArray", name: str, first: int
) -> None:
    """Refuse long and duplicate ids before they are decoded to full size."""
    import pyarrow as pa
    from pyarrow import compute

    words = column.dictionary
    if not pa.types.is_integer(words.type):
        longest = compute.max(compute.binary_length(words)).as_py() or 0
        if longest > MAX_ID_BYTES:
            raise InvalidInputError(
                f"{path.name}: {name} has an id of {longest} bytes, at most"
                f" {MAX_ID_BYTES} are kept"
            )
    numbers = column.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(numbers, kind="stable")
    same = np.flatnonzero(numbers[order[1:]] == numbers[order[:-1]])
    if same.size:
        row, again = order[same[0]], order[same[0] + 1]
        twice = words.take(column.indices.slice(int(row), 1))[0].as_py()
        raise DuplicateIdError(
            f"{path.name}: {name} has {shown_id(twice)} in the rows"
            f" {first + row} and {first + again}"
        )


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
