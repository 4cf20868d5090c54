"""Search a view for all rows within a distance."""

import numpy as np

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.found import RowsWithin, SearchStats, sum_stats
from gleann.index.metric import prepare
from gleann.index.newer.search import EXACT
from gleann.index.search.within import (
    Hits,
    find_within,
    joined,
    ordered,
    require_limit,
    require_radius,
)
from gleann.service.state.live_index import View, require_not_empty


def search_radius(
    view: View,
    queries: Vectors,
    radius: float,
    *,
    target_recall: float,
    limit: int | None,
    allowed: Mask | None,
) -> RowsWithin:
    """Find all rows within a distance of each query, as rows of the view.

    Args:
        view: the state to answer from.
        queries: float32 (nq, dim), finite.
        radius: the greatest distance of a hit, as the metric measures it.
        target_recall: 1 looks wherever a hit can be.
        limit: most hits of a query, its nearest; None for all.
        allowed: bool (sealed rows + newer rows,), of live rows only; None for all.

    Raises:
        NotReadyError: the index is empty.
        InvalidParamsError: a radius that is not finite, or below 0 under l2 and cosine;
            a limit below 1; a target that is not above 0 and at most 1.
    """
    require_not_empty(view)
    require_limit(limit)
    greatest = require_radius(radius, view.metric)
    mask = view.live if allowed is None else allowed
    old, new = mask[: view.sealed_rows], mask[view.sealed_rows :]
    parts: list[Hits] = []
    stats: list[SearchStats] = []
    complete = True
    if view.sealed is not None and old.any():
        found = view.sealed.index.find_within(
            queries,
            greatest,
            target_recall=target_recall,
            limit=limit,
            allowed=None if old.all() else old,
        )
        parts.append(Hits(_queries_of(found), found.rows, found.distances))
        stats.append(found.stats)
        complete = found.complete
    if new.any():
        hits, cost = _among_newer(view, queries, greatest, limit, new)
        parts.append(hits)
        stats.append(cost)
    hits = ordered(joined(parts), limit=limit)
    return RowsWithin(
        offsets=hits.offsets(len(queries)),
        rows=hits.rows,
        distances=hits.distances,
        complete=complete,
        stats=sum_stats(stats) if stats else EXACT,
    )


def _queries_of(found: RowsWithin) -> Rows:
    counts = np.diff(found.offsets)
    return np.repeat(np.arange(len(counts)), counts)


def _among_newer(
    view: View, queries: Vectors, radius: float, limit: int | None, allowed: Mask
) -> tuple[Hits, SearchStats]:
    """The hits among the newer rows, all of which are compared."""
    hits = find_within(
        prepare(queries, view.metric, name="queries"),
        view.delta.vectors,
        metric=view.metric,
        radius=radius,
        limit=limit,
        allowed=None if allowed.all() else allowed,
    )
    compared = len(queries) * int(np.count_nonzero(allowed))
    stats = EXACT._replace(
        entries_scanned=compared, survivors=compared, reranked=compared
    )
    return Hits(hits.queries, hits.rows + view.sealed_rows, hits.distances), stats
