"""Plans a search: parameters of the caller, with all defaults filled in."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from gleann.index.arrays import Mask
from gleann.index.checks import as_mask
from gleann.index.engines.contract import ScanRequest, Work
from gleann.index.errors import InvalidParamsError
from gleann.index.found import SearchStats
from gleann.index.operating.effort import Grants
from gleann.index.operating.points import (
    Measured,
    OperatingPoint,
    choose_point,
    default_rerank,
    growth_of,
    pool_for,
    rerank_for,
)
from gleann.index.params import DEFAULT_TARGET_RECALL, RowFilter, SearchParams
from gleann.index.search.allowed import AllowedRows
from gleann.index.search.asked import with_asked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchPlan:
    """How one search runs.

    Attributes:
        nprobe: lists to probe; with `adaptive`, as many as would do without a filter.
        request: what to bring back from them.
        exact: scan every allowed row instead.
        adaptive: read as many lists as the filter takes (`filtered.py`).
        estimate: the measurement that nprobe and rerank come from; None where the
            caller gave nprobe, or nothing holds of what was measured.
        allowed: the filter, if there is one; the mask of `request` is there only where
            nprobe was given, and so is scanned with it.
        grants: how many lists each query scans, `nprobe` at most; None where all scan
            as many.
    """

    nprobe: int
    request: ScanRequest
    exact: bool
    adaptive: bool
    estimate: OperatingPoint | None
    allowed: Mask | AllowedRows | None = None
    grants: Grants | None = None


def plan_search(
    params: SearchParams,
    *,
    measured: Measured,
    n: int,
    nlist: int,
    entries: int,
) -> SearchPlan:
    """Plan a search of an index with n rows, `nlist` lists and `entries` entries.

    Where the caller gives nprobe and no rerank, what was measured says how many rows
    to re-rank.

    A target of 1 is an exhaustive search, and so is one with a filter that allows fewer
    rows than the lists that were asked for would read.

    Raises:
        InvalidParamsError: k or rerank above n, nprobe above nlist.
        InvalidInputError: an `allowed` that is not bool (n,).
    """
    _check(params, n=n, nlist=nlist)
    allowed = as_filter(params.allowed, n=n)
    if params.nprobe is not None:
        read = entries * params.nprobe / nlist
        few = allowed is not None and allowed_count(allowed, n) <= read
        rerank = params.rerank or pool_for(
            measured.pools, k=params.k, nprobe=params.nprobe
        )
        return SearchPlan(
            nprobe=params.nprobe,
            request=_request(params, rerank, n=n, allowed=mask_of(allowed)),
            exact=params.exact or few,
            adaptive=False,
            estimate=None,
            allowed=allowed,
        )
    target = params.target_recall or DEFAULT_TARGET_RECALL
    point = choose_point(measured.points, k=params.k, target_recall=target)
    if measured.asked:
        point = with_asked(point, measured.asked, k=params.k, target_recall=target)
    return SearchPlan(
        nprobe=max(1, round(nlist**0.5))
        if point is None
        else _probes(point, params, measured.points, nlist=nlist),
        request=_request(params, params.rerank or _rerank(point, params.k), n=n),
        exact=params.exact or target == 1,
        adaptive=allowed is not None,
        estimate=point,
        allowed=allowed,
    )


def as_filter(allowed: Mask | RowFilter | None, *, n: int) -> Mask | AllowedRows | None:
    """The filter; None where it allows all n rows.

    Raises:
        InvalidInputError: a mask that is not bool (n,).
    """
    if allowed is None:
        return None
    if isinstance(allowed, RowFilter):
        assert isinstance(allowed, AllowedRows)
        return None if allowed.count == n else allowed
    mask = as_mask(allowed, n=n)
    return None if mask.all() else mask


def without_copies(
    plan: SearchPlan,
    params: SearchParams,
    points: tuple[OperatingPoint, ...],
    *,
    nlist: int,
) -> SearchPlan | None:
    """A search of primaries only that finds as much as `plan`.

    Args:
        plan: as planned from the points of both segments.
        params: those of the caller.
        points: the points of primaries only.
        nlist: lists of the index.

    Returns:
        None where `plan` does not follow from measured points, has a filter (which was
        not measured), or no point of primaries finds as much.
    """
    estimate = plan.estimate
    if estimate is None or plan.exact or plan.adaptive or params.segments != "both":
        return None
    wanted = min(estimate.low, params.target_recall or DEFAULT_TARGET_RECALL)
    point = choose_point(points, k=params.k, target_recall=wanted)
    if point is None or point.low < wanted:
        return None
    rerank = params.rerank or _rerank(point, params.k) or plan.request.rerank
    request = replace(plan.request, rerank=rerank, segments="primary")
    return replace(
        plan,
        nprobe=_probes(point, params, points, nlist=nlist),
        request=request,
        estimate=point,
    )


def stats_of(
    plan: SearchPlan,
    work: Work,
    *,
    engine: str,
    completed: int,
    nprobe: int | None = None,
) -> SearchStats:
    """The statistics of a search of lists.

    Args:
        plan: as it ran.
        work: its counts.
        engine: name of the engine that answered.
        completed: queries that an exhaustive search answered.
        nprobe: lists that a query probed; None where all probed those of the plan.
    """
    recall, low, high = recalls_of(plan.estimate)
    return SearchStats(
        engine=engine,
        nprobe=plan.nprobe if nprobe is None else nprobe,
        rerank=plan.request.rerank,
        lists_probed=work.lists_probed,
        entries_scanned=work.entries_scanned,
        survivors=work.survivors,
        reranked=work.reranked,
        completed=completed,
        estimated_recall=recall,
        exact=False,
        recall_low=low,
        recall_high=high,
    )


def recalls_of(
    estimate: OperatingPoint | None,
) -> tuple[float | None, float | None, float | None]:
    """What statistics say of a recall: the estimate, its low and its high."""
    if estimate is None:
        return None, None, None
    return estimate.recall, estimate.low, estimate.high


def allowed_count(allowed: Mask | AllowedRows | None, n: int) -> int:
    """How many of n rows may be returned."""
    if isinstance(allowed, AllowedRows):
        return allowed.count
    return n if allowed is None else int(np.count_nonzero(allowed))


def mask_of(allowed: Mask | AllowedRows | None) -> Mask | None:
    """The filter as a mask (n,)."""
    return allowed.mask if isinstance(allowed, AllowedRows) else allowed


def _request(
    params: SearchParams, rerank: int | None, *, n: int, allowed: Mask | None = None
) -> ScanRequest:
    return ScanRequest(
        k=params.k,
        rerank=min(rerank or default_rerank(params.k), n),
        allowed=allowed,
        segments=params.segments,
        certain=bool(params.certain),
    )


def _probes(
    point: OperatingPoint,
    params: SearchParams,
    points: tuple[OperatingPoint, ...],
    *,
    nlist: int,
) -> int:
    """Lists to probe by the `point` chosen of `points`, of `nlist` at most.

    Beyond the largest measured k they grow as they did up to it.
    """
    if params.k <= point.k:
        return point.nprobe
    target = params.target_recall or DEFAULT_TARGET_RECALL
    power = growth_of(points, target_recall=target)
    return min(nlist, ceil(point.nprobe * (params.k / point.k) ** power))


def _rerank(point: OperatingPoint | None, k: int) -> int | None:
    """Rows to re-rank for k by a point; None without one."""
    return None if point is None else rerank_for(k, point.rerank, measured=point.k)


def _check(params: SearchParams, *, n: int, nlist: int) -> None:
    for name, value in (("k", params.k), ("rerank", params.rerank)):
        if value is not None and value > n:
            raise InvalidParamsError(f"{name} is {value}, but the index has {n} rows")
    if params.nprobe is not None and params.nprobe > nlist:
        raise InvalidParamsError(
            f"nprobe is {params.nprobe}, but the index has {nlist} lists"
        )
