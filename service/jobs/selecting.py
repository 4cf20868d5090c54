"""Selection job: choose a subset of vectors and store it."""

import logging
from sqlite3 import Row

from google.protobuf.message import DecodeError

from gleann.index import Progress
from gleann.index.errors import CorruptDataError, GleannError, UnknownJobError
from gleann.service import steady_clock
from gleann.service.calls.visible import may_read
from gleann.service.devices.devices import Devices
from gleann.service.jobs.coreset import choose
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.task import Task
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Selected
from gleann.service.wire.selected_messages import (
    items_to_wire,
    selected_of,
    selection_to_wire,
)
from gleann.v1 import coreset_pb2, types_pb2

LISTED_AT_ONCE = 100
_NEXT = "SELECT rowid, name FROM selections WHERE rowid > ? ORDER BY rowid LIMIT ?"
_log = logging.getLogger(__name__)

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
        message.create_time.FromNanoseconds(int(steady_clock.now() * 1e9))
        selection_to_wire(selected, message)
        items = items_to_wire(selected).SerializeToString()
        self._store.disk.require_room()
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

    def listed(
        self, index: str, *, after: int, most: int
    ) -> tuple[list[coreset_pb2.Selection], int | None]:
        """Descriptions of stored selections that the caller may read, oldest first.

        A damaged one is left out and logged; `get` tells what is wrong with it.

        Args:
            index: only selections from this index; all if empty.
            after: position from which to go on; 0 starts.
            most: selections to return.

        Returns:
            At most `most` selections, and the position after them if there are more.
        """
        found: list[coreset_pb2.Selection] = []
        while rows := self._store.rows(_NEXT, after, LISTED_AT_ONCE):
            for row in rows:
                described = self._described(row["name"])
                if described is not None and self._is_listed(described, index):
                    if len(found) == most:
                        return found, after
                    found.append(described)
                after = row["rowid"]
        return found, None

    def delete(self, name: str) -> None:
        """Remove a stored selection, also a damaged one.

        Raises:
            UnknownJobError: no selection has this name.
        """
        with self._store.transaction() as transaction:
            sql = "DELETE FROM selections WHERE name = ?"
            if not transaction.run(sql, name).rowcount:
                raise UnknownJobError(f"there is no selection {name[:80]!r}")

    @staticmethod
    def _is_listed(described: coreset_pb2.Selection, index: str) -> bool:
        return index in ("", described.index) and may_read(described.index)

    def _described(self, name: str) -> coreset_pb2.Selection | None:
        """The description of a selection; None if it is damaged or gone meanwhile."""
        try:
            return self.get(name)
        except UnknownJobError:
            return None
        except (CorruptDataError, DecodeError) as error:
            _log.error("a selection is left out of a list: %s", error)
            return None

    def _row(self, name: str) -> Row:
        row = self._store.row("SELECT * FROM selections WHERE name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no selection {name[:80]!r}")
        self._store.require_whole("selections", name)
        return row
