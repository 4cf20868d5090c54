"""Searches whose queries scan as many lists as each takes; see `index/effort.py`."""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.cost import CostModel
from gleann.index.effort import EffortPoint, Grants, choose_effort
from gleann.index.engines.contract import (
    Engine,
    GrantsLists,
    IndexData,
    Scanned,
    ScanRequest,
)
from gleann.index.operating_points import OperatingPoint, points_of
from gleann.index.params import DEFAULT_TARGET_RECALL, SearchParams
from gleann.index.search.plan import SearchPlan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffortPlan:
    """A search in place of another that scans one number of lists for all queries.

    Attributes:
        engine: that of the index.
        grants: lists by the depth of a query.
        plan: what it replaces, with its own request and recall.
    """

    engine: GrantsLists
    grants: Grants
    plan: SearchPlan

    def search(self, queries: Vectors) -> Scanned:
        """Search for queries (nq, d); see `GrantsLists.search_by_effort`."""
        return self.engine.search_by_effort(queries, self.grants, self.plan.request)


class Efforts:
    """Chooses between effort and one number of lists, by their cost.

    Args:
        engine: of the index.
        points: measured settings of effort.
        plain: operating points of both segments.
        data: of the index.
    """

    def __init__(
        self,
        engine: Engine,
        points: tuple[EffortPoint, ...],
        *,
        plain: tuple[OperatingPoint, ...],
        data: IndexData,
    ) -> None:
        self._engine = engine if isinstance(engine, GrantsLists) else None
        self._points = points
        self._plain = plain
        self._model = CostModel(data.vectors.shape[1], data.lists.nlist)
        self._last: tuple[SearchPlan, EffortPlan | None] | None = None

    def instead(self, params: SearchParams, plan: SearchPlan) -> EffortPlan | None:
        """The search by effort to run in place of `plan`, made from `params`.

        None where it is not asked for; where no effort is measured to reach the recall,
        or where it costs as much; where the caller chose the lists; and under a filter.
        Callers that repeat parameters have the plan kept, and so the choice.
        """
        if params.effort == "even" or self._engine is None or not self._points:
            return None
        last = self._last
        if last is not None and last[0] is plan:
            return last[1]
        chosen = self._chosen(self._engine, params, plan)
        self._last = plan, chosen
        return chosen

    def _chosen(
        self, engine: GrantsLists, params: SearchParams, plan: SearchPlan
    ) -> EffortPlan | None:
        request = plan.request
        measured = plan.estimated_recall is not None and params.nprobe is None
        whole = plan.allowed is None and request.segments == "both"
        if plan.exact or not measured or not whole:
            return None
        target = params.target_recall or DEFAULT_TARGET_RECALL
        point = choose_effort(self._points, k=params.k, target_recall=target)
        if point is None:
            return None
        rerank = params.rerank or max(params.k, -(-point.rerank * params.k // point.k))
        if self._cost(point, rerank) >= self._plain_cost(plan):
            return None
        return EffortPlan(
            engine=engine,
            grants=point.grants(params.k),
            plan=replace(
                plan,
                request=replace(request, rerank=rerank),
                estimated_recall=point.recall,
            ),
        )

    def _cost(self, point: EffortPoint, rerank: int) -> float:
        return replace(point, rerank=rerank).cost(self._model)

    def _plain_cost(self, plan: SearchPlan) -> float:
        request: ScanRequest = plan.request
        points = sorted(points_of(self._plain, k=request.k), key=lambda p: p.nprobe)
        read = np.interp(
            plan.nprobe, [p.nprobe for p in points], [p.entries for p in points]
        )
        return self._model.search(
            entries=float(read), nprobe=plan.nprobe, rerank=request.rerank
        )
