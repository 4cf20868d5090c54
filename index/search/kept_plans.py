"""Plans of searches without a filter, kept by their parameters."""

from dataclasses import replace

from gleann.index.lists import InvertedLists
from gleann.index.operating.points import Measured
from gleann.index.params import SearchParams
from gleann.index.search.plan import SearchPlan, plan_search

KEPT_PLANS = 64
"""Plans that are kept: choosing an operating point takes as long as a small scan."""


class KeptPlans:
    """Plans the searches of one index.

    Args:
        measured: of both segments.
        n: rows of the index.
        lists: its lists.
        fits: whether what was measured holds for its rows; else no recall is estimated.

    Attributes:
        measured: as given.
    """

    def __init__(
        self, measured: Measured, *, n: int, lists: InvertedLists, fits: bool
    ) -> None:
        self.measured = measured
        self._n = n
        self._lists = lists
        self._fits = fits
        self._plans: dict[tuple[object, ...], SearchPlan] = {}
        self._last: tuple[SearchParams, SearchPlan] | None = None

    def planned(self, params: SearchParams) -> SearchPlan:
        """The plan of a search with its filter, made anew."""
        plan = plan_search(
            params,
            measured=self.measured,
            n=self._n,
            nlist=self._lists.nlist,
            entries=self._lists.entries,
        )
        return plan if self._fits else replace(plan, estimate=None)

    def kept(self, params: SearchParams) -> SearchPlan | None:
        """The plan without the filter, made once; None where nprobe is given."""
        return None if params.nprobe is not None else self.unfiltered(params)

    def unfiltered(self, params: SearchParams) -> SearchPlan:
        """The plan without the filter, made once."""
        last = self._last
        if last is not None and last[0] is params:
            return last[1]
        key = (
            params.k,
            params.nprobe,
            params.rerank,
            params.target_recall,
            params.exact,
            params.segments,
            params.certain,
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            plan = self.planned(replace(params, allowed=None))
            self._plans[key] = plan
        if params.allowed is None:  # what a filter has packed is its caller's to keep
            self._last = params, plan
        return plan
