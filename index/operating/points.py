"""Operating points: the recall that each (nprobe, rerank) was measured to give.

`build/tune.py` measures them, `build/choose_spill.py` decides on spilling by them, and
`search/plan.py` chooses one for a target recall: the cheapest whose recall reaches it
with 95 % confidence, as far as queries are of the kind that was measured.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from gleann.index.operating.cost import CANDIDATE, GRANT, CostModel

CONFIDENCE = 1.645
"""Standard errors below an estimate that the true recall exceeds with 95 % confidence,
and as many above; both are what `SearchStats` calls low and high."""

WORTH = 0.05
"""Share of the work that copies must save to be worth their memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One setting and what it was measured to give.

    Attributes:
        k: neighbours asked for.
        nprobe: lists scanned.
        rerank: rows re-ranked.
        recall: recall@k over the sample.
        entries: entries scanned a query, mean.
        error: standard error of `recall`, from its spread over the sample queries; 0
            where it is not known.
    """

    k: int
    nprobe: int
    rerank: int
    recall: float
    entries: float
    error: float = 0.0

    @property
    def low(self) -> float:
        """The recall that queries like the sample's exceed with 95 % confidence."""
        return max(0.0, self.recall - CONFIDENCE * self.error)

    @property
    def high(self) -> float:
        """The recall that they stay below with 95 % confidence."""
        return min(1.0, self.recall + CONFIDENCE * self.error)

    def cost(self, model: CostModel) -> float:
        """Nominal nanoseconds a query."""
        return model.search(
            entries=self.entries, nprobe=self.nprobe, rerank=self.rerank
        )


Point = TypeVar("Point", bound=OperatingPoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffortPoint(OperatingPoint):
    """An operating point whose queries scan different numbers of lists (`effort.py`).

    A query scans exp(offset + slope depth / k) - 1 lists, at least `first` and at most
    `nprobe`.

    Attributes:
        first: lists that every query scans before its depth is known.
        offset: see above.
        slope: see above.
        lists: lists scanned a query, mean.
    """

    first: int
    offset: float
    slope: float
    lists: float

    def cost(self, model: CostModel) -> float:
        """Nominal nanoseconds a query; `model` is for queries on their own."""
        scan = model.search(entries=self.entries, nprobe=self.lists, rerank=self.rerank)
        return scan + GRANT + CANDIDATE * self.nprobe


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Rows to re-rank where the caller gives the lists to scan, and no more than that.

    The more lists, the more rows have codes that look better than those of a true
    neighbour: a pool of one size would lose more with every list.

    Attributes:
        k: neighbours asked for.
        nprobe: from so many lists on.
        rerank: rows re-ranked.
    """

    k: int
    nprobe: int
    rerank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What searches of an index are planned by.

    Attributes:
        points: operating points, for each k of ascending cost and recall.
        pools: rows to re-rank by the lists scanned.
        efforts: settings that save work where queries scan as many lists as each takes;
            for each k of ascending cost and recall.
        asked: operating points for queries that were asked (`search/asked.py`), which
            may take more lists than `points`.
        asked_efforts: `efforts` for these queries, each with the recall of the build or
            theirs, whichever is lower with 95 % confidence.
    """

    points: tuple[OperatingPoint, ...] = ()
    pools: tuple[Pool, ...] = ()
    efforts: tuple[EffortPoint, ...] = ()
    asked: tuple[OperatingPoint, ...] = ()
    asked_efforts: tuple[EffortPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpillReport:
    """What "auto" measured, and what it chose.

    Attributes:
        chosen: the winner.
        k: neighbours asked for.
        recalls: recall@k that was judged at: what was asked for, or the most that both
            reach.
        soar_costs: nominal nanoseconds a query with spilling (`operating/cost.py`), for
            each recall.
        none_costs: the same without.
        saving: share of the work that spilling saves (geometric mean); negative where
            it costs more. "soar" is chosen from `WORTH` up.
    """

    chosen: Literal["soar", "none"]
    k: int
    recalls: tuple[float, ...]
    soar_costs: tuple[float, ...]
    none_costs: tuple[float, ...]
    saving: float


def default_rerank(k: int) -> int:
    """Default number of rows to re-rank without measurements: 4k, at least 32."""
    return max(4 * k, 32)


def choose_point(
    points: tuple[Point, ...], *, k: int, target_recall: float
) -> Point | None:
    """The cheapest point that reaches `target_recall`, else the best; None without any.

    It reaches it if its recall does with 95 % confidence. A k that was not measured
    takes the points of the next larger measured one, or of the largest. Where these do
    not reach the target, those of a larger k may, which re-rank more rows: of nearer
    rows at least as many are found. Where none does, these are taken if they find more
    with 95 % confidence.
    """
    best: Point | None = None
    for measured in _measured_from(points, k):
        candidates = points_of(points, k=measured)
        point = next((p for p in candidates if p.low >= target_recall), candidates[-1])
        if point.low >= target_recall:
            return point
        if best is None or point.low > best.recall:
            best = point
    return best


def points_of(points: tuple[Point, ...], *, k: int) -> tuple[Point, ...]:
    """The points measured for k, else for the next larger k, else for the largest."""
    if not points:
        return ()
    nearest = _measured_from(points, k)[0]
    return tuple(p for p in points if p.k == nearest)


def _measured_from(points: tuple[Point, ...], k: int) -> list[int]:
    """The k that were measured and are enough for k, ascending; else the largest."""
    measured = sorted({p.k for p in points})
    return [m for m in measured if m >= k] or measured[-1:]


def pool_for(pools: tuple[Pool, ...], *, k: int, nprobe: int) -> int:
    """Rows to re-rank for k in `nprobe` lists: the default, or more where measured."""
    least = default_rerank(k)
    if not pools:
        return least
    measured = {pool.k for pool in pools}
    nearest = min((m for m in measured if m >= k), default=max(measured))
    reranks = [p.rerank for p in pools if p.k == nearest and p.nprobe <= nprobe]
    return max(least, rerank_for(k, max(reranks, default=0), measured=nearest))


def rerank_for(k: int, rerank: int, *, measured: int) -> int:
    """Rows to re-rank for k, where `rerank` of them were for `measured` neighbours.

    Fewer neighbours take as many: where codes are coarse, or rows are nearly equal, the
    nearest row is as far behind in the order of the codes as the tenth. More take more
    in proportion.
    """
    return rerank if k <= measured else -(-rerank * k // measured)


def growth_of(points: tuple[OperatingPoint, ...], *, target_recall: float) -> float:
    """The power of k with which the lists for a recall grow beyond the largest k.

    That between the two largest k that were measured, from 0.5 to 1: at the root rows
    would be spread evenly around a query in many dimensions, at 1 in clusters.
    """
    measured = sorted({p.k for p in points})[-2:]
    chosen = [choose_point(points, k=k, target_recall=target_recall) for k in measured]
    if len(chosen) < 2 or chosen[0] is None or chosen[1] is None:
        return 0.5
    power = np.log(chosen[1].nprobe / chosen[0].nprobe) / np.log(
        measured[1] / measured[0]
    )
    return float(np.clip(power, 0.5, 1))


def cost_of_recall(
    points: tuple[OperatingPoint, ...], model: CostModel, *, k: int, recall: float
) -> float:
    """Nanoseconds that `recall` takes, between the points on either side of it.

    A recall beyond the last point, which `best_recall` tells, costs what that costs.
    """
    return costs_of_recalls(points, model, k=k, recalls=[recall])[0]


def costs_of_recalls(
    points: tuple[OperatingPoint, ...],
    model: CostModel,
    *,
    k: int,
    recalls: list[float],
) -> list[float]:
    """`cost_of_recall` of several."""
    chosen = [p for p in points if p.k == k]
    measured = [p.recall for p in chosen]
    costs = [p.cost(model) for p in chosen]
    found: list[float] = np.exp(np.interp(recalls, measured, np.log(costs))).tolist()
    return found


def best_recall(points: tuple[OperatingPoint, ...], *, k: int) -> float:
    """The recall of the best point for k; there must be points."""
    best = choose_point(points, k=k, target_recall=1)
    assert best is not None
    return best.recall
