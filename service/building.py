"""Work of a build: everything acknowledged, sealed into a new version."""

from pathlib import Path

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import Ids, Rows, Vectors
from gleann.index.checks import require_measurable
from gleann.index.on_disk import BuildSummary
from gleann.service import convert
from gleann.service.devices import Devices
from gleann.service.jobs import Task
from gleann.service.live_index import View
from gleann.service.registry import Registry, require_vectors
from gleann.v1 import index_pb2


class Building:
    """Carries out builds, out of core: a sealed version may be larger than memory."""

    def __init__(self, registry: Registry, *, threads: int, devices: Devices) -> None:
        self._registry = registry
        self._threads = threads
        self._devices = devices

    def __call__(self, task: Task) -> index_pb2.Index:
        """Build one index from what it holds now, and serve it."""
        request = index_pb2.BuildIndexRequest.FromString(task.request)
        view = self._registry.view(request.name)
        require_vectors(view)
        rows = view.live_rows()
        ids = view.ids_at(rows)
        params = convert.build_params_of(request.params, metric=view.metric)

        def save(directory: Path) -> BuildSummary:
            return self._devices.run(
                lambda device: SoarIndex.build_on_disk(
                    LiveRows(view, rows, ids),
                    directory,
                    params,
                    ids=ids,
                    progress=task.progress,
                    threads=self._threads,
                    device=device,
                )
            )

        self._registry.publish_version(view, save)
        info = self._registry.info(self._registry.view(request.name))
        return convert.index_info_to_wire(info)


class LiveRows:
    """The rows of a view that can be found, read block by block."""

    def __init__(self, view: View, rows: Rows, ids: Ids) -> None:
        self._view = view
        self._rows = rows
        self._ids = ids
        self.dtype = np.dtype(np.float32)
        self.shape = len(rows), view.dim

    def __getitem__(self, rows: slice, /) -> Vectors:
        vectors = self._view.vectors_at(self._rows[rows])
        # A log of an earlier gleann may hold such a row: said by its id, it can be
        # replaced or deleted.
        if self._view.metric != "cosine":
            require_measurable(vectors, ids=self._ids[rows])
        return vectors
