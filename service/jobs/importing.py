"""Import job: read a file, and publish its rows atomically.

A large file becomes a part of a new sealed version directly; a small one is staged in
the log first. Of both, the rows are as old as the start of the import: a change that is
acknowledged after it stands, also where the process ends before the import does.
"""

from contextlib import ExitStack, suppress
from pathlib import Path

from gleann.index import Progress
from gleann.index.arrays import HeldIds
from gleann.index.checks import as_float32, require_matrix
from gleann.index.data.payload_reader import PayloadReader
from gleann.index.errors import InvalidInputError
from gleann.index.metric import prepare
from gleann.service.devices.devices import Devices
from gleann.service.files.vector_files import changed_error, unchanged
from gleann.service.jobs.import_source import ImportRules, ImportSource, open_source
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.sealed_import import SealedImport, is_sealed_at_once
from gleann.service.jobs.task import Task
from gleann.service.state.log.changes import id_type_of
from gleann.service.state.log.columns import missing_columns
from gleann.service.state.registry import Registry
from gleann.service.views.live_index import View
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2, vector_pb2


class Importing:
    """Runs imports."""

    def __init__(
        self, registry: Registry, rules: ImportRules, *, threads: int, devices: Devices
    ) -> None:
        self._registry = registry
        self._rules = rules
        self._threads = threads
        self._devices = devices

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
        if count:
            view = self._registry.view(request.index)
            return vector_pb2.ImportVectorsResponse(
                count=count, index=self._described(view)
            )
        # An interrupted run may have left staged parts.
        self._registry.drop_staged(task.operation)
        source, view = self._start(request, task.operation)
        task.progress(Progress(phase="read", done=0, total=source.count))
        with ExitStack() as reading:
            reading.enter_context(unchanged(source))
            ids = source.file.ids()
            self._require_id_type(view, ids)
            if is_sealed_at_once(view, source.count):
                return self._seal(view, source, ids, task, reading)
            self._stage(view, source, ids, task)
        self._registry.publish_staged(
            request.index, task.operation, ids, add=source.payload.added
        )
        return self._response(self._registry.view(request.index), source)

    def _start(
        self, request: vector_pb2.ImportVectorsRequest, operation: str
    ) -> tuple[ImportSource, View]:
        """The opened files, and the state of the index in which the import starts.

        It has the columns that the import adds; the index gets them with the rows.

        A run after an interrupted one starts in the state of that one: the changes that
        were acknowledged since are newer than the rows of the file.
        """
        view = self._registry.started_import(request.index, operation)
        if view is not None:
            source = open_source(request, view=view, rules=self._rules)
        else:
            now = self._registry.view(request.index)
            source = open_source(request, view=now, rules=self._rules)
            view = self._registry.start_import(request.index, operation)
        added = missing_columns(view.schema, source.payload.added)
        if added:
            view = view.reshaped(drop=(), add=added, sequence=view.sequence)
        return source, view

    def _require_id_type(self, view: View, ids: HeldIds) -> None:
        """Refuse ids of the other kind before the vectors are read."""
        kind = self._registry.info(view).id_type
        if kind not in (None, id_type_of(ids)):
            raise InvalidInputError(
                f"{view.name!r} has {kind} ids, these are {id_type_of(ids)} ids"
            )

    def _seal(
        self,
        view: View,
        source: ImportSource,
        ids: HeldIds,
        task: Task,
        reading: ExitStack,
    ) -> vector_pb2.ImportVectorsResponse:
        """Write and publish a sealed version with the rows of a file.

        Args:
            view: the index.
            source: the file.
            ids: its ids.
            task: the import.
            reading: is closed when the file was read; raises if it has changed.
        """
        importing = SealedImport(
            view=view,
            file=source.file,
            ids=ids,
            payload=source.payload,
            report=task.progress,
            threads=self._threads,
        )
        responses: list[vector_pb2.ImportVectorsResponse] = []

        def save(path: Path) -> None:
            self._devices.run(lambda device: importing.write(path, device))
            reading.close()

        def published(following: View) -> None:
            responses.append(self._response(following, source))
            task.conclude(responses[-1])

        self._registry.publish_version(view, save, ids=ids, published=published)
        return responses[-1]

    def _stage(
        self, view: View, source: ImportSource, ids: HeldIds, task: Task
    ) -> None:
        """Write the rows of a file to the log, not visible yet."""
        file, done, total = source.file, 0, source.count
        added = source.payload.added
        columns = view.schema.select(source.payload.names)
        payload = PayloadReader(source.payload.blocks(columns, n=total))
        for block in file.blocks():
            if done + len(block) > total:
                raise changed_error(file, f"{done + len(block)} or more")
            require_matrix(block.dtype, block.shape, name="vectors", dim=view.dim)
            rows = as_float32(block, name="vectors", first_row=done)
            vectors = prepare(rows, view.metric, first_row=done)
            view.require_kept(vectors, first_row=done)
            part = ids[done : done + len(vectors)]
            values = payload.next(len(vectors)) if len(columns) else None
            self._registry.stage(
                view.name, task.operation, part, vectors, values, add=added
            )
            done += len(vectors)
            task.progress(Progress(phase="read", done=done, total=total))
        if done != total:
            raise changed_error(file, f"{done}")
        payload.require_end()

    def _response(
        self, view: View, source: ImportSource
    ) -> vector_pb2.ImportVectorsResponse:
        return vector_pb2.ImportVectorsResponse(
            count=source.count,
            index=self._described(view),
            ignored_columns=source.payload.ignored,
        )

    def _described(self, view: View) -> index_pb2.Index:
        return index_messages.index_info_to_wire(self._registry.info(view))
