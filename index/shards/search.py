"""Searches of an index in shards: planned once, asked of every shard, merged.

What is planned by is that of the whole index, so the lists of the shards together have
the entries that one index would read. A shard is asked for

- the neighbours and the rows to re-rank that its share of all rows takes
  (`per_shard_k.py`); but for k neighbours where these are at most `SMALL_K`, and as
  many of both as were named where the caller gave nprobe or `rerank`;
- k of the queries of which it returned as many as it was asked for, if all of these
  are among the nearest: it may have more;
- all of its rows, for queries that the lists of all shards leave short of k.

So where all rows that score well enough are re-ranked, the answer is that of the one
index, whatever the number of shards.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gleann.index.arrays import Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import Engine, ScanRequest, Work
from gleann.index.errors import UnavailableError
from gleann.index.found import SearchStats
from gleann.index.metric import prepare
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import Metric, SearchParams
from gleann.index.search.plan import SearchPlan, plan_search, recalls_of
from gleann.index.shards.asking import Asked, Shards, ask
from gleann.index.shards.filters import ShardedFilter, ShardFilter
from gleann.index.shards.manifest import ShardsManifest
from gleann.index.shards.merge import (
    Neighbours,
    Part,
    joined,
    may_have_more,
    merge,
    of_queries,
    summed,
    widened,
    with_answers,
)
from gleann.index.shards.per_shard_k import SHARE_OF_POOL, SMALL_K, per_shard_k
from gleann.index.shards.questions import ScanAll, ScanFiltered, ScanLists
from gleann.index.shards.rows_of_shards import no_ids
from gleann.index.storage.packing import Header


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searched:
    """The answer of a search.

    Attributes:
        found: rows are counted over all shards.
        stats: of the whole search.
    """

    found: Neighbours
    stats: SearchStats


@dataclass(slots=True, eq=False)
class _Run:
    """One search, as it goes.

    Attributes:
        params: with no more neighbours than there are rows.
        plan: made once.
        allowed: rows that may be returned; None for all.
        lost: shards that did not answer, where that is not refused.
        works: what each answer cost.
        completed: queries that had to be compared with all rows.
        engine: name of what answered first.
    """

    params: SearchParams
    plan: SearchPlan
    allowed: ShardedFilter | None
    lost: set[int] = field(default_factory=set)
    works: list[Work] = field(default_factory=list)
    completed: int = 0
    engine: str = ""

    def of_shard(self, number: int) -> ShardFilter | None:
        """What may be returned of a shard."""
        return None if self.allowed is None else self.allowed.of_shard[number]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeIndex:
    """What searches of all shards are planned by.

    Attributes:
        header: of the whole.
        ranker: ranks its lists.
        entries: of all lists.
        nlist: how many there are.
        metric: which distance.
    """

    header: Header
    ranker: Engine
    entries: int
    nlist: int
    metric: Metric


class ShardedSearcher:
    """Searches the shards of one index; any number of threads may.

    Args:
        shards: who answers.
        manifest: of the index.
        whole: of all shards.
    """

    def __init__(
        self, shards: Shards, manifest: ShardsManifest, whole: WholeIndex
    ) -> None:
        self._shards = shards
        self._whole = whole
        self._sizes = [shard.n for shard in manifest.shards]
        self._offsets = manifest.offsets
        self._n = manifest.n
        self._id_kind = manifest.id_kind
        training = whole.header.training
        self._fits = training is None or training.fits(manifest.n)

    @property
    def metric(self) -> Metric:
        """Which distance."""
        return self._whole.metric

    def search(
        self, queries: Vectors, params: SearchParams, allowed: ShardedFilter | None
    ) -> Searched:
        """The nearest rows of each query.

        Args:
            queries: (nq, d), not prepared and perhaps not finite.
            params: how, but for `allowed` and `radius`; effort is even.
            allowed: rows that may be returned; None for all.

        Raises:
            NonFiniteError: a query with NaN or infinity.
            ZeroVectorError: a query of length zero under cosine.
            InvalidInputError: a query too long.
            InvalidParamsError: nprobe above nlist.
            UnavailableError, DeadlineError: as `Shards.ask_each`.
        """
        require_finite(queries, name="queries")
        prepared = prepare(queries, self._whole.metric, name="queries")
        rerank = params.rerank and min(params.rerank, self._n)
        within = replace(
            params, k=min(params.k, self._n), rerank=rerank, allowed=None, radius=None
        )
        run = _Run(within, self._plan(within, allowed), allowed)
        found = widened(self._all_blocks(run, queries, prepared), k=params.k)
        return Searched(found=found, stats=self._stats(run, len(queries)))

    def _plan(self, params: SearchParams, allowed: ShardedFilter | None) -> SearchPlan:
        """The plan of one index of all rows."""
        plan = plan_search(
            params,
            measured=self._whole.header.measured,
            n=self._n,
            nlist=self._whole.nlist,
            entries=self._whole.entries,
        )
        if not self._fits:
            plan = replace(plan, estimate=None)
        if allowed is None:
            return plan
        if params.nprobe is None:
            return replace(plan, adaptive=True)
        few = allowed.count <= self._whole.entries * params.nprobe / self._whole.nlist
        return replace(plan, exact=plan.exact or few)

    def _all_blocks(self, run: _Run, queries: Vectors, prepared: Vectors) -> Neighbours:
        blocks = list(block_slices(len(queries), self._shards.block))
        answers = self._shards.ask_each(
            self._first_questions(run, queries[block], prepared[block])
            for block in blocks
        )
        return joined(
            [
                self._finished(run, queries[block], prepared[block], parts)
                for block, parts in zip(blocks, answers, strict=True)
            ]
        )

    def _first_questions(self, run: _Run, queries: Vectors, prepared: Vectors) -> Asked:
        numbers = self.numbers(run.allowed)
        asked = {number: self._neighbours_of(run, number) for number in numbers}
        return self._questions(run, queries, prepared, asked)

    def numbers(self, allowed: ShardedFilter | None) -> list[int]:
        """The shards that have rows which may be returned, ascending."""
        counts = self._sizes if allowed is None else allowed.counts
        return [number for number, count in enumerate(counts) if count]

    def _neighbours_of(self, run: _Run, number: int) -> int:
        """How many neighbours a shard is asked for at first."""
        k, size = run.params.k, self._sizes[number]
        named = run.params.nprobe is not None or run.plan.exact
        if k > SMALL_K and not named and run.allowed is None:
            k = per_shard_k(k, size / self._n)
        return min(k, size)

    def _request(self, run: _Run, number: int, *, k: int) -> ScanRequest:
        """What a shard is to bring back for k neighbours of it."""
        size = self._sizes[number]
        rerank = run.plan.request.rerank
        if run.params.rerank is None:
            rerank = per_shard_k(rerank, size / self._n, at_least=SHARE_OF_POOL)
        return replace(run.plan.request, k=k, rerank=min(max(rerank, k), size))

    def _questions(
        self,
        run: _Run,
        queries: Vectors,
        prepared: Vectors,
        asked: Mapping[int, int],
    ) -> Asked:
        """A question to each shard of `asked`, for so many neighbours of it."""
        if run.plan.exact:
            return {
                number: ScanAll(queries=prepared, k=k, allowed=run.of_shard(number))
                for number, k in asked.items()
            }
        requests = {
            number: self._request(run, number, k=k) for number, k in asked.items()
        }
        if run.plan.adaptive:
            return {
                number: self._filtered(run, number, queries, request)
                for number, request in requests.items()
            }
        list_nos = self._whole.ranker.rank_lists(prepared, nprobe=run.plan.nprobe)
        return {
            number: ScanLists(
                queries=prepared,
                list_nos=list_nos,
                request=request,
                allowed=run.of_shard(number),
            )
            for number, request in requests.items()
        }

    def _filtered(
        self, run: _Run, number: int, queries: Vectors, request: ScanRequest
    ) -> ScanFiltered:
        assert run.allowed is not None
        return ScanFiltered(
            queries=queries,
            nprobe=run.plan.nprobe,
            request=request,
            allowed=run.allowed.of_shard[number],
        )

    def _finished(
        self, run: _Run, queries: Vectors, prepared: Vectors, parts: Mapping[int, Part]
    ) -> Neighbours:
        """The answer to a block, from the parts that shards found at first."""
        numbers = self.numbers(run.allowed)
        if numbers and not parts:
            raise UnavailableError(f"none of {len(numbers)} shards answers")
        self._take(run, numbers, parts)
        found = self._merged(run, parts, count=len(queries))
        found = self._asked_again(run, queries, prepared, parts, found)
        return self._completed(run, prepared, found)

    def _take(
        self, run: _Run, numbers: Sequence[int], parts: Mapping[int, Any]
    ) -> None:
        """Count what answers cost, and which shards gave none."""
        run.lost |= set(numbers) - set(parts)
        run.works.extend(part.work for part in parts.values())
        if not run.engine and parts:
            run.engine = next(iter(parts.values())).engine

    def _merged(
        self, run: _Run, parts: Mapping[int, Neighbours], *, count: int
    ) -> Neighbours:
        if not parts:
            return self._nothing(run, count)
        numbers = sorted(parts)
        return merge(
            [parts[number] for number in numbers],
            offsets=[self._offsets[number] for number in numbers],
            k=run.params.k,
        )

    def _nothing(self, run: _Run, count: int) -> Neighbours:
        rows: Rows = np.full((count, run.params.k), -1, np.int64)
        far = np.full(rows.shape, np.inf, np.float32)
        ids = no_ids(self._id_kind, rows.size)
        return Neighbours(rows=rows, distances=far, ids=ids)

    def _asked_again(
        self,
        run: _Run,
        queries: Vectors,
        prepared: Vectors,
        parts: Mapping[int, Part],
        found: Neighbours,
    ) -> Neighbours:
        """`found` with what shards had beyond the neighbours they were asked for."""
        wanted = {number: min(run.params.k, self._sizes[number]) for number in parts}
        more = {
            number: may_have_more(part, found)
            for number, part in parts.items()
            if part.rows.shape[1] < wanted[number]
        }
        again = {number: wanted[number] for number, some in more.items() if some.any()}
        if not again:
            return found
        some = np.flatnonzero(np.any(list(more.values()), axis=0))
        asked = self._questions(run, queries[some], prepared[some], again)
        answers = ask(self._shards, asked)
        self._take(run, list(again), answers)
        kept = {number: of_queries(part, some) for number, part in parts.items()}
        whole = self._merged(run, {**kept, **answers}, count=len(some))
        return with_answers(found, some, whole)

    def _completed(self, run: _Run, prepared: Vectors, found: Neighbours) -> Neighbours:
        """`found`, with queries that the lists left short compared with all rows."""
        counts = self._sizes if run.allowed is None else run.allowed.counts
        numbers = [
            number for number in self.numbers(run.allowed) if number not in run.lost
        ]
        exist = min(run.params.k, sum(counts[number] for number in numbers))
        short = np.flatnonzero((found.rows[:, :exist] < 0).any(axis=1))
        if run.plan.exact or not short.size:
            return found
        answers = ask(
            self._shards,
            {
                number: ScanAll(
                    queries=prepared[short],
                    k=min(run.params.k, self._sizes[number]),
                    allowed=run.of_shard(number),
                )
                for number in numbers
            },
        )
        self._take(run, numbers, answers)
        if not answers:
            return found
        run.completed += len(short)
        return with_answers(found, short, self._merged(run, answers, count=len(short)))

    def _stats(self, run: _Run, count: int) -> SearchStats:
        plan, work = run.plan, summed([Work(), *run.works])
        covered = self.covered(run.lost)
        recalls = (1.0, 1.0, 1.0) if plan.exact else recalls_of(plan.estimate)
        recall, low, high = (one if one is None else one * covered for one in recalls)
        nprobe = 0 if plan.exact else plan.nprobe
        if plan.adaptive and not plan.exact:
            nprobe = -(
                -work.lists_probed // max(1, count * len(self.numbers(run.allowed)))
            )
        return SearchStats(
            engine=run.engine or self._whole.ranker.name,
            nprobe=nprobe,
            rerank=0 if plan.exact else plan.request.rerank,
            lists_probed=work.lists_probed,
            entries_scanned=work.entries_scanned,
            survivors=work.survivors,
            reranked=work.reranked,
            completed=run.completed,
            estimated_recall=recall,
            exact=plan.exact and not run.lost,
            recall_low=low,
            recall_high=high,
            covered=covered,
        )

    def covered(self, lost: Collection[int]) -> float:
        """The share of all rows that shards other than those `lost` have."""
        return (self._n - sum(self._sizes[number] for number in lost)) / self._n
