"""The files of an import request: vectors, ids and payload, opened and checked."""

from dataclasses import dataclass
from pathlib import Path

from gleann.index.data.files import THIS_MACHINE, Place
from gleann.index.data.payload_files import PayloadFile
from gleann.index.errors import InvalidInputError, LimitError
from gleann.service.files.import_payload import (
    ImportPayload,
    chosen_payload,
    peeked_payload,
)
from gleann.service.files.roots import (
    allowed_path,
    allowed_url,
    fence_around,
    fence_of,
    is_url,
)
from gleann.service.files.stored_vectors import StoredVectors
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
        urls: prefixes of URLs from which they may be.
        most_rows: maximum number of vectors in a file.
        directory: the data directory; its disk must have enough space.
    """

    roots: tuple[Path, ...]
    urls: tuple[str, ...] = ()
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
        return (*self.file.paths, *(() if extra is None else extra.paths))


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
    if (wanted := _wanted(request, file, roots=rules.roots)) is not None:
        payload = chosen_payload(
            wanted.stored or PayloadFile.open(wanted.path, place=wanted.place),
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
    if (wanted := _wanted(request, file, roots=rules.roots)) is not None:
        payload = peeked_payload(
            wanted.stored or PayloadFile.peek(wanted.path, place=wanted.place),
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
    file = _look_at(request, dim=view.dim, rules=rules)
    if file.count == 0:
        raise InvalidInputError(f"{file.path.name} holds 0 vectors")
    if file.count > rules.most_rows:
        raise LimitError(
            f"{file.path.name} holds {file.count} vectors, at most"
            f" {rules.most_rows} are imported at once (import_rows)"
        )
    return file


def _look_at(
    request: vector_pb2.ImportVectorsRequest, *, dim: int, rules: ImportRules
) -> VectorFile:
    kind, roots = request.WhichOneof("source"), rules.roots
    if is_url(request.npy.path) or is_url(request.parquet.path):
        return _stored(request, dim=dim, urls=rules.urls)
    if kind == "npy":
        path, ids_path = allowed_path(request.npy.path, roots), None
        if request.npy.ids_path:
            ids_path = allowed_path(request.npy.ids_path, roots)
        return NpyVectors.open(
            path,
            ids_path=ids_path,
            dim=dim,
            place=_fenced(path, roots),
            ids_place=_fenced(ids_path or path, roots),
        )
    if kind == "parquet":
        path = allowed_path(request.parquet.path, roots)
        return ParquetVectors.open(
            path,
            vector_column=request.parquet.vector_column or DEFAULT_VECTOR_COLUMN,
            id_column=request.parquet.id_column or None,
            dim=dim,
            place=_fenced(path, roots),
        )
    raise InvalidInputError("source is required: npy or parquet")


def _fenced(path: Path, roots: tuple[Path, ...]) -> Place:
    """The files of the root that `path` is under, opened without following links."""
    # Not at the start of a server: it loads Arrow.
    from gleann.index.data.fenced_folder import FencedFolder

    return FencedFolder(fence_around(path, roots))


def _stored(
    request: vector_pb2.ImportVectorsRequest, *, dim: int, urls: tuple[str, ...]
) -> StoredVectors:
    """The vectors that an URL names."""
    if request.WhichOneof("source") == "parquet":
        url = allowed_url(request.parquet.path, urls)
        return StoredVectors.open(
            url,
            vector_column=request.parquet.vector_column or DEFAULT_VECTOR_COLUMN,
            id_column=request.parquet.id_column or None,
            dim=dim,
            fence=fence_of(url, urls),
        )
    if request.npy.ids_path or request.npy.payload_path:
        raise InvalidInputError(
            f"{request.npy.path} is an URL of vectors alone: ids and payload beside it"
            " come from a parquet file"
        )
    url = allowed_url(request.npy.path, urls)
    fence = fence_of(url, urls)
    return StoredVectors.open(
        url, vector_column=None, id_column=None, dim=dim, fence=fence
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A file of payload.

    Attributes:
        path: the file.
        leave_out: columns that are no payload.
        stored: the file, where it is opened already.
        place: that has the file by its path.
    """

    path: Path
    place: Place = THIS_MACHINE
    leave_out: tuple[str, ...] = ()
    stored: PayloadFile | None = None


def _wanted(
    request: vector_pb2.ImportVectorsRequest,
    file: VectorFile,
    *,
    roots: tuple[Path, ...],
) -> _Wanted | None:
    """The file of payload of a request; None without one."""
    if request.WhichOneof("source") == "parquet":
        vectors = request.parquet.vector_column or DEFAULT_VECTOR_COLUMN
        leave_out = vectors, request.parquet.id_column
        if isinstance(file, StoredVectors):
            table = file.dataset.table
            return _Wanted(path=file.path, leave_out=leave_out, stored=table)
        file_path = allowed_path(request.parquet.path, roots)
        place = _fenced(file_path, roots)
        return _Wanted(path=file_path, leave_out=leave_out, place=place)
    if request.npy.payload_path:
        file_path = allowed_path(request.npy.payload_path, roots)
        return _Wanted(path=file_path, place=_fenced(file_path, roots))
    if request.columns or request.add_columns:
        raise InvalidInputError("columns of payload need a payload_path beside npy")
    return None
