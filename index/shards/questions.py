"""The questions that shards are asked: values that can be sent, and answer themselves.

Queries come prepared and the lists of plain searches ranked, so that this is done once
and not by every shard. A shard answers from what it reads: it does not make good for
lists that leave it short of k, since other shards may have more.
"""

from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import HeldIds, ListNos, Mask, Rows, Vectors
from gleann.index.codes import Encoding
from gleann.index.engines.contract import Scanned, ScanRequest, Work
from gleann.index.ids.held import kind_of, take_ids
from gleann.index.ids.order import count_up_to
from gleann.index.metric import prepare
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.search.allowed import AllowedRows, exact_among
from gleann.index.search.filtered import is_few, scan_few, search_filtered
from gleann.index.shards.filters import ShardFilter
from gleann.index.shards.merge import Part, PartWithin
from gleann.index.shards.open_shard import OpenShard


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanLists:
    """The nearest rows in given lists.

    Attributes:
        queries: (nq, d), prepared.
        list_nos: (nq, nprobe), the lists of each.
        request: what to bring back, with no more neighbours than the shard has rows.
        allowed: rows that may be returned; None for all.
    """

    queries: Vectors
    list_nos: ListNos
    request: ScanRequest
    allowed: ShardFilter | None = None

    def answer(self, shard: OpenShard) -> Part:
        """What the shard found."""
        request = self.request
        if self.allowed is not None:
            request = replace(request, allowed=self.allowed.allowed(shard).mask)
        return shard.part(shard.index.engine.scan(self.queries, self.list_nos, request))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanFiltered:
    """The nearest rows that a filter allows, in as many lists as it takes here.

    Attributes:
        queries: (nq, d), not prepared: to do that twice would change their last bits.
        nprobe: lists that would do without the filter.
        request: as in `ScanLists`.
        allowed: at least one row.
    """

    queries: Vectors
    nprobe: int
    request: ScanRequest
    allowed: ShardFilter

    def answer(self, shard: OpenShard) -> Part:
        """What the shard found."""
        allowed = self.allowed.allowed(shard)
        scanned = self._scanned(shard, allowed)
        if scanned is not None:
            return shard.part(scanned)
        prepared = prepare(self.queries, shard.index.metric, name="queries")
        return _compared(shard, prepared, k=self.request.k, allowed=allowed)

    def _scanned(self, shard: OpenShard, allowed: AllowedRows) -> Scanned | None:
        """What the engine found; None where it cannot scan a few rows alone."""
        index, nprobe = shard.index, self.nprobe
        if allowed.count == len(index):
            return index.engine.search(
                self.queries, nprobe=nprobe, request=self.request
            )
        if allowed.choice(nprobe) is None and is_few(allowed, nprobe=nprobe):
            few = scan_few(index.engine, self.queries, self.request, allowed)
            # What is scanned then are no lists of the index.
            return few and few._replace(work=few.work._replace(lists_probed=0))
        return search_filtered(
            index.engine,
            self.queries,
            self.request,
            nprobe=nprobe,
            allowed=allowed,
            metric=index.metric,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanAll:
    """The nearest of all rows, in float32.

    Attributes:
        queries: (nq, d), prepared.
        k: neighbours of each.
        allowed: rows that may be returned; None for all.
    """

    queries: Vectors
    k: int
    allowed: ShardFilter | None = None

    def answer(self, shard: OpenShard) -> Part:
        """What the shard found."""
        allowed = None if self.allowed is None else self.allowed.allowed(shard)
        return _compared(shard, self.queries, k=self.k, allowed=allowed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Within:
    """All rows within a distance.

    Attributes:
        queries: (nq, d), as the caller gave them.
        radius: as `require_radius` returns it.
        limit: most hits a query; None for all.
        allowed: rows that may be hits; None for all.
    """

    queries: Vectors
    radius: float
    limit: int | None
    allowed: ShardFilter | None = None

    def answer(self, shard: OpenShard) -> PartWithin:
        """What the shard found."""
        found = shard.index.find_within(
            self.queries,
            self.radius,
            limit=self.limit,
            allowed=None if self.allowed is None else self.allowed.allowed(shard),
        )
        stats = found.stats
        return PartWithin(
            queries=np.repeat(np.arange(len(self.queries)), np.diff(found.offsets)),
            rows=found.rows,
            distances=found.distances,
            ids=take_ids(shard.index.held_ids, found.rows),
            work=Work(
                lists_probed=stats.lists_probed,
                entries_scanned=stats.entries_scanned,
                survivors=stats.survivors,
                reranked=stats.reranked,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardFacts:
    """What a shard says of itself.

    Attributes:
        n: rows.
        entries: of its lists.
        engine: name of what searches it.
        id_kind: "integers" or "strings".
        schema: of its payload.
        centroids: (nlist, d), the same in all shards.
        encoding: the same in all shards.
    """

    n: int
    entries: int
    engine: str
    id_kind: str
    schema: Schema
    centroids: Vectors
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Describe:
    """What the shard is."""

    def answer(self, shard: OpenShard) -> ShardFacts:
        """Its facts."""
        index = shard.index
        data = index.data
        return ShardFacts(
            n=len(index),
            entries=data.lists.entries,
            engine=index.engine_name,
            id_kind=kind_of(index.held_ids),
            schema=index.schema,
            centroids=np.asarray(data.centroids),
            encoding=data.encoding,
        )


@dataclass(frozen=True, slots=True)
class HashRows:
    """`SoarIndex.data_hash`, which reads all rows the first time."""

    def answer(self, shard: OpenShard) -> str:
        """In hexadecimal."""
        return shard.index.data_hash


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountAllowed:
    """How many rows a filter allows.

    Attributes:
        allowed: the filter.
    """

    allowed: ShardFilter

    def answer(self, shard: OpenShard) -> int:
        """Their number."""
        return self.allowed.allowed(shard).count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllowedRowsOf:
    """Which rows a filter allows.

    Attributes:
        allowed: the filter.
    """

    allowed: ShardFilter

    def answer(self, shard: OpenShard) -> Rows:
        """Rows (m,) of the shard, ascending."""
        return self.allowed.allowed(shard).rows.astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NextInOrder:
    """The rows that follow in the order of the ids.

    Attributes:
        after: the last id before; None begins with the first.
        size: most rows.
        allowed: rows that may be returned; None for all.
    """

    after: int | str | None
    size: int
    allowed: ShardFilter | None = None

    def answer(self, shard: OpenShard) -> tuple[Rows, HeldIds]:
        """Rows (m,) of the shard in the order of their ids, and those."""
        order, held = shard.id_order, shard.index.held_ids
        start = 0 if self.after is None else count_up_to(held, order, self.after)
        if self.allowed is None:
            rows = order[start : start + self.size]
        else:
            mask = self.allowed.allowed(shard).mask
            rows = first_allowed(order[start:], mask, self.size)
        return rows, take_ids(held, rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindIds:
    """The rows that have some ids.

    Attributes:
        ids: (m,).
    """

    ids: HeldIds

    def answer(self, shard: OpenShard) -> Rows:
        """Rows (m,) of the shard; -1 for an id that it does not have."""
        return shard.index.id_lookup.find(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakeIds:
    """The ids of some rows.

    Attributes:
        rows: (m,) of the shard.
    """

    rows: Rows

    def answer(self, shard: OpenShard) -> HeldIds:
        """Ids (m,)."""
        return take_ids(shard.index.held_ids, self.rows)


@dataclass(frozen=True, slots=True)
class AllIds:
    """The ids of all rows."""

    def answer(self, shard: OpenShard) -> HeldIds:
        """Ids (n,), in the order of the rows."""
        return shard.index.held_ids


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakeVectors:
    """Some rows as they are searched: of unit length under cosine.

    Attributes:
        rows: (m,) of the shard.
    """

    rows: Rows

    def answer(self, shard: OpenShard) -> Vectors:
        """Float32 (m, d)."""
        return np.asarray(shard.index.stored_rows[self.rows], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakePayload:
    """The payload of some rows.

    Attributes:
        rows: (m,) of the shard.
        columns: names; None for all.
    """

    rows: Rows
    columns: tuple[str, ...] | None = None

    def answer(self, shard: OpenShard) -> Payload:
        """(m,)."""
        payload = shard.index.payload
        if payload is None:
            payload = Payload.nulls(Schema(), len(shard.index))
        if self.columns is not None:
            payload = payload.select(self.columns)
        return payload.take(self.rows)


def first_allowed(rows: Rows, mask: Mask, size: int) -> Rows:
    """The first `size` of some rows (m,) that a mask (n,) allows, or all there are.

    No more of them are looked at than that takes, and as many again.
    """
    found: list[Rows] = [rows[:0]]
    missing, start, look = size, 0, 4 * size
    while missing > 0 and start < len(rows):
        some = rows[start : start + look]
        some = some[mask[some]][:missing]
        found.append(some)
        missing -= len(some)
        start, look = start + look, 2 * look
    return np.concatenate(found)


def _compared(
    shard: OpenShard, queries: Vectors, *, k: int, allowed: AllowedRows | None
) -> Part:
    """The nearest rows by comparing all that are allowed."""
    rows, distances = exact_among(shard.index.data, queries, k=k, allowed=allowed)
    count = len(shard.index) if allowed is None else allowed.count
    compared = len(queries) * count
    work = Work(0, compared, compared, compared)
    return shard.part_of(rows, distances, work=work, engine="exact")
