"""Metrics as Prometheus reads them.

The only module that imports prometheus-client; only a server with a port for metrics
does.
"""

import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gleann.service.server_status import IndexStatus, ServerStatus
from gleann.service.telemetry import catalogue
from gleann.service.telemetry.distribution import Distribution
from gleann.service.telemetry.telemetry import Telemetry

Labels = tuple[str, ...]
L = TypeVar("L", bound=Labels)


class Exposition:
    """The metrics of one server."""

    def __init__(
        self, telemetry: Telemetry, status: Callable[[], ServerStatus]
    ) -> None:
        """Describe a server.

        Args:
            telemetry: what it counts.
            status: asked at each scrape.
        """
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(telemetry, status))
        ProcessCollector(registry=self._registry)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics, in the format that an Accept header asks for; and its type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(
        self, telemetry: Telemetry, status: Callable[[], ServerStatus]
    ) -> None:
        self._telemetry = telemetry
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        yield from _counted(self._telemetry)
        yield from _of_queues(status)
        yield from _of_indexes(status.indexes, self._telemetry.labels.label_of)
        yield from _of_server(status)


def _counted(telemetry: Telemetry) -> Iterator[Metric]:
    # Copies, as calls may add others meanwhile.
    yield _histogram(catalogue.CALLS, telemetry.calls.copy())
    yield _histogram(
        catalogue.DELAYS,
        {(kind,): one for kind, one in telemetry.delays.copy().items()},
    )
    yield _histogram(catalogue.SCAN_QUERIES, {(): telemetry.batches})
    yield _histogram(catalogue.SCAN_CALLS, {(): telemetry.merged})
    yield _histogram(catalogue.JOBS, telemetry.jobs.copy())
    yield _histogram(catalogue.PHASES, telemetry.phases.copy())
    yield _histogram(catalogue.MEMBERS, {(): telemetry.group_members})
    yield _histogram(catalogue.COMMITS, {(): telemetry.commit_seconds})
    yield _values(catalogue.REFUSED_CHANGES, {(): telemetry.refused_changes})
    yield from _searched(telemetry)


def _searched(telemetry: Telemetry) -> Iterator[Metric]:
    found = {(label,): one for label, one in telemetry.indexes().items()}
    yield _histogram(
        catalogue.SEARCHES, {key: one.seconds for key, one in found.items()}
    )
    for metric, name in (
        (catalogue.QUERIES, "queries"),
        (catalogue.ENTRIES, "entries"),
        (catalogue.RERANKED, "reranked"),
        (catalogue.PROBED, "probed"),
    ):
        yield _values(metric, {key: getattr(one, name) for key, one in found.items()})
    recalls = {key: one.probed_recall for key, one in found.items()}
    yield _values(
        catalogue.RECALL, {key: one for key, one in recalls.items() if one is not None}
    )


def _of_queues(status: ServerStatus) -> Iterator[Metric]:
    for metric, name in (
        (catalogue.RUNNING, "running"),
        (catalogue.WAITING, "queued"),
        (catalogue.PLACES, "places"),
        (catalogue.REFUSED, "refused"),
        (catalogue.DROPPED, "dropped"),
    ):
        yield _values(metric, {(q.kind,): getattr(q, name) for q in status.queues})


def _of_indexes(
    indexes: Iterable[IndexStatus], label_of: Callable[[str], str]
) -> Iterator[Metric]:
    """Gauges of the indexes; those that share a label are added up."""
    sums: dict[str, Counter[Labels]] = defaultdict(Counter)
    for one in indexes:
        label = label_of(one.name)
        sums["vectors"][label,] += one.count
        sums["newer"][label,] += one.pending
        sums["removed"][label,] += one.removed
        sums["disk"][label,] += one.disk_bytes
        for part, size in one.memory_bytes.items():
            sums["memory"][label, part] += size
        sums["all"][()] += 1
        sums["broken"][()] += bool(one.broken)
    yield _values(catalogue.VECTORS, sums["vectors"])
    yield _values(catalogue.NEWER, sums["newer"])
    yield _values(catalogue.REMOVED, sums["removed"])
    yield _values(catalogue.INDEX_DISK, sums["disk"])
    yield _values(catalogue.INDEX_MEMORY, sums["memory"])
    yield _values(catalogue.INDEXES, {(): sums["all"][()]})
    yield _values(catalogue.BROKEN, {(): sums["broken"][()]})


def _of_server(status: ServerStatus) -> Iterator[Metric]:
    yield _values(
        catalogue.OPERATIONS, {(state,): n for state, n in status.operations.items()}
    )
    yield _values(catalogue.DISK_FREE, {(): status.disk_free_bytes})
    yield _values(catalogue.READ_ONLY, {(): status.state == "read-only"})
    yield _values(catalogue.SESSIONS, {(): status.sessions})
    yield _values(catalogue.STREAMS, {(): status.streams})
    mapped = status.mapped_bytes
    memory = {("anonymous",): status.memory_bytes - mapped, ("mapped",): mapped}
    yield _values(catalogue.MEMORY, memory)
    yield _values(catalogue.UPTIME, {(): status.uptime_seconds})
    yield _values(catalogue.BUILD, {(status.version, platform.python_version()): 1})


def _values(metric: catalogue.Metric, values: Mapping[L, float]) -> Metric:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, float(value))
    return family


def _histogram(metric: catalogue.Metric, found: Mapping[L, Distribution]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, one in sorted(found.items()):
        shown, count, total = one.buckets()
        buckets = [(f"{bound:.12g}", float(below)) for bound, below in shown]
        family.add_metric(labels, [*buckets, ("+Inf", float(count))], sum_value=total)
    return family
