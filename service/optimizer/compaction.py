"""Compaction job: write newer vectors and removals into a new version, and serve it."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, Progress
from gleann.index.errors import (
    CancelledError,
    GleannError,
    InvalidParamsError,
    UnknownIndexError,
)
from gleann.index.parallel.cores import usable_cores
from gleann.index.storage.manifest import publish_empty
from gleann.service.jobs.building import LiveRows, live_payload
from gleann.service.jobs.first_version import is_first_version
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import EarlyEndError, Task
from gleann.service.optimizer.history import History
from gleann.service.optimizer.process import perform_apart
from gleann.service.optimizer.worker import Inputs, Spec
from gleann.service.state.database import disk_errors
from gleann.service.state.disk_room import require_room
from gleann.service.state.permissions import PRIVATE
from gleann.service.state.registry import Registry
from gleann.service.values import CompactionKind
from gleann.service.views.live_index import View
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2

CORES_A_THREAD = 4
"""Cores for each thread of a compaction: searches have the others."""

BYTES_A_NUMBER = 5
"""On disk: float32, and its code."""

BYTES_A_ROW = 64
"""About what its ids and entries of lists take."""

KindWanted = Callable[[View], CompactionKind]


class Compaction:
    """Runs compactions, each in a process apart.

    Args:
        registry: the indexes.
        history: where the end of each compaction is recorded.
        kind_wanted: how to compact an index where the request does not say.
        threads: most worker threads; 0 takes a quarter of the cores.
    """

    def __init__(
        self,
        registry: Registry,
        history: History,
        *,
        kind_wanted: KindWanted,
        threads: int,
    ) -> None:
        self._registry = registry
        self._history = history
        self._kind_wanted = kind_wanted
        few = max(1, usable_cores() // CORES_A_THREAD)
        self.threads = min(few, threads) if threads else few

    def demand(self, packed: bytes) -> Demand:
        """Background work; a request joins others of its kind in the queue."""
        request = index_pb2.OptimizeIndexRequest.FromString(packed)
        return Demand(same=request.kind, changes="version", background=True)

    def kind_of(
        self, request: index_pb2.OptimizeIndexRequest, view: View
    ) -> CompactionKind:
        """How a request is carried out in the state `view`.

        An index whose lists cannot take the rows is built anew whatever is asked.

        Raises:
            InvalidParamsError: a kind that this version does not know.
        """
        if request.kind not in index_pb2.CompactionKind.values():
            raise InvalidParamsError(f"kind is {request.kind}, which is none")
        if request.kind == index_pb2.COMPACTION_KIND_REBUILD:
            return "rebuild"
        sealed = view.sealed
        if sealed is None or view.count < sealed.index.nlist:
            return "rebuild"
        if request.kind == index_pb2.COMPACTION_KIND_FOLD:
            return "fold"
        return self._kind_wanted(view)

    def __call__(self, task: Task) -> index_pb2.Index:
        """Compact one index in its current state, and serve the result."""
        request = index_pb2.OptimizeIndexRequest.FromString(task.request)
        view = self._registry.view(request.name)
        kind = self.kind_of(request, view)
        if view.has_changes or (kind == "rebuild" and view.count):
            self._compact(view, kind, task)
        info = self._registry.info(self._registry.view(request.name))
        message = index_messages.index_info_to_wire(info)
        if message.optimizer.operation == task.operation:
            message.optimizer.ClearField("operation")  # it is done with this answer
        return message

    def _compact(self, view: View, kind: CompactionKind, task: Task) -> None:
        """Publish a new version, and record how that ended."""
        try:
            self._registry.publish_version(
                view, lambda directory: self._write(view, kind, directory, task)
            )
        except EarlyEndError:
            raise
        except CancelledError:
            self._history.note(view, kind, error="it was cancelled")
            raise
        except GleannError as error:
            self._history.note(view, kind, error=str(error))
            raise
        except Exception:
            self._history.note(view, kind, error="internal error")
            raise
        self._history.note(view, kind, error=None)

    def _write(
        self, view: View, kind: CompactionKind, directory: Path, task: Task
    ) -> None:
        """Write the version to `directory`, from inputs in a folder beside it."""
        if not view.count:
            publish_empty(directory)
            return
        # Named as the directory is: both are removed by a start after a crash.
        folder = directory.with_name(f"{directory.name}-inputs")

        def progress(news: Progress) -> None:
            if self._registry.view(view.name).number != view.number:
                raise UnknownIndexError(f"{view.name!r} was deleted meanwhile")
            task.progress(news)

        try:
            with disk_errors(folder):
                _require_room(view, directory.parent)
                folder.mkdir(mode=PRIVATE)
                inputs = Inputs(folder)
                self._fill(inputs, view, kind, directory)
            perform_apart(inputs, progress, threads=self.threads)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fill(
        self, inputs: Inputs, view: View, kind: CompactionKind, directory: Path
    ) -> None:
        if view.alive is not None:
            inputs.write_keep(view.alive.mask)
        newer = np.flatnonzero(view.delta.alive) + view.sealed_rows
        if len(newer):
            ids = view.ids_at(newer)
            inputs.write_newer(LiveRows(view, newer, ids), ids)
        held = None if view.sealed is None else view.sealed.index.payload
        all_rows = view.payload.has_changes or held is None
        rows = view.live_rows() if all_rows else newer
        inputs.write_payload(live_payload(view, rows), view.schema)
        old = None if view.sealed is None else view.sealed.index
        spec = Spec(
            kind=kind,
            old=None if old is None else str(self._registry.version_path(view)),
            into=str(directory),
            params=asdict(rebuild_params(view)),
            threads=self.threads,
            schema=view.schema.to_json(),
            payload="all" if all_rows else "newer",
        )
        inputs.write_spec(spec)


def _require_room(view: View, directory: Path) -> None:
    """Refuse a compaction that could fill the disk, which changes need too.

    Raises:
        StorageError: with both numbers.
    """
    whole = view.count * (BYTES_A_NUMBER * view.dim + BYTES_A_ROW)
    needed = whole + view.delta.count * (4 * view.dim + BYTES_A_ROW)
    require_room(directory, needed=needed, what=f"a compaction of {view.name!r}")


def rebuild_params(view: View) -> BuildParams:
    """How to build an index anew: as before, with what was left to measurement so."""
    if view.sealed is None or is_first_version(view.sealed.index.params):
        return index_messages.build_params_of(
            index_pb2.BuildParams(), metric=view.metric
        )
    index = view.sealed.index
    params = index.params
    if index.spill_report is not None:
        params = replace(params, spill="auto")
    if params.nlist != "auto" and params.nlist > view.count:
        params = replace(params, nlist="auto")
    return params
