"""Whether a search is light: so short that others may wait for it."""

from gleann.index import SearchParams
from gleann.service.search.task import SearchTask
from gleann.service.views.live_index import View
from gleann.service.views.sharded_view import ShardedView

LIGHT_NUMBERS = 1 << 24
"""Numbers of vectors that a light search reads, at most: some milliseconds."""

LIGHT_HITS = 1 << 14
"""Hits of a light search, at most."""

LIGHT_ROWS = 1 << 20
"""Rows of a view whose filter may have to be evaluated for a light search, at most."""


def is_light(task: SearchTask) -> bool:
    """Whether a search reads few lists, or few rows, and returns few hits."""
    view, params, count = task.view, task.params, len(task.queries)
    if isinstance(view, ShardedView):
        return False  # it waits for other processes
    if count * params.k > LIGHT_HITS or count * (params.rerank or 0) > LIGHT_HITS:
        return False
    if task.condition is not None and view.count > LIGHT_ROWS:
        return False
    return count * _share_read(view, params) * view.count * view.dim <= LIGHT_NUMBERS


def _share_read(view: View, params: SearchParams) -> float:
    """Share of the rows that a query reads; 0 where a measured setting is taken."""
    if params.exact or params.target_recall == 1 or view.sealed is None:
        return 1.0
    return (params.nprobe or 0) / view.sealed.index.nlist
