"""Searches split into messages, and their answers joined."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Found
from gleann.index.arrays import HeldIds
from gleann.index.errors import AnswerTooLargeError
from gleann.index.found import FoundWithin
from gleann.index.ids.checks import hold_id_array
from gleann.service.client.bulk.joined import joined, joined_within, merged
from gleann.service.client.connection import Connection, all_pages_of
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import ids_to_wire, vectors_to_wire
from gleann.service.wire.packed.search_message import SearchHead, SearchMessage
from gleann.service.wire.paging import blocks_within, even_blocks, id_sizes
from gleann.v1 import search_pb2

CHUNK_HITS = 500_000
"""Hits asked for in one message; fewer where the ids are too long for that."""


async def search(
    connection: Connection,
    request: search_pb2.SearchRequest,
    queries: NDArray[np.generic],
    *,
    k: int,
    allowed_ids: ArrayLike | None,
) -> Found:
    """Search, in as many messages as the queries, the ids and the answers take.

    Args:
        connection: to the server.
        request: with all but queries and allowed ids.
        queries: (nq, dim).
        k: neighbours of each.
        allowed_ids: if set, only these may be returned.

    Raises:
        AnswerTooLargeError: the answer to one query exceeds a message.
    """
    parts = []
    for part in await _filters(connection, allowed_ids):
        if part is not None:
            request.allowed_ids.CopyFrom(ids_to_wire(part))
        parts.append(await _search_blocks(connection, request, queries, k))
    return merged(parts)


async def search_radius(
    connection: Connection,
    request: search_pb2.SearchRadiusRequest,
    queries: NDArray[np.generic],
) -> FoundWithin:
    """Find all hits within a distance, in as many messages as it takes."""
    parts = []
    for part in await _query_blocks(connection, queries, most=len(queries)):
        request.queries.CopyFrom(vectors_to_wire(queries[part]))
        pages = await all_pages_of(connection.stubs.search.SearchRadius, request)
        parts.append(index_messages.found_within_of(pages))
    return joined_within(parts)


async def _filters(
    connection: Connection, allowed_ids: ArrayLike | None
) -> Sequence[HeldIds | None]:
    """The ids of a filter in disjoint parts, one per message; None for none."""
    if allowed_ids is None:
        return [None]
    limits, name = await connection.limits(), "allowed_ids"
    allowed = hold_id_array(allowed_ids, name=name)
    blocks = blocks_within(id_sizes(allowed), limits, name=name)
    if len(blocks) > 1:
        allowed = hold_id_array(list(dict.fromkeys(allowed.tolist())))
        blocks = blocks_within(id_sizes(allowed), limits, name=name)
    return [allowed[part] for part in blocks]


async def _search_blocks(
    connection: Connection,
    request: search_pb2.SearchRequest,
    queries: NDArray[np.generic],
    k: int,
) -> Found:
    most = max(1, CHUNK_HITS // k)
    waiting = (await _query_blocks(connection, queries, most=most))[::-1]
    parts = []
    while waiting:
        part = waiting.pop()
        try:
            reply = await connection.stubs.search.Search(
                SearchMessage(SearchHead(request), queries[part])
            )
        except AnswerTooLargeError:
            if (rows := part.stop - part.start) == 1:
                raise
            half = part.start + rows // 2
            waiting += [slice(half, part.stop), slice(part.start, half)]
        else:
            parts.append(index_messages.found_of(reply))
    return joined(parts)


async def _query_blocks(
    connection: Connection, queries: NDArray[np.generic], *, most: int
) -> list[slice]:
    row_bytes = queries.shape[1] * queries.itemsize
    limits = await connection.limits()
    return even_blocks(len(queries), row_bytes, limits, name="queries", most=most)
