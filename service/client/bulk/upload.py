"""Vectors split into messages and sent, one after the other or several at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidParamsError
from gleann.index.payload.payload import Payload
from gleann.service.client.connection import Connection, part_id
from gleann.service.client.reports import Count, Wanted, reporting
from gleann.service.wire.arrays import fill_vectors, ids_to_wire
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import vector_pb2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Upload:
    """Vectors to be stored.

    Attributes:
        name: the index.
        ids: n distinct ids.
        matrix: (n, dim), in a dtype of the protocol.
        request_id: of the first message; those of others are made from it.
        progress: what the caller wants to see.
        parallel: messages under way at once.
    """

    name: str
    ids: HeldIds
    matrix: NDArray[np.generic]
    request_id: str
    progress: Wanted
    parallel: int

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise InvalidParamsError(
                f"parallel must be at least 1, got {self.parallel}"
            )

    async def send(self, connection: Connection, payload: Payload | None) -> int:
        """Send all rows, in as many messages as it takes; return their number."""
        sizes = id_sizes(self.ids) + self.matrix.shape[1] * self.matrix.itemsize
        if payload is not None:
            from gleann.service.wire.payload_messages import payload_sizes

            sizes = sizes + payload_sizes(payload)
        limits = await connection.limits()
        parts = blocks_within(sizes, limits, name="vectors", most=limits.rows)
        with reporting(self.progress) as report:
            count = Count("upsert", len(self.matrix), report)

            async def send_part(part: slice) -> None:
                request = self._request(part, payload)
                await connection.stubs.vector.UpsertVectors(request)
                count.add(part.stop - part.start)

            await connection.mode.for_each(send_part, parts, parallel=self.parallel)
        return len(self.matrix)

    def _request(
        self, part: slice, payload: Payload | None
    ) -> vector_pb2.UpsertVectorsRequest:
        request = vector_pb2.UpsertVectorsRequest(
            index=self.name,
            ids=ids_to_wire(self.ids[part]),
            request_id=part_id(self.request_id, part),
        )
        fill_vectors(request.vectors, self.matrix[part])
        if payload is not None:
            from gleann.service.wire.payload_messages import payload_to_wire

            values = payload_to_wire(payload.slice(part.start, part.stop))
            request.payload.CopyFrom(values)
        return request
