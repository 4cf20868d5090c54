"""What a server does now, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ServerState = Literal["serving", "read-only", "stopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue of calls now.

    Attributes:
        kind: of the calls.
        running: calls that are computed.
        queued: calls that wait.
        places: most calls that may run and wait.
        refused: calls refused since the start.
        dropped: calls dropped since the start: late ones, and those whose caller left.
        delay_median_seconds: seconds that calls of the last minute waited.
        delay_p99_seconds: the 99th percentile.
    """

    kind: str
    running: int = 0
    queued: int = 0
    places: int = 0
    refused: int = 0
    dropped: int = 0
    delay_median_seconds: float = 0.0
    delay_p99_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodStatus:
    """How a method is answered.

    Attributes:
        method: such as "/gleann.v1.SearchService/Search".
        codes: calls answered since the start, by the name of their status.
        rate: calls answered a second in the last minute.
        median_seconds: to answer a call of the last minute.
        p99_seconds: the 99th percentile.
    """

    method: str
    codes: Mapping[str, int]
    rate: float = 0.0
    median_seconds: float = 0.0
    p99_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """How an index is used and what it takes.

    Attributes:
        name: of the index.
        count: vectors that can be found.
        pending: vectors among them that are newer than the sealed version.
        removed: vectors of the sealed version that were removed or replaced since.
        memory_bytes: bytes by part, such as "codes", "rows" or "payload".
        disk_bytes: bytes of its files.
        queries: since the start; not counted of indexes beyond `most_indexes`.
        probed_recall: recall against exact search, on a sample of the queries; None
            without one.
        probed_queries: queries in that sample.
        broken: why it is not served; "" if it is.
    """

    name: str
    count: int = 0
    pending: int = 0
    removed: int = 0
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    disk_bytes: int = 0
    queries: int = 0
    probed_recall: float | None = None
    probed_queries: int = 0
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What a server does now, or the library in process.

    Attributes:
        version: of gleann.
        state: whether it takes work.
        reason: why it takes no changes; "" if it does.
        uptime_seconds: since it began to serve.
        compute_threads: threads of the engine.
        memory_bytes: memory of the process that cannot be dropped (RssAnon) and that
            files map (RssFile).
        mapped_bytes: of it, that of mapped files.
        disk_free_bytes: free on the disk of the data directory.
        queues: one for each kind of call; none in process.
        methods: one for each method that was called; none in process.
        indexes: those that the caller may read, by name.
        operations: their number by state.
        sessions: open sessions.
        streams: open streams of upserts; none in process.
    """

    version: str = ""
    state: ServerState = "serving"
    reason: str = ""
    uptime_seconds: float = 0.0
    compute_threads: int = 0
    memory_bytes: int = 0
    mapped_bytes: int = 0
    disk_free_bytes: int = 0
    queues: tuple[QueueStatus, ...] = ()
    methods: tuple[MethodStatus, ...] = ()
    indexes: tuple[IndexStatus, ...] = ()
    operations: Mapping[str, int] = field(default_factory=dict)
    sessions: int = 0
    streams: int = 0
