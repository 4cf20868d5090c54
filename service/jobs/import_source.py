"""The files of an import request: vectors, ids and payload, opened and checked."""

from dataclasses import dataclass
from pathlib import Path

from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import InvalidInputError, LimitError
from gleann.service.files.import_payload import (
    ImportPayload,
    chosen_payload,
    peeked_payload,
)
from gleann.service.files.roots import allowed_path
from gleann.service.files.vector_files import NpyVectors, ParquetVectors, VectorFile
from gleann.service.jobs.sealed_import import require_space
from gleann.service.views.live_index import View
from gleann.v1 import vector_pb2

DEFAULT_VECTOR_COLUMN = "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """Rules for imports.

    Attributes:
        roots: directories from which files may be imported.
        most_rows: maximum number of vectors in a file.
        directory: the data directory; its disk must have enough space.
    """

    roots: tuple[Path, ...]
    most_rows: int
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSource:
    """What is imported.

    Attributes:
        file: the vectors and their ids.
        payload: the columns of payload.
    """

    file: VectorFile
    payload: ImportPayload

    @property
    def count(self) -> int:
        """Number of vectors."""
        return self.file.count

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that are read."""
        extra = self.payload.file
        return (*self.file.paths, *(() if extra is None else (extra.path,)))


def open_source(
    request: vector_pb2.ImportVectorsRequest, *, view: View, rules: ImportRules
) -> ImportSource:
    """Open and check the files of a request; text is read for the types of columns.

    Raises:
        ForbiddenPathError: one is outside the roots.
        MissingFileError: one does not exist or cannot be read.
        InvalidInputError: its contents are invalid, or do not fit the index.
        LimitError: too many vectors for one import.
        StorageError: not enough disk space.
    """
    file = _vectors(request, view=view, rules=rules)
    payload = ImportPayload()
    if (wanted := _wanted(request, roots=rules.roots)) is not None:
        payload = chosen_payload(
            PayloadFile.open(wanted.path),
            view.schema,
            index=view.name,
            wanted=request.columns,
            add=request.add_columns,
            leave_out=wanted.leave_out,
        )
    require_space(view, file, rules.directory, extra=payload.size_bytes)
    return ImportSource(file=file, payload=payload)


def check_source(
    request: vector_pb2.ImportVectorsRequest, *, view: View, rules: ImportRules
) -> None:
    """Refuse what headers, sizes and the first rows of the files show.

    It is quick for a file of any size; `open_source` checks the rest.

    Raises:
        As `open_source`.
    """
    file = _vectors(request, view=view, rules=rules)
    payload = ImportPayload()
    if (wanted := _wanted(request, roots=rules.roots)) is not None:
        payload = peeked_payload(
            PayloadFile.peek(wanted.path),
            view.schema,
            index=view.name,
            wanted=request.columns,
            add=request.add_columns,
            leave_out=wanted.leave_out,
        )
    require_space(view, file, rules.directory, extra=payload.size_bytes)


def _vectors(
    request: vector_pb2.ImportVectorsRequest, *, view: View, rules: ImportRules
) -> VectorFile:
    file = _look_at(request, dim=view.dim, roots=rules.roots)
    if file.count == 0:
        raise InvalidInputError(f"{file.path.name} holds 0 vectors")
    if file.count > rules.most_rows:
        raise LimitError(
            f"{file.path.name} holds {file.count} vectors, at most"
            f" {rules.most_rows} are imported at once (import_rows)"
        )
    return file


def _look_at(
    request: vector_pb2.ImportVectorsRequest, *, dim: int, roots: tuple[Path, ...]
) -> VectorFile:
    kind = request.WhichOneof("source")
    if kind == "npy":
        ids_path = request.npy.ids_path
        return NpyVectors.open(
            allowed_path(request.npy.path, roots),
            ids_path=allowed_path(ids_path, roots) if ids_path else None,
            dim=dim,
        )
    if kind == "parquet":
        return ParquetVectors.open(
            allowed_path(request.parquet.path, roots),
            vector_column=request.parquet.vector_column or DEFAULT_VECTOR_COLUMN,
            id_column=request.parquet.id_column or None,
            dim=dim,
        )
    raise InvalidInputError("source is required: npy or parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A file of payload.

    Attributes:
        path: the file.
        leave_out: columns that are no payload.
    """

    path: Path
    leave_out: tuple[str, ...] = ()


def _wanted(
    request: vector_pb2.ImportVectorsRequest, *, roots: tuple[Path, ...]
) -> _Wanted | None:
    """The file of payload of a request; None without one."""
    if request.WhichOneof("source") == "parquet":
        vectors = request.parquet.vector_column or DEFAULT_VECTOR_COLUMN
        return _Wanted(
            path=allowed_path(request.parquet.path, roots),
            leave_out=(vectors, request.parquet.id_column),
        )
    if path := request.npy.payload_path:
        return _Wanted(path=allowed_path(path, roots))
    if request.columns or request.add_columns:
        raise InvalidInputError("columns of payload need a payload_path beside npy")
    return None
