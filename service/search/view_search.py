"""Search a view: its sealed version together with the newer rows."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchParams, SoarIndex
from gleann.index.arrays import Mask
from gleann.index.checks import as_vectors
from gleann.index.found import FoundRows
from gleann.index.metric import prepare
from gleann.index.newer.rows import NewerRows
from gleann.index.newer.search import merged
from gleann.service.search.allowed import AllowedInView
from gleann.service.search.assigning import Assigning
from gleann.service.views.live_index import View, require_not_empty

_assigning = Assigning()


def search(
    view: View,
    queries: NDArray[Any],
    params: SearchParams,
    *,
    allowed: AllowedInView | None,
) -> FoundRows:
    """Find the nearest vectors of each query, as rows of the view.

    Args:
        view: the state to answer from.
        queries: (nq, dim) of a dtype of the protocol; the kernels look for NaN, so
            that no pass over the queries is made before them.
        params: search parameters, without `allowed`.
        allowed: rows that may be returned; None for all.

    Raises:
        NotReadyError: the index is empty.
        InvalidInputError, InvalidParamsError: what `SoarIndex.search` refuses.
    """
    require_not_empty(view)
    newer_allowed = None if allowed is None else allowed.newer
    if view.sealed is None:
        return _search_unsealed(view, queries, params, newer_allowed)
    index = view.sealed.index
    newer = _newer_rows(view, index, newer_allowed)
    if allowed is None or allowed.sealed is None:
        return index.find_rows(queries, params, newer=newer)
    if newer is None:
        return index.find_among(queries, params, allowed.sealed)
    params = replace(params, allowed=allowed.sealed)
    return index.find_rows(queries, params, newer=newer)


def _newer_rows(view: View, index: SoarIndex, allowed: Mask | None) -> NewerRows | None:
    """What a search of `index` must know of newer changes; None without any.

    Args:
        view: the state.
        index: its sealed version.
        allowed: bool (len(delta),), newer rows that may be returned; None for all.
    """
    if not view.has_changes or (allowed is not None and not allowed.any()):
        return None
    delta = view.delta
    lists = delta.newer_lists(index)
    if allowed is None:
        rows = delta.newer_rows(index, view.alive)
    else:
        rows = delta.newer_among(index, view.alive, allowed)
    if lists.due:
        _assigning.start(lists, delta.vectors)
    return rows


def _search_unsealed(
    view: View, queries: NDArray[Any], params: SearchParams, allowed: Mask | None
) -> FoundRows:
    """Compare all rows: there are no lists before the first build."""
    checked = as_vectors(queries, name="queries", dim=view.dim)
    prepared = prepare(checked, view.metric, name="queries")
    alive = view.delta.alive if allowed is None else allowed
    count = view.delta.count if allowed is None else int(np.count_nonzero(allowed))
    if count == 0:
        return merged([], count=len(queries), k=params.k)
    rows = view.delta.unsealed(view.metric)
    live = None if count == len(alive) else alive
    packed = rows.rows(view.delta.vectors, live)
    if packed is not None and rows.lists.due:
        _assigning.start(rows.lists, view.delta.vectors)
    found = rows.search(
        prepared,
        view.delta.vectors,
        alive=live,
        k=min(params.k, count),
        packed=packed,
    )
    return merged([found], count=len(queries), k=params.k)
