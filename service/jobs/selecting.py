"""Selection job: choose a subset of vectors and store it."""

import time
from sqlite3 import Row

from gleann.index import Progress
from gleann.index.errors import GleannError, UnknownJobError
from gleann.service.devices.devices import Devices
from gleann.service.jobs.coreset import choose
from gleann.service.jobs.jobs import Task
from gleann.service.jobs.queue import Demand
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Selected
from gleann.service.wire.selected_messages import (
    items_to_wire,
    selected_of,
    selection_to_wire,
)
from gleann.v1 import coreset_pb2, types_pb2

VECTORS_A_SIZE = 64
"""A choice of so many reads all vectors once, in the reckoning of what is short."""


class Selecting:
    """Runs selection jobs and stores their results."""

    def __init__(self, registry: Registry, store: Store, devices: Devices) -> None:
        self._registry = registry
        self._store = store
        self._devices = devices

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a selection job before it runs."""
        request = coreset_pb2.CreateSelectionJobRequest.FromString(packed)
        passes = 1 + request.k // VECTORS_A_SIZE

        def size() -> int:
            try:
                view = self._registry.view(request.index)
            except GleannError:
                return 0  # it fails immediately
            return view.count * view.dim * passes

        return Demand(changes="nothing", size=size)

    def __call__(self, task: Task) -> coreset_pb2.Selection:
        """Choose and store one subset."""
        request = coreset_pb2.CreateSelectionJobRequest.FromString(task.request)
        view = self._registry.view(request.index)
        task.progress(Progress(phase="gather", done=0, total=0))
        selected = self._devices.run(
            lambda device: choose(view, request, task, device=device)
        )
        # Named after its operation, so that a rerun replaces its own result.
        number = task.operation.removeprefix("operations/")
        message = coreset_pb2.Selection(
            name=f"selections/{number}", index=request.index
        )
        message.create_time.FromNanoseconds(time.time_ns())
        selection_to_wire(selected, message)
        items = items_to_wire(selected).SerializeToString()
        with self._store.transaction() as transaction:
            transaction.run(
                "INSERT OR REPLACE INTO selections (name, description, items)"
                " VALUES (?, ?, ?)",
                message.name,
                message.SerializeToString(),
                items,
            )
        return message

    def get(self, name: str) -> coreset_pb2.Selection:
        """The description of a selection.

        Raises:
            UnknownJobError: no selection has this name.
        """
        return coreset_pb2.Selection.FromString(self._row(name)["description"])

    def chosen(self, name: str) -> Selected:
        """All items of a selection.

        Raises:
            UnknownJobError: no selection has this name.
        """
        stored = types_pb2.SelectedItems.FromString(self._row(name)["items"])
        return selected_of(self.get(name), [stored])

    def _row(self, name: str) -> Row:
        row = self._store.row("SELECT * FROM selections WHERE name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no selection {name[:80]!r}")
        self._store.require_whole("selections", name)
        return row
