"""Mine hard negatives: near rows that do not answer the query (STAR)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import Progress, SoarIndex, as_vectors
from gleann.index.arrays import Distances, Ids, Mask, Rows, Vectors
from gleann.index.checks import as_queries
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.exact import exact_search_prepared
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import ids_at, take_ids
from gleann.index.metric import pair_distances, prepare
from gleann.index.parallel.blocks import block_slices
from gleann.selection.among import Among, origin_of
from gleann.selection.curation.negatives.positives import PositiveRows
from gleann.selection.curation.negatives.request import NegativesRequest
from gleann.selection.curation.negatives.result import Negatives
from gleann.selection.heads import Heads
from gleann.selection.index_rows import among_of, id_ranks
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint, provenance
from gleann.selection.seeds import keyed_hashes

QUERY_BLOCK = 1024
"""Queries whose candidates are in memory at once."""


def mine_negatives(
    index: SoarIndex,
    request: NegativesRequest,
    *,
    progress: ProgressCallback | None = None,
) -> Negatives:
    """Find negatives that a retriever is likely to confuse with positives.

    Zhan et al. 2021, *Optimizing Dense Retrieval Model Training with Hard Negatives*
    (STAR), https://arxiv.org/abs/2104.08051, with the rules that people add: a window
    of ranks, limits on the similarity, and no near-duplicates of positives. Searches go
    deeper for a query until its window is full. Measure what they are worth on your
    data: in some domains hard negatives have helped no more than random ones.

    Args:
        index: whose rows are mined, by its metric.
        request: the queries, their positives, and which rows qualify.
        progress: called after each block of queries.

    Raises:
        InvalidInputError: no queries, or queries, positives or rows that do not fit the
            index.
        InvalidParamsError: a relative margin under l2.
    """
    if request.relative_margin is not None and index.metric == "l2":
        raise InvalidParamsError(
            "relative_margin needs the metric cosine or ip, the index has l2: give"
            " margin"
        )
    miner = _Miner.of(index, request)
    count = len(miner.queries)
    rows = np.full((count, request.per_query), -1, np.int64)
    similarities = np.full(rows.shape, np.nan, np.float32)
    for block in block_slices(count, QUERY_BLOCK):
        numbers = np.arange(block.start, block.stop)
        for query, head in zip(numbers.tolist(), miner.heads_of(numbers), strict=True):
            found = miner.pick(query, head)
            rows[query, : len(found.rows)] = found.rows
            similarities[query, : len(found.rows)] = -found.distances
        if progress is not None:
            progress(Progress(phase="mine", done=block.stop, total=count))
    if index.metric == "cosine":
        similarities += 1
    return miner.negatives(rows, similarities)


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """Rows near a query, nearest first, ties by id.

    Attributes:
        rows: int64 (k,).
        distances: float32 (k,).
    """

    rows: Rows
    distances: Distances

    def where(self, kept: Mask | slice | Rows) -> "_Near":
        return _Near(self.rows[kept], self.distances[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Miner:
    """What all queries share.

    Attributes:
        index: whose rows are mined.
        request: of the caller.
        queries: float32 (m, d), prepared.
        own: int64 (m,), the row of each query, -1 for vectors.
        positives: of each query.
        among: the rows to mine; None for all.
        ranks: of ids, see `index_rows.id_ranks`.
    """

    index: SoarIndex
    request: NegativesRequest
    queries: Vectors
    own: Rows
    positives: PositiveRows
    among: Among | None
    ranks: Rows | None

    @classmethod
    def of(cls, index: SoarIndex, request: NegativesRequest) -> "_Miner":
        queries, own = _queries_of(index, request)
        return cls(
            index,
            request,
            queries,
            own,
            PositiveRows.of(request.positives, index, queries=len(queries)),
            among_of(request.among, index),
            id_ranks(index),
        )

    def heads_of(self, numbers: NDArray[np.int64]) -> list[_Near]:
        """The candidates of queries, as many as the window takes where there are."""
        heads = Heads(
            self.index,
            self.queries[numbers],
            among=self.among,
            ranks=self.ranks,
            target_recall=self.request.target_recall,
        )
        last = self.request.window[1]
        found = [_Near(np.empty(0, np.int64), np.empty(0, np.float32))] * len(numbers)
        # A query usually finds its positives and itself before anything else.
        depths = last + 1 + self.positives.counts[numbers]
        left = np.arange(len(numbers))
        while left.size:
            levels = _powers(depths[left])
            for level in np.unique(levels).tolist():
                heads.deepen(left[levels == level], level)
            still = []
            for at in left.tolist():
                head = heads.heads[at]
                near = _Near(head.rows, head.distances).where(slice(head.settled))
                found[at] = self._candidates(int(numbers[at]), near)
                if len(found[at].rows) < last and not head.complete:
                    depths[at] = 2 * head.depth
                    still.append(at)
            left = np.array(still, np.int64)
        return found

    def _candidates(self, query: int, near: _Near) -> _Near:
        """The rows that are neither the query, nor a positive, nor near one."""
        positives = self.positives.of_query(query)
        barred = np.isin(near.rows, positives) | (near.rows == self.own[query])
        near = near.where(~barred)
        radius = self.request.duplicate_radius
        if radius is None or not len(positives) or not len(near.rows):
            return near
        metric = self.index.metric
        _, apart = exact_search_prepared(
            self._vectors(near.rows),
            self._vectors(positives),
            metric="l2" if metric == "ip" else metric,
            k=1,
        )
        return near.where(apart[:, 0] > np.float32(radius))

    def pick(self, query: int, candidates: _Near) -> _Near:
        """The negatives of a query among its candidates."""
        low, high = self.request.window
        near = candidates.where(slice(low, high))
        near = near.where(near.distances >= self._least_distance(query))
        count = self.request.per_query
        if self.request.sampling == "top" or len(near.rows) <= count:
            return near.where(slice(count))
        bits = keyed_hashes(
            take_ids(self.index.held_ids, near.rows),
            seed=self.request.seed,
            purpose=f"negatives of query {self._name(query)}",
        )
        drawn = np.argsort(bits, kind="stable")[:count]
        return near.where(np.sort(drawn))

    def _least_distance(self, query: int) -> float:
        """How far a negative of a query must be, at least."""
        offset = 1.0 if self.index.metric == "cosine" else 0.0
        request, most = self.request, np.inf
        if request.max_similarity is not None:
            most = float(request.max_similarity)
        positives = self.positives.of_query(query)
        limited = request.margin is not None or request.relative_margin is not None
        if limited and len(positives):
            distances = pair_distances(
                self.queries[query : query + 1],
                self._vectors(positives)[None],
                self.index.metric,
            )
            least = offset - float(distances.max())
            if request.margin is not None:
                most = min(most, least - request.margin)
            if request.relative_margin is not None:
                lost = (1 - request.relative_margin) * abs(least)
                most = min(most, least - lost)
        return offset - most

    def _name(self, query: int) -> int | str:
        """What a query is called in draws: its id, or its number."""
        if self.own[query] < 0:
            return query
        return ids_at(self.index.held_ids, self.own[query : query + 1]).tolist()[0]

    def _vectors(self, rows: Rows) -> Vectors:
        return np.ascontiguousarray(self.index.stored_rows[rows])

    def negatives(self, rows: Rows, similarities: NDArray[np.float32]) -> Negatives:
        """The answer, with its shortfall and its origin."""
        request = self.request
        shortfall = (rows < 0).sum(axis=1)
        return Negatives(
            rows=rows,
            ids=ids_at(self.index.held_ids, rows),
            similarities=similarities,
            query_ids=self._query_ids(),
            shortfall=shortfall,
            summary={
                "method": "hard_negatives",
                "queries": len(rows),
                "negatives": int((rows >= 0).sum()),
                "shortfall": int(shortfall.sum()),
                "short_queries": int((shortfall > 0).sum()),
            },
            provenance=provenance(
                "hard_negatives",
                params=_params(request, self.queries),
                seed=request.seed if request.sampling == "random" else None,
                data_hash=self.index.data_hash,
            )
            | origin_of(self.among),
        )

    def _query_ids(self) -> Ids:
        if self.request.query_ids is None:
            return np.arange(len(self.queries))
        return ids_at(self.index.held_ids, self.own)


def _queries_of(index: SoarIndex, request: NegativesRequest) -> tuple[Vectors, Rows]:
    """The queries, prepared, and the row of each, -1 for vectors."""
    if request.query_ids is not None:
        held = hold_distinct(request.query_ids, name="query_ids")
        if not len(held):
            raise InvalidInputError("query_ids has 0 ids, at least 1 is needed")
        rows = index.rows_of(request.query_ids)
        return np.ascontiguousarray(index.stored_rows[rows]), rows
    assert request.queries is not None
    given = as_vectors(
        as_queries(request.queries, name="queries"), name="queries", dim=index.dim
    )
    prepared = prepare(given, index.metric, name="queries")
    return prepared, np.full(len(prepared), -1, np.int64)


def _powers(depths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least powers of two (m,) that are not below `depths`."""
    return (2 ** np.ceil(np.log2(depths))).astype(np.int64)


def _params(request: NegativesRequest, queries: Vectors) -> dict[str, Any]:
    return {
        "queries": len(queries),
        "queries_hash": fingerprint(queries),
        "per_query": request.per_query,
        "window": list(request.window),
        "max_similarity": request.max_similarity,
        "margin": request.margin,
        "relative_margin": request.relative_margin,
        "duplicate_radius": request.duplicate_radius,
        "sampling": request.sampling,
        "target_recall": float(request.target_recall),
    }
