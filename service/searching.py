"""Searching a view: the sealed version and the newer rows, merged."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from gleann.index import Found, SearchParams, SearchStats
from gleann.index.arrays import Ids, Mask, Vectors
from gleann.index.blas import one_blas_thread
from gleann.index.errors import InvalidParamsError
from gleann.index.exact import exact_search_prepared
from gleann.index.metric import prepare
from gleann.index.params import Metric
from gleann.service.live_index import Delta, Sealed, View
from gleann.service.registry import require_vectors

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
    view: View, queries: Vectors, params: SearchParams, *, allowed_ids: Ids | None
) -> Found:
    """Find the nearest vectors of each query.

    Args:
        view: the state to answer from.
        queries: float32 (nq, dim), finite.
        params: how; without `allowed`.
        allowed_ids: vectors that may be returned; None for all.

    Raises:
        NotReadyError: the index is empty.
        InvalidParamsError: k above the number of vectors, or what `SoarIndex.search`
            refuses.
        UnknownIdError: an allowed id is not there.
    """
    require_vectors(view)
    if params.k > view.count:
        raise InvalidParamsError(
            f"k is {params.k}, but {view.name!r} holds {view.count} vectors"
        )
    old, new = _allowed(view, allowed_ids)
    parts = []
    if view.sealed is not None and (old is None or old.any()):
        parts.append(_search_sealed(view, view.sealed, queries, params, old))
    if new.any():
        parts.append(_search_delta(view.delta, queries, params, new, view.metric))
    if not parts:
        return _nothing(view, len(queries), params.k)
    return _merged(parts, k=params.k)


def _nothing(view: View, count: int, k: int) -> Found:
    """The answer of `count` queries that no vector may answer."""
    ids = view.ids_at(np.empty(0, np.int64))
    none: int | str = "" if ids.dtype.kind == "U" else -1
    nobody: Ids = np.full((count, k), none)
    return Found(
        ids=nobody,
        distances=np.full((count, k), np.inf, np.float32),
        stats=_EXACT,
    )


def _allowed(view: View, allowed_ids: Ids | None) -> tuple[Mask | None, Mask]:
    """Which rows may be returned, of the sealed version (None for all) and newer."""
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
) -> Found:
    k = min(params.k, len(sealed))
    rerank = params.rerank
    if rerank is not None and len(view.delta):
        # The caller counts the newer rows too, which are ranked in float32 anyway.
        rerank = max(k, min(rerank, len(sealed)))
    return sealed.index.answer(
        queries, replace(params, k=k, rerank=rerank, allowed=allowed)
    )


def _search_delta(
    delta: Delta, queries: Vectors, params: SearchParams, allowed: Mask, metric: Metric
) -> Found:
    count = int(np.count_nonzero(allowed))
    products = len(queries) * delta.vectors.size
    with one_blas_thread() if products <= ONE_THREAD else nullcontext():
        rows, distances = exact_search_prepared(
            prepare(queries, metric, name="queries"),
            delta.vectors,
            metric=metric,
            k=min(params.k, count),
            allowed=None if count == len(allowed) else allowed,
        )
    scanned = len(queries) * count
    stats = _EXACT._replace(
        entries_scanned=scanned, survivors=scanned, reranked=scanned
    )
    return Found(ids=delta.ids[rows], distances=distances, stats=stats)


def _merged(parts: list[Found], *, k: int) -> Found:
    """The k nearest of all parts, those of the first part first where they tie."""
    if len(parts) == 1 and parts[0].ids.shape[1] == k:
        return parts[0]
    ids = np.concatenate([part.ids for part in parts], axis=1)
    distances = np.concatenate([part.distances for part in parts], axis=1)
    if (missing := k - ids.shape[1]) > 0:
        none = "" if ids.dtype.kind == "U" else -1
        ids = np.pad(ids, ((0, 0), (0, missing)), constant_values=none)
        distances = np.pad(
            distances, ((0, 0), (0, missing)), constant_values=np.float32(np.inf)
        )
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return Found(
        ids=np.take_along_axis(ids, order, axis=1),
        distances=np.take_along_axis(distances, order, axis=1),
        stats=_summed([part.stats for part in parts]),
    )


def _summed(stats: list[SearchStats]) -> SearchStats:
    """What the search cost; the sealed version, which comes first, says how it went."""
    return stats[0]._replace(
        entries_scanned=sum(part.entries_scanned for part in stats),
        survivors=sum(part.survivors for part in stats),
        reranked=sum(part.reranked for part in stats),
    )
