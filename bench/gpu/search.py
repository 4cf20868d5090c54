"""Search: our engine at each recall, batch, kind of number, with and without copies."""

from dataclasses import dataclass
from functools import cache
from statistics import quantiles
from time import perf_counter

import numpy as np
import torch

from bench.gpu.data import Workload, available, index_of, workload
from bench.gpu.engines import (
    KINDS,
    answer_share,
    engine_of,
    least_nprobe,
    recall_of,
    tuned_queries,
)
from bench.gpu.run import Run, busy_seconds, seconds_of, wait
from gleann.index.engines.contract import Scanned, ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.reference import ReferenceEngine

BATCHES = (1, 100, 1000, 10_000)
LEVELS = (0.90, 0.95, 0.99)
TARGET = 0.95
"""The level of the targets: only there is looked at more than the clock."""

SEGMENTS = ("both", "primary")
K = 10
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
        request: k, pool and segments.
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


def search(run: Run) -> None:
    """All settings of all workloads."""
    for name in available(run):
        for kind in KINDS[run.device.type]:
            run.attempt(
                f"{name} {kind}", lambda name=name, kind=kind: _kind(run, name, kind)
            )


def latency(run: Run) -> None:
    """One query after another, at recall 0.95: median and 99th percentile."""
    for name in available(run):
        run.attempt(name, lambda name=name: _latency(run, name))


def _kind(run: Run, name: str, kind: str) -> None:
    index = index_of(run, name)
    engine = engine_of(run, index.data, kind)
    reference = ReferenceEngine(index.data)
    for segments in SEGMENTS:
        for point in _points(run, name, engine, segments):
            same = None
            if point.level == TARGET:
                same = _same_rows(point, reference)
            for batch in run.batches(BATCHES, there=len(point.found.queries)):
                what = f"{name} {kind} {segments} {point.level} batch {batch}"
                run.attempt(
                    what, lambda p=point, b=batch, s=same: _row(run, p, b, same=s)
                )


def _points(run: Run, name: str, engine: DeviceEngine, segments: str) -> list[Point]:
    """The setting of least nprobe for each level."""
    found = workload(run, name)
    count = tuned_queries(found)
    n = len(found.vectors)
    request = ScanRequest(k=K, pool=min(4 * K, n), segments=segments)

    @cache
    def recall_at(nprobe: int) -> float:
        got = engine.search(found.queries[:count], nprobe=nprobe, request=request)
        return recall_of(found, got.distances)

    points = []
    nlist = index_of(run, name).nlist
    for level in (TARGET,) if run.quick else LEVELS:
        nprobe = least_nprobe(recall_at, level, nlist=nlist)
        if nprobe is None:
            run.skip(f"{name} {engine.name} {segments} {level}", "never reached")
            continue
        points.append(
            Point(
                engine=engine, found=found, level=level, nprobe=nprobe, request=request
            )
        )
    return points


def _row(run: Run, point: Point, batch: int, *, same: float | None) -> None:
    asked = point.found.queries[:batch]
    taken = seconds_of(run, lambda: point.search(asked), most=1.0)
    there = torch.from_numpy(asked).to(run.device)
    resident = seconds_of(run, lambda: point.search_resident(there), most=1.0)
    first = tuned_queries(point.found)
    rest = point.search(point.found.queries[first:])
    busy: dict[str, float] = {}
    if point.level == TARGET:
        busy = busy_seconds(run, lambda: point.search_resident(there))
    run.row(
        set=point.found.name,
        engine=point.engine.name,
        segments=point.request.segments,
        level=point.level,
        nprobe=point.nprobe,
        batch=len(asked),
        recall=recall_of(point.found, rest.distances, first=first),
        seconds=taken,
        resident_seconds=resident,
        qps=len(asked) / resident,
        same_rows=same,
        busy=busy,
    )


def _same_rows(point: Point, reference: ReferenceEngine) -> float:
    """Share of answers that the reference gives too, for the same lists and pool."""
    asked = point.found.queries[:COMPARED]
    lists = point.engine.rank_lists(asked, nprobe=point.nprobe)
    ours = point.engine.scan(asked, lists, point.request)
    theirs = reference.scan(asked, lists, point.request)
    return answer_share(ours.rows, theirs.rows)


def _latency(run: Run, name: str) -> None:
    kind = KINDS[run.device.type][0]
    engine = engine_of(run, index_of(run, name).data, kind)
    points = [p for p in _points(run, name, engine, "both") if p.level == TARGET]
    for point in points:
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
            engine=engine.name,
            nprobe=point.nprobe,
            p50_seconds=cuts[49],
            p99_seconds=cuts[98],
            busy=busy_seconds(run, lambda p=point: p.search(p.found.queries[:1])),
        )
