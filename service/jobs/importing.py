"""Import job: read a file, stage its rows on disk, publish them atomically."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gleann.index import Progress
from gleann.index.checks import as_float32, require_matrix
from gleann.index.errors import (
    InvalidInputError,
    LimitError,
    StorageError,
)
from gleann.index.metric import prepare
from gleann.service.files.roots import allowed_path
from gleann.service.files.vector_files import (
    NpyVectors,
    ParquetVectors,
    VectorFile,
    changed_error,
    unchanged,
)
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import Task
from gleann.service.state.registry import Registry
from gleann.service.wire import index_messages
from gleann.v1 import vector_pb2

DEFAULT_VECTOR_COLUMN = "vector"
BYTES_AN_ID = 16
"""About what an id and its row take on disk besides the vector."""


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


def open_source(
    request: vector_pb2.ImportVectorsRequest, *, dim: int, rules: ImportRules
) -> VectorFile:
    """Open and check the file of a request.

    Raises:
        ForbiddenPathError: it is outside the roots.
        MissingFileError: it does not exist or cannot be read.
        InvalidInputError: its contents are invalid.
        LimitError: too many vectors for one import.
        StorageError: not enough disk space.
    """
    source = _look_at(request, dim=dim, roots=rules.roots)
    if source.count == 0:
        raise InvalidInputError(f"{source.path.name} holds 0 vectors")
    if source.count > rules.most_rows:
        raise LimitError(
            f"{source.path.name} holds {source.count} vectors, at most"
            f" {rules.most_rows} are imported at once (import_rows)"
        )
    needed = source.count * (4 * dim + BYTES_AN_ID)
    free = shutil.disk_usage(rules.directory).free
    if needed > free:
        raise StorageError(
            f"{source.path.name} holds {source.count} vectors, which take about"
            f" {needed} bytes in {rules.directory}, where {free} are free"
        )
    return source


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


class Importing:
    """Runs imports."""

    def __init__(self, registry: Registry, rules: ImportRules) -> None:
        self._registry = registry
        self._rules = rules

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of an import before it runs, from the file's size."""
        request = vector_pb2.ImportVectorsRequest.FromString(packed)
        source = (
            request.npy if request.WhichOneof("source") == "npy" else request.parquet
        )
        size = None
        with suppress(OSError, ValueError):
            size = Path(source.path).stat().st_size // 4
        return Demand(changes="rows", size=lambda: size)

    def __call__(self, task: Task) -> vector_pb2.ImportVectorsResponse:
        """Import one file, all or nothing."""
        request = vector_pb2.ImportVectorsRequest.FromString(task.request)
        # An interrupted run may have published its rows without recording its end.
        count = self._registry.count_published(task.operation)
        if count == 0:
            count = self._stage(request, task)
        info = self._registry.info(self._registry.view(request.index))
        return vector_pb2.ImportVectorsResponse(
            count=count, index=index_messages.index_info_to_wire(info)
        )

    def _stage(self, request: vector_pb2.ImportVectorsRequest, task: Task) -> int:
        # An interrupted run may have left staged parts.
        self._registry.drop_staged(task.operation)
        view = self._registry.view(request.index)
        source = open_source(request, dim=view.dim, rules=self._rules)
        total, done = source.count, 0
        task.progress(Progress(phase="read", done=0, total=total))
        with unchanged(source):
            ids = source.ids()
            for block in source.blocks():
                if done + len(block) > total:
                    raise changed_error(source, f"{done + len(block)} or more")
                require_matrix(block.dtype, block.shape, name="vectors", dim=view.dim)
                rows = as_float32(block, name="vectors", first_row=done)
                vectors = prepare(rows, view.metric, first_row=done)
                part = ids[done : done + len(vectors)]
                self._registry.stage(request.index, task.operation, part, vectors)
                done += len(vectors)
                task.progress(Progress(phase="read", done=done, total=total))
            if done != total:
                raise changed_error(source, f"{done}")
        self._registry.publish_staged(request.index, task.operation, ids)
        return total
