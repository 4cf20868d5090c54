"""Recall against queries per second: exact, no spilling and SOAR, each tuned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

import numpy as np

from gleann.index import Found, SearchParams, SoarIndex, recall_at_k
from gleann.index.arrays import Distances, Vectors
from gleann.index.evaluate import pareto

K = 10
TARGETS = (0.95, 0.99)
POOLS = (K + 3, 2 * K, 4 * K)
NPROBE_STEP = 1.3
ENOUGH_RECALL = 0.998
PROBE_QUERIES = 200
SETTLE_ROUNDS = 2
BLOCK_SECONDS = 0.15
"""A batch is at most what the engine answers in about this time while tuning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One search setting and its measurement.

    Attributes:
        method: its name.
        nprobe: lists per query; 0 for an exhaustive search.
        rerank: rows re-ranked per query; 0 for an exhaustive search.
        recall: recall@10.
        entries: entries scanned per query.
        queries: queries per timed call.
        seconds: duration of each timed call.
    """

    method: str
    nprobe: int
    rerank: int
    recall: float
    entries: float
    queries: int
    seconds: tuple[float, ...]

    @property
    def qps(self) -> float:
        """Queries per second, by the median call."""
        return self.queries / median(self.seconds)

    @property
    def qps_range(self) -> tuple[float, float]:
        """Queries per second of the slowest and of the fastest call."""
        return self.queries / max(self.seconds), self.queries / min(self.seconds)


def batch_size(index: SoarIndex, queries: Vectors) -> int:
    """Number of queries for tuning; fewer on slow engines."""
    params = SearchParams(k=K, nprobe=max(1, round(index.nlist**0.5)))
    few = queries[:PROBE_QUERIES]
    index.search(few, params)
    start = perf_counter()
    index.search(few, params)
    rate = len(few) / (perf_counter() - start)
    return int(np.clip(rate * BLOCK_SECONDS, PROBE_QUERIES, len(queries)))


def tune(
    name: str, index: SoarIndex, queries: Vectors, exact: Distances
) -> list[Point]:
    """Measure a grid of nprobe and rerank, for the curves and as input of `settle`."""
    points: list[Point] = []
    for rerank in POOLS:
        for nprobe in _nprobes(index.nlist):
            params = SearchParams(k=K, nprobe=nprobe, rerank=rerank)
            # The better of two, so that other load does not shape the curve.
            first, found = _timed(index, queries, params)
            second, found = _timed(index, queries, params)
            seconds = (min(first, second),)
            points.append(_point(name, found, exact, seconds, params))
            if points[-1].recall > ENOUGH_RECALL or _saturated(points):
                break
    return points


def best(points: Sequence[Point]) -> list[Point]:
    """The Pareto-optimal points, fastest first."""
    return pareto(points, gain=lambda p: p.recall, cost=lambda p: -p.qps)


def settle(
    index: SoarIndex,
    grid: Sequence[Point],
    queries: Vectors,
    exact: Distances,
    *,
    target: float,
) -> SearchParams | None:
    """The fastest setting that reaches `target` on all queries, or None.

    For every rerank, bisection between two grid points finds the fewest lists that
    reach it; the fastest of these settings is chosen by alternate timing.
    """
    candidates = {}
    for rerank in POOLS:
        nprobes = [0] + [p.nprobe for p in grid if p.rerank == rerank]
        least = _fewest_lists(index, nprobes, rerank, queries, exact, target)
        if least is not None:
            candidates[str(rerank)] = least
    if not candidates:
        return None
    calls = {
        name: partial(index.search, queries, params)
        for name, params in candidates.items()
    }
    seconds = alternate(calls, repeats=SETTLE_ROUNDS)
    return candidates[min(seconds, key=lambda name: min(seconds[name]))]


def _fewest_lists(
    index: SoarIndex,
    nprobes: Sequence[int],
    rerank: int,
    queries: Vectors,
    exact: Distances,
    target: float,
) -> SearchParams | None:
    """Fewest lists that reach `target` with `rerank`, at most the last of `nprobes`."""

    def reaches(nprobe: int) -> bool:
        params = SearchParams(k=K, nprobe=nprobe, rerank=rerank)
        found = index.search(queries, params)
        return recall_at_k(found.distances, exact) >= target

    low, high = 0, len(nprobes) - 1
    if high < 1 or not reaches(nprobes[high]):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(nprobes[middle]) else (middle, high)
    few, enough = nprobes[low], nprobes[high]
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if reaches(middle) else (middle, enough)
    return SearchParams(k=K, nprobe=enough, rerank=rerank)


def race(
    contenders: Mapping[str, tuple[SoarIndex, SearchParams]],
    queries: Vectors,
    exact: Distances,
    *,
    repeats: int,
) -> list[Point]:
    """Time the methods alternately, so that other load affects all of them."""
    calls = {
        name: partial(index.search, queries, params)
        for name, (index, params) in contenders.items()
    }
    seconds = alternate(calls, repeats=repeats)
    return [
        _point(name, index.search(queries, params), exact, seconds[name], params)
        for name, (index, params) in contenders.items()
    ]


def alternate(
    calls: Mapping[str, Callable[[], object]], *, repeats: int
) -> dict[str, tuple[float, ...]]:
    """Seconds of each call, every round calling all of them; one round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            start = perf_counter()
            call()
            if number:
                seconds[name].append(perf_counter() - start)
    return {name: tuple(taken) for name, taken in seconds.items()}


def exhaustive(
    name: str, call: Callable[[Vectors], object], queries: Vectors, n: int, repeats: int
) -> Point:
    """Time an exhaustive search, whose recall is 1 by definition."""
    taken = alternate({name: lambda: call(queries)}, repeats=repeats)[name]
    return Point(
        method=name,
        nprobe=0,
        rerank=0,
        recall=1.0,
        entries=float(n),
        queries=len(queries),
        seconds=taken,
    )


def faiss_flat(vectors: Vectors) -> Callable[[Vectors], object]:
    """Exhaustive search by faiss over unit rows, as a second baseline."""
    from gleann.index.engines.faiss import faiss_module

    flat = faiss_module().IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors))
    return lambda queries: flat.search(queries, K)


def _timed(
    index: SoarIndex, queries: Vectors, params: SearchParams
) -> tuple[float, Found]:
    start = perf_counter()
    found = index.search(queries, params)
    return perf_counter() - start, found


def _nprobes(nlist: int) -> list[int]:
    steps = int(np.log(nlist) / np.log(NPROBE_STEP)) + 1
    return sorted({max(1, round(NPROBE_STEP**i)) for i in range(steps)} - {1, 2, 3})


def _saturated(points: Sequence[Point]) -> bool:
    """Whether more lists no longer raise recall: rerank is the limit."""
    if len(points) < 2 or points[-1].rerank != points[-2].rerank:
        return False
    return 0.9 < points[-1].recall < points[-2].recall + 2e-4


def _point(
    name: str,
    found: Found,
    exact: Distances,
    seconds: tuple[float, ...],
    params: SearchParams,
) -> Point:
    nq = len(found.ids)
    return Point(
        method=name,
        nprobe=params.nprobe or 0,
        rerank=params.rerank or 0,
        recall=recall_at_k(found.distances, exact),
        entries=found.stats.entries_scanned / nq,
        queries=nq,
        seconds=seconds,
    )
