"""Pages of the hits within a distance.

A page is computed anew from the position in its token, so no state of a search is kept.
The hits of a query are ordered by distance, and by id where distances are equal: then a
position means the same hit while other vectors come and go.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, HeldIds, Rows
from gleann.index.errors import (
    AnswerTooLargeError,
    InvalidParamsError,
)
from gleann.index.found import SearchStats, sum_stats
from gleann.index.ids.held import id_at, joined_ids
from gleann.index.payload.payload import Payload
from gleann.index.texts import Texts
from gleann.service.application import Application
from gleann.service.limits import require_within
from gleann.service.servicers.pages import payload_within
from gleann.service.views.sharded_view import Readable
from gleann.service.wire.arrays import ids_to_wire, vectors_of
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.index_messages import stats_to_wire, version_to_wire
from gleann.service.wire.page_tokens import (
    HitPosition,
    hit_position,
    hit_token,
    listing_of,
    page_size,
)
from gleann.service.wire.paging import id_sizes, message_room
from gleann.service.wire.payload.columns import wanted_names
from gleann.service.wire.payload_messages import payload_sizes, payload_to_wire
from gleann.v1 import search_pb2

PAGE_HITS = 100_000
"""Hits of a page where the request does not say."""

QUERY_BLOCK = 64
"""Queries searched at once, at most: the hits that a page has no room for are found
again."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """Hits (m,) of some queries, by query, distance and id.

    Attributes:
        queries: (m,) number of the query of each.
        rows: (m,) of the view.
        distances: (m,).
        ids: (m,).
    """

    queries: Rows
    rows: Rows
    distances: Distances
    ids: HeldIds

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, places: Rows | slice) -> "Hits":
        """Some of the hits."""
        return Hits(
            queries=self.queries[places],
            rows=self.rows[places],
            distances=self.distances[places],
            ids=self.ids[places],
        )

    def position(self, place: int) -> HitPosition:
        """The position of one hit."""
        return HitPosition(
            query=int(self.queries[place]),
            distance=float(self.distances[place]),
            id=id_at(self.ids, place),
        )


@dataclass(slots=True, kw_only=True)
class Page:
    """A page that is being filled.

    Attributes:
        size: hits that it still takes.
        room: bytes that it still takes.
        end: where the next page begins.
        parts: hits, and the payload of each.
        stats: of each search.
        complete: whether no hit was missed.
        view: the state that the last part is of.
    """

    size: int
    room: int
    end: HitPosition
    parts: list[tuple[Hits, Payload]] = field(default_factory=list)
    stats: list[SearchStats] = field(default_factory=list)
    complete: bool = True
    view: Readable

    def add(self, hits: Hits, names: tuple[str, ...], *, following: int) -> bool:
        """Add the hits of a block of queries; whether all of them had room.

        Args:
            hits: of the block.
            names: columns of payload.
            following: number of the query after the block.
        """
        wanted = hits.at(slice(0, self.size))
        others = id_sizes(wanted.ids) + 4
        payload = payload_within(self.view, wanted.rows, names, others, self.room)
        fits = len(payload)
        self.parts.append((wanted.at(slice(0, fits)), payload))
        self.size -= fits
        self.room -= int((others[:fits] + payload_sizes(payload)).sum())
        if fits == len(hits):
            self.end = HitPosition(query=following)
            return True
        if fits:
            self.end = wanted.position(fits - 1)
        return False


def radius_reply(
    application: Application, request: search_pb2.SearchRadiusRequest
) -> search_pb2.SearchRadiusResponse:
    """A page of hits, as long as a message has room for.

    Raises:
        InvalidParamsError: a bad page size or token.
        InvalidInputError: a token of another request.
        AnswerTooLargeError: one hit with its payload is too large for a message.
        and what `Application.search_radius` raises.
    """
    limits = application.limits
    view = application.registry.readable(request.index)
    names = wanted_names(request.columns, view.schema)
    queries = vectors_of(request.queries, name="queries")
    compared = len(queries) * view.count
    require_within(compared, limits.distances, "queries x vectors to compare")
    begin = _begin(request, len(queries))
    page = Page(
        size=page_size(request.page_size, default=PAGE_HITS, most=limits.hits),
        room=message_room(limits) - 8 * len(queries),
        end=begin,
        view=view,
    )
    for block, hits in _blocks(application, request, queries, page):
        if not page.add(hits, names, following=block.stop) or not page.size:
            break
    if page.end == begin and begin.query < len(queries):
        raise AnswerTooLargeError(
            f"one hit takes more than the {limits.message_bytes} bytes that a message"
            " may have: ask for fewer columns or queries"
        )
    return _packed(page, request)


def _begin(request: search_pb2.SearchRadiusRequest, count: int) -> HitPosition:
    begin = hit_position(request.page_token, listing_of(request))
    if request.page_token and begin.query >= count:
        raise InvalidParamsError("page_token is not one that was returned")
    return begin


def _blocks(
    application: Application,
    request: search_pb2.SearchRadiusRequest,
    queries: NDArray[Any],
    page: Page,
) -> Iterator[tuple[slice, Hits]]:
    """The hits of blocks of queries, from the end of `page` on."""
    recall = request.target_recall if request.HasField("target_recall") else 1.0
    condition = condition_of(request)
    begin, limit = page.end, request.limit or None
    # All rows may be hits of each query: no more hits than a request may have at once.
    most = max(1, page.view.count if limit is None else min(limit, page.view.count))
    step = min(max(1, application.limits.hits // most), QUERY_BLOCK)
    for start in range(begin.query, len(queries), step):
        block = slice(start, min(start + step, len(queries)))
        found, page.view = application.search_radius(
            request.index,
            queries[block],
            request.radius,
            target_recall=recall,
            limit=limit,
            condition=condition,
        )
        page.stats.append(found.stats)
        page.complete = page.complete and bool(np.all(found.complete))
        hits = ordered(
            Hits(
                queries=np.repeat(
                    np.arange(block.start, block.stop), np.diff(found.offsets)
                ),
                rows=found.rows,
                distances=found.distances,
                ids=page.view.ids_at(found.rows),
            )
        )
        yield block, _after(hits, begin)


def ordered(hits: Hits) -> Hits:
    """The hits by query, distance and id; strings by their bytes."""
    if not isinstance(hits.ids, Texts):
        return hits.at(np.lexsort((hits.ids, hits.distances, hits.queries)))
    hits = hits.at(np.lexsort((hits.distances, hits.queries)))
    same = (np.diff(hits.queries) == 0) & (np.diff(hits.distances) == 0)
    if not same.any():
        return hits
    # Runs of equal distances are consecutive: only their places change hands.
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    keys = zip(
        hits.queries[tied].tolist(),
        hits.distances[tied].tolist(),
        hits.ids[tied].tolist(),
        strict=True,
    )
    listed = list(keys)
    order = np.arange(len(hits))
    order[tied] = tied[sorted(range(len(tied)), key=listed.__getitem__)]
    return hits.at(order)


def _after(hits: Hits, begin: HitPosition) -> Hits:
    """The hits after a position.

    Raises:
        InvalidParamsError: the position has an id of the other kind.
    """
    if begin.distance is None or not len(hits):
        return hits
    if isinstance(hits.ids, Texts) != isinstance(begin.id, str):
        raise InvalidParamsError("page_token is of an index with other ids")
    mine = hits.queries == begin.query
    gone = mine & (hits.distances < begin.distance)
    tied = np.flatnonzero(mine & (hits.distances == begin.distance))
    if tied.size:
        listed: list[Any] = hits.ids[tied].tolist()
        gone[tied] = [one <= begin.id for one in listed]
    return hits.at(np.flatnonzero(~gone))


def _packed(
    page: Page, request: search_pb2.SearchRadiusRequest
) -> search_pb2.SearchRadiusResponse:
    count, every = request.queries.count, [hits for hits, _ in page.parts]
    numbers = np.concatenate([hits.queries for hits in every])
    finished = page.end == HitPosition(query=count)
    reply = search_pb2.SearchRadiusResponse(
        counts=np.bincount(numbers, minlength=count).astype("<i8").tobytes(),
        ids=ids_to_wire(joined_ids([hits.ids for hits in every])),
        distances=np.concatenate([h.distances for h in every]).astype("<f4").tobytes(),
        complete=page.complete,
        stats=stats_to_wire(sum_stats(page.stats)),
        version=version_to_wire(page.view.state),
        next_page_token="" if finished else hit_token(page.end, listing_of(request)),
    )
    if request.columns:
        payload = Payload.concat([payload for _, payload in page.parts])
        reply.payload.CopyFrom(payload_to_wire(payload))
    return reply
