"""All vectors of a view within a distance: of its sealed version and newer ones."""

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.found import RowsWithin, sum_stats
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
from gleann.service.search.allowed import AllowedInView
from gleann.service.views.live_index import View, require_not_empty


def search_radius(
    view: View,
    queries: Vectors,
    radius: float,
    *,
    target_recall: float,
    limit: int | None,
    allowed: AllowedInView | None,
) -> RowsWithin:
    """Find the vectors within a distance of each query, as rows of the view.

    Newer rows are all compared, whatever the target.

    Args:
        view: the state to answer from.
        queries: float32 (nq, dim), finite.
        radius: the greatest distance of a hit.
        target_recall: as in `SoarIndex.search_radius`.
        limit: most hits of a query, its nearest; None for all.
        allowed: rows that may be hits; None for all.

    Raises:
        NotReadyError: the index is empty.
        InvalidParamsError: what `SoarIndex.search_radius` refuses.
    """
    require_not_empty(view)
    require_limit(limit)
    rounded = require_radius(radius, view.metric)
    parts, stats, complete = [], [], True
    if view.sealed is not None:
        live = None if view.alive is None else view.alive.mask
        found = view.sealed.index.find_within(
            queries,
            radius,
            target_recall=target_recall,
            limit=limit,
            allowed=live if allowed is None else allowed.sealed,
        )
        asked = np.repeat(np.arange(len(queries)), np.diff(found.offsets))
        parts.append(Hits(asked, found.rows, found.distances))
        stats.append(found.stats)
        complete = found.complete
    alive = view.delta.alive if allowed is None else allowed.newer
    if alive.any() or not parts:
        hits = find_within(
            prepare(queries, view.metric, name="queries"),
            view.delta.vectors,
            metric=view.metric,
            radius=rounded,
            limit=limit,
            allowed=alive,
        )
        rows = hits.rows + view.sealed_rows
        parts.append(Hits(hits.queries, rows, hits.distances))
        compared = len(queries) * len(alive)
        stats.append(
            EXACT._replace(
                entries_scanned=compared, survivors=compared, reranked=compared
            )
        )
    hits = ordered(joined(parts), limit=limit)
    return RowsWithin(
        offsets=hits.offsets(len(queries)),
        rows=hits.rows,
        distances=hits.distances,
        complete=complete,
        stats=sum_stats(stats),
    )
