"""`Monitor`: the status of a server."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from stat import S_ISREG
from threading import Lock
from time import monotonic

import gleann
from gleann.index.errors import GleannError
from gleann.index.parallel.cores import usable_cores
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
from gleann.service.telemetry.distribution import Distribution, recent_of
from gleann.service.telemetry.telemetry import IndexCounts, Telemetry
from gleann.service.views.live_index import View
from gleann.service.views.sharded_view import ShardedView

Queues = Callable[[], Iterable[QueueStatus]]
Sessions = Callable[[], Mapping[int, Sequence[object]]]

KEPT_SECONDS = 5.0
"""Age of figures of memory and files that are given again: they take milliseconds."""

SECONDS_AN_INDEX = 0.05
"""The same for each index, where they are many: each takes about a millisecond."""

MEASURING_SECONDS = 2.0
"""Longest that one status measures indexes: Prometheus waits for ten seconds. The
others are given as they were, or without figures until a later status."""

FORGOTTEN_SECONDS = 600.0
"""Age of figures that are dropped, or twice the age up to which they are kept."""

EVERYTHING = frozenset(
    name for name in ServerStatus.__dataclass_fields__ if name != "version"
)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Bytes of an index: in memory by part, and of its files."""

    at: float
    memory: Counter[str]
    disk: int


_UNMEASURED = _Sizes(-inf, Counter(), 0)


class Monitor:
    """Says what an application does now.

    Attributes:
        queues: asked for the queues of calls; a server sets it.
        sessions: asked for the sessions in memory, by the number of their index.
        streams: asked for the number of open streams; a server sets it.
        stopping: whether the server stops.
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
        self._sizes: dict[int, _Sizes] = {}
        self._mapped: tuple[float, Mapping[int, Counter[str]]] = (-inf, {})
        self.queues: Queues = tuple
        self.sessions: Sessions = dict
        self.streams: Callable[[], int] = int
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
            "compute_threads": lambda: {
                "compute_threads": self._threads or usable_cores()
            },
            "memory_bytes": _memory,
            "mapped_bytes": _memory,
            "disk_free_bytes": lambda: {"disk_free_bytes": self._store.disk.free()},
            "queues": lambda: {"queues": tuple(self.queues())},
            "methods": lambda: {"methods": self._methods()},
            "indexes": lambda: {"indexes": self._indexes()},
            "operations": lambda: {"operations": self._operations()},
            "sessions": lambda: {"sessions": self._count_sessions()},
            "streams": lambda: {"streams": self.streams()},
        }
        found: dict[str, object] = {}
        for name in wanted:
            if name in makers and name not in found:
                found |= makers[name]()
        kept = {name: value for name, value in found.items() if name in wanted}
        return ServerStatus(version=gleann.__version__, **kept)  # type: ignore[arg-type]

    def _state(self) -> dict[str, object]:
        reason = self._store.disk.reason
        if self.stopping:
            return {"state": "stopping", "reason": "the server is stopping"}
        return {"state": "read-only" if reason else "serving", "reason": reason}

    def _methods(self) -> tuple[MethodStatus, ...]:
        calls: dict[str, dict[str, Distribution]] = {}
        for (method, code), one in sorted(self._telemetry.calls.copy().items()):
            calls.setdefault(method, {})[code] = one
        return tuple(_method_status(name, found) for name, found in calls.items())

    def _operations(self) -> dict[str, int]:
        sql = "SELECT state, count(*) AS number FROM operations GROUP BY state"
        return {str(row["state"]): row["number"] for row in self._store.rows(sql)}

    def _count_sessions(self) -> int:
        row = self._store.row("SELECT count(*) AS number FROM sessions")
        return 0 if row is None else int(row["number"])

    def _indexes(self) -> tuple[IndexStatus, ...]:
        may = current_call().caller.may
        broken = self._registry.broken()
        measuring = monotonic() + MEASURING_SECONDS
        self._drop_sizes()
        found = []
        for name in self._registry.names():
            if not may(Right.READ, name):
                continue
            if name in broken:
                found.append(IndexStatus(name=name, broken=broken[name]))
                continue
            try:
                view = self._registry.readable(name)
                found.append(
                    self._shards_status(view)
                    if isinstance(view, ShardedView)
                    else self._index_status(view, until=measuring)
                )
            except GleannError:
                continue  # it was deleted meanwhile
        return tuple(found)

    def _index_status(self, view: View, *, until: float) -> IndexStatus:
        sizes = self._sizes_of(view, until=until)
        counts = self._telemetry.indexes().get(view.name, IndexCounts())
        sealed = view.sealed
        is_learned = sealed is not None and bool(sealed.index.learned_points)
        return IndexStatus(
            name=view.name,
            count=view.count,
            pending=view.delta.count,
            removed=view.sealed_rows - view.sealed_count,
            memory_bytes={part: n for part, n in sorted(sizes.memory.items()) if n},
            disk_bytes=sizes.disk,
            queries=counts.queries,
            probed_recall=counts.probed_recall,
            probed_queries=counts.probed,
            learned_queries=counts.learned if is_learned else 0,
            learned_lists=counts.learned_lists if is_learned else 1.0,
        )

    def _shards_status(self, view: ShardedView) -> IndexStatus:
        """Of an index in shards, which other processes hold."""
        counts = self._telemetry.indexes().get(view.name, IndexCounts())
        return IndexStatus(name=view.name, count=view.count, queries=counts.queries)

    def _sizes_of(self, view: View, *, until: float) -> _Sizes:
        """The bytes of an index; those that are kept, after `until` also old ones."""
        with self._guard:
            made, now = self._sizes.get(view.number, _UNMEASURED), monotonic()
            if now > until or now - made.at < self._kept_seconds():
                return made
        folder = self._registry.directory(view)
        memory = memory_of(view, self.sessions().get(view.number, ()))
        memory += self._mapped_parts().get(view.number, Counter())
        made = _Sizes(monotonic(), memory, _bytes_in(folder))
        with self._guard:
            self._sizes[view.number] = made
        return made

    def _drop_sizes(self) -> None:
        """Drop the figures of indexes that were deleted: nobody asked for them."""
        with self._guard:
            age = max(FORGOTTEN_SECONDS, 2 * self._kept_seconds())
            old = monotonic() - age
            self._sizes = {n: one for n, one in self._sizes.items() if one.at > old}

    def _kept_seconds(self) -> float:
        """How long figures are given again: more indexes take longer."""
        return max(KEPT_SECONDS, SECONDS_AN_INDEX * len(self._sizes))

    def _mapped_parts(self) -> Mapping[int, Counter[str]]:
        """Bytes in memory of mapped files, by the number of their index and part."""
        with self._guard:
            at, found = self._mapped
            if monotonic() - at < self._kept_seconds():
                return found
        found = {}
        indexes = self._directory.resolve() / "indexes"
        for path, size in mapped_bytes(indexes).items():
            number = path.relative_to(indexes).parts[0]
            if number.isdecimal():
                found.setdefault(int(number), Counter())[part_of_file(path)] += size
        with self._guard:
            self._mapped = monotonic(), found
        return found


def _memory() -> dict[str, object]:
    anonymous, mapped = resident_bytes()
    return {"memory_bytes": anonymous + mapped, "mapped_bytes": mapped}


def _method_status(name: str, found: dict[str, Distribution]) -> MethodStatus:
    recent = recent_of(list(found.values()))
    return MethodStatus(
        method=name,
        codes={code: one.count for code, one in found.items()},
        rate=recent.rate,
        median_seconds=recent.median,
        p99_seconds=recent.p99,
    )


def _bytes_in(folder: Path) -> int:
    """Bytes of the files below a folder, as far as they are still there."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            found = path.stat()
            total += found.st_size if S_ISREG(found.st_mode) else 0
    return total
