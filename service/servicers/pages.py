"""Replies with vectors and payload that must fit in a message."""

from collections.abc import Sequence

import numpy as np

from gleann.index.arrays import Rows
from gleann.index.errors import AnswerTooLargeError
from gleann.index.heartbeat import beat
from gleann.index.ids.held import id_at, shown_id
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.application import Application
from gleann.service.limits import require_within
from gleann.service.values import Limits
from gleann.service.views.sharded_view import Readable
from gleann.service.wire.arrays import ids_of, ids_to_wire, vectors_to_wire
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.index_messages import version_to_wire
from gleann.service.wire.page_tokens import (
    id_position,
    id_token,
    listing_of,
    page_size,
)
from gleann.service.wire.paging import Sizes, id_sizes, message_room
from gleann.service.wire.payload.columns import wanted_names
from gleann.service.wire.payload_messages import payload_sizes, payload_to_wire
from gleann.v1 import vector_pb2

SCROLL_ROWS = 1000
"""Vectors of a page where the request does not say."""

BLOCK_ROWS = 4096
"""Rows whose payload is gathered before looking whether a message has room for it."""


def payload_within(
    view: Readable, rows: Rows, names: Sequence[str], others: Sizes, room: int
) -> Payload:
    """The payload of the first of `rows` (n,), of as many as there is room for.

    Args:
        view: the state of the index.
        rows: -1 for none, whose payload is null.
        names: columns of payload.
        others: bytes (n,) that each row takes beside its payload.
        room: bytes for the rows and their payload.
    """
    if not names:
        fits = int(np.searchsorted(np.cumsum(others), room, side="right"))
        return Payload.nulls(Schema(), fits)
    parts: list[Payload] = []
    for block in block_slices(len(rows), BLOCK_ROWS):
        beat()
        part = view.payload_at(rows[block], names)
        before = np.cumsum(others[block] + payload_sizes(part))
        fits = int(np.searchsorted(before, room, side="right"))
        if fits < len(part):
            parts.append(part.slice(0, fits))
            break
        parts.append(part)
        room -= int(before[-1])
    if len(parts) == 1:
        return parts[0]
    return Payload.concat(parts or [Payload.empty(view.schema.select(names))])


def whole_payload(
    view: Readable, rows: Rows, names: Sequence[str], others: Sizes, limits: Limits
) -> Payload:
    """The payload of all `rows` in one message; arguments as `payload_within`.

    Raises:
        AnswerTooLargeError: a message has no room for them.
    """
    payload = payload_within(view, rows, names, others, message_room(limits))
    if len(payload) < len(rows):
        raise AnswerTooLargeError(
            f"a message may have {limits.message_bytes} bytes, and the payload of"
            f" {len(payload)} of {len(rows)} vectors takes them: ask for less at once"
        )
    return payload


def get_reply(
    application: Application, request: vector_pb2.GetVectorsRequest
) -> vector_pb2.GetVectorsResponse:
    """The vectors of ids, their payload or both, in the order of the ids.

    Raises:
        UnknownIdError: unknown id.
        UnknownColumnError: unknown column.
        LimitError: too many, or too large for a message.
    """
    limits, view = application.limits, application.registry.readable(request.index)
    names = wanted_names(request.columns, view.schema)
    ids = ids_of(request.ids, name="ids")
    require_within(len(ids), limits.rows, "ids")
    row_bytes = 0 if request.without_vectors else 4 * view.dim
    require_within(len(ids) * row_bytes, limits.message_bytes, "bytes of vectors")
    rows, reply = view.require(ids), vector_pb2.GetVectorsResponse()
    if request.columns or request.without_vectors:
        others = np.full(len(rows), row_bytes, np.int64)
        payload = whole_payload(view, rows, names, others, limits)
        reply.payload.CopyFrom(payload_to_wire(payload))
    if not request.without_vectors:
        reply.vectors.CopyFrom(vectors_to_wire(view.vectors_at(rows)))
    return reply


def scroll_reply(
    application: Application, request: vector_pb2.ScrollVectorsRequest
) -> vector_pb2.ScrollVectorsResponse:
    """A page of the vectors of a filter, as long as a message has room for.

    Raises:
        InvalidParamsError: a bad page size or token.
        InvalidInputError: a token of another request.
        InvalidFilterError: a filter that cannot be evaluated.
        UnknownColumnError: unknown column.
        AnswerTooLargeError: one vector with its payload is too large for a message.
    """
    limits = application.limits
    size = page_size(request.page_size, default=SCROLL_ROWS, most=limits.rows)
    listing = listing_of(request)
    after = id_position(request.page_token, listing)
    every, view = application.scroll(
        request.index, condition_of(request), after_id=after, size=size + 1
    )
    names, rows = wanted_names(request.columns, view.schema), every[:size]
    ids = view.ids_at(rows)
    others = id_sizes(ids) + (4 * view.dim if request.with_vectors else 0)
    payload = payload_within(view, rows, names, others, message_room(limits))
    fits = len(payload)
    if not fits and len(rows):
        raise AnswerTooLargeError(
            f"the vector {shown_id(id_at(ids, 0))} takes more than the"
            f" {limits.message_bytes} bytes that a message may have: ask for fewer"
            " columns"
        )
    reply = vector_pb2.ScrollVectorsResponse(
        ids=ids_to_wire(ids[:fits]),
        payload=payload_to_wire(payload),
        next_page_token=(
            id_token(id_at(ids, fits - 1), listing) if fits < len(every) else ""
        ),
        version=version_to_wire(view.state),
    )
    if request.with_vectors:
        reply.vectors.CopyFrom(vectors_to_wire(view.vectors_at(rows[:fits])))
    return reply
