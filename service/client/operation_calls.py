"""Client calls on long-running operations."""

from collections.abc import Iterator
from typing import Any

from google.longrunning import operations_pb2

from gleann.service.client.connection import Connection
from gleann.service.client.operation import Operation


class OperationCalls:
    """Calls on operations: `client.operations`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stubs = connection.stubs

    def get(self, name: str) -> Operation[Any]:
        """The operation `name`, such as "operations/3f2a".

        Raises:
            UnknownJobError: no such operation.
        """
        request = operations_pb2.GetOperationRequest(name=name)
        return self._connection.operation(self._stubs.operations.GetOperation(request))

    def cancel(self, name: str) -> None:
        """Request a stop; the operation ends with `CancelledError` if not done before.

        Raises:
            UnknownJobError: no such operation.
        """
        request = operations_pb2.CancelOperationRequest(name=name)
        self._stubs.operations.CancelOperation(request)

    def delete(self, name: str) -> None:
        """Delete the record of a finished operation; its result stays.

        Raises:
            UnknownJobError: no such operation.
            NotReadyError: it is not done.
        """
        request = operations_pb2.DeleteOperationRequest(name=name)
        self._stubs.operations.DeleteOperation(request)

    def _pages(self) -> Iterator[operations_pb2.Operation]:
        request = operations_pb2.ListOperationsRequest(name="operations")
        while True:
            page = self._stubs.operations.ListOperations(request)
            yield from page.operations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list(self) -> list[Operation[Any]]:
        """All operations, oldest first, until they are deleted."""
        return [self._connection.operation(message) for message in self._pages()]
