"""Selection on the device: farthest-first, the graph of all rows, gains."""

from time import perf_counter

import numpy as np

from bench.gpu.data import index_of, workload
from bench.gpu.run import Run
from bench.gpu.timing import busy_seconds, seconds_of, wait
from gleann.index import knn_graph
from gleann.index.engines.torch import unavailable_reason as no_torch
from gleann.index.engines.triton import unavailable_reason as no_triton
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.walk import Walk
from gleann.selection.coreset.methods.facility_location import CANDIDATES, make_gains

WARM = 64
PICKS = 1024
COMPARED = 4
"""Picks compared with the host's, each of which scans all rows there."""

NEIGHBOURS = 10


def select(run: Run, name: str) -> None:
    """A row for each task; inner product has no farthest row."""
    tasks = {"farthest": _farthest, "graph": _graph, "gains": _gains}
    for what, task in tasks.items():
        if run.options.wants(what):
            run.attempt(what, lambda task=task: task(run, name))


def _farthest(run: Run, name: str) -> None:
    found = workload(run, name)
    if found.metric == "ip":
        run.skip(f"{name} farthest first", "inner product is no metric")
        return
    n = len(found.vectors)
    warm, picks = min(WARM, n // 8), min(PICKS, n // 4)
    start = perf_counter()
    points = make_points(found.vectors, device=str(run.device))
    wait(run.device)
    sent = perf_counter() - start
    walk = Walk(points, np.array([], np.int64))
    walk.pick(0)
    walk.advance(until=warm, floor=0.0)
    wait(run.device)
    start = perf_counter()
    walk.advance(until=warm + picks, floor=0.0)
    wait(run.device)
    taken = perf_counter() - start
    done = len(walk.picked)
    run.row(
        set=name,
        what="farthest first",
        picks=done - warm,
        seconds=taken,
        seconds_a_centre=taken / max(1, done - warm),
        prepare_seconds=sent,
        same_picks=_same_picks(found.vectors, walk.picked[:COMPARED]),
        busy=busy_seconds(run, lambda: walk.advance(until=done + WARM, floor=0.0)),
    )


def _same_picks(vectors: np.ndarray, picked: list[int]) -> float:
    host = Walk(make_points(vectors), np.array([], np.int64))
    host.pick(picked[0])
    host.advance(until=len(picked), floor=0.0)
    return float(np.mean(np.array(host.picked) == np.array(picked)))


def _graph(run: Run, name: str) -> None:
    engine = "torch" if run.device.type == "cpu" else "triton"
    if reason := (no_torch() if engine == "torch" else no_triton()):
        run.skip(f"{name} graph", reason)
        return
    index = index_of(run, name).with_engine(engine)
    nprobe = max(1, index.nlist // (8 if run.quick else 256))
    start = perf_counter()
    graph = knn_graph(index, k=min(NEIGHBOURS, len(index) - 1), nprobe=nprobe)
    run.row(
        set=name,
        what="graph",
        engine=graph.engine,
        nprobe=nprobe,
        seconds=perf_counter() - start,
        estimated_recall=graph.estimated_recall,
    )


def _gains(run: Run, name: str) -> None:
    """Facility-location gains of 256 rows, computed together."""
    found = workload(run, name)
    there = make_gains(found.vectors, device=str(run.device))
    asked = np.arange(min(CANDIDATES, len(found.vectors)))
    there.add(asked[:1])
    taken = seconds_of(run, lambda: there.of(asked))
    run.row(
        set=name,
        what="facility-location gains",
        candidates=len(asked),
        seconds=taken,
        tflops=2 * len(asked) * found.vectors.size / taken / 1e12,
    )
