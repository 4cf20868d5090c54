"""`Monitor`: the status of a server."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from threading import Lock
from time import monotonic

import gleann
from gleann.index.errors import GleannError
from gleann.index.parallel.cores import cores
from gleann.service.calls.caller import Right
from gleann.service.calls.context import current_call
from gleann.service.monitoring.memory import memory_of, part_of_file
from gleann.service.monitoring.process import mapped_bytes, resident_bytes
from gleann.service.server_status import (
    IndexStatus,
    MethodStatus,
    QueueStatus,
    ServerStatus,
)
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.telemetry.distribution import recent_of
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.views.live_index import View

Queues = Callable[[], Iterable[QueueStatus]]

KEPT_SECONDS = 5.0
"""Age of figures of memory and files that are given again: they take milliseconds."""

EVERYTHING = frozenset(
    name for name in ServerStatus.__dataclass_fields__ if name != "version"
)


class Monitor:
    """Says what an application does now.

    Attributes:
        queues: asked for the queues of calls; a server sets it.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        telemetry: Telemetry,
        *,
        directory: Path,
        threads: int,
    ) -> None:
        self._registry = registry
        self._store = store
        self._telemetry = telemetry
        self._directory = directory
        self._threads = threads
        self._guard = Lock()
        self._sizes: dict[int, tuple[float, View, Counter[str]]] = {}
        self._mapped: tuple[float, Counter[Path]] = (-KEPT_SECONDS, Counter())
        self.queues: Queues = tuple
        self.stopping = False

    def status(self, wanted: Collection[str] = EVERYTHING) -> ServerStatus:
        """The status; of the fields that are not wanted, the defaults.

        Indexes are those that the caller may read.
        """
        makers: dict[str, Callable[[], dict[str, object]]] = {
            "state": self._state,
            "reason": self._state,
            "uptime_seconds": lambda: {
                "uptime_seconds": self._telemetry.uptime_seconds
            },
            "compute_threads": lambda: {"compute_threads": self._threads or cores()},
            "memory_bytes": _memory,
            "mapped_bytes": _memory,
            "disk_free_bytes": lambda: {"disk_free_bytes": self._store.disk.free()},
            "queues": lambda: {"queues": tuple(self.queues())},
            "methods": lambda: {"methods": self._methods()},
            "indexes": lambda: {"indexes": self._indexes()},
            "operations": lambda: {"operations": self._operations()},
            "sessions": lambda: {"sessions": self._count("sessions")},
        }
        found: dict[str, object] = {}
        for name in wanted:
            if name in makers and name not in found:
                found |= makers[name]()
        kept = {name: value for name, value in found.items() if name in wanted}
        return ServerStatus(version=gleann.__version__, **kept)  # type: ignore[arg-type]
