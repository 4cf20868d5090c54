"""From what a caller asked for to what the engine is told: every default filled in."""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.checks import as_mask
from gleann.index.engines.contract import ScanRequest
from gleann.index.errors import InvalidParamsError
from gleann.index.params import DEFAULT_TARGET_RECALL, SearchParams
from gleann.index.tune import OperatingPoint, choose_point, default_pool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchPlan:
    """How one search runs.

    Attributes:
        nprobe: lists to probe.
        request: what to bring back from them.
        exact: scan every allowed row instead.
        estimated_recall: as measured at build time, if nprobe came from there.
    """

    nprobe: int
    request: ScanRequest
    exact: bool
    estimated_recall: float | None


def plan_search(
    params: SearchParams,
    *,
    points: tuple[OperatingPoint, ...],
    n: int,
    nlist: int,
    entries: int,
) -> SearchPlan:
    """Plan a search of an index with n rows, `nlist` lists and `entries` entries.

    A filter that allows fewer rows than the lists would read is served by an exact
    scan of those rows: it costs less and misses nothing.

    Raises:
        InvalidParamsError: k or rerank above n, nprobe above nlist.
        InvalidInputError: an `allowed` that is not bool (n,).
    """
    _check(params, n=n, nlist=nlist)
    nprobe, pool, recall = params.nprobe, params.rerank, None
    if nprobe is None:
        target = params.target_recall or DEFAULT_TARGET_RECALL
        point = choose_point(points, k=params.k, target_recall=target)
        if point is None:
            nprobe = max(1, round(nlist**0.5))
        else:
            nprobe, recall = point.nprobe, point.recall
            pool = pool or max(params.k, -(-point.rerank * params.k // point.k))
    request = ScanRequest(
        k=params.k,
        pool=min(pool or default_pool(params.k), n),
        allowed=params.allowed,
        segments=params.segments,
    )
    few = params.allowed is not None and (
        allowed_count(request, n) <= entries * nprobe / nlist
    )
    return SearchPlan(
        nprobe=nprobe,
        request=request,
        exact=params.exact or few,
        estimated_recall=None if params.allowed is not None else recall,
    )


def without_copies(
    plan: SearchPlan, params: SearchParams, points: tuple[OperatingPoint, ...]
) -> SearchPlan | None:
    """A search of primaries only that finds as much as `plan`.

    Args:
        plan: as planned from the points of both segments.
        params: what the caller asked for.
        points: the points of primaries only.

    Returns:
        None where `plan` does not follow from measured points, has a filter (which was
        not measured), or no point of primaries finds as much.
    """
    recall = plan.estimated_recall
    if recall is None or plan.exact or params.segments != "both":
        return None
    wanted = min(recall, params.target_recall or DEFAULT_TARGET_RECALL)
    point = choose_point(points, k=params.k, target_recall=wanted)
    if point is None or point.recall < wanted:
        return None
    pool = params.rerank or max(params.k, -(-point.rerank * params.k // point.k))
    request = replace(plan.request, pool=pool, segments="primary")
    return replace(
        plan, nprobe=point.nprobe, request=request, estimated_recall=point.recall
    )


def allowed_count(request: ScanRequest, n: int) -> int:
    """How many of n rows may be returned."""
    return n if request.allowed is None else int(np.count_nonzero(request.allowed))


def _check(params: SearchParams, *, n: int, nlist: int) -> None:
    for name, value in (("k", params.k), ("rerank", params.rerank)):
        if value is not None and value > n:
            raise InvalidParamsError(f"{name} is {value}, but the index has {n} rows")
    if params.nprobe is not None and params.nprobe > nlist:
        raise InvalidParamsError(
            f"nprobe is {params.nprobe}, but the index has {nlist} lists"
        )
    if params.allowed is not None:
        as_mask(params.allowed, n=n)
