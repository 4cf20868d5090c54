"""Operating points: the recall that each (nprobe, rerank) was measured to give.

`build/tune.py` measures them, `build/choose_spill.py` decides on spilling by them, and
`search/plan.py` chooses one for a target recall.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gleann.index.cost import CostModel

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
        error: standard error of `recall`, from its spread over the sample queries.
    """

    k: int
    nprobe: int
    rerank: int
    recall: float
    entries: float
    error: float = 0.0

    def cost(self, model: CostModel) -> float:
        """Nominal nanoseconds a query."""
        return model.search(
            entries=self.entries, nprobe=self.nprobe, rerank=self.rerank
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpillReport:
    """What "auto" measured, and what it chose.

    Attributes:
        chosen: the winner.
        k: neighbours asked for.
        recalls: recall@k that was judged at: what was asked for, or the most that both
            reach.
        soar_costs: nominal nanoseconds a query with spilling (`index/cost.py`), for
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
    points: tuple[OperatingPoint, ...], *, k: int, target_recall: float
) -> OperatingPoint | None:
    """The cheapest point that reaches `target_recall`, else the best; None without any.

    Half a standard error is kept in hand: the cheapest point that seems to reach a
    target is more often lucky than not. A k that was not measured takes the points of
    the next larger measured one, or of the largest.
    """
    candidates = points_of(points, k=k)
    if not candidates:
        return None
    reaching = [p for p in candidates if p.recall - p.error / 2 >= target_recall]
    return reaching[0] if reaching else candidates[-1]


def points_of(
    points: tuple[OperatingPoint, ...], *, k: int
) -> tuple[OperatingPoint, ...]:
    """The points measured for k, else for the next larger k, else for the largest."""
    measured = sorted({p.k for p in points})
    if not measured:
        return ()
    nearest = next((m for m in measured if m >= k), measured[-1])
    return tuple(p for p in points if p.k == nearest)


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
    """The most that any point for k reaches; there must be points."""
    return max(point.recall for point in points_of(points, k=k))
