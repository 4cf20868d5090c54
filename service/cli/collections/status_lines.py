"""The status of a server as lines for a reader."""

from collections.abc import Iterable, Sequence
from typing import Any

from gleann.service.client.operation import Operation
from gleann.service.server_status import (
    IndexStatus,
    MethodStatus,
    QueueStatus,
    ServerStatus,
)

MOST_ROWS = 20
"""Rows of a table; more are counted in a last line."""


def status_lines(status: ServerStatus) -> list[str]:
    """A status in lines: the server, its queues, its indexes and its operations."""
    lines = [*server_lines(status), ""]
    if status.queues:
        lines += [*queue_lines(status.queues), ""]
    lines += index_lines(status.indexes)
    return lines


def server_lines(status: ServerStatus) -> list[str]:
    """The server in a few lines."""
    mapped = status.mapped_bytes
    lines = [
        f"gleann {status.version}: {status.state}, up"
        f" {duration(status.uptime_seconds)},"
        f" {status.compute_threads} compute threads",
        f"memory {size(status.memory_bytes)}, of it {size(mapped)} of mapped files;"
        f" disk {size(status.disk_free_bytes)} free",
    ]
    if status.reason:
        lines.insert(1, status.reason)
    found = ", ".join(f"{n} {state}" for state, n in sorted(status.operations.items()))
    lines.append(
        f"operations: {found or 'none'}; sessions: {status.sessions};"
        f" streams: {status.streams}"
    )
    return lines


def queue_lines(queues: Iterable[QueueStatus]) -> list[str]:
    """The queues as a table."""
    heads = ["queue", "running", "waiting", "places", "refused", "dropped", "wait p50"]
    rows = [
        [
            one.kind,
            f"{one.running:,}",
            f"{one.queued:,}",
            f"{one.places:,}",
            f"{one.refused:,}",
            f"{one.dropped:,}",
            short(one.delay_median_seconds),
            short(one.delay_p99_seconds),
        ]
        for one in queues
    ]
    return table([*heads, "wait p99"], rows)


def method_lines(methods: Sequence[MethodStatus]) -> list[str]:
    """The methods as a table, those of the greatest rate first."""
    rows = [
        [
            one.method.rpartition("/")[2],
            f"{one.rate:,.1f}",
            short(one.median_seconds),
            short(one.p99_seconds),
            f"{one.codes.get('OK', 0):,}",
            f"{sum(one.codes.values()) - one.codes.get('OK', 0):,}",
        ]
        for one in sorted(methods, key=lambda one: (-one.rate, one.method))
    ]
    return table(["method", "calls/s", "p50", "p99", "answered", "failed"], rows)


def index_lines(indexes: Sequence[IndexStatus]) -> list[str]:
    """The indexes as a table, those of the most queries first."""
    heads = ["index", "vectors", "newer", "removed", "memory", "disk", "queries"]
    ordered = sorted(indexes, key=lambda one: (-one.queries, one.name))
    rows = [
        [
            one.name,
            f"{one.count:,}",
            f"{one.pending:,}",
            f"{one.removed:,}",
            size(sum(one.memory_bytes.values())),
            size(one.disk_bytes),
            f"{one.queries:,}",
            _recall(one),
        ]
        for one in ordered
    ]
    lines = table([*heads, "recall"], rows)
    broken = [one for one in ordered if one.broken]
    return lines + [f"{one.name} cannot be served: {one.broken}" for one in broken]


def job_lines(jobs: Iterable[Operation[Any]]) -> list[str]:
    """Operations that have not ended, as a table."""
    rows = [
        [
            job.name,
            job.kind,
            job.index,
            job.phase,
            f"{job.done_units:,}/{job.total:,}" if job.total else "",
            duration(job.eta_seconds) if job.eta_seconds else "",
        ]
        for job in jobs
    ]
    return table(["operation", "kind", "index", "phase", "done", "left"], rows)


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Columns with their heads; the first is text, the others are aligned right."""
    shown = rows[:MOST_ROWS]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]
    lines = []
    for row in [heads, *shown]:
        first, *others = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([first, *others]).rstrip())
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more")
    return lines


def size(count: int) -> str:
    """Bytes in a unit that fits."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def short(seconds: float) -> str:
    """Seconds of a call in a unit that fits."""
    if not seconds:
        return "-"
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def duration(seconds: float) -> str:
    """A longer time: "3 d 2 h", "2 h 5 min", "5 min 3 s" or "3 s"."""
    left, found = round(seconds), []
    for name, unit in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, unit)
        if count:
            found.append(f"{count} {name}")
    return " ".join(found[:2]) or "0 s"


def _recall(one: IndexStatus) -> str:
    if one.probed_recall is None:
        return "-"
    return f"{one.probed_recall:.3f} of {one.probed_queries:,}"
