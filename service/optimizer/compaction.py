"""Compaction job: write newer vectors and removals into a new version, and serve it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gleann.index import BuildParams
from gleann.index.errors import (
    CancelledError,
    GleannError,
    InvalidParamsError,
)
from gleann.index.parallel.cores import usable_cores
from gleann.index.storage.manifest import publish_empty
from gleann.service.jobs.first_version import is_first_version
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import EarlyEndError, Task
from gleann.service.optimizer.history import History
from gleann.service.optimizer.writing import VersionWriter
from gleann.service.optimizer_params import CompactionKind
from gleann.service.state.registry import Registry
from gleann.service.views.live_index import View
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2

CORES_A_THREAD = 4
"""Cores for each thread of a compaction: searches have the others."""

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
        self._writer = VersionWriter(registry)
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
        """Write the version to `directory`."""
        if not view.count:
            publish_empty(directory)
            return
        self._writer.write(
            view,
            directory,
            kind=kind,
            params=rebuild_params(view),
            threads=self.threads,
            progress=task.progress,
        )


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
