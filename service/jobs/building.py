"""Build job: seal all acknowledged vectors into a new version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gleann.index import BuildParams, Progress, SoarIndex
from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.build.on_disk import BuildSummary
from gleann.index.checks import require_measurable
from gleann.index.errors import GleannError
from gleann.index.parallel.blocks import block_slices
from gleann.index.parallel.cores import usable_cores
from gleann.index.payload.payload import Payload
from gleann.index.storage.manifest import publish_empty
from gleann.service.devices.devices import Devices
from gleann.service.jobs.queue import SHORT, Demand
from gleann.service.jobs.task import Task
from gleann.service.optimizer_params import CompactionKind
from gleann.service.state.registry import Registry
from gleann.service.views.live_index import View, require_not_empty_since
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2

BLOCK_ROWS = 1 << 16
"""Rows whose payload is in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A version that this process built, and its parameters."""

    number: int
    version: int
    params: BuildParams


class WritesVersions(Protocol):
    """Writes versions in a process apart: `optimizer.writing.VersionWriter`."""

    def write(
        self,
        view: View,
        directory: Path,
        *,
        kind: CompactionKind,
        params: BuildParams,
        threads: int,
        progress: Callable[[Progress], None],
    ) -> None:
        """Write a version of all live rows of `view` to `directory`."""


class Building:
    """Runs builds out of core: a sealed version may be larger than memory.

    Long ones run in a process of low priority, so that searches keep their pace.

    A build of an unchanged index with equal parameters does nothing. The parameters are
    known only for versions that this process built: another gleann version may have
    built the others.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        threads: int,
        devices: Devices,
        writer: WritesVersions,
    ) -> None:
        """Keep what builds need.

        Args:
            registry: the indexes.
            threads: of the kernels; 0 takes all cores.
            devices: where builds run.
            writer: of long builds that run on the CPU.
        """
        self._registry = registry
        self._writer = writer
        self._threads = threads
        self._devices = devices
        self._built: dict[str, _Built] = {}

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a build before it runs."""
        request = index_pb2.BuildIndexRequest.FromString(packed)

        def size() -> int:
            try:
                view = self._registry.view(request.name)
                return 0 if self._is_current(view, request) else view.count * view.dim
            except GleannError:
                return 0  # it fails immediately

        return Demand(same=_params_asked(request), changes="version", size=size)

    def current(self, request: index_pb2.BuildIndexRequest) -> index_pb2.Index | None:
        """The index, if it already is the result of this request; else None.

        Raises:
            UnknownIndexError: no index has this name.
        """
        view = self._registry.view(request.name)
        return self._told(view) if self._is_current(view, request) else None

    def is_apart(self, view: View) -> bool:
        """Whether a build of an index runs in a process of its own."""
        return self._devices.on_cpu and view.count * view.dim > SHORT

    def __call__(self, task: Task) -> index_pb2.Index:
        """Build one index from its current vectors, and serve it."""
        request = index_pb2.BuildIndexRequest.FromString(task.request)
        view = self._registry.view(request.name)
        require_not_empty_since(view)
        if self._is_current(view, request):
            return self._told(view)
        rows = view.live_rows()
        ids = view.ids_at(rows)
        asked = index_messages.build_params_of(request.params, metric=view.metric)
        params = self._registry.fitted(view, asked)

        def save(directory: Path) -> BuildSummary | None:
            if not len(rows):  # all were removed
                publish_empty(directory)
                return None
            if self.is_apart(view):
                self._writer.write(
                    view,
                    directory,
                    kind="rebuild",
                    params=params,
                    threads=self._threads or usable_cores(),
                    progress=task.progress,
                )
                return None
            return self._devices.run(
                lambda device: SoarIndex.build_on_disk(
                    LiveRows(view, rows, ids),
                    directory,
                    params,
                    ids=ids,
                    payload=live_payload(view, rows),
                    schema=view.schema,
                    progress=task.progress,
                    threads=self._threads,
                    device=device,
                )
            )

        self._registry.publish_version(view, save)
        self._note(view, asked)
        return self._told(self._registry.view(request.name))

    def names(self) -> set[str]:
        """The indexes of which it is known how they were built."""
        return set(self._built)

    def _note(self, view: View, params: BuildParams) -> None:
        """Record the parameters asked of a build of `view`; drop deleted indexes."""
        for deleted in set(self._built).difference(self._registry.names()):
            self._built.pop(deleted, None)
        self._built[view.name] = _Built(
            number=view.number, version=view.version + 1, params=params
        )

    def _is_current(self, view: View, request: index_pb2.BuildIndexRequest) -> bool:
        built = self._built.get(view.name)
        if built is None or view.has_changes:
            return False
        if (built.number, built.version) != (view.number, view.version):
            return False
        return built.params == index_messages.build_params_of(
            request.params, metric=view.metric
        )

    def _told(self, view: View) -> index_pb2.Index:
        return index_messages.index_info_to_wire(self._registry.info(view))


class LiveRows:
    """The live rows of a view, read block by block."""

    def __init__(self, view: View, rows: Rows, ids: HeldIds) -> None:
        self._view = view
        self._rows = rows
        self._ids = ids
        self.dtype = np.dtype(np.float32)
        self.shape = len(rows), view.dim

    def __getitem__(self, rows: slice, /) -> Vectors:
        vectors = self._view.vectors_at(self._rows[rows])
        # A log of an earlier gleann may contain such a row: the error names its id, so
        # that it can be replaced or deleted.
        if self._view.metric != "cosine":
            require_measurable(vectors, ids=self._ids[rows])
        return vectors


def live_payload(view: View, rows: Rows) -> Iterator[Payload]:
    """The payload of rows of a view, block by block."""
    for block in block_slices(len(rows), BLOCK_ROWS):
        yield view.payload_at(rows[block])


def _params_asked(request: index_pb2.BuildIndexRequest) -> BuildParams | None:
    """Build parameters without regard to the metric; None if invalid."""
    try:
        return index_messages.build_params_of(request.params, metric="l2")
    except GleannError:
        return None
