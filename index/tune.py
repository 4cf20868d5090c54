"""Operating points: what recall each (nprobe, rerank) buys, counted at build time.

The queries behind them are rows of the index unless the caller gave others, so
queries of another distribution can see another recall.
"""

from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask
from gleann.index.cost import CostModel
from gleann.index.evaluate import cut_at_k, pareto
from gleann.index.sample import Sample

MEASURED_K = (1, 10, 100)
POOLS_PER_K = (1.3, 2, 3, 5, 10)
GRID_STEP = 1.15
ENOUGH = 0.998
"""Recall beyond which no more probes are measured: they would cost the most."""


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

    def cost(self, model: CostModel) -> float:
        """Nominal nanoseconds a query."""
        return model.search(entries=self.entries, nprobe=self.nprobe, pool=self.rerank)


def default_pool(k: int) -> int:
    """Rows to re-rank when nothing was measured or asked for: 4k, at least 32."""
    return max(4 * k, 32)


def measure_points(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> tuple[OperatingPoint, ...]:
    """Count the Pareto-best (nprobe, rerank) pairs for a few k.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None for none at all.

    Returns:
        For each k of `MEASURED_K` that the row count allows, points in ascending cost
        and recall.
    """
    entries = _entries_read(sample, primary, secondary)
    found_at = _found_at(sample, primary, secondary)
    points: list[OperatingPoint] = []
    for k in (k for k in MEASURED_K if k <= sample.truth.shape[1]):
        measured = _measure_k(sample, k, found_at, entries)
        points += pareto(
            measured, gain=lambda p: p.recall, cost=lambda p: p.cost(sample.cost_model)
        )
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


def cost_of_recall(
    points: tuple[OperatingPoint, ...], model: CostModel, *, k: int, recall: float
) -> float:
    """Nanoseconds that `recall` takes, between the points on either side of it.

    A recall beyond the last point, which `best_recall` tells, costs what that costs.
    """
    chosen = [p for p in points if p.k == k]
    recalls = [p.recall for p in chosen]
    costs = [p.cost(model) for p in chosen]
    return float(np.exp(np.interp(recall, recalls, np.log(costs))))


def best_recall(points: tuple[OperatingPoint, ...], *, k: int) -> float:
    """The most that any measured point reaches."""
    return max(p.recall for p in points if p.k == k)


def _entries_read(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> NDArray[np.float64]:
    """Entries (nlist,) that a query reads on average with its first 1, 2, ... lists."""
    nlist = sample.list_ranks.shape[1]
    sizes = np.bincount(primary, minlength=nlist)
    if secondary is not None:
        sizes += np.bincount(secondary[secondary >= 0], minlength=nlist)
    at_rank = np.zeros(nlist)
    for ranks in sample.list_ranks:
        at_rank[ranks] += sizes
    return np.cumsum(at_rank) / len(sample.list_ranks)


def _found_at(sample: Sample, primary: ListNos, secondary: ListNos | None) -> ListNos:
    """Place (nq, m) in the probe order of the first list that holds each row."""
    ranks = sample.list_ranks
    place = np.take_along_axis(ranks, primary[sample.rows], axis=1)
    if secondary is None:
        return place
    copy = secondary[sample.rows]
    of_copy = np.take_along_axis(ranks, np.maximum(copy, 0), axis=1)
    return np.where(copy >= 0, np.minimum(place, of_copy), place)


def _measure_k(
    sample: Sample, k: int, found_at: ListNos, entries: NDArray[np.float64]
) -> list[OperatingPoint]:
    is_hit = sample.distances <= cut_at_k(sample.truth[:, :k])
    pools = sorted({ceil(k * share) for share in POOLS_PER_K})
    points = []
    done: set[int] = set()
    for nprobe, pool in product(_grid(len(entries)), pools):
        if pool in done:
            continue
        recall = _recall(found_at < nprobe, is_hit, k=k, pool=pool)
        if recall >= ENOUGH:
            done.add(pool)
        points.append(
            OperatingPoint(
                k=k,
                nprobe=nprobe,
                rerank=pool,
                recall=recall,
                entries=float(entries[nprobe - 1]),
            )
        )
    return points


def _recall(reached: Mask, is_hit: Mask, *, k: int, pool: int) -> float:
    """Recall@k of queries of which `reached` rows, best codes first, were scanned."""
    hits = reached & is_hit
    if pool < reached.shape[1]:
        hits &= np.cumsum(reached, axis=1, dtype=np.int16) <= pool
    return float(np.minimum(hits.sum(axis=1), k).mean() / k)


def _grid(nlist: int) -> list[int]:
    steps = int(np.ceil(np.log(nlist) / np.log(GRID_STEP))) + 1
    grid = {round(GRID_STEP**i) for i in range(steps)}
    return sorted({p for p in grid if p < nlist} | {nlist})
