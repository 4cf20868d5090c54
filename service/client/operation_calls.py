"""Client calls on long-running operations."""

from typing import Any

from google.longrunning import operations_pb2

from gleann.service.client.connection import Calls, pages_of
from gleann.service.client.modes import M, method
from gleann.service.client.operation import Handle, operation_method, operations_method


class OperationCalls(Calls[M]):
    """Calls on operations: `client.operations`."""

    @operation_method
    async def get(self, name: str) -> Handle[Any, Any]:
        """The operation `name`, such as "operations/3f2a".

        Raises:
            UnknownJobError: no such operation.
        """
        request = operations_pb2.GetOperationRequest(name=name)
        return self._connection.operation(
            await self._stubs.operations.GetOperation(request)
        )

    @method
    async def cancel(self, name: str) -> None:
        """Request a stop; the operation ends with `CancelledError` if not done before.

        Raises:
            UnknownJobError: no such operation.
        """
        request = operations_pb2.CancelOperationRequest(name=name)
        await self._stubs.operations.CancelOperation(request)

    @method
    async def delete(self, name: str) -> None:
        """Delete the record of a finished operation; its result stays.

        Raises:
            UnknownJobError: no such operation.
            NotReadyError: it is not done.
        """
        request = operations_pb2.DeleteOperationRequest(name=name)
        await self._stubs.operations.DeleteOperation(request)

    @operations_method
    async def list(self) -> list[Handle[Any, Any]]:
        """All operations, oldest first, until they are deleted."""
        request = operations_pb2.ListOperationsRequest(name="operations")
        return [
            self._connection.operation(message)
            async for page in pages_of(self._stubs.operations.ListOperations, request)
            for message in page.operations
        ]
