"""`Operation` and `AsyncOperation`: a client's handles of long-running work."""

from collections.abc import Callable, Coroutine
from math import inf
from time import monotonic
from typing import Any, Concatenate, Generic, TypeVar

from google.longrunning import operations_pb2

from gleann.index import Progress
from gleann.index.errors import GleannError, ServiceError
from gleann.service import status
from gleann.service.client.modes import (
    Awaiting,
    Blocking,
    InMode,
    M,
    Member,
    Mode,
    P,
    method,
    run,
)
from gleann.service.client.reports import Wanted, reporting
from gleann.service.stubs import Stubs
from gleann.service.values import Selected
from gleann.service.wire import index_messages
from gleann.service.wire.selected_messages import selected_of
from gleann.service.wire.snapshot_messages import snapshot_info_of
from gleann.v1 import coreset_pb2, index_pb2, snapshot_pb2, vector_pb2

T = TypeVar("T")

POLL_SECONDS = 0.25
"""Longest time between two reports of progress."""


def operation_method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, "Handle[Any, T]"]],
) -> "Member[P, Operation[T], Coroutine[Any, Any, AsyncOperation[T]]]":
    """A method whose result is an operation, which has the mode of the method."""
    made: Any = Member(body, run)
    return made


def operations_method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, "list[Handle[Any, T]]"]],
) -> "Member[P, list[Operation[T]], Coroutine[Any, Any, list[AsyncOperation[T]]]]":
    """A method whose result is a list of operations."""
    made: Any = Member(body, run)
    return made


class Handle(InMode[M], Generic[M, T]):
    """`Operation` or `AsyncOperation`."""

    def __init__(
        self, message: operations_pb2.Operation, stubs: Stubs, mode: M
    ) -> None:
        self._stubs = stubs
        self._mode = mode
        self._take(message)

    def _take(self, message: operations_pb2.Operation) -> None:
        self._message = message
        self._metadata = index_pb2.OperationMetadata()
        message.metadata.Unpack(self._metadata)

    @property
    def name(self) -> str:
        """Its name, such as "operations/3f2a", for `client.operations.get`."""
        return self._message.name

    @property
    def kind(self) -> str:
        """Its kind, such as "build", "import" or "snapshot"."""
        return self._metadata.kind

    @property
    def index(self) -> str:
        """The index it works on."""
        return self._metadata.index

    @property
    def done(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self._message.done

    @property
    def phase(self) -> str:
        """Its current phase, such as "queued", "train" or "read"."""
        return self._metadata.phase

    @property
    def done_units(self) -> int:
        """Units done in the phase."""
        return self._metadata.done

    @property
    def total(self) -> int:
        """Units of the phase in all; 0 while unknown."""
        return self._metadata.total

    @property
    def rate(self) -> float:
        """Units per second since the phase began; 0 while unknown."""
        return self._metadata.rate

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the phase ends at that rate; None while unknown."""
        known = self._metadata.HasField("eta_seconds")
        return self._metadata.eta_seconds if known else None

    @property
    def error(self) -> GleannError | None:
        """Why it failed; None unless it did."""
        if self._message.WhichOneof("result") != "error":
            return None
        return status.error_of(self._message.error)

    @operation_method
    async def refresh(self) -> "Handle[Any, T]":
        """Fetch the current state; returns itself.

        Raises:
            UnknownJobError: it was deleted.
        """
        request = operations_pb2.GetOperationRequest(name=self.name)
        self._take(await self._stubs.operations.GetOperation(request))
        return self

    @method
    async def wait(
        self,
        progress: Wanted = None,
        timeout: float | None = None,
    ) -> T:
        """Wait until it ends, and return its result.

        Args:
            progress: called with each update; its exception ends the wait, not the
                operation. True shows bars on stderr.
            timeout: seconds to wait at most; None waits without limit.

        Raises:
            TimeoutError: it has not ended in time; it continues.
            CancelledError: it was cancelled.
            GleannError: it failed; the subclass shows the cause.
        """
        deadline = monotonic() + (inf if timeout is None else timeout)
        with reporting(progress) as report:
            while not self.done:
                if monotonic() > deadline:
                    raise TimeoutError(f"{self.name} has not ended after {timeout} s")
                await self._wait_for_news()
                if report is not None:
                    report(
                        Progress(
                            phase=self.phase, done=self.done_units, total=self.total
                        )
                    )
        return await self._result()

    @method
    async def cancel(self) -> None:
        """Request a stop; `wait` raises `CancelledError` if it was not done before."""
        request = operations_pb2.CancelOperationRequest(name=self.name)
        await self._stubs.operations.CancelOperation(request)

    def __repr__(self) -> str:
        state = "done" if self.done else self.phase
        return f"{type(self).__name__}({self.name!r}, kind={self.kind!r}, {state})"

    async def _wait_for_news(self) -> None:
        request = operations_pb2.WaitOperationRequest(name=self.name)
        request.timeout.FromNanoseconds(int(POLL_SECONDS * 1e9))
        self._take(await self._stubs.operations.WaitOperation(request))

    async def _result(self) -> T:
        if (error := self.error) is not None:
            raise error
        result: Any = await _read_response(self._message, self._stubs)
        return result


class Operation(Handle[Blocking, T], Generic[T]):
    """Long work such as a build, running or done.

    The properties have the state of the last `refresh` or `wait`.
    """


class AsyncOperation(Handle[Awaiting, T], Generic[T]):
    """As `Operation`; `refresh`, `wait` and `cancel` are awaited."""


def handle_of(
    message: operations_pb2.Operation, stubs: Stubs, mode: Mode
) -> Handle[Any, Any]:
    """The operation of a message, for a mode."""
    if isinstance(mode, Awaiting):
        return AsyncOperation(message, stubs, mode)
    assert isinstance(mode, Blocking)
    return Operation(message, stubs, mode)


async def _read_response(message: operations_pb2.Operation, stubs: Stubs) -> object:
    response = message.response
    if response.Is(index_pb2.Index.DESCRIPTOR):
        index = index_pb2.Index()
        response.Unpack(index)
        return index_messages.index_info_of(index)
    if response.Is(vector_pb2.ImportVectorsResponse.DESCRIPTOR):
        imported = vector_pb2.ImportVectorsResponse()
        response.Unpack(imported)
        return index_messages.imported_of(imported)
    if response.Is(snapshot_pb2.Snapshot.DESCRIPTOR):
        snapshot = snapshot_pb2.Snapshot()
        response.Unpack(snapshot)
        return snapshot_info_of(snapshot)
    if response.Is(coreset_pb2.Selection.DESCRIPTOR):
        selection = coreset_pb2.Selection()
        response.Unpack(selection)
        return await read_selection(selection, stubs)
    raise ServiceError(f"{message.name} answered with {response.type_url}")


async def read_selection(selection: coreset_pb2.Selection, stubs: Stubs) -> Selected:
    """Fetch all pages of a stored selection."""
    request = coreset_pb2.ListSelectedItemsRequest(name=selection.name)
    pages = []
    while True:
        page = await stubs.coreset.ListSelectedItems(request)
        pages.append(page.items)
        if not page.next_page_token:
            return selected_of(selection, pages)
        request.page_token = page.next_page_token
