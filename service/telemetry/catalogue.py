"""Every metric with its kind, labels and meaning; `docs/metrics.md` has this table."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "gleann_"
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: with its unit, as Prometheus shows it; that of a counter ends in "_total".
        kind: of its values.
        labels: their names.
        meaning: in a sentence.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str


def _of(kind: Kind, name: str, labels: str, meaning: str) -> Metric:
    return Metric(PREFIX + name, kind, tuple(labels.split()), meaning)


CALLS = _of(
    "histogram",
    "call_duration_seconds",
    "method code",
    "Seconds from the arrival of a call to its answer.",
)
DELAYS = _of(
    "histogram",
    "queue_delay_seconds",
    "kind",
    "Seconds that a call waited in its queue before it was computed.",
)
REFUSED = _of(
    "counter",
    "calls_refused_total",
    "kind",
    "Calls refused, as there was no place or no time for them.",
)
DROPPED = _of(
    "counter",
    "calls_dropped_total",
    "kind",
    "Calls dropped, as their deadline had passed or their caller had left.",
)
RUNNING = _of("gauge", "queue_running_calls", "kind", "Calls that are computed now.")
WAITING = _of("gauge", "queue_waiting_calls", "kind", "Calls that wait now.")
PLACES = _of("gauge", "queue_places", "kind", "Most calls that may run and wait.")
SCAN_QUERIES = _of(
    "histogram", "scan_queries", "", "Queries of a scan, which may be several calls'."
)
SCAN_CALLS = _of("histogram", "scan_calls", "", "Calls that a scan answers together.")
SEARCHES = _of(
    "histogram",
    "search_duration_seconds",
    "index",
    "Seconds that a search was computed, its wait for a merged scan included.",
)
QUERIES = _of("counter", "search_queries_total", "index", "Queries searched.")
ENTRIES = _of(
    "counter", "search_entries_scanned_total", "index", "Entries of lists scored."
)
RERANKED = _of(
    "counter", "search_rows_reranked_total", "index", "Rows scored in float32."
)
PROBED = _of(
    "counter",
    "probe_queries_total",
    "index",
    "Queries repeated by exact search to measure recall.",
)
RECALL = _of(
    "gauge",
    "probe_recall_ratio",
    "index",
    "Recall of the repeated queries, all since the start.",
)
VECTORS = _of("gauge", "index_vectors", "index", "Vectors that can be found.")
NEWER = _of(
    "gauge", "index_newer_vectors", "index", "Vectors newer than the sealed version."
)
REMOVED = _of(
    "gauge",
    "index_removed_vectors",
    "index",
    "Vectors of the sealed version that were removed or replaced.",
)
INDEX_MEMORY = _of(
    "gauge", "index_memory_bytes", "index part", "Bytes in memory, by part."
)
INDEX_DISK = _of("gauge", "index_disk_bytes", "index", "Bytes of files.")
INDEXES = _of("gauge", "indexes", "", "Indexes, also those that are not served.")
BROKEN = _of("gauge", "indexes_broken", "", "Indexes that are not served.")
OPERATIONS = _of("gauge", "operations", "state", "Operations that are kept, by state.")
JOBS = _of(
    "histogram",
    "job_duration_seconds",
    "kind outcome",
    "Seconds of long work, by kind and how it ended; compactions are of kind"
    ' "optimize".',
)
PHASES = _of(
    "histogram",
    "job_phase_duration_seconds",
    "kind phase",
    'Seconds of a phase of long work, such as "train" of a build.',
)
MEMBERS = _of(
    "histogram", "commit_transactions", "", "Transactions that share a commit."
)
COMMITS = _of("histogram", "commit_duration_seconds", "", "Seconds of a commit.")
DISK_FREE = _of("gauge", "disk_free_bytes", "", "Bytes free for the data directory.")
READ_ONLY = _of("gauge", "read_only", "", "1 while changes are refused, else 0.")
REFUSED_CHANGES = _of(
    "counter", "changes_refused_total", "", "Changes refused while it was read-only."
)
SESSIONS = _of("gauge", "sessions_open", "", "Open sessions.")
STREAMS = _of("gauge", "streams_open", "", "Open streams of upserts.")
MEMORY = _of(
    "gauge",
    "memory_bytes",
    "kind",
    'Memory of the process: "anonymous" cannot be dropped, "mapped" is of files.',
)
UPTIME = _of("gauge", "uptime_seconds", "", "Seconds since the server began to serve.")
BUILD = _of(
    "gauge", "build_info", "version python", "1, with the versions of what serves."
)

METRICS: tuple[Metric, ...] = tuple(
    one for one in list(globals().values()) if isinstance(one, Metric)
)
"""All of them, in this order. Those of the process (`process_*`) are added by
prometheus-client."""


def metrics_table() -> str:
    """Every metric with its kind, labels and meaning, in Markdown."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for one in METRICS:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.meaning} |")
    return "\n".join(lines)
