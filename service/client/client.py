"""`Client`: one interface to indexes in this process and behind gRPC."""

from collections.abc import Iterator
from os import PathLike
from types import TracebackType
from typing import Any, Self

from google.longrunning import operations_pb2

from gleann.service.client.index_calls import IndexCalls
from gleann.service.client.operation import Operation
from gleann.service.client.selection_calls import SelectionCalls
from gleann.service.stubs import Stubs
from gleann.service.values import ServerInfo
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2

REMOTE_SCHEME = "grpc://"


class Client(IndexCalls, SelectionCalls):
    """Indexes, searches and selections of one data directory or one server.

    `Client("path/to/directory")` runs everything in this process and keeps its state in
    the directory, which no other process may have open; `Client("grpc://host:port")`
    calls a server. Methods, values and exceptions are the same.

        with gleann.Client("library") as client:
            client.create_index("words", dim=50)
            client.upsert("words", ids, vectors)
            client.build("words").wait()
            found = client.search("words", queries, SearchParams(k=10))

    Any number of threads may use a client at once.
    """

    def __init__(
        self,
        target: str | PathLike[str],
        *,
        api_key: str | None = None,
        timeout: float | None = 300.0,
    ) -> None:
        """Open a data directory, or connect to a server.

        Args:
            target: a directory (made when missing), or "grpc://host:port".
            api_key: what the server expects, if it expects one.
            timeout: seconds after which a remote call fails with `ServiceError`; None
                waits for ever. Long work is an `Operation` and is not cut off.

        Raises:
            NotReadyError: another process has the directory open.
            CorruptDataError: what is stored there cannot be read.
        """
        super().__init__(_open_stubs(target, api_key=api_key, timeout=timeout))

    def server_info(self) -> ServerInfo:
        """Version, limits and features of the server, or of the library in process."""
        reply = self._stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply)

    def get_operation(self, name: str) -> Operation[Any]:
        """The operation that is called `name`, such as "operations/3f2a".

        Raises:
            UnknownJobError: there is none.
        """
        request = operations_pb2.GetOperationRequest(name=name)
        return self._operation(self._stubs.operations.GetOperation(request))

    def list_operations(self) -> list[Operation[Any]]:
        """All operations, oldest first, until they are deleted."""
        return [self._operation(message) for message in self._operation_pages()]

    def cancel_operation(self, name: str) -> None:
        """Ask an operation to stop; it ends with `CancelledError` if it was in time.

        Raises:
            UnknownJobError: there is none.
        """
        request = operations_pb2.CancelOperationRequest(name=name)
        self._stubs.operations.CancelOperation(request)

    def delete_operation(self, name: str) -> None:
        """Forget an operation that is done; what it made stays.

        Raises:
            UnknownJobError: there is none.
            NotReadyError: it is not done.
        """
        request = operations_pb2.DeleteOperationRequest(name=name)
        self._stubs.operations.DeleteOperation(request)

    def close(self) -> None:
        """Hang up; in process, stop long work (it resumes at the next opening)."""
        self._stubs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _operation_pages(self) -> Iterator[operations_pb2.Operation]:
        request = operations_pb2.ListOperationsRequest(name="operations")
        while True:
            page = self._stubs.operations.ListOperations(request)
            yield from page.operations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _open_stubs(
    target: str | PathLike[str], *, api_key: str | None, timeout: float | None
) -> Stubs:
    if isinstance(target, str) and target.startswith(REMOTE_SCHEME):
        from gleann.service.client.remote import connect

        address = target.removeprefix(REMOTE_SCHEME)
        return connect(address, api_key=api_key, timeout=timeout)
    from gleann.service.local import open_directory

    return open_directory(target)
