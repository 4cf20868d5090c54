"""`ShardedIndex`: an index in shards, searched as one."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.checks import as_mask, as_matrix
from gleann.index.errors import InvalidInputError, RecallWarning
from gleann.index.filters.condition import Condition
from gleann.index.found import (
    Found,
    FoundRows,
    FoundWithin,
    RowsWithin,
    SearchStats,
    drift_warning,
    shortfall,
    uncovered,
)
from gleann.index.ids.held import joined_ids, to_numpy
from gleann.index.ids.order import first_in_order
from gleann.index.operating.points import OperatingPoint
from gleann.index.params import BuildParams, Metric, RowFilter, SearchParams
from gleann.index.search.within import require_limit, require_radius
from gleann.index.shards.asking import LocalShards, Shards, ask, numbers_of
from gleann.index.shards.filters import (
    ByCondition,
    ShardedFilter,
    by_condition,
    by_mask,
    by_rows,
)
from gleann.index.shards.manifest import ShardsManifest, read
from gleann.index.shards.merge import cut_neighbours
from gleann.index.shards.questions import (
    AllowedRowsOf,
    CountAllowed,
    Describe,
    HashRows,
    NextInOrder,
    ShardFacts,
)
from gleann.index.shards.radius import HitsWithin, ShardedRadius
from gleann.index.shards.ranker import list_ranker
from gleann.index.shards.rows_of_shards import RowsOfShards
from gleann.index.shards.search import Searched, ShardedSearcher, WholeIndex
from gleann.index.storage.files import Checks
from gleann.index.storage.packing import Header


class ShardedIndex(RowsOfShards):
    """An index in shards; rows are numbered one shard after the other.

    Its answers are those of one index over all rows with the same lists, wherever
    codes leave no neighbour out of what is re-ranked: the same lists are read, of every
    shard its part. Ties are in the order of the ids, not of the rows. It holds the
    centroids, and nothing a row: so the shards may be in other processes
    (`Shards`). Any number of threads may search at once. Counts of its statistics are
    the sums of those of its shards, each of which probes its part of a list.

    Make one with `load`, or from shards that are elsewhere.
    """

    def __init__(self, shards: Shards, manifest: ShardsManifest) -> None:
        """Ask the shards what they are.

        Args:
            shards: who answers, all of those that have rows.
            manifest: of the index.

        Raises:
            UnavailableError, DeadlineError: a shard does not answer.
        """
        super().__init__(shards, manifest)
        self._header = manifest.unpacked()
        self._describe(list(self.of_shards(lambda _: Describe()).values()))

    def _describe(self, facts: Sequence[ShardFacts]) -> None:
        one = facts[0]
        self._schema = one.schema
        self._encoding = one.encoding
        self._centroids = one.centroids
        self._entries = sum(some.entries for some in facts)
        self._engine_name = one.engine
        self._searcher = ShardedSearcher(
            self._shards,
            self._manifest,
            WholeIndex(
                header=self._header,
                ranker=list_ranker(one.centroids, one.encoding),
                entries=self._entries,
                nlist=self.nlist,
                metric=one.encoding.metric,
            ),
        )
        self._radius = ShardedRadius(self, self._searcher)
        self._owner = tuple(shard.manifest for shard in self._manifest.shards)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        engine: str = "auto",
        threads: int = 0,
        checks: Checks = "before",
    ) -> "ShardedIndex":
        """Open all shards of the index at `path` in this process.

        Args:
            path: the directory that has `shards.json`.
            engine: as in `SoarIndex.load`.
            threads: as in `SoarIndex.load`.
            checks: as in `SoarIndex.load`.

        Raises:
            MissingFileError: no index in shards at `path`, or a shard is not there.
            CorruptDataError: a checksum or the format does not hold, or a shard is of
                another build.
            EngineUnavailableError: the engine is not installed.
        """
        folder = Path(path)
        manifest = read(folder)
        shards = LocalShards.load(
            folder, manifest, engine=engine, threads=threads, checks=checks
        )
        return cls(shards, manifest)

    def __repr__(self) -> str:
        shape = f"n={len(self)}, dim={self.dim}, metric={self.metric!r}"
        shards = f"shards={len(self._manifest.shards)}, nlist={self.nlist}"
        return f"ShardedIndex({shape}, {shards}, engine={self.engine_name!r})"

    @property
    def metric(self) -> Metric:
        """The metric it was built for."""
        return self._encoding.metric

    @property
    def nlist(self) -> int:
        """Number of inverted lists, the same in every shard."""
        return len(self._centroids)

    @property
    def centroids(self) -> Vectors:
        """(nlist, d), those of the lists."""
        return self._centroids

    @property
    def spilled_share(self) -> float:
        """Share of rows that have a second copy."""
        return self._entries / len(self) - 1

    @property
    def engine_name(self) -> str:
        """The engine of the first shard, such as "native/avx512"."""
        return self._engine_name

    @property
    def header(self) -> Header:
        """The metadata of the whole."""
        return self._header

    @property
    def params(self) -> BuildParams:
        """The parameters of the build."""
        return self._header.params

    @property
    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """The settings measured at build time, of all shards together."""
        return self._header.points

    def data_hashes(self) -> tuple[str, ...]:
        """`SoarIndex.data_hash` of each shard; "" for one without rows.

        Every shard reads all of its rows the first time.
        """
        answers = self.of_shards(lambda _: HashRows())
        return tuple(answers.get(n, "") for n in range(len(self._manifest.shards)))

    def search(self, queries: ArrayLike, params: SearchParams | None = None) -> Found:
        """Find the nearest rows of each query, as `SoarIndex.search` does.

        Args:
            queries: (nq, d), as in `SoarIndex.search`.
            params: how; `allowed` is a mask (n,), or of `allow`, `allow_rows`,
                `allow_ids` or `allow_where`. Effort is always even.

        Raises:
            InvalidInputError, InvalidParamsError: as `SoarIndex.search`.
            UnavailableError: a shard is lost, and the answer is not to do without it.
            DeadlineError: a shard does not answer in time.

        Warns:
            RecallWarning: as in `SoarIndex.search`; or not all rows are covered.
        """
        params = params or SearchParams()
        answer = self.nearest(queries, params)
        if (text := self.recall_warning(answer.stats, params)) is not None:
            warn(text, RecallWarning, stacklevel=2)
        shape = answer.found.rows.shape
        return Found(
            ids=to_numpy(answer.found.ids).reshape(shape),
            distances=answer.found.distances,
            stats=answer.stats,
        )

    def find_rows(
        self, queries: ArrayLike, params: SearchParams | None = None
    ) -> FoundRows:
        """`search` without its warning, answering with row numbers (-1 for none)."""
        answer = self.nearest(queries, params or SearchParams())
        return FoundRows(
            rows=answer.found.rows,
            distances=answer.found.distances,
            stats=answer.stats,
        )

    def search_rows(
        self, queries: ArrayLike, params: SearchParams | None = None
    ) -> tuple[Rows, Distances]:
        """`search`, answering with row numbers (-1 for none) instead of ids."""
        found = self.find_rows(queries, params)
        return found.rows, found.distances

    def nearest(self, queries: ArrayLike, params: SearchParams) -> Searched:
        """`find_rows` with the ids of the neighbours."""
        checked = as_matrix(queries, name="queries", dim=self.dim)
        allowed = self._filter(params.allowed)
        answer = self._searcher.search(checked, params, allowed)
        if params.radius is None:
            return answer
        radius = require_radius(params.radius, self.metric)
        return replace(answer, found=cut_neighbours(answer.found, radius))

    def search_radius(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> FoundWithin:
        """Find all rows within a distance, as `SoarIndex.search_radius` does.

        Args:
            queries: (nq, d), as in `search`.
            radius: as in `SoarIndex.search_radius`.
            target_recall: as in `SoarIndex.search_radius`.
            limit: as in `SoarIndex.search_radius`.
            allowed: as in `search`.

        Raises:
            InvalidInputError, InvalidParamsError: as `SoarIndex.search_radius`.
            UnavailableError, DeadlineError: as `search`.

        Warns:
            RecallWarning: not all rows are covered.
        """
        found = self.within(
            queries, radius, target_recall=target_recall, limit=limit, allowed=allowed
        )
        if (text := uncovered(found.stats, len(self))) is not None:
            warn(text, RecallWarning, stacklevel=2)
        return found.by_id()

    def find_within(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> RowsWithin:
        """`search_radius`, answering with row numbers."""
        return self.within(
            queries, radius, target_recall=target_recall, limit=limit, allowed=allowed
        ).by_row()

    def within(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float,
        limit: int | None,
        allowed: Mask | RowFilter | None,
    ) -> HitsWithin:
        """`search_radius`, with rows and ids."""
        SearchParams(target_recall=target_recall)
        require_limit(limit)
        checked = as_matrix(queries, name="queries", dim=self.dim)
        rounded = require_radius(radius, self.metric)
        kept = self._filter(allowed)
        if target_recall < 1:
            return self._radius.probed(
                checked,
                rounded,
                target_recall=target_recall,
                limit=limit,
                allowed=kept,
            )
        return self._radius.all_within(checked, rounded, limit=limit, allowed=kept)

    def allow(self, mask: ArrayLike) -> ShardedFilter:
        """The rows of a mask, for many searches (`SearchParams.allowed`).

        Args:
            mask: bool (n,), True for each row that may be returned.

        Raises:
            InvalidInputError: not bool (n,).
        """
        checked = as_mask(mask, n=len(self))
        return by_mask(checked, offsets=self._manifest.offsets, owner=self._owner)

    def allow_rows(self, rows: ArrayLike) -> ShardedFilter:
        """`allow` for rows (m,), counted over all shards.

        Raises:
            InvalidInputError: not integers (m,), or a row that does not exist.
        """
        return by_rows(rows, offsets=self._manifest.offsets, owner=self._owner)

    def allow_ids(self, ids: ArrayLike) -> ShardedFilter:
        """`allow` for the rows of some ids (m,).

        Raises:
            UnknownIdError: an id that is not in the index.
        """
        return self.allow_rows(self.rows_of(ids))

    def allow_where(
        self, where: str, parameters: Sequence[object] = ()
    ) -> ShardedFilter:
        """The rows that meet a condition, as in `SoarIndex.where`.

        Every shard looks at its own payload; none of it travels.

        Raises:
            InvalidFilterError: as `SoarIndex.where`.
            UnavailableError, DeadlineError: a shard does not answer, and searches are
                not to do without it.
        """
        wanted = ByCondition(condition=Condition(where, parameters))
        numbers = numbers_of(self._manifest)
        counts = ask(self._shards, {n: CountAllowed(allowed=wanted) for n in numbers})
        return by_condition(wanted, counts, self._manifest.shards)

    def rows_allowed(self, allowed: ShardedFilter) -> Rows:
        """The rows (m,) that a filter allows, ascending."""
        allowed.require_of(self._owner)
        answers = self._ask(
            {
                number: AllowedRowsOf(allowed=allowed.of_shard[number])
                for number in self._searcher.numbers(allowed)
            }
        )
        parts = [answers[number] + self._offsets[number] for number in sorted(answers)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def rows_after(
        self,
        after: int | str | None,
        *,
        size: int,
        allowed: ShardedFilter | None = None,
    ) -> Rows:
        """The rows (m,) that follow in the order of the ids, at most `size`.

        Args:
            after: the last id before, of the kind of the ids; None begins with the
                first.
            size: most rows.
            allowed: rows that may be returned; None for all.

        Raises:
            UnavailableError, DeadlineError: a shard does not answer.
        """
        if allowed is not None:
            allowed.require_of(self._owner)
        questions = {
            number: NextInOrder(
                after=after,
                size=size,
                allowed=None if allowed is None else allowed.of_shard[number],
            )
            for number in self._searcher.numbers(allowed)
        }
        if not questions:
            return np.empty(0, np.int64)
        answers = self._ask(questions)
        parts = [rows + self._offsets[n] for n, (rows, _) in answers.items()]
        ids = joined_ids([ids for _, ids in answers.values()])
        return np.concatenate(parts)[first_in_order(ids, size)]

    def where(self, where: str, parameters: Sequence[object] = ()) -> Mask:
        """The rows (n,) that meet a condition, as `SoarIndex.where`; read-only."""
        mask = np.zeros(len(self), np.bool_)
        mask[self.rows_allowed(self.allow_where(where, parameters))] = True
        mask.flags.writeable = False
        return mask

    def recall_warning(self, stats: SearchStats, params: SearchParams) -> str | None:
        """As `SoarIndex.recall_warning`; and where shards did not answer, that."""
        if (text := uncovered(stats, len(self))) is not None:
            return text
        training = self._header.training
        if training is None or training.drift is None or training.fits(len(self)):
            return shortfall(stats, params)
        return drift_warning(stats, params, training.drift)

    def _filter(self, allowed: Mask | RowFilter | None) -> ShardedFilter | None:
        """The filter; None where it allows all rows.

        Raises:
            InvalidInputError: a mask that is not bool (n,), or another index's filter.
        """
        if allowed is None:
            return None
        if isinstance(allowed, RowFilter):
            if not isinstance(allowed, ShardedFilter):
                raise InvalidInputError(
                    f"{allowed!r} was made by another index: take allow of the one that"
                    " is searched"
                )
            allowed.require_of(self._owner)
            kept = allowed
        else:
            kept = self.allow(allowed)
        is_all = kept.count == len(self) and not kept.silent
        return None if is_all else kept
