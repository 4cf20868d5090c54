"""One call for a coreset request: choose by name, within groups, and its baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress
from gleann.index.arrays import Rows
from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import as_rows
from gleann.selection.coreset import methods
from gleann.selection.coreset.baselines import Baselines, Choose, choose_baselines
from gleann.selection.coreset.methods.defaults import COST_WEIGHT, RADIUS_STEP
from gleann.selection.coreset.methods.draws import draw_within_groups
from gleann.selection.coreset.parallel.method import parallel_weighted_k_center
from gleann.selection.coreset.problem import CostOn, Problem
from gleann.selection.coreset.quotas import (
    equal_quotas,
    proportional_quotas,
    within_groups,
)
from gleann.selection.coreset.result import Coreset
from gleann.selection.groups import Label, Quota, as_groups
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection
from gleann.selection.uniform import uniform as draw_uniform

MethodName = Literal[
    "weighted_k_center", "farthest_first", "gist", "ccs", "margin", "random"
]
QuotaRule = Literal["proportional", "equal"]

QUOTA_RULES: dict[str, Callable[..., dict[Label, int]]] = {
    "proportional": proportional_quotas,
    "equal": equal_quotas,
}
"""How k rows are shared among groups, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Method:
    """How a request calls a method.

    Attributes:
        solve: the method; takes the problem, then its options by name.
        options: names of its own parameters that a request may set.
        draws: whether it takes a seed.
        reports: whether it takes a progress callback.
        needs_costs: whether it cannot do without costs.
    """

    solve: Callable[..., Coreset]
    options: tuple[str, ...] = ()
    draws: bool = False
    reports: bool = False
    needs_costs: bool = False


def _weighted_k_center(
    problem: Problem,
    *,
    eps: float = RADIUS_STEP,
    shards: int = 1,
    progress: ProgressCallback | None = None,
) -> Coreset:
    return parallel_weighted_k_center(
        problem, eps=eps, shards=shards, progress=progress
    )


_METHODS: dict[str, _Method] = {
    "weighted_k_center": _Method(
        solve=_weighted_k_center, options=("eps", "shards"), reports=True
    ),
    "farthest_first": _Method(solve=methods.farthest_first, draws=True, reports=True),
    "gist": _Method(solve=methods.gist, options=("diversity", "eps"), needs_costs=True),
    "ccs": _Method(
        solve=methods.ccs,
        options=("hardest_share", "strata"),
        draws=True,
        needs_costs=True,
    ),
    "margin": _Method(solve=methods.margin, needs_costs=True),
    "random": _Method(solve=methods.uniform, draws=True),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoresetRequest:
    """A choice of rows, by the name of its method.

    Attributes:
        method: one of `MethodName`.
        k: rows to choose.
        costs: (n,) at least 0, small where a row should be chosen; None for none, which
            "gist", "ccs" and "margin" do not allow.
        cost_weight: lambda of the objective radius + lambda * cost; None is
            `defaults.COST_WEIGHT` for "weighted_k_center" and 0 for the others.
        cost_on: what it multiplies, the "sum" or the "mean" of the chosen rows' costs.
        locked: rows that are centres already, or a mask (n,) of them; never chosen.
        among: the rows to choose from and to cover, or a mask (n,) of them; None for
            all. Locked rows may be others.
        groups: (n,) integers, strings or other words, to choose within each; None for
            no groups.
        quotas: how groups share k: "proportional" to their open rows, "equal", or the
            number or share of each group, as in `within_groups`.
        seed: of the methods that draw, and of the baselines.
        options: parameters of the method by name: "eps" and "shards" of
            "weighted_k_center", "diversity" and "eps" of "gist", "hardest_share" and
            "strata" of "ccs". Those not given have the values of `methods.defaults`.

    Raises:
        InvalidParamsError: an unknown method, quota rule or option.
        InvalidInputError: no costs where the method needs them.
    """

    method: MethodName
    k: int
    costs: ArrayLike | None = None
    cost_weight: float | None = None
    cost_on: CostOn = "sum"
    locked: ArrayLike | None = None
    among: AmongLike | None = None
    groups: ArrayLike | None = None
    quotas: QuotaRule | Mapping[Label, Quota] = "proportional"
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_one_of("method", self.method, get_args(MethodName))
        if not isinstance(self.quotas, Mapping):
            require_one_of("quotas", self.quotas, get_args(QuotaRule))
        method = _METHODS[self.method]
        if strange := [name for name in self.options if name not in method.options]:
            known = ", ".join(method.options) or "none"
            raise InvalidParamsError(
                f"{self.method} has no option {strange[0]!r}; its options are: {known}"
            )
        if method.needs_costs and self.costs is None:
            raise InvalidInputError(f"{self.method} needs costs, got None")

    def problem(self, vectors: ArrayLike, *, device: str | None = None) -> Problem:
        """The problem that the method solves; see `Problem.of`."""
        weight = self.cost_weight
        if weight is None:
            weight = COST_WEIGHT if self.method == "weighted_k_center" else 0.0
        return Problem.of(
            vectors,
            k=self.k,
            costs=self.costs,
            cost_weight=weight,
            cost_on=self.cost_on,
            locked=self.locked,
            among=self.among,
            device=device,
        )

    def shares(self, groups: NDArray[Any], *, locked: Rows) -> Mapping[Label, Quota]:
        """Rows of each group (k in all), by its quota or the rule on open rows."""
        if isinstance(self.quotas, Mapping):
            return self.quotas
        return QUOTA_RULES[self.quotas](np.delete(groups, locked), k=self.k)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoresetAnswer:
    """The answer to a request.

    Attributes:
        chosen: by the method.
        baselines: of the same problem; None for the method "random", which is one.
    """

    chosen: Coreset
    baselines: Baselines | None

    def to_selection(self, ids: ArrayLike | None = None) -> Selection:
        """The chosen rows, with the numbers of the baselines in the summary.

        Args:
            ids: (n,) names of the rows; None numbers them.
        """
        selection = self.chosen.to_selection(ids)
        if self.baselines is None:
            return selection
        summary = {**selection.summary, **self.baselines.summary()}
        return replace(selection, summary=summary)


def select(
    request: CoresetRequest,
    vectors: ArrayLike,
    *,
    device: str | None = None,
    progress: ProgressCallback | None = None,
) -> CoresetAnswer:
    """Choose rows as requested, and the baselines that show whether it pays.

    Args:
        request: the method and its parameters.
        vectors: (n, d); plain L2 between them must be the intended metric
            (`metric_vectors` provides it).
        device: torch's name of the device that measures distances; None is the host.
        progress: called during the choice, with the phase "compare" before the
            baselines, and during them.

    Raises:
        InvalidInputError: vectors, costs, locked rows or groups that cannot be used.
        InvalidParamsError: k, a quota, cost_weight or an option out of range.
        EngineUnavailableError: no such device, or it failed.
        DeviceMemoryError: too little memory on it.
    """
    problem = request.problem(vectors, device=device).reporting(progress)
    choose = _chooser(request, problem)
    method = _METHODS[request.method]
    reporting = {"progress": progress} if method.reports else {}
    chosen = choose(
        partial(method.solve, **request.options, **reporting),
        seed=request.seed if method.draws else None,
    )
    if request.method == "random":
        return CoresetAnswer(chosen=chosen, baselines=None)
    if progress is not None:
        progress(Progress(phase="compare", done=0, total=problem.k))
    baselines = choose_baselines(
        choose,
        method=request.method,
        priced=problem.priced,
        seed=request.seed,
        progress=progress,
    )
    return CoresetAnswer(chosen=chosen, baselines=baselines)


def draw(request: CoresetRequest, *, n: int, ids: ArrayLike | None = None) -> Selection:
    """The rows of the method "random", drawn without vectors and not measured.

    For rows without a metric, such as those of an index for inner product.

    Args:
        request: of the method "random".
        n: rows to draw from.
        ids: (n,) names of the rows; None numbers them.
    """
    locked = as_rows(
        [] if request.locked is None else request.locked, n=n, name="locked"
    )
    # Masks, as rows would be read as ids.
    mask = np.zeros(n, np.bool_)
    mask[locked] = True
    within = Among.of(request.among, n=n)
    among = None if within is None else within.mask
    if request.groups is None:
        return draw_uniform(
            n, k=request.k, seed=request.seed, ids=ids, excluded=mask, among=among
        )
    groups = as_groups(request.groups)
    closed = mask if among is None else mask | ~among
    return draw_within_groups(
        groups,
        quotas=request.shares(groups, locked=np.flatnonzero(closed)),
        k=request.k,
        locked=mask,
        seed=request.seed,
        ids=ids,
        among=among,
    )


def _chooser(request: CoresetRequest, problem: Problem) -> Choose:
    """Calls of any method on the problem, within groups where the request has any."""
    if request.groups is None:

        def choose(method: Callable[..., Coreset], *, seed: int | None) -> Coreset:
            return method(problem) if seed is None else method(problem, seed=seed)

        return choose
    groups = as_groups(request.groups)
    quotas = request.shares(
        problem.of_these(groups, name="groups"), locked=problem.locked
    )

    def choose_within(method: Callable[..., Coreset], *, seed: int | None) -> Coreset:
        return within_groups(method, problem, groups=groups, quotas=quotas, seed=seed)

    return choose_within
