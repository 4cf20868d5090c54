"""Search of an index and the rows newer than it.

Together where the engine scans newer rows in the lists it probes: the settings are
those of the index, and newer rows are found as well as its own. With a filter that is
kept, these are the lists that it takes for the rows of the index. Apart where an answer
needs more than that (few rows allowed or not those around the query, an exhaustive
search, lists that lost most of their rows, another engine): then all newer rows are
compared with the query.
"""

from contextlib import nullcontext
from dataclasses import replace
from weakref import ref

import numpy as np

from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.build.rows import code_rows
from gleann.index.checks import require_finite
from gleann.index.engines.contract import Engine, IndexData, ScanRequest, ScansNewer
from gleann.index.exact import exact_search_prepared
from gleann.index.found import FoundRows, SearchStats, cut_at, sum_stats, widened
from gleann.index.metric import prepare
from gleann.index.newer.rows import NewerRows
from gleann.index.operating.points import default_rerank
from gleann.index.parallel.blas import one_blas_thread
from gleann.index.params import Metric, SearchParams
from gleann.index.search.allowed import AllowedRows
from gleann.index.search.filtered import AllowedNewer
from gleann.index.search.plan import SearchPlan, stats_of
from gleann.index.search.searcher import Searcher
from gleann.index.search.within import require_radius

ONE_THREAD = 1 << 31
"""Products of numbers, up to which newer rows are compared on one thread. More of them
take so long that threads which wait for each other are worth it."""

FEW = 8
"""Newer rows that a filter allows are packed alone where they are at most all of them
divided by this: less work than a scan of all codes."""

MOSTLY_DEAD = 0.5
"""Share of live entries below which the index is searched as with a filter, which packs
what is left of its lists."""

EXACT = SearchStats(
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
    recall_low=1.0,
    recall_high=1.0,
)
"""The statistics of an exhaustive search, less its work."""


class NewerSearcher:
    """Searches an index and newer rows; see `SoarIndex.find_rows`.

    Args:
        data: the arrays of the index.
        engine: made from `data`.
        searcher: of the same index.
    """

    def __init__(self, data: IndexData, engine: Engine, searcher: Searcher) -> None:
        self._data = data
        self._n = len(data.vectors)
        # Checked once: for a protocol, that takes as long as the scan of a short list.
        self._engine = engine if isinstance(engine, ScansNewer) else None
        self._engine_name = engine.name
        self._searcher = searcher
        self._run: tuple[ref[NewerRows], Engine, Rows] | None = None

    def search(
        self, queries: Vectors, params: SearchParams, newer: NewerRows
    ) -> FoundRows:
        """As `Searcher.search`, of all rows; those of the index come first."""
        if newer.count == 0 and newer.sealed_alive is None:
            return self._searcher.search(queries, params)
        if params.radius is not None:
            radius = require_radius(params.radius, self._data.metric)
            found = self.search(queries, replace(params, radius=None), newer)
            return cut_at(found, radius)
        if isinstance(params.allowed, AllowedRows):
            among = self._search_chosen(queries, params, params.allowed, newer)
            if among is not None:
                return among
        plan = self._plan_together(params, newer, count=len(queries))
        if plan is None:
            return self._search_apart(queries, params, newer)
        return self._search_together(queries, params, plan, newer)

    def _search_chosen(
        self,
        queries: Vectors,
        params: SearchParams,
        allowed: AllowedRows,
        newer: NewerRows,
    ) -> FoundRows | None:
        """Read the lists that a filter takes; None where newer rows are read apart."""
        if newer.joined is None or newer.count == 0:
            return None
        if max(params.k, params.rerank or 0) > self._n:
            return None
        chosen = self._searcher.search_chosen(
            queries,
            params,
            allowed,
            newer=AllowedNewer(newer.joined, newer.count),
        )
        if chosen is None:
            return None
        found, left = chosen
        if left.size == 0:
            return found
        rest = self._search_apart(queries[left], params, newer)
        found.rows[left], found.distances[left] = rest.rows, rest.distances
        return replace(found, stats=sum_stats([found.stats, rest.stats]))

    def _plan_together(
        self, params: SearchParams, newer: NewerRows, *, count: int
    ) -> SearchPlan | None:
        """The plan of a search of all rows at once; None where they need two."""
        if newer.joined is None or params.allowed is not None:
            return None
        if max(params.k, params.rerank or 0) > self._n:
            return None
        plan = self._searcher.plan(params, count=count)
        if plan.exact:
            return None
        if params.rerank is None:
            rerank = self._pool(plan.request.rerank, k=params.k, newer=newer)
            plan = replace(plan, request=replace(plan.request, rerank=rerank))
        thinned = newer.thinned
        if thinned is None:
            return plan
        if thinned.thin is not None or thinned.share < MOSTLY_DEAD:
            return None
        nprobe = plan.nprobe
        if params.nprobe is None:
            nprobe = thinned.widened(nprobe, nlist=self._data.lists.nlist)
        return replace(plan, nprobe=nprobe)  # the joined rows know which rows are dead

    def _pool(self, rerank: int, *, k: int, newer: NewerRows) -> int:
        """Rows to re-rank among newer ones too, where a plan re-ranks `rerank`.

        In proportion, as so many more rows have codes that look better than those of a
        true neighbour. All rows of an index may be few: then no less than the default.
        """
        grown = rerank + rerank * newer.count // self._n
        least = default_rerank(k) if rerank >= self._n else 0
        return min(max(grown, least), self._n + len(newer))

    def _search_together(
        self,
        queries: Vectors,
        params: SearchParams,
        plan: SearchPlan,
        newer: NewerRows,
    ) -> FoundRows:
        assert self._engine is not None
        scanned = self._engine.search_newer(
            queries, nprobe=plan.nprobe, request=plan.request, newer=newer.joined
        )
        completed = 0
        if scanned.short:
            exist = min(params.k, newer.count + newer.sealed_count(self._n))
            short = np.flatnonzero((scanned.rows[:, :exist] < 0).any(axis=1))
            completed = len(short)
            if completed:
                exact = replace(params, exact=True, nprobe=None, target_recall=None)
                found = self._search_apart(queries[short], exact, newer)
                scanned.rows[short] = found.rows
                scanned.distances[short] = found.distances
        stats = stats_of(
            plan, scanned.work, engine=self._engine_name, completed=completed
        )
        return FoundRows(rows=scanned.rows, distances=scanned.distances, stats=stats)

    def _search_apart(
        self, queries: Vectors, params: SearchParams, newer: NewerRows
    ) -> FoundRows:
        parts = []
        if self._has_allowed(params, newer):
            parts.append(self._search_sealed(queries, params, newer))
        if newer.count:
            parts.append(self._search_newer(queries, params, newer))
        return merged(parts, count=len(queries), k=params.k)

    def _has_allowed(self, params: SearchParams, newer: NewerRows) -> bool:
        """Whether any row of the index may be returned."""
        allowed = params.allowed
        if allowed is None:
            return newer.sealed_count(self._n) > 0
        if isinstance(allowed, np.ndarray):
            return bool(allowed.any())
        return not isinstance(allowed, AllowedRows) or allowed.count > 0

    def _search_sealed(
        self, queries: Vectors, params: SearchParams, newer: NewerRows
    ) -> FoundRows:
        k = min(params.k, self._n)
        rerank = params.rerank
        if rerank is not None:
            # It counts the newer rows too, which are re-ranked apart.
            rerank = max(k, min(rerank, self._n))
        allowed = params.allowed
        if allowed is None and newer.sealed_alive is not None:
            allowed = newer.sealed_alive.mask
        own = replace(params, k=k, rerank=rerank, allowed=allowed)
        return self._searcher.search(queries, own)

    def _search_newer(
        self, queries: Vectors, params: SearchParams, newer: NewerRows
    ) -> FoundRows:
        """The nearest newer rows of each query, numbered after those of the index."""
        k = min(params.k, newer.count)
        if newer.joined is None or params.exact or params.target_recall == 1:
            found = search_exactly(
                self._prepared(queries),
                newer.vectors,
                alive=newer.alive,
                k=k,
                metric=self._data.metric,
            )
            rows = np.where(found.rows < 0, -1, found.rows + self._n)
            return replace(found, rows=rows)
        return self._scan_newer(queries, params, newer, k=k)

    def _prepared(self, queries: Vectors) -> Vectors:
        require_finite(queries, name="queries")
        return prepare(queries, self._data.metric, name="queries")

    def _scan_newer(
        self, queries: Vectors, params: SearchParams, newer: NewerRows, *, k: int
    ) -> FoundRows:
        """The same by the codes of all newer rows, or of the few that are allowed."""
        assert self._engine is not None
        least = replace(params, k=min(k, self._n), rerank=None, allowed=None)
        planned = self._pool(self._searcher.rerank(least), k=k, newer=newer)
        rerank = max(k, params.rerank or planned)
        request = ScanRequest(k=k, rerank=rerank)
        if FEW * newer.count <= len(newer):
            run, numbers = self._run_of(newer, self._engine)
            scanned = run.search(queries, nprobe=1, request=request)
            scanned = scanned._replace(rows=numbers[scanned.rows])
        else:
            prepared = self._prepared(queries)
            scanned = self._engine.scan_newer(prepared, request, newer.joined)
        stats = EXACT._replace(
            engine=self._engine_name,
            rerank=rerank,
            entries_scanned=scanned.work.entries_scanned,
            survivors=scanned.work.survivors,
            reranked=scanned.work.reranked,
            exact=False,
        )
        return FoundRows(rows=scanned.rows, distances=scanned.distances, stats=stats)

    def _run_of(self, newer: NewerRows, engine: ScansNewer) -> tuple[Engine, Rows]:
        """The newer rows that are allowed, packed alone, and their numbers (m + 1,).

        The last number is -1, for no row. Kept for searches of the same state by the
        same filter.
        """
        kept = self._run
        if kept is not None and kept[0]() is newer:
            return kept[1:]
        assert newer.alive is not None, "all newer rows are no few of them"
        rows = np.flatnonzero(newer.alive)
        vectors = np.ascontiguousarray(newer.vectors[rows])
        codes = code_rows(vectors, self._data.encoding, threads=1)
        run = engine.alone(codes, vectors)
        numbers = np.append(rows + self._n, -1)
        self._run = ref(newer), run, numbers
        return run, numbers


def search_exactly(
    queries: Vectors, vectors: Vectors, *, alive: Mask | None, k: int, metric: Metric
) -> FoundRows:
    """The k nearest rows of each query by comparing all of them.

    Args:
        queries: (nq, d), prepared.
        vectors: (m, d), prepared.
        alive: bool (m,), rows that may be returned, at least k; None for all.
        k: neighbours, at most m.
        metric: which distance.
    """
    products = len(queries) * vectors.size
    with one_blas_thread() if products <= ONE_THREAD else nullcontext():
        rows, distances = exact_search_prepared(
            queries, vectors, metric=metric, k=k, allowed=alive
        )
    count = len(vectors) if alive is None else int(np.count_nonzero(alive))
    looked_at = len(queries) * count
    stats = EXACT._replace(
        entries_scanned=looked_at, survivors=looked_at, reranked=looked_at
    )
    return FoundRows(rows=rows, distances=distances, stats=stats)


def merged(parts: list[FoundRows], *, count: int, k: int) -> FoundRows:
    """The k nearest of all parts; on ties, those of earlier parts first.

    Args:
        parts: of `count` queries each; the statistics are those of the first, with
            the work of all.
        count: number of queries.
        k: places a query, -1 and +inf in those behind its last row.
    """
    if not parts:
        rows: Rows = np.full((count, k), -1, np.int64)
        none: Distances = np.full((count, k), np.inf, np.float32)
        return FoundRows(rows=rows, distances=none, stats=EXACT)
    if len(parts) == 1 and parts[0].rows.shape[1] == k:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts], axis=1)
    distances = np.concatenate([part.distances for part in parts], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    found = FoundRows(
        rows=np.take_along_axis(rows, order, axis=1),
        distances=np.take_along_axis(distances, order, axis=1),
        stats=sum_stats([part.stats for part in parts]),
    )
    return found if order.shape[1] == k else widened(found, k=k)
