"""Operating points: what recall each (nprobe, rerank) buys, measured at build time.

Rows of the index serve as queries, each with itself left out of its answer. They come
from the indexed data, so queries of another distribution can see another recall.
"""

from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Distances, Rows
from gleann.index.engines.contract import Engine, IndexData, ScanRequest
from gleann.index.evaluate import pareto, recall_at_k
from gleann.index.exact import exact_search_prepared

MEASURED_K = (1, 10, 100)
POOLS_PER_K = (2, 4, 10)
GRID_STEP = 1.5
ENOUGH = 0.998
"""Recall beyond which no more probes are measured: they would cost the most."""

RERANK_COST = 12
"""Entries that can be scanned in the time of re-ranking one row (cache misses)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One setting and what it was measured to give.

    Attributes:
        k: neighbours asked for.
        nprobe: lists scanned.
        rerank: rows re-ranked.
        recall: recall@k over the sample.
        entries: entries scanned a query, mean.
    """

    k: int
    nprobe: int
    rerank: int
    recall: float
    entries: float

    @property
    def cost(self) -> float:
        """Work a query, in scanned entries."""
        return self.entries + RERANK_COST * self.rerank


def default_pool(k: int) -> int:
    """Rows to re-rank when nothing was measured or asked for: 4k, at least 32."""
    return max(4 * k, 32)


def measure_points(
    data: IndexData, engine: Engine, *, queries: int, seed: int
) -> tuple[OperatingPoint, ...]:
    """Measure the Pareto-best (nprobe, rerank) pairs for a few k.

    Args:
        data: the sealed index.
        engine: what will serve it.
        queries: rows to draw as queries.
        seed: of that draw.

    Returns:
        For each k of `MEASURED_K` that the row count allows, points in ascending cost
        and recall.
    """
    n = len(data.vectors)
    count = min(queries, n)
    if count == 0 or n < 2:
        return ()
    rng = np.random.default_rng([seed, 7])
    drawn = np.sort(rng.choice(n, count, replace=False))
    deepest = min(max(MEASURED_K), n - 1)
    vectors = np.ascontiguousarray(data.vectors[drawn])
    found = exact_search_prepared(
        vectors, data.vectors, metric=data.metric, k=deepest + 1
    )
    truth = _without_self(*found, drawn)
    points: list[OperatingPoint] = []
    for k in (k for k in MEASURED_K if k <= deepest):
        measured = _measure_k(engine, data.lists.nlist, vectors, drawn, truth[:, :k])
        points += pareto(measured, gain=lambda p: p.recall, cost=lambda p: p.cost)
    return tuple(points)


def choose_point(
    points: tuple[OperatingPoint, ...], *, k: int, target_recall: float
) -> OperatingPoint | None:
    """The cheapest point that reaches `target_recall`, else the best; None without any.

    A k that was not measured takes the points of the next larger measured one, or of
    the largest.
    """
    if not points:
        return None
    measured = sorted({p.k for p in points})
    nearest = next((m for m in measured if m >= k), measured[-1])
    candidates = [p for p in points if p.k == nearest]
    reaching = [p for p in candidates if p.recall >= target_recall]
    return reaching[0] if reaching else candidates[-1]


def _measure_k(
    engine: Engine, nlist: int, queries: Distances, drawn: Rows, truth: Distances
) -> list[OperatingPoint]:
    k = truth.shape[1]
    points = []
    ranked = engine.rank_lists(queries, nprobe=nlist)
    for pool in (p * k for p in POOLS_PER_K):
        for nprobe in _grid(nlist):
            # One more than asked for: the query's own row comes back and is dropped.
            request = ScanRequest(k=k + 1, pool=pool + 1)
            scanned = engine.scan(queries, ranked[:, :nprobe], request)
            found = _without_self(scanned.rows, scanned.distances, drawn)
            recall = recall_at_k(found, truth)
            entries = scanned.work.entries_scanned / len(queries)
            points.append(
                OperatingPoint(
                    k=k, nprobe=nprobe, rerank=pool, recall=recall, entries=entries
                )
            )
            if recall >= ENOUGH:
                break
    return points


def _grid(nlist: int) -> list[int]:
    steps = int(np.ceil(np.log(nlist) / np.log(GRID_STEP))) + 1
    grid = {round(GRID_STEP**i) for i in range(steps)}
    return sorted({p for p in grid if p < nlist} | {nlist})


def _without_self(rows: Rows, distances: Distances, own: Rows) -> Distances:
    """Drop each query's own row, or its last column where it did not come back."""
    is_self = rows == own[:, None]
    missing = ~is_self.any(axis=1)
    is_self[missing, -1] = True
    return distances[~is_self].reshape(len(rows), -1)
