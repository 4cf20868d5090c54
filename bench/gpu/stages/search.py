"""Search: our engine at each recall, batch, kind of number, with and without copies."""

from dataclasses import dataclass, replace
from statistics import quantiles
from time import perf_counter
from typing import Any

import numpy as np
import torch

from bench.gpu.data import Workload, index_of, workload
from bench.gpu.engines import (
    answer_share,
    engine_of,
    kinds_of,
    least_nprobe,
    recall_of,
    tuned_queries,
)
from bench.gpu.run import Run
from bench.gpu.timing import busy_seconds, seconds_of, wait
from gleann.index.engines.contract import Scanned, ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.reference import ReferenceEngine

TARGET = 0.95
"""The level of the targets: only there is looked at more than the clock."""

K = 10
RERANK = 4 * K
COMPARED = 50
"""Queries whose rows are compared with the reference's, which is slow."""

SINGLES, QUICK_SINGLES = 300, 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """An engine at one setting.

    Attributes:
        engine: that searches.
        found: the workload.
        level: recall asked for.
        nprobe: the least that has it.
        request: k, rerank and segments.
    """

    engine: DeviceEngine
    found: Workload
    level: float
    nprobe: int
    request: ScanRequest

    def search(self, queries: np.ndarray) -> Scanned:
        """Host to host, as a caller has it."""
        return self.engine.search(queries, nprobe=self.nprobe, request=self.request)

    def search_resident(self, queries: torch.Tensor) -> Scanned:
        """Queries on the device, answers to the host: as peers are timed."""
        return self.engine.search_resident(
            queries, nprobe=self.nprobe, request=self.request
        )

    def search_tensors(self, queries: torch.Tensor) -> object:
        """Queries and answers on the device: the other way that peers are timed."""
        return self.engine.search_tensors(
            queries, nprobe=self.nprobe, request=self.request
        )

    @property
    def uncertain(self) -> "Point":
        """The same, but pairs whose buckets may hide a row are not scanned again."""
        return replace(self, request=replace(self.request, certain=False))


def search(run: Run, name: str) -> None:
    """A row for each kind of number, segments, level and batch."""
    for kind in kinds_of(run):
        run.group(kind, lambda kind=kind: _kind(run, name, kind))


def latency(run: Run, name: str) -> None:
    """One query after another, at recall 0.95: median and 99th percentile."""
    for kind in kinds_of(run)[:1]:
        run.attempt(kind, lambda kind=kind: _latency(run, name, kind))


def _kind(run: Run, name: str, kind: str) -> None:
    levels = (TARGET,) if run.quick else run.options.levels
    for segments in run.options.segments:
        for level in levels:
            what = f"{segments} {level}"
            run.group(what, lambda s=segments, v=level: _level(run, name, kind, (s, v)))


def _level(run: Run, name: str, kind: str, at: tuple[str, float]) -> None:
    point = _point(run, name, kind, at)
    if point is None:
        return
    for batch in run.batches(there=len(point.found.queries)):
        run.attempt(f"batch {batch}", lambda b=batch: _row(run, point, b))


def _point(run: Run, name: str, kind: str, at: tuple[str, float]) -> Point | None:
    """The setting of least nprobe for segments and a level; None if none has it."""
    segments, level = at
    found, engine = workload(run, name), engine_of(run, name, kind)
    count = tuned_queries(found)
    request = ScanRequest(
        k=K, rerank=min(RERANK, len(found.vectors)), segments=segments
    )
    recalls = run.kept.setdefault(f"recalls {name} {kind} {segments}", {})

    def recall_at(nprobe: int) -> float:
        if nprobe not in recalls:
            got = engine.search(found.queries[:count], nprobe=nprobe, request=request)
            recalls[nprobe] = recall_of(found, got.distances)
        return recalls[nprobe]

    nprobe = least_nprobe(recall_at, level, nlist=index_of(run, name).nlist)
    if nprobe is None:
        run.skip(f"{name} {engine.name} {segments} {level}", "never reached")
        return None
    return Point(
        engine=engine, found=found, level=level, nprobe=nprobe, request=request
    )


def _row(run: Run, point: Point, batch: int) -> None:
    asked = point.found.queries[:batch]
    taken = seconds_of(run, lambda: point.search(asked), most=1.0)
    there = torch.from_numpy(asked).to(run.device)
    resident = seconds_of(run, lambda: point.search_resident(there), most=1.0)
    on_device = seconds_of(run, lambda: point.search_tensors(there), most=1.0)
    run.row(
        set=point.found.name,
        inner_dimension=point.found.facts.get("inner_dimension"),
        engine=point.engine.name,
        segments=point.request.segments,
        level=point.level,
        nprobe=point.nprobe,
        batch=len(asked),
        recall=_recall(point),
        seconds=taken,
        resident_seconds=resident,
        on_device_seconds=on_device,
        qps=len(asked) / resident,
        **_looked_at(run, point, there),
    )


def _looked_at(run: Run, point: Point, queries: torch.Tensor) -> dict[str, Any]:
    """At the level of the targets, more than the clock; elsewhere nothing."""
    if point.level != TARGET:
        return {"same_rows": None, "busy": {}}
    loose = point.uncertain
    taken = seconds_of(run, lambda: loose.search_resident(queries), most=1.0)
    return {
        "same_rows": _same_rows(run, point),
        "uncertain_qps": len(queries) / taken,
        "uncertain_recall": _recall(loose),
        "busy": busy_seconds(run, lambda: point.search_resident(queries)),
    }


def _recall(point: Point) -> float:
    """On the queries that nprobe was not chosen with."""
    first = tuned_queries(point.found)
    rest = point.search(point.found.queries[first:])
    return recall_of(point.found, rest.distances, first=first)


def _same_rows(run: Run, point: Point) -> float:
    """Share of answers that the reference gives too, for the same lists and rerank."""
    key = f"same {point.engine.name} {point.request.segments} {point.nprobe}"
    if key not in run.kept:
        reference = ReferenceEngine(index_of(run, point.found.name).data)
        asked = point.found.queries[:COMPARED]
        lists = point.engine.rank_lists(asked, nprobe=point.nprobe)
        ours = point.engine.scan(asked, lists, point.request)
        theirs = reference.scan(asked, lists, point.request)
        run.kept[key] = answer_share(ours.rows, theirs.rows)
    return run.kept[key]


def _latency(run: Run, name: str, kind: str) -> None:
    point = _point(run, name, kind, ("both", TARGET))
    if point is None:
        return
    taken = []
    for number in range(QUICK_SINGLES if run.quick else SINGLES):
        asked = point.found.queries[number : number + 1]
        wait(run.device)
        start = perf_counter()
        point.search(asked)
        taken.append(perf_counter() - start)
    cuts = quantiles(taken[len(taken) // 10 :], n=100)
    run.row(
        set=name,
        inner_dimension=point.found.facts.get("inner_dimension"),
        engine=point.engine.name,
        nprobe=point.nprobe,
        p50_seconds=cuts[49],
        p99_seconds=cuts[98],
        busy=busy_seconds(run, lambda: point.search(point.found.queries[:1])),
    )
