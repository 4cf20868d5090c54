"""Chooses how the searches of one index run."""

from dataclasses import replace

from gleann.index.engines.contract import Engine, IndexData
from gleann.index.operating.cost import CostModel
from gleann.index.operating.effort import Grants
from gleann.index.operating.points import (
    EffortPoint,
    Measured,
    OperatingPoint,
    choose_point,
)
from gleann.index.params import DEFAULT_TARGET_RECALL, SearchParams
from gleann.index.search.kept_plans import KEPT_PLANS, KeptPlans
from gleann.index.search.plan import SearchPlan, as_filter, without_copies
from gleann.index.training import Training

Points = tuple[OperatingPoint, ...]
Efforts = tuple[EffortPoint, ...]


class Planner:
    """Plans searches, and keeps the plans of parameters that are repeated.

    Args:
        data: the arrays of the index.
        engine: that searches them.
        measured: what both segments give.
        primary_points: operating points of primaries only.
        training: how well the lists fit the rows; None if that is unknown. Where they
            do not, no recall is estimated.
    """

    def __init__(
        self,
        data: IndexData,
        engine: Engine,
        *,
        measured: Measured,
        primary_points: Points,
        training: Training | None = None,
    ) -> None:
        self._n = len(data.vectors)
        self._lists = data.lists
        dim, code_dim = data.vectors.shape[1], data.encoding.width
        self._alone = CostModel(dim, data.lists.nlist, code_dim=code_dim).alone
        self._engine = engine
        self._primary_points = primary_points
        self._fits = training is None or training.fits(self._n)
        self._use(measured)

    def learn(self, asked: Points, efforts: Efforts) -> None:
        """Plan by points for queries that were asked, from the next search on."""
        measured = self._plans.measured
        self._use(replace(measured, asked=asked, asked_efforts=efforts))

    def _use(self, measured: Measured) -> None:
        # Replaced as a whole: a thread that plans meanwhile keeps its plan in the old.
        self._plans = KeptPlans(measured, n=self._n, lists=self._lists, fits=self._fits)
        self._last: tuple[SearchParams, int, SearchPlan, KeptPlans] | None = None
        # By the identity of the plan that they stand for, which is kept with them.
        self._efforts: dict[int, tuple[SearchPlan, SearchPlan]] = {}
        self._primaries: dict[int, tuple[SearchPlan, SearchPlan | None]] = {}

    @property
    def asked(self) -> Points:
        """The points that `learn` was given last."""
        return self._plans.measured.asked

    def kept(self, params: SearchParams) -> SearchPlan | None:
        """The plan without the filter, made once; None where nprobe is given."""
        return self._plans.kept(params)

    def rerank(self, params: SearchParams) -> int:
        """How many rows a search without a filter re-ranks for each query."""
        plan = self._plans.kept(params) or self._plans.planned(params)
        return plan.request.rerank

    def plan(self, params: SearchParams, *, count: int) -> SearchPlan:
        """How a search of `count` queries runs; the last plan without a filter is kept.

        Callers that search one query after another pass the same parameters again;
        these are frozen, and so is the plan.
        """
        last, plans = self._last, self._plans
        if last is not None and last[:2] == (params, count) and last[3] is plans:
            return last[2]
        plan = self._cheaper(self._plan_both(params), params, count=count)
        if params.allowed is None:  # what a filter has packed is its caller's to keep
            self._last = params, count, plan, plans
        return plan

    def _cheaper(
        self, plan: SearchPlan, params: SearchParams, *, count: int
    ) -> SearchPlan:
        """`plan`, or a plan of primaries only if it costs the engine less."""
        if self.asked:  # how primaries do for the queries asked is not known
            return plan
        if plan.estimate is None or plan.adaptive:
            return plan  # and is not kept: what a filter has packed is its caller's
        primaries = self._primaries
        kept = primaries.get(id(plan))
        if kept is None:
            if len(primaries) >= KEPT_PLANS:
                primaries.clear()
            nlist = self._lists.nlist
            other = without_copies(plan, params, self._primary_points, nlist=nlist)
            kept = primaries[id(plan)] = plan, other
        other = kept[1]
        if other is None:
            return plan
        chosen = self._engine.choose_segments(
            both=plan.nprobe, primary=other.nprobe, queries=count
        )
        return plan if chosen == "both" else other

    def _plan_both(self, params: SearchParams) -> SearchPlan:
        """A plan of both segments."""
        if params.allowed is not None and params.nprobe is not None:
            return self._plans.planned(params)
        plan = self._plans.unfiltered(params)
        allowed = as_filter(params.allowed, n=self._n)
        if allowed is None:
            return plan
        return replace(plan, adaptive=True, allowed=allowed)

    def by_effort(self, plan: SearchPlan, params: SearchParams) -> SearchPlan:
        """`plan`, made from `params`, or one by the effort of each query.

        The former where no setting of the effort is known to reach the recall for less:
        with nprobe, rerank or a filter.
        """
        whole = plan.allowed is None and plan.request.segments == "both"
        if plan.estimate is None or plan.exact or params.rerank or not whole:
            return plan  # and is not kept: what a filter has packed is its caller's
        efforts = self._efforts
        kept = efforts.get(id(plan))
        if kept is None:
            if len(efforts) >= KEPT_PLANS:
                efforts.clear()
            kept = efforts[id(plan)] = plan, self._by_effort(plan, params)
        return kept[1]

    def _by_effort(self, plan: SearchPlan, params: SearchParams) -> SearchPlan:
        measured = self._plans.measured
        efforts, rerank = measured.efforts, 0
        if measured.asked:
            # What their re-ranking loses was seen with as many rows.
            efforts, rerank = measured.asked_efforts, plan.request.rerank
        target = params.target_recall or DEFAULT_TARGET_RECALL
        point = choose_point(efforts, k=params.k, target_recall=target)
        if point is None or point.k < params.k or point.low < target:
            return plan
        assert plan.estimate is not None
        if point.cost(self._alone) >= plan.estimate.cost(self._alone):
            return plan
        rerank = min(max(rerank, point.rerank), self._n)
        return replace(
            plan,
            nprobe=point.nprobe,
            request=replace(plan.request, rerank=rerank),
            estimate=point,
            grants=Grants.of(point),
        )
