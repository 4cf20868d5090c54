"""A batch of vectors in a message, made ready to be stored."""

from collections.abc import Callable
from dataclasses import dataclass

from gleann.service.row_operations import RowOperations
from gleann.service.values import IndexVersion
from gleann.service.wire.arrays import ids_of, vectors_of
from gleann.service.wire.payload_messages import payload_of
from gleann.v1 import vector_pb2


@dataclass(frozen=True, slots=True)
class Upserting:
    """A batch that is ready.

    Attributes:
        count: of its vectors.
        store: stores it, and returns the first state with it.
    """

    count: int
    store: Callable[[], IndexVersion]


def upserting(
    rows: RowOperations,
    index: str,
    message: vector_pb2.UpsertVectorsRequest | vector_pb2.UpsertBatch,
) -> Upserting:
    """Check and prepare the batch of a message, outside of any transaction.

    Raises:
        As `RowOperations.upsert`.
    """
    view = rows.registry.view(index)
    ids = ids_of(message.ids, name="ids")
    vectors = vectors_of(message.vectors, name="vectors")
    payload = None
    if message.HasField("payload"):
        payload = payload_of(message.payload, view.schema, len(ids))
    return Upserting(len(ids), rows.upserting(index, ids, vectors, payload))
