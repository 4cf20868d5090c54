"""The lists that an effort grants, in NumPy: the oracle of the native engine."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.effort import Grants, bit_lengths
from gleann.index.engines.contract import IndexData
from gleann.index.lists import assignment


def granted_lists(
    data: IndexData, queries: Vectors, ranked: ListNos, grants: Grants, *, k: int
) -> ListNos:
    """Which of its best lists each query scans.

    Args:
        data: the index.
        queries: (nq, d), prepared.
        ranked: (nq, grants.most), their best lists, best first.
        grants: how many, by the depth of a query.
        k: neighbours asked for.

    Returns:
        `ranked` with -1 for lists that are not granted.
    """
    primary, copy = assignment(data.lists, n=len(data.vectors))
    copy = np.where(copy >= 0, copy, primary)
    behind = int(grants.first).bit_length()
    lists = ranked.copy()
    for query, order in zip(queries, lists, strict=True):
        first = order[: grants.first]
        best = _best(data, query, first, k=k)
        depths = np.full(data.lists.nlist, behind)
        depths[first] = bit_lengths(np.arange(grants.first))
        depth = np.minimum(depths[primary[best]], depths[copy[best]]).sum()
        depth += behind * (k - len(best))
        order[max(int(grants.budgets[depth]), grants.first) :] = -1
    return lists


def _best(data: IndexData, query: Vectors, lists: ListNos, *, k: int) -> Rows:
    """The k best distinct rows of some lists, by code, ties by the lower row."""
    offsets = data.lists.offsets
    rows: NDArray[np.int64] = np.unique(
        np.concatenate([data.lists.rows[offsets[j] : offsets[j + 1]] for j in lists])
    )
    scores = data.encoding.scan_scores(query[None], data.codes[rows])[0]
    return rows[np.lexsort((rows, -scores))[:k]]
