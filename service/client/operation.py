"""`Operation` and `AsyncOperation`: a client's handles of long-running work."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from math import inf
from time import monotonic
from typing import Any, Concatenate, Generic, TypeVar

from google.longrunning import operations_pb2

from gleann.index import Progress
from gleann.index.errors import GleannError, ServiceError
from gleann.service import status
from gleann.service.client.curation import AsyncCuration, Curation, curation_of
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
from gleann.service.values import JobLog, JobState, Plan, Selected
from gleann.service.wire import index_messages
from gleann.service.wire.fields import enum_text, fill, time_of
from gleann.service.wire.plan_messages import plan_of
from gleann.service.wire.selected_messages import selected_of
from gleann.service.wire.snapshot_messages import snapshot_info_of
from gleann.v1 import (
    coreset_pb2,
    curation_pb2,
    index_pb2,
    job_pb2,
    snapshot_pb2,
    vector_pb2,
)

T = TypeVar("T")

POLL_SECONDS = 0.25
"""Longest time between two reports of progress."""


def operation_method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, "Handle[Any, T]"]],
) -> "Member[P, Operation[T], Coroutine[Any, Any, AsyncOperation[T]]]":
    """A method whose result is an operation, which has the mode of the method."""
    made: Any = Member(body, run)
    return made


def curation_method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, "Handle[Any, Any]"]],
) -> """Member[
    P, Operation[Curation], Coroutine[Any, Any, AsyncOperation[AsyncCuration]]
]""":
    """A method whose result is the operation of a curation."""
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
        """Its name, such as "operations/3f2a", for `Client.operations.get`."""
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
    def state(self) -> JobState | None:
        """Where it stands, such as "queued" or "paused"; None if that is not known."""
        number = self._metadata.state
        if not number:
            return None
        state: JobState = enum_text(index_pb2.JobState.DESCRIPTOR, number)
        return state

    @property
    def owner(self) -> str:
        """Name of the key of whoever asked for it; "" where no keys are in use."""
        return self._metadata.owner

    @property
    def attempts(self) -> int:
        """How often it was begun."""
        return self._metadata.attempts

    @property
    def command(self) -> str:
        """A command line that asks for the same again, without --server; or ""."""
        return self._metadata.command

    @property
    def message(self) -> str:
        """The last line of its log."""
        return self._metadata.message

    @property
    def created_at(self) -> datetime:
        """When it was asked for, UTC."""
        return time_of(self._metadata.create_time)

    @property
    def started_at(self) -> datetime | None:
        """When it was begun last, UTC; None before."""
        return self._moment("start_time")

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, UTC; None before."""
        return self._moment("end_time")

    @property
    def expires_at(self) -> datetime | None:
        """When the server forgets it, UTC; None before it has ended."""
        return self._moment("expire_time")

    @property
    def plan(self) -> Plan | None:
        """What the work would take, of a call of `client.plans`; None of others."""
        known = self._metadata.HasField("plan")
        return plan_of(self._metadata.plan) if known else None

    def _moment(self, field: str) -> datetime | None:
        known = self._metadata.HasField(field)
        return time_of(getattr(self._metadata, field)) if known else None

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

    @operation_method
    async def pause(self) -> "Handle[Any, T]":
        """Stop it until it is resumed, also over restarts; returns itself.

        Raises:
            NotReadyError: it has ended.
        """
        request = job_pb2.PauseJobRequest(name=self.name)
        self._take(await self._stubs.job.PauseJob(request))
        return self

    @operation_method
    async def resume(self) -> "Handle[Any, T]":
        """Queue it again after a pause; returns itself.

        Raises:
            NotReadyError: it has ended.
        """
        request = job_pb2.ResumeJobRequest(name=self.name)
        self._take(await self._stubs.job.ResumeJob(request))
        return self

    @operation_method
    async def retry(self, *, request_id: str = "") -> "Handle[Any, T]":
        """Ask for the same work again after a failure; returns the new operation.

        Raises:
            NotReadyError: it has neither failed nor was it cancelled.
        """
        request = job_pb2.RetryJobRequest(name=self.name, request_id=request_id)
        message = await self._stubs.job.RetryJob(request)
        return handle_of(message, self._stubs, self._mode)

    @method
    async def log(self, *, after: int = 0) -> JobLog:
        """The latest lines of its log, those after the line number `after`."""
        return await read_log(self._stubs, self.name, after=after)

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
        result: Any = await _read_response(self._message, self._stubs, self._mode)
        return result


class Operation(Handle[Blocking, T], Generic[T]):
    """Long work such as a build, running or done.

    The properties have the state of the last `refresh` or `wait`.
    """


class AsyncOperation(Handle[Awaiting, T], Generic[T]):
    """As `Operation`; its methods, such as `wait` and `cancel`, are awaited."""


def handle_of(
    message: operations_pb2.Operation, stubs: Stubs, mode: Mode
) -> Handle[Any, Any]:
    """The operation of a message, for a mode."""
    if isinstance(mode, Awaiting):
        return AsyncOperation(message, stubs, mode)
    assert isinstance(mode, Blocking)
    return Operation(message, stubs, mode)


async def _read_response(
    message: operations_pb2.Operation, stubs: Stubs, mode: Mode
) -> object:
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
    if response.Is(curation_pb2.Curation.DESCRIPTOR):
        curation = curation_pb2.Curation()
        response.Unpack(curation)
        return curation_of(curation, stubs, mode)
    raise ServiceError(f"{message.name} answered with {response.type_url}")


async def read_log(stubs: Stubs, name: str, *, after: int) -> JobLog:
    """Fetch the lines of an operation's log after a line."""
    request = job_pb2.GetJobLogRequest(name=name)
    fill(request, {"after": after})
    reply = await stubs.job.GetJobLog(request)
    return JobLog(lines=tuple(reply.lines), last=reply.last)


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
