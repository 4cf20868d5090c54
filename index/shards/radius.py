"""All rows of an index in shards within a distance of a query."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import Work
from gleann.index.errors import UnavailableError
from gleann.index.found import FoundRows, FoundWithin, RowsWithin, SearchStats
from gleann.index.ids.held import joined_ids, to_numpy
from gleann.index.metric import prepare
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import SearchParams
from gleann.index.search.radius import probed_within
from gleann.index.shards.asking import Asked
from gleann.index.shards.filters import ShardedFilter
from gleann.index.shards.merge import PartWithin, merge_within, summed
from gleann.index.shards.questions import Within
from gleann.index.shards.rows_of_shards import RowsOfShards, no_ids
from gleann.index.shards.search import ShardedSearcher


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HitsWithin:
    """All hits of some queries, nearest first, ties by id.

    Attributes:
        offsets: int64 (nq + 1,); query i has the hits offsets[i] to offsets[i + 1].
        rows: int64 (m,), counted over all shards.
        ids: (m,).
        distances: float32 (m,).
        complete: whether none is missing, but for what a limit cut off.
        stats: of the search.
    """

    offsets: NDArray[np.int64]
    rows: Rows
    ids: HeldIds
    distances: NDArray[np.float32]
    complete: bool
    stats: SearchStats

    def by_row(self) -> RowsWithin:
        """The same by row."""
        return RowsWithin(
            offsets=self.offsets,
            rows=self.rows,
            distances=self.distances,
            complete=self.complete,
            stats=self.stats,
        )

    def by_id(self) -> FoundWithin:
        """The same by id."""
        return FoundWithin(
            offsets=self.offsets,
            ids=to_numpy(self.ids),
            distances=self.distances,
            complete=self.complete,
            stats=self.stats,
        )


class ShardedRadius:
    """Finds the rows of all shards within a distance.

    Args:
        index: whose rows.
        searcher: of the same shards.
    """

    def __init__(self, index: RowsOfShards, searcher: ShardedSearcher) -> None:
        self._index = index
        self._searcher = searcher

    def all_within(
        self,
        queries: Vectors,
        radius: float,
        *,
        limit: int | None,
        allowed: ShardedFilter | None,
    ) -> HitsWithin:
        """Every allowed row within `radius`, or the nearest `limit` of each query.

        Args:
            queries: (nq, d), not prepared and perhaps not finite.
            radius: as `require_radius` returns it.
            limit: most hits a query; None for all.
            allowed: rows that may be hits; None for all.
        """
        require_finite(queries, name="queries")
        prepare(queries, self._searcher.metric, name="queries")  # refuses zero vectors
        numbers = self._searcher.numbers(allowed)
        blocks = block_slices(len(queries), self._index.shards.block)

        def asked(some: Vectors) -> Asked:
            return {
                number: Within(
                    queries=some,
                    radius=radius,
                    limit=limit,
                    allowed=None if allowed is None else allowed.of_shard[number],
                )
                for number in numbers
            }

        lost: set[int] = set()
        found = []
        answers = self._index.shards.ask_each(asked(queries[b]) for b in blocks)
        for block, parts in zip(blocks, answers, strict=True):
            lost |= set(numbers) - set(parts)
            if numbers and not parts:
                raise UnavailableError(f"none of {len(numbers)} shards answers")
            found.append((block.start, _merged(self._index, parts, limit)))
        work = summed([Work(), *(part.work for _, part in found)])
        stats = _compared(work, covered=self._searcher.covered(lost))
        return _hits(found, len(queries), complete=not lost, stats=stats)

    def probed(
        self,
        queries: Vectors,
        radius: float,
        *,
        target_recall: float,
        limit: int | None,
        allowed: ShardedFilter | None,
    ) -> HitsWithin:
        """Rows within `radius` among the nearest that a search finds.

        Args:
            queries: as in `all_within`.
            radius: as in `all_within`.
            target_recall: of the search, below 1.
            limit: as in `all_within`.
            allowed: as in `all_within`.
        """
        most = len(self._index) if allowed is None else allowed.count

        def search(some: Vectors, k: int) -> FoundRows:
            params = SearchParams(k=k, target_recall=target_recall)
            answer = self._searcher.search(some, params, allowed)
            return FoundRows(
                rows=answer.found.rows,
                distances=answer.found.distances,
                stats=answer.stats,
            )

        hits, stats = probed_within(
            search,
            queries,
            radius,
            most=max(1, most if limit is None else min(limit, most)),
        )
        part = PartWithin(
            queries=hits.queries,
            rows=hits.rows,
            distances=hits.distances,
            ids=self._index.held_ids_at(hits.rows),
            work=Work(),
        )
        ordered = merge_within([part], offsets=[0], limit=limit)
        complete = stats.exact and stats.covered == 1
        return _hits([(0, ordered)], len(queries), complete=complete, stats=stats)


def _merged(
    index: RowsOfShards, parts: Mapping[int, PartWithin], limit: int | None
) -> PartWithin:
    if not parts:  # nothing is allowed of any shard
        none = np.empty(0, np.int64)
        return PartWithin(
            queries=none,
            rows=none,
            distances=np.empty(0, np.float32),
            ids=no_ids(index.id_kind, 0),
            work=Work(),
        )
    offsets = [index.manifest.offsets[number] for number in parts]
    return merge_within(list(parts.values()), offsets=offsets, limit=limit)


def _compared(work: Work, *, covered: float) -> SearchStats:
    """The statistics of a search that looked wherever a hit can be."""
    return SearchStats(
        engine="exact",
        nprobe=0,
        rerank=0,
        lists_probed=work.lists_probed,
        entries_scanned=work.entries_scanned,
        survivors=work.survivors,
        reranked=work.reranked,
        completed=0,
        estimated_recall=covered,
        exact=covered == 1,
        recall_low=covered,
        recall_high=covered,
        covered=covered,
    )


def _hits(
    found: list[tuple[int, PartWithin]],
    count: int,
    *,
    complete: bool,
    stats: SearchStats,
) -> HitsWithin:
    """The hits of blocks of queries, each with the number of its first query."""
    queries = np.concatenate([start + part.queries for start, part in found])
    return HitsWithin(
        offsets=np.searchsorted(queries, np.arange(count + 1)).astype(np.int64),
        rows=np.concatenate([part.rows for _, part in found]),
        ids=joined_ids([part.ids for _, part in found]),
        distances=np.concatenate([part.distances for _, part in found]),
        complete=complete,
        stats=stats,
    )
