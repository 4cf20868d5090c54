"""google.longrunning.Operations."""

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from gleann.service.application import Application
from gleann.service.calls.visible import may_see
from gleann.service.wire.page_tokens import page_position, page_size, page_token

LONGEST_WAIT_SECONDS = 10.0
"""A client asks again; so one that has gone is forgotten soon."""


class OperationsServicer(
    operations_pb2_grpc.OperationsServicer  # type: ignore[misc]  # it is untyped
):
    """Servicer of long-running operations."""

    def __init__(self, application: Application) -> None:
        self._jobs = application.jobs

    def ListOperations(  # noqa: N802
        self, request: operations_pb2.ListOperationsRequest, _: object
    ) -> operations_pb2.ListOperationsResponse:
        """List a page of operations, oldest first; `filter` as in `JobCalls.list`."""
        size = page_size(request.page_size, default=100, most=1000)
        found = self._jobs.list(
            after=page_position(request.page_token),
            limit=size + 1,
            where=request.filter,
            visible=may_see,
        )
        page = found[:size]
        more = len(found) > size
        return operations_pb2.ListOperationsResponse(
            operations=[operation for _, operation in page],
            next_page_token=page_token(page[-1][0]) if more else "",
        )

    def GetOperation(  # noqa: N802
        self, request: operations_pb2.GetOperationRequest, _: object
    ) -> operations_pb2.Operation:
        """Return the state of an operation."""
        return self._jobs.get(request.name)

    def DeleteOperation(  # noqa: N802
        self, request: operations_pb2.DeleteOperationRequest, _: object
    ) -> Empty:
        """Delete an operation that has ended."""
        self._jobs.delete(request.name)
        return Empty()

    def CancelOperation(  # noqa: N802
        self, request: operations_pb2.CancelOperationRequest, _: object
    ) -> Empty:
        """Cancel an operation."""
        self._jobs.cancel(request.name)
        return Empty()

    def WaitOperation(  # noqa: N802
        self, request: operations_pb2.WaitOperationRequest, _: object
    ) -> operations_pb2.Operation:
        """Wait until an operation has ended, at most ten seconds."""
        return self._jobs.wait(request.name, seconds=wait_seconds(request))


def wait_seconds(request: operations_pb2.WaitOperationRequest) -> float:
    """The requested wait in seconds, capped."""
    if not request.HasField("timeout"):
        return LONGEST_WAIT_SECONDS
    # Not through timedelta, whose range is smaller than that of the message.
    wanted: float = request.timeout.seconds + request.timeout.nanos / 1e9
    return min(max(wanted, 0.0), LONGEST_WAIT_SECONDS)
