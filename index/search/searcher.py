"""A search of one index on the host: planned, carried out, completed and counted."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import (
    Engine,
    GrantsLists,
    IndexData,
    Scanned,
    ScanRequest,
)
from gleann.index.errors import InvalidInputError
from gleann.index.exact import exact_search_prepared
from gleann.index.found import FoundRows, RowsWithin, SearchStats, cut_at, widened
from gleann.index.metric import prepare
from gleann.index.operating.points import EffortPoint, Measured, OperatingPoint
from gleann.index.params import Metric, RowFilter, SearchParams
from gleann.index.search.allowed import AllowedRows, allow, exact_among
from gleann.index.search.filtered import (
    AllowedNewer,
    is_few,
    scan_few,
    search_chosen,
    search_filtered,
)
from gleann.index.search.list_stats import ListStats
from gleann.index.search.plan import (
    SearchPlan,
    allowed_count,
    as_filter,
    recalls_of,
    stats_of,
)
from gleann.index.search.planner import Planner
from gleann.index.search.radius import RadiusSearch, probed_within
from gleann.index.search.within import require_radius
from gleann.index.training import Training

Points = tuple[OperatingPoint, ...]
Efforts = tuple[EffortPoint, ...]


class Searcher:
    """Searches the rows of an index with one engine; any number of threads may.

    Args:
        data: the arrays of the index.
        engine: made from `data`.
        measured: what both segments give.
        primary_points: operating points of primaries only.
        training: how well the lists fit the rows; None if that is unknown. Where they
            do not, no recall is estimated.
    """

    def __init__(
        self,
        data: IndexData,
        engine: Engine,
        *,
        measured: Measured,
        primary_points: Points,
        training: Training | None = None,
    ) -> None:
        self._data = data
        self._n = len(data.vectors)
        self._engine = engine
        self._last_filter: tuple[Mask, AllowedRows] | None = None
        self._granting = engine if isinstance(engine, GrantsLists) else None
        self._planner = Planner(
            data,
            engine,
            measured=measured,
            primary_points=primary_points,
            training=training,
        )

    def learn(self, asked: Points, efforts: Efforts) -> None:
        """Plan by points for queries that were asked, from the next search on.

        Args:
            asked: as `AskedQueries.points` makes them; empty for those of the build.
            efforts: as `AskedQueries.efforts` makes them.
        """
        self._planner.learn(asked, efforts)

    @property
    def asked(self) -> Points:
        """The points that `learn` was given last."""
        return self._planner.asked

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._data.vectors.shape[1])

    @property
    def metric(self) -> Metric:
        """Which distance."""
        return self._data.metric

    def search(self, queries: Vectors, params: SearchParams) -> FoundRows:
        """The nearest rows of each query.

        Args:
            queries: float32 (nq, d), not prepared and perhaps not finite.
            params: how.

        Raises:
            NonFiniteError: a query with NaN or infinity.
            ZeroVectorError: a query of length zero under cosine.
            InvalidInputError: a query too long; an `allowed` that is not bool (n,).
            InvalidParamsError: nprobe above nlist.
        """
        if params.radius is not None:
            radius = require_radius(params.radius, self.metric)
            return cut_at(self.search(queries, replace(params, radius=None)), radius)
        if params.k > self._n or (params.rerank or 0) > self._n:
            return widened(self.search(queries, self._within(params)), k=params.k)
        if isinstance(params.allowed, AllowedRows):
            found = self._search_among(queries, params, params.allowed)
            if found is not None:
                return found
        plan = self.plan(params, count=len(queries))
        if plan.exact:
            return self._search_exact(self._prepared(queries), plan)
        if not plan.adaptive or plan.allowed is None:
            if params.effort != "even" and self._granting is not None:
                plan = self._planner.by_effort(plan, params)
            return self._search_lists(queries, plan)
        return self._search_allowed(queries, plan, self._allowed_rows(plan.allowed))

    def search_among(
        self, queries: Vectors, params: SearchParams, allowed: AllowedRows
    ) -> FoundRows:
        """`search` with `allowed` in place of what `params` allow.

        Making other parameters would take a tenth of a search of a few rows.
        """
        if params.k <= self._n and params.rerank is None and params.radius is None:
            found = self._search_among(queries, params, allowed)
            if found is not None:
                return found
        return self.search(queries, replace(params, allowed=allowed))

    def _search_among(
        self, queries: Vectors, params: SearchParams, allowed: AllowedRows
    ) -> FoundRows | None:
        """A search by the kept plan; None where it is exhaustive or has no filter."""
        if not 0 < allowed.count < self._n:
            return None
        plan = self._planner.kept(params)
        if plan is None or plan.exact:
            return None
        self._require_own(allowed)
        return self._search_allowed(queries, plan, allowed)

    def search_chosen(
        self,
        queries: Vectors,
        params: SearchParams,
        allowed: AllowedRows,
        *,
        newer: AllowedNewer,
    ) -> tuple[FoundRows, Rows] | None:
        """Search the lists that a filter takes, and the rows of `newer` in them.

        Args:
            queries: as in `search`.
            params: as in `search`.
            allowed: rows of this index that may be found.
            newer: those that may be found.

        Returns:
            The answers, newer rows numbered after those of the index, and which queries
            (m,) have none: they need more than their best lists. None where lists are
            not what is searched.
        """
        plan = self._planner.kept(params)
        if plan is None or plan.exact or not 0 < allowed.count < self._n:
            return None
        self._require_own(allowed)
        if is_few(allowed, nprobe=plan.nprobe):
            return None
        chosen = search_chosen(
            self._engine,
            queries,
            plan.request,
            nprobe=plan.nprobe,
            allowed=allowed,
            newer=newer,
        )
        if chosen is None:
            return None
        scanned, left = chosen
        return self._found_filtered(scanned, plan, count=len(queries)), left

    def _search_allowed(
        self, queries: Vectors, plan: SearchPlan, allowed: AllowedRows
    ) -> FoundRows:
        nprobe = plan.nprobe
        if allowed.choice(nprobe) is None and is_few(allowed, nprobe=nprobe):
            return self._search_few(queries, plan, allowed)
        return self._search_filtered(queries, plan, allowed)

    def _prepared(self, queries: Vectors) -> Vectors:
        require_finite(queries, name="queries")
        return prepare(queries, self._data.metric, name="queries")

    def _within(self, params: SearchParams) -> SearchParams:
        """The parameters with no more neighbours or candidates than there are rows."""
        rerank = params.rerank and min(params.rerank, self._n)
        return replace(params, k=min(params.k, self._n), rerank=rerank)

    def plan(self, params: SearchParams, *, count: int) -> SearchPlan:
        """How a search of `count` queries runs, with one number of lists for all."""
        if isinstance(params.allowed, RowFilter):
            self._require_own(params.allowed)
        return self._planner.plan(params, count=count)

    def rerank(self, params: SearchParams) -> int:
        """How many rows a search without a filter re-ranks for each query."""
        return self._planner.rerank(params)

    @cached_property
    def list_stats(self) -> ListStats:
        """What filters know of the lists."""
        return ListStats(self._data)

    @cached_property
    def radius_search(self) -> RadiusSearch:
        """What a complete search within a distance needs."""
        return RadiusSearch(self._data, self.list_stats)

    def within(
        self,
        queries: Vectors,
        radius: float,
        *,
        target_recall: float,
        limit: int | None,
        allowed: Mask | RowFilter | None,
    ) -> RowsWithin:
        """The rows within `radius` of each query, as `SoarIndex.search_radius` says.

        Args:
            queries: float32 (nq, d), not prepared and perhaps not finite.
            radius: checked.
            target_recall: 1 for a complete answer.
            limit: most hits a query; None for all.
            allowed: rows that may be hits; None for all.
        """
        kept = as_filter(allowed, n=self._n)
        if isinstance(kept, AllowedRows):
            self._require_own(kept)
        if kept is not None:
            kept = self._allowed_rows(kept)
        if target_recall < 1:
            most = self._n if kept is None else kept.count
            hits, stats = probed_within(
                lambda some, k: self.search(
                    some, SearchParams(k=k, target_recall=target_recall, allowed=kept)
                ),
                queries,
                radius,
                most=max(1, most if limit is None else min(limit, most)),
            )
            complete = stats.exact
        else:
            require_finite(queries, name="queries")
            looked = self.radius_search.all_within(
                prepare(queries, self._data.metric, name="queries"),
                radius,
                limit=limit,
                allowed=kept,
            )
            hits, stats, complete = looked.hits, looked.stats(), True
        return RowsWithin(
            offsets=hits.offsets(len(queries)),
            rows=hits.rows,
            distances=hits.distances,
            complete=complete,
            stats=stats,
        )

    def _require_own(self, allowed: RowFilter) -> None:
        """Refuse rows that another index allowed.

        Raises:
            InvalidInputError: its lists are not those of this index.
        """
        assert isinstance(allowed, AllowedRows)
        if allowed.stats.lists is not self._data.lists:
            raise InvalidInputError(
                f"{allowed!r} was made by another index: take allow of the one that is"
                " searched"
            )

    def _allowed_rows(self, allowed: Mask | AllowedRows) -> AllowedRows:
        """The allowed rows; kept for a mask that nobody can change."""
        if isinstance(allowed, AllowedRows):
            return allowed
        last = self._last_filter
        fixed = not allowed.flags.writeable and allowed.base is None
        if fixed and last is not None and last[0] is allowed:
            return last[1]
        if not fixed:  # nobody changes it during this call
            return AllowedRows(self.list_stats, mask=allowed)
        made = allow(self.list_stats, allowed)
        self._last_filter = allowed, made
        return made

    def _search_few(
        self, queries: Vectors, plan: SearchPlan, allowed: AllowedRows
    ) -> FoundRows:
        """Look at all allowed rows: by their codes where the engine can."""
        scanned = None
        if allowed.count:
            scanned = scan_few(self._engine, queries, plan.request, allowed)
        if scanned is None:
            among = replace(plan, allowed=allowed)
            return self._search_exact(self._prepared(queries), among)
        exact = plan.request.rerank >= allowed.count
        work = scanned.work
        recall, low, high = recalls_of(plan.estimate)
        # By position, in order: names take as long again, for each search of a tenant.
        stats = SearchStats(
            "exact" if exact else self._engine.name,
            0,  # lists
            plan.request.rerank,
            0,  # lists of all queries
            work.entries_scanned,
            work.survivors,
            work.reranked,
            0,  # queries completed: no list left one short
            1.0 if exact else recall,
            exact,
            1.0 if exact else low,
            1.0 if exact else high,
        )
        return FoundRows(rows=scanned.rows, distances=scanned.distances, stats=stats)

    def _search_filtered(
        self, queries: Vectors, plan: SearchPlan, allowed: AllowedRows
    ) -> FoundRows:
        """Read as many lists as the allowed rows around each query take."""
        scanned = search_filtered(
            self._engine,
            queries,
            plan.request,
            nprobe=plan.nprobe,
            allowed=allowed,
            metric=self._data.metric,
        )
        return self._found_filtered(scanned, plan, count=len(queries))

    def _found_filtered(
        self, scanned: Scanned, plan: SearchPlan, *, count: int
    ) -> FoundRows:
        """The answers to `count` queries, which read as many lists as each took."""
        work = scanned.work
        stats = stats_of(
            plan,
            work,
            engine=scanned.engine or self._engine.name,
            completed=0,
            nprobe=-(-work.lists_probed // count),
        )
        return FoundRows(rows=scanned.rows, distances=scanned.distances, stats=stats)

    def _search_lists(self, queries: Vectors, plan: SearchPlan) -> FoundRows:
        nprobe = None
        if plan.grants is None or self._granting is None:
            scanned = self._engine.search(
                queries, nprobe=plan.nprobe, request=plan.request
            )
        else:
            scanned = self._granting.search_by_effort(
                queries, plan.grants, plan.request
            )
            nprobe = -(-scanned.work.lists_probed // max(1, len(queries)))
        completed = self._complete(queries, scanned, plan)
        engine = scanned.engine or self._engine.name
        stats = stats_of(
            plan, scanned.work, engine=engine, completed=completed, nprobe=nprobe
        )
        return FoundRows(rows=scanned.rows, distances=scanned.distances, stats=stats)

    def _complete(self, queries: Vectors, scanned: Scanned, plan: SearchPlan) -> int:
        """Answer the queries whose lists contain too few rows by exhaustive search."""
        if scanned.short == 0:
            return 0
        exist = min(plan.request.k, allowed_count(plan.allowed, self._n))
        short = np.flatnonzero((scanned.rows[:, :exist] < 0).any(axis=1))
        if short.size == 0:
            return 0
        prepared = prepare(queries[short], self._data.metric)
        found = self._scan_all(prepared, plan)
        scanned.rows[short], scanned.distances[short] = found
        return int(short.size)

    def scan_unprepared(
        self, queries: Vectors, request: ScanRequest
    ) -> tuple[Rows, Distances]:
        """Exhaustive search of all rows for queries (nq, d) that are not prepared."""
        data = self._data
        return exact_search_prepared(
            prepare(queries, data.metric), data.vectors, metric=data.metric, k=request.k
        )

    def _search_exact(self, queries: Vectors, plan: SearchPlan) -> FoundRows:
        rows, distances = self._scan_all(queries, plan)
        looked_at = len(queries) * allowed_count(plan.allowed, self._n)
        stats = SearchStats(
            engine="exact",
            nprobe=0,
            rerank=0,
            lists_probed=0,
            entries_scanned=looked_at,
            survivors=looked_at,
            reranked=looked_at,
            completed=0,
            estimated_recall=1.0,
            exact=True,
            recall_low=1.0,
            recall_high=1.0,
        )
        return FoundRows(rows=rows, distances=distances, stats=stats)

    def _scan_all(self, queries: Vectors, plan: SearchPlan) -> tuple[Rows, Distances]:
        return exact_among(self._data, queries, k=plan.request.k, allowed=plan.allowed)
