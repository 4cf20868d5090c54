"""Search a view: merge the results from the sealed version and from newer rows."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from gleann.index import SearchParams, SearchStats
from gleann.index.arrays import HeldIds, Mask, Vectors
from gleann.index.exact import exact_search_prepared
from gleann.index.found import FoundRows, sum_stats
from gleann.index.metric import prepare
from gleann.index.parallel.blas import one_blas_thread
from gleann.service.state.live_index import Sealed, View, require_not_empty

ONE_THREAD = 1 << 31
"""Products of numbers, up to which newer rows are scanned on one thread. More of them
take so long that threads which wait for each other are worth it."""

_EXACT = SearchStats(
    engine="exact",
    nprobe=0,
    rerank=0,
    lists_probed=0,
    entries_scanned=0,
    survivors=0,
    reranked=0,
    completed=0,
    estimated_recall=1.0,
    exact=True,
)


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
    old, new = _allowed(view, allowed_ids)
    parts = []
    if view.sealed is not None and (old is None or old.any()):
        parts.append(_search_sealed(view, view.sealed, queries, params, old))
    if new.any():
        parts.append(_search_delta(view, queries, params, new))
    if not parts:
        return _nothing(len(queries), params.k)
    return _merged(parts, k=params.k)


def _nothing(count: int, k: int) -> FoundRows:
    """The empty result of `count` queries, if no vector is allowed."""
    return FoundRows(
        rows=np.full((count, k), -1),
        distances=np.full((count, k), np.inf, np.float32),
        stats=_EXACT,
    )


def _allowed(view: View, allowed_ids: HeldIds | None) -> tuple[Mask | None, Mask]:
    """Masks of the allowed rows: sealed (None for all) and newer."""
    if allowed_ids is None:
        return view.alive, view.delta.alive
    rows = view.require(allowed_ids)
    mask = np.zeros(view.sealed_rows + len(view.delta), np.bool_)
    mask[rows] = True
    return mask[: view.sealed_rows], mask[view.sealed_rows :]


def _search_sealed(
    view: View,
    sealed: Sealed,
    queries: Vectors,
    params: SearchParams,
    allowed: Mask | None,
) -> FoundRows:
    k = min(params.k, len(sealed))
    rerank = params.rerank
    if rerank is not None and len(view.delta):
        # `rerank` also counts the newer rows, which are ranked in float32 anyway.
        rerank = max(k, min(rerank, len(sealed)))
    return sealed.index.find_rows(
        queries, replace(params, k=k, rerank=rerank, allowed=allowed)
    )


def _search_delta(
    view: View, queries: Vectors, params: SearchParams, allowed: Mask
) -> FoundRows:
    count = int(np.count_nonzero(allowed))
    products = len(queries) * view.delta.vectors.size
    with one_blas_thread() if products <= ONE_THREAD else nullcontext():
        rows, distances = exact_search_prepared(
            prepare(queries, view.metric, name="queries"),
            view.delta.vectors,
            metric=view.metric,
            k=min(params.k, count),
            allowed=None if count == len(allowed) else allowed,
        )
    scanned = len(queries) * count
    stats = _EXACT._replace(
        entries_scanned=scanned, survivors=scanned, reranked=scanned
    )
    # No more rows are requested than allowed, so none is -1.
    return FoundRows(rows=rows + view.sealed_rows, distances=distances, stats=stats)


def _merged(parts: list[FoundRows], *, k: int) -> FoundRows:
    """The k nearest of all parts; on ties, those of earlier parts first."""
    if len(parts) == 1 and parts[0].rows.shape[1] == k:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts], axis=1)
    distances = np.concatenate([part.distances for part in parts], axis=1)
    if (missing := k - rows.shape[1]) > 0:
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
        distances = np.pad(
            distances, ((0, 0), (0, missing)), constant_values=np.float32(np.inf)
        )
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return FoundRows(
        rows=np.take_along_axis(rows, order, axis=1),
        distances=np.take_along_axis(distances, order, axis=1),
        # The sealed version comes first: its engine and parameters are reported.
        stats=sum_stats([part.stats for part in parts]),
    )
