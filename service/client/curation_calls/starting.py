"""How a curation job is started; what all topics share."""

from collections.abc import Sequence
from typing import Any, TypedDict

from gleann.service.client.connection import Calls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle
from gleann.service.wire.fields import fill
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.v1 import curation_pb2


class SharedOptions(TypedDict, total=False):
    """Options of every method.

    Attributes:
        where: a condition on payload, such as "split = 'train' AND score > $1"; only
            vectors that pass when the job runs take part. Default None, all do.
        parameters: the values of $1, $2 and so on.
        request_id: a repeat with the same string returns the same operation.
    """

    where: str | None
    parameters: Sequence[object]
    request_id: str


class StartingCalls(Calls[M]):
    """Starts curation jobs."""

    async def _start(
        self,
        request: curation_pb2.CreateCurationJobRequest,
        *,
        where: str | None = None,
        parameters: Sequence[object] = (),
        request_id: str = "",
    ) -> Handle[Any, Any]:
        """Send a request, which has its index and method, with the shared options."""
        if (condition := filter_to_wire(where, parameters)) is not None:
            request.filter.CopyFrom(condition)
        fill(request, {"request_id": request_id})
        await self._connection.require_sendable(request)
        message = await self._stubs.curation.CreateCurationJob(request)
        return self._connection.operation(message)
