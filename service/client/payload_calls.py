"""Client calls on the payload of vectors, without the vectors."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds
from gleann.index.errors import AnswerTooLargeError
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.payload.payload import Payload
from gleann.index.texts import Texts
from gleann.service.client.bulk.payload_values import (
    Columns,
    column_names,
    given_payload,
    ids_or_filter,
    payload_for_all,
    with_schema,
)
from gleann.service.client.connection import Calls, part_id
from gleann.service.client.modes import M, method
from gleann.service.wire.arrays import ids_to_wire
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import payload_pb2, vector_pb2


class PayloadCalls(Calls[M]):
    """Calls on the payload of vectors: `client.payload`."""

    @method
    async def update(
        self,
        name: str,
        payload: Any,
        *,
        ids: ArrayLike | None = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> int:
        """Set values of some columns; vectors and other columns stay as they are.

        Ids above the message limit are sent in several messages, each atomic.

        Args:
            name: the index.
            payload: with ids, m values of each column, as in `VectorCalls.upsert`; with
                `where`, a mapping of names to the one value that all get.
            ids: (m,) distinct ids.
            where: in place of ids, the vectors to change; "true" changes all.
            parameters: of `where`.
            request_id: a repeat with the same string changes nothing.

        Returns:
            Number of vectors whose payload was set.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: a value that its column cannot hold, or neither ids nor
                where, or both.
            InvalidFilterError: a filter that cannot be evaluated.
        """
        chosen = ids_or_filter(ids, where, parameters)
        if isinstance(chosen, payload_pb2.Filter):
            request = vector_pb2.UpdatePayloadRequest(
                index=name, filter=chosen, request_id=request_id
            )
            return await with_schema(
                self._connection,
                name,
                lambda schema: self._update_all(
                    request, payload_for_all(payload, schema)
                ),
            )
        rows = hold_distinct(chosen)
        return await with_schema(
            self._connection,
            name,
            lambda schema: self._update_rows(
                name, rows, given_payload(payload, schema, n=len(rows)), request_id
            ),
        )

    async def _update_all(
        self, request: vector_pb2.UpdatePayloadRequest, payload: Payload
    ) -> int:
        from gleann.service.wire.payload_messages import payload_to_wire

        request.payload.CopyFrom(payload_to_wire(payload))
        await self._connection.require_sendable(request)
        return int((await self._stubs.vector.UpdatePayload(request)).count)

    async def _update_rows(
        self, name: str, ids: HeldIds, payload: Payload, request_id: str
    ) -> int:
        from gleann.service.wire.payload_messages import (
            payload_sizes,
            payload_to_wire,
        )

        sizes = id_sizes(ids) + payload_sizes(payload)
        limits, count = await self._connection.limits(), 0
        for part in blocks_within(sizes, limits, name="payload", most=limits.rows):
            values = payload.slice(part.start, part.stop)
            request = vector_pb2.UpdatePayloadRequest(
                index=name,
                ids=ids_to_wire(ids[part]),
                payload=payload_to_wire(values),
                request_id=part_id(request_id, part),
            )
            count += (await self._stubs.vector.UpdatePayload(request)).count
        return count

    @method
    async def delete(
        self,
        name: str,
        columns: Columns,
        *,
        ids: ArrayLike | None = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> int:
        """Remove the values of some columns: they become null.

        Args:
            name: the index.
            columns: their names; "*" for all.
            ids: (m,) distinct ids.
            where: in place of ids, the vectors to change; "true" changes all.
            parameters: of `where`.
            request_id: a repeat with the same string changes nothing.

        Returns:
            Number of vectors whose payload was removed.

        Raises:
            As `update`.
        """
        chosen = ids_or_filter(ids, where, parameters)
        request = vector_pb2.DeletePayloadRequest(
            index=name, columns=column_names(columns), request_id=request_id
        )
        if isinstance(chosen, payload_pb2.Filter):
            request.filter.CopyFrom(chosen)
            return int((await self._stubs.vector.DeletePayload(request)).count)
        rows = hold_distinct(chosen)
        limits, count = await self._connection.limits(), 0
        for part in blocks_within(id_sizes(rows), limits, name="ids", most=limits.rows):
            request.ids.CopyFrom(ids_to_wire(rows[part]))
            request.request_id = part_id(request_id, part)
            count += (await self._stubs.vector.DeletePayload(request)).count
        return count

    @method
    async def get(self, name: str, ids: ArrayLike, columns: Columns = "*") -> Any:
        """Fetch the payload of vectors.

        Args:
            name: the index.
            ids: (m,) the vectors; repeats are allowed.
            columns: names of columns; "*" for all.

        Returns:
            `pyarrow.Table` (m,) with the column id and the requested ones, in the order
            of `ids`.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
            UnknownColumnError: a column that the index does not have.
        """
        import pyarrow as pa

        wanted = hold_id_array(ids)
        limits = await self._connection.limits()
        sizes = id_sizes(wanted)
        waiting = blocks_within(sizes, limits, name="ids", most=limits.rows)[::-1]
        parts = []
        while waiting:
            part = waiting.pop()
            try:
                parts.append(await self._part(name, wanted[part], columns))
            except AnswerTooLargeError:
                if (rows := part.stop - part.start) == 1:
                    raise
                half = part.start + rows // 2
                waiting += [slice(half, part.stop), slice(part.start, half)]
        return pa.concat_tables(parts)

    async def _part(self, name: str, ids: HeldIds, columns: Columns) -> Any:
        import pyarrow as pa

        from gleann.service.wire.payload_messages import payload_of

        request = vector_pb2.GetVectorsRequest(
            index=name,
            ids=ids_to_wire(ids),
            columns=column_names(columns),
            without_vectors=True,
        )
        reply = await self._stubs.vector.GetVectors(request)
        values = payload_of(reply.payload, None, len(ids)).to_arrow()
        named = pa.array(ids.tolist() if isinstance(ids, Texts) else ids)
        return pa.table(
            {"id": named, **dict(zip(values.column_names, values.columns, strict=True))}
        )
