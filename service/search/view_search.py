"""Search a view: its sealed version together with the newer rows."""

from dataclasses import replace

import numpy as np

from gleann.index import SearchParams, SoarIndex
from gleann.index.arrays import HeldIds, Mask, Vectors
from gleann.index.found import FoundRows
from gleann.index.metric import prepare
from gleann.index.newer.rows import NewerRows
from gleann.index.newer.search import merged, search_exactly
from gleann.service.search.assigning import Assigning
from gleann.service.state.live_index import View, require_not_empty

_assigning = Assigning()


def search(
    view: View, queries: Vectors, params: SearchParams, *, allowed_ids: HeldIds | None
) -> FoundRows:
    """Find the nearest vectors of each query, as rows of the view.

    Args:
        view: the state to answer from.
        queries: float32 (nq, dim), finite.
        params: search parameters, without `allowed`.
        allowed_ids: vectors that may be returned; None for all.

    Raises:
        NotReadyError: the index is empty.
        InvalidParamsError: what `SoarIndex.search` refuses.
        UnknownIdError: unknown allowed id.
    """
    require_not_empty(view)
    allowed = None if allowed_ids is None else _mask_of(view, allowed_ids)
    if view.sealed is None:
        return _search_unsealed(view, queries, params, allowed)
    index = view.sealed.index
    if allowed is not None:
        params = replace(params, allowed=allowed[: view.sealed_rows])
    newer = _newer_rows(view, index, allowed)
    return index.find_rows(queries, params, newer=newer)


def _mask_of(view: View, ids: HeldIds) -> Mask:
    """The rows of `ids` as a mask of all rows, sealed ones first."""
    mask = np.zeros(view.sealed_rows + len(view.delta), np.bool_)
    mask[view.require(ids)] = True
    mask.flags.writeable = False
    return mask


def _newer_rows(view: View, index: SoarIndex, allowed: Mask | None) -> NewerRows | None:
    """What a search of `index` must know of newer changes; None without any."""
    if not view.has_changes:
        return None
    delta = view.delta
    lists = delta.newer_lists(index)
    if allowed is None:
        rows = delta.newer_rows(index, view.alive)
    else:
        rows = lists.rows(delta.vectors, alive=allowed[view.sealed_rows :])
    if lists.due:
        _assigning.start(lists, delta.vectors)
    return rows


def _search_unsealed(
    view: View, queries: Vectors, params: SearchParams, allowed: Mask | None
) -> FoundRows:
    """Compare all rows: there are no lists before the first build."""
    alive = view.delta.alive if allowed is None else allowed
    count = view.delta.count if allowed is None else int(np.count_nonzero(allowed))
    if count == 0:
        return merged([], count=len(queries), k=params.k)
    found = search_exactly(
        prepare(queries, view.metric, name="queries"),
        view.delta.vectors,
        alive=None if count == len(alive) else alive,
        k=min(params.k, count),
        metric=view.metric,
    )
    return merged([found], count=len(queries), k=params.k)
